//! Reading what was decided: pages with cursors, and one transaction with all that was said about it.

use super::{App, json};
use crate::auth::Caller;
use crate::openapi::{AlertPage, Failures, Guarded, Overload, PredictionPage, TransactionDocument};
use crate::platform::{AlertQuery, PredictionQuery, Role, Stats};
use crate::problem::{FieldError, Problem};
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Action, Micros, Severity, time};
use std::sync::Arc;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1000;

pub(super) const SEVERITIES: [(&str, Severity); 4] =
    [("low", Severity::Low), ("medium", Severity::Medium), ("high", Severity::High), ("critical", Severity::Critical)];

pub(super) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// Decisions, the latest in the sequence first.
#[utoipa::path(get, path = "/api/v1/predictions", tag = "decisions", security(("bearer" = [])), params(
    ("limit" = Option<u32>, Query, description = "Items on a page; 50 if left out", minimum = 1, maximum = 1000),
    ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}-[0-9]{1,9}$"),
    ("decision" = Option<crate::openapi::Action>, Query, description = "Only this decision"),
    ("account_id" = Option<String>, Query, description = "Only this account", min_length = 1),
    ("since" = Option<String>, Query, description = "Taken at this time or later (RFC 3339)", format = DateTime),
    ("until" = Option<String>, Query, description = "Taken before this time (RFC 3339)", format = DateTime),
), responses(
    (status = 200, description = "A page", body = PredictionPage),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn predictions(State(app): State<Arc<App>>, caller: Caller, pairs: Pairs) -> Result<Response, Problem> {
    caller.at_least(Role::Viewer)?;
    let mut p = Parameters::new(pairs)?;
    let query = PredictionQuery {
        limit: p.limit(),
        cursor: p.text("cursor"),
        decision: p.one_of("decision", &[("allow", Action::Allow), ("review", Action::Review), ("block", Action::Block)]),
        account_id: p.text("account_id"),
        since: p.time("since"),
        until: p.time("until"),
    };
    p.finish()?;
    page(app.platform.predictions(query).await?)
}

/// Alerts, the latest in the sequence first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "decisions", security(("bearer" = [])), params(
    ("limit" = Option<u32>, Query, description = "Items on a page; 50 if left out", minimum = 1, maximum = 1000),
    ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,18}-[0-9]{1,9}$"),
    ("severity" = Option<crate::openapi::Severity>, Query, description = "Only this severity"),
    ("alert_type" = Option<String>, Query, description = "Only alerts of this rule", min_length = 1),
    ("account_id" = Option<String>, Query, description = "Only this account", min_length = 1),
), responses(
    (status = 200, description = "A page", body = AlertPage),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn alerts(State(app): State<Arc<App>>, caller: Caller, pairs: Pairs) -> Result<Response, Problem> {
    caller.at_least(Role::Viewer)?;
    let mut p = Parameters::new(pairs)?;
    let query = AlertQuery {
        limit: p.limit(),
        cursor: p.text("cursor"),
        severity: p.one_of("severity", &SEVERITIES),
        alert_type: p.text("alert_type"),
        account_id: p.text("account_id"),
    };
    p.finish()?;
    page(app.platform.alerts(query).await?)
}

/// One transaction with its decision and alerts. A decision can be read here some milliseconds after it was given.
#[utoipa::path(get, path = "/api/v1/transactions/{id}", tag = "decisions", security(("bearer" = [])), params(
    ("id" = String, Path, description = "The transaction's id", min_length = 1),
), responses(
    (status = 200, description = "The transaction", body = TransactionDocument),
    (status = 404, description = "It is not known", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn transaction(
    State(app): State<Arc<App>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    caller.at_least(Role::Viewer)?;
    let Path(id) = id.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the id must be UTF-8, percent-encoded"))?;
    let found = app.platform.transaction(&id).await?;
    let document = found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no transaction of this id was judged"))?;
    Ok(json(Box::<str>::from(document).into_string()))
}

/// How much there is of everything.
#[utoipa::path(get, path = "/api/v1/stats", tag = "decisions", security(("bearer" = [])), responses(
    (status = 200, description = "Counts", body = Stats),
    Failures, Guarded, Overload,
))]
pub(crate) async fn stats(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Stats>, Problem> {
    caller.at_least(Role::Viewer)?;
    Ok(Json(app.platform.stats().await?))
}

fn page(page: crate::platform::Page) -> Result<Response, Problem> {
    Ok(json(serde_json::to_vec(&page).map_err(|_| Problem::internal())?))
}

/// The query's parameters, taken one by one; what is wrong is collected, so the answer names everything at once.
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    taken: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Parameters {
    pub(super) fn new(pairs: Pairs) -> Result<Self, Problem> {
        let Query(given) = pairs.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the query cannot be read"))?;
        Ok(Self { given, taken: Vec::new(), errors: Vec::new() })
    }

    fn wrong(&mut self, field: &str, code: &'static str, reason: String) {
        self.errors.push(FieldError { field: Some(field.into()), code: code.into(), reason });
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.taken.push(name);
        let mut values: Vec<String> = Vec::new();
        self.given.retain_mut(|(n, value)| {
            let other = n != name;
            if !other {
                values.push(std::mem::take(value));
            }
            other
        });
        if values.len() > 1 {
            self.wrong(name, "repeated", "stands more than once".into());
        }
        let value = values.pop()?;
        if value.is_empty() {
            self.wrong(name, "missing", "is empty; leave it out instead".into());
            return None;
        }
        Some(value)
    }

    /// Every value of a parameter that may stand several times.
    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.taken.push(name);
        let values: Vec<String> = self.given.extract_if(.., |(n, _)| n == name).map(|(_, value)| value).collect();
        (!values.is_empty()).then_some(values)
    }

    pub(super) fn required_texts(&mut self, name: &'static str) -> Vec<String> {
        let values = self.texts(name);
        if values.is_none() {
            self.wrong(name, "missing", "is missing".into());
        }
        values.unwrap_or_default()
    }

    pub(super) fn required(&mut self, name: &'static str) -> String {
        let before = self.errors.len();
        let value = self.text(name);
        if value.is_none() && self.errors.len() == before {
            self.wrong(name, "missing", "is missing".into());
        }
        value.unwrap_or_default()
    }

    /// A whole number from 0 on; 0 if left out.
    pub(super) fn number(&mut self, name: &'static str) -> usize {
        let Some(text) = self.text(name) else { return 0 };
        match text.parse::<u32>() {
            Ok(number) => number as usize,
            Err(_) => {
                self.wrong(name, "wrong_type", "is not `next` of a page".into());
                0
            }
        }
    }

    pub(super) fn limit(&mut self) -> usize {
        let Some(text) = self.text("limit") else { return DEFAULT_LIMIT };
        match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
            _ => {
                self.wrong("limit", "out_of_bounds", format!("must be an integer from 1 to {MAX_LIMIT}"));
                DEFAULT_LIMIT
            }
        }
    }

    pub(super) fn one_of<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.wrong(name, "not_in_enum", format!("must be one of {}", words.join(", ")));
        }
        found
    }

    fn time(&mut self, name: &'static str) -> Option<Micros> {
        let text = self.text(name)?;
        let found = time::parse(&text);
        if found.is_none() {
            self.wrong(name, "wrong_type", "must be an RFC 3339 timestamp, for example 2026-11-21T09:30:00Z".into());
        }
        found
    }

    /// What was not taken is a typing mistake that would otherwise silently not filter.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.given) {
            let known = self.taken.join(", ");
            self.wrong(&name, "undeclared", format!("is not a parameter of this route; there are {known}"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}
