//! Jinja in feature files: loops and `var('name')`, without any way to the outside. Keeps the source line of each rendered one.
//!
//! Lines are traced by a second rendering with marks in the literal text. Where the marks would change the outcome (text caught
//! into a variable and measured, say), the two renderings differ and lines are told by equal text instead.

use crate::diagnostic::{Diagnostic, Place};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instructions one file may take: some milliseconds.
const FUEL: u64 = 1_000_000;
const MAX_RENDERED_BYTES: usize = 4 << 20;

/// Around a line number in the marked rendering; from a private-use area, so no SQL has them.
const MARK_START: char = '\u{f0010}';
const MARK_END: char = '\u{f0011}';

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    /// For each line of `sql` (from 0) the source line (from 1).
    pub(crate) lines: Vec<usize>,
}

/// Renders one file.
///
/// # Errors
/// The first mistake of the template, at its place.
pub(crate) fn render(path: &str, source: &str, vars: &BTreeMap<String, serde_json::Value>) -> Result<Rendered, Diagnostic> {
    let environment = environment(vars);
    // Without a tag there is nothing to render, and SQL may hold any brace alone.
    if !["{{", "{%", "{#"].iter().any(|tag| source.contains(tag)) {
        return Ok(Rendered { sql: source.into(), lines: (1..=source.lines().count()).collect() });
    }
    let sql = environment.render_named_str(path, source, ()).map_err(|e| diagnostic(path, source, vars, &e))?;
    if sql.len() > MAX_RENDERED_BYTES {
        return Err(Diagnostic::new(Place::file(path), format!("renders to {} bytes; at most {MAX_RENDERED_BYTES} are read", sql.len())));
    }
    let traced = environment.render_named_str(path, &marked(source), ()).ok().map(|text| trace(&text));
    let lines = match traced {
        Some((text, lines)) if text == sql => lines,
        _ => by_equal_text(source, &sql),
    };
    Ok(Rendered { sql, lines })
}

fn environment(vars: &BTreeMap<String, serde_json::Value>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    let vars: Arc<BTreeMap<String, Value>> = Arc::new(vars.iter().map(|(name, value)| (name.clone(), to_jinja(value))).collect());
    environment.add_function("var", move |name: &str, default: Option<Value>| {
        vars.get(name).cloned().or(default).ok_or_else(|| Error::new(ErrorKind::UndefinedError, format!("there is no variable `{name}`")))
    });
    environment
}

fn to_jinja(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::from(n.as_f64()), Value::from),
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_jinja).collect::<Vec<_>>()),
        Json::Object(map) => Value::from(map.iter().map(|(k, v)| (k.clone(), to_jinja(v))).collect::<BTreeMap<_, _>>()),
    }
}

fn diagnostic(path: &str, source: &str, vars: &BTreeMap<String, serde_json::Value>, error: &Error) -> Diagnostic {
    let place = match (error.range(), error.line()) {
        (Some(range), _) if !range.is_empty() => Place::at(path, source, range.start),
        (_, Some(line)) => Place { file: path.into(), line, column: 0 },
        _ => Place::file(path),
    };
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "takes too long to render".into(),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    let mistake = Diagnostic::new(place, message.clone());
    match message.strip_prefix("there is no variable `").and_then(|rest| rest.strip_suffix('`')) {
        Some(name) if vars.is_empty() => mistake.hint(format!("add `vars:` with `{name}:` under it to sluice.yml")),
        Some(name) => mistake.nearest(name, vars.keys().map(String::as_str)),
        None => mistake,
    }
}

/// The source with a mark before the first character of each line's literal text. Blanks stay outside of the marks, so that
/// `-%}` and `{%-` trim as they do without.
fn marked(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let (mut line, mut marked_line, mut closing): (usize, usize, Option<&str>) = (1, 0, None);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(end) = closing {
            if rest.starts_with(end) {
                out.push_str(end);
                rest = &rest[end.len()..];
                closing = None;
                continue;
            }
        } else {
            let tag = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")].into_iter().find(|(open, _)| rest.starts_with(open));
            // A value printed at the start of a line is part of that line; a statement prints nothing itself.
            let prints = tag.is_none_or(|(open, _)| open == "{{" && !rest.starts_with("{{-"));
            if !c.is_whitespace() && prints && marked_line != line {
                out.push_str(&format!("{MARK_START}{line}{MARK_END}"));
                marked_line = line;
            }
            if let Some((open, end)) = tag {
                out.push_str(open);
                rest = &rest[open.len()..];
                closing = Some(end);
                continue;
            }
        }
        line += usize::from(c == '\n');
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The text without its marks, and the line that each of its lines came from: that of its first mark, or of the last one before.
fn trace(marked: &str) -> (String, Vec<usize>) {
    let (mut text, mut lines, mut current) = (String::with_capacity(marked.len()), Vec::new(), 1);
    for line in marked.split_inclusive('\n') {
        let mut first = None;
        let mut rest = line;
        while let Some((before, after)) = rest.split_once(MARK_START) {
            text.push_str(before);
            let (number, behind) = after.split_once(MARK_END).unwrap_or((after, ""));
            current = number.parse().unwrap_or(current);
            first = first.or(Some(current));
            rest = behind;
        }
        text.push_str(rest);
        lines.push(first.unwrap_or(current));
    }
    (text, lines)
}

/// Each rendered line is told to come from the next source line with the same text, or from where the one before did.
fn by_equal_text(source: &str, sql: &str) -> Vec<usize> {
    let source: Vec<&str> = source.lines().map(str::trim).collect();
    let mut at = 0;
    sql.lines()
        .map(|line| {
            let same = |i: &usize| source[*i] == line.trim() && !line.trim().is_empty();
            if let Some(found) = (at..source.len()).find(same).or_else(|| (0..at).find(same)) {
                at = found;
            }
            at + 1
        })
        .collect()
}

#[cfg(test)]
mod tests;
