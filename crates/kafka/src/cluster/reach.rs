//! Whether a cluster answers at all. Asked for anything, the client only says that nobody did; why, it tells beside that: a wrong password
//! is a mistake to be corrected, a broker that is away is waited for.

use super::Cluster;
use domain::{Error, Result};
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use std::time::{Duration, Instant};

/// How long an answer is waited for at a time.
const STEP: Duration = Duration::from_millis(500);

/// What the client said last of its connections, and the last that no waiting will mend.
#[derive(Default)]
struct Told {
    last: Mutex<Option<String>>,
    hopeless: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl ClientContext for Told {
    fn error(&self, error: KafkaError, reason: &str) {
        let refused = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => true,
            // A handshake may also fail because the broker just stops.
            Some(RDKafkaErrorCode::SSL) => ["verify failed", "wrong version number"].iter().any(|words| reason.contains(words)),
            _ => false,
        };
        *self.last.lock() = Some(reason.to_owned());
        if let (true, Some(code)) = (refused, error.rdkafka_error_code()) {
            *self.hopeless.lock() = Some((code, reason.to_owned()));
        }
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl Cluster {
    /// Returns when a broker answers.
    ///
    /// # Errors
    /// Retry after `patience`, with what the client says of it; Stop where user, password, certificates or a property are wrong.
    pub fn reach(&self, patience: Duration) -> Result<()> {
        let asking: ThreadedProducer<Told> =
            self.config().create_with_context(Told::default()).map_err(|e| self.error("cannot make a client", e))?;
        // Its own thread reads what the client tells, so a refusal is known long before patience ends.
        let (told, until) = (asking.context(), Instant::now() + patience);
        let e = loop {
            let left = until.saturating_duration_since(Instant::now());
            let Err(e) = asking.client().fetch_metadata(None, left.min(STEP)) else { return Ok(()) };
            if left <= STEP || told.hopeless.lock().is_some() {
                break e;
            }
        };
        if let Some((code, reason)) = told.hopeless.lock().take() {
            let hint = if code == RDKafkaErrorCode::SSL {
                "check `tls` in the project's log settings: the certificates that are trusted, and whether the listener speaks TLS"
            } else {
                "check `sasl` in the project's log settings: mechanism, user and password"
            };
            return Err(Error::stop(format!("the cluster refuses us ({}): {reason}", self.bootstrap), hint).because(e));
        }
        let error = self.error("no broker answers", e);
        Err(match told.last.lock().take() {
            Some(reason) if error.kind == domain::Kind::Retry => Error::retry(format!("{}: {reason}", error.message)),
            _ => error,
        })
    }
}
