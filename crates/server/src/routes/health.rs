//! Whether it lives, whether it can judge, and its metrics: for machines that watch, without a token.

use super::{App, json};
use crate::openapi::Failures;
use crate::platform::Readiness;
use crate::status::Status;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
    version: String,
}

/// Whether the process answers at all. Says nothing about its parts; see `/ready`.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, description = "It answers", body = Health), Failures))]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health { status: "ok", version: app.config.version.clone() })
}

/// Whether transactions can be judged now, part by part.
#[utoipa::path(get, path = "/ready", tag = "operations", responses(
    (status = 200, description = "Transactions can be judged", body = Readiness),
    (status = 503, description = "They cannot: starting, stopping, or a part is down", body = crate::Problem, content_type = "application/problem+json"),
    Failures,
))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let readiness = app.platform.ready();
    if readiness.ready {
        return Json(readiness).into_response();
    }
    let mut problem =
        crate::Problem::new(StatusCode::SERVICE_UNAVAILABLE, "transactions cannot be judged now").after(std::time::Duration::from_secs(1));
    problem.parts = Some(readiness.parts.into());
    problem.into_response()
}

/// What runs and how it is: counts, rates, latencies, how far each reader is, memory. No payment is in it.
#[utoipa::path(get, path = "/status", tag = "operations", responses((status = 200, description = "How it is", body = Status), Failures))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Json<Status> {
    Json(app.platform.status())
}

/// Metrics in the OpenMetrics format.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses(
    (status = 200, description = "Every metric, with unit and help", body = String, content_type = "application/openmetrics-text"),
    Failures,
))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut response = json(app.platform.metrics());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(telemetry::CONTENT_TYPE));
    response
}
