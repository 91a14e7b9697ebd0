//! Values and their types. A value carries its own scale, so it prints and compares without its schema.

use crate::decimal::Decimal;
use crate::time::{self, Micros};
use serde::Serialize;
use serde::ser::Serializer;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Text: up to 23 bytes inline, longer ones shared.
pub type Text = smol_str::SmolStr;

/// A decoded record: one value a field, in the order of the stream's fields.
pub type Row = Box<[Value]>;

/// The type of an expression or a field. An enum field is `Text` to expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    /// 64-bit signed.
    Int,
    /// Up to 38 digits, with this many after the point.
    Decimal(u8),
    Float,
    /// UTC, microseconds.
    Timestamp,
    /// A fixed span in microseconds; a day is 24 hours, and there are no months.
    Interval,
    Text,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("boolean"),
            Self::Int => f.write_str("integer"),
            Self::Decimal(scale) => write!(f, "decimal({scale})"),
            Self::Float => f.write_str("float"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Interval => f.write_str("interval"),
            Self::Text => f.write_str("text"),
        }
    }
}

/// One value. 32 bytes; cloning never allocates.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Float(f64),
    Timestamp(Micros),
    /// Microseconds.
    Interval(i64),
    Text(Text),
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Text::new(text.as_ref()))
    }

    /// The type of a non-null value.
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Decimal(d) => Type::Decimal(d.scale),
            Self::Float(_) => Type::Float,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Interval(_) => Type::Interval,
            Self::Text(_) => Type::Text,
        })
    }

    /// The number as a float: integers, decimals and floats; `None` for all else.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Decimal(d) => Some(d.to_f64()),
            Self::Float(f) => Some(*f),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            _ => None,
        }
    }

    /// Orders two non-null values of comparable types: numbers with numbers exactly (an integer or decimal against a float
    /// as floats), like with like otherwise. `None` where either is null, or the types do not compare.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        use Value::*;
        Some(match (self, other) {
            (Int(a), Int(b)) => a.cmp(b),
            (Decimal(a), Decimal(b)) => a.cmp(b),
            (Int(a), Decimal(b)) => crate::Decimal::from(*a).cmp(b),
            (Decimal(a), Int(b)) => a.cmp(&crate::Decimal::from(*b)),
            (Text(a), Text(b)) => a.as_str().cmp(b.as_str()),
            (Timestamp(a), Timestamp(b)) | (Interval(a), Interval(b)) => a.cmp(b),
            (Bool(a), Bool(b)) => a.cmp(b),
            (Float(a), b) => total(*a, b.as_f64()?),
            (a, Float(b)) => total(a.as_f64()?, *b),
            _ => return None,
        })
    }

    /// The value as JSON. Decimals print as plain numbers with their scale, timestamps as RFC 3339 text, intervals as seconds;
    /// floats that JSON cannot hold print as text.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Self::Int(i) => {
                let _ = write!(out, "{i}");
            }
            Self::Decimal(d) => {
                let _ = write!(out, "{d}");
            }
            Self::Float(f) if f.is_finite() => {
                let _ = serde_json::to_writer(&mut *out, f);
            }
            Self::Float(f) => {
                let _ = write!(out, "\"{f}\"");
            }
            Self::Timestamp(t) => {
                out.push(b'"');
                time::write(*t, out);
                out.push(b'"');
            }
            Self::Interval(micros) => {
                let _ = write!(out, "{}", Decimal::new(i128::from(*micros), 6));
            }
            Self::Text(t) => {
                let _ = serde_json::to_writer(&mut *out, t.as_str());
            }
        }
    }
}

/// Floats order as in PostgreSQL and DuckDB: NaN equals itself and is greater than all else; -0 equals 0.
fn total(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Equality for keys and tests: nulls are equal to each other, numbers are equal by value.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (a, b) => a.compare(b) == Some(Ordering::Equal),
        }
    }
}

impl Eq for Value {}

/// Agrees with equality within one type (the use of hashing: keys of one column); integers and decimals hash alike.
impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => 0u8.hash(state),
            Self::Bool(b) => b.hash(state),
            Self::Int(i) => Decimal::from(*i).hash(state),
            Self::Decimal(d) => d.hash(state),
            Self::Float(f) => (if f.is_nan() { f64::NAN.to_bits() } else { (*f + 0.0).to_bits() }).hash(state),
            Self::Timestamp(t) | Self::Interval(t) => t.hash(state),
            Self::Text(t) => t.as_str().hash(state),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(t) => f.write_str(t),
            Self::Timestamp(t) => f.write_str(&time::format(*t)),
            other => {
                let mut out = Vec::with_capacity(24);
                other.write_json(&mut out);
                f.write_str(&String::from_utf8_lossy(&out))
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::with_capacity(24);
        self.write_json(&mut out);
        let raw = serde_json::value::RawValue::from_string(String::from_utf8(out).map_err(serde::ser::Error::custom)?)
            .map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}
