//! Judging transactions. Bodies are passed on as they came: the platform decodes each once, against the project's stream.

use super::{App, json};
use crate::auth::Caller;
use crate::openapi::{BatchResult, BodyFailures, DecisionDocument, Failures, Guarded, Overload, Transaction, TransactionBatch};
use crate::platform::{Refusal, Role};
use crate::problem::{FieldError, Problem};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// What an answer may take beyond the deadline, which the platform keeps itself.
const MARGIN: Duration = Duration::from_millis(500);

/// Judges one transaction and answers when the decision is durable. The same transaction sent again gets the same decision and counts
/// once; the same id with other content is a conflict.
#[utoipa::path(post, path = "/api/v1/predict", tag = "decisions", security(("bearer" = [])), request_body = Transaction, responses(
    (status = 200, description = "The decision", body = DecisionDocument),
    (status = 409, description = "The id was used with other content", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, BodyFailures, Overload,
))]
pub(crate) async fn predict(State(app): State<Arc<App>>, caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    caller.at_least(Role::Analyst)?;
    let held = app.budget.read(&headers, body, app.config.predict_body_limit, app.config.body_timeout).await?;
    let decision = judge(&app, vec![held.bytes.clone()]).await?.pop().ok_or_else(Problem::internal)??;
    Ok(json(decision))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchRequest<'a> {
    #[serde(borrow)]
    transactions: Vec<&'a RawValue>,
}

/// Judges up to 1,000 transactions. Each is judged alone, in order: the result at its place is its decision, or the problem with it.
#[utoipa::path(post, path = "/api/v1/batch-predict", tag = "decisions", security(("bearer" = [])), request_body = TransactionBatch, responses(
    (status = 200, description = "One result a transaction, in the same order", body = BatchResult),
    Failures, Guarded, BodyFailures, Overload,
))]
pub(crate) async fn batch_predict(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.at_least(Role::Analyst)?;
    let held = app.budget.read(&headers, body, app.config.batch_body_limit, app.config.body_timeout).await?;
    let refuse = |field: Option<&str>, code: &'static str, reason| {
        Problem::invalid(vec![FieldError { field: field.map(Into::into), code: code.into(), reason }])
    };
    let batch: BatchRequest<'_> =
        serde_json::from_slice(&held.bytes).map_err(|e| refuse(None, "not_json", format!("not a batch of transactions: {e}")))?;
    let (count, most) = (batch.transactions.len(), app.config.batch_transactions);
    if count == 0 || count > most {
        return Err(refuse(Some("transactions"), "out_of_bounds", format!("must hold 1 to {most} transactions, got {count}")));
    }
    // Slices of the body, not copies.
    let transactions = batch.transactions.iter().map(|t| held.bytes.slice_ref(t.get().as_bytes())).collect();
    let results = judge(&app, transactions).await?;
    if results.len() != count {
        tracing::error!(count, results = results.len(), "a batch did not get one result a transaction");
        return Err(Problem::internal());
    }
    // When nothing at all was taken, the whole is better sent again.
    if let Some(Err(busy @ Refusal::Busy { .. })) = results.first()
        && results.iter().all(|r| matches!(r, Err(Refusal::Busy { .. })))
    {
        return Err(busy.clone().into());
    }
    let mut out = Vec::with_capacity(results.iter().map(|r| r.as_ref().map_or(256, Bytes::len) + 16).sum::<usize>() + 16);
    out.extend_from_slice(b"{\"results\":[");
    for (n, result) in results.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        match result {
            Ok(decision) => {
                out.extend_from_slice(b"{\"decision\":");
                out.extend_from_slice(&decision);
            }
            Err(refusal) => {
                out.extend_from_slice(b"{\"problem\":");
                serde_json::to_writer(&mut out, &Problem::from(refusal)).map_err(|_| Problem::internal())?;
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(json(out))
}

/// The platform's answer, within the deadline and a margin.
async fn judge(app: &App, transactions: Vec<Bytes>) -> Result<Vec<Result<Bytes, Refusal>>, Problem> {
    let deadline = app.config.predict_deadline;
    tokio::time::timeout(deadline + MARGIN, app.platform.predict(transactions, deadline)).await.map_err(|_| {
        Refusal::Unavailable(
            "the decision did not come in time; the transaction may have been taken: send it again to get its decision".into(),
        )
        .into()
    })
}
