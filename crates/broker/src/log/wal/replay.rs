//! Putting back into a partition's segments what a loss of power took from them: bytes that were durable in the
//! write-ahead log alone. Nothing is done twice, so a start that is cut short can be repeated.

use std::path::Path;

use super::format::Part;
use crate::error::{Error, Result};
use crate::files::{Files, SegmentFile};
use crate::log::segment::segment_path;
use crate::log::sidecar;
use crate::records::{BatchHeader, HEADER_BYTES, batch_bytes};

/// Completes the segments of one partition from its parts, in their order, and makes them durable.
///
/// A segment that is not there was deleted; one with a sidecar was synced when it was closed. Both are left as they are.
pub(super) fn replay(files: &dyn Files, dir: &Path, parts: &[Part]) -> Result<()> {
    for of_one in parts.chunk_by(|a, b| a.place.segment == b.place.segment) {
        let path = segment_path(dir, of_one[0].place.segment);
        if !path.exists() || sidecar::exists(&path) {
            continue;
        }
        let file = files.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let mut restored = 0;
        for (position, bytes) in joined(of_one) {
            restored += complete(&*file, &path, position, &bytes)?;
        }
        if restored > 0 {
            tracing::warn!(path = %path.display(), bytes = restored, "restored from the write-ahead log what the segment had lost");
        }
        file.sync().map_err(|e| Error::io("sync", &path, e))?;
    }
    Ok(())
}

/// Positions and bytes, with what follows each other put together.
fn joined(parts: &[Part]) -> Vec<(u64, Vec<u8>)> {
    let mut joined: Vec<(u64, Vec<u8>)> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some((position, bytes)) if *position + bytes.len() as u64 == part.place.position => bytes.extend_from_slice(&part.bytes),
            _ => joined.push((part.place.position, part.bytes.to_vec())),
        }
    }
    joined
}

/// Makes bytes stand in their place; returns how many had to be written.
fn complete(file: &dyn SegmentFile, path: &Path, position: u64, expected: &[u8]) -> Result<usize> {
    let damaged = |detail: &str| Error::Corrupt { path: path.to_path_buf(), position, detail: detail.into() };
    let size = file.size().map_err(|e| Error::io("read", path, e))?;
    if size < position {
        return Err(damaged(&format!("the file ends at {size}, before bytes that were synced")));
    }
    let mut present = vec![0; expected.len()];
    let read = file.read_at(&mut present, position).map_err(|e| Error::io("read", path, e))?;
    present.truncate(read);
    if present == expected {
        return Ok(0);
    }
    // What does not match was never written out. If it is a good batch all the same, this is not the file that the log is about.
    let kept = same_batches(&present, expected);
    if batch_bytes(&present[kept..]).is_some_and(|whole| {
        present.len() >= kept + whole
            && BatchHeader::parse(&present[kept..]).is_ok_and(|header| header.verify_crc(&present[kept..kept + whole]).is_ok())
    }) {
        return Err(damaged("it holds another batch than the write-ahead log; one of them is from a copy"));
    }
    file.truncate(position + kept as u64).map_err(|e| Error::io("truncate", path, e))?;
    let missing = &expected[kept..];
    file.append(&[missing]).map_err(|e| Error::io("append to", path, e))?;
    Ok(missing.len())
}

/// Bytes of the whole batches at the start in which both agree.
fn same_batches(present: &[u8], expected: &[u8]) -> usize {
    let mut same = 0;
    while let Some(whole) = expected.get(same..).filter(|rest| rest.len() >= HEADER_BYTES).and_then(batch_bytes) {
        let range = same..same + whole;
        if expected.get(range.clone()).is_none() || present.get(range.clone()) != expected.get(range) {
            break;
        }
        same += whole;
    }
    same
}
