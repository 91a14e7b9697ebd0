//! A partition: appends under one lock, in order; syncs outside it, in groups; the high watermark follows the disk.
//! A failed sync fails the partition until the broker is restarted, because the kernel may have dropped the pages.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::commit::{Commit, Durable};
use super::compaction::Compacted;
use super::listener::Listener;
use super::producers::{AbortedTransaction, Checked, ProducerInfo, Producers};
use super::read::Watermarks;
use super::recovery;
use super::segment::{Segment, now_ms};
use super::sidecar;
use super::syncer::Syncer;
use super::wal::Unsynced;
use crate::error::{Error, Result};
use crate::files::{Files, sync_dir};
use crate::records::{Batch, BatchHeader, PREFIX_BYTES, control_batch};
use crate::settings::LogSettings;

/// The one leader epoch there is: a single node never changes leaders.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// How a partition stores.
#[derive(Debug, Clone)]
pub(crate) struct PartitionOptions {
    pub(crate) sync: bool,
    pub(crate) settings: Arc<LogSettings>,
    /// Tells the topic from others that had or will have its name.
    pub(crate) topic_id: Uuid,
}

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client of the wire: only data batches.
    Client,
    /// Code of this process.
    Local,
}

/// What an append did.
#[derive(Debug)]
pub(crate) struct PartitionAppend {
    /// Offset of the first record; of the first time, if the batch was a repeat.
    pub(crate) base_offset: i64,
    /// Offset of the last record.
    pub(crate) last_offset: i64,
    /// The time that the records were given, if they do not carry their producer's.
    pub(crate) append_time_ms: Option<i64>,
    pub(crate) durable: Durable,
}

/// One partition's log.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) number: i32,
    pub(super) dir: PathBuf,
    pub(super) files: Arc<dyn Files>,
    pub(super) options: PartitionOptions,
    pub(super) syncer: Arc<Syncer>,
    pub(super) inner: Mutex<Inner>,
    listeners: Mutex<Vec<Weak<Listener>>>,
}

/// The state behind the lock.
#[derive(Debug)]
pub(super) struct Inner {
    /// At least one; the last is appended to.
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) log_start: i64,
    pub(super) log_end: i64,
    /// Everything before is on disk.
    pub(super) synced: i64,
    /// Bytes of the last segment that are on disk.
    synced_bytes: u64,
    high_watermark: i64,
    /// First offsets of group appends whose other partitions are not on disk yet, by commit.
    pub(super) holds: BTreeMap<u64, i64>,
    /// Commits that wait for this partition, by the offset after their last record.
    pending: VecDeque<(i64, Arc<Commit>)>,
    pub(super) producers: Producers,
    /// Closed segments that are still to be synced, with the producers at their end.
    pub(super) unsealed: Vec<(Arc<Segment>, Producers)>,
    /// A segment was created since the folder was synced.
    dir_changed: bool,
    /// Queued at the syncer, or being synced.
    pub(super) scheduled: bool,
    pub(super) failed: Option<String>,
    /// Offsets below which named readers of our own have read everything.
    pub(super) floors: BTreeMap<String, i64>,
    pub(super) compacted: Compacted,
}

impl Inner {
    pub(super) fn recovered(segments: Vec<Arc<Segment>>, log_start: i64, log_end: i64, producers: Producers) -> Inner {
        let synced_bytes = segments.last().map_or(0, |segment| segment.size());
        Inner {
            segments: segments.into(),
            log_start,
            log_end,
            synced: log_end,
            synced_bytes,
            high_watermark: log_end,
            holds: BTreeMap::new(),
            pending: VecDeque::new(),
            producers,
            unsealed: Vec::new(),
            dir_changed: false,
            scheduled: false,
            failed: None,
            floors: BTreeMap::new(),
            compacted: Compacted::default(),
        }
    }

    pub(super) fn watermarks(&self) -> Watermarks {
        let first_open = self.producers.first_open().unwrap_or(self.log_end);
        Watermarks {
            log_start: self.log_start,
            high_watermark: self.high_watermark,
            last_stable: first_open.min(self.high_watermark),
            log_end: self.log_end,
            first_open,
        }
    }

    /// The segment that holds `offset`, or would.
    pub(super) fn segment_of(&self, offset: i64) -> Arc<Segment> {
        let at = self.segments.partition_point(|segment| segment.base_offset <= offset);
        self.segments[at.saturating_sub(1)].clone()
    }

    pub(super) fn active(&self) -> &Arc<Segment> {
        self.segments.back().expect("a log has at least one segment")
    }

    /// Raises the high watermark as far as the disk and the held groups allow; tells whether it rose.
    pub(super) fn raise(&mut self) -> bool {
        let held = self.holds.values().min().copied().unwrap_or(i64::MAX);
        let to = self.synced.min(held);
        let rises = to > self.high_watermark;
        if rises {
            self.high_watermark = to;
        }
        rises
    }
}

impl Partition {
    /// Opens the folder, recovering what is there.
    pub(crate) fn open(
        topic: Arc<str>,
        number: i32,
        dir: PathBuf,
        files: Arc<dyn Files>,
        options: PartitionOptions,
        syncer: Arc<Syncer>,
    ) -> Result<Arc<Partition>> {
        if let Some(wal) = syncer.wal() {
            wal.restore(options.topic_id, number, &dir)?;
        }
        let inner = recovery::recover(&*files, &dir)?;
        Ok(Arc::new(Partition { topic, number, dir, files, options, syncer, inner: Mutex::new(inner), listeners: Mutex::default() }))
    }

    pub(crate) fn watermarks(&self) -> Watermarks {
        self.inner.lock().watermarks()
    }

    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.inner.lock().producers.open_transactions()
    }

    pub(crate) fn settings(&self) -> &LogSettings {
        &self.options.settings
    }

    /// What is known of the producers that have written here.
    pub(crate) fn producers(&self) -> Vec<ProducerInfo> {
        self.inner.lock().producers.describe()
    }

    pub(super) fn aborted_between(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        self.inner.lock().producers.aborted_between(from, to)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.inner.lock().segments.iter().map(|s| s.size()).sum()
    }

    /// Appends one batch.
    pub(crate) fn append(self: &Arc<Self>, batch: &Batch, origin: Origin) -> Result<PartitionAppend> {
        let mut inner = self.inner.lock();
        self.check(&inner, batch, origin)?;
        if let Checked::Duplicate { base_offset, last_offset } = inner.producers.check(batch.header())? {
            let durable = self.durable_to(&mut inner, last_offset + 1)?;
            return Ok(PartitionAppend { base_offset, last_offset, append_time_ms: None, durable });
        }
        let append_time_ms = (origin == Origin::Client && self.options.settings.log_append_time()).then(|| now_ms() as i64);
        let stamped = append_time_ms.map(|now| batch.stamped(now));
        let stage = self.stage(&mut inner, std::slice::from_ref(stamped.as_ref().unwrap_or(batch)))?;
        let (base_offset, last_offset) = (stage[0].base_offset, stage[0].last_offset());
        self.apply(&mut inner, &stage);
        let durable = self.finish(inner, last_offset);
        Ok(PartitionAppend { base_offset, last_offset, append_time_ms, durable })
    }

    /// Ends a producer's transaction here by writing a marker.
    pub(crate) fn append_marker(self: &Arc<Self>, producer_id: i64, epoch: i16, commit: bool) -> Result<Durable> {
        let mut inner = self.inner.lock();
        self.check_alive(&inner)?;
        inner.producers.check_marker(producer_id, epoch)?;
        let now = now_ms() as i64;
        let batch = control_batch(producer_id, epoch, commit, now);
        let stage = self.stage(&mut inner, std::slice::from_ref(&batch))?;
        let offset = stage[0].base_offset;
        inner.active().extent.lock().grow(&stage[0]);
        inner.producers.ended(producer_id, epoch, commit, offset, now);
        inner.log_end = offset + 1;
        Ok(self.finish(inner, offset))
    }

    /// Resolves when everything before `offset` is on disk.
    pub(crate) fn durable(self: &Arc<Self>, offset: i64) -> Result<Durable> {
        self.durable_to(&mut self.inner.lock(), offset)
    }

    fn durable_to(&self, inner: &mut Inner, offset: i64) -> Result<Durable> {
        if inner.synced >= offset {
            return Ok(Durable::already());
        }
        self.check_alive(inner)?;
        let (commit, durable) = Commit::new(1, Vec::new());
        enqueue(inner, offset, commit);
        Ok(durable)
    }

    pub(super) fn check_alive(&self, inner: &Inner) -> Result<()> {
        match &inner.failed {
            Some(cause) => Err(Error::PartitionFailed { partition: format!("{}/{}", self.topic, self.number), cause: cause.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn check(&self, inner: &Inner, batch: &Batch, origin: Origin) -> Result<()> {
        self.check_alive(inner)?;
        let (header, limit) = (batch.header(), self.options.settings.max_batch_bytes());
        if batch.bytes().len() > limit {
            return Err(Error::TooLarge { size: batch.bytes().len(), limit });
        }
        if header.record_count < 1 || i64::from(header.last_offset_delta) != i64::from(header.record_count) - 1 {
            return Err(Error::InvalidBatch(format!(
                "{} records with a last offset delta of {}",
                header.record_count, header.last_offset_delta
            )));
        }
        if header.is_control() {
            return Err(Error::InvalidBatch("control batches are written by the broker alone".into()));
        }
        if origin == Origin::Client && header.is_log_append_time() {
            return Err(Error::InvalidBatch("record timestamps must be create times".into()));
        }
        header.compression().map(|_| ())
    }

    /// Writes the batches behind the log's end without making them part of it; takes the bytes back on failure.
    /// Returns the headers as they would be.
    pub(super) fn stage(&self, inner: &mut Inner, batches: &[Batch]) -> Result<Vec<BatchHeader>> {
        let bytes: u64 = batches.iter().map(|batch| batch.bytes().len() as u64).sum();
        self.roll_if_due(inner, bytes)?;
        let mut next = inner.log_end;
        let mut headers = Vec::with_capacity(batches.len());
        let mut prefixes = Vec::with_capacity(batches.len());
        for batch in batches {
            let mut header = *batch.header();
            header.base_offset = next;
            header.leader_epoch = LEADER_EPOCH;
            next = header.last_offset() + 1;
            let mut prefix = [0; PREFIX_BYTES + 4];
            prefix[..8].copy_from_slice(&header.base_offset.to_be_bytes());
            prefix[8..12].copy_from_slice(&header.batch_length.to_be_bytes());
            prefix[12..].copy_from_slice(&LEADER_EPOCH.to_be_bytes());
            headers.push(header);
            prefixes.push(prefix);
        }
        let segment = inner.active().clone();
        let written = match batches {
            [batch] => segment.file.append(&[&prefixes[0], &batch.bytes()[PREFIX_BYTES + 4..]]),
            _ => {
                let mut parts: Vec<&[u8]> = Vec::with_capacity(batches.len() * 2);
                for (prefix, batch) in prefixes.iter().zip(batches) {
                    parts.push(prefix);
                    parts.push(&batch.bytes()[PREFIX_BYTES + 4..]);
                }
                segment.file.append(&parts)
            }
        };
        if let Err(cause) = written {
            let error = Error::io("append to", &segment.path, cause);
            self.unstage(inner);
            return Err(error);
        }
        Ok(headers)
    }

    /// Takes back what was staged.
    pub(super) fn unstage(&self, inner: &mut Inner) {
        let segment = inner.active().clone();
        let size = segment.size();
        if let Err(cause) = segment.file.truncate(size) {
            inner.failed = Some(format!("cannot take back a partial write of {}: {cause}", segment.path.display()));
            tracing::error!(path = %segment.path.display(), %cause, "cannot take back a partial write");
        }
    }

    /// Makes staged data batches part of the log.
    pub(super) fn apply(&self, inner: &mut Inner, staged: &[BatchHeader]) {
        let now = now_ms();
        let segment = inner.active().clone();
        let mut extent = segment.extent.lock();
        for header in staged {
            extent.grow(header);
            inner.producers.appended(header, now as i64);
            inner.log_end = header.last_offset() + 1;
        }
        segment.set_verified(extent.size);
        segment.appended_ms.store(now, Ordering::Relaxed);
    }

    /// Ends an append of one partition: registers for the sync, lets go of the lock, wakes readers.
    fn finish(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, last_offset: i64) -> Durable {
        let durable = if self.options.sync {
            let (commit, durable) = Commit::new(1, Vec::new());
            enqueue(&mut inner, last_offset + 1, commit);
            durable
        } else {
            inner.synced = inner.log_end;
            Durable::already()
        };
        let submit = self.schedule(&mut inner);
        let rises = inner.raise();
        drop(inner);
        self.wake(rises);
        if submit {
            self.syncer.submit(self.clone());
        }
        durable
    }

    /// Whether the caller is to submit the partition to the syncer. Without durable appends only closed segments
    /// are synced.
    pub(super) fn schedule(&self, inner: &mut Inner) -> bool {
        let due = self.options.sync || !inner.unsealed.is_empty();
        due && !std::mem::replace(&mut inner.scheduled, true)
    }

    /// Has everything appended so far synced soon, whatever the options say.
    pub(crate) fn sync_soon(self: &Arc<Self>) -> Result<Durable> {
        let mut inner = self.inner.lock();
        self.check_alive(&inner)?;
        let (commit, durable) = Commit::new(1, Vec::new());
        let end = inner.log_end;
        enqueue(&mut inner, end, commit);
        let submit = !std::mem::replace(&mut inner.scheduled, true);
        drop(inner);
        if submit {
            self.syncer.submit(self.clone());
        }
        Ok(durable)
    }

    fn roll_if_due(&self, inner: &mut Inner, bytes: u64) -> Result<()> {
        let active = inner.active().clone();
        let size = active.size();
        let old = now_ms().saturating_sub(active.opened_ms) >= self.options.settings.segment_ms();
        if size == 0 || (size + bytes <= self.options.settings.segment_bytes() && !old) {
            return Ok(());
        }
        self.roll(inner)
    }

    /// Closes the active segment and starts the next.
    pub(super) fn roll(&self, inner: &mut Inner) -> Result<()> {
        let active = inner.active().clone();
        if active.size() == 0 {
            return Ok(());
        }
        let next = Segment::open(&*self.files, &self.dir, inner.log_end)?;
        next.appended_ms.store(now_ms(), Ordering::Relaxed);
        inner.segments.push_back(Arc::new(next));
        inner.synced_bytes = 0;
        inner.unsealed.push((active, inner.producers.clone()));
        inner.dir_changed = true;
        Ok(())
    }

    /// What a round of the write-ahead log would have to hold; none if more than appends to one segment is to be synced.
    pub(super) fn unsynced(self: &Arc<Self>) -> Option<Unsynced> {
        let inner = self.inner.lock();
        let plain = inner.failed.is_none() && inner.unsealed.is_empty() && !inner.dir_changed;
        let (segment, to) = (inner.active().clone(), inner.active().size());
        plain.then(|| Unsynced { partition: self.clone(), segment, from: inner.synced_bytes, to, log_end: inner.log_end })
    }

    /// One group commit: syncs what was appended up to now. Tells whether more has come meanwhile.
    pub(super) fn sync_once(self: &Arc<Self>) -> bool {
        let (unsealed, active, upto, size, dir_changed) = {
            let mut inner = self.inner.lock();
            if let Err(error) = self.check_alive(&inner) {
                drop(inner);
                self.fail(&error);
                return false;
            }
            let dir_changed = std::mem::take(&mut inner.dir_changed);
            let active = inner.active().clone();
            let size = active.size();
            (std::mem::take(&mut inner.unsealed), active, inner.log_end, size, dir_changed)
        };
        if let Err(error) = self.sync_files(&unsealed, &active, dir_changed) {
            self.fail(&error);
            return false;
        }
        self.synced(&active, size, upto)
    }

    /// The first `bytes` bytes of a segment are on disk, and with them everything before the offset `upto`. Tells whether
    /// more has come meanwhile.
    pub(super) fn synced(&self, segment: &Arc<Segment>, bytes: u64, upto: i64) -> bool {
        let mut done = Vec::new();
        let mut inner = self.inner.lock();
        inner.synced = inner.synced.max(upto);
        if Arc::ptr_eq(inner.active(), segment) {
            inner.synced_bytes = inner.synced_bytes.max(bytes);
        }
        while inner.pending.front().is_some_and(|(end, _)| *end <= upto) {
            done.extend(inner.pending.pop_front().map(|(_, commit)| commit));
        }
        let rises = inner.raise();
        let more = (inner.log_end > inner.synced || !inner.unsealed.is_empty()) && inner.failed.is_none();
        inner.scheduled = more;
        drop(inner);
        self.wake_risen(rises);
        for commit in done {
            commit.part_synced();
        }
        more
    }

    fn sync_files(&self, unsealed: &[(Arc<Segment>, Producers)], active: &Segment, dir_changed: bool) -> Result<()> {
        for (segment, producers) in unsealed {
            segment.file.sync().map_err(|e| Error::io("sync", &segment.path, e))?;
            if let Err(error) = sidecar::write(segment, producers) {
                tracing::warn!(%error, "cannot write an index file; the next start will scan its segment");
            }
        }
        active.file.sync().map_err(|e| Error::io("sync", &active.path, e))?;
        if dir_changed {
            sync_dir(&self.dir).map_err(|e| Error::io("sync", &self.dir, e))?;
        }
        Ok(())
    }

    /// Fails the partition: nothing is acknowledged or appended from here on; what is visible stays readable.
    pub(super) fn fail(&self, error: &Error) {
        let mut inner = self.inner.lock();
        if inner.failed.is_none() {
            tracing::error!(topic = %self.topic, partition = self.number, %error, "partition failed until restart");
            inner.failed = Some(error.to_string());
        }
        inner.scheduled = false;
        let pending = std::mem::take(&mut inner.pending);
        let failed = self.check_alive(&inner).err().unwrap_or(Error::Closed);
        drop(inner);
        for (_, commit) in pending {
            commit.fail(&failed);
        }
    }

    pub(super) fn fail_io(&self, action: &'static str, cause: String) {
        self.fail(&Error::Io { action, path: self.dir.clone(), source: Arc::new(std::io::Error::other(cause)) });
    }

    /// Ends all use of a partition whose topic is being deleted.
    pub(crate) fn retire(&self) {
        self.fail(&Error::UnknownPartition { topic: self.topic.to_string(), partition: self.number });
        self.wake(true);
    }

    /// A group is on disk: its hold on the high watermark ends.
    pub(super) fn release(&self, commit: u64) {
        let mut inner = self.inner.lock();
        inner.holds.remove(&commit);
        let rises = inner.raise();
        drop(inner);
        self.wake_risen(rises);
    }

    pub(super) fn listen(&self, listener: &Arc<Listener>) {
        self.listeners.lock().push(Arc::downgrade(listener));
    }

    pub(super) fn unlisten(&self, listener: &Arc<Listener>) {
        self.listeners.lock().retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(listener)));
    }

    pub(super) fn wake(&self, rises: bool) {
        for listener in self.listeners.lock().iter().filter_map(Weak::upgrade) {
            if rises || listener.on_append {
                listener.wake();
            }
        }
    }

    /// The high watermark rose: no news for those who have seen the records already.
    fn wake_risen(&self, rises: bool) {
        if rises {
            self.listeners.lock().iter().filter_map(Weak::upgrade).filter(|l| !l.on_append).for_each(|l| l.wake());
        }
    }

    /// Closes the active segment, so that everything appended so far can be deleted later; returns the log's end.
    pub(crate) fn roll_now(&self) -> Result<i64> {
        let mut inner = self.inner.lock();
        self.check_alive(&inner)?;
        self.roll(&mut inner)?;
        Ok(inner.log_end)
    }
}

impl Inner {
    /// First offset that must be kept for readers and open transactions.
    pub(super) fn keep_from(&self) -> i64 {
        let floor = self.floors.values().min().copied().unwrap_or(i64::MAX);
        self.watermarks().last_stable.min(floor)
    }
}

/// Adds a commit that waits for this partition, keeping the queue in offset order.
pub(super) fn enqueue(inner: &mut Inner, end: i64, commit: Arc<Commit>) {
    let at = inner.pending.partition_point(|(other, _)| *other <= end);
    inner.pending.insert(at, (end, commit));
}
