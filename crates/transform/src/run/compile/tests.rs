use super::*;
use crate::read::Options;

fn sql(files: &[(&str, &str)], model: &str) -> String {
    let mut all = vec![("dbt_project.yml".to_owned(), b"name: p\n".to_vec())];
    all.extend(files.iter().map(|(p, t)| ((*p).to_owned(), t.as_bytes().to_vec())));
    let models = Models::from_files(all, &Options::default()).unwrap();
    let compiler = Compiler::new(&models, None, false, "2026-01-01T00:00:00Z", "id");
    compiler.sql(&models.nodes[&format!("model.p.{model}")]).unwrap_or_else(|e| e.to_string())
}

#[test]
fn ephemeral_models_go_before_the_query() {
    let files = [
        ("models/a.sql", "{{ config(materialized='ephemeral') }}\nselect 1 as x"),
        ("models/b.sql", "{{ config(materialized='ephemeral') }}\nselect * from {{ ref('a') }}"),
        ("models/c.sql", "-- with care\nWITH q as (select 1) select * from q, {{ ref('b') }}, {{ ref('a') }};"),
        ("models/d.sql", "select * from {{ ref('b') }}"),
    ];
    let before = "with __dbt__cte__a as (\nselect 1 as x\n),\n__dbt__cte__b as (\nselect * from __dbt__cte__a\n)";
    assert_eq!(sql(&files, "c"), format!("-- with care\n{before},\nq as (select 1) select * from q, __dbt__cte__b, __dbt__cte__a"));
    assert_eq!(sql(&files, "d"), format!("{before}\nselect * from __dbt__cte__b"));
}

#[test]
fn what_is_referred_to_only_while_running_is_told() {
    let files = [
        ("models/a.sql", "select 1 as x"),
        ("models/b.sql", "select * from x {% if execute %}join {{ ref('a') }}{% endif %}"),
        ("models/c.sql", "-- depends_on: {{ ref('a') }}\nselect * from x {% if execute %}join {{ ref('a') }}{% endif %}"),
    ];
    assert!(sql(&files, "b").starts_with("models/b.sql: `a` is referred to only while running"), "{}", sql(&files, "b"));
    assert!(sql(&files, "c").ends_with("select * from x join \"gold\".\"a\""));
}
