//! A test that a properties file asks for, as the template that calls its macro; named as dbt names it.

use super::properties::Wanted;
use super::refer::{call, reference};
use crate::jinja::Macros;
use crate::json;
use crate::spec::{Input, TestSpec};
use project::Diagnostic;
use project::section::Report;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// A longer name is cut, and told from others by a digest.
const LONGEST: usize = 64;

pub(super) struct Made {
    pub(super) name: String,
    pub(super) hash: String,
    pub(super) raw: String,
    pub(super) spec: TestSpec,
    on: Input,
}

impl Made {
    pub(super) fn refs_to(&self, name: &str) -> bool {
        self.on == Input::Ref(name.to_owned())
    }
}

pub(super) fn make(wanted: &Wanted, macros: &Macros, report: &mut Report) -> Option<Made> {
    let (namespace, test) = match wanted.test.split_once('.') {
        Some(("dbt", test)) => (None, test),
        Some((namespace, test)) => (Some(namespace), test),
        None => (None, wanted.test.as_str()),
    };
    if !macros.has_test(namespace, test) {
        let names = macros.test_names();
        let mistake = Diagnostic::new(wanted.place.clone(), format!("there is no test `{}`", wanted.test));
        report.add(match project::nearest(&wanted.test, names.iter().map(String::as_str)) {
            Some(near) => mistake.hint(format!("did you mean `{near}`?")),
            None => mistake.hint("write it as `{% test NAME(model, column_name) %}` in a file of `tests/generic/`"),
        });
        return None;
    }
    let condition = wanted.settings.iter().find(|s| s.key == "where").and_then(|s| json::text(&s.value));
    let model = match &condition {
        Some(condition) => format!(
            "\"(select * from \" ~ {} ~ {} ~ \") as dbt_subquery\"",
            call(&wanted.on),
            literal(&format!(" where {condition}").into())
        ),
        None => call(&wanted.on),
    };
    let mut arguments = vec![format!("model={model}")];
    if let Some(column) = &wanted.column {
        arguments.push(format!("column_name={}", literal(&column.as_str().into())));
    }
    for (key, value) in &wanted.arguments {
        arguments.push(format!("{key}={}", argument(value)));
    }
    let function = namespace.map_or_else(|| format!("test_{test}"), |namespace| format!("{namespace}.test_{test}"));
    let raw = format!("{{{{ {function}({}) }}}}", arguments.join(", "));
    let mut all = wanted.arguments.clone();
    if let Some(column) = &wanted.column {
        all.insert("column_name".into(), column.as_str().into());
    }
    let name = wanted.custom_name.clone().unwrap_or_else(|| name(namespace, test, &wanted.on, &all));
    let digest = hex::encode(Sha256::digest(format!("{raw}|{:?}", wanted.settings.iter().map(|s| (&s.key, &s.value)).collect::<Vec<_>>())));
    all.insert("model".into(), format!("{{{{ get_where_subquery({}) }}}}", call(&wanted.on)).into());
    Some(Made {
        name,
        hash: digest[..10].to_owned(),
        raw,
        spec: TestSpec {
            name: Some(test.to_owned()),
            namespace: namespace.map(str::to_owned),
            column: wanted.column.clone(),
            arguments: all,
            attached: None,
        },
        on: wanted.on.clone(),
    })
}

/// `accepted_values_orders_status__a__b`: the test, what it is of, and its arguments by name, flattened.
fn name(namespace: Option<&str>, test: &str, on: &Input, arguments: &serde_json::Map<String, Json>) -> String {
    let of = match on {
        Input::Ref(name) => name.clone(),
        Input::Source(source, table) => format!("{source}_{table}"),
        Input::This => String::new(),
    };
    let kind = match (namespace, on) {
        (None, Input::Source(..)) => format!("source_{test}"),
        (Some(namespace), Input::Source(..)) => format!("{namespace}_source_{test}"),
        (None, _) => test.to_owned(),
        (Some(namespace), _) => format!("{namespace}_{test}"),
    };
    let mut flat = Vec::new();
    for value in arguments.values() {
        flatten(value, &mut flat);
    }
    let parts: Vec<String> = flat.iter().map(|part| clean(part)).collect();
    let full = format!("{kind}_{of}_{}", parts.join("__"));
    let full = full.strip_suffix('_').filter(|_| parts.is_empty()).map_or(full.clone(), str::to_owned);
    if full.len() < LONGEST {
        return full;
    }
    let digest = hex::encode(Sha256::digest(&full));
    format!("{}_{}", &kind[..kind.len().min(30)], &digest[..32])
}

/// Each run of what is no letter or digit becomes one `_`.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = false;
    for c in text.chars() {
        let keep = c.is_ascii_alphanumeric() || c == '_';
        if keep {
            out.push(c);
        } else if !run {
            out.push('_');
        }
        run = !keep;
    }
    out
}

fn flatten(value: &Json, out: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| flatten(item, out)),
        Json::Object(map) => map.values().for_each(|item| flatten(item, out)),
        other => out.extend(json::text(other)),
    }
}

/// As jinja reads it: a reference is called, a template in braces is its expression, all else is a literal.
fn argument(value: &Json) -> String {
    if let Json::String(text) = value {
        if let Some(input) = reference(text) {
            return call(&input);
        }
        let inner = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).filter(|t| !t.contains("}}"));
        if let Some(expression) = inner {
            return expression.trim().to_owned();
        }
    }
    literal(value)
}

fn literal(value: &Json) -> String {
    match value {
        Json::Null => "none".into(),
        Json::Array(items) => format!("[{}]", items.iter().map(argument).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            format!(
                "{{{}}}",
                map.iter().map(|(k, v)| format!("{}: {}", Json::from(k.as_str()), argument(v))).collect::<Vec<_>>().join(", ")
            )
        }
        // JSON's texts and numbers are jinja's as well.
        other => other.to_string(),
    }
}
