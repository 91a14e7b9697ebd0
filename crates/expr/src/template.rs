//! Text with holes: `payment of {amount} {currency}, usual is {account_average}`. A hole is any expression; `{{` and `}}` are braces.

use crate::{Context, Program, Scope, SqlError};
use domain::{Value, time};
use std::fmt::Write as _;

/// A compiled text with holes.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Hole(Program),
}

/// Bytes up to the brace that closes a hole; one inside quotes does not.
fn hole_length(text: &str) -> Option<usize> {
    let mut quote = None;
    for (i, b) in text.bytes().enumerate() {
        match (quote, b) {
            (None, b'}') => return Some(i),
            (None, b'\'' | b'"') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}

impl Template {
    /// Compiles a text with holes.
    ///
    /// # Errors
    /// Every mistake in every hole, with its place in `text`.
    pub fn compile(text: &str, scope: &dyn Scope) -> Result<Self, Vec<SqlError>> {
        let mut pieces = Vec::new();
        let mut errors = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            plain.push_str(&text[at..at + found]);
            at += found;
            let brace = &text[at..=at];
            if text[at + 1..].starts_with(brace) {
                plain.push_str(brace);
                at += 2;
            } else if brace == "}" {
                let hint = Some("write `}}` for a brace".to_owned());
                errors.push(SqlError { message: "`}` without its `{`".into(), span: at..at + 1, hint });
                at += 1;
            } else if let Some(length) = hole_length(&text[at + 1..]) {
                let sql = &text[at + 1..at + 1 + length];
                match crate::compile(sql, scope) {
                    Ok(program) => {
                        if !plain.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        }
                        pieces.push(Piece::Hole(program));
                    }
                    Err(wrong) => {
                        errors.extend(wrong.into_iter().map(|e| SqlError { span: e.span.start + at + 1..e.span.end + at + 1, ..e }))
                    }
                }
                at += length + 2;
            } else {
                let hint = Some("write `{{` for a brace".to_owned());
                errors.push(SqlError { message: "`{` without its `}`".into(), span: at..at + 1, hint });
                at += 1;
            }
        }
        plain.push_str(&text[at..]);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        if errors.is_empty() { Ok(Self { pieces }) } else { Err(errors) }
    }

    /// The text with its holes filled. Null is `unknown`, floats have about two places, spans are in words.
    pub fn render(&self, context: &Context<'_>) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Hole(program) => show(&program.eval(context), &mut out),
            }
        }
        out
    }

    /// Every slot read, sorted.
    pub fn slots(&self) -> Vec<usize> {
        let mut slots: Vec<usize> = self.holes().flat_map(|p| p.slots().iter().copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Every (list, column) asked, sorted.
    pub fn lists(&self) -> Vec<(usize, usize)> {
        let mut lists: Vec<_> = self.holes().flat_map(|p| p.lists().iter().copied()).collect();
        lists.sort_unstable();
        lists.dedup();
        lists
    }

    fn holes(&self) -> impl Iterator<Item = &Program> {
        self.pieces.iter().filter_map(|p| match p {
            Piece::Text(_) => None,
            Piece::Hole(program) => Some(program),
        })
    }
}

/// A value as a person wants to read it.
fn show(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("unknown"),
        Value::Float(f) => show_float(*f, out),
        Value::Timestamp(t) => {
            let full = time::format(*t);
            out.push_str(full.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.'));
            out.push('Z');
        }
        Value::Interval(micros) => show_span(*micros, out),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Two places without zeros at the end; a number below one tenth keeps two digits that say something.
fn show_float(f: f64, out: &mut String) {
    let mut places = 2;
    while places < 8 && f != 0.0 && f.abs() * 10f64.powi(places) < 9.95 {
        places += 1;
    }
    let text = format!("{f:.*}", places as usize);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    out.push_str(if text == "-0" { "0" } else { text });
}

/// The two largest units: `2 hours 5 minutes`.
fn show_span(micros: i64, out: &mut String) {
    if micros < 0 {
        out.push_str("minus ");
    }
    let mut rest = micros.unsigned_abs();
    let units = [(time::DAY, "day"), (time::HOUR, "hour"), (time::MINUTE, "minute"), (time::SECOND, "second"), (1000, "millisecond")];
    let Some(first) = units.iter().position(|(unit, _)| rest >= unit.unsigned_abs()) else {
        let _ = write!(out, "{rest} microseconds");
        return;
    };
    for (i, (unit, name)) in units.iter().enumerate().skip(first).take(2) {
        let count = rest / unit.unsigned_abs();
        rest %= unit.unsigned_abs();
        if count > 0 {
            let space = if i == first { "" } else { " " };
            let _ = write!(out, "{space}{count} {name}{}", if count == 1 { "" } else { "s" });
        }
    }
}
