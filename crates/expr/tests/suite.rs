//! The tables under `spec/`: what expressions evaluate to, and how mistakes are shown. One row of columns serves all of them.
//! The table of values is also checked against DuckDB where `SLUICE_TEST_PYTHON` names a Python that has it.

use domain::decimal::Decimal;
use domain::{Micros, Type, Value, time};
use expr::{Context, Lists, Scope, Template, caret, compile};
use std::process::Command;

/// The columns of `spec/columns.txt`, and the list `watched(name, code)`.
struct Columns {
    names: Vec<(String, Type)>,
    values: Vec<Value>,
}

impl Columns {
    fn read() -> Self {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for line in include_str!("spec/columns.txt").lines().filter(|l| !l.starts_with('#')) {
            let mut words = line.splitn(3, char::is_whitespace).map(str::trim).filter(|w| !w.is_empty());
            let name = words.next().expect("a name");
            let rest: Vec<&str> = line[name.len()..].trim().splitn(2, char::is_whitespace).collect();
            let [ty, text] = rest[..] else { panic!("a type and a value: {line}") };
            let text = text.trim();
            let ty = match ty {
                "bigint" => Type::Int,
                "decimal(18,2)" => Type::Decimal(2),
                "decimal(18,3)" => Type::Decimal(3),
                "double" => Type::Float,
                "varchar" => Type::Text,
                "boolean" => Type::Bool,
                "timestamp" => Type::Timestamp,
                other => panic!("an unknown type {other}"),
            };
            values.push(match (ty, text) {
                (_, "null") => Value::Null,
                (Type::Int, text) => Value::Int(text.parse().expect("an integer")),
                (Type::Decimal(scale), text) => Value::Decimal(Decimal::parse(text, scale).expect("a decimal")),
                (Type::Float, text) => Value::Float(text.parse().expect("a float")),
                (Type::Bool, text) => Value::Bool(text == "true"),
                (Type::Timestamp, text) => Value::Timestamp(time::parse(text).expect("a timestamp")),
                (_, "''") => Value::text(""),
                (_, text) => Value::text(text),
            });
            names.push((name.to_owned(), ty));
        }
        Self { names, values }
    }
}

impl Scope for Columns {
    fn column(&self, qualifier: Option<&str>, name: &str) -> Option<(usize, Type)> {
        let slot = self.names.iter().position(|(n, _)| n == name)?;
        qualifier.is_none_or(|q| q == "event").then_some((slot, self.names[slot].1))
    }

    fn column_names(&self) -> Vec<String> {
        self.names.iter().map(|(n, _)| n.clone()).collect()
    }

    fn list(&self, list: &str, column: &str) -> Option<(usize, usize)> {
        (list == "watched").then(|| ["name", "code"].iter().position(|c| *c == column)).flatten().map(|c| (0, c))
    }

    fn list_names(&self) -> Vec<String> {
        vec!["watched(name, code)".into()]
    }
}

struct Watched;

impl Lists for Watched {
    fn contains(&self, list: usize, column: usize, value: &Value, _: Micros) -> bool {
        assert_eq!(list, 0, "the only list");
        match column {
            0 => *value == Value::text("online"),
            _ => *value == Value::Int(7),
        }
    }
}

/// A value as the table writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(t) => format!("'{t}'"),
        Value::Timestamp(t) => {
            time::format(*t).replace('T', " ").trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => other.to_string(),
    }
}

#[test]
fn expressions_evaluate_as_the_table_says() {
    let columns = Columns::read();
    let context = Context { slots: &columns.values, lists: &Watched, at: 0 };
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in include_str!("spec/values.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let line = line.split(" -- ours").next().unwrap_or(line);
        let (expression, rest) = line.rsplit_once(" => ").unwrap_or_else(|| panic!("no result: {line}"));
        let (value, ty) = rest.rsplit_once(" : ").unwrap_or_else(|| panic!("no type: {line}"));
        rows += 1;
        let program = match compile(expression, &columns) {
            Ok(program) => program,
            Err(errors) => {
                wrong.push(format!("{expression}: {errors:?}"));
                continue;
            }
        };
        let got = program.eval(&context);
        let got_type = program.ty().map_or("null".to_owned(), |t| t.to_string());
        // What is always null has no type of its own here.
        if shown(&got) != value || (got_type != ty && got_type != "null") {
            wrong.push(format!("{expression}: expected {value} : {ty}, got {} : {got_type}", shown(&got)));
        }
        if let Some(of) = got.type_of() {
            assert_eq!(of.to_string(), got_type, "the value of `{expression}` has its declared type");
        }
        assert_eq!(program.test(&context), got == Value::Bool(true), "`test` of `{expression}`");
    }
    assert!(rows > 250, "the table was read: {rows}");
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let columns = Columns::read();
    let mut wrong = Vec::new();
    let mut blocks = 0;
    let text = include_str!("spec/mistakes.txt");
    for block in text.split("\n\n").filter(|b| !b.trim().is_empty()) {
        let block: String = block.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
        let Some(expression) = block.lines().next().and_then(|l| l.strip_prefix("> ")) else { continue };
        let expression = expression.replace("\\n", "\n");
        blocks += 1;
        let got = match compile(&expression, &columns) {
            Ok(_) => "no mistake\n".to_owned(),
            Err(errors) => errors
                .iter()
                .map(|e| {
                    format!("{}\n{}\n{}", caret(&expression, e), e.message, e.hint.as_ref().map_or(String::new(), |h| format!("  {h}\n")))
                })
                .collect(),
        };
        let got = format!("> {}\n{got}", expression.replace('\n', "\\n"));
        if got.trim_end() != block.trim_end() {
            wrong.push(format!("expected\n{block}got\n{got}"));
        }
    }
    assert!(blocks > 60, "the table was read: {blocks}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn templates_fill_their_holes() {
    let columns = Columns::read();
    let context = Context { slots: &columns.values, lists: &Watched, at: 0 };
    for (text, expected) in [
        ("plain", "plain"),
        ("payment of {amount} by {t}", "payment of 49.50 by online"),
        ("{{{i}}}", "{7}"),
        ("{nt} is {upper(t)}", "unknown is ONLINE"),
        ("{f} {f / 3} {f * 4} {f / 1000} {g} {1e-12} {1e10 / 3}", "2.5 0.83 10 0.0025 -0.1 0 3333333333.33"),
        ("at {ts}, {older}", "at 2026-11-21T09:30:15.5Z, 1969-12-31T23:59:59Z"),
        ("after {interval '125 minutes'}, {interval '3 days'}, {interval '1 second'}", "after 2 hours 5 minutes, 3 days, 1 second"),
        ("{'a}b'} {b}", "a}b true"),
    ] {
        let template = Template::compile(text, &columns).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(template.render(&context), expected, "{text}");
    }
    let template = Template::compile("{i} {amount} {i}", &columns).expect("compiles");
    assert_eq!(template.slots(), [0, 5]);
    for (text, span) in [("a {amout} b", 3..8), ("a { b", 2..3), ("a } b", 2..3), ("{}", 1..1), ("{i +}", 4..4)] {
        let errors = Template::compile(text, &columns).expect_err(text);
        assert_eq!(errors[0].span, span, "{text}: {errors:?}");
    }
    assert_eq!(Template::compile("{amout} and {tt} and {i}", &columns).expect_err("two names").len(), 2, "every mistake at once");
}

#[test]
fn programs_name_what_they_read() {
    let columns = Columns::read();
    let program = compile("i in (select code from watched) and (amount > 3 or i < f) and t in (select name from watched)", &columns)
        .expect("compiles");
    assert_eq!(program.slots(), [0, 5, 8, 11]);
    assert_eq!(program.lists(), [(0, 0), (0, 1)]);
    assert_eq!(program.as_column(), None);
    assert_eq!(compile("(amount)", &columns).expect("compiles").as_column(), Some(5));
    assert_eq!(compile("event.AMOUNT", &columns).expect("compiles").as_column(), Some(5));
    assert_eq!(compile("2 * 3 + length('abc')", &columns).expect("compiles").as_constant(), Some(&Value::Int(9)));
}

#[test]
fn long_and_deep_expressions_are_safe() {
    let columns = Columns::read();
    let context = Context { slots: &columns.values, lists: &Watched, at: 0 };
    let long = vec!["i > 3"; 3000].join(" and ");
    assert!(compile(&long, &columns).expect("compiles").test(&context));
    for deep in ["(".repeat(5000) + "1" + &")".repeat(5000), vec!["1"; 1000].join(" + ")] {
        let errors = compile(&deep, &columns).expect_err("too deep");
        assert!(errors[0].message.contains("nests too deep"), "{errors:?}");
    }
    assert!(compile(&("not ".repeat(5000) + "b"), &columns).is_err());
}

#[test]
fn duckdb_agrees() {
    let Ok(python) = std::env::var("SLUICE_TEST_PYTHON") else {
        assert!(std::env::var("SLUICE_REQUIRE_CLIENTS").is_err(), "SLUICE_TEST_PYTHON must name a Python with duckdb");
        return;
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let output =
        Command::new(python).arg(format!("{folder}/duckdb_agrees.py")).arg(format!("{folder}/spec")).output().expect("python runs");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
