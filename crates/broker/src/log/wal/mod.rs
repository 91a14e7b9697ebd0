//! The write-ahead log that all partitions share. A small round of appends stands in the segments' files, written but
//! not synced, and here, synced: one write over blocks that the file already has, which commits no metadata, in place of
//! a sync for each segment. (The way of Apache BookKeeper's journal and of PostgreSQL's WAL with recycled files.)
//!
//! The file has two halves. When one is full the other is written, and meanwhile the segments that the first tells of
//! are synced, after which it may be overwritten. After a loss of power a start puts back what segments lack. Before a
//! segment is cut or replaced, [`Wal::retire`] makes sure that no older record is ever put back into it.

mod format;
mod replay;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use self::format::{BLOCK_BYTES, HALVES_FROM, Header, Part, Place, RecordBuilder};
use super::Partition;
use super::segment::Segment;
use crate::error::{Error, Result, is_full};
use crate::files::{Files, FixedFile, sync_dir};

const FILE: &str = "wal";
/// A round of more bytes is better synced where it stands than written twice.
const MOST_ROUND_BYTES: u64 = 256 << 10;
/// Segments are synced after this long also where no half is full: the less there is to sync at a time, the shorter the log waits beside
/// it, and a file that was deleted is not held open.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);
/// Bytes written, or read, at a time where the whole file is.
const CHUNK_BYTES: usize = 1 << 20;

/// What a partition has appended and not synced, all in its last segment.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) partition: Arc<Partition>,
    pub(super) segment: Arc<Segment>,
    /// Bytes of the segment that are durable, and that will be.
    pub(super) from: u64,
    pub(super) to: u64,
    /// The log's end with them.
    pub(super) log_end: i64,
}

/// The shared write-ahead log.
#[derive(Debug)]
pub(crate) struct Wal {
    files: Arc<dyn Files>,
    path: PathBuf,
    /// 0 for none.
    half_bytes: u64,
    /// What a start found, by topic and partition, until the partition is opened.
    found: Mutex<FxHashMap<(Uuid, i32), Vec<Part>>>,
    state: Mutex<State>,
    /// Held while segments are synced.
    checkpoint: Mutex<()>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// None until the file is there.
    file: Option<Arc<dyn FixedFile>>,
    /// Rounds are taken.
    open: bool,
    /// A write or a sync has failed: what is in the file must stay there.
    failed: bool,
    /// Number of the next record, and the first that a start would replay.
    next: u64,
    valid_from: u64,
    /// The copy of the header that is written next.
    copy: usize,
    active: usize,
    /// Where in the active half the next record goes.
    position: u64,
    halves: [Half; 2],
    /// When the active half got its first unsynced segment.
    dirty_since: Option<Instant>,
    buffer: Vec<u8>,
    tending: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Half {
    /// Segments that may have bytes which are durable in this half alone.
    unsynced: FxHashMap<usize, (Arc<Partition>, Arc<Segment>)>,
    /// Some are being synced.
    syncing: bool,
}

impl Wal {
    /// Reads what a crash may have left in the folder. Rounds are taken after [`Wal::begin`].
    pub(crate) fn open(files: Arc<dyn Files>, dir: &Path, bytes: u64) -> Result<Arc<Wal>> {
        let path = dir.join(FILE);
        let blocks = bytes.saturating_sub(HALVES_FROM) / 2 / BLOCK_BYTES as u64;
        let half_bytes = blocks * BLOCK_BYTES as u64;
        let mut state = State { next: 1, valid_from: 1, ..State::default() };
        let mut found: FxHashMap<(Uuid, i32), Vec<Part>> = FxHashMap::default();
        match File::open(&path) {
            Ok(file) => {
                let (header, copy, records) = read(&file).map_err(|e| Error::io("read", &path, e))?.ok_or_else(|| Error::Corrupt {
                    path: path.clone(),
                    position: 0,
                    detail: "neither copy of the header is whole".into(),
                })?;
                (state.valid_from, state.copy) = (header.valid_from, copy + 1);
                state.next = records.last().map_or(0, |(last, _)| last + 1).max(header.valid_from);
                for part in records.into_iter().flat_map(|(_, parts)| parts) {
                    found.entry((part.place.topic, part.place.partition)).or_default().push(part);
                }
                if header.half_bytes == half_bytes {
                    state.file = Some(files.open_fixed(&path).map_err(|e| Error::io("open", &path, e))?);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("open", &path, error)),
        }
        let (checkpoint, changed) = (Mutex::default(), Condvar::new());
        Ok(Arc::new(Wal { files, path, half_bytes, found: Mutex::new(found), state: Mutex::new(state), checkpoint, changed }))
    }

    /// Puts back into the segments of a partition, in its folder, what the log holds of them; before they are read.
    pub(super) fn restore(&self, topic: Uuid, partition: i32, dir: &Path) -> Result<()> {
        let parts = self.found.lock().remove(&(topic, partition)).unwrap_or_default();
        replay::replay(&*self.files, dir, &parts)
    }

    /// Once every partition has been opened, and so has what the log told of it on disk.
    pub(crate) fn begin(self: &Arc<Wal>) -> Result<()> {
        // What is left is of topics that are gone.
        self.found.lock().clear();
        let mut state = self.state.lock();
        if state.file.is_some() {
            self.write_header(&mut state)?;
            state.open = true;
        } else if self.path.exists() {
            std::fs::remove_file(&self.path).map_err(|e| Error::io("remove", &self.path, e))?;
        }
        if self.half_bytes == 0 {
            return Ok(());
        }
        let wal = self.clone();
        match std::thread::Builder::new().name("broker-wal".into()).stack_size(256 << 10).spawn(move || wal.tend()) {
            Ok(_) => state.tending = true,
            Err(error) => {
                tracing::warn!(%error, "cannot start the thread of the write-ahead log; every partition is synced on its own");
                state.open = false;
            }
        }
        Ok(())
    }

    /// Makes a round durable. None if that is not for the log, or there is no room: the caller syncs the segments then.
    ///
    /// # Errors
    /// The log takes no more, and the partitions of the round must fail: what of it will be there after a crash is not known.
    pub(super) fn write(&self, round: &[Unsynced]) -> Option<Result<()>> {
        let bytes = format::record_bytes(round.iter().map(|part| part.to - part.from));
        if bytes > MOST_ROUND_BYTES.min(self.half_bytes) {
            return None;
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if !state.open || round.is_empty() {
            return None;
        }
        if state.position + bytes > self.half_bytes {
            let other = 1 - state.active;
            if state.halves[other].syncing || !state.halves[other].unsynced.is_empty() {
                return None;
            }
            (state.active, state.position) = (other, 0);
            self.changed.notify_all();
        }
        let mut buffer = std::mem::take(&mut state.buffer);
        let mut record = RecordBuilder::new(&mut buffer, state.next, round.len());
        for part in round {
            let place = Place {
                topic: part.partition.options.topic_id,
                partition: part.partition.number,
                segment: part.segment.base_offset,
                position: part.from,
            };
            let into = record.part(&place, (part.to - part.from) as usize);
            if part.segment.file.read_at(into, part.from).ok() != Some(into.len()) {
                return None;
            }
        }
        record.finish();
        let written = match &state.file {
            Some(file) => file.write(&buffer, HALVES_FROM + state.active as u64 * self.half_bytes + state.position),
            None => return None,
        };
        state.buffer = buffer;
        if let Err(error) = written {
            if is_full(&error) {
                // Nothing counts yet, and the next round is written over it.
                return None;
            }
            (state.open, state.failed) = (false, true);
            return Some(Err(Error::io("sync", &self.path, error)));
        }
        state.next += 1;
        state.position += bytes;
        let half = &mut state.halves[state.active];
        if half.unsynced.is_empty() {
            state.dirty_since = Some(Instant::now());
            self.changed.notify_all();
        }
        for part in round {
            let key = Arc::as_ptr(&part.segment) as usize;
            half.unsynced.entry(key).or_insert_with(|| (part.partition.clone(), part.segment.clone()));
        }
        Some(Ok(()))
    }

    /// Nothing that the log holds now is ever replayed: it is in the segments. Before a segment is cut or replaced, and
    /// at the end. Must be called without any partition's lock. Blocks on the disk.
    pub(super) fn retire(&self) -> Result<()> {
        let _checkpoint = self.checkpoint.lock();
        for half in 0..2 {
            self.sync_half(half)?;
        }
        let mut state = self.state.lock();
        if state.next == state.valid_from {
            return Ok(());
        }
        // What rounds have added since, which hold still now.
        for half in 0..2 {
            let unsynced = std::mem::take(&mut state.halves[half].unsynced);
            if let Err(error) = sync_all(&unsynced) {
                (state.open, state.failed) = (false, true);
                return Err(error);
            }
        }
        self.write_header(&mut state)
    }

    /// Declares all records so far obsolete.
    fn write_header(&self, state: &mut State) -> Result<()> {
        if state.failed {
            return Err(Error::io("write", &self.path, io::Error::other("an earlier write or sync failed; restart")));
        }
        let Some(file) = &state.file else { return Ok(()) };
        let header = Header { half_bytes: self.half_bytes, valid_from: state.next };
        if let Err(error) = file.write(&header.encode(), Header::position(state.copy)) {
            (state.open, state.failed) = (false, true);
            return Err(Error::io("write", &self.path, error));
        }
        state.copy += 1;
        state.valid_from = state.next;
        Ok(())
    }

    /// The thread: makes the file, if need be, and syncs segments so that halves can be used again.
    fn tend(self: Arc<Wal>) {
        if let Err(error) = self.create() {
            tracing::warn!(%error, "there is no write-ahead log; every partition is synced on its own");
        }
        let mut state = self.state.lock();
        while !state.stop && !state.failed {
            let (active, other) = (state.active, 1 - state.active);
            let full = !state.halves[other].unsynced.is_empty();
            let left = match state.dirty_since {
                Some(since) if !state.halves[active].unsynced.is_empty() => CHECKPOINT_EVERY.saturating_sub(since.elapsed()),
                _ => Duration::MAX,
            };
            if full || left.is_zero() {
                let half = if full { other } else { active };
                MutexGuard::unlocked(&mut state, || {
                    let _checkpoint = self.checkpoint.lock();
                    // A failure is told to the partitions, and ends the log.
                    let _ = self.sync_half(half);
                });
            } else if left == Duration::MAX {
                self.changed.wait(&mut state);
            } else {
                self.changed.wait_for(&mut state, left);
            }
        }
        state.tending = false;
        self.changed.notify_all();
    }

    /// Syncs the segments of a half while rounds go on.
    fn sync_half(&self, half: usize) -> Result<()> {
        let unsynced = {
            let mut state = self.state.lock();
            state.halves[half].syncing = true;
            std::mem::take(&mut state.halves[half].unsynced)
        };
        let synced = sync_all(&unsynced);
        let mut state = self.state.lock();
        state.halves[half].syncing = false;
        if synced.is_err() {
            (state.open, state.failed) = (false, true);
        }
        synced
    }

    /// Makes the file, whole and on disk before it has its name, so that writing to it never changes its metadata.
    fn create(&self) -> Result<()> {
        if self.state.lock().file.is_some() {
            return Ok(());
        }
        let partial = self.path.with_extension("partial");
        let wrong = |e| Error::io("create", &partial, e);
        let file = self.files.open_fixed(&partial).map_err(wrong)?;
        let end = HALVES_FROM + 2 * self.half_bytes;
        let zeros = vec![0; CHUNK_BYTES];
        for position in (0..end).step_by(CHUNK_BYTES) {
            if self.state.lock().stop {
                return std::fs::remove_file(&partial).map_err(wrong);
            }
            file.write(&zeros[..CHUNK_BYTES.min((end - position) as usize)], position).map_err(wrong)?;
        }
        let header = Header { half_bytes: self.half_bytes, valid_from: self.state.lock().next };
        file.write(&header.encode(), Header::position(0)).map_err(wrong)?;
        std::fs::rename(&partial, &self.path).map_err(wrong)?;
        if let Some(dir) = self.path.parent() {
            sync_dir(dir).map_err(wrong)?;
        }
        let mut state = self.state.lock();
        (state.file, state.valid_from, state.copy, state.open) = (Some(file), header.valid_from, 1, true);
        self.changed.notify_all();
        Ok(())
    }

    /// Ends the thread and leaves nothing to be replayed. Blocks.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.stop = true;
        self.changed.notify_all();
        while state.tending {
            self.changed.wait(&mut state);
        }
        let failed = state.failed;
        state.open = false;
        drop(state);
        if !failed && let Err(error) = self.retire() {
            tracing::error!(%error, "cannot close the write-ahead log; the next start will replay it");
        }
    }

    /// Waits until the half that is not written can be begun again.
    #[cfg(test)]
    fn settle(&self) {
        let unclean = |state: &State| {
            let other = &state.halves[1 - state.active];
            other.syncing || !other.unsynced.is_empty()
        };
        while unclean(&self.state.lock()) {
            std::thread::yield_now();
        }
    }

    /// Waits until rounds are taken.
    #[cfg(test)]
    pub(super) fn wait_open(&self) {
        let mut state = self.state.lock();
        while !state.open {
            self.changed.wait(&mut state);
        }
    }
}

/// Syncs segments; one that fails fails its partition, whose latest bytes nothing but the log has for certain.
fn sync_all(unsynced: &FxHashMap<usize, (Arc<Partition>, Arc<Segment>)>) -> Result<()> {
    let mut outcome = Ok(());
    for (partition, segment) in unsynced.values() {
        if let Err(error) = segment.file.sync() {
            let error = Error::io("sync", &segment.path, error);
            partition.fail(&error);
            outcome = Err(error);
        }
    }
    outcome
}

type Records = Vec<(u64, Vec<Part>)>;

/// The header with its copy's number, and the records that count, in order. None if there is no whole header.
fn read(file: &File) -> io::Result<Option<(Header, usize, Records)>> {
    let mut start = vec![0; HALVES_FROM as usize];
    let read = read_at(file, &mut start, 0)?;
    let Some((header, copy)) = Header::find(&start[..read]) else { return Ok(None) };
    let mut records = Vec::new();
    for half in 0..2 {
        records.extend(read_half(file, HALVES_FROM + half * header.half_bytes, header.half_bytes as usize)?);
    }
    records.retain(|(number, _)| *number >= header.valid_from);
    records.sort_by_key(|(number, _)| *number);
    Ok(Some((header, copy, records)))
}

/// Reads as much of a half as there are records in it.
fn read_half(file: &File, from: u64, half_bytes: usize) -> io::Result<Records> {
    let mut want = CHUNK_BYTES;
    loop {
        let mut bytes = vec![0; want.min(half_bytes)];
        let read = read_at(file, &mut bytes, from)?;
        bytes.truncate(read);
        let (records, used) = format::records(Bytes::from(bytes));
        if used + MOST_ROUND_BYTES as usize <= read || want >= half_bytes {
            return Ok(records);
        }
        want *= 4;
    }
}

fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
