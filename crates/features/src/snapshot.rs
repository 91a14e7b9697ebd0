//! How state goes to disk and comes back: a snapshot holds what changed since the one before, and [`Cold`] answers for one entity.

use crate::plan::GroupDigest;
use domain::{Micros, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where entities are that memory does not hold.
pub trait Cold: Send {
    /// Calls `each` with the rank and value of every record of an entity, ranks ascending; says whether there were any.
    fn load(&mut self, group: GroupDigest, entity: &[u8], each: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<bool>;

    /// Whether there may be any entity of this group at all: asked once at the start, so that a new group asks for nothing.
    fn holds(&mut self, group: GroupDigest) -> Result<bool>;
}

/// What changed up to a place in the sequence. Committed as one: deletes first, then puts, then `meta`.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Handed back through `Engine::snapshot_done` once durable.
    pub id: u32,
    /// The last sequence number it holds.
    pub sequence: u64,
    /// What `Engine::restore` needs beside the records: the greatest event time of each stream.
    pub meta: Vec<u8>,
    /// The greatest event time of the judged stream, and that minus its lateness: what expires before the latter is of no use
    /// once this snapshot is durable. `None` while there was no judged event.
    pub greatest: Option<Micros>,
    pub floor: Option<Micros>,
    pub(crate) slabs: Vec<Slab>,
    pub(crate) gone: Vec<u8>,
    /// Ends of keys in `gone`.
    pub(crate) deletes: Vec<usize>,
}

/// Some of the records of a snapshot. Of bounded size, so that none ever has to be moved to a larger place, which would be a pause that
/// grows with the state.
#[derive(Debug, Default)]
pub(crate) struct Slab {
    pub(crate) bytes: Vec<u8>,
    /// (end of key, end of value) in `bytes`; each starts where the one before ends.
    pub(crate) puts: Vec<(usize, usize)>,
}

/// A slab takes records until it holds this many bytes.
const SLAB: usize = 256 << 10;

impl Slab {
    /// A record stands at the end of `bytes`, its key up to `key_end`.
    pub(crate) fn put(&mut self, key_end: usize) {
        self.puts.push((key_end, self.bytes.len()));
    }
}

impl Snapshot {
    /// Where the next record goes.
    pub(crate) fn slab(&mut self) -> &mut Slab {
        if self.slabs.last().is_none_or(|slab| slab.bytes.len() >= SLAB) {
            self.slabs.push(Slab { bytes: Vec::with_capacity(SLAB + SLAB / 8), puts: Vec::new() });
        }
        let last = self.slabs.len() - 1;
        &mut self.slabs[last]
    }

    /// (key, value) of each record to put; see [`record_key`].
    pub fn puts(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.slabs.iter().flat_map(|slab| {
            let mut start = 0;
            slab.puts.iter().map(move |&(key, value)| {
                let record = (&slab.bytes[start..key], &slab.bytes[key..value]);
                start = value;
                record
            })
        })
    }

    /// Keys of the records to delete, before the puts.
    pub fn deletes(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.deletes.iter().map(move |&end| {
            let key = &self.gone[start..end];
            start = end;
            key
        })
    }

    /// Bytes of keys and values to put.
    pub fn size(&self) -> usize {
        self.slabs.iter().map(|slab| slab.bytes.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.slabs.is_empty() && self.deletes.is_empty()
    }
}

/// Key of a record: group digest, entity, rank (big endian, so that an entity's records stand together in order). No entity's
/// bytes begin with another's of the same group.
pub fn record_key(group: GroupDigest, entity: &[u8], rank: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&group.0);
    out.extend_from_slice(entity);
    out.extend_from_slice(&rank.to_be_bytes());
}

/// State in memory: for tests, and for judging files without a service.
#[derive(Clone, Debug, Default)]
pub struct MemoryCold {
    records: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

impl MemoryCold {
    pub fn commit(&self, snapshot: &Snapshot) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        for key in snapshot.deletes() {
            records.remove(key);
        }
        for (key, value) in snapshot.puts() {
            records.insert(key.to_vec(), value.to_vec());
        }
    }

    /// Forgets a group that no version uses any more.
    pub fn clear(&self, group: GroupDigest) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| !key.starts_with(&group.0));
    }

    /// How many records stand in it.
    pub fn len(&self) -> usize {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Cold for MemoryCold {
    fn load(&mut self, group: GroupDigest, entity: &[u8], each: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<bool> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut from, mut to) = (Vec::new(), Vec::new());
        record_key(group, entity, 0, &mut from);
        record_key(group, entity, u64::MAX, &mut to);
        let mut any = false;
        for (key, value) in records.range(from..=to) {
            let mut rank = [0; 8];
            rank.copy_from_slice(&key[key.len() - 8..]);
            any = true;
            each(u64::from_be_bytes(rank), value)?;
        }
        Ok(any)
    }

    fn holds(&mut self, group: GroupDigest) -> Result<bool> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.range(group.0.to_vec()..).next().is_some_and(|(key, _)| key.starts_with(&group.0)))
    }
}
