//! Reading bodies: JSON only, within a limit, in a bounded time, and within a budget of bytes for all requests together.

use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One permit of the budget.
const UNIT: usize = 1024;

/// The bytes that bodies may hold in memory at once.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A body, with its share of the budget until it is dropped.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(UNIT))))
    }

    /// Reads a JSON body of at most `limit` bytes.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body, limit: usize, timeout: Duration) -> Result<Held, Problem> {
        json_type(headers)?;
        let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body may hold at most {limit} bytes"));
        let declared: Option<usize> = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if declared.is_some_and(|d| d > limit) {
            return Err(too_large());
        }
        // A body that does not say its length may turn out to be as large as allowed.
        let units = declared.unwrap_or(limit).div_ceil(UNIT) as u32;
        let share = Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| {
            Problem::busy(Duration::from_secs(1), "too many large requests at once; nothing was taken, send it again later")
        })?;
        let bytes = match tokio::time::timeout(timeout, axum::body::to_bytes(body, limit)).await {
            Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive")),
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) if is_limit(&error) => return Err(too_large()),
            Ok(Err(_)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        };
        Ok(Held { bytes, _share: share })
    }
}

fn json_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, with the header `content-type: application/json`"))
}

/// Whether the body was cut for its length: the cause is http-body-util's `LengthLimitError`, which only its message tells from here.
fn is_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|s| s.to_string().contains("length limit"))
}
