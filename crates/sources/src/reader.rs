//! The reader: rows of a file as records of a stream. Every record is decoded once here as the scorer will decode it, so what comes
//! out fits the stream, and what does not comes back with every wrong field named.

use crate::cell::{Cell, quote};
use crate::csv::Csv;
use crate::json_lines::JsonLines;
use crate::parquet::Parquet;
use crate::spec::{DateOrder, Format, ImportSpec};
use domain::{Decoder, Error, FieldType, Micros, Rejection, Result, Stream, Text, Value};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A row that fits the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the file, from 1.
    pub row: u64,
    /// The value of the stream's key as text.
    pub key: Text,
    pub event_time: Micros,
    /// One JSON object.
    pub json: Vec<u8>,
}

/// A row that cannot be a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its number in the file, from 1; bad rows count.
    pub row: u64,
    /// The line it begins on, from 1, where the file has lines.
    pub line: Option<u64>,
    /// As the file has it, up to a mebibyte; for Parquet an object of its columns.
    pub raw: Vec<u8>,
    /// Everything that is wrong with it.
    pub reasons: Vec<Rejection>,
}

/// What a row came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Record(Record),
    Bad(BadRow),
}

/// How far a reader is: hand it to [`Reader::seek`] to go on behind the last row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Rows done.
    pub row: u64,
    /// Where the next row begins; 0 where that is not known, and rows are counted again.
    #[serde(default)]
    pub byte: u64,
    /// Lines done.
    #[serde(default)]
    pub line: u64,
}

/// For a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub rows: u64,
    /// Known for Parquet alone.
    pub total_rows: Option<u64>,
    pub bytes: u64,
    pub total_bytes: u64,
}

/// An iterator over a file's rows. An error means that the file as a whole cannot be read further, and is the last item.
pub struct Reader {
    source: Source,
    path: PathBuf,
    stem: String,
    /// One a field of the stream.
    fields: Vec<FieldPlan>,
    decoder: Decoder,
    key: usize,
    event_time: usize,
    nulls: Vec<String>,
    dates: DateOrder,
    unused: Vec<String>,
    rows: u64,
    done: bool,
    values: Vec<Value>,
}

enum Source {
    Csv(Csv),
    JsonLines(JsonLines),
    Parquet(Box<Parquet>),
}

/// How a field gets its value.
struct FieldPlan {
    /// The name as a JSON string with its colon.
    label: Vec<u8>,
    name: Text,
    kind: FieldType,
    /// Where the source has it.
    column: Option<usize>,
    /// Whether it becomes the row's id where the source has nothing.
    is_id: bool,
    /// Whether its texts lose a `.0`.
    whole: bool,
}

/// What a source found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    End,
    Row,
    Bad(Rejection),
}

impl Outcome {
    pub(crate) fn bad(code: &'static str, reason: String) -> Self {
        Self::Bad(Rejection::record(code, reason))
    }
}

impl Reader {
    /// Opens the import's file at its first row.
    ///
    /// # Errors
    /// Stop, if the file cannot be read, a named field or column does not exist, or a required field would get no value.
    pub fn open(spec: &ImportSpec, stream: &Stream) -> Result<Self> {
        let path = PathBuf::from(&spec.file);
        let format = spec.format.map_or_else(|| Format::of(&path), Ok)?;
        let field_names: Vec<&str> = stream.fields.iter().map(|f| f.name.as_str()).collect();
        for name in spec.columns.keys().chain(&spec.id).chain(&spec.whole_numbers) {
            if !field_names.contains(&name.as_str()) {
                return Err(unknown(&format!("stream {} has no field `{name}`", stream.name), name, &field_names));
            }
        }
        if let Some(id) = spec.id.as_ref().filter(|id| spec.columns.contains_key(*id)) {
            return Err(Error::stop(format!("`{id}` is both a column and made from the row"), "leave it out of `columns` or of `id`"));
        }
        // Each field's column by name: given, or its own.
        let wanted: Vec<&str> = field_names.iter().map(|name| spec.columns.get(*name).map_or(*name, String::as_str)).collect();
        let mut source = Source::open(&path, format, spec, &wanted)?;
        let header = source.header();
        let mut fields = Vec::with_capacity(wanted.len());
        for (slot, (field, column)) in stream.fields.iter().zip(&wanted).enumerate() {
            let made = spec.id.as_deref() == Some(field.name.as_str());
            let found = match &header {
                _ if made => None,
                // A line of JSON says itself what it has.
                None => Some(slot),
                Some(header) => header.iter().position(|name| name == column),
            };
            if let (None, Some(header), true) = (found, &header, spec.columns.contains_key(field.name.as_str())) {
                let names: Vec<&str> = header.iter().map(String::as_str).collect();
                return Err(unknown(&format!("{} has no column `{column}`", path.display()), column, &names));
            }
            if header.iter().flatten().filter(|name| name == column).count() > 1 {
                return Err(Error::stop(
                    format!("{} has two columns `{column}`", path.display()),
                    "rename one of them, so that it is clear which is meant",
                ));
            }
            let is_id = made || (spec.id.is_none() && stream.judged.as_ref().is_some_and(|roles| roles.id == slot));
            if found.is_none() && field.must_be_brought() && !is_id {
                return Err(Error::stop(
                    format!("field {} of stream {} is required, and no column of {} gives it", field.name, stream.name, path.display()),
                    format!("name the column under `columns`, as in `columns: {{{}: NAME}}`", field.name),
                ));
            }
            let mut label = Vec::new();
            quote(&field.name, &mut label);
            label.push(b':');
            let whole = spec.whole_numbers.iter().any(|name| *name == field.name);
            fields.push(FieldPlan { label, name: field.name.clone(), kind: field.kind.clone(), column: found, is_id, whole });
        }
        let used = |column: usize| fields.iter().any(|f| f.column == Some(column));
        let unused = header.iter().flatten().enumerate().filter(|(column, _)| !used(*column)).map(|(_, name)| name.clone()).collect();
        source.want(&mut fields)?;
        Ok(Self {
            source,
            stem: path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
            path,
            fields,
            decoder: Decoder::new(stream),
            key: stream.key,
            event_time: stream.event_time,
            nulls: spec.nulls.clone(),
            dates: spec.dates,
            unused,
            rows: 0,
            done: false,
            values: Vec::new(),
        })
    }

    /// The file's columns that no field takes.
    pub fn unused_columns(&self) -> &[String] {
        &self.unused
    }

    /// The name of a row wherever it is spoken of: `{file stem}:{row}`.
    pub fn row_id(&self, row: u64) -> String {
        format!("{}:{row}", self.stem)
    }

    /// Where reading would go on.
    pub fn place(&self) -> Place {
        let (byte, line) = match &self.source {
            Source::Csv(csv) => (csv.place().0, csv.place().1),
            Source::JsonLines(lines) => (lines.place().0, lines.place().1),
            Source::Parquet(_) => (0, 0),
        };
        Place { row: self.rows, byte, line }
    }

    pub fn progress(&self) -> Progress {
        let (bytes, total_bytes, total_rows) = match &self.source {
            Source::Csv(csv) => (csv.place().0, csv.place().2, None),
            Source::JsonLines(lines) => (lines.place().0, lines.place().2, None),
            Source::Parquet(p) => {
                let share = u128::from(self.rows) * u128::from(p.total_bytes) / u128::from(p.total_rows.max(1));
                (share as u64, p.total_bytes, Some(p.total_rows))
            }
        };
        Progress { rows: self.rows, total_rows, bytes, total_bytes }
    }

    /// Goes on at a place noted before, in the same file. With a row alone, a file of lines is read up to it again.
    ///
    /// # Errors
    /// Stop, if the file ends before that place.
    pub fn seek(&mut self, place: Place) -> Result<()> {
        (self.done, self.rows) = (false, place.row);
        let total = self.progress();
        let short = Error::stop(
            format!("{} ends before row {}, where the import stopped", self.path.display(), place.row + 1),
            "give the same file as before, or start the import again from its first row",
        );
        if place.byte > total.total_bytes || total.total_rows.is_some_and(|rows| place.row > rows) {
            return Err(short);
        }
        let counted = if place.byte == 0 { place.row } else { 0 };
        let path = &self.path;
        match &mut self.source {
            Source::Csv(csv) => csv.seek(place.byte, place.line).map_err(|e| unreadable(path, e))?,
            Source::JsonLines(lines) => lines.seek(place.byte, place.line).map_err(|e| unreadable(path, e))?,
            Source::Parquet(parquet) => return parquet.seek(place.row),
        }
        for _ in 0..counted {
            if self.advance()? == Outcome::End {
                return Err(short);
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Outcome> {
        let path = &self.path;
        match &mut self.source {
            Source::Csv(csv) => csv.next().map_err(|e| unreadable(path, e)),
            Source::JsonLines(lines) => lines.next().map_err(|e| unreadable(path, e)),
            Source::Parquet(parquet) => Ok(if parquet.advance()? { Outcome::Row } else { Outcome::End }),
        }
    }

    fn row(&mut self) -> Result<Option<Row>> {
        let outcome = self.advance()?;
        let wrong = match outcome {
            Outcome::End => return Ok(None),
            Outcome::Bad(rejection) => {
                self.rows += 1;
                return Ok(Some(self.bad(vec![rejection])));
            }
            Outcome::Row => {
                self.rows += 1;
                self.record()
            }
        };
        Ok(Some(match wrong {
            Ok(record) => Row::Record(record),
            Err(reasons) => self.bad(reasons),
        }))
    }

    fn bad(&self, reasons: Vec<Rejection>) -> Row {
        let (raw, line) = match &self.source {
            Source::Csv(csv) => (csv.raw().to_vec(), Some(csv.row_line)),
            Source::JsonLines(lines) => (lines.raw().to_vec(), Some(lines.line())),
            Source::Parquet(parquet) => (parquet.raw(), None),
        };
        Row::Bad(BadRow { row: self.rows, line, raw, reasons })
    }

    /// The current row as a record, or everything that is wrong with it.
    fn record(&mut self) -> std::result::Result<Record, Vec<Rejection>> {
        let mut json = Vec::with_capacity(256);
        let mut wrong = Vec::new();
        json.push(b'{');
        for field in &self.fields {
            let cell = match field.column.map_or(Cell::Null, |column| self.source.cell(column)) {
                Cell::Text(text) if self.nulls.iter().any(|null| null == text) => Cell::Null,
                Cell::Text(text) if field.whole => Cell::Number(text),
                cell => cell,
            };
            let before = json.len();
            if before > 1 {
                json.push(b',');
            }
            json.extend_from_slice(&field.label);
            let value = json.len();
            if cell == Cell::Null && field.is_id {
                quote(&format!("{}:{}", self.stem, self.rows), &mut json);
            } else if let Err((code, reason)) = cell.write(&field.kind, self.dates, &mut json) {
                wrong.push(Rejection::field(code, &field.name, reason));
            }
            // What is null is left out, as producers do.
            if json.len() == value || &json[value..] == b"null" {
                json.truncate(before);
            }
        }
        json.push(b'}');
        match self.decoder.decode(&json, &mut self.values) {
            Ok(_) if wrong.is_empty() => {}
            Ok(_) => return Err(wrong),
            Err(more) => {
                // A field that could not be read is missing from the record, which need not be said again.
                let named = |r: &Rejection| wrong.iter().any(|w| w.field == r.field);
                let more: Vec<_> = more.into_iter().filter(|r| !named(r)).collect();
                wrong.extend(more);
                return Err(wrong);
            }
        }
        let key = match &self.values[self.key] {
            Value::Text(text) => text.clone(),
            other => Text::new(other.to_string()),
        };
        let Value::Timestamp(event_time) = self.values[self.event_time] else {
            let name = &self.fields[self.event_time].name;
            return Err(vec![Rejection::field("missing", name, "is the event time and missing")]);
        };
        Ok(Record { row: self.rows, key, event_time, json })
    }
}

impl Iterator for Reader {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.row().transpose();
        self.done = !matches!(row, Some(Ok(_)));
        row
    }
}

impl Source {
    fn open(path: &Path, format: Format, spec: &ImportSpec, wanted: &[&str]) -> Result<Self> {
        let tab = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
        let delimiter = spec.delimiter.unwrap_or(if tab { '\t' } else { ',' });
        match format {
            Format::Csv => Csv::open(path, delimiter as u8).map(Self::Csv).map_err(|e| unreadable(path, e)),
            Format::JsonLines => {
                let wanted = wanted.iter().map(ToString::to_string).collect();
                JsonLines::open(path, wanted).map(Self::JsonLines).map_err(|e| unreadable(path, e))
            }
            Format::Parquet => Ok(Self::Parquet(Box::new(Parquet::open(path)?))),
        }
    }

    /// The file's columns; none for JSON lines, each of which has its own.
    fn header(&self) -> Option<Vec<String>> {
        match self {
            Self::Csv(csv) => Some(csv.header.clone()),
            Self::JsonLines(_) => None,
            Self::Parquet(parquet) => Some(parquet.header()),
        }
    }

    /// Reads no more columns than the fields take, and tells the fields where those are.
    fn want(&mut self, fields: &mut [FieldPlan]) -> Result<()> {
        if let Self::Parquet(parquet) = self {
            parquet.want(fields.iter().filter_map(|f| f.column).collect())?;
            for field in fields {
                field.column = field.column.and_then(|column| parquet.place_of(column));
            }
        }
        Ok(())
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match self {
            Self::Csv(csv) => csv.cell(column),
            Self::JsonLines(lines) => lines.cell(column),
            Self::Parquet(parquet) => parquet.cell(column),
        }
    }
}

fn unreadable(path: &Path, cause: std::io::Error) -> Error {
    Error::stop(format!("cannot read {}", path.display()), "give a file that exists and that this user may read").because(cause)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let near = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&k.to_lowercase(), &name.to_lowercase()), k))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 3);
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    Error::stop(what, hint)
}

#[cfg(test)]
mod tests;
