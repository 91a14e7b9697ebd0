//! Times are microseconds since 1970 in UTC; spans are fixed microseconds.

use jiff::Timestamp;

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Appends RFC 3339 with six places: `2026-11-21T09:30:00.000000Z`.
pub fn write(micros: Micros, out: &mut Vec<u8>) {
    let days = micros.div_euclid(DAY);
    let (year, month, day) = civil(days);
    if !(0..=9999).contains(&year) {
        out.extend_from_slice(Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |t| t.to_string()).as_bytes());
        return;
    }
    let rest = micros.rem_euclid(DAY);
    let digits = |out: &mut Vec<u8>, mut v: i64, n: usize| {
        let at = out.len();
        out.resize(at + n, b'0');
        for i in (0..n).rev() {
            out[at + i] = b'0' + (v % 10) as u8;
            v /= 10;
        }
    };
    digits(out, year, 4);
    out.push(b'-');
    digits(out, month, 2);
    out.push(b'-');
    digits(out, day, 2);
    out.push(b'T');
    digits(out, rest / HOUR, 2);
    out.push(b':');
    digits(out, rest / MINUTE % 60, 2);
    out.push(b':');
    digits(out, rest / SECOND % 60, 2);
    out.push(b'.');
    digits(out, rest % SECOND, 6);
    out.push(b'Z');
}

/// RFC 3339 with six places.
pub fn format(micros: Micros) -> String {
    let mut out = Vec::with_capacity(27);
    write(micros, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Year, month and day of a day number (days since 1970-01-01), proleptic Gregorian.
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01 of a date, proleptic Gregorian. Same source, `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Parses `YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]]][Z|+HH:MM]`; without a zone it is UTC. Digits past microseconds must be zero.
pub fn parse(text: &str) -> Option<Micros> {
    let b = text.as_bytes();
    let number = |from: usize, n: usize| -> Option<i64> {
        let mut v = 0;
        for d in b.get(from..from + n)? {
            v = v * 10 + i64::from(d.is_ascii_digit().then(|| d - b'0')?);
        }
        Some(v)
    };
    let at = |i: usize, c: u8| (b.get(i) == Some(&c)).then_some(());
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    at(4, b'-')?;
    at(7, b'-')?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&month) || day < 1 || day > last[month as usize - 1] {
        return None;
    }
    let mut micros = days(year, month, day) * DAY;
    let mut i = 10;
    if i == b.len() {
        return Some(micros);
    }
    if !matches!(b[i], b'T' | b't' | b' ') {
        return None;
    }
    let (hour, minute) = (number(11, 2)?, number(14, 2)?);
    at(13, b':')?;
    i = 16;
    let mut second = 0;
    if b.get(i) == Some(&b':') {
        second = number(17, 2)?;
        i = 19;
        if b.get(i) == Some(&b'.') {
            i += 1;
            let from = i;
            let mut unit = SECOND;
            while let Some(d) = b.get(i).filter(|d| d.is_ascii_digit()) {
                unit /= 10;
                if unit == 0 && *d != b'0' {
                    return None;
                }
                micros += unit * i64::from(d - b'0');
                i += 1;
            }
            if i == from {
                return None;
            }
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    micros += hour * HOUR + minute * MINUTE + second * SECOND;
    match b.get(i) {
        None => Some(micros),
        Some(b'Z' | b'z') => (i + 1 == b.len()).then_some(micros),
        Some(sign @ (b'+' | b'-')) => {
            let (hours, minutes) = (number(i + 1, 2)?, number(i + 4, 2)?);
            at(i + 3, b':')?;
            if i + 6 != b.len() || hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * HOUR + minutes * MINUTE;
            Some(if *sign == b'+' { micros - offset } else { micros + offset })
        }
        _ => None,
    }
}

/// Parses a span such as `7 days`, `10 minutes`, `1 hour 30 minutes`, `90s`, `24h`, `15m`, `3d`, `500ms`. Months and years have no fixed length and
/// are refused.
pub fn parse_span(text: &str) -> Result<i64, String> {
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("an empty span; write for example \"7 days\"".into());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: i64 = rest[..digits].parse().map_err(|_| format!("`{text}` is not a span; write for example \"7 days\""))?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match rest[..letters].to_ascii_lowercase().as_str() {
            "ms" | "millisecond" | "milliseconds" => 1000,
            "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
            "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
            "h" | "hour" | "hours" => HOUR,
            "d" | "day" | "days" => DAY,
            "w" | "week" | "weeks" => 7 * DAY,
            "month" | "months" | "year" | "years" => {
                return Err(format!("`{text}` has no fixed length; write days, for example \"30 days\""));
            }
            other => return Err(format!("unknown unit `{other}` in span `{text}`; use seconds, minutes, hours, days or weeks")),
        };
        total = count.checked_mul(unit).and_then(|v| total.checked_add(v)).ok_or_else(|| format!("span `{text}` is too long"))?;
        rest = rest[letters..].trim_start();
    }
    Ok(total)
}

/// A span in the largest units that divide it: `7 days`, `90 minutes`.
pub fn format_span(micros: i64) -> String {
    for (unit, name) in [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"), (1000, "millisecond")] {
        if micros % unit == 0 && (micros != 0 || unit == SECOND) {
            let n = micros / unit;
            return format!("{n} {name}{}", if n == 1 { "" } else { "s" });
        }
    }
    format!("{micros} microseconds")
}
