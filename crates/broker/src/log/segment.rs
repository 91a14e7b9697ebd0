//! One segment: a file of whole batches in offset order, with a sparse index in memory. Positions are found by the
//! index and a short walk over batch headers; record contents are never looked at here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;

use super::partition::LEADER_EPOCH;
use crate::error::{Error, Result};
use crate::files::{Files, SegmentFile};
use crate::records::{BatchHeader, HEADER_BYTES, batch_bytes};

/// Bytes of log between two index entries.
pub(super) const INDEX_EVERY_BYTES: u64 = 32 << 10;
/// What one read takes beyond the bytes asked for, to cover the walk from the index entry.
const READ_AHEAD_BYTES: usize = INDEX_EVERY_BYTES as usize;

/// Where a batch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) offset: i64,
    pub(super) position: u64,
    /// Greatest timestamp of all batches before this one in the segment.
    pub(super) max_timestamp_before: i64,
}

/// What changes as a segment grows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extent {
    /// Bytes of whole batches.
    pub(super) size: u64,
    /// Offset after the last record.
    pub(super) next_offset: i64,
    /// Greatest timestamp and the last offset of the batch that has it.
    pub(super) max_timestamp: i64,
    pub(super) max_timestamp_offset: i64,
    pub(super) index: Vec<IndexEntry>,
}

impl Extent {
    pub(super) fn empty(base_offset: i64) -> Extent {
        Extent { size: 0, next_offset: base_offset, max_timestamp: i64::MIN, max_timestamp_offset: base_offset, index: Vec::new() }
    }

    /// Takes note of a batch that was appended behind the others; the header carries its final offsets.
    pub(super) fn grow(&mut self, header: &BatchHeader) {
        let due = self.index.last().is_none_or(|last| self.size - last.position >= INDEX_EVERY_BYTES);
        if due {
            self.index.push(IndexEntry { offset: header.base_offset, position: self.size, max_timestamp_before: self.max_timestamp });
        }
        self.size += header.total_bytes() as u64;
        self.next_offset = header.last_offset() + 1;
        if header.max_timestamp > self.max_timestamp {
            self.max_timestamp = header.max_timestamp;
            self.max_timestamp_offset = header.last_offset();
        }
    }
}

/// One segment file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base_offset: i64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn SegmentFile>,
    pub(super) extent: Mutex<Extent>,
    /// Bytes from the start whose checksums are known to be good since the broker started.
    verified: AtomicU64,
    /// Wall clock of the last append, milliseconds.
    pub(super) appended_ms: AtomicU64,
    /// Wall clock of the first append since creation or start, milliseconds.
    pub(super) opened_ms: u64,
    /// Records may be missing in it, because the log was compacted.
    pub(super) gaps: bool,
}

/// File name of the segment that starts at an offset.
pub(super) fn segment_path(dir: &Path, base_offset: i64) -> PathBuf {
    dir.join(format!("{base_offset:020}.log"))
}

impl Segment {
    /// Opens or creates the file, with an empty extent.
    pub(super) fn open(files: &dyn Files, dir: &Path, base_offset: i64) -> Result<Segment> {
        let path = segment_path(dir, base_offset);
        let file = files.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let modified = std::fs::metadata(&path).and_then(|m| m.modified()).ok();
        let modified = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or_else(now_ms, |d| d.as_millis() as u64);
        Ok(Segment {
            base_offset,
            path,
            file,
            extent: Mutex::new(Extent::empty(base_offset)),
            verified: AtomicU64::new(0),
            appended_ms: AtomicU64::new(modified),
            opened_ms: modified,
            gaps: false,
        })
    }

    pub(super) fn next_offset(&self) -> i64 {
        self.extent.lock().next_offset
    }

    pub(super) fn size(&self) -> u64 {
        self.extent.lock().size
    }

    /// Declares the first `bytes` bytes good.
    pub(super) fn set_verified(&self, bytes: u64) {
        self.verified.store(bytes, Ordering::Release);
    }

    fn read_exact(&self, position: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        let read = self.file.read_at(&mut buffer, position).map_err(|e| Error::io("read", &self.path, e))?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Where the walk to the batch with `offset` starts, with the offset that is there, and where the segment ends.
    fn start_of_walk(&self, offset: i64) -> (u64, i64, u64) {
        let extent = self.extent.lock();
        let at = extent.index.partition_point(|entry| entry.offset <= offset).saturating_sub(1);
        let (position, first) = extent.index.get(at).map_or((0, self.base_offset), |entry| (entry.position, entry.offset));
        (position, first, extent.size)
    }

    /// Checks what a batch's checksum does not cover: that it stands where it belongs.
    fn check_place(&self, header: &BatchHeader, position: u64, due: i64, exactly: bool) -> Result<()> {
        let follows = if exactly { header.base_offset == due } else { header.base_offset >= due };
        if !follows || header.last_offset_delta < 0 || header.leader_epoch != LEADER_EPOCH {
            let (offset, epoch) = (header.base_offset, header.leader_epoch);
            return Err(self.corrupt(position, &format!("offset {offset} of epoch {epoch} where {due} was due")));
        }
        Ok(())
    }

    /// Reads whole batches from the one that holds `offset` on: those with all records before `limit`, up to
    /// `max_bytes`, but at least one if there is one.
    pub(super) fn read(&self, offset: i64, limit: i64, max_bytes: usize) -> Result<Chunk> {
        let (mut position, mut due, end) = self.start_of_walk(offset);
        let mut exactly = true;
        let mut buffer = Bytes::new();
        let mut from = 0;
        let mut headers = Vec::new();
        let mut to = 0;
        loop {
            let rest = &buffer[to..];
            let whole = batch_bytes(rest);
            if rest.len() < HEADER_BYTES || whole.is_some_and(|whole| rest.len() < whole) {
                let at = position + to as u64;
                let left = end.saturating_sub(at);
                if left == 0 || !headers.is_empty() {
                    // The end, or the budget was read already and what is cut off is for the next call.
                    break;
                }
                let want = whole.unwrap_or(0).max(max_bytes.saturating_add(READ_AHEAD_BYTES));
                let want = (want as u64).min(left) as usize;
                position = at;
                let read = self.read_exact(position, want)?;
                if read.len() < want {
                    return Err(self.corrupt(position, "the file is shorter than it was"));
                }
                buffer = Bytes::from(read);
                (from, to) = (0, 0);
                let Some(whole) = batch_bytes(&buffer) else {
                    return Err(self.corrupt(position, "the batch length is not sane"));
                };
                if whole as u64 > left {
                    return Err(self.corrupt(position, "a batch reaches beyond the segment"));
                }
                continue;
            }
            let header = BatchHeader::parse(rest).map_err(|e| self.corrupt(position + to as u64, &e.to_string()))?;
            self.check_place(&header, position + to as u64, due, exactly)?;
            let whole = header.total_bytes();
            // Before anything in the header is believed: a wrong length in records would hide what follows.
            self.verify(&header, &rest[..whole], position + to as u64)?;
            if header.last_offset() < offset {
                (due, exactly) = (header.last_offset() + 1, !self.gaps);
                to += whole;
                from = to;
                continue;
            }
            if header.last_offset() >= limit || (!headers.is_empty() && to + whole - from > max_bytes) {
                break;
            }
            (due, exactly) = (header.last_offset() + 1, !self.gaps);
            headers.push(header);
            to += whole;
        }
        Ok(Chunk { bytes: buffer.slice(from..to.max(from)), headers })
    }

    /// Checks a batch that was not checked since the start.
    fn verify(&self, header: &BatchHeader, batch: &[u8], position: u64) -> Result<()> {
        let verified = self.verified.load(Ordering::Acquire);
        if position + batch.len() as u64 <= verified {
            return Ok(());
        }
        header.verify_crc(batch).map_err(|e| self.corrupt(position, &e.to_string()))?;
        if position == verified {
            let after = position + batch.len() as u64;
            let _ = self.verified.compare_exchange(verified, after, Ordering::AcqRel, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn corrupt(&self, position: u64, detail: &str) -> Error {
        Error::Corrupt { path: self.path.clone(), position, detail: detail.to_string() }
    }

    /// Offset from which a batch with a timestamp at or after `timestamp` is to be looked for.
    pub(super) fn start_for_timestamp(&self, timestamp: i64) -> i64 {
        let extent = self.extent.lock();
        let at = extent.index.partition_point(|entry| entry.max_timestamp_before < timestamp);
        at.checked_sub(1).map_or(self.base_offset, |at| extent.index[at].offset)
    }

    /// Walks all batches from the start, checksums included when `check_crc`, and calls `each` with header and
    /// bytes. Stops at the first that is not whole or not good; returns the bytes before it and why it stopped.
    pub(super) fn scan(&self, check_crc: bool, mut each: impl FnMut(&BatchHeader, Bytes) -> Result<()>) -> Result<(u64, Option<String>)> {
        const CHUNK_BYTES: usize = 1 << 20;
        let end = self.file.size().map_err(|e| Error::io("read", &self.path, e))?;
        let mut position = 0;
        let mut expected = self.base_offset;
        let mut buffer = Bytes::new();
        while position < end {
            let whole = batch_bytes(&buffer);
            if buffer.len() < HEADER_BYTES || whole.is_none_or(|whole| buffer.len() < whole) {
                let left = end - position;
                if left < HEADER_BYTES as u64 {
                    return Ok((position, Some("less than a batch header is left".into())));
                }
                if let Some(whole) = whole
                    && whole as u64 > left
                {
                    return Ok((position, Some("the last batch is not whole".into())));
                }
                if buffer.len() >= HEADER_BYTES && whole.is_none() {
                    return Ok((position, Some("the batch length is not sane".into())));
                }
                let want = (whole.unwrap_or(0).max(CHUNK_BYTES) as u64).min(left) as usize;
                buffer = Bytes::from(self.read_exact(position, want)?);
                if buffer.len() < want {
                    return Err(self.corrupt(position, "the file is shorter than it was"));
                }
                if batch_bytes(&buffer).is_none() {
                    return Ok((position, Some("the batch length is not sane".into())));
                }
                continue;
            }
            let header = match BatchHeader::parse(&buffer) {
                Ok(header) => header,
                Err(error) => return Ok((position, Some(error.to_string()))),
            };
            let due = if self.gaps { header.base_offset >= expected } else { header.base_offset == expected };
            if !due || header.last_offset_delta < 0 {
                return Ok((position, Some(format!("offset {} where {expected} was due", header.base_offset))));
            }
            let batch = buffer.split_to(header.total_bytes());
            if check_crc && let Err(error) = header.verify_crc(&batch) {
                return Ok((position, Some(error.to_string())));
            }
            expected = header.last_offset() + 1;
            position += batch.len() as u64;
            each(&header, batch)?;
        }
        Ok((position, None))
    }
}

/// Consecutive whole batches.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    pub(super) headers: Vec<BatchHeader>,
}

/// The wall clock, milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
