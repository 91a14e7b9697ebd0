//! The outermost layer: gives each request an id, catches panics, writes problem documents, measures and logs. It is one function
//! rather than a stack of layers, because each layer would box every request's future once more.

use crate::problem::Problem;
use crate::routes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use telemetry::{Http, HttpRequest, HttpRoute};

pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where requests are counted, and the source of their ids.
pub(crate) struct Observer {
    http: Http,
    /// Random at each start, so ids of two runs do not meet.
    first: u64,
    next: AtomicU64,
}

impl Observer {
    pub(crate) fn new(http: Http) -> Arc<Self> {
        Arc::new(Self { http, first: rand::random(), next: AtomicU64::new(0) })
    }

    /// The caller's id if it is short and plain, else one of ours.
    fn id(&self, request: &Request) -> String {
        let given = request.headers().get(&REQUEST_ID).and_then(|v| v.to_str().ok());
        let plain = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        match given.filter(plain) {
            Some(id) => id.to_owned(),
            None => {
                format!("{:016x}", self.first.wrapping_add(self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            }
        }
    }
}

pub(crate) async fn observe(State(observer): State<Arc<Observer>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = observer.id(&request);
    let method = name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", |m| routes::pattern(m.as_str()));
    observer.http.in_flight.inc();
    // A request that is dropped half-way (its caller went away) is no longer in flight either.
    let in_flight = InFlight(&observer.http);
    let outcome = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    drop(in_flight);
    let mut response = outcome.unwrap_or_else(|panic| {
        let what =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        tracing::error!(request_id = %id, method, route, panic = what, "a request panicked");
        Problem::internal().into_response()
    });
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let mut problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::new(status, unhandled(status)));
        problem.request_id = Some(id.as_str().into());
        response = problem.write(response);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID.clone(), value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

    let elapsed = started.elapsed();
    observer.http.requests.get_or_create(&HttpRequest { method, route, status: status.as_u16() }).inc();
    observer.http.seconds.get_or_create(&HttpRoute { method, route }).observe(elapsed.as_secs_f64());
    let latency_ms = elapsed.as_secs_f64() * 1e3;
    if status.is_server_error() {
        tracing::warn!(request_id = %id, method, route, status = status.as_u16(), latency_ms, "request failed");
    } else {
        tracing::debug!(request_id = %id, method, route, status = status.as_u16(), latency_ms, "request answered");
    }
    response
}

struct InFlight<'a>(&'a Http);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// For answers that no handler made.
fn unhandled(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is nothing at this address; /docs lists what there is",
        StatusCode::METHOD_NOT_ALLOWED => "this address takes other methods; the header `allow` names them",
        StatusCode::BAD_REQUEST => "the address cannot be read; it must be UTF-8, percent-encoded",
        _ => "the request was not answered",
    }
}

/// Methods are labels of metrics, so strangers must not invent them.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
