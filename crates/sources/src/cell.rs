//! One cell of a file as the JSON value of a field: numbers keep their digits, times become RFC 3339, and nothing is rounded.

use crate::spec::DateOrder;
use crate::times;
use domain::stream::TimeUnit;
use domain::{Decimal, FieldType, Micros, time};
use std::borrow::Cow;
use std::io::Write as _;

/// A value as a file holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float32(f32),
    Float(f64),
    Decimal(Decimal),
    Time(Micros),
    /// A moment that microseconds cannot hold.
    FineTime,
    Text(&'a str),
    /// Text that is not UTF-8.
    Bytes,
    /// The digits of a JSON number.
    Number(&'a str),
    /// A JSON object or array.
    Nested(&'a str),
}

/// Why a cell is no value of its field: a stable word and the reason.
pub(crate) type Wrong = (&'static str, String);

impl Cell<'_> {
    /// Appends the cell as JSON for a field of this type. What the decoder will judge (bounds, digits, lists of values) is
    /// passed on as it is.
    ///
    /// # Errors
    /// Where the file's form, rather than the stream, is in the way.
    pub(crate) fn write(&self, kind: &FieldType, order: DateOrder, out: &mut Vec<u8>) -> Result<(), Wrong> {
        match (self, kind) {
            (Self::Null, _) => out.extend_from_slice(b"null"),
            (Self::Bytes, _) => return Err(("not_utf8", "is not UTF-8 text".to_owned())),
            (Self::FineTime, _) => return Err(("too_precise", "has digits past the microsecond".to_owned())),
            (Self::Nested(json), _) => {
                return Err(("wrong_type", format!("must be {}, got {}", kind.name(), excerpt(json))));
            }
            (Self::Float32(f), _) if f.is_nan() => out.extend_from_slice(b"null"),
            (Self::Float(f), _) if f.is_nan() => out.extend_from_slice(b"null"),
            (_, FieldType::Timestamp(unit)) => return self.write_time(*unit, order, out),
            (_, FieldType::Boolean) => return self.write_bool(out),
            (_, FieldType::Text | FieldType::Enum(_)) => quote(&self.plain(), out),
            (Self::Text(text) | Self::Number(text), _) => number(text.trim(), out),
            // A number field gets the text of a time or truth value, and says that it is none.
            (Self::Time(_) | Self::Bool(_), _) => quote(&self.plain(), out),
            (_, FieldType::Integer | FieldType::Decimal(_) | FieldType::Float) => number(&self.plain(), out),
        }
        Ok(())
    }

    fn write_time(&self, unit: TimeUnit, order: DateOrder, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let micros = match self {
            Self::Time(micros) => *micros,
            Self::Int(count) if unit != TimeUnit::Text => {
                out.extend_from_slice(itoa::Buffer::new().format(*count).as_bytes());
                return Ok(());
            }
            Self::Text(text) | Self::Number(text) if unit != TimeUnit::Text && text.trim().parse::<i64>().is_ok() => {
                number(text.trim(), out);
                return Ok(());
            }
            Self::Text(text) => times::parse(text, order).ok_or_else(|| {
                let forms = match order {
                    DateOrder::MonthFirst => "2010-12-31 08:26:00 or 12/31/2010 8:26",
                    DateOrder::DayFirst => "2010-12-31 08:26:00 or 31/12/2010 8:26",
                };
                ("wrong_type", format!("must be a time such as {forms}, got \"{}\"", excerpt(text)))
            })?,
            other => return Err(("wrong_type", format!("must be a timestamp, got {}", other.plain()))),
        };
        out.push(b'"');
        time::write(micros, out);
        out.push(b'"');
        Ok(())
    }

    fn write_bool(&self, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let text = self.plain();
        let value = match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => "true",
            "false" | "f" | "no" | "n" | "0" => "false",
            _ => return Err(("wrong_type", format!("must be true or false, got {}", excerpt(&text)))),
        };
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// The value as a person would write it. A float that is a whole number has no point (ids come as 17850.0 from tools that
    /// know only floats); any other has the fewest digits that tell it from its neighbours.
    pub(crate) fn plain(&self) -> Cow<'_, str> {
        match self {
            Self::Null | Self::Bytes | Self::FineTime => Cow::Borrowed(""),
            Self::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
            Self::Int(i) => Cow::Owned(i.to_string()),
            Self::Float32(f) => Cow::Owned(f.to_string()),
            Self::Float(f) => Cow::Owned(f.to_string()),
            Self::Decimal(d) => Cow::Owned(d.to_string()),
            Self::Time(t) => Cow::Owned(time::format(*t)),
            Self::Number(digits) => Cow::Borrowed(match digits.split_once('.') {
                Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole,
                _ => digits,
            }),
            Self::Text(text) | Self::Nested(text) => Cow::Borrowed(text),
        }
    }
}

/// A JSON string.
pub(crate) fn quote(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(out, text);
    }
}

/// A number as its digits, where JSON allows them as they stand; `+5`, `.5` and `007` as the decimal they are; anything else as
/// text, for the decoder to refuse.
fn number(text: &str, out: &mut Vec<u8>) {
    if is_json_number(text) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    match u8::try_from(places).ok().filter(|p| *p <= 38).map(|p| Decimal::parse(text, p)) {
        Some(Ok(decimal)) => {
            let _ = write!(out, "{decimal}");
        }
        _ => quote(text, out),
    }
}

fn is_json_number(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(unsigned[at + 1..].trim_start_matches(['+', '-']))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let signs = exponent.map_or(0, |e| unsigned.len() - mantissa.len() - 1 - e.len());
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits) && exponent.is_none_or(digits) && signs <= 1
}

/// At most forty characters, for a message.
fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        Some((at, _)) => Cow::Owned(format!("{}...", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests;
