//! Literals and casts: numbers exactly as written, `timestamp '...'`, `interval '...'`, and the types that `cast` knows.

use super::{Compiler, Typed, named};
use crate::cast::Target;
use crate::node::Node;
use domain::decimal::{Decimal, MAX_DIGITS};
use domain::{Type, Value, time};
use sqlparser::ast::{self, DataType, ExactNumberInfo, Expr, TypedString};
use std::ops::Range;

/// A number as written: an integer, a decimal with as many places as it shows, or a float if it has an exponent.
pub(super) fn number(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    if digits.contains(['e', 'E']) {
        return digits.parse().ok().filter(|f: &f64| f.is_finite()).map(Value::Float);
    }
    let places = digits.split_once('.').map(|(_, fraction)| fraction.len());
    if let (None, Ok(i)) = (places, digits.parse()) {
        return Some(Value::Int(i));
    }
    let scale = u8::try_from(places.unwrap_or(0)).ok().filter(|s| *s <= MAX_DIGITS)?;
    Decimal::parse(&digits, scale)
        .ok()
        .filter(|d| d.unscaled.unsigned_abs() < domain::decimal::pow10(38).unsigned_abs())
        .map(Value::Decimal)
}

/// A span such as `10 minutes` or `-1 hour`.
pub(super) fn span(text: &str) -> Result<i64, String> {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => time::parse_span(rest.trim_start()).map(|s| -s),
        None => time::parse_span(text),
    }
}

impl Compiler<'_> {
    pub(super) fn literal(&mut self, value: &ast::Value, span: Range<usize>) -> Option<Typed> {
        let value = match value {
            ast::Value::Number(text, _) => match number(text) {
                Some(value) => value,
                None => {
                    return self.error(
                        span,
                        "the number has more than 38 digits",
                        Some("write it with an exponent to make it a float".into()),
                    );
                }
            },
            ast::Value::Boolean(b) => Value::Bool(*b),
            ast::Value::Null => Value::Null,
            ast::Value::SingleQuotedString(text) => {
                return Some(Typed { node: Node::Constant(Value::text(text)), ty: Some(Type::Text), span, literal: true });
            }
            ast::Value::Placeholder(name) => return self.error(span, format!("`{name}`: an expression takes no parameters"), None),
            other => return self.error(span, format!("`{other}` is not supported"), Some("a text stands in single quotes".into())),
        };
        let ty = value.type_of();
        Some(Typed { node: Node::Constant(value), ty, span, literal: false })
    }

    pub(super) fn typed_string(&mut self, typed: &TypedString, span: Range<usize>) -> Option<Typed> {
        let text = typed.value.value.clone().into_string().unwrap_or_default();
        let target = self.target(&typed.data_type, span.clone())?;
        let of = Typed { node: Node::Constant(Value::text(text)), ty: Some(Type::Text), span, literal: true };
        self.read_as(of, Some(target.ty()))
    }

    pub(super) fn interval(&mut self, interval: &ast::Interval, place: Range<usize>) -> Option<Typed> {
        let count = match &*interval.value {
            Expr::Value(v) => match &v.value {
                ast::Value::SingleQuotedString(text) => Some(text.clone()),
                ast::Value::Number(text, _) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        let Some(mut text) = count else {
            return self.error(
                place,
                "an interval needs a literal, such as `interval '10 minutes'`",
                Some("for a computed one write `to_minutes(x)`, `to_hours(x)` or `to_days(x)`".into()),
            );
        };
        if let Some(unit) = &interval.leading_field {
            text = format!("{text} {unit}").to_lowercase();
        }
        match span(&text) {
            Ok(micros) => {
                Some(Typed { node: Node::Constant(Value::Interval(micros)), ty: Some(Type::Interval), span: place, literal: false })
            }
            Err(message) => {
                let hint = (text.contains("month") || text.contains("year")).then(|| "write days, such as `interval '30 days'`".to_owned());
                let message = message.split_once(';').map_or(message.as_str(), |(first, _)| first).to_owned();
                self.error(place, message, hint)
            }
        }
    }

    pub(super) fn cast(&mut self, of: Typed, data_type: &DataType, span: Range<usize>) -> Option<Typed> {
        if let DataType::Interval { .. } = data_type {
            if of.literal {
                return self.read_as(of, Some(Type::Interval));
            }
            return self.error(
                span,
                "only a literal can be cast to interval",
                Some("write `to_minutes(x)`, `to_hours(x)` or `to_days(x)`".into()),
            );
        }
        let target = self.target(data_type, span.clone())?;
        match of.ty {
            Some(from) if !target.takes(from) => {
                let hint = matches!((from, target), (Type::Timestamp | Type::Interval, _)).then(|| "`epoch(...)` gives seconds".to_owned());
                self.error(of.span, format!("{} cannot be cast to {}", named(of.ty), target.ty()), hint)
            }
            from if from == Some(target.ty())
                && matches!(target, Target::Bool | Target::Int(64) | Target::Float | Target::Timestamp | Target::Text) =>
            {
                Some(Typed { literal: false, ..of })
            }
            _ => Some(Typed { node: Node::Cast(target, Box::new(of.node)), ty: Some(target.ty()), span, literal: false }),
        }
    }

    fn target(&mut self, data_type: &DataType, span: Range<usize>) -> Option<Target> {
        Some(match data_type {
            DataType::Bool | DataType::Boolean => Target::Bool,
            DataType::TinyInt(_) => Target::Int(8),
            DataType::SmallInt(_) | DataType::Int2(_) => Target::Int(16),
            DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => Target::Int(32),
            DataType::BigInt(_) | DataType::Int8(_) => Target::Int(64),
            DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 => Target::Float,
            DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => {
                let (digits, scale) = match info {
                    ExactNumberInfo::None => (18, 3),
                    ExactNumberInfo::Precision(digits) => (*digits, 0),
                    ExactNumberInfo::PrecisionAndScale(digits, scale) => (*digits, *scale),
                };
                match (u8::try_from(digits), u8::try_from(scale)) {
                    (Ok(digits @ 1..=MAX_DIGITS), Ok(scale)) if scale <= digits => Target::Decimal { digits, scale },
                    _ => {
                        let hint = Some("digits are 1 to 38, and places at most as many: `decimal(18, 2)`".to_owned());
                        return self.error(span, format!("`{data_type}` is not a decimal that can be kept"), hint);
                    }
                }
            }
            DataType::Timestamp(_, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) | DataType::Datetime(_) => {
                Target::Timestamp
            }
            DataType::Varchar(_) | DataType::Text | DataType::String(_) | DataType::Char(_) | DataType::CharacterVarying(_) => Target::Text,
            other => {
                let hint = match other {
                    DataType::Real | DataType::Float(_) | DataType::Float4 => "floats have 64 bits: write `double`",
                    DataType::Date => "there is no date type: write `date_trunc('day', x)`, or `timestamp '2026-01-31'`",
                    DataType::Timestamp(..) => "all times are UTC: write `timestamp`",
                    _ => "the types are boolean, integer, bigint, decimal(digits, places), double, timestamp and varchar",
                };
                return self.error(span, format!("the type `{}` is not supported", other.to_string().to_lowercase()), Some(hint.into()));
            }
        })
    }
}
