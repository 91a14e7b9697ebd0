//! The records that the scorer took, in the order in which it took them: entries of the sequence, and what each names.

use super::lost;
use domain::{Error, Result, TopicPartition};
use pipeline::{Record, Source};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes read from a partition at a time: runs are short where partitions are merged by time, and reading each by itself would cost most.
const AHEAD_BYTES: usize = 512 << 10;

/// How long a record that the sequence names may take to be readable.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads partitions in pieces and gives runs of them.
pub(super) struct Runs {
    source: Box<dyn Source>,
    ahead: FxHashMap<TopicPartition, VecDeque<Record>>,
}

impl Runs {
    pub(super) fn new(source: Box<dyn Source>) -> Self {
        Self { source, ahead: FxHashMap::default() }
    }

    /// Calls `each` with the records of a run, offsets `first` to `last`, in order, and how many of the run came before.
    ///
    /// # Errors
    /// Stop: the log no longer holds them. Retry: the log is away.
    pub(super) fn each(
        &mut self,
        at: &TopicPartition,
        (first, last): (i64, i64),
        mut each: impl FnMut(u64, &Record) -> Result<()>,
    ) -> Result<()> {
        let ahead = self.ahead.entry(at.clone()).or_default();
        let mut next = first;
        let mut place = 0;
        let mut since: Option<Instant> = None;
        loop {
            while let Some(record) = ahead.front() {
                if record.offset > last {
                    return Ok(());
                }
                if record.offset >= next {
                    each(place, record)?;
                    place += 1;
                    next = record.offset + 1;
                }
                ahead.pop_front();
                if next > last {
                    return Ok(());
                }
            }
            let mut records = Vec::new();
            self.source.fetch(at, next, AHEAD_BYTES, &mut records)?;
            if records.is_empty() {
                let begun = *since.get_or_insert_with(Instant::now);
                if begun.elapsed() > PATIENCE {
                    return Err(Error::retry(format!("the log does not give {at} from {next} to {last}, which the sequence names")));
                }
                self.source.wait(&[(at.clone(), next)], Duration::from_millis(100))?;
            }
            ahead.extend(records);
        }
    }

    /// The first offset that the log holds of a partition.
    ///
    /// # Errors
    /// Retry: the log is away.
    pub(super) fn start(&mut self, at: &TopicPartition) -> Result<i64> {
        Ok(self.source.bounds(at)?.0)
    }
}

/// Where to begin in a partition: where the table stands, or, if it never read it, with the first record that is held.
///
/// # Errors
/// Stop: the log no longer holds what the table needs next.
pub(super) fn begin(at: &TopicPartition, position: Option<i64>, start: i64) -> Result<i64> {
    match position {
        Some(position) if position < start => Err(lost(at, position, start)),
        Some(position) => Ok(position),
        None => {
            if start > 0 {
                tracing::warn!(
                    topic = at.topic,
                    partition = at.partition,
                    start,
                    "the table is new, and what stood here before is gone from the log"
                );
            }
            Ok(start)
        }
    }
}

#[cfg(test)]
mod tests;
