//! The embedded single-node broker: Kafka's protocol over our own segment files. Knows no fraud and no pipeline.
//!
//! ```text
//! clients --socket--> server --+--> coordinator (groups, transactions) --> journal --+
//!                              |                                                     v
//! in-process callers --> Broker +--------------------------------------> log (partition, segments, syncer, write-ahead log)
//! ```
//! `records` is the batch format, `log` one partition, `topics` all of them, `journal` the broker's own durable
//! state, `coordinator` consumer groups and transactions, `server` the wire, `security` who may use it. What is acknowledged is on disk; what
//! is visible is on disk; order within a partition is the order of appends.

// `fuzzing` is set by cargo-fuzz alone.
#![allow(unexpected_cfgs)]

mod broker;
mod config;
mod coordinator;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod journal;
mod log;
pub mod records;
mod security;
mod server;
mod settings;
mod topics;
mod traffic;

pub use broker::{Appended, Broker, GroupAppended, TopicInfo, TopicPartition};
pub use config::{Cleanup, Config, Limits, TimestampType, TopicConfig};
pub use error::{Error, Result};
pub use files::{DiskFiles, Files, FixedFile, SegmentFile};
pub use log::{AbortedTransaction, Durable, Fetched, Isolation, Subscription, Watermarks};
pub use records::{Batch, BatchBuilder, Compression};
pub use security::{Authentication, Grants, Hash, Mechanism, Pattern, ScramSecret, Security, Tls, User, Users};
pub use traffic::Traffic;
