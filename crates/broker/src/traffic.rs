//! What went through the broker since it was opened, counted for whoever shows it. Counting costs one relaxed addition a request, a
//! fetched answer or a sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Sums since the broker was opened, but for the connections, which are those of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Open connections of clients.
    pub connections: u64,
    /// Bytes of record batches that clients produced.
    pub produced_bytes: u64,
    /// Bytes of record batches that clients fetched.
    pub fetched_bytes: u64,
    /// Syncs to disk that appends waited for; appends of all partitions that wait at a time share one.
    pub syncs: u64,
    /// The time these took.
    pub sync_time: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: AtomicU64,
    produced: AtomicU64,
    fetched: AtomicU64,
    syncs: AtomicU64,
    sync_nanos: AtomicU64,
}

/// A connection; it is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Counters>);

impl Counters {
    pub(crate) fn connected(self: &Arc<Counters>) -> Connected {
        self.connections.fetch_add(1, Relaxed);
        Connected(self.clone())
    }

    pub(crate) fn produced(&self, bytes: usize) {
        self.produced.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn fetched(&self, bytes: usize) {
        self.fetched.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn synced(&self, begun: Instant) {
        self.syncs.fetch_add(1, Relaxed);
        self.sync_nanos.fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
    }

    pub(crate) fn now(&self) -> Traffic {
        Traffic {
            connections: self.connections.load(Relaxed),
            produced_bytes: self.produced.load(Relaxed),
            fetched_bytes: self.fetched.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            sync_time: Duration::from_nanos(self.sync_nanos.load(Relaxed)),
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}
