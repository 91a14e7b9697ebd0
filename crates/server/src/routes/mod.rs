//! All routes in one list, one file for each kind of them.

mod auth;
mod health;
mod lists;
mod live;
mod pages;
mod predict;
mod stream;
mod versions;

pub(crate) use auth::{__path_login, __path_ticket, Login, Ticket, Token};
pub(crate) use health::{__path_health, __path_metrics, __path_ready, __path_status, Health};
pub(crate) use lists::{__path_add, __path_history, __path_list, __path_lists, __path_remove, AllLists, ListHistory, NewEntries};
pub(crate) use pages::{__path_alerts, __path_predictions, __path_stats, __path_transaction};
pub(crate) use predict::{__path_batch_predict, __path_predict};
pub(crate) use stream::__path_alerts_stream;
pub(crate) use versions::{__path_deploy, __path_versions, Versions};

use crate::auth::{Throttle, Tokens, Verifier};
use crate::body::Budget;
use crate::config::Config;
use crate::observe::{Observer, observe};
use crate::openapi;
use crate::platform::Platform;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use domain::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use utoipa_swagger_ui::SwaggerUi;

/// What handlers share.
pub(crate) struct App {
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) config: Config,
    pub(crate) tokens: Tokens,
    pub(crate) throttle: Throttle,
    pub(crate) verifier: Verifier,
    pub(crate) budget: Budget,
    /// Places for API requests.
    gate: Semaphore,
    /// Places for clients of the stream of alerts.
    streams: Arc<Semaphore>,
    /// True once the server is told to stop.
    stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn http(&self) -> &telemetry::Http {
        &self.platform.telemetry().http
    }
}

/// Every route's pattern, for the labels of metrics.
const PATTERNS: &[&str] = &[
    "/",
    "/health",
    "/ready",
    "/metrics",
    "/status",
    "/docs",
    "/docs/",
    "/docs/{*rest}",
    "/api/openapi.json",
    "/api/v1/auth/login",
    "/api/v1/auth/ticket",
    "/api/v1/predict",
    "/api/v1/batch-predict",
    "/api/v1/predictions",
    "/api/v1/alerts",
    "/api/v1/alerts/stream",
    "/api/v1/transactions/{id}",
    "/api/v1/stats",
    "/api/v1/lists",
    "/api/v1/lists/{list}",
    "/api/v1/lists/{list}/history",
    "/api/v1/deploy",
    "/api/v1/versions",
];

/// The pattern as a label.
pub(crate) fn pattern(matched: &str) -> &'static str {
    PATTERNS.iter().find(|p| **p == matched).unwrap_or(&"other")
}

pub(crate) fn router(platform: Arc<dyn Platform>, config: &Config, stopping: watch::Receiver<bool>) -> Result<Router> {
    let page = live::Page::new()?;
    let observer = Observer::new(platform.telemetry().http.clone());
    let description = openapi::document(config)?;
    let app = Arc::new(App {
        platform,
        tokens: Tokens::new(&config.token_key, config.token_lifetime)?,
        throttle: Throttle::default(),
        verifier: Verifier::new(),
        budget: Budget::new(config.bodies_in_flight),
        gate: Semaphore::new(config.requests_in_flight),
        streams: Arc::new(Semaphore::new(config.stream_clients)),
        stopping,
        config: config.clone(),
    });
    let api = Router::new()
        .route("/api/v1/auth/login", post(auth::login))
        .route("/api/v1/auth/ticket", post(auth::ticket))
        .route("/api/v1/predict", post(predict::predict))
        .route("/api/v1/batch-predict", post(predict::batch_predict))
        .route("/api/v1/predictions", get(pages::predictions))
        .route("/api/v1/alerts", get(pages::alerts))
        .route("/api/v1/alerts/stream", get(stream::alerts_stream))
        .route("/api/v1/transactions/{id}", get(pages::transaction))
        .route("/api/v1/stats", get(pages::stats))
        .route("/api/v1/lists", get(lists::lists))
        .route("/api/v1/lists/{list}", get(lists::list).post(lists::add).delete(lists::remove))
        .route("/api/v1/lists/{list}/history", get(lists::history))
        .route("/api/v1/deploy", post(versions::deploy))
        .route("/api/v1/versions", get(versions::versions))
        .route_layer(from_fn_with_state(Arc::clone(&app), gate));
    let description: Arc<str> = description.into();
    let describe = move || std::future::ready(json(axum::body::Bytes::copy_from_slice(description.as_bytes())));
    Ok(Router::new()
        .merge(api)
        .route("/", get(move || std::future::ready(page.answer())))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/status", get(health::status))
        .route("/api/openapi.json", get(describe))
        .with_state(app)
        .merge(SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/api/openapi.json").persist_authorization(true)))
        .layer(from_fn_with_state(observer, observe)))
}

/// Takes a request if there is a place for it, and refuses it at once if not: a queue would only make everyone late.
async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.gate.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            Problem::busy(Duration::from_secs(1), "too many requests at once; nothing was taken, send it again later").into_response()
        }
    }
}

/// An answer that is JSON already.
pub(crate) fn json(body: impl Into<axum::body::Body>) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 1] = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (HEADERS, body.into()).into_response()
}
