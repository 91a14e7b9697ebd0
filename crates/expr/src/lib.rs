//! SQL scalar expressions over slots: parse, type-check, compile, evaluate. Three-valued logic, exact decimals.
//!
//! Knows no windows, rules or IO: names are resolved through [`Scope`], lists asked through [`Lists`]. The meaning is DuckDB's, so a
//! feature or rule runs there unchanged, with these differences, all towards never failing on a row:
//! - what DuckDB answers with an error, an infinity or not-a-number (division by zero, overflow, `ln(0)`, a `cast` of text that is no number)
//!   is null here; every `cast` is a `try_cast`;
//! - integers are 64-bit throughout, decimals have up to 38 digits, and an interval is a fixed span of microseconds;
//! - types that do not compare are a mistake at load, where DuckDB would cast one to the other (only a text literal is read as the other side's type).

mod arithmetic;
mod calendar;
mod cast;
mod compile;
mod like;
mod node;
mod place;
pub mod template;
mod text;

#[cfg(test)]
mod tests;

pub use compile::{compile, compile_ast};
pub use place::{caret, nearest, span_of};
pub use template::Template;

use domain::{Micros, Type, Value};
use node::Node;
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

/// No lists at all: contains nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLists;

impl Lists for NoLists {
    fn contains(&self, _: usize, _: usize, _: &Value, _: Micros) -> bool {
        false
    }
}

/// What a program is evaluated over.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The row: the scope's columns by slot. A slot past the end reads as null.
    pub slots: &'a [Value],
    pub lists: &'a dyn Lists,
    /// Event time, for the expiry of list entries.
    pub at: Micros,
}

/// A compiled expression. Evaluation is pure, and allocates only where the result is a new long text.
#[derive(Clone, Debug)]
pub struct Program {
    root: Node,
    ty: Option<Type>,
    slots: Vec<usize>,
    lists: Vec<(usize, usize)>,
}

impl Program {
    pub(crate) fn new(root: Node, ty: Option<Type>) -> Self {
        let (mut slots, mut lists) = (Vec::new(), Vec::new());
        root.visit(&mut |node| match node {
            Node::Slot(slot) => slots.push(*slot),
            Node::InList { list, column, .. } => lists.push((*list, *column)),
            _ => {}
        });
        slots.sort_unstable();
        slots.dedup();
        lists.sort_unstable();
        lists.dedup();
        Self { root, ty, slots, lists }
    }

    /// The type of every non-null result; `None` if the result is always null.
    pub fn ty(&self) -> Option<Type> {
        self.ty
    }

    pub fn eval(&self, context: &Context<'_>) -> Value {
        self.root.eval(context).into_owned()
    }

    /// True only if the result is TRUE: null and false are not.
    pub fn test(&self, context: &Context<'_>) -> bool {
        self.root.truth(context) == Some(true)
    }

    /// Every slot read, sorted.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// Every (list, column) asked, sorted.
    pub fn lists(&self) -> &[(usize, usize)] {
        &self.lists
    }

    /// The slot, if the program is a plain column.
    pub fn as_column(&self) -> Option<usize> {
        match self.root {
            Node::Slot(slot) => Some(slot),
            _ => None,
        }
    }

    /// The value, if it does not depend on the row.
    pub fn as_constant(&self) -> Option<&Value> {
        match &self.root {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }
}
