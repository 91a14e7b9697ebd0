//! Appending to several partitions as one: all their locks are taken in one order, everything is staged before any
//! of it counts, and one commit holds back all high watermarks until every partition is on disk.

use std::sync::Arc;

use parking_lot::MutexGuard;

use super::commit::{Commit, Durable};
use super::partition::{Inner, Origin, Partition, enqueue};
use crate::error::{Error, Result};
use crate::records::{Batch, BatchHeader};

/// The batches that a group appends to one partition.
pub(crate) struct GroupPart {
    pub(crate) partition: Arc<Partition>,
    pub(crate) batches: Vec<Batch>,
}

/// Appends to several partitions at once: all or nothing is written, the syncs run in parallel, and the high
/// watermarks rise, in the order given, when all parts and everything before the `after` offsets are on disk.
/// Returns the base offsets of each part's batches.
pub(crate) fn append_group(parts: &[GroupPart], after: &[(Arc<Partition>, i64)]) -> Result<(Vec<Vec<i64>>, Durable)> {
    // One lock order for everyone: by address.
    let mut all: Vec<&Arc<Partition>> = parts.iter().map(|p| &p.partition).chain(after.iter().map(|(p, _)| p)).collect();
    all.sort_by_key(|partition| Arc::as_ptr(partition));
    all.dedup_by_key(|partition| Arc::as_ptr(partition));
    let mut locked: Vec<MutexGuard<'_, Inner>> = all.iter().map(|partition| partition.inner.lock()).collect();
    let place =
        |partition: &Arc<Partition>| all.binary_search_by_key(&Arc::as_ptr(partition), |other| Arc::as_ptr(other)).expect("locked above");
    let mut seen = vec![false; all.len()];
    for part in parts {
        let at = place(&part.partition);
        if std::mem::replace(&mut seen[at], true) || part.batches.is_empty() {
            return Err(Error::InvalidArgument("a group names each partition once, with at least one batch".into()));
        }
        for batch in &part.batches {
            part.partition.check(&locked[at], batch, Origin::Local)?;
            if batch.header().producer_id >= 0 {
                return Err(Error::InvalidArgument("batches of a group carry no producer id".into()));
            }
        }
    }
    for (partition, offset) in after {
        let inner = &locked[place(partition)];
        partition.check_alive(inner)?;
        if *offset > inner.log_end {
            return Err(Error::OffsetOutOfRange { offset: *offset, log_start: inner.log_start, log_end: inner.log_end });
        }
    }
    let mut staged: Vec<Vec<BatchHeader>> = Vec::with_capacity(parts.len());
    for part in parts {
        let inner = &mut locked[place(&part.partition)];
        match part.partition.stage(inner, &part.batches) {
            Ok(headers) => staged.push(headers),
            Err(error) => {
                for done in &parts[..staged.len()] {
                    done.partition.unstage(&mut locked[place(&done.partition)]);
                }
                return Err(error);
            }
        }
    }
    let unsynced =
        |locked: &[MutexGuard<'_, Inner>]| after.iter().filter(|(partition, offset)| locked[place(partition)].synced < *offset).count();
    let syncing = parts.iter().filter(|part| part.partition.options.sync).count();
    let waits = syncing + unsynced(&locked);
    let held = parts.iter().map(|part| part.partition.clone()).collect();
    let (commit, mut durable) = Commit::new(waits, held);
    for (part, headers) in parts.iter().zip(&staged) {
        let partition = &part.partition;
        let inner = &mut locked[place(partition)];
        partition.apply(inner, headers);
        if waits > 0 {
            inner.holds.insert(commit.id, headers[0].base_offset);
        }
        if partition.options.sync {
            let end = inner.log_end;
            enqueue(inner, end, commit.clone());
        } else {
            inner.synced = inner.log_end;
        }
    }
    for (partition, offset) in after {
        let inner = &mut locked[place(partition)];
        if inner.synced < *offset {
            enqueue(inner, *offset, commit.clone());
        }
    }
    if waits == 0 {
        durable = Durable::already();
    }
    let mut submit = Vec::new();
    let mut rises = Vec::new();
    for part in parts {
        let inner = &mut locked[place(&part.partition)];
        if part.partition.schedule(inner) {
            submit.push(part.partition.clone());
        }
        rises.push(inner.raise());
    }
    drop(locked);
    for (part, rises) in parts.iter().zip(rises) {
        part.partition.wake(rises);
    }
    if let Some(first) = submit.first() {
        first.syncer.clone().submit_all(submit);
    }
    Ok((staged.iter().map(|headers| headers.iter().map(|h| h.base_offset).collect()).collect(), durable))
}
