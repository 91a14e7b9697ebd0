//! Shapes of documents that the server passes on without reading them, as their writers make them. Only for the description.
#![allow(dead_code, unused_qualifications)] // These types are never built: their fields are the documentation. The derive qualifies.

use crate::problem::Problem;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// What happens to a transaction.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Action {
    Allow,
    Review,
    Block,
}

/// How much an alert matters.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// Whether a rule decides or is only watched.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Mode {
    Live,
    Shadow,
}

/// Whether a transaction was judged with its features.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Judged {
    Full,
    TooLate,
}

/// The answer to one transaction.
#[derive(ToSchema)]
#[schema(as = Decision)]
pub(crate) struct DecisionDocument {
    /// Its place in the sequence.
    #[schema(minimum = 0)]
    sequence: u64,
    transaction_id: String,
    #[schema(nullable = false)]
    account_id: Option<String>,
    #[schema(nullable = false)]
    transaction_type: Option<String>,
    /// Exact, digit for digit.
    #[schema(value_type = Option<f64>, nullable = false)]
    amount: Option<f64>,
    #[schema(format = DateTime)]
    event_time: String,
    #[schema(format = DateTime)]
    taken_at: String,
    decision: Action,
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// Whether it was judged with its features, or came too late for them.
    judged: Judged,
    /// Every rule that hit.
    hits: Vec<HitDocument>,
    /// The weightiest first.
    reasons: Vec<ReasonDocument>,
    /// The fields and features that the hits speak of: pairs of name and value.
    #[schema(value_type = Vec<Vec<Value>>)]
    values: serde_json::Value,
    /// Where the transaction stands in the log.
    topic: String,
    partition: i32,
    offset: i64,
    /// Digest of the project that it was made with.
    project: String,
    #[schema(nullable = false)]
    model: Option<String>,
}

/// One rule that hit.
#[derive(ToSchema)]
#[schema(as = RuleHit)]
pub(crate) struct HitDocument {
    rule: String,
    action: Action,
    severity: Severity,
    /// A shadow rule is recorded and does not decide.
    mode: Mode,
    message: String,
}

/// Why the decision is what it is.
#[derive(ToSchema)]
#[schema(as = Reason)]
pub(crate) struct ReasonDocument {
    code: String,
    message: String,
    weight: f64,
}

/// A decision that a person should see.
#[derive(ToSchema)]
#[schema(as = Alert)]
pub(crate) struct AlertDocument {
    alert_id: String,
    transaction_id: String,
    #[schema(nullable = false)]
    account_id: Option<String>,
    /// The rule.
    alert_type: String,
    alert_message: String,
    severity: Severity,
    decision: Action,
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    #[schema(nullable = false)]
    amount: Option<f64>,
    #[schema(format = DateTime)]
    event_time: String,
    #[schema(format = DateTime)]
    taken_at: String,
    #[schema(minimum = 0)]
    sequence: u64,
}

/// Some decisions.
#[derive(ToSchema)]
pub(crate) struct PredictionPage {
    items: Vec<DecisionDocument>,
    /// The cursor of the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
}

/// Some alerts.
#[derive(ToSchema)]
pub(crate) struct AlertPage {
    items: Vec<AlertDocument>,
    /// The cursor of the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
}

/// A transaction as it is kept.
#[derive(ToSchema)]
pub(crate) struct TransactionRow {
    transaction_id: String,
    account_id: Option<String>,
    transaction_type: Option<String>,
    amount: Option<f64>,
    /// The event time.
    #[schema(format = DateTime)]
    timestamp: String,
    #[schema(format = DateTime)]
    processed_at: String,
}

/// A transaction with all that was said about it.
#[derive(ToSchema)]
pub(crate) struct TransactionDocument {
    transaction: TransactionRow,
    prediction: DecisionDocument,
    alerts: Vec<AlertDocument>,
}

/// One transaction: a JSON object with the fields of the project's judged stream. Without a project nothing more is known of it.
pub(crate) struct Transaction;

impl PartialSchema for Transaction {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Object).description(Some("one record of the project's judged stream")).build().into()
    }
}

impl ToSchema for Transaction {}

/// Several transactions.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransactionBatch {
    /// Each should be a Transaction; one that is not gets a problem at its place, and the others are judged.
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<Value>)]
    transactions: Vec<serde_json::Value>,
}

/// One result a transaction, in the same order.
#[derive(ToSchema)]
pub(crate) struct BatchResult {
    results: Vec<BatchEntry>,
}

/// A decision, or the problem with the transaction.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum BatchEntry {
    Decision(DecisionDocument),
    Problem(Problem),
}
