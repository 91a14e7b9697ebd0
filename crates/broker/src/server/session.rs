//! Who the client of a connection is: nobody yet, somebody, or whoever it likes where nobody is asked. SaslHandshake and
//! SaslAuthenticate move it on; every other request asks it for rights. A session does not end by itself: re-authentication
//! (`connections.max.reauth.ms`) there is none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Context, text};
use crate::error::{Error, Result};
use crate::security::{Directory, Exchange, Identity, Mechanism, Refused, Right, Step};

/// How long a refusal is held back, so that passwords cannot be tried quickly.
const REFUSED_AFTER: Duration = Duration::from_millis(200);

/// A connection's client.
#[derive(Debug)]
pub(crate) struct Session {
    state: Mutex<State>,
    directory: Option<Arc<Directory>>,
    /// Nobody else can read what the client sends.
    private: bool,
    known_until: Instant,
}

#[derive(Debug)]
enum State {
    /// Nobody is asked who it is.
    Open,
    Stranger,
    Begun {
        exchange: Exchange,
        /// Its messages come without a request around them.
        bare: bool,
    },
    Known(Arc<Identity>),
    Refused,
}

impl Session {
    /// With a directory the client must be in it, and have shown so before `known_until`.
    pub(super) fn new(directory: Option<Arc<Directory>>, private: bool, known_until: Instant) -> Session {
        let state = if directory.is_some() { State::Stranger } else { State::Open };
        Session { state: Mutex::new(state), directory, private, known_until }
    }

    /// When the client must be known, if it is not.
    pub(super) fn stranger_until(&self) -> Option<Instant> {
        let known = matches!(*self.state.lock(), State::Open | State::Known(_));
        (!known).then_some(self.known_until)
    }

    /// Whether a request of this kind is taken now.
    pub(super) fn admits(&self, key: ApiKey) -> bool {
        match *self.state.lock() {
            State::Open | State::Known(_) => true,
            State::Stranger => matches!(key, ApiKey::ApiVersions | ApiKey::SaslHandshake),
            State::Begun { .. } => key == ApiKey::SaslAuthenticate,
            State::Refused => false,
        }
    }

    /// Whether what comes next is a bare message of an exchange.
    pub(super) fn takes_bare_messages(&self) -> bool {
        matches!(*self.state.lock(), State::Begun { bare: true, .. })
    }

    /// Whether the client was turned away.
    pub(super) fn is_refused(&self) -> bool {
        matches!(*self.state.lock(), State::Refused)
    }

    fn identity(&self) -> Option<Arc<Identity>> {
        match &*self.state.lock() {
            State::Known(identity) => Some(identity.clone()),
            _ => None,
        }
    }

    /// Whether the client may do this to the topic, group or transactional id of this name.
    pub(super) fn may(&self, right: Right, name: &str) -> bool {
        match &*self.state.lock() {
            State::Open => true,
            State::Known(identity) => identity.user().grants.allow(right, name),
            _ => false,
        }
    }

    /// Whether the client may do what concerns the broker as a whole.
    pub(super) fn may_all(&self) -> bool {
        match &*self.state.lock() {
            State::Open => true,
            State::Known(identity) => identity.user().grants.superuser,
            _ => false,
        }
    }

    /// Whether the client may write any topic.
    pub(super) fn writes(&self) -> bool {
        match &*self.state.lock() {
            State::Open => true,
            State::Known(identity) => identity.user().grants.writes(),
            _ => false,
        }
    }

    /// An error where the client has no right to the topic.
    pub(super) fn check(&self, right: Right, topic: &str) -> Result<()> {
        if self.may(right, topic) {
            return Ok(());
        }
        let action = match right {
            Right::Read => "read topic",
            Right::Write => "write topic",
            Right::Create => "create topic",
            Right::Admin => "change or delete topic",
            Right::See | Right::Group | Right::TransactionalId => "see topic",
        };
        let user = self.identity().map(|identity| identity.name.clone()).unwrap_or_default();
        Err(Error::NotAllowed { user, action, name: topic.to_string() })
    }

    /// The error codes for groups, and for transactional ids.
    pub(super) fn check_group(&self, group: &str) -> std::result::Result<(), ResponseError> {
        if self.may(Right::Group, group) { Ok(()) } else { Err(ResponseError::GroupAuthorizationFailed) }
    }

    pub(super) fn check_transactional_id(&self, id: &str) -> std::result::Result<(), ResponseError> {
        if self.may(Right::TransactionalId, id) { Ok(()) } else { Err(ResponseError::TransactionalIdAuthorizationFailed) }
    }
}

/// Chooses the mechanism. A client that names one that is not offered is told those that are, and turned away. After version 0 the
/// messages of the exchange come as they are, without a request around them.
pub(super) fn handshake(context: &Context, request: SaslHandshakeRequest, version: i16) -> SaslHandshakeResponse {
    let session = &context.session;
    let offered: Vec<Mechanism> = Mechanism::offered(session.private).collect();
    let response = SaslHandshakeResponse::default().with_mechanisms(offered.iter().map(|mechanism| text(mechanism.name())).collect());
    let mut state = session.state.lock();
    if !matches!(*state, State::Stranger) {
        return response.with_mechanisms(Vec::new()).with_error_code(ResponseError::IllegalSaslState.code());
    }
    match offered.iter().find(|mechanism| mechanism.name() == request.mechanism.as_str()) {
        Some(mechanism) => {
            *state = State::Begun { exchange: Exchange::Begun(*mechanism), bare: version == 0 };
            response
        }
        None => {
            *state = State::Refused;
            response.with_error_code(ResponseError::UnsupportedSaslMechanism.code())
        }
    }
}

/// Takes the next message of the exchange. None, which closes the connection, where nobody can tell now who the client is: it comes
/// back by itself.
pub(super) async fn authenticate(context: &Context, request: SaslAuthenticateRequest) -> Option<SaslAuthenticateResponse> {
    let response = SaslAuthenticateResponse::default();
    match advance(context, &request.auth_bytes).await {
        Advanced::Answer(message) => Some(response.with_auth_bytes(message)),
        Advanced::Wrong => {
            let told = "authentication failed: wrong name or password";
            Some(response.with_error_code(ResponseError::SaslAuthenticationFailed.code()).with_error_message(Some(text(told))))
        }
        Advanced::OutOfPlace => {
            let told = "no mechanism was chosen, or the client is known already";
            Some(response.with_error_code(ResponseError::IllegalSaslState.code()).with_error_message(Some(text(told))))
        }
        Advanced::Away => None,
    }
}

/// Takes the next message of an exchange whose messages come as they are. None closes the connection.
pub(super) async fn authenticate_bare(context: &Context, message: &[u8]) -> Option<Bytes> {
    match advance(context, message).await {
        Advanced::Answer(message) => Some(message),
        Advanced::Wrong | Advanced::OutOfPlace | Advanced::Away => None,
    }
}

enum Advanced {
    Answer(Bytes),
    Wrong,
    OutOfPlace,
    /// Nobody can tell now.
    Away,
}

async fn advance(context: &Context, message: &[u8]) -> Advanced {
    let session = &context.session;
    let (exchange, bare) = {
        let mut state = session.state.lock();
        match std::mem::replace(&mut *state, State::Refused) {
            State::Begun { exchange, bare } => (exchange, bare),
            other => {
                *state = other;
                return Advanced::OutOfPlace;
            }
        }
    };
    let Some(directory) = &session.directory else { return Advanced::OutOfPlace };
    match exchange.step(directory, message).await {
        Ok(Step::Challenge(exchange, message)) => {
            *session.state.lock() = State::Begun { exchange, bare };
            Advanced::Answer(message.into())
        }
        Ok(Step::Known(identity, message)) => {
            directory.enter(&identity);
            *session.state.lock() = State::Known(identity.clone());
            let closed = context.closed.clone();
            tokio::spawn(async move {
                if closed.run_until_cancelled(identity.revoked.cancelled()).await.is_some() {
                    closed.cancel();
                }
            });
            Advanced::Answer(message.into())
        }
        Err(Refused::Wrong(name, why)) => {
            tracing::warn!(peer = %context.peer, user = ?name.unwrap_or_default(), why, "a client was turned away");
            tokio::time::sleep(REFUSED_AFTER).await;
            Advanced::Wrong
        }
        Err(Refused::Unknown(error)) => {
            tracing::warn!(peer = %context.peer, error, "cannot look a user up; the client has to come back");
            Advanced::Away
        }
    }
}
