//! Lines of a file, one at a time and none longer than a bound, with the place of each: what CSV and JSON lines are read from.

use std::fs::File;
use std::io::{BufRead, BufReader, Result, Seek, SeekFrom};
use std::path::Path;

/// The longest row that is read, in bytes. A longer one (an open quote, a lost line end) is a bad row.
pub(crate) const LONGEST_ROW: usize = 1 << 20;

pub(crate) struct Lines {
    file: BufReader<File>,
    /// Of the next byte.
    pub(crate) byte: u64,
    /// Lines read; also the number of the last one, from 1.
    pub(crate) line: u64,
    pub(crate) total_bytes: u64,
}

/// What was read into the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The file is at its end, and nothing was read.
    End,
    /// With its line end, if it has one.
    Whole,
    /// The line is longer than the bound: its beginning. The rest was skipped.
    TooLong,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let total_bytes = file.metadata()?.len();
        let mut file = BufReader::with_capacity(256 << 10, file);
        // Spreadsheets put a byte order mark first.
        let mark = if file.fill_buf()?.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        file.consume(mark);
        Ok(Self { file, byte: mark as u64, line: 0, total_bytes })
    }

    /// Goes to a place noted before.
    pub(crate) fn seek(&mut self, byte: u64, line: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(byte))?;
        (self.byte, self.line) = (byte, line);
        Ok(())
    }

    /// Appends the next line to `out`, of which no more than [`LONGEST_ROW`] bytes are kept.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Result<Line> {
        let (mut read, mut cut) = (false, false);
        loop {
            let chunk = self.file.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            read = true;
            let end = memchr::memchr(b'\n', chunk).map(|at| at + 1);
            let length = end.unwrap_or(chunk.len());
            let room = LONGEST_ROW.saturating_sub(out.len());
            out.extend_from_slice(&chunk[..length.min(room)]);
            cut |= length > room;
            self.file.consume(length);
            self.byte += length as u64;
            if end.is_some() {
                break;
            }
        }
        self.line += u64::from(read);
        Ok(match (read, cut) {
            (false, _) => Line::End,
            (true, false) => Line::Whole,
            (true, true) => Line::TooLong,
        })
    }
}

/// The line without its end.
pub(crate) fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
