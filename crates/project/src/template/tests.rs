use super::*;

fn rendered(source: &str) -> Rendered {
    let vars = BTreeMap::from([("days".to_owned(), serde_json::json!([1, 30])), ("limit".to_owned(), serde_json::json!(2.5))]);
    render("features/f.sql", source, &vars).unwrap()
}

fn mistake(source: &str) -> String {
    let vars = BTreeMap::from([("limit".to_owned(), serde_json::json!(2.5))]);
    render("features/f.sql", source, &vars).unwrap_err().to_string()
}

#[test]
fn plain_sql_is_left_alone() {
    assert_eq!(rendered("select 1\nfrom t\n"), Rendered { sql: "select 1\nfrom t\n".into(), lines: vec![1, 2] });
}

#[test]
fn each_rendered_line_knows_its_source_line() {
    let source =
        "select a,\n{% for d in var('days') %}\n  sum(x) over w{{ d }}d as s{{ d }},\n{%- endfor %}\n  {{ var('limit') }}\nfrom t\n";
    let out = rendered(source);
    let shown: Vec<String> =
        out.sql.lines().zip(&out.lines).map(|(l, n)| format!("{n}:{}", l.trim())).filter(|l| !l.ends_with(':')).collect();
    assert_eq!(shown, ["1:select a,", "3:sum(x) over w1d as s1,", "3:sum(x) over w30d as s30,", "5:2.5", "6:from t"]);
    assert_eq!(out.lines.len(), out.sql.lines().count());
}

#[test]
fn trimmed_and_nested_loops_keep_their_lines() {
    let source = "select k\n{%- for d in [1, 7] -%}\n{%- for f in ['min', 'max'] %},\n  {{ f }}(x) over w{{ d }}\n{%- endfor -%}\n{%- endfor %}\nfrom t";
    let out = rendered(source);
    assert_eq!(out.sql, "select k,\n  min(x) over w1,\n  max(x) over w1,\n  min(x) over w7,\n  max(x) over w7\nfrom t");
    assert_eq!(out.lines, [1, 4, 4, 4, 4, 7]);
}

#[test]
fn text_caught_in_a_variable_falls_back_to_equal_text() {
    let out = rendered("{% set x %}abc{% endset %}select {{ x|length }}\nfrom t\n");
    assert_eq!((out.sql.as_str(), out.lines), ("select 3\nfrom t", vec![1, 2]));
}

#[test]
fn mistakes_have_their_place() {
    assert_eq!(mistake("select\n  {{ var('limt') }}\n"), "features/f.sql:2:6: there is no variable `limt`\n  hint: did you mean `limit`?");
    assert!(mistake("select\n{% for x in %}\n").starts_with("features/f.sql:2"));
    assert!(mistake("{{ nope }}").contains("undefined"));
    assert!(mistake("{% include 'x' %}").starts_with("features/f.sql:1"));
    assert!(mistake("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}").contains("takes too long to render"));
}
