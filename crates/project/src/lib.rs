//! Reads and renders a project folder into plain values. Every mistake is reported at once, with file, line, column and a hint.
//!
//! This crate knows what a project *says*; what it *means* (types of expressions, windows, decisions) is known by `expr`,
//! `features` and `rules`, which report their own mistakes as [`Diagnostic`]s.

pub mod diagnostic;
pub mod spec;

pub use diagnostic::{Diagnostic, Place};
pub use spec::*;
