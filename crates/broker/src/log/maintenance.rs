//! What shortens a log: truncation by its owner at the end, retention and deletion of records at the start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::partition::Partition;
use super::recovery::{self, LOG_START_FILE, STOPPED_AT_FILE};
use super::segment::{Segment, now_ms};
use super::sidecar;
use crate::error::{Error, Result};
use crate::files::{replace_checked, sync_dir};

/// Producers are forgotten after this long without an append.
const PRODUCER_EXPIRY_MS: u64 = 7 * 24 * 3600 * 1000;

impl Partition {
    /// Notes how far everything is on disk, at an orderly stop: what is missing of it at the next start was damaged, and not torn off by
    /// a crash.
    pub(crate) fn note_stop(&self) -> Result<()> {
        let end = {
            let inner = self.inner.lock();
            self.check_alive(&inner)?;
            inner.synced
        };
        let path = self.dir.join(STOPPED_AT_FILE);
        if end == 0 || recovery::read_offset(&path)? == Some(end) {
            return Ok(());
        }
        replace_checked(&path, &end.to_string()).map_err(|e| Error::io("write", &path, e))
    }

    /// Removes all records from `end_offset` on. Only while nobody else uses the partition.
    pub(crate) fn truncate(&self, end_offset: i64) -> Result<()> {
        self.syncer.retire_wal()?;
        let mut inner = self.inner.lock();
        self.check_alive(&inner)?;
        let watermarks = inner.watermarks();
        if end_offset >= watermarks.log_end {
            return Ok(());
        }
        if end_offset < watermarks.log_start {
            return Err(Error::OffsetOutOfRange { offset: end_offset, log_start: watermarks.log_start, log_end: watermarks.log_end });
        }
        let segment = inner.segment_of(end_offset);
        let mut size = 0;
        let mut straddles = None;
        segment.scan(false, |header, _| {
            if header.last_offset() < end_offset {
                size += header.total_bytes() as u64;
            } else if header.base_offset < end_offset {
                straddles = Some((header.base_offset, header.last_offset()));
            }
            Ok(())
        })?;
        if let Some((first, last)) = straddles {
            return Err(Error::InvalidArgument(format!(
                "cannot cut {}/{} at {end_offset}, inside the batch {first}..={last}",
                self.topic, self.number
            )));
        }
        let stopped_at = self.dir.join(STOPPED_AT_FILE);
        if stopped_at.exists() {
            replace_checked(&stopped_at, &end_offset.to_string()).map_err(|e| Error::io("write", &stopped_at, e))?;
        }
        // From the end backwards, so that a crash in between leaves a log without a gap.
        while let Some(last) = inner.segments.back().filter(|last| last.base_offset > segment.base_offset).cloned() {
            sidecar::remove(&last.path)?;
            std::fs::remove_file(&last.path).map_err(|e| Error::io("remove", &last.path, e))?;
            inner.segments.pop_back();
        }
        sync_dir(&self.dir).map_err(|e| Error::io("sync", &self.dir, e))?;
        sidecar::remove(&segment.path)?;
        segment.file.truncate(size).map_err(|e| Error::io("truncate", &segment.path, e))?;
        segment.file.sync().map_err(|e| Error::io("sync", &segment.path, e))?;
        let floors = std::mem::take(&mut inner.floors);
        *inner = recovery::recover(&*self.files, &self.dir)?;
        inner.floors = floors;
        Ok(())
    }

    /// Tells how far a named reader of our own has read; retention keeps everything from there on.
    pub(crate) fn set_floor(&self, reader: &str, offset: Option<i64>) {
        let mut inner = self.inner.lock();
        match offset {
            Some(offset) => {
                if let Some(floor) = inner.floors.get_mut(reader) {
                    *floor = offset;
                } else {
                    inner.floors.insert(reader.to_string(), offset);
                }
            }
            None => {
                inner.floors.remove(reader);
            }
        }
    }

    /// Deletes closed segments that are older than `retention_ms` since their last append, or that make the log
    /// larger than `retention_bytes`; never past the watermark, an open transaction or a reader's floor.
    pub(crate) fn enforce_retention(self: &Arc<Self>, retention_ms: Option<i64>, retention_bytes: Option<i64>) -> Result<()> {
        let now = now_ms();
        let mut removed = Vec::new();
        let submit = {
            let mut inner = self.inner.lock();
            inner.producers.forget_silent(now.saturating_sub(PRODUCER_EXPIRY_MS) as i64);
            let retention_ms = retention_ms.and_then(|ms| u64::try_from(ms).ok());
            if let Some(ms) = retention_ms
                && inner.active().size() > 0
                && now.saturating_sub(inner.active().appended_ms.load(Ordering::Relaxed)) > ms
                && inner.failed.is_none()
            {
                self.roll(&mut inner)?;
            }
            let submit = !inner.unsealed.is_empty() && self.schedule(&mut inner);
            let mut bytes: u64 = inner.segments.iter().map(|s| s.size()).sum();
            let most_bytes = retention_bytes.and_then(|bytes| u64::try_from(bytes).ok());
            let bound = inner.keep_from();
            while inner.segments.len() > 1 {
                let first = inner.segments[0].clone();
                let old = retention_ms.is_some_and(|ms| now.saturating_sub(first.appended_ms.load(Ordering::Relaxed)) > ms);
                let large = most_bytes.is_some_and(|most| bytes - first.size() >= most);
                if first.next_offset() > bound || !(old || large) {
                    break;
                }
                bytes -= first.size();
                inner.segments.pop_front();
                inner.log_start = inner.log_start.max(first.next_offset());
                removed.push(first);
            }
            let log_start = inner.log_start;
            inner.producers.forget_before(log_start);
            submit
        };
        if submit {
            self.syncer.submit(self.clone());
        }
        self.remove_files(&removed)
    }

    /// Makes `offset` the log's start; whole segments before it are removed.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<i64> {
        let mut removed = Vec::new();
        let log_start = {
            let mut inner = self.inner.lock();
            let watermarks = inner.watermarks();
            let bound = inner.keep_from();
            if offset > watermarks.high_watermark {
                return Err(Error::OffsetOutOfRange { offset, log_start: watermarks.log_start, log_end: watermarks.high_watermark });
            }
            let to = offset.min(bound).max(inner.log_start);
            if to > inner.log_start {
                let path = self.dir.join(LOG_START_FILE);
                replace_checked(&path, &to.to_string()).map_err(|e| Error::io("write", &path, e))?;
                inner.log_start = to;
            }
            while inner.segments.len() > 1 && inner.segments[0].next_offset() <= to {
                removed.extend(inner.segments.pop_front());
            }
            inner.producers.forget_before(to);
            to
        };
        self.remove_files(&removed)?;
        Ok(log_start)
    }

    fn remove_files(&self, segments: &[Arc<Segment>]) -> Result<()> {
        for segment in segments {
            std::fs::remove_file(&segment.path).map_err(|e| Error::io("remove", &segment.path, e))?;
            sidecar::remove(&segment.path)?;
        }
        Ok(())
    }
}
