//! Opening a partition's folder: closed segments come from their sidecars, everything that might be torn is
//! scanned with checksums and cut where it stops being good. Nothing that was acknowledged lies behind a cut,
//! because segments are synced in order and before they are acknowledged.

use std::path::Path;
use std::sync::Arc;

use super::partition::Inner;
use super::producers::Producers;
use super::segment::{Extent, Segment, now_ms, segment_path};
use super::{sidecar, swap};
use crate::error::{Error, Result};
use crate::files::{Files, read_checked, sync_dir};
use crate::records::{Batch, BatchHeader};

/// File that holds the log's start offset when records before it were deleted inside a segment.
pub(super) const LOG_START_FILE: &str = "log-start";

/// File that holds the offset up to which everything was on disk at the last orderly stop.
pub(super) const STOPPED_AT_FILE: &str = "stopped-at";

/// Reads the folder and returns the state of the log, with at least one segment.
pub(super) fn recover(files: &dyn Files, dir: &Path) -> Result<Inner> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    let compaction = swap::recover(dir)?;
    let stopped_at = read_offset(&dir.join(STOPPED_AT_FILE))?.unwrap_or(0);
    let mut bases = segment_bases(dir)?;
    bases.sort_unstable();
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    let mut producers = Producers::default();
    let mut unsealed = Vec::new();
    let mut torn = false;
    // Whether the segment before may have lost its end.
    let mut loose = false;
    for (at, &base_offset) in bases.iter().enumerate() {
        let mut segment = Segment::open(files, dir, base_offset)?;
        segment.gaps = base_offset < compaction.gaps_to;
        if torn {
            remove(&segment)?;
            continue;
        }
        let last = at + 1 == bases.len();
        if let Some(before) = segments.last().map(|segment| segment.next_offset()).filter(|next| *next != base_offset) {
            if loose && before < base_offset {
                // The end of the one before was never synced, so nothing of this one was acknowledged.
                torn = true;
                remove(&segment)?;
                continue;
            }
            return Err(segment.corrupt(0, &format!("the segment before ends at offset {before}")));
        }
        if !last && let Some((extent, at_end)) = sidecar::read(&segment) {
            *segment.extent.lock() = extent;
            producers = at_end;
            segments.push(Arc::new(segment));
            loose = false;
            continue;
        }
        let synced = !last && bases[at..].iter().any(|base| sidecar::exists(&segment_path(dir, *base)));
        torn = scan(&segment, &mut producers, synced, stopped_at)?;
        loose = !synced && !segment.gaps && segment.next_offset() >= stopped_at;
        if segment.gaps
            && !torn
            && let Some(next) = bases.get(at + 1)
        {
            segment.extent.lock().next_offset = *next;
        }
        let segment = Arc::new(segment);
        if !last && !torn {
            unsealed.push((segment.clone(), producers.clone()));
        }
        segments.push(segment);
    }
    // What was found counts as durable, but after a kill it may be in the page cache alone.
    for segment in unsealed.iter().map(|(segment, _)| segment).chain(segments.last()).filter(|segment| segment.size() > 0) {
        segment.file.sync().map_err(|e| Error::io("sync", &segment.path, e))?;
    }
    for (segment, at_end) in &unsealed {
        sidecar::write(segment, at_end)?;
    }
    let dir_changed = torn || segments.is_empty();
    if segments.is_empty() {
        segments.push(Arc::new(Segment::open(files, dir, 0)?));
    }
    if dir_changed {
        sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
    }
    let first = segments[0].base_offset;
    let log_end = segments.last().map_or(0, |s| s.next_offset());
    if log_end < stopped_at {
        let detail = format!("it ends at offset {log_end}, and at the last stop there was everything up to {stopped_at}");
        return Err(Error::Corrupt { path: dir.to_owned(), position: 0, detail });
    }
    let log_start = read_offset(&dir.join(LOG_START_FILE))?.unwrap_or(first).clamp(first, log_end);
    producers.forget_before(log_start);
    let mut inner = Inner::recovered(segments, log_start, log_end, producers);
    inner.compacted.to = compaction.compacted_to;
    Ok(inner)
}

fn remove(segment: &Segment) -> Result<()> {
    tracing::warn!(path = %segment.path.display(), "removing a segment behind a torn one");
    std::fs::remove_file(&segment.path).map_err(|e| Error::io("remove", &segment.path, e))?;
    sidecar::remove(&segment.path)
}

/// Scans one segment with checksums, cuts what is not good and tells whether anything was cut. In a segment that
/// was synced (it or a later one has a sidecar), and before the offset of the last orderly stop, a bad batch is no torn tail but damage,
/// and an error.
fn scan(segment: &Segment, producers: &mut Producers, synced: bool, stopped_at: i64) -> Result<bool> {
    let mut extent = Extent::empty(segment.base_offset);
    let (good, stopped) = segment.scan(true, |header, bytes| {
        extent.grow(header);
        note(producers, header, || Batch::trusted(bytes, *header));
        Ok(())
    })?;
    segment.set_verified(good);
    let known = synced || extent.next_offset < stopped_at;
    *segment.extent.lock() = extent;
    let Some(reason) = stopped else { return Ok(false) };
    if known {
        return Err(segment.corrupt(good, &reason));
    }
    let size = segment.file.size().map_err(|e| Error::io("read", &segment.path, e))?;
    tracing::warn!(path = %segment.path.display(), kept_bytes = good, cut_bytes = size - good, reason, "cutting a torn tail");
    segment.file.truncate(good).map_err(|e| Error::io("truncate", &segment.path, e))?;
    segment.file.sync().map_err(|e| Error::io("sync", &segment.path, e))?;
    Ok(true)
}

/// Takes a batch of the log into the producers' state.
pub(super) fn note(producers: &mut Producers, header: &BatchHeader, batch: impl FnOnce() -> Batch) {
    if header.is_control() {
        if let Some(commit) = marker_commits(&batch()) {
            producers.ended(header.producer_id, header.producer_epoch, commit, header.base_offset, now_ms() as i64);
        }
    } else {
        producers.appended(header, now_ms() as i64);
    }
}

/// Whether a control batch is a commit or an abort marker; none if it is another control record.
pub(crate) fn marker_commits(batch: &Batch) -> Option<bool> {
    let records = batch.records().ok()?;
    let key = records.iter().next()?.ok()?.key?;
    match key {
        [_, _, 0, 0] => Some(false),
        [_, _, 0, 1] => Some(true),
        _ => None,
    }
}

fn segment_bases(dir: &Path) -> Result<Vec<i64>> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))?;
    let mut bases = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| Error::io("read", dir, e))?.file_name();
        if let Some(base) = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|base| base.parse().ok()) {
            bases.push(base);
        }
    }
    Ok(bases)
}

/// The offset that a small file holds, if there is one.
pub(super) fn read_offset(path: &Path) -> Result<Option<i64>> {
    let damaged = |detail: &str| Error::Corrupt { path: path.to_owned(), position: 0, detail: detail.to_string() };
    match read_checked(path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| damaged("it does not hold an offset")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(damaged("it does not match its checksum")),
        Err(error) => Err(Error::io("read", path, error)),
    }
}
