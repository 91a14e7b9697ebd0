//! Events and state to decisions: one pure synchronous call per batch. No clock, no chance, no IO but what [`features::Cold`] and
//! [`Ids`] bring; the same records in the same order give the same bytes, however they are cut into batches.

pub mod cases;
pub mod decoded;
pub mod ids;
pub mod plan;
pub mod scorer;

pub use cases::CaseResult;
pub use decoded::Decoded;
pub use ids::{Hash, Ids, Known, MemoryIds};
pub use plan::Plan;
pub use scorer::{Counts, Outcome, Outputs, Phase, Record, Scorer};
