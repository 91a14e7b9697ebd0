//! The way of the data through the scorer: records are taken from many partitions in an order that is itself written (the
//! *sequence*), handed to a [`Stage`], and what it makes becomes durable together with its place in the sequence.
//!
//! The seams are [`Source`], [`Sink`], [`Stage`] and [`Clock`]; [`memory`] implements the log's two in memory, [`suite`] is what
//! every implementation must pass. Nothing here knows fraud, a store, or what a record means.

pub mod entry;
mod lane;
pub mod memory;
pub mod replay;
pub mod run;
pub mod seams;
pub mod sequencer;
mod snapshots;
pub mod suite;

pub use entry::{Entry, Run};
pub use replay::{replay, resume};
pub use run::{Handle, Mark, Options, Progress, run};
pub use seams::{
    Batch, Clock, Input, Outgoing, Output, Preparer, Rank, Record, Sink, SnapshotStep, Source, Stage, SystemClock, Taken, Ticket,
};
pub use sequencer::Sequencer;
