//! `sluice models ls`: names, one a line.

use crate::cli::{ModelKind, OutputFormat};
use crate::commands::{Out, Outcome, Result};
use serde_json::json;
use std::collections::BTreeSet;
use transform::Models;
use transform::spec::Kind;

pub(super) fn run(models: &Models, chosen: &BTreeSet<String>, kinds: &[ModelKind], output: OutputFormat) -> Result {
    let wanted = |kind: ModelKind| kinds.is_empty() || kinds.contains(&kind);
    let mut out = Out::new();
    for id in models.sources.keys().chain(&models.order).filter(|id| chosen.contains(*id)) {
        let (kind, line, document) = if let Some(node) = models.nodes.get(id) {
            let kind = match node.kind {
                Kind::Model => ModelKind::Model,
                Kind::Seed => ModelKind::Seed,
                Kind::Snapshot => ModelKind::Snapshot,
                Kind::Test => ModelKind::Test,
                Kind::UnitTest => ModelKind::UnitTest,
            };
            let document = json!({
                "unique_id": id, "name": node.name, "resource_type": node.kind.word(), "original_file_path": node.path,
                "materialized": (node.kind == Kind::Model).then(|| node.config.materialized.word()), "tags": node.config.tags,
                "relation_name": node.stands().then(|| node.relation.to_string()), "depends_on": node.depends_on,
            });
            (kind, node.fqn.join("."), document)
        } else if let Some(source) = models.sources.get(id) {
            let document = json!({
                "unique_id": id, "name": source.name, "resource_type": "source", "original_file_path": source.path,
                "relation_name": source.relation.to_string(), "tags": source.tags,
            });
            (ModelKind::Source, format!("source:{}.{}.{}", models.name, source.source, source.name), document)
        } else {
            continue;
        };
        if !wanted(kind) {
            continue;
        }
        match output {
            OutputFormat::Json => out.line(document.to_string().as_bytes())?,
            OutputFormat::Human => out.line(line.as_bytes())?,
        }
    }
    out.flush()?;
    Ok(Outcome::Fine)
}
