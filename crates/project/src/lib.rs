//! Reads and renders a project folder into plain values. Every mistake is reported at once, with file, line, column and a hint.
//!
//! This crate knows what a project *says*; what it *means* (types of expressions, windows, decisions) is known by `expr`,
//! `features` and `rules`, which report their own mistakes as [`Diagnostic`]s.

pub mod diagnostic;
pub mod section;
pub mod spec;
pub mod yaml;

mod cases;
mod features;
mod files;
mod listener;
mod lists;
mod load;
mod policy;
mod rates;
mod rules;
mod settings;
mod streams;
mod template;
mod webhooks;

pub use diagnostic::{Diagnostic, Place, nearest};
pub use lists::read_list;
pub use settings::read_kafka;
pub use spec::*;
