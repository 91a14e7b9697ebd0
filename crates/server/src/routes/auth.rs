//! Logging in: a name and a password for a token.

use super::App;
use crate::accept::Peer;
use crate::auth::{Caller, PASSWORD_BYTES, bearer};
use crate::openapi::{BodyFailures, Failures, Guarded, Overload};
use crate::platform::Role;
use crate::problem::{FieldError, Problem};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use utoipa::ToSchema;

const BODY_LIMIT: usize = 8 * 1024;
const NAME_BYTES: usize = 256;

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[schema(min_length = 1, max_length = 256, example = "admin")]
    username: String,
    #[schema(min_length = 1, max_length = 1024, format = Password)]
    password: String,
}

/// Send it as `authorization: bearer <access_token>`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    access_token: String,
    /// Always `bearer`.
    #[schema(value_type = String)]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    role: Role,
}

/// Append it to the address of the stream as `ticket`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ticket {
    ticket: String,
    /// Seconds in which it opens the stream.
    expires_in: u64,
}

/// Gives a ticket for the stream of alerts, for where a token cannot be sent, as in a browser's `EventSource`. It opens the stream and
/// nothing else, for a minute; the stream then lasts as long as the token that the ticket was made with.
#[utoipa::path(post, path = "/api/v1/auth/ticket", tag = "access", security(("bearer" = [])), responses(
    (status = 200, description = "A ticket", body = Ticket),
    Failures, Guarded, Overload,
))]
pub(crate) async fn ticket(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<([(header::HeaderName, &'static str); 1], Json<Ticket>), Problem> {
    let made = app.tokens.ticket(bearer(&headers)?, app.config.ticket_lifetime)?;
    let (ticket, lifetime) =
        made.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "the token is not good, or no longer; log in again"))?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Ticket { ticket, expires_in: lifetime.as_secs() })))
}

/// Gives a token for a name and its password.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "access", request_body = Login, responses(
    (status = 200, description = "A token", body = Token),
    (status = 401, description = "The name or the password is wrong", body = Problem, content_type = "application/problem+json"),
    Failures, BodyFailures, Overload,
))]
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    Extension(Peer(address)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<([(header::HeaderName, &'static str); 1], Json<Token>), Problem> {
    let held = app.budget.read(&headers, body, BODY_LIMIT, app.config.body_timeout).await?;
    let login: Login = serde_json::from_slice(&held.bytes)
        .map_err(|e| Problem::invalid(vec![FieldError { field: None, code: "not_json".into(), reason: format!("not a login: {e}") }]))?;
    let wrong: Vec<_> = [("username", login.username.len(), NAME_BYTES), ("password", login.password.len(), PASSWORD_BYTES)]
        .into_iter()
        .filter(|(_, length, most)| *length == 0 || length > most)
        .map(|(field, _, most)| FieldError {
            field: Some(field.into()),
            code: "out_of_bounds".into(),
            reason: format!("must have 1 to {most} bytes"),
        })
        .collect();
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong));
    }
    if let Some(wait) = app.throttle.wait(address, &login.username, Instant::now()) {
        return Err(Problem::busy(wait, "too many wrong passwords; wait before the next try"));
    }
    let user = app.platform.user(&login.username).await?;
    let (hash, role) = user.map_or((None, Role::Viewer), |u| (Some(u.password_hash), u.role));
    let success = app.verifier.verify(login.password, hash).await?;
    app.platform.logged_in(&login.username, address, success);
    if !success {
        app.throttle.failed(address, &login.username, Instant::now());
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "the name or the password is wrong"));
    }
    app.throttle.succeeded(address, &login.username);
    let (access_token, lifetime) = app.tokens.issue(&Caller { name: login.username, role })?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Token { access_token, token_type: "bearer", expires_in: lifetime.as_secs(), role })))
}
