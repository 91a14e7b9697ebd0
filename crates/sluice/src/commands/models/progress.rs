//! What a run shows: a line for each node as it ends, and a summary; as JSON, a document each.

use crate::cli::OutputFormat;
use crate::commands::print_json;
use domain::Result;
use serde_json::json;
use transform::run::{NodeResult, Status, Watch};
use transform::spec::Node;

pub(super) struct Progress {
    output: OutputFormat,
}

/// In the order of a summary.
const STATUSES: [Status; 6] = [Status::Success, Status::Pass, Status::Warn, Status::Fail, Status::Error, Status::Skipped];

impl Progress {
    pub(super) fn new(output: OutputFormat) -> Self {
        Self { output }
    }

    pub(super) fn summary(&self, results: &[NodeResult], seconds: f64) -> Result<()> {
        let counts: Vec<(&str, usize)> = STATUSES
            .iter()
            .map(|status| (status.word(), results.iter().filter(|r| r.status == *status).count()))
            .filter(|(_, n)| *n > 0)
            .collect();
        let ok = !results.iter().any(|r| r.status.is_bad());
        if self.output == OutputFormat::Json {
            let counts: serde_json::Map<String, serde_json::Value> = counts.into_iter().map(|(w, n)| (w.to_owned(), n.into())).collect();
            return print_json(&json!({ "ok": ok, "seconds": seconds, "counts": counts }));
        }
        let counts: Vec<String> = counts.into_iter().map(|(word, n)| format!("{n} {word}")).collect();
        println!("\n{} in {seconds:.2} s", if counts.is_empty() { "nothing to do".into() } else { counts.join(", ") });
        Ok(())
    }
}

impl Watch for Progress {
    fn started(&self, _: &Node, _: usize, _: usize) {}

    fn finished(&self, node: &Node, result: &NodeResult, n: usize, total: usize) {
        if self.output == OutputFormat::Json {
            let line = json!({
                "unique_id": result.id, "name": node.name, "resource_type": node.kind.word(), "status": result.status.word(),
                "rows": result.rows, "failures": result.failures, "seconds": result.seconds(), "message": result.message,
            });
            println!("{line}");
            return;
        }
        let what = if node.stands() { node.relation.to_string().replace('"', "") } else { node.name.clone() };
        let (status, kind, message) = (result.status.word(), node.kind.word(), result.message.as_deref().unwrap_or_default());
        if result.status == Status::Skipped {
            println!("{n:>4} of {total:<4} {status:<8} {kind:<9} {what}: {message}");
            return;
        }
        let rows = result.rows.map(|rows| format!("{rows} rows")).unwrap_or_default();
        println!("{n:>4} of {total:<4} {status:<8} {kind:<9} {what:<60} {rows:>14} {:>8.2} s", result.seconds());
        for line in message.lines() {
            println!("               {line}");
        }
    }
}
