//! Putting compacted segments in place of the old ones. A segment that replaces one other takes its name in one rename:
//! before and after it the log is right. One that replaces several is written down first, so that a start after a crash
//! can finish it. The same small file says how far the log has been compacted, and up to where it may have gaps.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::partition::Partition;
use super::segment::{Extent, Segment, segment_path};
use super::sidecar;
use crate::error::{Error, Result};
use crate::files::{read_checked, replace_checked, sync_dir};

const FILE: &str = "compaction.json";
const CLEANED: &str = "cleaned";

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Offset before which no key stands twice.
    pub(super) compacted_to: i64,
    /// Offset before which records may be missing.
    pub(super) gaps_to: i64,
    /// Several segments that are being replaced by the first of them.
    swap: Option<Swap>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Swap {
    base: i64,
    merged: Vec<i64>,
}

/// Where the new content of a segment is written.
pub(super) fn cleaned_path(segment: &Path) -> PathBuf {
    segment.with_extension(CLEANED)
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

fn save(dir: &Path, state: &State) -> Result<()> {
    let path = dir.join(FILE);
    let text = serde_json::to_string(state).map_err(|e| Error::io("write", &path, e.into()))?;
    replace_checked(&path, &text).map_err(|e| Error::io("write", &path, e))
}

/// Before a pass: records up to `to` may be missing from now on.
pub(super) fn allow_gaps(dir: &Path, compacted_to: i64, to: i64) -> Result<()> {
    save(dir, &State { compacted_to, gaps_to: to, swap: None })
}

/// After a pass.
pub(super) fn done(dir: &Path, to: i64) -> Result<()> {
    save(dir, &State { compacted_to: to, gaps_to: to, swap: None })
}

/// At a start: finishes what a crash interrupted and tells how far the log has been compacted.
pub(super) fn recover(dir: &Path) -> Result<State> {
    let path = dir.join(FILE);
    let mut state = match read_checked(&path) {
        Ok(text) => serde_json::from_str::<State>(&text).map_err(|e| Error::io("read", &path, e.into()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(Error::io("read", &path, error)),
    };
    if let Some(swap) = state.swap.take() {
        tracing::info!(dir = %dir.display(), base = swap.base, "finishing a compaction that was interrupted");
        finish(dir, &swap)?;
        save(dir, &state)?;
    }
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, e))? {
        let path = entry.map_err(|e| Error::io("read", dir, e))?.path();
        if path.extension().is_some_and(|extension| extension == CLEANED) {
            remove_file(&path)?;
        }
    }
    Ok(state)
}

/// Renames the new segment over the first of the old ones and removes the others; may be repeated.
fn finish(dir: &Path, swap: &Swap) -> Result<()> {
    let first = segment_path(dir, swap.base);
    let cleaned = cleaned_path(&first);
    if cleaned.exists() {
        sidecar::remove(&first)?;
        std::fs::rename(&cleaned, &first).map_err(|e| Error::io("replace", &first, e))?;
    }
    for base in &swap.merged {
        let path = segment_path(dir, *base);
        sidecar::remove(&path)?;
        remove_file(&path)?;
    }
    sync_dir(dir).map_err(|e| Error::io("sync", dir, e))
}

/// Puts what was written for `group` in its place. Fails without harm if the log has changed meanwhile.
pub(super) fn replace(partition: &Partition, group: &[Arc<Segment>], extent: Extent, compacted_to: i64, gaps_to: i64) -> Result<()> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(()) };
    let Some((_, producers)) = sidecar::read(last) else {
        return Err(last.corrupt(0, "its index file is gone"));
    };
    let mut inner = partition.inner.lock();
    partition.check_alive(&inner)?;
    let at = inner.segments.iter().position(|segment| Arc::ptr_eq(segment, first));
    let there =
        |at: usize| group.iter().zip(inner.segments.range(at..)).filter(|(ours, now)| Arc::ptr_eq(ours, now)).count() == group.len();
    let Some(at) = at.filter(|at| there(*at)) else {
        remove_file(&cleaned_path(&first.path))?;
        return Err(Error::InvalidArgument("the log was cut while it was compacted; it is compacted again later".into()));
    };
    let swap = Swap { base: first.base_offset, merged: group[1..].iter().map(|segment| segment.base_offset).collect() };
    let plain = State { compacted_to, gaps_to, swap: None };
    if !swap.merged.is_empty() {
        save(&partition.dir, &State { swap: Some(swap.clone()), ..plain.clone() })?;
    }
    if let Err(error) = finish(&partition.dir, &swap) {
        // What is on disk is no longer what memory says; a start sorts it out.
        inner.failed = Some(error.to_string());
        return Err(error);
    }
    if !swap.merged.is_empty() {
        save(&partition.dir, &plain)?;
    }
    let mut segment =
        Segment::open(&*partition.files, &partition.dir, first.base_offset).inspect_err(|error| inner.failed = Some(error.to_string()))?;
    segment.gaps = true;
    segment.appended_ms = group.iter().map(|segment| segment.appended_ms.load(Ordering::Relaxed)).max().unwrap_or_default().into();
    *segment.extent.lock() = extent;
    let segment = Arc::new(segment);
    inner.segments.drain(at + 1..at + group.len());
    inner.segments[at] = segment.clone();
    drop(inner);
    sidecar::write(&segment, &producers)
}
