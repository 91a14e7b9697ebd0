//! Parts of a timestamp, in UTC and the proleptic Gregorian calendar, with DuckDB's meaning of each part.

use domain::time::{DAY, HOUR, MINUTE, SECOND, civil};
use domain::{Micros, Type, Value};

const MILLISECOND: i64 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Year,
    Quarter,
    Month,
    /// ISO 8601: weeks start on Monday, week 1 holds the year's first Thursday.
    Week,
    Day,
    Hour,
    Minute,
    Second,
    /// With the seconds: 0 to 59,999.
    Millisecond,
    /// With the seconds: 0 to 59,999,999.
    Microsecond,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1, Sunday 7.
    IsoDayOfWeek,
    DayOfYear,
    /// Seconds since 1970, or of an interval; a float.
    Epoch,
}

/// All names of parts, for errors.
pub(crate) const NAMES: &str = "year, quarter, month, week, day, hour, minute, second, millisecond, microsecond, dow, isodow, doy, epoch";

impl Part {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "year" | "years" => Self::Year,
            "quarter" | "quarters" => Self::Quarter,
            "month" | "months" => Self::Month,
            "week" | "weeks" => Self::Week,
            "day" | "days" | "dayofmonth" => Self::Day,
            "hour" | "hours" => Self::Hour,
            "minute" | "minutes" => Self::Minute,
            "second" | "seconds" => Self::Second,
            "millisecond" | "milliseconds" => Self::Millisecond,
            "microsecond" | "microseconds" => Self::Microsecond,
            "dow" | "dayofweek" | "weekday" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" | "dayofyear" => Self::DayOfYear,
            "epoch" => Self::Epoch,
            _ => return None,
        })
    }

    pub(crate) fn extracted_type(self) -> Type {
        if self == Self::Epoch { Type::Float } else { Type::Int }
    }

    /// Whether a timestamp can be cut down to it, and differences be counted in it.
    pub(crate) fn is_unit(self) -> bool {
        !matches!(self, Self::DayOfWeek | Self::IsoDayOfWeek | Self::DayOfYear | Self::Epoch)
    }

    /// Its length, where that is always the same and it starts at midnight or within the day.
    fn length(self) -> Option<i64> {
        Some(match self {
            Self::Day => DAY,
            Self::Hour => HOUR,
            Self::Minute => MINUTE,
            Self::Second => SECOND,
            Self::Millisecond => MILLISECOND,
            Self::Microsecond => 1,
            _ => return None,
        })
    }
}

/// Days since 1970-01-01 of a date. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Monday is 0. The first of January 1970 was a Thursday.
fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// `extract(part from value)`. Of an interval only the epoch is asked for.
pub(crate) fn extract(part: Part, value: &Value) -> Value {
    let t = match value {
        Value::Timestamp(t) => *t,
        Value::Interval(i) if part == Part::Epoch => *i,
        _ => return Value::Null,
    };
    let days = t.div_euclid(DAY);
    let in_day = t.rem_euclid(DAY);
    Value::Int(match part {
        Part::Epoch => return Value::Float(t as f64 / SECOND as f64),
        Part::Hour => in_day / HOUR,
        Part::Minute => in_day / MINUTE % 60,
        Part::Second => in_day / SECOND % 60,
        Part::Millisecond => in_day % MINUTE / MILLISECOND,
        Part::Microsecond => in_day % MINUTE,
        Part::DayOfWeek => (weekday(days) + 1) % 7,
        Part::IsoDayOfWeek => weekday(days) + 1,
        Part::Year => civil(days).0,
        Part::Quarter => (civil(days).1 + 2) / 3,
        Part::Month => civil(days).1,
        Part::Day => civil(days).2,
        Part::DayOfYear => days - days_from_civil(civil(days).0, 1, 1) + 1,
        Part::Week => {
            let thursday = days - weekday(days) + 3;
            (thursday - days_from_civil(civil(thursday).0, 1, 1)) / 7 + 1
        }
    })
}

/// The start of the year, month, ... that holds `t`.
pub(crate) fn truncate(part: Part, t: Micros) -> Micros {
    if let Some(length) = part.length() {
        return t.saturating_sub(t.rem_euclid(length));
    }
    let days = t.div_euclid(DAY);
    let (year, month, _) = civil(days);
    let start = match part {
        Part::Year => days_from_civil(year, 1, 1),
        Part::Quarter => days_from_civil(year, (month - 1) / 3 * 3 + 1, 1),
        Part::Month => days_from_civil(year, month, 1),
        _ => days - weekday(days),
    };
    start.saturating_mul(DAY)
}

/// How many boundaries of the part lie between the two: `date_diff`. Weeks are whole ones, of the days between.
pub(crate) fn difference(part: Part, from: Micros, to: Micros) -> i64 {
    if let Some(length) = part.length() {
        return to.div_euclid(length) - from.div_euclid(length);
    }
    let months = |t: Micros| {
        let (year, month, _) = civil(t.div_euclid(DAY));
        year * 12 + month - 1
    };
    match part {
        Part::Year => months(to).div_euclid(12) - months(from).div_euclid(12),
        Part::Quarter => months(to).div_euclid(3) - months(from).div_euclid(3),
        Part::Month => months(to) - months(from),
        _ => (to.div_euclid(DAY) - from.div_euclid(DAY)) / 7,
    }
}
