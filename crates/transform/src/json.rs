//! Between jinja's values and JSON, which is how configuration, variables and arguments of tests are kept.

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value as Json};
use std::collections::BTreeMap;

pub(crate) fn to_jinja(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::from(n.as_f64()), Value::from),
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => items.iter().map(to_jinja).collect(),
        Json::Object(map) => Value::from(map.iter().map(|(k, v)| (k.clone(), to_jinja(v))).collect::<BTreeMap<_, _>>()),
    }
}

/// What has no place in JSON (a macro, a relation) becomes the text it prints as.
pub(crate) fn from_jinja(value: &Value) -> Json {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(i) => Json::from(i),
            Err(_) => f64::try_from(value.clone()).ok().and_then(Number::from_f64).map_or(Json::Null, Json::Number),
        },
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().map(|items| items.map(|v| from_jinja(&v)).collect()).unwrap_or_default(),
        ValueKind::Map => {
            let keys: Vec<Value> = value.try_iter().map(Iterator::collect).unwrap_or_default();
            let pairs = keys.into_iter().map(|k| (k.to_string(), value.get_item(&k).map_or(Json::Null, |v| from_jinja(&v))));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
        _ => Json::String(value.to_string()),
    }
}

/// A scalar as text; `None` for what is no scalar.
pub(crate) fn text(json: &Json) -> Option<String> {
    match json {
        Json::String(s) => Some(s.clone()),
        Json::Number(n) => Some(n.to_string()),
        Json::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// Texts: a list of them, or one alone. `None` where anything else stands there.
pub(crate) fn texts(json: &Json) -> Option<Vec<String>> {
    match json {
        Json::Null => Some(Vec::new()),
        Json::Array(items) => items.iter().map(text).collect(),
        one => text(one).map(|t| vec![t]),
    }
}
