//! JSON lines: one object a line, empty lines skipped. Values stay as they are written, so no digit of a number is lost.

use crate::cell::Cell;
use crate::lines::{LONGEST_ROW, Line, Lines, trim_end};
use crate::reader::Outcome;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::Result;
use std::ops::Range;
use std::path::Path;

pub(crate) struct JsonLines {
    lines: Lines,
    start: u64,
    raw: Vec<u8>,
    /// The columns that are wanted, and what the last line has for each.
    columns: Vec<String>,
    found: Vec<Option<Found>>,
}

/// A value of the last line.
#[derive(Clone, Debug)]
enum Found {
    /// Its JSON, as a place in the line.
    Json(Range<usize>),
    /// A text with escapes, resolved.
    Text(String),
}

impl JsonLines {
    pub(crate) fn open(path: &Path, columns: Vec<String>) -> Result<Self> {
        let lines = Lines::open(path)?;
        Ok(Self { start: lines.byte, lines, raw: Vec::new(), found: vec![None; columns.len()], columns })
    }

    pub(crate) fn seek(&mut self, byte: u64, line: u64) -> Result<()> {
        self.lines.seek(byte.max(self.start), line)
    }

    /// Byte and line of the next row, and the file's length.
    pub(crate) fn place(&self) -> (u64, u64, u64) {
        (self.lines.byte, self.lines.line, self.lines.total_bytes)
    }

    pub(crate) fn raw(&self) -> &[u8] {
        trim_end(&self.raw)
    }

    /// Line of the last row, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines.line
    }

    pub(crate) fn next(&mut self) -> Result<Outcome> {
        loop {
            self.raw.clear();
            match self.lines.next(&mut self.raw)? {
                Line::End => return Ok(Outcome::End),
                Line::TooLong => return Ok(Outcome::bad("too_long", format!("is longer than {LONGEST_ROW} bytes"))),
                Line::Whole if self.raw.trim_ascii().is_empty() => {}
                Line::Whole => break,
            }
        }
        let Ok(text) = std::str::from_utf8(&self.raw) else {
            return Ok(Outcome::bad("not_utf8", "is not UTF-8".to_owned()));
        };
        self.found.fill(None);
        let mut json = serde_json::Deserializer::from_str(text);
        let object = Object { line: text, columns: &self.columns, found: &mut self.found };
        Ok(match object.deserialize(&mut json).and_then(|repeated| json.end().map(|()| repeated)) {
            Ok(None) => Outcome::Row,
            Ok(Some(name)) => Outcome::bad("repeated", format!("has \"{name}\" twice")),
            Err(e) => Outcome::bad("not_json", format!("not a JSON object: {e}")),
        })
    }

    /// What the last line has for a wanted column.
    pub(crate) fn cell(&self, column: usize) -> Cell<'_> {
        let json = match &self.found[column] {
            None => return Cell::Null,
            Some(Found::Text(text)) => return Cell::Text(text),
            Some(Found::Json(at)) => std::str::from_utf8(&self.raw[at.clone()]).unwrap_or_default(),
        };
        match json.as_bytes() {
            [b'n', ..] | [] => Cell::Null,
            [b't', ..] => Cell::Bool(true),
            [b'f', ..] => Cell::Bool(false),
            [b'"', ..] => Cell::Text(&json[1..json.len() - 1]),
            [b'{' | b'[', ..] => Cell::Nested(json),
            _ => Cell::Number(json),
        }
    }
}

/// Fills in the wanted columns of a line; gives back the name of one that stands there twice.
struct Object<'a> {
    line: &'a str,
    columns: &'a [String],
    found: &'a mut [Option<Found>],
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut repeated = None;
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let json: &'de RawValue = map.next_value()?;
            for (column, found) in self.columns.iter().zip(self.found.iter_mut()) {
                if *column != *name {
                    continue;
                }
                if found.is_some() {
                    repeated = Some(name.clone().into_owned());
                }
                let json = json.get();
                let from = json.as_ptr() as usize - self.line.as_ptr() as usize;
                *found = Some(if json.starts_with('"') && json.contains('\\') {
                    Found::Text(serde_json::from_str(json).map_err(serde::de::Error::custom)?)
                } else {
                    Found::Json(from..from + json.len())
                });
            }
        }
        Ok(repeated)
    }
}

/// A name, borrowed from the line unless it holds escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> std::result::Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
