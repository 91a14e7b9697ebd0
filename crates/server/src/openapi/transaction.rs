//! A stream's declaration as JSON Schema, so that the API's description names the project's own fields, types and bounds.

use domain::decimal::pow10;
use domain::stream::{DEFAULT_MAX_LENGTH, Field, FieldType, MAX_FIELD_DIGITS, TimeUnit};
use domain::{Stream, Value as DomainValue};
use serde_json::{Map, Value, json};

/// The schema of one record, as the decoder takes it.
pub(super) fn schema(stream: &Stream) -> Value {
    let properties: Map<String, Value> = stream.fields.iter().map(|f| (f.name.to_string(), field(f))).collect();
    let required: Vec<&str> = stream.fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
    let description = if stream.description.is_empty() { format!("one record of the stream {}", stream.name) } else { stream.description.clone() };
    let mut schema = json!({ "type": "object", "description": description, "properties": properties, "required": required });
    if stream.closed {
        schema["additionalProperties"] = Value::Bool(false);
    }
    schema
}

fn field(field: &Field) -> Value {
    let mut schema = kind(field);
    if !field.required {
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
    let bound = |b: &Option<DomainValue>| b.as_ref().and_then(|v| serde_json::to_value(v).ok()).filter(Value::is_number);
    let numeric = |number: &str, places: u8| {
        let mut schema = json!({ "type": number });
        for (name, value) in [("minimum", bound(&field.min)), ("maximum", bound(&field.max))] {
            if let Some(value) = value {
                schema[name] = value;
            }
        }
        if places > 0 {
            schema["multipleOf"] = json!(1.0 / pow10(places) as f64);
            let most = (pow10(MAX_FIELD_DIGITS - places) - 1) as f64;
            if schema.get("maximum").is_none() {
                schema["maximum"] = json!(most);
            }
            if schema.get("minimum").is_none() {
                schema["minimum"] = json!(-most);
            }
        }
        schema
    };
    match &field.kind {
        FieldType::Text => json!({ "type": "string", "maxLength": field.max_length.unwrap_or(DEFAULT_MAX_LENGTH) }),
        FieldType::Enum(values) => json!({ "type": "string", "enum": values }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Integer => {
            let mut schema = numeric("integer", 0);
            schema["format"] = "int64".into();
            schema
        }
        FieldType::Float => numeric("number", 0),
        // Digits in quotes are read as well, and keep what a reader's floats would lose.
        FieldType::Decimal(places) => {
            let fraction = if *places > 0 { format!("(\\.[0-9]{{1,{places}}})?") } else { String::new() };
            let text = json!({ "type": "string", "pattern": format!("^-?[0-9]{{1,{}}}{fraction}$", MAX_FIELD_DIGITS - places), "description": "the same as text, within the same bounds" });
            json!({ "anyOf": [numeric("number", *places), text] })
        }
        FieldType::Timestamp(unit) => {
            let text = json!({ "type": "string", "format": "date-time" });
            let unit = match unit {
                TimeUnit::Text => return text,
                TimeUnit::Seconds => "seconds",
                TimeUnit::Millis => "milliseconds",
                TimeUnit::Micros => "microseconds",
            };
            json!({ "anyOf": [{ "type": "integer", "description": format!("{unit} since 1970 in UTC") }, text] })
        }
    }
}
