//! Text functions. Positions count characters (code points) from 1, as in SQL.

use domain::Value;
use std::borrow::Cow;

/// Character by character, as DuckDB does: one never becomes two.
pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

/// Character by character, as DuckDB does: one never becomes two.
pub(crate) fn upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let one = |c: char| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(u), None) => u,
            _ if c == 'ß' => 'ẞ',
            _ => c,
        }
    };
    text.chars().map(one).collect()
}

pub(crate) fn concat<'a>(values: impl Iterator<Item = Cow<'a, Value>>) -> Value {
    let mut all = String::new();
    for value in values {
        match &*value {
            Value::Null => {}
            Value::Text(t) => all.push_str(t),
            other => all.push_str(&crate::cast::text(other)),
        }
    }
    Value::text(all)
}

fn length(text: &str) -> i64 {
    if text.is_ascii() { text.len() as i64 } else { text.chars().count() as i64 }
}

/// Characters `start..end`, from 0.
fn slice(text: &str, start: i64, end: i64) -> &str {
    if end <= start {
        return "";
    }
    let (start, end) = (start as usize, end as usize);
    if text.is_ascii() {
        return text.get(start..end.min(text.len())).unwrap_or("");
    }
    let mut places = text.char_indices().map(|(i, _)| i).chain(std::iter::once(text.len()));
    let Some(from) = places.nth(start) else { return "" };
    let to = places.nth(end - start - 1).unwrap_or(text.len());
    &text[from..to]
}

/// `substr(text, offset, count)`: a negative offset counts from the end, a negative count goes back, offset 0 is the place before the first.
pub(crate) fn substr(text: &str, offset: i64, count: i64) -> &str {
    let size = length(text);
    let mut count = count;
    let start = match offset {
        1.. => size.min(offset - 1),
        0 => {
            count = count.saturating_sub(1);
            if count <= 0 {
                return "";
            }
            0
        }
        _ => size.saturating_add(offset).max(0),
    };
    if count >= 0 {
        slice(text, start, size.min(start.saturating_add(count)))
    } else {
        slice(text, start.saturating_add(count).max(0), start)
    }
}

/// The first `count` characters; all but the last ones if negative.
pub(crate) fn left(text: &str, count: i64) -> &str {
    let size = length(text);
    slice(text, 0, if count >= 0 { count.min(size) } else { size.saturating_add(count) })
}

/// The last `count` characters; all but the first ones if negative.
pub(crate) fn right(text: &str, count: i64) -> &str {
    let size = length(text);
    slice(text, if count >= 0 { (size - count.min(size)).max(0) } else { count.saturating_neg().min(size) }, size)
}

/// The place of the first occurrence, from 1; 0 if there is none.
pub(crate) fn position(text: &str, part: &str) -> i64 {
    text.find(part).map_or(0, |at| length(&text[..at]) + 1)
}

/// The `index`th part from 1, or from the end if negative; empty if there is none. An empty delimiter splits into characters.
pub(crate) fn split_part<'a>(text: &'a str, delimiter: &str, index: i64) -> &'a str {
    if delimiter.is_empty() {
        let size = length(text);
        let at = if index > 0 { index - 1 } else { size.saturating_add(index) };
        return if index == 0 || at < 0 || at >= size { "" } else { slice(text, at, at + 1) };
    }
    let part = match index {
        0 => None,
        1.. => text.split(delimiter).nth(index as usize - 1),
        _ => {
            let count = text.split(delimiter).count() as i64;
            count.checked_add(index).filter(|at| *at >= 0).and_then(|at| text.split(delimiter).nth(at as usize))
        }
    };
    part.unwrap_or("")
}

pub(crate) fn char_length(text: &str) -> Value {
    Value::Int(length(text))
}
