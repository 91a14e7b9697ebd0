//! The lake: Delta tables in a folder or an object store, and the SQL session over them.
//!
//! A [`Lake`] is a place that holds tables as `SCHEMA/TABLE` (`bronze/transactions`). An [`Appender`] lands records of topics in one of them,
//! exactly once, with the positions in the same table version. [`Lake::session`] gives SQL over all of them and [`Lake::write`] puts the
//! result of a query into one, in one version. [`upkeep`] keeps files few and the log short.
//!
//! Nothing here knows a topic's meaning, a rule or a store.

mod appender;
mod catalog;
mod error;
#[cfg(test)]
mod faulty;
mod name;
mod place;
mod protocol;
mod rows;
mod schema;
pub mod upkeep;
mod write;

pub use appender::{Appended, Appender, Move};
pub use catalog::Session;
pub use datafusion;
pub use name::TableName;
pub use place::Lake;
pub use rows::{At, Rows, record_batch};
pub use schema::{Column, EVENT_DATE, TableSchema, of_stream, own_columns};
pub use write::{Mode, Written};
