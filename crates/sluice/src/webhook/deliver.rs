//! One alert on its way to a receiver: an HTTP POST, tried again with growing waits while the receiver does not take it.

use super::{State, backoff, sign};
use domain::{Alert, Error, Result};
use parking_lot::Mutex;
use pipeline::{Clock as _, SystemClock};
use project::WebhookSpec;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long an attempt under way may go on once it is time to stop.
const GRACE: Duration = Duration::from_secs(1);

/// Of an answer's body as much is read, so that the connection can be used again; more closes it.
const ANSWER_BYTES: usize = 64 << 10;

/// An answer that says the message itself is wrong is not asked for again and again.
const ATTEMPTS_IF_REFUSED: u32 = 3;

/// What is sent, the same in each attempt.
pub struct Message {
    /// Derived from the alert's bytes: the same however often it is sent, and never that of another.
    pub id: String,
    body: Vec<u8>,
}

impl Message {
    /// `json` is the alert as the topic holds it.
    pub fn new(alert: &Alert, json: &[u8]) -> Result<Self> {
        let id = format!("msg_{}", &blake3::hash(json).to_hex()[..32]);
        let mut body = format!(r#"{{"type":"alert.created","timestamp":"{}","data":"#, domain::time::format(alert.taken_at)).into_bytes();
        body.extend_from_slice(json);
        body.push(b'}');
        Ok(Self { id, body })
    }
}

pub enum Outcome {
    Taken,
    /// Time to stop; it was perhaps taken, and is sent again after the next start.
    Stopping,
    GivenUp {
        attempts: u32,
        reason: String,
    },
}

/// What became of one attempt.
enum Attempt {
    Taken,
    Stopping,
    Failed {
        reason: String,
        /// The message is at fault, not the way to the receiver.
        refused: bool,
        retry_after: Option<Duration>,
    },
}

/// The way to one receiver.
pub struct Delivery {
    name: String,
    url: Url,
    spec: WebhookSpec,
    client: Client,
    runtime: tokio::runtime::Handle,
    stopping: watch::Receiver<bool>,
}

impl Delivery {
    pub fn new(spec: &WebhookSpec, runtime: &tokio::runtime::Handle, stopping: watch::Receiver<bool>) -> Result<Self> {
        // Another part of the process may have said so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = Duration::from_micros(spec.timeout.unsigned_abs());
        let client = Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .connect_timeout(timeout)
            // An answer must not send alerts elsewhere.
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|e| Error::stop("cannot make an HTTPS client", "install the system's certificates (ca-certificates)").because(e))?;
        let url = std::str::from_utf8(spec.url.reveal()).ok().and_then(|u| Url::parse(u).ok());
        let url = url.ok_or_else(|| Error::bug("a checked address cannot be read"))?;
        Ok(Self { name: spec.name.clone(), url, spec: spec.clone(), client, runtime: runtime.clone(), stopping })
    }

    /// Returns when the receiver took it, when the attempts are used up, or when it is time to stop.
    pub fn send(&self, message: &Message, metrics: &telemetry::Webhook, state: &Mutex<State>) -> Outcome {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let begun = Instant::now();
            let attempt = self.runtime.block_on(self.attempt(message));
            metrics.seconds.observe(begun.elapsed().as_secs_f64());
            let (reason, refused, retry_after) = match attempt {
                Attempt::Stopping => return Outcome::Stopping,
                Attempt::Taken => {
                    metrics.taken.inc();
                    state.lock().trouble = None;
                    return Outcome::Taken;
                }
                Attempt::Failed { reason, refused, retry_after } => (reason, refused, retry_after),
            };
            metrics.failed.inc();
            let most = if refused { self.spec.attempts.min(ATTEMPTS_IF_REFUSED) } else { self.spec.attempts };
            if attempts >= most {
                return Outcome::GivenUp { attempts, reason };
            }
            let wait = backoff::wait(attempts, rand::random()).max(retry_after.unwrap_or_default().min(backoff::LONGEST));
            tracing::warn!(
                webhook = self.name,
                attempts,
                reason,
                wait_ms = wait.as_millis() as u64,
                "an alert was not taken; trying again"
            );
            state.lock().trouble = Some(format!("{reason} (attempt {attempts} of {most})"));
            if self.pause(wait) {
                return Outcome::Stopping;
            }
        }
    }

    /// Waits; whether it was cut short because it is time to stop.
    pub fn pause(&self, wait: Duration) -> bool {
        let mut stopping = self.stopping.clone();
        self.runtime.block_on(async {
            tokio::select! {
                // Whoever would say so is gone: that is a stop, too.
                _ = stopping.wait_for(|stop| *stop) => true,
                () = tokio::time::sleep(wait) => false,
            }
        })
    }

    async fn attempt(&self, message: &Message) -> Attempt {
        let mut stopping = self.stopping.clone();
        let stopped = async {
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            outcome = self.post(message) => outcome,
            () = stopped => Attempt::Stopping,
        }
    }

    async fn post(&self, message: &Message) -> Attempt {
        let failed = |reason: String| Attempt::Failed { reason, refused: false, retry_after: None };
        let timestamp = SystemClock.now() / domain::time::SECOND;
        let signature = match sign::signatures(&self.spec.secrets, &message.id, timestamp, &message.body) {
            Ok(signature) => signature,
            Err(e) => return failed(e.to_string()),
        };
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(message.body.clone());
        let mut response = match request.send().await {
            Ok(response) => response,
            // The address may hold a secret.
            Err(e) => return failed(explain(&e.without_url())),
        };
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let mut read = 0;
        while read < ANSWER_BYTES
            && let Ok(Some(piece)) = response.chunk().await
        {
            read += piece.len();
        }
        if status.is_success() {
            return Attempt::Taken;
        }
        let refused = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY
        );
        let what = if status.is_redirection() { ", and redirects are not followed" } else { "" };
        Attempt::Failed { reason: format!("the receiver answered {}{what}", status.as_u16()), refused, retry_after }
    }
}

/// The error and its causes on one line.
fn explain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "the receiver did not answer in time".to_owned() } else { error.to_string() };
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        let said = e.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = e.source();
    }
    text
}
