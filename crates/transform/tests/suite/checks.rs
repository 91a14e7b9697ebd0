//! Every kind of test passes on good rows and fails on rows that are broken in its way; so do contracts, unit tests and freshness.

use super::{build, everything, message, models, outcomes};
use crate::engine::Sqlite;
use jiff::Timestamp;
use std::sync::Arc;
use transform::run::{Plan, Status, freshness};

fn table(rows: &str) -> Arc<Sqlite> {
    let engine = Arc::new(Sqlite::new());
    engine.execute("create table \"raw\".\"t\" (id integer, status text, amount integer, parent integer, at text); create table \"raw\".\"p\" (id integer); insert into \"raw\".\"p\" values (1), (2);");
    engine.execute(&format!("insert into \"raw\".\"t\" values {rows}"));
    engine
}

const GOOD: &str = "(1, 'a', 5, 1, '2026-01-01'), (2, 'b', 6, 2, '2026-01-02'), (3, null, 7, null, null)";

/// A test in a properties file on `m`, one on a column of it, or a file of `tests/`; and rows that break it.
const KINDS: &[(&str, &str, &str)] = &[
    ("unique", "column id unique", "(1, 'a', 5, 1, null), (1, 'b', 6, 2, null)"),
    ("not_null", "column id not_null", "(null, 'a', 5, 1, null)"),
    ("accepted_values", "column status accepted_values: {arguments: {values: ['a', 'b', 'c''s']}}", "(1, 'x', 5, 1, null)"),
    ("accepted_values, numbers", "column amount accepted_values: {values: [5, 6, 7], quote: false}", "(1, 'a', 8, 1, null)"),
    ("relationships", "column parent relationships: {to: \"source('raw', 'p')\", field: id}", "(1, 'a', 5, 9, null)"),
    ("expression", "model dbt_utils.expression_is_true: {expression: 'amount > 0'}", "(1, 'a', 0, 1, null)"),
    ("expression of a column", "column amount dbt_utils.expression_is_true: {expression: '>= 5'}", "(1, 'a', 4, 1, null)"),
    (
        "combination",
        "model dbt_utils.unique_combination_of_columns: {combination_of_columns: [status, amount]}",
        "(1, 'a', 5, 1, null), (2, 'a', 5, 2, null)",
    ),
    ("range", "column amount dbt_utils.accepted_range: {min_value: 5, max_value: 7}", "(1, 'a', 8, 1, null)"),
    ("range, open", "column amount dbt_utils.accepted_range: {min_value: 4, inclusive: false}", "(1, 'a', 4, 1, null)"),
    ("not empty", "column status dbt_utils.not_empty_string", "(1, ' ', 5, 1, null)"),
    ("at least one", "column status dbt_utils.at_least_one", "(1, null, 5, 1, null)"),
    ("equal rowcount", "model dbt_utils.equal_rowcount: {compare_model: ref('three')}", "(1, 'a', 5, 1, null)"),
    ("where", "column amount dbt_utils.accepted_range: {max_value: 5, config: {where: \"status = 'a'\"}}", "(1, 'a', 6, 1, null)"),
    ("one of the folder", "column amount even_or_odd: {odd: 6}", "(1, 'a', 6, 1, null), (2, 'a', 6, 1, null)"),
    ("singular", "file select * from {{ ref('m') }} where amount > 7", "(1, 'a', 8, 1, null)"),
];

fn of(kind: &str) -> transform::Models {
    let (mut yml, mut file) = ("models: [{name: m}]".to_owned(), "select 1 from {{ ref('m') }} where false");
    match kind.split_once(' ').unwrap() {
        ("column", rest) => {
            let (column, test) = rest.split_once(' ').unwrap();
            yml = format!("models:\n- name: m\n  columns:\n  - name: {column}\n    tests:\n    - {test}\n");
        }
        ("model", test) => yml = format!("models:\n- name: m\n  tests:\n  - {test}\n"),
        (_, sql) => file = sql,
    }
    models(&[
        ("models/sources.yml", "sources: [{name: raw, tables: [{name: t}, {name: p}]}]"),
        ("models/m.sql", "select * from {{ source('raw', 't') }}"),
        ("models/three.sql", "select 1 as x union all select 2 union all select 3"),
        ("models/m.yml", &yml),
        ("tests/singular.sql", file),
        (
            "tests/generic/even.sql",
            "{% test even_or_odd(model, column_name, odd) %}select {{ column_name }} from {{ model }} group by 1 having count(*) > 1 and {{ column_name }} = {{ odd }}{% endtest %}",
        ),
    ])
}

#[test]
fn each_kind_of_test_can_fail() {
    for (name, kind, broken) in KINDS {
        let all = of(kind);
        let status = |rows: &str| -> Vec<Status> {
            let results = build(&table(rows), &all, &everything());
            let of_test = |id: &str| id.starts_with("test.") && (id.ends_with(".singular") == kind.starts_with("file"));
            results
                .iter()
                .filter(|r| of_test(&r.id))
                .map(|r| {
                    assert_ne!(r.status, Status::Error, "{name}: {:?}", r.message);
                    r.status
                })
                .collect()
        };
        assert_eq!(status(GOOD), [Status::Pass], "{name}");
        assert_eq!(status(broken), [Status::Fail], "{name}");
    }
}

#[test]
fn thresholds_and_severity_decide() {
    for (config, status) in [
        ("{error_if: '> 1'}", "warn"),
        ("{error_if: '> 1', warn_if: '> 1'}", "pass"),
        ("{error_if: '>= 1'}", "fail"),
        ("{severity: warn}", "warn"),
        ("{fail_calc: sum(amount), error_if: '> 5', warn_if: '= 6'}", "fail"),
        ("{fail_calc: sum(amount), error_if: '> 6', warn_if: '= 6'}", "warn"),
        ("{where: id > 5}", "pass"),
        ("{limit: 0}", "pass"),
    ] {
        let all = of(&format!("model dbt_utils.expression_is_true: {{expression: 'amount <> 6', config: {config}}}"));
        let results = build(&table(GOOD), &all, &everything());
        let test = results.iter().find(|r| r.id.contains("expression_is_true")).unwrap();
        assert_eq!(test.status.word(), status, "{config}: {:?}", test.message);
    }
}

#[test]
fn failing_rows_are_shown_and_kept() {
    let all = of("model dbt_utils.expression_is_true: {expression: 'amount <> 6', name: no_six, config: {store_failures: true}}");
    let engine = table(GOOD);
    let results = build(&engine, &all, &everything());
    assert_eq!(
        message(&results, "no_six"),
        "got 1 failing rows, fail if != 0: id=2, status=b, amount=6, parent=2, at=2026-01-02; all in \"dbt_test__audit\".\"no_six\""
    );
    assert_eq!(engine.lines("select id from \"dbt_test__audit\".\"no_six\""), ["2"]);
}

#[test]
fn a_contract_is_kept_or_told() {
    let with = |columns: &str| {
        models(&[
            (
                "models/m.sql",
                "{{ config(materialized='table', contract={'enforced': true}) }}select 1 as id, 'x' as name union all select null, 'y'",
            ),
            ("models/m.yml", &format!("models: [{{name: m, columns: [{columns}]}}]")),
        ])
    };
    for (columns, told) in [
        ("{name: id, data_type: bigint}, {name: name, data_type: varchar}", ""),
        ("{name: id, data_type: text}, {name: name, data_type: text}", "m breaks its contract: `id` is promised as text and is bigint"),
        (
            "{name: id, data_type: bigint}, {name: nome, data_type: text}",
            "m breaks its contract: `nome` is promised and not there; `name` (text) is there and not promised",
        ),
        (
            "{name: id}, {name: name, data_type: text}",
            "m breaks its contract: `id` has no `data_type` in the properties file; it is bigint",
        ),
        (
            "{name: id, data_type: bigint, constraints: [{type: not_null}]}, {name: name, data_type: text}",
            "m breaks its contract: `id` is null in 1 rows",
        ),
    ] {
        let results = build(&Arc::new(Sqlite::new()), &with(columns), &everything());
        assert_eq!(message(&results, "m").lines().next().unwrap_or_default(), told);
    }
}

#[test]
fn unit_tests_run_a_model_on_rows_written_down() {
    let with = |expect: &str| {
        models(&[
            ("models/sources.yml", "sources: [{name: raw, tables: [{name: t}]}]"),
            ("models/base.sql", "{{ config(materialized='ephemeral') }}select id, status, amount from {{ source('raw', 't') }}"),
            (
                "models/m.sql",
                "{{ config(materialized='incremental') }}select status, sum(amount) as total, count(*) as n from {{ ref('base') }}\n{% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}\ngroup by status",
            ),
            (
                "models/u.yml",
                &format!(
                    "unit_tests:\n- name: sums\n  model: m\n  given:\n  - input: ref('base')\n    rows: [{{id: 1, status: a, amount: 2}}, {{id: 2, status: a, amount: 3}}, {{id: 3, status: b}}]\n  - input: this\n    format: csv\n    rows: |\n      id\n      1\n  overrides: {{macros: {{is_incremental: true}}}}\n  expect:\n    rows: {expect}\n"
                ),
            ),
        ])
    };
    let result = |expect: &str| {
        let results = build(&table(GOOD), &with(expect), &everything());
        (outcomes(&results).join(", "), message(&results, "sums").to_owned())
    };
    assert_eq!(result("[{status: b, total: null, n: 1}, {status: a, total: 3, n: 1}]").0, "m pass, m success");
    let (outcome, told) = result("[{status: a, total: 5}, {status: b}]");
    assert_eq!(outcome, "m fail, m skipped");
    assert_eq!(told, "rows of `m` differ: not expected: status=a, total=3 | missing: status=a, total=5");
    let (_, told) = result("[{stutas: a}]");
    assert!(told.contains("`m` gives no column `stutas`"), "{told}");
}

#[test]
fn sources_grow_old() {
    let at: Timestamp = "2026-01-02T03:00:00Z".parse().unwrap();
    for (rows, freshness_of, status) in [
        (GOOD, "{warn_after: {count: 4, period: hour}}", Status::Pass),
        (GOOD, "{warn_after: {count: 2, period: hour}, error_after: {count: 1, period: day}}", Status::Warn),
        (GOOD, "{warn_after: {count: 1, period: hour}, error_after: {count: 179, period: minute}}", Status::Fail),
        (GOOD, "{error_after: {count: 1, period: day}, filter: \"status = 'a'\"}", Status::Fail),
        ("(1, 'a', 1, 1, null)", "{warn_after: {count: 4, period: hour}}", Status::Fail),
        ("(1, 'a', 1, 1, 'never')", "{warn_after: {count: 4, period: hour}}", Status::Error),
    ] {
        let yml = format!(
            "sources: [{{name: raw, tables: [{{name: t, loaded_at_field: \"at || case when at like '2%' then ' 00:00:00' else '' end\", freshness: {freshness_of}}}, {{name: p}}]}}]"
        );
        let all = models(&[("models/s.yml", &yml)]);
        let results = freshness(&all, table(rows).as_ref(), &|_| true, at);
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].status, status, "{freshness_of}: {:?}", results[0].message);
    }
}

#[test]
fn tests_alone_run_on_what_stands() {
    let all = of("column id unique");
    let engine = table(GOOD);
    build(&engine, &all, &everything());
    engine.execute("insert into \"raw\".\"t\" values (1, 'a', 5, 1, null)");
    let results = build(&engine, &all, &Plan { kinds: vec![transform::spec::Kind::Test], ..everything() });
    assert_eq!(outcomes(&results), ["singular pass", "unique_m_id fail"]);
}
