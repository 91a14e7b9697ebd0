//! Rendering jinja as dbt does: first to learn what a node refers to, then, once everything has its place, to SQL.

mod macros;
mod objects;
mod scope;

pub use macros::Macros;
pub(crate) use macros::blanked;
pub(crate) use scope::{Captured, Scope, Stage};

#[cfg(test)]
mod tests;
