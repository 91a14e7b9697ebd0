//! From the records of each topic to rows of its table. What cannot be read has its bytes and its place alone.

use super::tables::{Kind, Table};
use super::vectors::Shapes;
use crate::dead_letter::DeadLetter;
use crate::versions::Control;
use domain::{Alert, Decision, Micros, Result, TopicPartition, Value};
use lake::At;
use pipeline::{Entry, Record};
use serde::Serialize;

/// Adds a record to its table. `sequence` is its place and `taken_at` when it was taken, where the scorer took it.
pub(super) fn add(
    table: &mut Table,
    shapes: &mut Shapes,
    from: &TopicPartition,
    record: &Record,
    taken: Option<(u64, Micros)>,
    row: &mut Vec<Value>,
) -> Result<()> {
    let mut at = At {
        at: from,
        offset: record.offset,
        sequence: taken.map(|(sequence, _)| sequence),
        ingest_time: taken.map_or(record.timestamp_ms * 1000, |(_, at)| at),
    };
    let bytes = &record.value[..];
    let rows = &mut table.rows;
    row.clear();
    let event_time = match &table.kind {
        Kind::Stream(stream, decoder) => match decoder.decode(bytes, row) {
            Ok(undeclared) => {
                let event_time = match row[stream.event_time] {
                    Value::Timestamp(t) => Some(t),
                    _ => None,
                };
                // Fields that the stream does not declare stand in no column.
                rows.push(row, &at, event_time, (undeclared > 0).then_some(bytes));
                return Ok(());
            }
            Err(_) => None,
        },
        Kind::Vectors => match shapes.rows(bytes)? {
            Some(vectors) => {
                for (sequence, values) in vectors {
                    at.sequence = Some(sequence);
                    rows.push(&values, &at, None, None);
                }
                return Ok(());
            }
            None => None,
        },
        Kind::Decisions => serde_json::from_slice(bytes).ok().map(|d: Decision| {
            at.sequence = Some(d.sequence);
            decision(&d, row);
            d.event_time
        }),
        Kind::Alerts => serde_json::from_slice(bytes).ok().map(|a: Alert| {
            at.sequence = Some(a.sequence);
            alert(&a, row);
            a.event_time
        }),
        Kind::DeadLetters => serde_json::from_slice(bytes).ok().map(|letter: DeadLetter| {
            dead_letter(&letter, row);
            rows.push(row, &at, Some(letter.taken_at), Some(&letter.raw_bytes()));
            row.clear();
            letter.taken_at
        }),
        Kind::Sequence => Entry::from_json(bytes, record.offset).ok().map(|entry| {
            at.ingest_time = entry.taken_at;
            row.extend([int(entry.first), int(entry.next()), Value::Timestamp(entry.taken_at), json(&entry.runs)]);
            entry.taken_at
        }),
        Kind::Control => Control::read(record).ok().map(|change| {
            control(&change, bytes, row);
            at.ingest_time
        }),
        Kind::WebhookDeadLetters => std::str::from_utf8(bytes).ok().map(|text| {
            row.push(Value::text(text));
            at.ingest_time
        }),
    };
    match event_time {
        // Added above, with the bytes of what it tells of.
        Some(_) if row.is_empty() => {}
        Some(time) => rows.push(row, &at, Some(time), None),
        None => rows.push(&[], &at, None, Some(bytes)),
    }
    Ok(())
}

fn decision(d: &Decision, row: &mut Vec<Value>) {
    row.extend([
        int(d.sequence),
        text(&d.transaction_id),
        optional(d.account_id.as_ref()),
        optional(d.transaction_type.as_ref()),
        d.amount.map_or(Value::Null, Value::Decimal),
        Value::Timestamp(d.event_time),
        Value::Timestamp(d.taken_at),
        word(&d.decision),
        Value::Float(d.score),
        word(&d.judged),
        json(&d.hits),
        json(&d.reasons),
        json(&d.values),
        text(&d.topic),
        Value::Int(i64::from(d.partition)),
        Value::Int(d.offset),
        text(&d.project),
        optional(d.model.as_ref()),
    ]);
}

fn alert(a: &Alert, row: &mut Vec<Value>) {
    row.extend([
        text(&a.alert_id),
        text(&a.transaction_id),
        optional(a.account_id.as_ref()),
        text(&a.alert_type),
        Value::text(&a.alert_message),
        word(&a.severity),
        word(&a.decision),
        Value::Float(a.score),
        a.amount.map_or(Value::Null, Value::Decimal),
        Value::Timestamp(a.event_time),
        Value::Timestamp(a.taken_at),
        int(a.sequence),
    ]);
}

fn dead_letter(letter: &DeadLetter, row: &mut Vec<Value>) {
    let reasons: Vec<String> = letter.errors.iter().map(ToString::to_string).collect();
    row.extend([
        Value::text(&letter.topic),
        Value::Int(i64::from(letter.partition)),
        Value::Int(letter.offset),
        int(letter.sequence),
        Value::Timestamp(letter.taken_at),
        json(&letter.errors),
        Value::text(reasons.join("; ")),
    ]);
}

fn control(change: &Control, bytes: &[u8], row: &mut Vec<Value>) {
    let (kind, digest, list, who) = match change {
        Control::Project { digest, .. } => ("project", text(digest), Value::Null, Value::Null),
        Control::Activate(a) => ("activate", text(&a.digest), Value::Null, Value::text(&a.who)),
        Control::List(change) => ("list", Value::Null, text(&change.list), Value::text(&change.who)),
    };
    row.extend([Value::text(kind), digest, list, who, Value::text(String::from_utf8_lossy(bytes))]);
}

fn text(text: &domain::Text) -> Value {
    Value::Text(text.clone())
}

fn optional(text: Option<&domain::Text>) -> Value {
    text.map_or(Value::Null, |t| Value::Text(t.clone()))
}

/// Places in the sequence are far below the greatest bigint.
fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The word of a value that serialises as one.
fn word(value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Value::text(word),
        _ => Value::Null,
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_string(value).map_or(Value::Null, Value::text)
}
