use super::*;
use crate::read::Options;

/// src -> a -> b -> d, a -> c -> d; a test on b, and one that reads b and c.
fn models() -> Models {
    let files = [
        ("dbt_project.yml", "name: p\n"),
        ("models/one/a.sql", "{{ config(tags=['red']) }}select * from {{ source('s', 't') }}"),
        ("models/one/b.sql", "{{ config(materialized='table') }}select * from {{ ref('a') }}"),
        ("models/two/c.sql", "{{ config(tags=['red', 'blue']) }}select * from {{ ref('a') }}"),
        ("models/two/d.sql", "select * from {{ ref('b') }} join {{ ref('c') }}"),
        (
            "models/p.yml",
            "sources: [{name: s, tables: [{name: t}]}]\nmodels: [{name: b, tests: [{dbt_utils.expression_is_true: {expression: 'true', name: tb}}]}]\nexposures: [{name: e, owner: {}, depends_on: [ref('c')]}]\n",
        ),
        ("tests/both.sql", "select 1 from {{ ref('b') }} join {{ ref('c') }}"),
    ];
    let files = files.into_iter().map(|(p, t)| (p.to_owned(), t.as_bytes().to_vec())).collect();
    Models::from_files(files, &Options::default()).unwrap()
}

fn chosen(select: &str, exclude: &str) -> String {
    let list = |text: &str| text.split(';').filter(|t| !t.is_empty()).map(str::to_owned).collect();
    let selection = Selection { select: list(select), exclude: list(exclude) };
    match selection.resolve(&models()) {
        Ok(ids) => {
            let mut names: Vec<String> = ids
                .iter()
                .map(|id| if id.starts_with("test.p.tb") { "tb".into() } else { id.rsplit('.').next().unwrap_or_default().to_owned() })
                .collect();
            names.sort();
            names.join(" ")
        }
        Err(e) => e.to_string().replace("\n  hint", ""),
    }
}

#[test]
fn selectors_choose_as_in_dbt() {
    for (select, exclude, names) in [
        ("", "", "a b both c d t tb"),
        ("a", "", "a"),
        ("b", "", "b both tb"),
        ("a+", "", "a b both c d tb"),
        ("a+1", "", "a b both c tb"),
        ("+d", "", "a b both c d t tb"),
        ("1+d", "", "b both c d tb"),
        ("+b+", "", "a b both d t tb"),
        ("@b", "", "a b both c d t tb"),
        ("tag:red", "", "a both c"),
        ("tag:red,tag:blue", "", "both c"),
        ("tag:blue b", "", "b both c tb"),
        ("path:models/one", "", "a b both tb"),
        ("models/two", "", "both c d"),
        ("two", "", "both c d"),
        ("p.one.*", "", "a b both tb"),
        ("config.materialized:table", "", "b both tb"),
        ("source:s+", "", "a b both c d t tb"),
        ("+exposure:e", "", "a both c t"),
        ("resource_type:test", "", "both tb"),
        ("test_type:singular", "", "both"),
        ("", "c+", "a b t tb"),
        ("a+", "d;b", "a c"),
    ] {
        assert_eq!(chosen(select, exclude), names, "--select {select:?} --exclude {exclude:?}");
    }
    assert_eq!(chosen("aa", ""), "`aa` chooses nothing: did you mean `a`?");
    assert_eq!(chosen("tags:red", ""), "`tags:red`: there is no method `tags:`: did you mean `tag:`?");
}
