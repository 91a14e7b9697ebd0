//! Files to records: reads CSV, JSON lines and Parquet row by row, gives each row the names and types of a stream, and hands back
//! what cannot be turned into a record with the reason. Memory is bounded whatever the file's size, and reading can go on from a
//! place noted before.
//!
//! ```text
//! spec (imports/NAME.yml) ─┐
//! file ─> csv | json_lines | parquet ─> cells ─> cell: a JSON value of the field's type ─> reader: decoded once, so what
//!                                                comes out is known to fit the stream
//! ```

pub mod reader;
pub mod spec;

mod cell;
mod csv;
mod json_lines;
mod lines;
mod parquet;
mod times;

pub use reader::{BadRow, Place, Progress, Reader, Record, Row};
pub use spec::{DateOrder, Format, ImportSpec};
