//! The log of one partition: a folder of segment files, appended to by one lock holder at a time, synced in
//! groups by a small pool of threads, and read by anyone up to the watermark its isolation allows.

mod commit;
mod compaction;
mod group;
mod listener;
mod maintenance;
mod partition;
mod producers;
mod read;
mod recovery;
mod segment;
mod sidecar;
mod swap;
mod syncer;
#[cfg(test)]
mod tests;
mod wal;

pub use commit::Durable;
pub(crate) use compaction::CompactionRules;
pub(crate) use group::{GroupPart, append_group};
pub use listener::Subscription;
pub(crate) use partition::{LEADER_EPOCH, Origin, Partition, PartitionAppend, PartitionOptions};
pub use producers::AbortedTransaction;
pub(crate) use read::RawFetch;
pub use read::{Fetched, Isolation, Watermarks};
pub(crate) use segment::now_ms;
pub(crate) use syncer::Syncer;
pub(crate) use wal::Wal;
