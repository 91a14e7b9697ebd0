//! Lists at run time: entries with expiry by event time, found by any of their key columns. They start from the project's files and change by
//! control records; the same changes in the same order give the same answers.

use domain::{Micros, Text, Value};
use expr::Lists;
use project::{ListEntry, ListSpec};
use rustc_hash::FxHashMap;

/// All lists of a project with their entries.
#[derive(Clone, Debug)]
pub struct ListState {
    lists: Vec<List>,
}

#[derive(Clone, Debug)]
struct List {
    name: Text,
    columns: Vec<Text>,
    /// In the order they came; a removed entry leaves a gap.
    rows: Vec<Option<ListEntry>>,
    /// One a column.
    index: Vec<Index>,
}

/// Rows by the text of one column.
#[derive(Clone, Debug, Default)]
struct Index {
    texts: FxHashMap<Text, Vec<u32>>,
    /// The same for what reads as a number, in its shortest form, so that 49.5 finds `49.50`.
    numbers: FxHashMap<Text, Vec<u32>>,
}

/// An entry that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub list: &'a Text,
    pub entry: &'a ListEntry,
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
                rows.retain(|r| *r != row);
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

impl List {
    fn live(&self, row: u32, at: Micros) -> Option<&ListEntry> {
        self.rows.get(row as usize)?.as_ref().filter(|e| e.until.is_none_or(|until| at < until))
    }

    fn find(&self, key: &[Text]) -> Option<u32> {
        let rows = self.index.first()?.texts.get(key.first()?)?;
        rows.iter().copied().find(|r| self.rows[*r as usize].as_ref().is_some_and(|e| e.key == key))
    }
}

impl ListState {
    /// The entries as the project's files have them. The order of lists is that of the project, which rules refer to.
    pub fn new(specs: &[ListSpec]) -> Self {
        let mut state = Self {
            lists: specs
                .iter()
                .map(|s| List {
                    name: s.name.clone(),
                    columns: s.columns.clone(),
                    rows: Vec::new(),
                    index: vec![Index::default(); s.columns.len()],
                })
                .collect(),
        };
        for (list, spec) in specs.iter().enumerate() {
            for entry in &spec.entries {
                state.add(list, entry.clone());
            }
        }
        state
    }

    /// The index of a list by name.
    pub fn list(&self, name: &str) -> Option<usize> {
        self.lists.iter().position(|l| l.name == name)
    }

    /// The key columns of a list.
    pub fn columns(&self, list: usize) -> &[Text] {
        &self.lists[list].columns
    }

    /// Adds an entry; one with the same key is replaced. False if the entry has not one value a key column.
    pub fn add(&mut self, list: usize, entry: ListEntry) -> bool {
        let list = &mut self.lists[list];
        if entry.key.len() != list.columns.len() {
            return false;
        }
        if let Some(row) = list.find(&entry.key) {
            list.rows[row as usize] = Some(entry);
            return true;
        }
        let row = list.rows.len() as u32;
        for (index, cell) in list.index.iter_mut().zip(&entry.key) {
            index.add(cell, row);
        }
        list.rows.push(Some(entry));
        true
    }

    /// Removes an entry by its key. False if there was none.
    pub fn remove(&mut self, list: usize, key: &[Text]) -> bool {
        let list = &mut self.lists[list];
        let Some(row) = list.find(key) else { return false };
        for (index, cell) in list.index.iter_mut().zip(key) {
            index.remove(cell, row);
        }
        list.rows[row as usize] = None;
        true
    }

    /// All entries of a list, oldest first, expired ones too.
    pub fn entries(&self, list: usize) -> impl Iterator<Item = &ListEntry> {
        self.lists[list].rows.iter().flatten()
    }

    /// The oldest entry that still counts at `at` and has these values, one a key column. A null matches nothing.
    pub fn find(&self, list: usize, key: &[Value], at: Micros) -> Option<Listed<'_>> {
        let of = self.lists.get(list)?;
        let (first, rest) = (of.index.first()?, of.index.get(1..)?);
        let rows = first.rows(key.first()?).iter().copied();
        let row = rows
            .filter(|r| of.live(*r, at).is_some())
            .find(|r| rest.iter().zip(&key[1..]).all(|(index, value)| index.rows(value).contains(r)))?;
        Some(Listed { list: &of.name, entry: of.live(row, at)? })
    }
}

impl Lists for ListState {
    fn contains(&self, list: usize, column: usize, value: &Value, at: Micros) -> bool {
        let Some(of) = self.lists.get(list) else { return false };
        of.index.get(column).is_some_and(|index| index.rows(value).iter().any(|r| of.live(*r, at).is_some()))
    }
}
