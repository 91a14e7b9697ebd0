//! Lists: what they hold, what became of them, and changing them while the instance runs.

use super::App;
use super::pages::{Pairs, Parameters};
use crate::auth::Caller;
use crate::changes::{Changed, ListEvent, ListPage, ListSummary, NewEntry, OldEntry};
use crate::openapi::{BodyFailures, Failures, Guarded, Overload};
use crate::platform::Role;
use crate::problem::{FieldError, Problem};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Entries in one request.
const MOST_ENTRIES: usize = 10_000;

type Name = Result<Path<String>, PathRejection>;

/// All lists of the version that judges.
#[derive(Serialize, ToSchema)]
pub(crate) struct AllLists {
    items: Vec<ListSummary>,
}

/// What was changed, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListHistory {
    items: Vec<ListEvent>,
}

/// Entries to put on a list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntries {
    #[schema(min_items = 1, max_items = 10000)]
    entries: Vec<NewEntry>,
    /// An entry that is there already, with another reason or end, is replaced; without this it is a conflict.
    #[serde(default)]
    replace: bool,
}

/// All lists in short.
#[utoipa::path(get, path = "/api/v1/lists", tag = "lists", security(("bearer" = [])), responses(
    (status = 200, description = "The lists", body = AllLists),
    Failures, Guarded, Overload,
))]
pub(crate) async fn lists(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<AllLists>, Problem> {
    caller.at_least(Role::Viewer)?;
    Ok(Json(AllLists { items: app.platform.changes().lists().await? }))
}

/// The entries of a list as it is now, expired ones too: those of the project's file, then those added while the instance runs.
#[utoipa::path(get, path = "/api/v1/lists/{list}", tag = "lists", security(("bearer" = [])), params(
    ("list" = String, Path, description = "The list's name", min_length = 1),
    ("key" = Option<Vec<String>>, Query, description = "Only the entry with this key: one value a key column, in their order"),
    ("limit" = Option<u32>, Query, description = "Items on a page; 50 if left out", minimum = 1, maximum = 1000),
    ("cursor" = Option<String>, Query, description = "`next` of the page before", pattern = "^[0-9]{1,9}$"),
), responses(
    (status = 200, description = "A page", body = ListPage),
    (status = 404, description = "There is no such list", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, name: Name, pairs: Pairs) -> Result<Json<ListPage>, Problem> {
    caller.at_least(Role::Viewer)?;
    let name = path(name)?;
    let mut p = Parameters::new(pairs)?;
    let (key, limit, from) = (p.texts("key"), p.limit(), p.number("cursor"));
    p.finish()?;
    Ok(Json(app.platform.changes().list(&name, key, from, limit).await?))
}

/// What was changed in a list while the instance ran, the latest first.
#[utoipa::path(get, path = "/api/v1/lists/{list}/history", tag = "lists", security(("bearer" = [])), params(
    ("list" = String, Path, description = "The list's name", min_length = 1),
    ("key" = Option<Vec<String>>, Query, description = "Only what became of this key: one value a key column, in their order"),
    ("limit" = Option<u32>, Query, description = "At most so many; 50 if left out", minimum = 1, maximum = 1000),
), responses(
    (status = 200, description = "The changes", body = ListHistory),
    (status = 404, description = "There is no such list", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn history(State(app): State<Arc<App>>, caller: Caller, name: Name, pairs: Pairs) -> Result<Json<ListHistory>, Problem> {
    caller.at_least(Role::Viewer)?;
    let name = path(name)?;
    let mut p = Parameters::new(pairs)?;
    let (key, limit) = (p.texts("key"), p.limit());
    p.finish()?;
    Ok(Json(ListHistory { items: app.platform.changes().list_history(&name, key, limit).await? }))
}

/// Puts entries on a list, under the caller's name. All are checked before any is put on; they count from their place in the sequence on,
/// a thousand at a time, and are on disk when the answer comes. What is there already in the same words is left as it is.
#[utoipa::path(post, path = "/api/v1/lists/{list}", tag = "lists", security(("bearer" = [])), params(
    ("list" = String, Path, description = "The list's name", min_length = 1),
), request_body = NewEntries, responses(
    (status = 200, description = "They are on the list", body = Changed),
    (status = 404, description = "There is no such list", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "An entry is there already in other words", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, BodyFailures, Overload,
))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    name: Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed>, Problem> {
    caller.at_least(Role::Analyst)?;
    let name = path(name)?;
    let held = app.budget.read(&headers, body, app.config.batch_body_limit, app.config.body_timeout).await?;
    let refuse = |field: Option<&str>, code: &'static str, reason| {
        Problem::invalid(vec![FieldError { field: field.map(Into::into), code: code.into(), reason }])
    };
    let new: NewEntries =
        serde_json::from_slice(&held.bytes).map_err(|e| refuse(None, "not_json", format!("not entries of a list: {e}")))?;
    if new.entries.is_empty() || new.entries.len() > MOST_ENTRIES {
        let reason = format!("must hold 1 to {MOST_ENTRIES} entries, got {}", new.entries.len());
        return Err(refuse(Some("entries"), "out_of_bounds", reason));
    }
    Ok(Json(app.platform.changes().add_to_list(&caller.name, &name, new.entries, new.replace).await?))
}

/// Takes an entry off a list, under the caller's name, whether it stands in the project's file or was added later.
#[utoipa::path(delete, path = "/api/v1/lists/{list}", tag = "lists", security(("bearer" = [])), params(
    ("list" = String, Path, description = "The list's name", min_length = 1),
    ("key" = Vec<String>, Query, description = "The entry's key: one value a key column, in their order"),
    ("why" = String, Query, description = "For whoever asks later", min_length = 1, max_length = 1000),
), responses(
    (status = 200, description = "It is off the list", body = Changed),
    (status = 404, description = "There is no such list, or no such entry on it", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn remove(State(app): State<Arc<App>>, caller: Caller, name: Name, pairs: Pairs) -> Result<Json<Changed>, Problem> {
    caller.at_least(Role::Analyst)?;
    let name = path(name)?;
    let mut p = Parameters::new(pairs)?;
    let entry = OldEntry { key: p.required_texts("key"), why: p.required("why") };
    p.finish()?;
    Ok(Json(app.platform.changes().remove_from_list(&caller.name, &name, vec![entry]).await?))
}

fn path(name: Name) -> Result<String, Problem> {
    let Path(name) = name.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the list's name must be UTF-8, percent-encoded"))?;
    Ok(name)
}
