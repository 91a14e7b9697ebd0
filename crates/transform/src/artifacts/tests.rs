use super::*;
use crate::Options;
use crate::spec::Models;
use std::collections::BTreeMap;

/// The keys that dbt 1.11 writes, as tools expect them; those that speak of what we have not are left out.
const MODEL: &[&str] = &[
    "database",
    "schema",
    "name",
    "resource_type",
    "package_name",
    "path",
    "original_file_path",
    "unique_id",
    "fqn",
    "alias",
    "checksum",
    "config",
    "tags",
    "description",
    "columns",
    "meta",
    "docs",
    "patch_path",
    "relation_name",
    "raw_code",
    "language",
    "refs",
    "sources",
    "depends_on",
    "compiled_path",
    "compiled",
    "compiled_code",
    "contract",
    "access",
    "constraints",
    "primary_key",
];

#[test]
fn a_manifest_has_the_shape_that_tools_read() {
    let files = [
        ("dbt_project.yml", "name: p\n"),
        ("models/a.sql", "{{ config(materialized='incremental', unique_key='id', tags=['x']) }}select 1 as id from {{ source('s', 't') }}"),
        (
            "models/p.yml",
            "sources: [{name: s, tables: [{name: t}]}]\nmodels: [{name: a, description: all, columns: [{name: id, data_type: bigint, tests: [unique, not_null]}]}]\nexposures: [{name: e, type: dashboard, owner: {name: A}, depends_on: [ref('a')]}]",
        ),
    ];
    let files = files.into_iter().map(|(p, t)| (p.to_owned(), t.as_bytes().to_vec())).collect();
    let models = Models::from_files(files, &Options::default()).unwrap();
    let invocation = Invocation { id: "i".into(), started_at: "s".into(), generated_at: "g".into() };
    let compiled = BTreeMap::from([("model.p.a".to_owned(), "select 1".to_owned())]);
    let manifest = manifest(&models, &compiled, &invocation);
    let model = &manifest["nodes"]["model.p.a"];
    for key in MODEL {
        assert!(model.get(key).is_some(), "{key}");
    }
    assert_eq!(manifest["metadata"]["dbt_schema_version"], MANIFEST);
    assert_eq!(model["config"]["materialized"], "incremental");
    assert_eq!(model["primary_key"], json!(["id"]));
    assert_eq!(model["compiled_path"], "target/compiled/p/models/a.sql");
    assert_eq!(model["patch_path"], "p://models/p.yml");
    assert_eq!(manifest["parent_map"]["model.p.a"], json!(["source.p.s.t"]));
    let children = manifest["child_map"]["model.p.a"].as_array().unwrap();
    assert_eq!(children.len(), 3, "{children:?}");
    let unique = manifest["nodes"].as_object().unwrap().values().find(|n| n["name"] == "unique_a_id").unwrap();
    assert_eq!(unique["test_metadata"]["kwargs"]["model"], "{{ get_where_subquery(ref('a')) }}");
    assert_eq!((&unique["attached_node"], &unique["column_name"]), (&json!("model.p.a"), &json!("id")));
}
