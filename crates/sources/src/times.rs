//! Times as files write them: ISO 8601, and the forms that spreadsheets and databases export. What has no zone is UTC.

use crate::spec::DateOrder;
use domain::{Micros, time};

/// Reads a date with or without a time of day: `2010-12-01T08:26:00Z`, `2010-12-01 8:26`, `2010/12/01`, `12/1/2010 8:26 PM`,
/// `1.12.2010 08:26`. Years have four digits. `None` if it is none of these, or no such moment exists.
pub(crate) fn parse(text: &str, order: DateOrder) -> Option<Micros> {
    let text = text.trim();
    if let Some(micros) = time::parse(text) {
        return Some(micros);
    }
    let (date, rest) = match text.find([' ', 'T', 't']) {
        Some(at) => (&text[..at], text[at + 1..].trim_start()),
        None => (text, ""),
    };
    let separator = date.bytes().find(|b| !b.is_ascii_digit())? as char;
    let mut parts = date.split(separator);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = match (separator, a.len()) {
        ('-' | '/', 4) => (a, b, c),
        ('/', _) if order == DateOrder::MonthFirst => (c, a, b),
        ('/' | '.', _) => (c, b, a),
        _ => return None,
    };
    let digits = |s: &str, most: usize| !s.is_empty() && s.len() <= most && s.bytes().all(|b| b.is_ascii_digit());
    if year.len() != 4 || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let (clock, zone) = clock(rest)?;
    // The exact and strict reader judges what this one has put into order.
    time::parse(&format!("{year}-{month:0>2}-{day:0>2}T{clock}{zone}"))
}

/// `8:26`, `8:26:05.5`, `8:26 PM`, each with or without a zone behind, as (RFC 3339 time of day, zone).
fn clock(text: &str) -> Option<(String, &str)> {
    if text.is_empty() {
        return Some(("00:00".to_owned(), ""));
    }
    let ends = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (digits, mut rest) = (&text[..ends], text[ends..].trim());
    let (hour, minutes) = digits.split_once(':')?;
    if hour.is_empty() || hour.len() > 2 || minutes.len() < 2 {
        return None;
    }
    let mut hour: u32 = hour.parse().ok()?;
    let half = rest.get(..2).map(str::to_ascii_uppercase).filter(|h| h == "AM" || h == "PM");
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half == "PM" { 12 } else { 0 };
        rest = rest[2..].trim_start();
    }
    let zone = if rest.eq_ignore_ascii_case("utc") || rest.eq_ignore_ascii_case("gmt") { "Z" } else { rest };
    Some((format!("{hour:02}:{minutes}"), zone))
}

#[cfg(test)]
mod tests;
