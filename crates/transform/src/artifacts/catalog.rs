//! `catalog.json`: the tables and views as they stand, with the types of their columns.

use super::{CATALOG, DATABASE, Invocation, metadata};
use crate::engine::{Engine, Relation, Standing};
use crate::spec::{ColumnSpec, Models};
use domain::Result;
use serde_json::{Map, Value as Json, json};

/// Asks the engine for everything that stands.
///
/// # Errors
/// Those of the engine.
pub fn catalog(models: &Models, engine: &dyn Engine, invocation: &Invocation) -> Result<Json> {
    let (mut nodes, mut sources) = (Map::new(), Map::new());
    for node in models.nodes.values().filter(|n| n.stands()) {
        if let Some(entry) = entry(engine, &node.id, &node.relation, &node.columns)? {
            nodes.insert(node.id.clone(), entry);
        }
    }
    for source in models.sources.values() {
        if let Some(entry) = entry(engine, &source.id, &source.relation, &source.columns)? {
            sources.insert(source.id.clone(), entry);
        }
    }
    Ok(json!({ "metadata": metadata(CATALOG, invocation), "nodes": nodes, "sources": sources, "errors": null }))
}

fn entry(engine: &dyn Engine, id: &str, relation: &Relation, described: &[ColumnSpec]) -> Result<Option<Json>> {
    let Some(standing) = engine.standing(relation)? else { return Ok(None) };
    let kind = if standing == Standing::View { "VIEW" } else { "BASE TABLE" };
    let columns: Map<String, Json> = engine
        .columns(relation)?
        .into_iter()
        .enumerate()
        .map(|(i, c)| {
            let comment = described.iter().find(|d| d.name == c.name).map(|d| d.description.as_str()).filter(|d| !d.is_empty());
            (c.name.clone(), json!({ "type": c.data_type, "index": i + 1, "name": c.name, "comment": comment }))
        })
        .collect();
    Ok(Some(json!({
        "metadata": { "type": kind, "schema": relation.schema, "name": relation.name, "database": DATABASE, "comment": null, "owner": null },
        "columns": columns,
        "stats": { "has_stats": {
            "id": "has_stats", "label": "Has Stats?", "value": false, "include": false,
            "description": "Indicates whether there are statistics for this table",
        } },
        "unique_id": id,
    })))
}
