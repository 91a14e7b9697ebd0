//! SQL models in dbt's dialect: a folder of `select` statements that build on each other becomes tables, tested and documented.
//!
//! [`Models::load`] reads and renders the folder with every mistake at once; [`select`] chooses nodes; [`run`] builds them in the order of
//! their references over an [`Engine`], which this crate knows as a trait alone; [`artifacts`] are the files that dbt's tools read.

pub mod artifacts;
pub mod config;
pub mod engine;
pub mod run;
pub mod select;
pub mod spec;

mod files;
mod graph;
mod jinja;
mod json;
mod read;

pub use engine::{Column, Engine, Relation, Rows, Write};
pub use files::{belongs, from_folder};
pub use jinja::Macros;
pub use read::Options;
pub use spec::Models;
