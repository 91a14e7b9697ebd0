//! From a mistake's place in rendered SQL to its place in the file as written.

use expr::SqlError;
use project::{Diagnostic, FeatureFile, Place};
use std::ops::Range;

pub(crate) fn of_sql(file: &FeatureFile, error: SqlError) -> Diagnostic {
    diagnostic(file, error.span, error.message, error.hint)
}

/// A diagnostic at a byte range of the rendered SQL.
pub(crate) fn diagnostic(file: &FeatureFile, span: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Diagnostic {
    let message = message.into();
    let rendered = Place::at(file.path.clone(), &file.sql, span.start);
    let line = file.lines.get(rendered.line.saturating_sub(1)).copied().unwrap_or(rendered.line);
    let rendered_line = file.sql.lines().nth(rendered.line.saturating_sub(1)).unwrap_or("");
    let source_line = file.source.lines().nth(line.saturating_sub(1)).unwrap_or("");
    // Where jinja made the line, the column is that of the same text in the source, if it stands there.
    let column = if rendered_line == source_line {
        rendered.column
    } else {
        let text = file.sql.get(span.clone()).unwrap_or("").lines().next().unwrap_or("");
        match source_line.find(text) {
            Some(at) if !text.is_empty() => source_line[..at].chars().count() + 1,
            _ => 0,
        }
    };
    let excerpt = expr::caret(&file.sql, &SqlError { message: message.clone(), span, hint: None });
    Diagnostic { place: Place { file: file.path.clone(), line, column }, message, hint, excerpt: Some(excerpt) }
}

/// The byte offset that a parser's message names in its end (`... at Line: 3, Column: 7`), and the message without it.
pub(crate) fn parser_message(message: &str, sql: &str) -> (String, Range<usize>) {
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return (message.to_owned(), sql.len()..sql.len()) };
    let (line, column) = place.split_once(", Column: ").unwrap_or((place, "1"));
    let (line, column): (usize, usize) = (line.trim().parse().unwrap_or(1), column.trim().parse().unwrap_or(1));
    let start: usize = sql.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &sql[start.min(sql.len())..];
    let offset = start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(i, _)| i);
    let end = sql[offset.min(sql.len())..].find(|c: char| c.is_whitespace()).map_or(sql.len(), |i| offset + i);
    (text.to_owned(), offset..end)
}
