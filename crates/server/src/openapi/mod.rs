//! The API's description (OpenAPI 3.1): the routes describe themselves where they are written, here are the shapes that the server
//! passes through without reading, the failures that routes share, and the project's own transaction schema.

mod failures;
mod shapes;
mod transaction;

pub(crate) use failures::{BodyFailures, Failures, Guarded, Overload};
pub(crate) use shapes::{
    Action, AlertDocument, AlertPage, BatchEntry, BatchResult, DecisionDocument, HitDocument, Judged, Mode, PredictionPage, ReasonDocument,
    Severity, Transaction, TransactionBatch, TransactionDocument, TransactionRow,
};

use crate::changes::{
    Cause, Changed, Deploy, Deployed, ListAction, ListEvent, ListItem, ListPage, ListSummary, NewEntry, OverruledEntry, VersionEvent,
};
use crate::config::Config;
use crate::platform::{PartState, Readiness, Role, Stats};
use crate::problem::{FieldError, Problem};
use crate::routes;
use crate::status::{
    Counts, Latencies, MemoryStatus, ProjectStatus, Quantiles, Rates, ReaderStatus, SequenceStatus, SnapshotStatus, Status,
};
use domain::{Error, Result};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sluice",
        description = "Judges payments in milliseconds with exact history. Log in, send the token as a bearer token, and every answer that is not \
                       a success is a problem document (RFC 9457) that says what to do.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        routes::health, routes::ready, routes::metrics, routes::status, routes::login, routes::ticket, routes::predict, routes::batch_predict, routes::predictions, routes::alerts, routes::alerts_stream,
        routes::transaction, routes::stats,
        routes::lists, routes::list, routes::history, routes::add, routes::remove, routes::deploy, routes::versions,
    ),
    components(schemas(
        Problem, FieldError, Readiness, PartState, Stats, Role, routes::Health, routes::Login, routes::Token, routes::Ticket, Action, Severity, Mode, Judged, DecisionDocument,
        HitDocument, ReasonDocument, AlertDocument, PredictionPage, AlertPage, TransactionDocument, TransactionRow, Transaction, TransactionBatch,
        BatchResult, BatchEntry, Status, ProjectStatus, SequenceStatus, Counts, Rates, Latencies, Quantiles, ReaderStatus, SnapshotStatus,
        MemoryStatus,
        routes::AllLists, routes::ListHistory, routes::NewEntries, routes::Versions, ListSummary, ListItem, ListPage, ListEvent, ListAction, NewEntry,
        Changed, Deploy, Deployed, OverruledEntry, VersionEvent, Cause,
    )),
    tags(
        (name = "access", description = "Tokens"),
        (name = "decisions", description = "Judging transactions, and reading what was decided"),
        (name = "lists", description = "Who is on a list and why, and changing it while payments are judged"),
        (name = "versions", description = "The project that judges, and replacing it while payments are judged"),
        (name = "operations", description = "For machines that watch"),
    ),
    modifiers(&Bearer)
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        api.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The description as JSON; with the fields of `config.transactions` where it is given.
pub fn document(config: &Config) -> Result<String> {
    let mut api = Api::openapi();
    api.info.version.clone_from(&config.version);
    let broken = |e: serde_json::Error| Error::bug("the API's description cannot be written").because(e);
    let mut json = serde_json::to_value(&api).map_err(broken)?;
    if let Some(stream) = &config.transactions {
        json["components"]["schemas"]["Transaction"] = transaction::schema(stream);
    }
    serde_json::to_string(&json).map_err(broken)
}

#[cfg(test)]
mod tests;
