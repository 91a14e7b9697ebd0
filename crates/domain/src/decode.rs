//! From the bytes of a record to a row of typed slots, once. Every wrong field is named with the reason.
//!
//! JSON is the one format now; a second one (Avro) is another file beside this with the same `decode`.

use crate::decimal::{Decimal, ParseError};
use crate::stream::{DEFAULT_MAX_LENGTH, Field, FieldType, Stream, TimeUnit, max_field_decimal};
use crate::time;
use crate::value::{Text, Value};
use rustc_hash::FxHashMap;
use serde::de::{self, Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Times outside years 1 to 9999 cannot be written as RFC 3339.
const FIRST_TIME: i64 = -62_135_596_800_000_000;
const LAST_TIME: i64 = 253_402_300_799_999_999;

/// Undeclared fields are kept raw; what nests deeper than this would break the readers behind us.
const MAX_DEPTH: usize = 64;

/// Why a record, or one field of it, cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// A stable word for the kind of mistake: `not_json`, `missing`, `wrong_type`, `out_of_bounds`, ...
    pub code: Cow<'static, str>,
    /// The field at fault; none if the record as a whole is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, with the value where it helps.
    pub reason: String,
}

impl Rejection {
    pub fn record(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), field: None, reason: reason.into() }
    }

    pub fn field(code: &'static str, field: &str, reason: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), field: Some(field.to_owned()), reason: reason.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{field}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Decodes the records of one stream. Build once, use for every record.
#[derive(Clone, Debug)]
pub struct Decoder {
    fields: Vec<Field>,
    slots: FxHashMap<String, usize>,
    event_time: usize,
    /// Slots that are filled where the event does not bring them.
    converted: Vec<usize>,
    closed: bool,
}

impl Decoder {
    pub fn new(stream: &Stream) -> Self {
        Self {
            fields: stream.fields.clone(),
            slots: stream.fields.iter().enumerate().map(|(i, f)| (f.name.to_string(), i)).collect(),
            event_time: stream.event_time,
            converted: (0..stream.fields.len()).filter(|slot| stream.fields[*slot].convert.is_some()).collect(),
            closed: stream.closed,
        }
    }

    /// Reads one JSON object into `row` (cleared first; one value a field). Returns how many undeclared fields it held.
    ///
    /// # Errors
    /// Everything that is wrong, field by field.
    pub fn decode(&self, bytes: &[u8], row: &mut Vec<Value>) -> Result<u32, Vec<Rejection>> {
        row.clear();
        row.resize(self.fields.len(), Value::Null);
        let mut found = Found { decoder: self, row, seen: 0, seen_more: Vec::new(), unknown: 0, wrong: Vec::new() };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                return Err(vec![Rejection::record("not_utf8", format!("invalid UTF-8 at byte {}", e.valid_up_to()))]);
            }
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let outcome = json.deserialize_map(&mut found).and_then(|()| json.end());
        if let Err(e) = outcome {
            return Err(vec![Rejection::record("not_json", format!("not a JSON object: {e}"))]);
        }
        for (slot, field) in self.fields.iter().enumerate() {
            if !field.must_be_brought() {
                continue;
            }
            if !found.has(slot) {
                found.wrong.push(Rejection::field("missing", &field.name, "is required and missing"));
            } else if found.row[slot].is_null() && !found.wrong.iter().any(|w| w.field.as_deref() == Some(&*field.name)) {
                found.wrong.push(Rejection::field("missing", &field.name, "is required and null"));
            }
        }
        // Amounts that are wrong or missing themselves would only make follow-up mistakes.
        if found.wrong.is_empty() {
            for slot in &self.converted {
                self.convert(*slot, &mut found);
            }
        }
        if found.wrong.is_empty() { Ok(found.unknown) } else { Err(found.wrong) }
    }

    /// Fills a field that the event did not bring. One that must be there and has no rate is the currency's mistake.
    fn convert(&self, slot: usize, found: &mut Found<'_>) {
        let field = &self.fields[slot];
        let Some(convert) = field.convert.as_ref().filter(|_| found.row[slot].is_null()) else { return };
        found.row[slot] = convert.value(found.row, self.event_time, &field.kind);
        if field.required && found.row[slot].is_null() {
            let shown = |slot: usize| found.row[slot].to_string();
            let reason = format!(
                "no rate in `{}` makes `{}` of {} {} at {}",
                convert.rates.name,
                field.name,
                shown(convert.amount),
                shown(convert.currency),
                shown(self.event_time)
            );
            found.wrong.push(Rejection::field("no_rate", &self.fields[convert.currency].name, reason));
        }
    }
}

struct Found<'a> {
    decoder: &'a Decoder,
    row: &'a mut Vec<Value>,
    /// One bit for each of the first 64 slots that the record named.
    seen: u64,
    seen_more: Vec<usize>,
    unknown: u32,
    wrong: Vec<Rejection>,
}

impl Found<'_> {
    fn has(&self, slot: usize) -> bool {
        if slot < 64 { self.seen & (1 << slot) != 0 } else { self.seen_more.contains(&slot) }
    }

    fn mark(&mut self, slot: usize) {
        if slot < 64 { self.seen |= 1 << slot } else { self.seen_more.push(slot) }
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(v)))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Visitor<'de> for &mut Found<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Producers keep their order: the field after the last one found is tried before the map of names.
        let mut next = 0;
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let raw: &'de RawValue = map.next_value()?;
            let fields = &self.decoder.fields;
            let slot = match fields.get(next) {
                Some(f) if f.name == key.as_ref() => Some(next),
                _ => self.decoder.slots.get(key.as_ref()).copied(),
            };
            let Some(slot) = slot else {
                self.unknown += 1;
                if depth(raw.get()) > MAX_DEPTH {
                    self.wrong.push(Rejection::field("too_deep", &key, format!("nests deeper than {MAX_DEPTH} levels")));
                }
                if self.decoder.closed {
                    self.wrong.push(Rejection::field("undeclared", &key, "is not declared by the stream"));
                }
                continue;
            };
            next = slot + 1;
            if self.has(slot) {
                self.wrong.push(Rejection::field("repeated", &key, "stands twice in the record"));
                continue;
            }
            self.mark(slot);
            match read(&fields[slot], raw.get()) {
                Ok(value) => self.row[slot] = value,
                Err((code, reason)) => self.wrong.push(Rejection::field(code, &key, reason)),
            }
        }
        Ok(())
    }
}

type Wrong = (&'static str, String);

/// One field from its JSON text.
fn read(field: &Field, json: &str) -> Result<Value, Wrong> {
    let first = json.as_bytes()[0];
    if first == b'n' {
        return Ok(Value::Null);
    }
    let wrong_type = || ("wrong_type", format!("must be {}, got {}", field.kind.name(), excerpt(json)));
    let value = match &field.kind {
        FieldType::Text => {
            if first != b'"' {
                return Err(wrong_type());
            }
            let text = unquote(json);
            let most = field.max_length.unwrap_or(DEFAULT_MAX_LENGTH);
            if text.len() > most && text.chars().count() > most {
                return Err(("too_long", format!("has more than {most} characters")));
            }
            return Ok(Value::Text(Text::new(text)));
        }
        FieldType::Enum(values) => {
            if first != b'"' {
                return Err(wrong_type());
            }
            let text = unquote(json);
            return values
                .iter()
                .find(|v| v.as_str() == &*text)
                .map(|v| Value::Text(v.clone()))
                .ok_or_else(|| ("not_in_enum", format!("must be one of {}, got {}", values.join(", "), excerpt(json))));
        }
        FieldType::Boolean => {
            return match json {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err(wrong_type()),
            };
        }
        FieldType::Integer => {
            let text = numeric(json).ok_or_else(wrong_type)?;
            match text.parse::<i64>() {
                Ok(i) => Value::Int(i),
                Err(_) => match Decimal::parse(text, 0) {
                    Ok(d) => Value::Int(
                        i64::try_from(d.unscaled).map_err(|_| ("out_of_bounds", format!("does not fit 64 bits: {}", excerpt(json))))?,
                    ),
                    Err(ParseError::TooLarge) => return Err(("out_of_bounds", format!("does not fit 64 bits: {}", excerpt(json)))),
                    Err(_) => return Err(wrong_type()),
                },
            }
        }
        FieldType::Decimal(scale) => {
            let text = numeric(json).ok_or_else(wrong_type)?;
            let too_large = || ("out_of_bounds", format!("has more than 18 digits: {}", excerpt(json)));
            match Decimal::parse(text, *scale) {
                Ok(d) if d.unscaled.abs() <= max_field_decimal(*scale).unscaled => Value::Decimal(d),
                Ok(_) | Err(ParseError::TooLarge) => return Err(too_large()),
                Err(ParseError::TooManyPlaces) => {
                    return Err(("too_precise", format!("has more than {scale} digits after the point: {}", excerpt(json))));
                }
                Err(ParseError::NotANumber) => return Err(wrong_type()),
            }
        }
        FieldType::Float => {
            if first == b'"' {
                return Err(wrong_type());
            }
            let f: f64 = json.parse().map_err(|_| wrong_type())?;
            if !f.is_finite() {
                return Err(("out_of_bounds", format!("does not fit a 64-bit float: {}", excerpt(json))));
            }
            Value::Float(f)
        }
        FieldType::Timestamp(unit) => {
            let micros = if first == b'"' {
                time::parse(&unquote(json))
                    .ok_or_else(|| ("wrong_type", format!("must be an RFC 3339 timestamp, got {}", excerpt(json))))?
            } else {
                let by = match unit {
                    TimeUnit::Text => {
                        return Err(("wrong_type", format!("must be an RFC 3339 timestamp in quotes, got {}", excerpt(json))));
                    }
                    TimeUnit::Seconds => 1_000_000,
                    TimeUnit::Millis => 1000,
                    TimeUnit::Micros => 1,
                };
                let count: i64 = json.parse().map_err(|_| wrong_type())?;
                count.checked_mul(by).ok_or_else(|| ("out_of_bounds", format!("is not a time: {}", excerpt(json))))?
            };
            if !(FIRST_TIME..=LAST_TIME).contains(&micros) {
                return Err(("out_of_bounds", format!("must be in years 1 to 9999, got {}", excerpt(json))));
            }
            return Ok(Value::Timestamp(micros));
        }
    };
    let beyond = |bound: &Option<Value>, side| bound.as_ref().is_some_and(|b| value.compare(b) == Some(side));
    if beyond(&field.min, std::cmp::Ordering::Less) || beyond(&field.max, std::cmp::Ordering::Greater) {
        let show = |b: &Option<Value>| b.as_ref().map(ToString::to_string);
        let bounds = match (show(&field.min), show(&field.max)) {
            (Some(min), Some(max)) => format!("must be between {min} and {max}"),
            (Some(min), None) => format!("must be at least {min}"),
            (_, max) => format!("must be at most {}", max.unwrap_or_default()),
        };
        return Err(("out_of_bounds", format!("{bounds}, got {}", excerpt(json))));
    }
    Ok(value)
}

/// A number, or a number written as text (money often is, to keep its digits).
fn numeric(json: &str) -> Option<&str> {
    match json.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.is_empty() && inner.len() <= 64 => json.get(1..json.len() - 1),
        [b'-' | b'0'..=b'9', ..] => Some(json),
        _ => None,
    }
}

/// The text inside a JSON string that serde_json has already accepted.
fn unquote(json: &str) -> Cow<'_, str> {
    let inner = &json[1..json.len() - 1];
    if inner.contains('\\') {
        // A lone surrogate is the one thing a skipped string may still hold wrongly; it becomes the replacement character.
        serde_json::from_str::<String>(json).map_or(Cow::Borrowed("\u{fffd}"), Cow::Owned)
    } else {
        Cow::Borrowed(inner)
    }
}

/// How deep objects and arrays nest in a JSON text.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    if !json.starts_with(['[', '{']) {
        return 0;
    }
    for b in json.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// At most forty characters of a value, for a message.
fn excerpt(json: &str) -> String {
    match json.char_indices().nth(40) {
        Some((at, _)) => format!("{}... ({} bytes)", &json[..at], json.len()),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests;
