//! The tests of the crate from outside: folders of models built on a small engine.

#[path = "suite/build.rs"]
mod build;
#[path = "suite/checks.rs"]
mod checks;
#[path = "suite/engine.rs"]
mod engine;
#[path = "suite/shipped.rs"]
mod shipped;
#[path = "suite/snapshots.rs"]
mod snapshots;

use engine::Sqlite;
use std::collections::BTreeSet;
use std::sync::Arc;
use transform::run::{Compiler, NodeResult, Plan, Silent, run};
use transform::select::Selection;
use transform::spec::Kind;
use transform::{Models, Options};

/// Files of a folder with `dbt_project.yml` and a macro that takes schemas as they are named.
fn models(files: &[(&str, &str)]) -> Models {
    let mut all = vec![
        ("dbt_project.yml".to_owned(), b"name: shop\n".to_vec()),
        (
            "macros/schemas.sql".to_owned(),
            b"{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}".to_vec(),
        ),
    ];
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    Models::from_files(all, &Options::default())
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.iter().map(|m| format!("{m}\n")).collect::<String>()))
}

/// Everything, on one thread.
fn everything() -> Plan {
    Plan {
        chosen: BTreeSet::new(),
        kinds: vec![Kind::Model, Kind::Seed, Kind::Snapshot, Kind::Test, Kind::UnitTest],
        threads: 1,
        fail_fast: false,
        full_refresh: false,
        store_failures: false,
    }
}

fn build_at(engine: &Arc<Sqlite>, models: &Models, plan: &Plan, at: &str) -> Vec<NodeResult> {
    let mut plan = plan.clone();
    if plan.chosen.is_empty() {
        plan.chosen = Selection::default().resolve(models).unwrap();
    }
    let compiler = Compiler::new(models, Some(engine.clone()), plan.full_refresh, at, "id");
    run(&compiler, &plan, &Silent).unwrap()
}

fn build(engine: &Arc<Sqlite>, models: &Models, plan: &Plan) -> Vec<NodeResult> {
    build_at(engine, models, plan, "2026-01-01T00:00:00Z")
}

/// `name status` for each result, sorted.
fn outcomes(results: &[NodeResult]) -> Vec<String> {
    let mut all: Vec<String> =
        results.iter().map(|r| format!("{} {}", r.id.split('.').nth(2).unwrap_or_default(), r.status.word())).collect();
    all.sort();
    all
}

fn message<'a>(results: &'a [NodeResult], name: &str) -> &'a str {
    let found = results.iter().find(|r| r.id.split('.').skip(2).any(|part| part == name));
    found.and_then(|r| r.message.as_deref()).unwrap_or_default()
}
