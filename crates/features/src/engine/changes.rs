//! How a change reaches the snapshots: what the one being taken has yet to hold is encoded before it changes, and what leaves is
//! noted for the next one.
//!
//! Both go by chunk, not by entity: one of a million events is encoded a few records at a time like any other, and an event
//! that changes it in the meantime encodes the one chunk that it changes.

use super::chunk::{Chunk, Layout};
use super::codec;
use super::entity::{Entity, Header, Horizon};
use crate::plan::Group;
use crate::snapshot::{Snapshot, record_key};

/// Keys of records to delete, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

impl Gone {
    pub(crate) fn push(&mut self, group: &Group, entity: &[u8], rank: u64) {
        record_key(group.digest, entity, rank, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }
}

/// What an entity needs to know to change.
pub(crate) struct Changes<'a> {
    pub(crate) group: &'a Group,
    pub(crate) layout: &'a Layout,
    /// The generation that changes belong to now.
    pub(crate) generation: u32,
    /// The snapshot being taken, of the generation before.
    pub(crate) taking: Option<&'a mut Snapshot>,
    /// Records to delete in the next snapshot.
    pub(crate) gone: &'a mut Gone,
    pub(crate) horizon: Horizon,
}

impl Changes<'_> {
    /// A chunk of this entity is about to change.
    pub(crate) fn before(&mut self, key: &[u8], chunk: &mut Chunk) {
        self.keep(key, chunk);
        chunk.changed_in = self.generation;
    }

    /// A chunk of this entity is about to leave its log.
    pub(crate) fn leaves(&mut self, key: &[u8], chunk: &mut Chunk) {
        self.keep(key, chunk);
        if chunk.stored {
            self.gone.push(self.group, key, chunk.rank);
        }
    }

    /// Encodes a chunk that the snapshot being taken has yet to hold.
    pub(crate) fn keep(&mut self, key: &[u8], chunk: &mut Chunk) {
        if let Some(snapshot) = self.taking.as_deref_mut()
            && is_due(chunk, snapshot)
        {
            encode_chunk(self.group, self.layout, key, chunk, snapshot);
        }
    }
}

/// Whether a chunk has yet to be encoded for a snapshot, if its entity is of it.
fn is_due(chunk: &Chunk, snapshot: &Snapshot) -> bool {
    chunk.changed_in != 0 && chunk.changed_in <= snapshot.id
}

/// Encodes the header of an entity if it belongs to this snapshot and was not encoded before, with its chunk where it has only one.
/// Else its chunks remain, for [`encode_chunks`].
pub(crate) fn encode_header(group: &Group, layout: &Layout, entity: &mut Entity, snapshot: &mut Snapshot) {
    if entity.changed_in != snapshot.id || entity.encoded_in == snapshot.id {
        return;
    }
    entity.encoded_in = snapshot.id;
    let slab = snapshot.slab();
    record_key(group.digest, &entity.key, 0, &mut slab.bytes);
    let key_end = slab.bytes.len();
    codec::encode_header(layout, entity, expires(group, entity.log.last_time()), &mut slab.bytes);
    slab.put(key_end);
    if entity.log.chunks.len() != 1 {
        entity.header = Header::Apart;
        entity.unfinished = true;
        return;
    }
    entity.header = Header::Whole;
    for chunk in entity.log.chunks.iter_mut() {
        if chunk.stored {
            record_key(group.digest, &entity.key, chunk.rank, &mut snapshot.gone);
            snapshot.deletes.push(snapshot.gone.len());
        }
        chunk.stored = false;
        chunk.changed_in = 0;
    }
}

/// Encodes up to `most` chunks that have yet to be, from one of rank `from` on. Returns how many chunks it looked at and the rank to
/// go on from, or `None` when all are encoded.
pub(crate) fn encode_chunks(
    group: &Group,
    layout: &Layout,
    entity: &mut Entity,
    from: u64,
    most: usize,
    snapshot: &mut Snapshot,
) -> (usize, Option<u64>) {
    let chunks = &mut entity.log.chunks;
    let start = chunks.partition_point(|chunk| chunk.rank < from);
    // Looking at one that need not be encoded costs little, but not nothing.
    let (mut cost, mut at) = (0, start);
    while at < chunks.len() {
        if cost >= most.saturating_mul(CLEAN) {
            return ((cost / CLEAN).max(1), Some(chunks[at].rank));
        }
        let chunk = &mut chunks[at];
        if is_due(chunk, snapshot) {
            encode_chunk(group, layout, &entity.key, chunk, snapshot);
            cost += CLEAN;
        } else {
            cost += 1;
        }
        at += 1;
    }
    entity.unfinished = false;
    ((cost / CLEAN).max(1), None)
}

/// As many chunks that need not be encoded cost as much as one that must.
const CLEAN: usize = 32;

fn encode_chunk(group: &Group, layout: &Layout, key: &[u8], chunk: &mut Chunk, snapshot: &mut Snapshot) {
    let slab = snapshot.slab();
    record_key(group.digest, key, chunk.rank, &mut slab.bytes);
    let key_end = slab.bytes.len();
    codec::encode_chunk(layout, chunk, expires(group, chunk.last), &mut slab.bytes);
    slab.put(key_end);
    chunk.stored = true;
    chunk.changed_in = 0;
}

fn expires(group: &Group, last: i64) -> i64 {
    let stays = group.folds || group.kept_rows > 0;
    if stays { i64::MAX } else { last.saturating_add(group.reach).min(i64::MAX - 1) }
}
