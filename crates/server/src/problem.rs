//! Error answers: problem documents as in RFC 9457, the same everywhere. A handler returns a [`Problem`], which travels as an
//! extension of the response; the outermost layer writes the document, so that answers which no handler made (no such route, wrong
//! method, a panic) look the same and carry the request's id.

use crate::changes::Refused;
use crate::platform::{PartState, Refusal};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Kind, Rejection};
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;
use utoipa::ToSchema;

/// The media type of a problem document.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong, for programs and for people (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; stable.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "urn:sluice:problem:invalid")]
    pub kind: &'static str,
    /// The same in words.
    #[schema(value_type = String, example = "invalid input")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time, and what to do about it.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// Every field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// Seconds to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_after: Option<u32>,
    /// On `/ready`: how each part is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PartState>>, nullable = false)]
    pub parts: Option<Box<[PartState]>>,
    /// Also in the header `x-request-id`, and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub request_id: Option<Box<str>>,
}

/// One thing that is wrong with what was sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// The field or parameter at fault; left out if it is the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// A stable word: `missing`, `wrong_type`, `out_of_bounds`, ...
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// What is wrong, with the value where it helps.
    pub reason: String,
}

impl From<Rejection> for FieldError {
    fn from(r: Rejection) -> Self {
        Self { field: r.field, code: r.code, reason: r.reason }
    }
}

impl Problem {
    /// A problem of the kind that belongs to a status.
    pub fn new(status: StatusCode, detail: impl Into<Box<str>>) -> Self {
        let (kind, title) = match status {
            StatusCode::BAD_REQUEST => ("urn:sluice:problem:bad-request", "the request cannot be read"),
            StatusCode::UNAUTHORIZED => ("urn:sluice:problem:unauthorized", "who is calling is not known"),
            StatusCode::FORBIDDEN => ("urn:sluice:problem:forbidden", "the caller may not do this"),
            StatusCode::NOT_FOUND => ("urn:sluice:problem:not-found", "there is no such thing"),
            StatusCode::METHOD_NOT_ALLOWED => ("urn:sluice:problem:method-not-allowed", "the method does not fit the route"),
            StatusCode::REQUEST_TIMEOUT => ("urn:sluice:problem:request-timeout", "the request took too long to arrive"),
            StatusCode::CONFLICT => ("urn:sluice:problem:conflict", "it contradicts what is known"),
            StatusCode::PAYLOAD_TOO_LARGE => ("urn:sluice:problem:too-large", "the body is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("urn:sluice:problem:unsupported-media-type", "the body is of a kind that is not read here")
            }
            StatusCode::UNPROCESSABLE_ENTITY => ("urn:sluice:problem:invalid", "invalid input"),
            StatusCode::TOO_MANY_REQUESTS => ("urn:sluice:problem:busy", "too much at once"),
            StatusCode::SERVICE_UNAVAILABLE => ("urn:sluice:problem:unavailable", "not available now"),
            s if s.is_client_error() => ("urn:sluice:problem:bad-request", "the request cannot be answered"),
            _ => ("urn:sluice:problem:internal", "an error of ours"),
        };
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            parts: None,
            request_id: None,
        }
    }

    /// 422, with everything that is wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => "the input is not valid".to_owned(),
            [FieldError { field: Some(field), reason, .. }] => format!("{field} {reason}"),
            [one] => one.reason.clone(),
            many => format!("{} fields are wrong; see errors", many.len()),
        };
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// 429.
    pub fn busy(retry_after: Duration, detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).after(retry_after)
    }

    /// 500; what happened stands in the log, not in the answer.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side; the log has more under the request's id")
    }

    /// Rounds up to whole seconds, as the header `Retry-After` has it.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The finished answer. `response` gives the headers that the answer already has, such as `allow`.
    pub(crate) fn write(&self, response: Response) -> Response {
        let (mut parts, _) = response.into_parts();
        parts.status = self.status();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            parts.headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if parts.status == StatusCode::UNAUTHORIZED {
            parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sluice\""));
        }
        let document = serde_json::to_vec(self).unwrap_or_default();
        Response::from_parts(parts, document.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(rejections) => Self::invalid(rejections.into_iter().map(Into::into).collect()),
            Refusal::Conflict(reason) => Self::new(StatusCode::CONFLICT, reason),
            Refusal::TooLarge(reason) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, reason),
            Refusal::Busy { retry_after } => {
                Self::busy(retry_after, "the transaction was not taken, because it could not be judged in time; send it again later")
            }
            Refusal::Unavailable(reason) => Self::new(StatusCode::SERVICE_UNAVAILABLE, reason).after(Duration::from_secs(1)),
            Refusal::Internal => Self::internal(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown(what) => Self::new(StatusCode::NOT_FOUND, what),
            Refused::Invalid(rejections) => Self::invalid(rejections.into_iter().map(Into::into).collect()),
            Refused::Conflict(reason) => Self::new(StatusCode::CONFLICT, reason),
            Refused::Later(reason) => Self::new(StatusCode::SERVICE_UNAVAILABLE, reason).after(Duration::from_secs(1)),
            Refused::Internal => Self::internal(),
        }
    }
}

impl From<domain::Error> for Problem {
    fn from(error: domain::Error) -> Self {
        match error.kind {
            Kind::Reject => Self::invalid(vec![FieldError { field: None, code: "invalid".into(), reason: error.message }]),
            Kind::Retry => {
                tracing::warn!(error = %error, "a request has to be tried again");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment").after(Duration::from_secs(1))
            }
            Kind::Stop => {
                tracing::error!(error = %error, "an operator must act");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "an operator must act; the log says how").after(Duration::from_secs(30))
            }
            Kind::Bug => {
                tracing::error!(error = %error, "an error of ours");
                Self::internal()
            }
        }
    }
}
