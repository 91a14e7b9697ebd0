//! `cast(x as type)` and `x::type`. What cannot be converted is null, as `try_cast` has it: one odd row must not stop the stream.

use crate::arithmetic;
use domain::decimal::{Decimal, MAX_DIGITS, ParseError, pow10};
use domain::{Type, Value, time};

/// What a value is converted to. Decimals and integers know their width, since a value that does not fit is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Bool,
    /// So many bits, signed.
    Int(u32),
    Decimal {
        digits: u8,
        scale: u8,
    },
    Float,
    Timestamp,
    Text,
}

impl Target {
    pub(crate) fn ty(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Decimal { scale, .. } => Type::Decimal(scale),
            Self::Float => Type::Float,
            Self::Timestamp => Type::Timestamp,
            Self::Text => Type::Text,
        }
    }

    /// The target that makes numbers of mixed types alike.
    pub(crate) fn widest(ty: Type) -> Option<Self> {
        Some(match ty {
            Type::Int => Self::Int(64),
            Type::Decimal(scale) => Self::Decimal { digits: MAX_DIGITS, scale },
            Type::Float => Self::Float,
            _ => return None,
        })
    }

    /// Whether a cast from this type means anything.
    pub(crate) fn takes(self, from: Type) -> bool {
        let numeric = matches!(from, Type::Int | Type::Decimal(_) | Type::Float);
        match self {
            Self::Bool | Self::Int(_) | Self::Decimal { .. } | Self::Float => numeric || matches!(from, Type::Bool | Type::Text),
            Self::Timestamp => matches!(from, Type::Timestamp | Type::Text),
            Self::Text => from != Type::Interval,
        }
    }
}

pub(crate) fn cast(value: &Value, target: Target) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    match target {
        Target::Bool => boolean(value).map_or(Value::Null, Value::Bool),
        Target::Int(bits) => {
            integer(value).filter(|i| (i64::MIN >> (64 - bits)..=i64::MAX >> (64 - bits)).contains(i)).map_or(Value::Null, Value::Int)
        }
        Target::Decimal { digits, scale } => {
            decimal(value, scale).filter(|d| d.unscaled.unsigned_abs() < pow10(digits).unsigned_abs()).map_or(Value::Null, Value::Decimal)
        }
        Target::Float => match value {
            Value::Bool(b) => Value::Float(f64::from(u8::from(*b))),
            Value::Text(t) => number(t).and_then(|n| n.parse().ok()).map_or(Value::Null, arithmetic::float),
            other => other.as_f64().map_or(Value::Null, arithmetic::float),
        },
        Target::Timestamp => match value {
            Value::Timestamp(t) => Value::Timestamp(*t),
            Value::Text(t) => time::parse(t.trim()).map_or(Value::Null, Value::Timestamp),
            _ => Value::Null,
        },
        Target::Text => Value::text(text(value)),
    }
}

fn boolean(value: &Value) -> Option<bool> {
    Some(match value {
        Value::Bool(b) => *b,
        Value::Int(i) => *i != 0,
        Value::Decimal(d) => d.unscaled != 0,
        Value::Float(f) => *f != 0.0,
        Value::Text(t) => match t.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "on" => true,
            "false" | "f" | "no" | "n" | "0" | "off" => false,
            _ => return None,
        },
        _ => return None,
    })
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Int(i) => Some(*i),
        // DuckDB rounds a float half to even here, and a decimal half away from zero.
        Value::Float(f) => {
            let whole = libm::rint(*f);
            (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole).then_some(whole as i64)
        }
        other => i64::try_from(decimal(other, 0)?.unscaled).ok(),
    }
}

fn decimal(value: &Value, scale: u8) -> Option<Decimal> {
    match value {
        Value::Bool(b) => Decimal::from(i64::from(*b)).rescale(scale),
        Value::Int(i) => Decimal::from(*i).rescale(scale),
        Value::Decimal(d) => d.round_to(scale),
        Value::Float(f) => {
            let scaled = libm::round(f * libm::pow(10.0, f64::from(scale)));
            // Below 10^38, so it fits.
            (scaled.abs() < 1e38).then(|| Decimal::new(scaled as i128, scale))
        }
        Value::Text(t) => decimal_of_text(number(t)?, scale),
        _ => None,
    }
}

/// Text that looks like a number: spaces around it are dropped, and words such as `inf` are not numbers.
fn number(text: &str) -> Option<&str> {
    let text = text.trim();
    (text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')))
        .then_some(text)
}

/// Rounded half away from zero to `scale` places.
pub(crate) fn decimal_of_text(text: &str, scale: u8) -> Option<Decimal> {
    match Decimal::parse(text, scale) {
        Ok(d) => return Some(d),
        Err(ParseError::TooManyPlaces) => {}
        Err(_) => return None,
    }
    // One place more decides the rounding; without an exponent the rest may be cut off.
    if scale < MAX_DIGITS
        && !text.contains(['e', 'E'])
        && let Some(point) = text.find('.')
        && let Ok(d) = Decimal::parse(&text[..text.len().min(point + 2 + scale as usize)], scale + 1)
    {
        return d.round_to(scale);
    }
    (scale + 1..=MAX_DIGITS).find_map(|more| Decimal::parse(text, more).ok())?.round_to(scale)
}

/// As DuckDB writes it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Timestamp(t) => {
            let full = time::format(*t).replace('T', " ");
            full.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Float(f) => float_text(*f),
        other => other.to_string(),
    }
}

/// The shortest digits that read back as the same float; with an exponent from 1e16 on and below 1e-4, which has at least two digits.
fn float_text(f: f64) -> String {
    let short = format!("{f:e}");
    let Some((digits, exponent)) = short.split_once('e') else { return short };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if f == 0.0 || (-4..16).contains(&exponent) {
        let plain = format!("{f}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
