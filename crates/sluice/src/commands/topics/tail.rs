//! `sluice topics tail`: records as they stand in a topic, and as they come.

use super::find;
use crate::cli::{OutputFormat, TopicTail};
use crate::commands::{Out, Outcome, Result, reach};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Kind, TopicPartition};
use kafka::Start;
use pipeline::Record;
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::time::Duration;

/// How long a quiet topic is waited for before what was printed is flushed.
const QUIET: Duration = Duration::from_millis(100);

pub fn run(args: &TopicTail, output: OutputFormat) -> Result {
    let cluster = reach::cluster(&args.broker)?;
    // Names the nearest where there is none.
    find(&cluster.admin()?, &args.topic)?;
    let start = if args.from_beginning { Start::Beginning } else { Start::Last(i64::from(args.last)) };
    let tail = cluster.tail_from(&args.topic, start)?;
    let mut out = Out::new();
    let mut left = args.count.unwrap_or(u64::MAX);
    let terminal = std::io::stdout().is_terminal();
    while left > 0 {
        match tail.next(QUIET) {
            Ok(Some((at, record))) => {
                let line = if output == OutputFormat::Json { as_json(&at, &record) } else { as_text(&at, &record) };
                out.line(line.as_bytes())?;
                left -= 1;
                if terminal {
                    out.flush()?;
                }
            }
            Ok(None) => out.flush()?,
            Err(e) if e.kind == Kind::Retry => tracing::warn!(error = %e, "trying again"),
            Err(e) => return Err(e),
        }
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

/// One line: time, place, key, value.
fn as_text(at: &TopicPartition, record: &Record) -> String {
    let time = domain::time::format(record.timestamp_ms.saturating_mul(1000));
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => reach::shown(text),
        Err(_) => format!("({} bytes that are no text)", bytes.len()),
    };
    let key = record.key.as_deref().map_or_else(|| "-".into(), text);
    format!("{}  {}:{}  {key}  {}", time.get(..23).unwrap_or(&time), at.partition, record.offset, text(&record.value))
}

/// One document: the value as JSON where it is some, as text where it is text, else in base64 under `value_base64`.
fn as_json(at: &TopicPartition, record: &Record) -> String {
    let mut line = json!({
        "topic": at.topic, "partition": at.partition, "offset": record.offset,
        "timestamp": domain::time::format(record.timestamp_ms.saturating_mul(1000)),
        "key": record.key.as_deref().map(|k| String::from_utf8_lossy(k).into_owned()),
    });
    match std::str::from_utf8(&record.value) {
        // Written through, so that no digit of a number is lost.
        Ok(text) if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() => {
            let head = line.to_string();
            return format!("{},\"value\":{}}}", &head[..head.len() - 1], text.replace(['\n', '\r'], " "));
        }
        Ok(text) => line["value"] = Value::from(text),
        Err(_) => line["value_base64"] = Value::from(STANDARD.encode(&record.value)),
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &'static [u8]) -> Record {
        Record { offset: 7, timestamp_ms: 1_000, key: Some("k\u{7}".into()), value: value.into() }
    }

    #[test]
    fn what_strangers_wrote_cannot_steer_a_terminal() {
        let at = TopicPartition::new("t", 2);
        assert_eq!(as_text(&at, &record(b"a\x1b[2Jb\nc")), "1970-01-01T00:00:01.000  2:7  k\\u{7}  a\\u{1b}[2Jb\\nc");
        assert_eq!(as_text(&at, &record(b"\xff\xfe")), "1970-01-01T00:00:01.000  2:7  k\\u{7}  (2 bytes that are no text)");
    }

    #[test]
    fn values_keep_what_they_are() {
        let at = TopicPartition::new("t", 2);
        let line = as_json(&at, &record(b"{\"amount\": 10.10,\n \"x\": 1}"));
        assert!(line.ends_with(r#","value":{"amount": 10.10,  "x": 1}}"#), "{line}");
        let read = |value| serde_json::from_str::<Value>(&as_json(&at, &record(value))).unwrap();
        assert_eq!((&read(b"{}")["offset"], &read(b"{}")["key"]), (&json!(7), &json!("k\u{7}")));
        assert_eq!(read(b"plain")["value"], "plain");
        assert_eq!(read(b"\xff")["value_base64"], "/w==");
    }
}
