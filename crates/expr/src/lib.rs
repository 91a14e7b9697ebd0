//! SQL scalar expressions over slots: parse, type-check, compile, evaluate. Three-valued logic, exact decimals.
//!
//! Knows no windows, rules or IO: names are resolved through [`Scope`], lists asked through [`Lists`].

use domain::{Micros, Type, Value};
use std::ops::Range;

/// A mistake in an SQL text, with its place as a byte range of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    pub message: String,
    pub span: Range<usize>,
    /// What to write instead, such as the nearest name.
    pub hint: Option<String>,
}

/// What the names in an expression mean.
pub trait Scope {
    /// The slot and type of a column. `qualifier` is the part before the dot, if any.
    fn column(&self, qualifier: Option<&str>, name: &str) -> Option<(usize, Type)>;
    /// All column names, for the nearest one in an error.
    fn column_names(&self) -> Vec<String>;
    /// The index of a list and of one of its columns.
    fn list(&self, list: &str, column: &str) -> Option<(usize, usize)>;
    /// All lists as `list(column, ...)`, for errors.
    fn list_names(&self) -> Vec<String>;
}

/// Answers `x in (select column from list)` at evaluation.
pub trait Lists {
    /// Whether an entry of this list that still counts at `at` has `value` in this column. `value` is never null.
    fn contains(&self, list: usize, column: usize, value: &Value, at: Micros) -> bool;
}
