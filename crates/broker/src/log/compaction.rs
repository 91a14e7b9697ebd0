//! Compaction: a record is removed once a later one has the same key, and a tombstone some time after. One pass reads
//! what is new, remembers the last offset of each key in it, and writes the closed segments again without what is
//! superseded; appends and reads go on meanwhile. The active segment, what readers of our own have not read, and open
//! transactions are left alone. Offsets never change; transaction markers stay.
//!
//! A crash leaves, for every segment, the old content or the new, and both are right: see [`super::swap`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;

use super::partition::{Inner, Partition};
use super::producers::AbortedTransaction;
use super::segment::{Extent, Segment, now_ms};
use super::{sidecar, swap};
use crate::error::{Error, Result};
use crate::files::SegmentFile;
use crate::records::{Batch, Record};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Memory that the keys of one pass may take, about; what is beyond comes with the next pass.
const MOST_KEY_BYTES: usize = 64 << 20;
/// What a key costs beyond its bytes, about.
const KEY_OVERHEAD_BYTES: usize = 48;

/// When a log is compacted, and what stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CompactionRules {
    /// The share of the closed segments that must be new.
    pub(crate) dirty_ratio: f64,
    /// How long a tombstone stays after it was first seen.
    pub(crate) delete_retention_ms: u64,
    /// Segments appended to since are left alone.
    pub(crate) min_lag_ms: u64,
    /// New segments older than this are compacted whatever their share.
    pub(crate) max_lag_ms: u64,
}

/// How far a log has been compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Compacted {
    /// Offset before which no key stands twice.
    pub(super) to: i64,
    /// When the next tombstone may go, milliseconds; unknown after a start.
    pub(super) next_horizon_ms: Option<i64>,
    /// A pass is under way.
    pub(super) running: bool,
}

/// What one pass works on.
struct Plan {
    segments: Vec<Arc<Segment>>,
    compacted_to: i64,
    aborted: Vec<AbortedTransaction>,
}

/// Last offset of each key.
struct Latest {
    offsets: FxHashMap<Vec<u8>, i64>,
    /// Offset before which every key was taken in.
    end: i64,
}

impl Partition {
    /// One pass, if it is due; tells whether it was. Blocks on the disk.
    pub(crate) fn compact(self: &Arc<Self>, rules: &CompactionRules) -> Result<bool> {
        let now = now_ms();
        let plan = {
            let mut inner = self.inner.lock();
            self.check_alive(&inner)?;
            if inner.compacted.running {
                return Ok(false);
            }
            self.roll_if_idle(&mut inner, rules, now)?;
            let Some(plan) = plan(&inner, rules, now) else { return Ok(false) };
            inner.compacted.running = true;
            plan
        };
        let done = self.run(&plan, rules, now);
        let mut inner = self.inner.lock();
        inner.compacted.running = false;
        let (to, next_horizon_ms) = done?;
        inner.compacted = Compacted { to, next_horizon_ms, running: false };
        Ok(true)
    }

    /// Closes an active segment that is due to be compacted and that no append closes.
    fn roll_if_idle(self: &Arc<Self>, inner: &mut Inner, rules: &CompactionRules, now: u64) -> Result<()> {
        let age = now.saturating_sub(inner.active().opened_ms);
        if inner.active().size() > 0 && age >= self.options.settings.segment_ms().min(rules.max_lag_ms) {
            self.roll(inner)?;
            if self.schedule(inner) {
                self.syncer.submit(self.clone());
            }
        }
        Ok(())
    }

    fn run(&self, plan: &Plan, rules: &CompactionRules, now: u64) -> Result<(i64, Option<i64>)> {
        let latest = latest(plan)?;
        self.syncer.retire_wal()?;
        swap::allow_gaps(&self.dir, plan.compacted_to, latest.end)?;
        let mut pass = Pass { partition: self, plan, latest: &latest, rules, now_ms: now as i64, next_horizon_ms: None };
        for group in groups(&plan.segments, latest.end, self.options.settings.segment_bytes()) {
            pass.rewrite(group)?;
        }
        let next_horizon_ms = pass.next_horizon_ms;
        swap::done(&self.dir, latest.end)?;
        Ok((latest.end, next_horizon_ms))
    }
}

fn plan(inner: &Inner, rules: &CompactionRules, now: u64) -> Option<Plan> {
    let bound = inner.keep_from();
    let ready = |segment: &&Arc<Segment>| {
        let settled = now.saturating_sub(segment.appended_ms.load(Ordering::Relaxed)) >= rules.min_lag_ms;
        // A sidecar tells that the segment is closed and on disk.
        settled && segment.next_offset() <= bound && sidecar::exists(&segment.path)
    };
    let closed = inner.segments.iter().take(inner.segments.len() - 1);
    let segments: Vec<_> = closed.take_while(ready).cloned().collect();
    let is_dirty = |segment: &&Arc<Segment>| segment.next_offset() > inner.compacted.to;
    let bytes: u64 = segments.iter().map(|segment| segment.size()).sum();
    let dirty: u64 = segments.iter().filter(is_dirty).map(|segment| segment.size()).sum();
    let oldest = segments.iter().find(is_dirty).map(|segment| segment.appended_ms.load(Ordering::Relaxed));
    let worthwhile = dirty > 0 && dirty as f64 >= rules.dirty_ratio * bytes as f64;
    let overdue = oldest.is_some_and(|appended| now.saturating_sub(appended) >= rules.max_lag_ms);
    let tombstones = inner.compacted.next_horizon_ms.is_some_and(|horizon| horizon <= now as i64);
    if !(worthwhile || overdue || tombstones) {
        return None;
    }
    let end = segments.last()?.next_offset();
    Some(Plan { compacted_to: inner.compacted.to, aborted: inner.producers.aborted_between(inner.log_start, end), segments })
}

impl Plan {
    fn is_aborted(&self, batch: &Batch) -> bool {
        let header = batch.header();
        let covers = |txn: &AbortedTransaction| {
            txn.producer_id == header.producer_id && (txn.first_offset..=txn.last_offset).contains(&header.base_offset)
        };
        header.is_transactional() && self.aborted.iter().any(covers)
    }
}

/// Calls `each` with the batches of a segment from the one that holds `from` on, until it says false.
fn batches(segment: &Segment, from: i64, mut each: impl FnMut(Batch) -> Result<bool>) -> Result<()> {
    let mut next = from.max(segment.base_offset);
    loop {
        let chunk = segment.read(next, i64::MAX, CHUNK_BYTES)?;
        let Some(last) = chunk.headers.last() else { return Ok(()) };
        next = last.last_offset() + 1;
        let mut rest = chunk.bytes;
        for header in chunk.headers {
            if !each(Batch::trusted(rest.split_to(header.total_bytes()), header))? {
                return Ok(());
            }
        }
    }
}

/// The last offset of each key in what is new, as far as memory goes.
fn latest(plan: &Plan) -> Result<Latest> {
    let mut latest = Latest { offsets: FxHashMap::default(), end: plan.compacted_to };
    let mut bytes = 0;
    for segment in plan.segments.iter().filter(|segment| segment.next_offset() > plan.compacted_to) {
        batches(segment, plan.compacted_to, |batch| {
            if !batch.header().is_control() && !plan.is_aborted(&batch) {
                for record in &batch.records()? {
                    let record = record?;
                    let Some(key) = record.key else { continue };
                    if let Some(offset) = latest.offsets.get_mut(key) {
                        *offset = record.offset;
                    } else {
                        bytes += key.len() + KEY_OVERHEAD_BYTES;
                        latest.offsets.insert(key.to_vec(), record.offset);
                    }
                }
            }
            latest.end = batch.last_offset() + 1;
            Ok(bytes < MOST_KEY_BYTES)
        })?;
        if bytes >= MOST_KEY_BYTES {
            return Ok(latest);
        }
        latest.end = segment.next_offset();
    }
    Ok(latest)
}

/// Neighbouring segments that fit into one together.
fn groups(segments: &[Arc<Segment>], end: i64, segment_bytes: u64) -> Vec<&[Arc<Segment>]> {
    let count = segments.partition_point(|segment| segment.base_offset < end);
    let mut rest = &segments[..count];
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|segment| {
            bytes += segment.size();
            bytes <= segment_bytes
        });
        let (group, after) = rest.split_at(fits.count().max(1));
        groups.push(group);
        rest = after;
    }
    groups
}

struct Pass<'a> {
    partition: &'a Partition,
    plan: &'a Plan,
    latest: &'a Latest,
    rules: &'a CompactionRules,
    now_ms: i64,
    next_horizon_ms: Option<i64>,
}

impl Pass<'_> {
    /// Writes a group of segments again as one, if anything in it is superseded.
    fn rewrite(&mut self, group: &[Arc<Segment>]) -> Result<()> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
        let path = swap::cleaned_path(&first.path);
        swap::remove_file(&path)?;
        let file = self.partition.files.open(&path).map_err(|e| Error::io("create", &path, e))?;
        let mut output = Output { file, path, extent: Extent::empty(first.base_offset), buffer: Vec::new(), changed: group.len() > 1 };
        for segment in group {
            batches(segment, segment.base_offset, |batch| {
                match self.retained(&batch)? {
                    Some(kept) => output.put(&kept, kept.bytes() == batch.bytes())?,
                    None => output.changed = true,
                }
                Ok(true)
            })?;
        }
        output.extent.next_offset = last.next_offset();
        if !output.changed {
            return swap::remove_file(&output.path);
        }
        let appended_ms = group.iter().map(|segment| segment.appended_ms.load(Ordering::Relaxed)).max().unwrap_or_default();
        output.finish(appended_ms)?;
        swap::replace(self.partition, group, output.extent, self.plan.compacted_to, self.latest.end)
    }

    /// What stays of a batch.
    fn retained(&mut self, batch: &Batch) -> Result<Option<Batch>> {
        let header = batch.header();
        if header.is_control() || header.base_offset >= self.latest.end {
            return Ok(Some(batch.clone()));
        }
        if self.plan.is_aborted(batch) {
            return Ok(None);
        }
        let horizon = header.delete_horizon_ms().unwrap_or(self.now_ms.saturating_add_unsigned(self.rules.delete_retention_ms));
        let (latest, now_ms) = (self.latest, self.now_ms);
        let keep = |record: &Record<'_>| {
            let Some(key) = record.key.filter(|_| record.offset < latest.end) else { return true };
            let superseded = latest.offsets.get(key).is_some_and(|offset| *offset > record.offset);
            !superseded && (record.value.is_some() || horizon > now_ms)
        };
        // Whether a tombstone stays decides what the header says, so it has to be known first.
        let mut tombstones = false;
        for record in &batch.records()? {
            let record = record?;
            tombstones |= record.value.is_none() && record.key.is_some() && record.offset < latest.end && keep(&record);
        }
        let marked = tombstones.then_some(horizon);
        if let Some(horizon) = marked {
            self.next_horizon_ms = Some(self.next_horizon_ms.map_or(horizon, |next| next.min(horizon)));
        }
        batch.retain(marked, keep)
    }
}

/// A segment being written.
struct Output {
    file: Arc<dyn SegmentFile>,
    path: PathBuf,
    extent: Extent,
    buffer: Vec<u8>,
    changed: bool,
}

impl Output {
    fn put(&mut self, batch: &Batch, same: bool) -> Result<()> {
        self.changed |= !same;
        self.extent.grow(batch.header());
        self.buffer.extend_from_slice(batch.bytes());
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&[&self.buffer]).map_err(|e| Error::io("append to", &self.path, e))?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Makes it durable, with the age of what it replaces.
    fn finish(&mut self, appended_ms: u64) -> Result<()> {
        self.flush()?;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(appended_ms);
        let times = std::fs::File::options().append(true).open(&self.path).and_then(|file| file.set_modified(modified));
        times.map_err(|e| Error::io("date", &self.path, e))?;
        self.file.sync().map_err(|e| Error::io("sync", &self.path, e))
    }
}
