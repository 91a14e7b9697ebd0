//! A stream's declaration as JSON Schema, so that the API's description names the project's own fields, types and bounds.

use domain::decimal::pow10;
use domain::stream::{DEFAULT_MAX_LENGTH, Field, FieldType, MAX_FIELD_DIGITS, TimeUnit};
use domain::{Decimal, Stream, Value as DomainValue};
use serde_json::{Map, Value, json};

/// The schema of one record, as the decoder takes it.
pub(super) fn schema(stream: &Stream) -> Value {
    let properties: Map<String, Value> = stream.fields.iter().map(|f| (f.name.to_string(), field(f))).collect();
    let required: Vec<&str> = stream.fields.iter().filter(|f| f.must_be_brought()).map(|f| f.name.as_str()).collect();
    let description =
        if stream.description.is_empty() { format!("one record of the stream {}", stream.name) } else { stream.description.clone() };
    let mut schema = json!({ "type": "object", "description": description, "properties": properties, "required": required });
    if stream.closed {
        schema["additionalProperties"] = Value::Bool(false);
    }
    schema
}

fn field(field: &Field) -> Value {
    let mut schema = kind(field);
    if !field.must_be_brought() {
        schema = match schema {
            // A null is a field left out.
            Value::Object(mut map) if map.get("type").is_some_and(Value::is_string) => {
                map["type"] = json!([map["type"], "null"]);
                if let Some(Value::Array(values)) = map.get_mut("enum") {
                    values.push(Value::Null);
                }
                Value::Object(map)
            }
            other => json!({ "anyOf": [other, { "type": "null" }] }),
        };
    }
    if !field.description.is_empty() {
        schema["description"] = field.description.clone().into();
    }
    schema
}

fn kind(field: &Field) -> Value {
    match &field.kind {
        FieldType::Text => json!({ "type": "string", "maxLength": field.max_length.unwrap_or(DEFAULT_MAX_LENGTH) }),
        FieldType::Enum(values) => json!({ "type": "string", "enum": values }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Float => bounded(json!({ "type": "number" }), field),
        FieldType::Integer => {
            let number = json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX });
            with_text(bounded(number, field), text_pattern(field, 0))
        }
        FieldType::Decimal(places) => {
            // As whole numbers, which floats would round up to what no longer fits.
            let most = (pow10(MAX_FIELD_DIGITS - places) - 1) as i64;
            let mut number = json!({ "type": "number", "minimum": -most, "maximum": most });
            if *places > 0 {
                number["multipleOf"] = json!(1.0 / pow10(*places) as f64);
            }
            with_text(bounded(number, field), text_pattern(field, *places))
        }
        FieldType::Timestamp(unit) => {
            let text = json!({ "type": "string", "format": "date-time" });
            let (name, per_second) = match unit {
                TimeUnit::Text => return text,
                TimeUnit::Seconds => ("seconds", 1),
                TimeUnit::Millis => ("milliseconds", 1000),
                TimeUnit::Micros => ("microseconds", 1_000_000),
            };
            // Years 1 to 9999.
            let (first, last): (i64, i64) = (-62_135_596_800 * per_second, 253_402_300_799 * per_second);
            json!({ "anyOf": [{ "type": "integer", "minimum": first, "maximum": last, "description": format!("{name} since 1970 in UTC") }, text] })
        }
    }
}

/// The field's own bounds in place of those of its type.
fn bounded(mut schema: Value, field: &Field) -> Value {
    for (name, bound) in [("minimum", &field.min), ("maximum", &field.max)] {
        if let Some(value) = bound.as_ref().and_then(|v| serde_json::to_value(v).ok()).filter(Value::is_number) {
            schema[name] = value;
        }
    }
    schema
}

/// Digits in quotes are read as well, and keep what a reader's floats would lose.
fn with_text(number: Value, pattern: Option<String>) -> Value {
    match pattern {
        Some(pattern) => {
            json!({ "anyOf": [number, { "type": "string", "pattern": pattern, "description": "the same as text, within the same bounds" }] })
        }
        None => number,
    }
}

/// Texts that are numbers within the bounds. A pattern cannot say every bound, so it names fewer texts than are read, never more:
/// none where the least value is more than 1, and fewer digits than the greatest value has.
fn text_pattern(field: &Field, places: u8) -> Option<String> {
    let unscaled = |bound: &Option<DomainValue>| match bound.as_ref()? {
        DomainValue::Int(i) => Decimal::from(*i).rescale(places).map(|d| d.unscaled),
        DomainValue::Decimal(d) => d.round_to(places).map(|d| d.unscaled),
        _ => None,
    };
    let whole = match unscaled(&field.max) {
        None => u32::from(MAX_FIELD_DIGITS - places),
        Some(most) => {
            u32::try_from(most / pow10(places)).ok().filter(|m| *m >= 10).map_or(0, u32::ilog10).min(u32::from(MAX_FIELD_DIGITS - places))
        }
    };
    if whole == 0 {
        return None;
    }
    let start = match unscaled(&field.min) {
        None => format!("-?[0-9]{{1,{whole}}}"),
        Some(i128::MIN..=0) => format!("[0-9]{{1,{whole}}}"),
        Some(least) if least <= pow10(places) => format!("[1-9][0-9]{{0,{}}}", whole - 1),
        Some(_) => return None,
    };
    let fraction = if places > 0 { format!("(\\.[0-9]{{1,{places}}})?") } else { String::new() };
    Some(format!("^{start}{fraction}$"))
}
