//! What the server needs from the rest: the one trait that the binary implements, in words of the domain.

use crate::changes::Changes;
use crate::feed::AlertFeed;
use crate::status::Status;
use async_trait::async_trait;
use axum::body::Bytes;
use domain::{Action, Micros, Rejection, Result, Severity};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;
use telemetry::Metrics;
use utoipa::ToSchema;

/// Everything behind the HTTP door.
///
/// # Contract
/// - Methods are called concurrently, and their futures may be dropped when a caller goes away: what was appended stays appended.
/// - Nothing waits without bound. What cannot be taken now is refused with [`Refusal::Busy`].
/// - Errors of kind `Reject` are the caller's mistake (422), `Retry` and `Stop` are 503, `Bug` is 500.
#[async_trait]
pub trait Platform: Send + Sync + 'static {
    /// Judges transactions, each the JSON text of one: one entry a transaction, in the same order. An entry that is not refused is a
    /// decision's JSON, and it is durable. The bytes are slices of the connection's read buffer: copy what is kept beyond the answer.
    async fn predict(&self, transactions: Vec<Bytes>, deadline: Duration) -> Vec<Result<Bytes, Refusal>>;

    /// Decisions, the latest first.
    async fn predictions(&self, query: PredictionQuery) -> Result<Page>;

    /// Alerts, the latest first.
    async fn alerts(&self, query: AlertQuery) -> Result<Page>;

    /// `{"transaction": ..., "prediction": ..., "alerts": [...]}`, none if it is not known.
    async fn transaction(&self, transaction_id: &str) -> Result<Option<Box<RawValue>>>;

    async fn stats(&self) -> Result<Stats>;

    /// A user by exact name.
    async fn user(&self, name: &str) -> Result<Option<User>>;

    /// Whether it can judge now, and how each part is. Must not wait.
    fn ready(&self) -> Readiness;

    /// Durable alerts, to be followed.
    fn alert_feed(&self) -> &dyn AlertFeed;

    /// What it says of itself. Must not wait.
    fn status(&self) -> Status;

    /// The way to lists and versions.
    fn changes(&self) -> &dyn Changes;

    /// Where the server counts its requests. Called once, at the start.
    fn telemetry(&self) -> &Metrics;

    /// The text of `/metrics`; a place to bring gauges up to date.
    fn metrics(&self) -> String {
        self.telemetry().render()
    }

    /// Someone tried to log in. For the audit trail; must not wait.
    fn logged_in(&self, _name: &str, _from: std::net::IpAddr, _success: bool) {}
}

/// Why a transaction was not judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 422: everything that is wrong with it.
    Invalid(Vec<Rejection>),
    /// 409: its id was used with other content.
    Conflict(String),
    /// 413: it is larger than a record may be.
    TooLarge(String),
    /// 429: it was not taken, because it could not be judged in time.
    Busy { retry_after: Duration },
    /// 503: nothing can be taken now, or the decision did not come in time. The same transaction may be sent again.
    Unavailable(String),
    /// 500: the log says more.
    Internal,
}

/// Which decisions; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PredictionQuery {
    /// 1 to 1000.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
    pub decision: Option<Action>,
    pub account_id: Option<String>,
    /// Taken at this time or later.
    pub since: Option<Micros>,
    /// Taken before this time.
    pub until: Option<Micros>,
}

/// Which alerts; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertQuery {
    /// 1 to 1000.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
    pub severity: Option<Severity>,
    /// The rule.
    pub alert_type: Option<String>,
    pub account_id: Option<String>,
}

/// Some rows, as JSON, and where to go on.
#[derive(Debug, Default, Serialize)]
pub struct Page {
    pub items: Vec<Box<RawValue>>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    pub transactions: u64,
    pub allow: u64,
    pub review: u64,
    pub block: u64,
    pub alerts: u64,
    /// Records that could not be taken.
    pub dead_letters: u64,
    /// The place in the sequence of the latest decision.
    pub last_sequence: Option<u64>,
    /// When the latest decision was taken.
    #[schema(format = DateTime)]
    pub last_prediction: Option<String>,
}

/// Whether the platform can judge now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Readiness {
    pub ready: bool,
    pub parts: Vec<PartState>,
}

/// One part of the platform.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PartState {
    /// `log`, `scorer`, `store`, ...
    pub name: String,
    /// `up`, `starting`, `behind`, `down`.
    pub state: String,
    /// For a person.
    pub detail: String,
}

/// What a user may do; each may also do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read.
    Viewer,
    /// Judge transactions.
    Analyst,
    /// Everything.
    Admin,
}

/// Someone who may log in.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    /// Argon2, PHC string; see [`crate::auth::hash_password`].
    pub password_hash: String,
    pub role: Role,
}
