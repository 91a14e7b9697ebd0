//! What is kept beside a closed segment so that a restart need not read it: its extent and index, and the state of
//! the producers at its end. Written after the segment is synced; a missing or torn one only costs a scan.

use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut};

use super::producers::Producers;
use super::segment::{Extent, IndexEntry, Segment};
use crate::error::{Error, Result};
use crate::files::replace_file;

const MAGIC: &[u8; 8] = b"segidx01";

fn path_of(segment: &Path) -> PathBuf {
    segment.with_extension("index")
}

/// Writes the sidecar of a closed, synced segment.
pub(super) fn write(segment: &Segment, producers: &Producers) -> Result<()> {
    let path = path_of(&segment.path);
    let extent = segment.extent.lock().clone();
    let mut body = Vec::with_capacity(64 + extent.index.len() * 24);
    body.put_u64(extent.size);
    body.put_i64(extent.next_offset);
    body.put_i64(extent.max_timestamp);
    body.put_i64(extent.max_timestamp_offset);
    body.put_u32(extent.index.len() as u32);
    for entry in &extent.index {
        body.put_i64(entry.offset);
        body.put_u64(entry.position);
        body.put_i64(entry.max_timestamp_before);
    }
    let producers = serde_json::to_vec(producers).map_err(|e| Error::io("write", &path, e.into()))?;
    body.extend_from_slice(&producers);
    let mut content = Vec::with_capacity(body.len() + 12);
    content.extend_from_slice(MAGIC);
    content.put_u32(crc32c::crc32c(&body));
    content.extend_from_slice(&body);
    replace_file(&path, &content).map_err(|e| Error::io("write", &path, e))
}

/// Reads the sidecar; none if it is missing, damaged, or not for the file's present size.
pub(super) fn read(segment: &Segment) -> Option<(Extent, Producers)> {
    let content = std::fs::read(path_of(&segment.path)).ok()?;
    let body = content.strip_prefix(MAGIC)?;
    let (crc, mut body) = body.split_first_chunk::<4>()?;
    if u32::from_be_bytes(*crc) != crc32c::crc32c(body) {
        return None;
    }
    let size = body.try_get_u64().ok()?;
    if segment.file.size().ok()? != size {
        return None;
    }
    let next_offset = body.try_get_i64().ok()?;
    let max_timestamp = body.try_get_i64().ok()?;
    let max_timestamp_offset = body.try_get_i64().ok()?;
    let count = body.try_get_u32().ok()? as usize;
    let mut index = Vec::with_capacity(count.min(body.len() / 24));
    for _ in 0..count {
        index.push(IndexEntry {
            offset: body.try_get_i64().ok()?,
            position: body.try_get_u64().ok()?,
            max_timestamp_before: body.try_get_i64().ok()?,
        });
    }
    let producers = serde_json::from_slice(body).ok()?;
    Some((Extent { size, next_offset, max_timestamp, max_timestamp_offset, index }, producers))
}

/// Whether there is a sidecar, good or not: its segment was synced when it was closed.
pub(super) fn exists(segment: &Path) -> bool {
    path_of(segment).exists()
}

/// Removes the sidecar, if any.
pub(super) fn remove(segment: &Path) -> Result<()> {
    let path = path_of(segment);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path, error)),
        _ => Ok(()),
    }
}
