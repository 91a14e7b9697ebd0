//! The engine against DuckDB: the rendered as-of SQL over any history, and the files as they stand where times are unique and in
//! order. Runs where `SLUICE_TEST_PYTHON` names a Python with duckdb; must run where `SLUICE_REQUIRE_CLIENTS` is 1.

use crate::support::{Event, FILES, OTHER_FILES, drawn, history, plan_of, streams};
use domain::{Type, Value};
use features::{Engine, Input, MemoryCold, Plan, Rows};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "\\N".into(),
        Value::Timestamp(_) => value.to_string().trim_end_matches('Z').to_owned(),
        other => other.to_string(),
    }
}

fn kind(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "boolean",
        Type::Int => "integer",
        Type::Decimal(_) => "decimal",
        Type::Float => "float",
        Type::Timestamp => "timestamp",
        Type::Interval | Type::Text => "text",
    }
}

fn sql_type(ty: Type) -> String {
    match ty {
        Type::Bool => "boolean".into(),
        Type::Int => "bigint".into(),
        Type::Decimal(scale) => format!("decimal(18, {scale})"),
        Type::Float => "double".into(),
        Type::Timestamp => "timestamp".into(),
        Type::Interval => "interval".into(),
        Type::Text => "varchar".into(),
    }
}

fn write(folder: &Path, plan: &Arc<Plan>, events: &[Event], plain: &[(&str, &str)]) {
    let mut tables = String::new();
    for (index, stream) in streams().iter().enumerate() {
        let columns: Vec<String> =
            stream.fields.iter().enumerate().map(|(slot, f)| format!("{} {}", f.name, sql_type(stream.field_type(slot)))).collect();
        let path = folder.join(format!("{}.csv", stream.name));
        let _ = writeln!(tables, "create table {} ({}, sequence bigint);", stream.name, columns.join(", "));
        let mut lines = String::new();
        for (i, event) in events.iter().enumerate().filter(|(_, e)| e.stream == index) {
            let values: Vec<String> = event.row.iter().map(text_of).collect();
            let _ = writeln!(lines, "{},{}", values.join(","), i + 1);
        }
        if !lines.is_empty() {
            let _ = writeln!(tables, "copy {} from '{}' (header false, delimiter ',', nullstr '\\N');", stream.name, path.display());
        }
        fs::write(path, lines).expect("the folder is ours");
    }
    fs::write(folder.join("tables.sql"), tables).expect("the folder is ours");
    fs::write(folder.join("as_of.sql"), plan.as_of_sql()).expect("the folder is ours");
    fs::create_dir(folder.join("plain")).expect("the folder is ours");
    for (path, sql) in plain {
        let name = path.trim_start_matches("features/");
        fs::write(folder.join("plain").join(name), sql.replacen("select ", "select sequence, ", 1)).expect("the folder is ours");
    }

    let inputs: Vec<Input<'_>> = events.iter().enumerate().map(|(i, e)| e.input(i)).collect();
    let mut rows = Rows::default();
    let mut engine = Engine::new(Arc::clone(plan), Box::new(MemoryCold::default()), usize::MAX).expect("an empty store opens");
    engine.apply(&inputs, &mut rows).expect("memory does not fail");
    let header: Vec<String> = plan.features.iter().map(|f| format!("{}:{}", f.name, kind(f.ty))).collect();
    let mut expected = format!("sequence:integer,{}\n", header.join(","));
    let judged = inputs.iter().filter(|i| i.stream == plan.judged);
    for (i, input) in judged.enumerate() {
        let values: Vec<String> = rows.row(i).iter().map(text_of).collect();
        let _ = writeln!(expected, "{},{}", input.sequence, values.join(","));
    }
    fs::write(folder.join("expected.csv"), expected).expect("the folder is ours");
}

fn check(python: &str, seed: u8, in_order: bool, accounts: u8, events: usize) {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    let drawn = proptest::collection::vec(drawn(), events).new_tree(&mut runner).expect("a history is drawn").current();
    let events = history(&drawn, in_order, accounts);
    // Over other streams the plain file has a row for each of their events, not for each judged one.
    let plan = plan_of(&FILES.iter().chain(OTHER_FILES).copied().collect::<Vec<_>>());
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &plan, &events, if in_order { FILES } else { &[] });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/duckdb_oracle.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("the python that was named starts");
    assert!(
        output.status.success(),
        "seed {seed}, in order {in_order}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn engine_agrees_with_duckdb() {
    let Ok(python) = std::env::var("SLUICE_TEST_PYTHON") else {
        assert_ne!(std::env::var("SLUICE_REQUIRE_CLIENTS").as_deref(), Ok("1"), "set SLUICE_TEST_PYTHON to a python that has duckdb");
        return;
    };
    for seed in 0..3 {
        check(&python, seed, false, 3, 500);
        check(&python, seed, true, 3, 400);
    }
}
