//! `run_results.json` and `sources.json`: what came of each node, and how fresh each source is.

use super::manifest::criteria;
use super::{Invocation, RUN_RESULTS, SOURCES, metadata};
use crate::run::{NodeResult, SourceResult, Status};
use crate::spec::Models;
use serde_json::{Value as Json, json};

/// `arguments` is what the command line said.
pub fn run_results(models: &Models, results: &[NodeResult], elapsed_seconds: f64, arguments: Json, invocation: &Invocation) -> Json {
    let one = |r: &NodeResult| {
        let node = models.nodes.get(&r.id);
        let relation = node.filter(|n| n.stands()).map(|n| n.relation.to_string());
        let times = |name: &str| json!({ "name": name, "started_at": r.started.to_string(), "completed_at": r.ended.to_string() });
        let timing = if r.status == Status::Skipped { json!([]) } else { json!([times("execute")]) };
        let response = r.rows.map_or_else(|| json!({}), |rows| json!({ "_message": format!("{rows} rows"), "rows_affected": rows }));
        json!({
            "status": r.status.word(), "timing": timing, "thread_id": format!("Thread-{}", r.thread),
            "execution_time": r.seconds(), "adapter_response": response, "message": r.message, "failures": r.failures,
            "unique_id": r.id, "compiled": r.compiled.is_some(), "compiled_code": r.compiled, "relation_name": relation,
            "batch_results": null,
        })
    };
    json!({
        "metadata": metadata(RUN_RESULTS, invocation), "results": results.iter().map(one).collect::<Vec<_>>(),
        "elapsed_time": elapsed_seconds, "args": arguments,
    })
}

pub fn sources(models: &Models, results: &[SourceResult], elapsed_seconds: f64, invocation: &Invocation) -> Json {
    let one = |r: &SourceResult| {
        if r.status == Status::Error {
            return json!({ "unique_id": r.id, "error": r.message, "status": "runtime error" });
        }
        let freshness = models.sources.get(&r.id).and_then(|s| s.freshness.as_ref());
        // What is too old is an error in dbt's words.
        let status = if r.status == Status::Fail { "error" } else { r.status.word() };
        json!({
            "unique_id": r.id, "max_loaded_at": r.newest.map(|n| n.to_string()), "snapshotted_at": r.at.to_string(),
            "max_loaded_at_time_ago_in_s": r.age(), "status": status, "criteria": freshness.map(criteria), "adapter_response": {},
            "timing": [{ "name": "execute", "started_at": r.at.to_string(), "completed_at": r.ended.to_string() }],
            "thread_id": "Thread-1", "execution_time": r.ended.duration_since(r.at).as_secs_f64(),
        })
    };
    json!({
        "metadata": metadata(SOURCES, invocation), "results": results.iter().map(one).collect::<Vec<_>>(),
        "elapsed_time": elapsed_seconds,
    })
}
