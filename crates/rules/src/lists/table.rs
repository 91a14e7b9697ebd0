//! Entries of one list, found by any of their key columns: what the files of a version hold, and what changes have laid over them, is each
//! a table.

use domain::{Micros, Text, Value};
use project::ListEntry;
use rustc_hash::FxHashMap;

/// Gaps that a table may hold before it is made anew without them, if they are also half of it.
const MOST_GAPS: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// In the order they came; a removed entry leaves a gap.
    pub(super) rows: Vec<Option<ListEntry>>,
    gaps: usize,
    /// One a column.
    index: Vec<Index>,
    /// By the whole key, where it has several columns.
    keys: FxHashMap<Vec<Text>, u32>,
}

/// Rows by the text of one column.
#[derive(Clone, Debug, Default)]
struct Index {
    texts: FxHashMap<Text, Vec<u32>>,
    /// The same for what reads as a number, in its shortest form, so that 49.5 finds `49.50`.
    numbers: FxHashMap<Text, Vec<u32>>,
}

impl Table {
    pub(super) fn new(columns: usize) -> Self {
        Self { index: vec![Index::default(); columns], ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.gaps
    }

    /// Adds an entry with one value a column; one with the same key is replaced and keeps its place.
    pub(super) fn add(&mut self, entry: ListEntry) {
        if let Some(row) = self.row(&entry.key) {
            self.rows[row as usize] = Some(entry);
            return;
        }
        let row = self.rows.len() as u32;
        for (index, cell) in self.index.iter_mut().zip(&entry.key) {
            index.add(cell, row);
        }
        if self.index.len() > 1 {
            self.keys.insert(entry.key.clone(), row);
        }
        self.rows.push(Some(entry));
    }

    /// Removes an entry by its key. False if there was none.
    pub(super) fn remove(&mut self, key: &[Text]) -> bool {
        let Some(row) = self.row(key) else { return false };
        for (index, cell) in self.index.iter_mut().zip(key) {
            index.remove(cell, row);
        }
        self.keys.remove(key);
        self.rows[row as usize] = None;
        self.gaps += 1;
        if self.gaps > MOST_GAPS && self.gaps * 2 > self.rows.len() {
            let rows = std::mem::take(self);
            *self = Self::new(rows.index.len());
            rows.rows.into_iter().flatten().for_each(|entry| self.add(entry));
        }
        true
    }

    fn row(&self, key: &[Text]) -> Option<u32> {
        match self.index.as_slice() {
            [only] => only.texts.get(key.first()?)?.first().copied(),
            _ => self.keys.get(key).copied(),
        }
    }

    pub(super) fn get(&self, key: &[Text]) -> Option<&ListEntry> {
        self.rows[self.row(key)? as usize].as_ref()
    }

    /// Oldest first, expired ones too.
    pub(super) fn entries(&self) -> impl Iterator<Item = &ListEntry> {
        self.rows.iter().flatten()
    }

    /// Those that still count at `at` and have this value in a column, oldest first.
    pub(super) fn with(&self, column: usize, value: &Value, at: Micros) -> impl Iterator<Item = &ListEntry> {
        let rows = self.index.get(column).map_or(&[][..], |index| index.rows(value));
        rows.iter().filter_map(move |row| self.live(*row, at))
    }

    /// Those that still count at `at` and have these values, one a column, oldest first.
    pub(super) fn with_all<'a>(&'a self, values: &[Value], at: Micros) -> impl Iterator<Item = &'a ListEntry> {
        let first = values.first().and_then(|value| Some(self.index.first()?.rows(value))).unwrap_or(&[]);
        let rest = move || self.index.iter().zip(values).skip(1);
        let rows = first.iter().filter(move |row| rest().all(|(index, value)| index.rows(value).binary_search(row).is_ok()));
        rows.filter_map(move |row| self.live(*row, at))
    }

    fn live(&self, row: u32, at: Micros) -> Option<&ListEntry> {
        self.rows.get(row as usize)?.as_ref().filter(|e| e.until.is_none_or(|until| at < until))
    }
}

/// A number without the zeros that say nothing.
fn shortest(number: &str) -> Option<Text> {
    let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
    let plain =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.bytes().filter(|b| *b == b'.').count() <= 1;
    if !plain || digits == "." {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if number.starts_with('-') && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(Text::from_iter([sign, whole, point, fraction]))
}

impl Index {
    fn add(&mut self, cell: &Text, row: u32) {
        self.texts.entry(cell.clone()).or_default().push(row);
        if let Some(number) = shortest(cell) {
            self.numbers.entry(number).or_default().push(row);
        }
    }

    fn remove(&mut self, cell: &Text, row: u32) {
        let drop = |map: &mut FxHashMap<Text, Vec<u32>>, key: &str| {
            if let Some(rows) = map.get_mut(key) {
                // Rows are added in ascending order.
                if let Ok(at) = rows.binary_search(&row) {
                    rows.remove(at);
                }
                if rows.is_empty() {
                    map.remove(key);
                }
            }
        };
        drop(&mut self.texts, cell);
        if let Some(number) = shortest(cell) {
            drop(&mut self.numbers, &number);
        }
    }

    /// The rows with this value, oldest first.
    fn rows(&self, value: &Value) -> &[u32] {
        let found = match value {
            Value::Null => None,
            Value::Text(t) => self.texts.get(t.as_str()),
            Value::Int(_) | Value::Decimal(_) | Value::Float(_) if self.numbers.is_empty() => None,
            Value::Int(i) => self.numbers.get(smol(format_args!("{i}")).as_str()),
            Value::Decimal(d) => shortest(&smol(format_args!("{d}"))).and_then(|n| self.numbers.get(n.as_str())),
            Value::Float(f) => shortest(&smol(format_args!("{f}"))).and_then(|n| self.numbers.get(n.as_str())),
            other => self.texts.get(smol(format_args!("{other}")).as_str()),
        };
        found.map_or(&[], Vec::as_slice)
    }
}

/// A short text without an allocation.
fn smol(args: std::fmt::Arguments<'_>) -> Text {
    use std::fmt::Write as _;
    let mut builder = smol_str::SmolStrBuilder::new();
    // Writing to memory cannot fail.
    let _ = builder.write_fmt(args);
    builder.finish()
}
