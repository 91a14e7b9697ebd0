//! `events/NAME.yml`: one stream a file. The schema is checked as a whole, and its example decoded as a record would be.

use crate::diagnostic::{Diagnostic, Place};
use crate::files::stem;
use crate::section::{Report, Section, check_name, text};
use crate::spec::StreamSpec;
use crate::yaml::{Content, Node, decimal};
use domain::stream::{DEFAULT_MAX_LENGTH, MAX_FIELD_DIGITS, TimeUnit, max_field_decimal};
use domain::{Convert, Decoder, Field, FieldType, Rates, Roles, Stream, StreamMode, Text, Value, time};
use serde_json::Map;
use std::sync::Arc;

const KEYS: [&str; 14] = [
    "topic",
    "description",
    "mode",
    "key",
    "event_time",
    "lateness",
    "skew",
    "closed",
    "partitions",
    "retention",
    "judged",
    "fields",
    "example",
    "format",
];
const FIELD_KEYS: [&str; 9] = ["type", "values", "required", "min", "max", "max_length", "unit", "convert", "description"];
const TYPES: [&str; 7] = ["text", "integer", "decimal(2)", "boolean", "timestamp", "float", "enum"];

/// Topics that the engine itself writes.
const OWN_TOPICS: [&str; 6] = ["decisions", "alerts", "features", "dead-letters", "sequence", "control"];

const DEFAULT_LATENESS: i64 = 7 * time::DAY;
const DEFAULT_SKEW: i64 = 10 * time::MINUTE;
const MAX_PARTITIONS: i32 = 1024;

/// Reads one stream. What cannot be told is left out, so that the other mistakes of the file are found as well.
pub(crate) fn read(path: &str, node: &Node, rates: &[Arc<Rates>], report: &mut Report) -> Option<StreamSpec> {
    let name = stem(path);
    check_name(name, "a stream", &Place::file(path), report);
    let section = Section::open(node, "a stream", &KEYS, report)?;
    section.choice("format", &[("json", ())], report);
    let before = report.mistakes.len();
    let mut declared = fields(&section, report);
    conversions(&section, &mut declared, rates, report);
    let topic = section.parse("topic", report, topic).unwrap_or_else(|| name.to_owned());
    if OWN_TOPICS.contains(&topic.as_str()) {
        let place = section.node("topic").map_or(Place::file(path), |n| n.place.clone());
        report.add(Diagnostic::new(place, format!("topic `{topic}` is the engine's own")).hint("choose another `topic:`"));
    }
    let key = slot(&section, "key", &declared, report);
    let event_time = slot(&section, "event_time", &declared, report);
    let span = |text: &str| time::parse_span(text);
    let stream = Stream {
        name: Text::new(name),
        topic: Text::new(topic),
        description: section.text("description", report).unwrap_or_default(),
        mode: section
            .choice("mode", &[("append", StreamMode::Append), ("upsert", StreamMode::Upsert)], report)
            .unwrap_or(StreamMode::Append),
        key: key.unwrap_or_default(),
        event_time: event_time.unwrap_or_default(),
        lateness: section.parse("lateness", report, span).unwrap_or(DEFAULT_LATENESS),
        skew: section.parse("skew", report, span).unwrap_or(DEFAULT_SKEW),
        closed: section.boolean("closed", report).unwrap_or_default(),
        partitions: section.parse("partitions", report, partitions).unwrap_or(1),
        judged: section.node("judged").and_then(|node| roles(node, &declared, report)),
        fields: declared.fields,
    };
    let retention = section.parse("retention", report, retention).unwrap_or_default();
    if let Some(slot) = key {
        let place = || section.node("key").map_or(section.place.clone(), |n| n.place.clone());
        require(&stream.fields[slot], "key", &place(), report);
        if matches!(stream.fields[slot].kind, FieldType::Float) {
            report.add(Diagnostic::new(place(), "a float cannot be a key").hint("use text, integer or decimal"));
        }
    }
    if let Some(slot) = event_time {
        let place = section.node("event_time").map_or(section.place.clone(), |n| n.place.clone());
        let field = &stream.fields[slot];
        require(field, "event time", &place, report);
        if !matches!(field.kind, FieldType::Timestamp(_)) {
            report.add(Diagnostic::new(place, format!("the event time must be a timestamp; `{}` is {}", field.name, field.kind.name())));
        }
    }
    if stream.judged.is_some() && stream.mode == StreamMode::Upsert {
        let place = section.node("judged").map_or(section.place.clone(), |n| n.place.clone());
        report.add(Diagnostic::new(place, "an upsert stream cannot be judged").hint("write `mode: append`"));
    }
    let example = section.required("example", report);
    let mut spec = StreamSpec { path: path.into(), stream: Arc::new(stream), example: Map::new(), retention };
    // A broken schema would only make follow-up mistakes of every example and case.
    if report.mistakes.len() == before
        && let Some(node) = example
        && let Some(record) = record(node, "example", report)
    {
        check_record(&spec.stream, &record, node, "the example", report);
        spec.example = record;
    }
    Some(spec)
}

fn topic(text: &str) -> Result<String, String> {
    let fits = text.len() <= 249 && text != "." && text != "..";
    if fits && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a topic name; use at most 249 letters, digits, `.`, `_` and `-`"))
    }
}

fn partitions(text: &str) -> Result<i32, String> {
    text.parse().ok().filter(|n| (1..=MAX_PARTITIONS).contains(n)).ok_or_else(|| format!("must be 1 to {MAX_PARTITIONS}, got {text}"))
}

fn retention(text: &str) -> Result<Option<i64>, String> {
    match text {
        "forever" => Ok(None),
        span => time::parse_span(span).map(Some).map_err(|e| format!("{e}, or `forever`")),
    }
}

fn require(field: &Field, role: &str, place: &Place, report: &mut Report) {
    if !field.required {
        report.add(
            Diagnostic::new(place.clone(), format!("the {role} `{}` must be required", field.name))
                .hint("add `required: true` to the field"),
        );
    }
}

/// The fields of a stream that could be read, and the names of all.
#[derive(Default)]
struct Declared<'a> {
    fields: Vec<Field>,
    names: Vec<&'a str>,
}

/// The slot that a key of the section names. A field whose own mistake is noted already is not one more.
fn slot(section: &Section, key: &str, declared: &Declared, report: &mut Report) -> Option<usize> {
    let node = section.required(key, report)?;
    let name = text(node, key, report)?;
    if !declared.names.contains(&name) {
        let mistake = Diagnostic::new(node.place.clone(), format!("`{key}` names no field: `{name}`"));
        report.add(mistake.nearest(name, declared.names.iter().copied()));
    }
    declared.fields.iter().position(|f| f.name == name)
}

fn roles(node: &Node, declared: &Declared, report: &mut Report) -> Option<Roles> {
    let section = Section::open(node, "`judged`", &["id", "account", "amount", "type"], report)?;
    let mut role = |key: &str, fits: fn(&FieldType) -> bool, wanted: &str| {
        section.node(key)?;
        let slot = slot(&section, key, declared, report)?;
        let field = &declared.fields[slot];
        if !fits(&field.kind) {
            let place = section.node(key).map_or(section.place.clone(), |n| n.place.clone());
            let mistake = Diagnostic::new(place.clone(), format!("`{key}` must be {wanted}; `{}` is {}", field.name, field.kind.name()));
            report.add(mistake);
        }
        if key == "id" {
            let place = section.node(key).map_or(section.place.clone(), |n| n.place.clone());
            require(field, "id", &place, report);
        }
        Some(slot)
    };
    let words = |kind: &FieldType| matches!(kind, FieldType::Text | FieldType::Integer | FieldType::Enum(_));
    let id = role("id", |kind| matches!(kind, FieldType::Text | FieldType::Integer), "text or integer");
    let account = role("account", words, "text, integer or enum");
    let amount =
        role("amount", |kind| matches!(kind, FieldType::Decimal(_) | FieldType::Integer), "a decimal or integer: money is never a float");
    let kind = role("type", words, "text, integer or enum");
    if section.node("id").is_none() {
        section.required("id", report);
    }
    Some(Roles { id: id?, account, amount, kind })
}

fn fields<'a>(section: &Section<'a>, report: &mut Report) -> Declared<'a> {
    let Some(node) = section.required("fields", report) else { return Declared::default() };
    let Some(entries) = node.entries() else {
        report.add(Diagnostic::new(node.place.clone(), format!("`fields` must be a mapping of name to type, got {}", node.describe())));
        return Declared::default();
    };
    let mut declared = Declared::default();
    for (key, node) in entries {
        check_name(&key.name, "a field", &key.place, report);
        declared.names.push(&key.name);
        declared.fields.extend(field(&key.name, node, report));
    }
    declared
}

/// `convert: {amount: FIELD, currency: FIELD, rates: TABLE}`, once all fields are known.
fn conversions(section: &Section, declared: &mut Declared, rates: &[Arc<Rates>], report: &mut Report) {
    for (key, node) in section.node("fields").and_then(Node::entries).unwrap_or_default() {
        let Some(node) = node.get("convert").filter(|n| !n.is_null()) else { continue };
        let Some(inner) = Section::open(node, "`convert`", &["amount", "currency", "rates"], report) else { continue };
        let amount = slot(&inner, "amount", declared, report);
        let currency = slot(&inner, "currency", declared, report);
        let mut fits = |slot: Option<usize>, key: &str, fits: bool, wanted: &str| {
            if let (Some(slot), Some(node), false) = (slot, inner.node(key), fits) {
                let field = &declared.fields[slot];
                let mistake = format!("`{key}` must be {wanted}; `{}` is {}", field.name, field.kind.name());
                report.add(Diagnostic::new(node.place.clone(), mistake));
            }
        };
        let kind = |slot: Option<usize>| slot.map(|slot| &declared.fields[slot].kind);
        let money = matches!(kind(amount), Some(FieldType::Decimal(_) | FieldType::Integer));
        fits(amount, "amount", money, "a decimal or integer");
        let word = matches!(kind(currency), Some(FieldType::Text | FieldType::Enum(_)));
        fits(currency, "currency", word, "text or an enum");
        let table = inner.required("rates", report).and_then(|node| {
            let name = text(node, "rates", report)?;
            let found = rates.iter().find(|r| r.name == name);
            if found.is_none() {
                let mistake = Diagnostic::new(node.place.clone(), format!("there is no `rates/{name}.csv`"));
                report.add(mistake.nearest(name, rates.iter().map(|r| r.name.as_str())));
            }
            found
        });
        if let (Some(amount), Some(currency), Some(rates)) = (amount, currency, table)
            && let Some(field) = declared.fields.iter_mut().find(|f| f.name == key.name)
        {
            field.convert = Some(Convert { amount, currency, rates: rates.clone() });
        }
    }
}

fn field(name: &str, node: &Node, report: &mut Report) -> Option<Field> {
    let empty = Field {
        name: Text::new(name),
        kind: FieldType::Text,
        required: false,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    if let Content::Scalar(_) = &node.content {
        // The short form: `name: type`.
        let kind = field_type(text(node, "type", report)?, node, None, report)?;
        return Some(Field { kind, ..empty });
    }
    let section = Section::open(node, "a field", &FIELD_KEYS, report)?;
    let type_node = section.required("type", report)?;
    let kind = field_type(text(type_node, "type", report)?, type_node, Some(&section), report)?;
    let mut out_of_place = |key: &str, fits: bool, for_what: &str| {
        if let (Some(node), false) = (section.node(key), fits) {
            report.add(Diagnostic::new(node.place.clone(), format!("`{key}` is for {for_what}, and `{name}` is {}", kind.name())));
        }
    };
    let numeric = matches!(kind, FieldType::Integer | FieldType::Decimal(_) | FieldType::Float);
    out_of_place("min", numeric, "numbers");
    out_of_place("max", numeric, "numbers");
    out_of_place("max_length", kind == FieldType::Text, "text");
    out_of_place("values", matches!(kind, FieldType::Enum(_)), "an enum");
    out_of_place("convert", matches!(kind, FieldType::Decimal(_)), "decimals");
    out_of_place("unit", matches!(kind, FieldType::Timestamp(_)), "a timestamp");
    let bound = |text: &str| bound(&kind, text);
    let (min, max) = if numeric { (section.parse("min", report, bound), section.parse("max", report, bound)) } else { (None, None) };
    if let (Some(min), Some(max)) = (&min, &max)
        && min.compare(max) == Some(std::cmp::Ordering::Greater)
    {
        let place = section.node("min").map_or(section.place.clone(), |n| n.place.clone());
        report.add(Diagnostic::new(place, format!("`min` {min} is above `max` {max}")));
    }
    let max_length = section.parse("max_length", report, |text| {
        text.parse()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("must be a number of characters, got {text} (without it: {DEFAULT_MAX_LENGTH})"))
    });
    Some(Field {
        required: section.boolean("required", report).unwrap_or_default(),
        description: section.text("description", report).unwrap_or_default(),
        kind,
        min,
        max,
        max_length,
        ..empty
    })
}

/// A type as written: `text`, `decimal(2)`, `enum` with `values:` beside it, or `enum(a, b)`.
fn field_type(written: &str, node: &Node, section: Option<&Section>, report: &mut Report) -> Option<FieldType> {
    let (word, argument) = match written.strip_suffix(')').and_then(|w| w.split_once('(')) {
        Some((word, argument)) => (word.trim(), Some(argument.trim())),
        None => (written, None),
    };
    let mut wrong = |message: String, hint: &str| {
        report.add(Diagnostic::new(node.place.clone(), message).hint(hint));
        None
    };
    match (word, argument) {
        ("text", None) => Some(FieldType::Text),
        ("integer", None) => Some(FieldType::Integer),
        ("boolean", None) => Some(FieldType::Boolean),
        ("float", None) => Some(FieldType::Float),
        ("timestamp", None) => {
            let units =
                [("text", TimeUnit::Text), ("seconds", TimeUnit::Seconds), ("millis", TimeUnit::Millis), ("micros", TimeUnit::Micros)];
            Some(FieldType::Timestamp(section.and_then(|s| s.choice("unit", &units, report)).unwrap_or_default()))
        }
        ("decimal", Some(scale)) => match scale.parse::<u8>() {
            Ok(scale) if scale <= MAX_FIELD_DIGITS => Some(FieldType::Decimal(scale)),
            _ => wrong(format!("`{scale}` is not a number of digits after the point"), "write 0 to 18, for example decimal(2)"),
        },
        ("decimal", None) => wrong("a decimal needs its digits after the point".into(), "write for example decimal(2)"),
        ("enum", Some(values)) => enumeration(values.split(',').map(|v| v.trim().to_owned()).collect(), node, report),
        ("enum", None) => {
            let values = section.map(|s| s.list("values")).unwrap_or_default();
            if values.is_empty() {
                return wrong("an enum needs its values".into(), "write for example `values: [online, pos]`");
            }
            let words = values.iter().filter_map(|v| text(v, "values", report).map(str::to_owned)).collect();
            enumeration(words, node, report)
        }
        _ => {
            report.add(Diagnostic::new(node.place.clone(), format!("no type `{written}`")).nearest(written, TYPES));
            None
        }
    }
}

fn enumeration(words: Vec<String>, node: &Node, report: &mut Report) -> Option<FieldType> {
    for (i, word) in words.iter().enumerate() {
        if word.is_empty() || words[..i].contains(word) {
            report.add(Diagnostic::new(node.place.clone(), format!("the enum's value `{word}` is empty or stands twice")));
        }
    }
    Some(FieldType::Enum(words.into_iter().map(Text::new).collect()))
}

/// A bound in the field's own type.
fn bound(kind: &FieldType, text: &str) -> Result<Value, String> {
    let wrong = || format!("`{text}` is not {}", kind.name());
    match kind {
        FieldType::Integer => text.parse().map(Value::Int).map_err(|_| wrong()),
        FieldType::Decimal(scale) => {
            decimal(text, *scale).filter(|d| d.unscaled.abs() <= max_field_decimal(*scale).unscaled).map(Value::Decimal).ok_or_else(wrong)
        }
        _ => text.parse().ok().filter(|f: &f64| f.is_finite()).map(Value::Float).ok_or_else(wrong),
    }
}

/// A mapping as a JSON record.
pub(crate) fn record(node: &Node, what: &str, report: &mut Report) -> Option<Map<String, serde_json::Value>> {
    match node.to_json() {
        serde_json::Value::Object(record) => Some(record),
        _ => {
            report
                .add(Diagnostic::new(node.place.clone(), format!("`{what}` must be a mapping of field to value, got {}", node.describe())));
            None
        }
    }
}

/// Decodes a record as the engine would; each wrong field is noted at its own place in `node`, if it stands there.
pub(crate) fn check_record(stream: &Stream, record: &Map<String, serde_json::Value>, node: &Node, what: &str, report: &mut Report) {
    let entries = node.entries().unwrap_or_default();
    for (key, _) in entries {
        if stream.slot(&key.name).is_none() {
            let mistake = Diagnostic::new(key.place.clone(), format!("stream `{}` has no field `{}`", stream.name, key.name));
            report.add(mistake.nearest(&key.name, stream.fields.iter().map(|f| f.name.as_str())));
        }
    }
    let bytes = serde_json::to_vec(record).unwrap_or_default();
    let Err(rejections) = Decoder::new(stream).decode(&bytes, &mut Vec::new()) else { return };
    for rejection in rejections.iter().filter(|r| r.code != "undeclared") {
        let entry = entries.iter().find(|(key, _)| Some(key.name.as_str()) == rejection.field.as_deref());
        let place = entry.map_or(&node.place, |(key, value)| if value.is_null() { &key.place } else { &value.place });
        report.add(Diagnostic::new(place.clone(), format!("{what} is not a record of `{}`: {rejection}", stream.name)));
    }
}
