//! Exact sliding windows per entity: SQL window files are compiled to a [`Plan`], which an [`Engine`] keeps up to date event by
//! event, with snapshot and restore.
//!
//! Order is (event time, sequence), frames are inclusive at both ends, and an event is judged over what stood before it in the
//! sequence. Nothing here knows a clock, a runtime or a disk: state leaves as [`Snapshot`]s and comes back through [`Cold`].

mod compile;
mod engine;
mod plan;
pub mod reference;
mod snapshot;
mod sql;
mod wide;

pub use compile::compile;
pub use engine::{Engine, GroupStats, Input, Rows, Stats, expires, has_chunks};
pub use plan::{Column, FeatureInfo, Group, GroupDigest, Plan};
pub use snapshot::{Cold, MemoryCold, Snapshot, record_key};
