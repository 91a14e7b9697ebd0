//! Materialisations, seeds, the order of the work, and what a failure stops.

use super::{build, everything, message, models, outcomes};
use crate::engine::Sqlite;
use std::sync::Arc;
use transform::Engine;
use transform::engine::{Relation, Standing};
use transform::run::Plan;
use transform::select::Selection;

fn shop() -> Arc<Sqlite> {
    let engine = Arc::new(Sqlite::new());
    engine.execute(
        "create table \"bronze\".\"orders\" (id integer, customer text, amount integer, day integer);
         insert into \"bronze\".\"orders\" values (1, 'a', 10, 1), (2, 'b', 20, 1), (3, 'a', 5, 2);",
    );
    engine
}

const SOURCES: (&str, &str) = ("models/sources.yml", "sources: [{name: bronze, tables: [{name: orders}]}]");

#[test]
fn each_materialisation_stands_as_it_should() {
    let engine = shop();
    let all = models(&[
        SOURCES,
        ("models/v.sql", "select * from {{ source('bronze', 'orders') }}"),
        ("models/e.sql", "{{ config(materialized='ephemeral') }}select customer, amount from {{ ref('v') }}"),
        (
            "models/t.sql",
            "{{ config(materialized='table', schema='silver', alias='totals') }}select customer, sum(amount) as total from {{ ref('e') }} group by customer",
        ),
        ("seeds/codes.csv", "code,name,since\n007,seven,2026-01-01\n008,\"eight, or so\",\n"),
    ]);
    let results = build(&engine, &all, &everything());
    assert_eq!(outcomes(&results), ["codes success", "t success", "v success"]);
    assert_eq!(engine.standing(&Relation::new("gold", "v")).unwrap(), Some(Standing::View));
    assert_eq!(engine.standing(&Relation::new("silver", "totals")).unwrap(), Some(Standing::Table));
    assert_eq!(engine.standing(&Relation::new("gold", "e")).unwrap(), None);
    assert_eq!(engine.lines("select * from \"silver\".\"totals\" order by 1"), ["a|15", "b|20"]);
    assert_eq!(engine.lines("select code, name from \"gold\".\"codes\" order by 1"), ["007|seven", "008|eight, or so"]);
    assert_eq!(results.iter().find(|r| r.id.ends_with(".t")).unwrap().rows, Some(2));
}

/// What an incremental model holds after a first run, more rows and a change of old ones, and a second run.
fn incremental(config: &str, full_refresh: bool) -> Vec<String> {
    let engine = shop();
    let sql = format!(
        "{{{{ config(materialized='incremental'{config}) }}}}
         select id, customer, amount from {{{{ source('bronze', 'orders') }}}}
         {{% if is_incremental() %}}where id >= (select max(id) from {{{{ this }}}}){{% endif %}}"
    );
    let all = models(&[SOURCES, ("models/i.sql", &sql)]);
    build(&engine, &all, &everything());
    engine.execute("update \"bronze\".\"orders\" set amount = amount + 1; insert into \"bronze\".\"orders\" values (4, 'c', 1, 3);");
    let results = build(&engine, &all, &Plan { full_refresh, ..everything() });
    assert_eq!(outcomes(&results), ["i success"], "{}", message(&results, "i"));
    engine.lines("select id, amount from \"gold\".\"i\" order by 1, 2")
}

#[test]
fn incremental_models_take_what_is_new() {
    assert_eq!(incremental("", false), ["1|10", "2|20", "3|5", "3|6", "4|1"]);
    assert_eq!(incremental(", unique_key='id'", false), ["1|10", "2|20", "3|6", "4|1"]);
    assert_eq!(incremental(", unique_key='id', incremental_strategy='merge'", false), ["1|10", "2|20", "3|6", "4|1"]);
    assert_eq!(incremental(", unique_key=['id', 'customer'], incremental_strategy='delete+insert'", false), ["1|10", "2|20", "3|6", "4|1"]);
    assert_eq!(incremental(", unique_key='id', incremental_strategy='append'", false), ["1|10", "2|20", "3|5", "3|6", "4|1"]);
    assert_eq!(incremental("", true), ["1|11", "2|21", "3|6", "4|1"]);
    assert_eq!(incremental(", full_refresh=false", true), ["1|10", "2|20", "3|5", "3|6", "4|1"]);
}

#[test]
fn changed_columns_are_ignored_added_or_refused() {
    for (how, told) in
        [("ignore", "1|-"), ("append_new_columns", "1|10|-"), ("fail", "the columns of i changed: new `amount`; gone `customer`")]
    {
        let engine = shop();
        let of = |columns: &str| {
            let sql = format!(
                "{{{{ config(materialized='incremental', unique_key='id', on_schema_change='{how}') }}}}select {columns} from {{{{ source('bronze', 'orders') }}}}"
            );
            models(&[SOURCES, ("models/i.sql", sql.as_str())])
        };
        build(&engine, &of("id, customer"), &everything());
        let results = build(&engine, &of("id, amount"), &everything());
        let columns: Vec<String> = engine.columns(&Relation::new("gold", "i")).unwrap().into_iter().map(|c| c.name).collect();
        match how {
            "ignore" => assert_eq!(columns, ["id", "customer"]),
            "append_new_columns" => {
                assert_eq!(columns, ["id", "customer", "amount"]);
                assert_eq!(engine.lines("select id, amount, customer from \"gold\".\"i\" where id = 1"), [told]);
            }
            _ => assert!(message(&results, "i").starts_with(told), "{}", message(&results, "i")),
        }
    }
}

#[test]
fn a_failure_stops_what_depends_on_it_alone() {
    let engine = shop();
    let files = [
        SOURCES,
        ("models/a.sql", "select * from {{ source('bronze', 'orders') }}"),
        ("models/bad.sql", "{{ config(materialized='table') }}select nothing from {{ ref('a') }}"),
        ("models/after.sql", "select * from {{ ref('bad') }}"),
        ("models/later.sql", "select * from {{ ref('after') }}"),
        ("models/beside.sql", "select * from {{ ref('a') }}"),
        ("models/a.yml", "models: [{name: beside, columns: [{name: id, tests: [unique]}]}]"),
    ];
    let all = models(&files);
    let results = build(&engine, &all, &everything());
    let expected = ["a success", "after skipped", "bad error", "beside success", "later skipped", "unique_beside_id pass"];
    assert_eq!(outcomes(&results), expected);
    assert_eq!(message(&results, "later"), "skipped, for `bad` failed");
    // In parallel the same comes out.
    for threads in [2, 8] {
        let results = build(&shop(), &all, &Plan { threads, ..everything() });
        assert_eq!(outcomes(&results), expected);
    }
    let results = build(&shop(), &all, &Plan { fail_fast: true, ..everything() });
    assert_eq!(
        outcomes(&results),
        ["a success", "after skipped", "bad error", "beside skipped", "later skipped", "unique_beside_id skipped"]
    );
}

#[test]
fn a_failing_test_stops_what_reads_the_tested_table() {
    let engine = shop();
    let all = models(&[
        SOURCES,
        ("models/a.sql", "select * from {{ source('bronze', 'orders') }}"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
        ("models/c.sql", "select 1 as x"),
        (
            "models/a.yml",
            "models: [{name: a, columns: [{name: customer, tests: [unique]}, {name: id, tests: [{unique: {severity: warn}}]}]}]",
        ),
    ]);
    let results = build(&engine, &all, &everything());
    assert_eq!(outcomes(&results), ["a success", "b skipped", "c success", "unique_a_customer fail", "unique_a_id pass"]);
    let order: Vec<&str> = results.iter().map(|r| r.id.split('.').nth(2).unwrap()).collect();
    let at = |name: &str| order.iter().position(|n| *n == name).unwrap();
    assert!(at("a") < at("unique_a_customer"));
}

#[test]
fn only_what_is_chosen_is_built_and_in_order_all_the_same() {
    let engine = shop();
    let all = models(&[
        SOURCES,
        ("models/a.sql", "{{ config(materialized='table') }}select id from {{ source('bronze', 'orders') }}"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
        ("models/c.sql", "{{ config(materialized='table') }}select * from {{ ref('b') }}"),
    ]);
    build(&engine, &all, &everything());
    engine.execute("delete from \"bronze\".\"orders\" where id > 1");
    let chosen = Selection { select: vec!["c".into(), "a".into()], exclude: vec![] }.resolve(&all).unwrap();
    let results = build(&engine, &all, &Plan { chosen, threads: 4, ..everything() });
    assert_eq!(outcomes(&results), ["a success", "c success"]);
    assert_eq!(engine.lines("select count(*) from \"gold\".\"c\""), ["1"]);
}
