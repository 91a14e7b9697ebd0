//! A disk that remembers what was written and what was synced, so that a test can ask afterwards: had the power failed
//! then, what could have been left? Of a segment any prefix of what was not synced; of the write-ahead log, where one
//! write is under way, any part of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::FILE;
use crate::files::{DiskFiles, Files, FixedFile, SegmentFile};

/// Bytes between two places at which a segment is cut.
const CUTS_EVERY: usize = 5;

/// What was left after a loss of power.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Image {
    /// Contents by path within the folder.
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    /// Records of each partition that had been acknowledged.
    pub(super) acked: Vec<usize>,
    /// Nothing that was not synced was kept.
    pub(super) least: bool,
}

impl Image {
    pub(super) fn write(&self, dir: &Path) {
        for (path, content) in &self.files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Opened(PathBuf),
    Append(PathBuf, Vec<u8>),
    Truncate(PathBuf, u64),
    SyncBegun(PathBuf),
    /// Of the sync that began with the event of this number.
    SyncEnded(usize),
    FixedBegun(usize, Vec<u8>),
    FixedEnded,
    Acked(Vec<usize>),
}

#[derive(Debug, Default)]
struct Log {
    /// With the small files (index files and the like, which are replaced durably) that there were.
    events: Vec<(Event, BTreeMap<PathBuf, Vec<u8>>)>,
    /// Contents when recording began, all of them durable.
    before: BTreeMap<PathBuf, Vec<u8>>,
}

/// Real files in a folder, never really synced, and a record of what was done to them.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    recording: bool,
    log: Mutex<Log>,
    pub(super) fixed_fails: AtomicBool,
    pub(super) fixed_full: AtomicBool,
    /// Of segments of the partition `a`.
    pub(super) sync_fails: AtomicBool,
    me: Weak<Disk>,
}

impl Disk {
    pub(super) fn new(dir: &Path) -> Arc<Disk> {
        Disk::with(dir.to_path_buf(), true)
    }

    /// Files that nothing is remembered of.
    pub(super) fn unrecorded() -> Arc<dyn Files> {
        Disk::with(PathBuf::new(), false)
    }

    fn with(dir: PathBuf, recording: bool) -> Arc<Disk> {
        let before = if recording { contents(&dir, &|_| true) } else { BTreeMap::new() };
        Arc::new_cyclic(|me| Disk {
            dir,
            recording,
            log: Mutex::new(Log { events: Vec::new(), before }),
            fixed_fails: AtomicBool::default(),
            fixed_full: AtomicBool::default(),
            sync_fails: AtomicBool::default(),
            me: me.clone(),
        })
    }

    /// Does what an event says and takes it down; returns its number.
    fn note<T>(&self, event: impl FnOnce() -> Event, action: impl FnOnce() -> io::Result<T>) -> io::Result<(T, usize)> {
        if !self.recording {
            return Ok((action()?, 0));
        }
        let mut log = self.log.lock();
        let done = action()?;
        log.events.push((event(), contents(&self.dir, &is_small)));
        Ok((done, log.events.len() - 1))
    }

    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.dir).unwrap_or(path).to_path_buf()
    }

    /// So many records of each partition have been acknowledged.
    pub(super) fn acknowledge(&self, acked: &[usize]) {
        let _ = self.note(|| Event::Acked(acked.to_vec()), || Ok(()));
    }

    pub(super) fn events(&self) -> usize {
        self.log.lock().events.len()
    }

    /// What could be left after so many events: of the write-ahead log every part of a write, of each segment prefixes of
    /// what was not synced, and of the others all or nothing.
    pub(super) fn images(&self, events: usize) -> Vec<Image> {
        self.possible(events, true)
    }

    /// The same with all or nothing of each file.
    pub(super) fn extremes(&self, events: usize) -> Vec<Image> {
        self.possible(events, false)
    }

    fn possible(&self, events: usize, every_byte: bool) -> Vec<Image> {
        let state = State::after(&self.log.lock(), events);
        let mut images = Vec::new();
        for most in [false, true] {
            for torn in state.torn(every_byte) {
                images.push(state.image(&|_, file| if most { file.content.len() } else { file.durable }, &torn, !most));
            }
            if !every_byte {
                continue;
            }
            for (path, file) in &state.segments {
                // Other bytes after every event, so that together they are all.
                for at in (file.durable + events % CUTS_EVERY..=file.content.len()).step_by(CUTS_EVERY) {
                    let cut = |other: &Path, file: &Segment| match (other == path, most) {
                        (true, _) => at,
                        (false, true) => file.content.len(),
                        (false, false) => file.durable,
                    };
                    images.push(state.image(&cut, &state.wal, false));
                }
            }
        }
        images
    }
}

impl Files for Disk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let (inner, _) = self.note(|| Event::Opened(self.inside(path)), || DiskFiles.open(path))?;
        let disk = self.me.upgrade().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Recorded { inner, path: self.inside(path), disk }))
    }

    fn open_fixed(&self, path: &Path) -> io::Result<Arc<dyn FixedFile>> {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Arc::new(RecordedFixed(file, self.me.upgrade().ok_or(io::ErrorKind::NotFound)?)))
    }
}

#[derive(Debug)]
struct Recorded {
    inner: Arc<dyn SegmentFile>,
    path: PathBuf,
    disk: Arc<Disk>,
}

impl SegmentFile for Recorded {
    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        self.disk.note(|| Event::Append(self.path.clone(), parts.concat()), || self.inner.append(parts)).map(drop)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        let (_, begun) = self.disk.note(|| Event::SyncBegun(self.path.clone()), || Ok(()))?;
        if self.disk.sync_fails.load(Ordering::SeqCst) && self.path.starts_with("a") {
            return Err(io::Error::other("the disk is gone"));
        }
        self.disk.note(|| Event::SyncEnded(begun), || Ok(())).map(drop)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.disk.note(|| Event::Truncate(self.path.clone(), bytes), || self.inner.truncate(bytes)).map(drop)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
}

#[derive(Debug)]
struct RecordedFixed(File, Arc<Disk>);

impl FixedFile for RecordedFixed {
    fn write(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let Self(file, disk) = self;
        disk.note(|| Event::FixedBegun(position as usize, bytes.to_vec()), || file.write_all_at(bytes, position))?;
        if disk.fixed_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        if disk.fixed_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.note(|| Event::FixedEnded, || Ok(())).map(drop)
    }
}

/// The files as they were at some point.
#[derive(Debug, Default)]
struct State {
    small: BTreeMap<PathBuf, Vec<u8>>,
    segments: BTreeMap<PathBuf, Segment>,
    wal: Vec<u8>,
    /// A write to it that has begun.
    writing: Option<(usize, Vec<u8>)>,
    acked: Vec<usize>,
}

#[derive(Debug, Default, Clone)]
struct Segment {
    content: Vec<u8>,
    /// Bytes of it that were synced.
    durable: usize,
}

impl State {
    fn after(log: &Log, events: usize) -> State {
        let mut state = State::default();
        for (path, content) in &log.before {
            match path.extension() {
                Some(extension) if extension == "log" => {
                    state.segments.insert(path.clone(), Segment { content: content.clone(), durable: content.len() });
                }
                None if path.ends_with(FILE) => state.wal = content.clone(),
                _ => drop(state.small.insert(path.clone(), content.clone())),
            }
        }
        // Where each sync that has begun would have got to.
        let mut begun = BTreeMap::new();
        for (n, (event, small)) in log.events[..events].iter().enumerate() {
            state.small = small.clone();
            match event {
                Event::Opened(path) => drop(state.segments.entry(path.clone()).or_default()),
                Event::Append(path, bytes) => state.segments.entry(path.clone()).or_default().content.extend_from_slice(bytes),
                Event::Truncate(path, size) => {
                    let segment = state.segments.entry(path.clone()).or_default();
                    segment.content.truncate(*size as usize);
                    segment.durable = segment.durable.min(segment.content.len());
                }
                Event::SyncBegun(path) => drop(begun.insert(n, (path.clone(), state.segments[path].content.len()))),
                Event::SyncEnded(of) => {
                    let (path, size) = &begun[of];
                    let segment = state.segments.entry(path.clone()).or_default();
                    segment.durable = segment.durable.max((*size).min(segment.content.len()));
                }
                Event::FixedBegun(position, bytes) => state.writing = Some((*position, bytes.clone())),
                Event::FixedEnded => {
                    if let Some((position, bytes)) = state.writing.take() {
                        let every = 0..bytes.len();
                        state.wal = state.written(position, &bytes, every);
                    }
                }
                Event::Acked(acked) => state.acked.clone_from(acked),
            }
        }
        state
    }

    /// The write-ahead log with some bytes of a write in it.
    fn written(&self, position: usize, bytes: &[u8], which: Range<usize>) -> Vec<u8> {
        let mut wal = self.wal.clone();
        wal.resize(wal.len().max(position + bytes.len()), 0);
        wal[position + which.start..position + which.end].copy_from_slice(&bytes[which]);
        wal
    }

    /// What the write-ahead log may hold: of a write that was under way a part from its start, or up to its end.
    fn torn(&self, every_byte: bool) -> Vec<Vec<u8>> {
        let Some((position, bytes)) = &self.writing else { return vec![self.wal.clone()] };
        let used = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let cuts: Vec<usize> = if every_byte { (0..=used).collect() } else { vec![0, used / 2, used] };
        let from_start = cuts.iter().map(|cut| self.written(*position, bytes, 0..*cut));
        from_start.chain(cuts.iter().step_by(16).map(|cut| self.written(*position, bytes, *cut..bytes.len()))).collect()
    }

    fn image(&self, keep: &dyn Fn(&Path, &Segment) -> usize, wal: &[u8], least: bool) -> Image {
        let mut files = self.small.clone();
        for (path, segment) in &self.segments {
            files.insert(path.clone(), segment.content[..keep(path, segment)].to_vec());
        }
        files.insert(FILE.into(), wal.to_vec());
        Image { files, acked: self.acked.clone(), least }
    }
}

/// Neither a segment nor the write-ahead log: replaced as a whole, durably.
fn is_small(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension != "log" && extension != "partial") || path.ends_with("log-start")
}

/// Files of all kinds that `which` names, by their path within the folder.
fn contents(dir: &Path, which: &dyn Fn(&Path) -> bool) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if which(&path)
                && let Ok(content) = std::fs::read(&path)
            {
                found.insert(path.strip_prefix(dir).unwrap().to_path_buf(), content);
            }
        }
    }
    found
}
