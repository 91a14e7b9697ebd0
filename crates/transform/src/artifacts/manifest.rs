//! `manifest.json`: every node with its configuration, its code and its place in the graph.

use super::{DATABASE, Invocation, MANIFEST, metadata};
use crate::config::Config;
use crate::spec::{ColumnSpec, Exposure, Freshness, Input, Kind, Models, Node, Source};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// `compiled` holds the SQL of the nodes that were compiled, by unique id.
pub fn manifest(models: &Models, compiled: &BTreeMap<String, String>, invocation: &Invocation) -> Json {
    let mut head = metadata(MANIFEST, invocation);
    if let Json::Object(head) = &mut head {
        head.insert("project_name".into(), models.name.as_str().into());
        head.insert("adapter_type".into(), "sluice".into());
        head.insert("send_anonymous_usage_stats".into(), false.into());
        head.insert("run_started_at".into(), invocation.started_at.as_str().into());
    }
    let of = |kinds: &dyn Fn(Kind) -> bool, value: &dyn Fn(&Node) -> Json| -> Map<String, Json> {
        models.nodes.values().filter(|n| kinds(n.kind)).map(|n| (n.id.clone(), value(n))).collect()
    };
    let nodes = of(&|kind| kind != Kind::UnitTest, &|n| node(models, n, compiled.get(&n.id)));
    let units = of(&|kind| kind == Kind::UnitTest, &|n| unit(models, n));
    let sources: Map<String, Json> = models.sources.values().map(|s| (s.id.clone(), source(models, s))).collect();
    let exposures: Map<String, Json> = models.exposures.iter().map(|e| (e.id.clone(), exposure(models, e))).collect();
    let macros: Map<String, Json> = models
        .macros
        .list
        .iter()
        .map(|m| {
            let id = format!("macro.{}.{}", models.name, m.name);
            let value = json!({
                "name": m.name, "resource_type": "macro", "package_name": models.name, "path": m.place.file,
                "original_file_path": m.place.file, "unique_id": id, "macro_sql": m.source, "depends_on": { "macros": [] },
                "description": "", "meta": {}, "docs": docs(), "patch_path": null, "arguments": [], "supported_languages": null,
            });
            (id, value)
        })
        .collect();
    let (parents, children) = maps(models);
    json!({
        "metadata": head, "nodes": nodes, "sources": sources, "macros": macros, "docs": {}, "exposures": exposures, "metrics": {},
        "groups": {}, "selectors": {}, "disabled": {}, "parent_map": parents, "child_map": children, "group_map": {},
        "saved_queries": {}, "semantic_models": {}, "unit_tests": units, "functions": {},
    })
}

fn docs() -> Json {
    json!({ "show": true, "node_color": null })
}

/// Who depends on whom, both ways; everything has an entry.
fn maps(models: &Models) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) {
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut children: BTreeMap<String, Vec<String>> = models.sources.keys().map(|id| (id.clone(), Vec::new())).collect();
    parents.extend(models.sources.keys().map(|id| (id.clone(), Vec::new())));
    let all = models.nodes.values().map(|n| (&n.id, &n.depends_on));
    for (id, on) in all.chain(models.exposures.iter().map(|e| (&e.id, &e.depends_on))) {
        parents.insert(id.clone(), on.clone());
        children.entry(id.clone()).or_default();
        for parent in on {
            children.entry(parent.clone()).or_default().push(id.clone());
        }
    }
    (parents, children)
}

fn checksum(text: &str) -> Json {
    json!({ "name": "sha256", "checksum": hex::encode(Sha256::digest(text.as_bytes())) })
}

fn columns(columns: &[ColumnSpec]) -> Json {
    let column = |c: &ColumnSpec| {
        let constraints: Vec<Json> = c.constraints.iter().map(|kind| json!({ "type": kind })).collect();
        let value = json!({
            "name": c.name, "description": c.description, "meta": c.meta, "data_type": c.data_type, "constraints": constraints,
            "quote": null, "config": { "meta": c.meta, "tags": c.tags }, "tags": c.tags, "granularity": null, "doc_blocks": [],
        });
        (c.name.clone(), value)
    };
    Json::Object(columns.iter().map(column).collect())
}

fn node(models: &Models, node: &Node, compiled: Option<&String>) -> Json {
    let config: &Config = &node.config;
    let refs: Vec<Json> = node.refs.iter().map(|name| json!({ "name": name, "package": null, "version": null })).collect();
    let is_test = node.kind == Kind::Test;
    let folder = node.path.split_once('/').map_or(node.path.as_str(), |(_, rest)| rest);
    let mut out = json!({
        "database": DATABASE, "schema": node.relation.schema, "name": node.name, "resource_type": node.kind.word(),
        "package_name": models.name, "path": folder, "original_file_path": node.path, "unique_id": node.id, "fqn": node.fqn,
        "alias": node.relation.name, "checksum": if is_test { json!({ "name": "none", "checksum": "" }) } else { checksum(&node.raw) },
        "config": config.to_json(node.kind), "tags": config.tags, "description": node.description, "columns": columns(&node.columns),
        "meta": config.meta, "group": null, "docs": docs(),
        "patch_path": node.patch.as_ref().map(|p| format!("{}://{p}", models.name)), "build_path": null,
        "unrendered_config": config.said, "relation_name": node.stands().then(|| node.relation.to_string()),
        "raw_code": if node.kind == Kind::Seed { "" } else { node.raw.as_str() }, "doc_blocks": [], "language": "sql", "refs": refs,
        "sources": node.source_refs.iter().map(|(source, table)| json!([source, table])).collect::<Vec<_>>(),
        "metrics": [], "functions": [], "depends_on": { "macros": [], "nodes": node.depends_on },
        "compiled_path": compiled.map(|_| compiled_path(models, node)), "compiled": compiled.is_some(), "compiled_code": compiled,
        "extra_ctes_injected": true, "extra_ctes": [],
        "contract": { "enforced": config.contract, "alias_types": true, "checksum": null },
    });
    let mut put = |key: &str, value: Json| {
        out.as_object_mut().map(|map| map.insert(key.to_owned(), value));
    };
    match node.kind {
        Kind::Model => {
            put("access", "protected".into());
            put("constraints", json!([]));
            put("version", Json::Null);
            put("latest_version", Json::Null);
            put("deprecation_date", Json::Null);
            put("primary_key", primary_key(models, node));
        }
        Kind::Test => {
            let test = node.test.clone().unwrap_or_default();
            put("column_name", test.column.into());
            put("attached_node", test.attached.into());
            if let Some(name) = test.name {
                put("test_metadata", json!({ "name": name, "kwargs": test.arguments, "namespace": test.namespace }));
            }
        }
        _ => {}
    }
    out
}

/// The columns that tests say are one of a kind in every row.
fn primary_key(models: &Models, node: &Node) -> Json {
    let tested = |name: &str| -> Vec<String> {
        let of = models.nodes.values().filter_map(|n| n.test.as_ref()).filter(|t| t.attached.as_ref() == Some(&node.id));
        of.filter(|t| t.name.as_deref() == Some(name)).filter_map(|t| t.column.clone()).collect()
    };
    let filled = tested("not_null");
    tested("unique").into_iter().filter(|column| filled.contains(column)).collect()
}

pub(super) fn compiled_path(models: &Models, node: &Node) -> String {
    match node.path.ends_with(".sql") {
        true => format!("target/compiled/{}/{}", models.name, node.path),
        false => format!("target/compiled/{}/{}/{}.sql", models.name, node.path, node.name),
    }
}

fn unit(models: &Models, node: &Node) -> Json {
    let Some(spec) = &node.unit else { return Json::Null };
    let input = |input: &Input| match input {
        Input::Ref(name) => format!("ref('{name}')"),
        Input::Source(source, table) => format!("source('{source}', '{table}')"),
        Input::This => "this".into(),
    };
    let given: Vec<Json> =
        spec.given.iter().map(|g| json!({ "input": input(&g.input), "rows": g.rows, "format": "dict", "fixture": null })).collect();
    json!({
        "model": spec.model, "given": given, "expect": { "rows": spec.expect, "format": "dict", "fixture": null }, "name": node.name,
        "resource_type": "unit_test", "package_name": models.name, "path": node.path, "original_file_path": node.path,
        "unique_id": node.id, "fqn": node.fqn, "description": node.description,
        "overrides": { "macros": { "is_incremental": spec.is_incremental }, "vars": spec.vars, "env_vars": {} },
        "depends_on": { "macros": [], "nodes": node.depends_on }, "config": { "tags": node.config.tags, "meta": node.config.meta },
        "schema": node.relation.schema,
    })
}

pub(super) fn criteria(freshness: &Freshness) -> Json {
    let age = |age: Option<crate::spec::Age>| match age {
        Some(age) => json!({ "count": age.count, "period": age.period.word() }),
        None => json!({ "count": null, "period": null }),
    };
    json!({ "warn_after": age(freshness.warn_after), "error_after": age(freshness.error_after), "filter": freshness.filter })
}

fn source(models: &Models, source: &Source) -> Json {
    let freshness = source.freshness.as_ref().map(criteria);
    json!({
        "database": DATABASE, "schema": source.relation.schema, "name": source.name, "resource_type": "source",
        "package_name": models.name, "path": source.path, "original_file_path": source.path, "unique_id": source.id,
        "fqn": [models.name, source.source, source.name], "source_name": source.source, "source_description": source.source_description,
        "loader": source.loader, "identifier": source.relation.name,
        "quoting": { "database": null, "schema": null, "identifier": null, "column": null }, "loaded_at_field": source.loaded_at,
        "loaded_at_query": null, "freshness": freshness, "external": null, "description": source.description,
        "columns": columns(&source.columns), "meta": source.meta, "source_meta": {}, "tags": source.tags,
        "config": { "enabled": true, "freshness": freshness, "loaded_at_field": source.loaded_at, "meta": source.meta, "tags": source.tags },
        "patch_path": null, "unrendered_config": {}, "relation_name": source.relation.to_string(), "doc_blocks": [],
    })
}

fn exposure(models: &Models, exposure: &Exposure) -> Json {
    json!({
        "name": exposure.name, "resource_type": "exposure", "package_name": models.name, "path": exposure.path,
        "original_file_path": exposure.path, "unique_id": exposure.id, "fqn": [models.name, exposure.name], "type": exposure.kind,
        "owner": exposure.owner, "description": exposure.description, "label": null, "maturity": exposure.maturity, "meta": {},
        "tags": exposure.tags, "config": { "enabled": true }, "unrendered_config": {}, "url": exposure.url,
        "depends_on": { "macros": [], "nodes": exposure.depends_on }, "refs": [], "sources": [], "metrics": [],
    })
}
