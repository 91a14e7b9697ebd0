//! CSV (RFC 4180, any delimiter): quoted cells may hold delimiters, doubled quotes and line ends; a quote inside an unquoted cell
//! is an ordinary character.
//!
//! Rows are split here rather than by a library, because a bad row must come back with its raw bytes and line, a quote that is
//! never closed must not swallow the rest of the file, and a place must be exact to the byte.

use crate::cell::Cell;
use crate::lines::{LONGEST_ROW, Line, Lines, trim_end};
use crate::reader::Outcome;
use std::io::Result;
use std::path::Path;

pub(crate) struct Csv {
    lines: Lines,
    delimiter: u8,
    pub(crate) header: Vec<String>,
    /// Where the first row begins.
    first: (u64, u64),
    raw: Vec<u8>,
    cells: Cells,
    /// Line on which the last row began, from 1.
    pub(crate) row_line: u64,
}

/// The cells of one row: their bytes one after the other, and where each ends.
#[derive(Default)]
struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted cell: the end, or the first of two.
    Closing,
}

impl Csv {
    pub(crate) fn open(path: &Path, delimiter: u8) -> Result<Self> {
        let lines = Lines::open(path)?;
        let mut csv = Self { lines, delimiter, header: Vec::new(), first: (0, 0), raw: Vec::new(), cells: Cells::default(), row_line: 0 };
        if csv.split_next()? == Outcome::Row {
            csv.header = (0..csv.cells.ends.len()).map(|i| String::from_utf8_lossy(csv.cells.get(i)).trim().to_owned()).collect();
        }
        csv.first = (csv.lines.byte, csv.lines.line);
        Ok(csv)
    }

    /// Goes to a row noted before; byte 0 is the first row.
    pub(crate) fn seek(&mut self, byte: u64, line: u64) -> Result<()> {
        let (byte, line) = if byte == 0 { self.first } else { (byte, line) };
        self.lines.seek(byte, line)
    }

    /// Byte and line of the next row, and the file's length.
    pub(crate) fn place(&self) -> (u64, u64, u64) {
        (self.lines.byte, self.lines.line, self.lines.total_bytes)
    }

    /// The last row's bytes; of one that is too long, its first line.
    pub(crate) fn raw(&self) -> &[u8] {
        trim_end(&self.raw)
    }

    /// The last row's cell in a column; an empty one is null.
    pub(crate) fn cell(&self, column: usize) -> Cell<'_> {
        match self.cells.get(column) {
            b"" => Cell::Null,
            bytes => std::str::from_utf8(bytes).map_or(Cell::Bytes, Cell::Text),
        }
    }

    /// Reads the next row, which must have as many cells as the header; empty lines are none.
    pub(crate) fn next(&mut self) -> Result<Outcome> {
        let outcome = self.split_next()?;
        let (cells, columns) = (self.cells.ends.len(), self.header.len());
        if outcome == Outcome::Row && cells != columns {
            return Ok(Outcome::bad("wrong_cells", format!("has {cells} cells, the header has {columns}")));
        }
        Ok(outcome)
    }

    fn split_next(&mut self) -> Result<Outcome> {
        loop {
            self.raw.clear();
            self.cells.clear();
            match self.lines.next(&mut self.raw)? {
                Line::End => return Ok(Outcome::End),
                Line::TooLong => {
                    self.row_line = self.lines.line;
                    return Ok(Outcome::bad("too_long", format!("is longer than {LONGEST_ROW} bytes")));
                }
                Line::Whole if trim_end(&self.raw).is_empty() => {}
                Line::Whole => break,
            }
        }
        self.row_line = self.lines.line;
        let (after_first, first_length) = (self.lines.byte, self.raw.len());
        let mut from = 0;
        let mut state = State::Start;
        loop {
            let end = trim_end(&self.raw).len();
            state = self.cells.split(&self.raw[from..end.max(from)], self.delimiter, state);
            if state != State::Quoted {
                self.cells.ends.push(self.cells.bytes.len());
                return Ok(Outcome::Row);
            }
            // The line end belongs to the cell.
            self.cells.bytes.extend_from_slice(&self.raw[end.max(from)..]);
            from = self.raw.len();
            if self.lines.next(&mut self.raw)? != Line::Whole {
                let reason = if self.raw.len() < LONGEST_ROW {
                    "has a quote that is never closed".to_owned()
                } else {
                    format!("has a quote that is not closed within {LONGEST_ROW} bytes")
                };
                // Only the first line is given up: what follows may well be sound.
                self.raw.truncate(first_length);
                self.lines.seek(after_first, self.row_line)?;
                return Ok(Outcome::bad("open_quote", reason));
            }
        }
    }
}

impl Cells {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn get(&self, i: usize) -> &[u8] {
        let from = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[from..self.ends[i]]
    }

    /// Takes one line, without its end; the last cell stays open.
    fn split(&mut self, line: &[u8], delimiter: u8, mut state: State) -> State {
        for &b in line {
            state = match state {
                State::Start if b == b'"' => State::Quoted,
                State::Quoted if b == b'"' => State::Closing,
                State::Closing if b == b'"' => {
                    self.bytes.push(b);
                    State::Quoted
                }
                State::Start | State::Plain | State::Closing if b == delimiter => {
                    self.ends.push(self.bytes.len());
                    State::Start
                }
                State::Start | State::Closing => {
                    self.bytes.push(b);
                    State::Plain
                }
                kept => {
                    self.bytes.push(b);
                    kept
                }
            };
        }
        state
    }
}

#[cfg(test)]
mod tests;
