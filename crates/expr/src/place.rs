//! Places in an SQL text: from the parser's lines and columns to byte ranges, and a caret under them; and the nearest name to a wrong one.

use crate::SqlError;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span};
use std::ops::Range;

/// The byte range of a parser's span; empty at the start of the text where the parser does not know.
pub fn span_of(span: Span, sql: &str) -> Range<usize> {
    if span == Span::empty() {
        return 0..0;
    }
    let start = offset(span.start, sql);
    start..offset(span.end, sql).max(start)
}

/// The byte of a location. Both parts count from 1, columns in characters.
fn offset(at: Location, sql: &str) -> usize {
    let line_start = match at.line {
        0 | 1 => 0,
        line => sql.match_indices('\n').nth(line as usize - 2).map_or(sql.len(), |(i, _)| i + 1),
    };
    let column = (at.column as usize).saturating_sub(1);
    sql[line_start..].char_indices().nth(column).map_or(sql.len(), |(i, _)| line_start + i)
}

/// The line with the mistake, and carets under it. A mistake over several lines is marked on its first.
pub fn caret(sql: &str, error: &SqlError) -> String {
    let start = sql.floor_char_boundary(error.span.start.min(sql.len()));
    let end = sql.floor_char_boundary(error.span.end.clamp(start, sql.len()));
    let line_start = sql[..start].rfind('\n').map_or(0, |i| i + 1);
    let line_end = sql[start..].find('\n').map_or(sql.len(), |i| start + i);
    // Tabs are kept in front of the caret, so that it stands right however wide they show.
    let indent: String = sql[line_start..start].chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let width = sql[start..end.min(line_end)].chars().count().max(1);
    format!("{}\n{indent}{}", sql[line_start..line_end].trim_end_matches('\r'), "^".repeat(width))
}

/// The candidate most like `name`, if one is like enough to be meant.
pub fn nearest<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    let mut best: Option<(usize, String)> = None;
    for candidate in candidates {
        let other = candidate.as_ref().to_lowercase();
        let mut distance = strsim::damerau_levenshtein(&wanted, &other);
        // The same words in another order, or a word left out, are as good as two slips.
        let long_enough = wanted.len() >= 4 && other.len() >= 4;
        if distance > allowed && long_enough && (other.contains(&wanted) || wanted.contains(&other) || words(&wanted) == words(&other)) {
            distance = allowed;
        }
        if distance <= allowed && best.as_ref().is_none_or(|(d, _)| distance < *d) {
            best = Some((distance, candidate.as_ref().to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

fn words(name: &str) -> Vec<&str> {
    let mut words: Vec<_> = name.split('_').collect();
    words.sort_unstable();
    words
}

/// The hint of an unknown name.
pub(crate) fn did_you_mean<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    nearest(name, candidates).map(|n| format!("did you mean `{n}`?"))
}

/// A parser's error, with its place out of the end of its message.
pub(crate) fn parse_error(error: &ParserError, sql: &str) -> SqlError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            let hint = Some("split it into several features or rules".to_owned());
            return SqlError { message: "the expression nests too deep".into(), span: 0..sql.len(), hint };
        }
    };
    let (message, place) = match text.rfind(" at Line: ") {
        Some(at) => (&text[..at], &text[at + " at Line: ".len()..]),
        None => (text, ""),
    };
    let start = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(offset(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? }, sql)))
        .unwrap_or(sql.len());
    let end = start + sql[start..].chars().next().map_or(0, char::len_utf8);
    let mut message =
        message.replace("Expected: ", "expected ").replace(", found: ", ", found ").replace("found EOF", "found the end of the text");
    if let Some(first) = message.get(..1) {
        message = first.to_lowercase() + &message[1..];
    }
    SqlError { message, span: start..end, hint: None }
}
