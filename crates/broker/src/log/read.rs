//! Reading: verbatim bytes for the wire, or parsed batches for in-process readers, up to the watermark that the
//! isolation allows. The partition's lock is held only to pick segments; file reads happen outside it.

use bytes::Bytes;

use super::partition::Partition;
use super::producers::AbortedTransaction;
use super::recovery::marker_commits;
use super::segment::{Chunk, Segment};
use crate::error::{Error, Result};
use crate::records::Batch;

/// Up to where a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Everything appended, on disk or not, before the first open transaction; aborted records are left out. Only
    /// for a reader whose own results become durable no earlier than what it read (see `Broker::append_group`). A
    /// transaction's end is decided durably before its marker is appended, so a crash does not change it.
    Appended,
    /// Everything durable.
    #[default]
    ReadUncommitted,
    /// Everything durable before the first open transaction; aborted records are left out.
    ReadCommitted,
}

/// The offsets that bound what can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// First offset that is kept.
    pub log_start: i64,
    /// Offset after the last record that is durable and visible.
    pub high_watermark: i64,
    /// Offset before which no transaction is open.
    pub last_stable: i64,
    /// Offset after the last record appended, durable or not.
    pub log_end: i64,
    /// Offset of the first record of the first open transaction; after the last record appended if none is open.
    pub first_open: i64,
}

impl Watermarks {
    /// The offset at which a reader's view ends.
    pub fn end(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::Appended => self.first_open,
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable,
        }
    }
}

/// What an in-process read gives.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Data batches in offset order, verbatim; the first may start before the offset asked for. Transaction
    /// markers are left out, and except with [`Isolation::ReadUncommitted`] aborted batches too.
    pub batches: Vec<Batch>,
    /// Where to read next. It passes what was left out, so it may rise although there are no batches.
    pub next_offset: i64,
    /// The watermarks at the time of the read.
    pub watermarks: Watermarks,
}

/// What a read for the wire gives.
#[derive(Debug, Clone)]
pub(crate) struct RawFetch {
    /// Whole batches, verbatim.
    pub(crate) bytes: Bytes,
    /// With read_committed, the aborted transactions that touch them.
    pub(crate) aborted: Option<Vec<AbortedTransaction>>,
    pub(crate) watermarks: Watermarks,
}

impl Partition {
    /// Whole batches from the one that holds `offset` on, at most `max_bytes` but at least one if there is one.
    pub(crate) fn read_raw(&self, offset: i64, max_bytes: usize, isolation: Isolation) -> Result<RawFetch> {
        let (chunk, _, watermarks) = self.read_chunk(offset, max_bytes, isolation)?;
        let (bytes, end) = match chunk {
            Some(chunk) => (chunk.bytes, chunk.headers.last().map_or(offset, |h| h.last_offset() + 1)),
            None => (Bytes::new(), offset),
        };
        let aborted = (isolation == Isolation::ReadCommitted).then(|| self.aborted_between(offset, end));
        Ok(RawFetch { bytes, aborted, watermarks })
    }

    /// Data batches from the one that holds `offset` on.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize, isolation: Isolation) -> Result<Fetched> {
        let (chunk, reached, watermarks) = self.read_chunk(offset, max_bytes, isolation)?;
        let Some(chunk) = chunk else {
            return Ok(Fetched { batches: Vec::new(), next_offset: reached, watermarks });
        };
        let next_offset = chunk.headers.last().map_or(offset, |header| header.last_offset() + 1).max(offset);
        let aborted = match isolation {
            Isolation::ReadCommitted | Isolation::Appended => self.aborted_between(offset, next_offset),
            Isolation::ReadUncommitted => Vec::new(),
        };
        let mut rest = chunk.bytes;
        let mut batches = Vec::with_capacity(chunk.headers.len());
        for header in chunk.headers {
            let bytes = rest.split_to(header.total_bytes());
            let is_aborted = header.is_transactional()
                && aborted
                    .iter()
                    .any(|txn| txn.producer_id == header.producer_id && (txn.first_offset..=txn.last_offset).contains(&header.base_offset));
            if !header.is_control() && !is_aborted {
                batches.push(Batch::trusted(bytes, header));
            }
        }
        Ok(Fetched { batches, next_offset, watermarks })
    }

    /// Also tells up to where there is nothing to read, if there is nothing.
    fn read_chunk(&self, offset: i64, max_bytes: usize, isolation: Isolation) -> Result<(Option<Chunk>, i64, Watermarks)> {
        let mut from = offset;
        loop {
            let (segment, watermarks) = {
                let inner = self.inner.lock();
                let watermarks = inner.watermarks();
                if offset < watermarks.log_start || offset > watermarks.log_end {
                    return Err(Error::OffsetOutOfRange { offset, log_start: watermarks.log_start, log_end: watermarks.log_end });
                }
                (inner.segment_of(from), watermarks)
            };
            let limit = watermarks.end(isolation);
            if from >= limit {
                return Ok((None, from, watermarks));
            }
            let chunk = segment.read(from, limit, max_bytes)?;
            if !chunk.headers.is_empty() {
                return Ok((Some(chunk), from, watermarks));
            }
            // The segment holds nothing more for us: go to the next one, if this one is closed.
            let next = segment.next_offset();
            if next <= from || next >= limit {
                let reached = if segment.gaps { next.clamp(from, limit) } else { from };
                return Ok((None, reached, watermarks));
            }
            from = next;
        }
    }

    /// The first record at or after `timestamp` (milliseconds) that the isolation lets see: offset and timestamp.
    pub(crate) fn offset_for_timestamp(&self, timestamp: i64, isolation: Isolation) -> Result<Option<(i64, i64)>> {
        let (segments, watermarks) = {
            let inner = self.inner.lock();
            (inner.segments.iter().cloned().collect::<Vec<_>>(), inner.watermarks())
        };
        let limit = watermarks.end(isolation);
        for segment in segments {
            if segment.extent.lock().max_timestamp < timestamp || segment.next_offset() <= watermarks.log_start {
                continue;
            }
            if let Some(found) = find_in(&segment, timestamp, watermarks.log_start, limit)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The record with the greatest timestamp: offset and timestamp, as the batch headers say.
    pub(crate) fn offset_of_max_timestamp(&self) -> Option<(i64, i64)> {
        let inner = self.inner.lock();
        let mut best: Option<(i64, i64)> = None;
        for segment in &inner.segments {
            let extent = segment.extent.lock();
            if extent.size > 0 && best.is_none_or(|(_, timestamp)| extent.max_timestamp > timestamp) {
                best = Some((extent.max_timestamp_offset, extent.max_timestamp));
            }
        }
        best
    }
}

fn find_in(segment: &Segment, timestamp: i64, log_start: i64, limit: i64) -> Result<Option<(i64, i64)>> {
    let mut from = segment.start_for_timestamp(timestamp).max(log_start);
    loop {
        let chunk = segment.read(from, limit, 256 << 10)?;
        let Some(last) = chunk.headers.last() else { return Ok(None) };
        from = last.last_offset() + 1;
        let mut rest = chunk.bytes;
        for header in chunk.headers {
            let bytes = rest.split_to(header.total_bytes());
            if header.max_timestamp < timestamp {
                continue;
            }
            let batch = Batch::trusted(bytes, header);
            if header.is_control() && marker_commits(&batch).is_some() {
                continue;
            }
            for record in &batch.records()? {
                let record = record?;
                if record.timestamp >= timestamp && record.offset >= log_start {
                    return Ok(Some((record.offset, record.timestamp)));
                }
            }
        }
    }
}
