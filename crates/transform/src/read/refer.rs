//! `ref('x')` and `source('a', 'b')` where they stand as plain text in a properties file.

use crate::spec::Input;

/// What a text refers to, with or without braces around it.
pub(super) fn reference(text: &str) -> Option<Input> {
    let text = text.trim();
    let text = text.strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).unwrap_or(text).trim();
    if text == "this" {
        return Some(Input::This);
    }
    let (function, arguments) = text.strip_suffix(')')?.split_once('(')?;
    let names: Option<Vec<String>> = arguments.split(',').map(quoted).collect();
    match (function.trim(), names?.as_slice()) {
        ("ref", [name] | [_, name]) => Some(Input::Ref(name.clone())),
        ("source", [source, table]) => Some(Input::Source(source.clone(), table.clone())),
        _ => None,
    }
}

fn quoted(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = ['\'', '"'].into_iter().find_map(|q| text.strip_prefix(q)?.strip_suffix(q))?;
    (!inner.contains(['\'', '"'])).then(|| inner.to_owned())
}

/// As jinja calls it.
pub(crate) fn call(input: &Input) -> String {
    match input {
        Input::Ref(name) => format!("ref('{name}')"),
        Input::Source(source, table) => format!("source('{source}', '{table}')"),
        Input::This => "this".into(),
    }
}
