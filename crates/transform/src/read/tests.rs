use super::*;
use crate::config::{Incremental, Materialized, Strategy};
use crate::spec::{Input, Kind};

/// A folder of models: `-- path` lines begin files.
pub(crate) fn files(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, String)> = vec![(files::SETTINGS.into(), "name: shop\n".into())];
    for line in text.lines() {
        match line.strip_prefix("-- ") {
            Some(path) if files::belongs(path) => {
                files.retain(|(p, _)| p != path);
                files.push((path.into(), String::new()));
            }
            _ => files.last_mut().unwrap().1.push_str(&format!("{line}\n")),
        }
    }
    files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect()
}

pub(crate) fn load(text: &str) -> Models {
    Models::from_files(files(text), &Options::default()).unwrap_or_else(|mistakes| panic!("{}", listed(&mistakes)))
}

fn listed(mistakes: &[Diagnostic]) -> String {
    mistakes
        .iter()
        .map(|m| format!("{}: {}{}\n", m.place, m.message, m.hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default()))
        .collect()
}

fn mistakes(text: &str) -> String {
    listed(&Models::from_files(files(text), &Options::default()).unwrap_err())
}

const SHOP: &str = "
-- dbt_project.yml
name: shop
version: '1.0'
vars: {least: 5, shop: {currency: USD}}
models:
  shop:
    +materialized: table
    staging:
      +materialized: view
      +schema: silver
      +tags: [daily]
-- models/staging/orders.sql
select order_id, customer_id, amount from {{ source('raw', 'orders') }} where amount >= {{ var('least') }}
-- models/marts/totals.sql
{{ config(materialized='incremental', unique_key='customer_id', tags=['money']) }}
select customer_id, sum(amount) as total
from {{ ref('orders') }}
{% if is_incremental() %}where day > (select max(day) from {{ this }}){% endif %}
group by customer_id
-- models/schema.yml
version: 2
sources:
  - name: raw
    schema: bronze
    loaded_at_field: at
    freshness: {warn_after: {count: 1, period: hour}}
    tables:
      - name: orders
        identifier: raw_orders
      - name: countries
        freshness: null
models:
  - name: orders
    description: every order once
    columns:
      - name: order_id
        data_tests: [unique, not_null]
      - name: status
        tests:
          - accepted_values: {values: [a, b], severity: warn}
  - name: totals
    columns:
      - name: customer_id
        tests:
          - relationships:
              arguments: {to: ref('orders'), field: customer_id}
              config: {where: total > 0}
    tests:
      - dbt_utils.expression_is_true: {expression: 'total >= 0', name: no_debts}
exposures:
  - name: board
    type: dashboard
    owner: {name: Ann}
    depends_on: [ref('totals')]
unit_tests:
  - name: sums
    model: totals
    given:
      - input: ref('orders')
        rows: [{customer_id: a, amount: 1}]
    expect:
      rows: [{customer_id: a, total: 1}]
-- seeds/codes.csv
code,name
1,one
-- snapshots/kept.sql
{% snapshot kept %}
{{ config(unique_key='order_id', strategy='check', check_cols=['amount']) }}
select * from {{ ref('orders') }}
{% endsnapshot %}
-- tests/no_negative.sql
select * from {{ ref('totals') }} where total < 0
";

#[test]
fn a_folder_becomes_nodes_that_know_each_other() {
    let models = load(SHOP);
    let orders = &models.nodes["model.shop.orders"];
    assert_eq!((orders.config.materialized, orders.config.tags.as_slice()), (Materialized::View, &["daily".to_owned()][..]));
    assert_eq!(orders.relation.to_string(), r#""gold_silver"."orders""#);
    assert_eq!(orders.depends_on, ["source.shop.raw.orders"]);
    assert_eq!(orders.description, "every order once");
    let totals = &models.nodes["model.shop.totals"];
    assert_eq!((totals.config.materialized, totals.config.incremental), (Materialized::Incremental, Incremental::Merge));
    assert_eq!(totals.depends_on, ["model.shop.orders"]);
    let source = &models.sources["source.shop.raw.orders"];
    assert_eq!(source.relation.to_string(), r#""bronze"."raw_orders""#);
    assert!(source.freshness.is_some() && models.sources["source.shop.raw.countries"].freshness.is_none());
    let kept = &models.nodes["snapshot.shop.kept"];
    assert_eq!(kept.config.snapshot, Some(Strategy::Check { columns: Some(vec!["amount".into()]), updated_at: None }));
    assert_eq!(models.nodes["unit_test.shop.totals.sums"].unit.as_ref().unwrap().given[0].input, Input::Ref("orders".into()));
    assert_eq!(models.exposures[0].depends_on, ["model.shop.totals"]);
    assert_eq!(models.vars["currency"], "USD");
    let at = |id: &str| models.order.iter().position(|o| o.contains(id)).unwrap();
    assert!(at("model.shop.orders") < at("model.shop.totals") && at("model.shop.totals") < at("no_negative"));
}

#[test]
fn tests_are_named_as_dbt_names_them() {
    let models = load(SHOP);
    let names: Vec<&str> = models.nodes.values().filter(|n| n.kind == Kind::Test).map(|n| n.name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "accepted_values_orders_status__a__b",
            "no_debts",
            "no_negative",
            "not_null_orders_order_id",
            "relationships_totals_customer_id__customer_id__ref_orders_",
            "unique_orders_order_id"
        ]
    );
    let test = models.nodes.values().find(|n| n.name.starts_with("relationships")).unwrap();
    assert_eq!(test.depends_on, ["model.shop.orders", "model.shop.totals"]);
    assert_eq!(test.test.as_ref().unwrap().attached.as_deref(), Some("model.shop.totals"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "
-- models/a.sql
{{ config(materialised='table') }}
select * from {{ ref('ordrs') }} join {{ source('raw', 'order') }}
-- models/b.sql
select 1


{{ unknown_macro(1) }}
-- models/orders.sql
{{ config(materialized='cube') }}
select {{ var('leest') }}
-- models/schema.yml
sources:
  - name: raw
    tables: [{name: orders}]
models:
  - name: oders
  - name: orders
    colums: []
    tests:
      - uniqe
";
    assert_eq!(
        mistakes(text),
        "models/a.sql:1:11: a model has no configuration `materialised` (did you mean `materialized`?)\n\
models/a.sql:2:23: there is no model, seed or snapshot `ordrs` (did you mean `orders`?)\n\
models/a.sql:2:57: there is no source `raw.order` (did you mean `raw.orders`?)\n\
models/b.sql:4:4: there is no `unknown_macro` here (it is neither a macro of this folder nor a function that is supported)\n\
models/orders.sql:1:11: `materialized` cannot be `cube` (known are: view, table, incremental, ephemeral)\n\
models/orders.sql:2:11: there is no variable `leest`; add it to `vars:` in dbt_project.yml\n\
models/schema.yml:5:11: there is no model `oders` (did you mean `orders`?)\n\
models/schema.yml:7:5: a description has no key `colums` (did you mean `columns`?)\n\
models/schema.yml:9:9: there is no test `uniqe` (did you mean `unique`?)\n"
    );
}

#[test]
fn what_dbt_has_and_we_do_not_is_named() {
    let told = mistakes(
        "
-- models/a.sql
{{ config(post_hook='grant') }}
select 1
-- models/b.sql
select {{ run_query('select 1') }}
-- models/c.sql
select * from {{ ref('a', v=2) }}
-- macros/m.sql
{% macro good() %}1{% endmacro %}

{% macro bad() %}
{{ statement('x') }}
{% endmacro %}
-- models/d.sql
select {{ bad() }}
",
    );
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "macros/m.sql:4: `statement` is not supported: queries while rendering are not supported; join in the model instead",
            "models/a.sql:1:11: configuration `post_hook` is not supported (put what must run after into a model of its own)",
            "models/b.sql:1:11: `run_query` is not supported: queries while rendering are not supported; join in the model instead",
            "models/c.sql:1:18: versions of models are not supported: `ref` takes a name",
        ]
    );
}

#[test]
fn a_circle_is_refused() {
    let told = mistakes("\n-- models/a.sql\nselect * from {{ ref('b') }}\n-- models/b.sql\nselect * from {{ ref('a') }}\n");
    assert_eq!(told, "models/a.sql: models depend on each other in a circle: a needs b needs a (take one of these references out)\n");
}

#[test]
fn a_macro_of_the_folder_names_schemas() {
    let models = load(
        "
-- macros/generate_schema_name.sql
{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- if custom_schema_name is none -%}{{ target.schema }}{%- else -%}{{ custom_schema_name | trim }}{%- endif -%}
{%- endmacro %}
-- models/a.sql
{{ config(schema='silver') }}
select 1
",
    );
    assert_eq!(models.nodes["model.shop.a"].relation.to_string(), r#""silver"."a""#);
}

#[test]
fn two_of_one_name_and_switched_off_ones_are_told() {
    let told = mistakes(
        "\n-- models/a.sql\nselect 1\n-- models/x/a.sql\nselect 2\n-- models/off.sql\n{{ config(enabled=false) }}select 1\n-- models/c.sql\nselect * from {{ ref('off') }}\n",
    );
    assert!(told.contains("models/x/a.sql: `a` is the name of model.shop.a already"), "{told}");
    assert!(told.contains("models/c.sql:1:23: `off` is switched off (`enabled: false`)"), "{told}");
}
