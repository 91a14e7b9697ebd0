//! The project version that judges: deploying another one, and those before.

use super::App;
use super::pages::{Pairs, Parameters};
use crate::auth::Caller;
use crate::changes::{Deploy, Deployed, VersionEvent};
use crate::openapi::{BodyFailures, Failures, Guarded, Overload};
use crate::platform::Role;
use crate::problem::{FieldError, Problem};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Versions that have judged, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Versions {
    items: Vec<VersionEvent>,
}

/// Checks a version of the project as a whole and, if it is right, makes it the one that judges, from its place in the sequence on. A wrong
/// one is refused with every mistake, and the one before goes on. Streams and features cannot change while the instance runs: that is a
/// conflict which names them.
#[utoipa::path(post, path = "/api/v1/deploy", tag = "versions", security(("bearer" = [])), request_body = Deploy, responses(
    (status = 200, description = "It judges, or would on a dry run", body = Deployed),
    (status = 404, description = "No such version was ever active here", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It needs a restart", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, BodyFailures, Overload,
))]
pub(crate) async fn deploy(State(app): State<Arc<App>>, caller: Caller, headers: HeaderMap, body: Body) -> Result<Json<Deployed>, Problem> {
    caller.at_least(Role::Admin)?;
    let held = app.budget.read(&headers, body, app.config.deploy_body_limit, app.config.body_timeout).await?;
    let refuse = |field: Option<&str>, code: &'static str, reason: String| {
        Problem::invalid(vec![FieldError { field: field.map(Into::into), code: code.into(), reason }])
    };
    let deploy: Deploy = serde_json::from_slice(&held.bytes).map_err(|e| refuse(None, "not_json", format!("not a deploy: {e}")))?;
    if deploy.files.is_some() == deploy.version.is_some() {
        return Err(refuse(
            Some("files"),
            "missing",
            "give either the files of a project or the version of one that was here before".into(),
        ));
    }
    if deploy.why.as_ref().is_some_and(|why| why.len() > 1000) {
        return Err(refuse(Some("why"), "too_long", "has more than 1000 bytes".into()));
    }
    Ok(Json(app.platform.changes().deploy(&caller.name, deploy).await?))
}

/// Versions that have judged, the latest activation first.
#[utoipa::path(get, path = "/api/v1/versions", tag = "versions", security(("bearer" = [])), params(
    ("limit" = Option<u32>, Query, description = "At most so many; 50 if left out", minimum = 1, maximum = 1000),
), responses(
    (status = 200, description = "The activations", body = Versions),
    (status = 422, description = "A parameter is wrong; `errors` names each", body = Problem, content_type = "application/problem+json"),
    Failures, Guarded, Overload,
))]
pub(crate) async fn versions(State(app): State<Arc<App>>, caller: Caller, pairs: Pairs) -> Result<Json<Versions>, Problem> {
    caller.at_least(Role::Viewer)?;
    let mut p = Parameters::new(pairs)?;
    let limit = p.limit();
    p.finish()?;
    Ok(Json(Versions { items: app.platform.changes().versions(limit).await? }))
}
