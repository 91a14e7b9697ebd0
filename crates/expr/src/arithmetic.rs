//! Numbers: exact for integers and decimals, null instead of an overflow, an infinity or not-a-number. Elementary functions come from
//! `libm`, so that every machine gives the same bits.

use domain::decimal::{Decimal, pow10};
use domain::{Type, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Subtract,
    Multiply,
    /// Always a float.
    Divide,
    /// `//`, of integers, towards zero.
    DivideWhole,
    /// With the sign of the dividend.
    Remainder,
}

/// A float result, or null if it is no number.
pub(crate) fn float(f: f64) -> Value {
    if f.is_finite() { Value::Float(f) } else { Value::Null }
}

/// A decimal result, or null past 38 digits.
fn decimal(unscaled: Option<i128>, scale: u8) -> Value {
    match unscaled {
        Some(u) if u.unsigned_abs() < pow10(38).unsigned_abs() => Value::Decimal(Decimal::new(u, scale)),
        _ => Value::Null,
    }
}

/// The value as a decimal, if it is an integer or a decimal.
pub(crate) fn as_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(i) => Some(Decimal::from(*i)),
        Value::Decimal(d) => Some(*d),
        _ => None,
    }
}

/// `left op right`, where the compiler has found the result's type to be `ty`.
pub(crate) fn binary(op: Op, ty: Type, left: &Value, right: &Value) -> Value {
    use Value::{Float, Int, Interval, Null, Timestamp};
    if left.is_null() || right.is_null() {
        return Null;
    }
    match (ty, left, right) {
        (Type::Int, Int(a), Int(b)) => match op {
            Op::Add => a.checked_add(*b),
            Op::Subtract => a.checked_sub(*b),
            Op::Multiply => a.checked_mul(*b),
            Op::DivideWhole => a.checked_div(*b),
            Op::Remainder if *b == -1 => Some(0),
            Op::Remainder => a.checked_rem(*b),
            Op::Divide => None,
        }
        .map_or(Null, Int),
        (Type::Float, Float(a), Float(b)) => float(floats(op, *a, *b)),
        (Type::Float, a, b) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => float(floats(op, a, b)),
            _ => Null,
        },
        (Type::Decimal(scale), a, b) => match (as_decimal(a), as_decimal(b)) {
            (Some(a), Some(b)) => decimals(op, scale, a, b),
            _ => Null,
        },
        (Type::Timestamp, Timestamp(t), Interval(i)) | (Type::Timestamp, Interval(i), Timestamp(t)) => match op {
            Op::Add => t.checked_add(*i),
            _ => t.checked_sub(*i),
        }
        .map_or(Null, Timestamp),
        (Type::Interval, Timestamp(a), Timestamp(b)) => a.checked_sub(*b).map_or(Null, Interval),
        (Type::Interval, Interval(a), Interval(b)) => match op {
            Op::Add => a.checked_add(*b),
            _ => a.checked_sub(*b),
        }
        .map_or(Null, Interval),
        (Type::Interval, Interval(a), Int(b)) | (Type::Interval, Int(b), Interval(a)) => a.checked_mul(*b).map_or(Null, Interval),
        _ => Null,
    }
}

fn floats(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide | Op::DivideWhole => a / b,
        Op::Remainder => libm::fmod(a, b),
    }
}

fn decimals(op: Op, scale: u8, a: Decimal, b: Decimal) -> Value {
    if op == Op::Multiply {
        // The scales add up to the result's, or the operands carry fewer places than their types say.
        let product = a.unscaled.checked_mul(b.unscaled).and_then(|u| Decimal::new(u, a.scale + b.scale).round_to(scale));
        return decimal(product.map(|d| d.unscaled), scale);
    }
    let at_scale = |d: Decimal| if d.scale == scale { Some(d) } else { d.rescale(scale) };
    let (Some(a), Some(b)) = (at_scale(a), at_scale(b)) else { return Value::Null };
    let unscaled = match op {
        Op::Add => a.unscaled.checked_add(b.unscaled),
        Op::Subtract => a.unscaled.checked_sub(b.unscaled),
        Op::Remainder => a.unscaled.checked_rem(b.unscaled),
        Op::Multiply | Op::Divide | Op::DivideWhole => None,
    };
    decimal(unscaled, scale)
}

pub(crate) fn negate(value: &Value) -> Value {
    match value {
        Value::Int(i) => i.checked_neg().map_or(Value::Null, Value::Int),
        Value::Decimal(d) => decimal(d.unscaled.checked_neg(), d.scale),
        Value::Float(f) => Value::Float(-f),
        Value::Interval(i) => i.checked_neg().map_or(Value::Null, Value::Interval),
        _ => Value::Null,
    }
}

pub(crate) fn abs(value: &Value) -> Value {
    match value {
        Value::Int(i) => i.checked_abs().map_or(Value::Null, Value::Int),
        Value::Decimal(d) => decimal(d.unscaled.checked_abs(), d.scale),
        Value::Float(f) => Value::Float(f.abs()),
        _ => Value::Null,
    }
}

pub(crate) fn sign(value: &Value) -> Value {
    match value {
        Value::Int(i) => Value::Int(i.signum()),
        Value::Decimal(d) => Value::Int(d.unscaled.signum() as i64),
        Value::Float(f) => Value::Int(i64::from(*f > 0.0) - i64::from(*f < 0.0)),
        _ => Value::Null,
    }
}

/// How a number loses its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Half away from zero.
    Nearest,
    Down,
    Up,
    TowardsZero,
}

/// Rounded to `places` after the point; negative places are before it. A decimal keeps at most `places` digits after the point.
pub(crate) fn round(value: &Value, places: i64, how: Rounding) -> Value {
    match value {
        Value::Int(i) if places >= 0 => Value::Int(*i),
        Value::Int(i) => {
            whole(i128::from(*i), places.unsigned_abs(), how).and_then(|u| i64::try_from(u).ok()).map_or(Value::Null, Value::Int)
        }
        Value::Decimal(d) if places >= i64::from(d.scale) => Value::Decimal(*d),
        Value::Decimal(d) => {
            let kept = places.max(0) as u8;
            let drop = (i64::from(d.scale)).saturating_sub(places);
            let Some(unscaled) = whole(d.unscaled, drop.unsigned_abs(), how) else { return Value::Null };
            // `whole` leaves the dropped digits as zeros.
            Decimal::new(unscaled, d.scale).rescale(kept).map_or(Value::Null, Value::Decimal)
        }
        Value::Float(f) => {
            let step = |f: f64| match how {
                Rounding::Nearest => libm::round(f),
                Rounding::Down => libm::floor(f),
                Rounding::Up => libm::ceil(f),
                Rounding::TowardsZero => libm::trunc(f),
            };
            if places == 0 {
                return float(step(*f));
            }
            let by = libm::pow(10.0, places.unsigned_abs() as f64);
            let rounded = if places > 0 { step(f * by) / by } else { step(f / by) * by };
            // Past what a float can hold there is nothing to round (or, before the point, nothing left).
            if rounded.is_finite() {
                Value::Float(rounded)
            } else if places > 0 {
                Value::Float(*f)
            } else {
                Value::Float(0.0)
            }
        }
        _ => Value::Null,
    }
}

/// The integer with its last `digits` digits rounded to zeros. `None` on overflow.
fn whole(value: i128, digits: u64, how: Rounding) -> Option<i128> {
    if digits > 38 {
        return Some(0);
    }
    let by = pow10(digits as u8);
    let (q, r) = (value / by, value % by);
    let q = match how {
        Rounding::TowardsZero => q,
        Rounding::Down => q - i128::from(r < 0),
        Rounding::Up => q + i128::from(r > 0),
        Rounding::Nearest => q + i128::from(r.unsigned_abs() * 2 >= by.unsigned_abs()) * value.signum(),
    };
    q.checked_mul(by)
}

/// Mean radius of the Earth in kilometres (IUGG).
const EARTH_KM: f64 = 6371.0088;

/// Great-circle distance by the haversine formula; degrees in, kilometres out.
pub(crate) fn distance_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (a, b) = (lat1.to_radians(), lat2.to_radians());
    let half_lat = libm::sin((b - a) / 2.0);
    let half_lon = libm::sin((lon2 - lon1).to_radians() / 2.0);
    let h = half_lat * half_lat + libm::cos(a) * libm::cos(b) * half_lon * half_lon;
    2.0 * EARTH_KM * libm::asin(libm::sqrt(h.min(1.0)))
}
