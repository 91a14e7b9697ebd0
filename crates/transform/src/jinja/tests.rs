use super::*;
use crate::engine::Relation;
use crate::spec::Target;
use project::section::Report;
use std::collections::BTreeMap;

fn render(macros: &str, source: &str) -> String {
    let mut report = Report::default();
    let macros = Macros::read(&[("macros/m.sql", macros)], &mut report);
    assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
    let vars = BTreeMap::from([("n".to_owned(), 3.into()), ("countries".to_owned(), serde_json::json!(["AT", "DE"]))]);
    let scope = Scope {
        macros: &macros,
        vars: &vars,
        target: &Target::default(),
        model: serde_json::Map::new(),
        this: Relation::new("gold", "me"),
        config: None,
        run_started_at: "2026-01-01T00:00:00Z",
        invocation_id: "id",
        stage: Stage::Parse,
    };
    match scope.render("models/a.sql", source) {
        Ok(sql) => sql,
        Err(mistake) => format!("{}: {}", mistake.place, mistake.message),
    }
}

#[test]
fn what_templates_of_dbt_use_is_rendered() {
    for (source, sql) in [
        ("select 1", "select 1"),
        ("{% set n = var('n') %}{{ n + 1 }}", "4"),
        ("{% for c in var('countries') %}'{{ c }}'{{ ', ' if not loop.last }}{% endfor %}", "'AT', 'DE'"),
        ("{{ var('missing', 'x') }}", "x"),
        ("{{ this }} {{ this.schema }} {{ target.schema }}", "\"gold\".\"me\" gold gold"),
        ("{{ config(materialized='table') }}{{ config.get('materialized') }} {{ config.get('x', 'y') }}", "table y"),
        ("{{ 'a,b'.split(',')[1] | upper }} {{ 'X'.lower() }}", "B x"),
        ("{%- if execute %}yes{% else %}no{% endif %} {{ is_incremental() }}", "no False"),
        ("{{ plus(1, b=2) }} {{ plus(1) }}", "3 11"),
        ("{{ dbt.date_trunc('day', 't') }}", "date_trunc('day', t)"),
        ("{% do log('x', info=true) %}{{ tojson([1]) }}", "[1]"),
        ("{# {{ unknown() }} #}ok", "ok"),
        ("{{ true and none is none }}", "True"),
    ] {
        assert_eq!(render("{% macro plus(a, b=10) %}{{ a + b }}{% endmacro %}", source), sql, "{source}");
    }
}

#[test]
fn a_surrogate_key_is_the_one_of_dbt_utils() {
    assert_eq!(
        render("", "{{ dbt_utils.generate_surrogate_key(['a', 'b']) }}"),
        "md5(cast(coalesce(cast(a as TEXT), '_dbt_utils_surrogate_key_null_') || '-' || \
         coalesce(cast(b as TEXT), '_dbt_utils_surrogate_key_null_') as TEXT))"
    );
}

#[test]
fn macros_call_each_other_and_tests_are_macros() {
    let macros = "{% macro one() %}{{ two() }}!{% endmacro %}\n{% macro two() %}2 {{ var('n') }} {{ ref('x') }}{% endmacro %}\n{%- test even(model, column_name) %}select {{ column_name }} from {{ model }}{% endtest %}";
    assert_eq!(render(macros, "{{ one() }}"), "2 3 \"parse\".\"x\"!");
    assert_eq!(render(macros, "{{ test_even(model='t', column_name='c') }}"), "select c from t");
}

#[test]
fn a_mistake_stands_where_it_is() {
    for (source, told) in [
        ("select\n  {{ nothing }}", "models/a.sql:2:6: there is no `nothing` here"),
        ("x\n{% if %}", "models/a.sql:2:7: unexpected end of block"),
        ("{{ dbt_utils.pivot('a') }}", "models/a.sql:1:13: there is no macro or method `pivot` here"),
        (
            "{{ dbt_utils.date_spine('eon', 'a', 'b') }}",
            "models/a.sql: date_spine knows day, hour, minute, month, week and year, not `eon`",
        ),
        ("{{ env_var('SLUICE_NOT_SET_ANYWHERE') }}", "models/a.sql:1:4: `SLUICE_NOT_SET_ANYWHERE` is not set in the environment"),
        ("{{ exceptions.raise_compiler_error('no') }}", "models/a.sql:1:14: no"),
        ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "takes too long to render"),
    ] {
        let rendered = render("", source);
        assert!(rendered.contains(told), "{source}: {rendered}");
    }
}
