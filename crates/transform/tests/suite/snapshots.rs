//! Snapshots over several runs: what began, what ended, what went and came back.

use super::{build_at, everything, message, models};
use crate::engine::Sqlite;
use std::sync::Arc;

/// After each step (statements on the source), a run at day 1, 2, ...; the versions at the end.
fn versions(config: &str, steps: &[&str]) -> Vec<String> {
    let engine = Arc::new(Sqlite::new());
    engine.execute("create table \"raw\".\"c\" (id integer, city text, note text, changed text)");
    let all = models(&[
        ("models/s.yml", "sources: [{name: raw, tables: [{name: c}]}]"),
        (
            "snapshots/c.sql",
            &format!(
                "{{% snapshot dim %}}\n{{{{ config(unique_key='id', {config}) }}}}\nselect id, city, note, changed from {{{{ source('raw', 'c') }}}}\n{{% endsnapshot %}}"
            ),
        ),
    ]);
    for (i, step) in steps.iter().enumerate() {
        engine.execute(step);
        let results = build_at(&engine, &all, &everything(), &format!("2026-01-0{}T00:00:00Z", i + 1));
        assert_eq!(message(&results, "dim"), "");
    }
    let deleted = if config.contains("new_record") { ", dbt_is_deleted" } else { "" };
    engine
        .lines(&format!("select id, city, substr(dbt_valid_from, 9, 2), substr(dbt_valid_to, 9, 2){deleted} from \"gold\".\"dim\" order by 1, dbt_valid_from, 2"))
        .into_iter()
        .collect()
}

const STEPS: [&str; 4] = [
    "insert into \"raw\".\"c\" values (1, 'Wien', 'x', '2026-01-01'), (2, 'Graz', 'x', '2026-01-01')",
    "update \"raw\".\"c\" set city = 'Linz', changed = '2026-01-02' where id = 1; update \"raw\".\"c\" set note = 'y' where id = 2; insert into \"raw\".\"c\" values (3, null, 'x', '2026-01-02')",
    "delete from \"raw\".\"c\" where id = 2; update \"raw\".\"c\" set city = 'Steyr', changed = '2026-01-03' where id = 3",
    "insert into \"raw\".\"c\" values (2, 'Graz', 'x', '2026-01-04')",
];

#[test]
fn by_timestamp() {
    assert_eq!(
        versions("strategy='timestamp', updated_at='changed'", &STEPS),
        ["1|Wien|01|02", "1|Linz|02|-", "2|Graz|01|04", "2|Graz|04|-", "3|-|02|03", "3|Steyr|03|-"]
    );
}

#[test]
fn by_comparing_columns() {
    assert_eq!(
        versions("strategy='check', check_cols=['city']", &STEPS),
        ["1|Wien|01|02", "1|Linz|02|-", "2|Graz|01|-", "3|-|02|03", "3|Steyr|03|-"]
    );
    assert_eq!(
        versions("strategy='check', check_cols='all'", &STEPS[..2]),
        ["1|Wien|01|02", "1|Linz|02|-", "2|Graz|01|02", "2|Graz|02|-", "3|-|02|-"]
    );
}

#[test]
fn what_is_deleted_ends_or_is_a_version_of_its_own() {
    assert_eq!(
        versions("strategy='check', check_cols=['city'], hard_deletes='invalidate'", &STEPS),
        ["1|Wien|01|02", "1|Linz|02|-", "2|Graz|01|03", "2|Graz|04|-", "3|-|02|03", "3|Steyr|03|-"]
    );
    assert_eq!(
        versions("strategy='check', check_cols=['city'], hard_deletes='new_record'", &STEPS),
        [
            "1|Wien|01|02|False",
            "1|Linz|02|-|False",
            "2|Graz|01|03|False",
            "2|Graz|03|04|True",
            "2|Graz|04|-|False",
            "3|-|02|03|False",
            "3|Steyr|03|-|False"
        ]
    );
}

#[test]
fn a_run_without_changes_changes_nothing() {
    let once = versions("strategy='check', check_cols='all', hard_deletes='invalidate'", &STEPS[..1]);
    assert_eq!(versions("strategy='check', check_cols='all', hard_deletes='invalidate'", &[STEPS[0], "select 1", "select 1"]), once);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let engine = Arc::new(Sqlite::new());
    engine.execute("create table \"raw\".\"c\" (id integer, at text); insert into \"raw\".\"c\" values (7, 'a'), (7, 'b')");
    let all = models(&[(
        "snapshots/d.yml",
        "sources: [{name: raw, tables: [{name: c}]}]\nsnapshots: [{name: dim, relation: \"source('raw', 'c')\", config: {unique_key: id, strategy: check, check_cols: all}}]",
    )]);
    let results = build_at(&engine, &all, &everything(), "2026-01-01T00:00:00Z");
    let told = message(&results, "dim");
    assert!(told.contains("`unique_key` (id) stands more than once in its query, for example 7"), "{told}");
}
