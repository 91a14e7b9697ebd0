//! An entry of the sequence: which records were taken, in which order, and when.

use crate::seams::Input;
use domain::{Error, Micros, Result, TopicPartition};
use serde::{Deserialize, Serialize};

/// Consecutive records taken from one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    pub last: i64,
    /// Records taken; fewer than `last - first + 1` where the log has gaps.
    pub count: u64,
}

impl Run {
    pub fn at(&self) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), self.partition)
    }
}

/// One batch, as the sequence topic holds it (JSON).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Sequence number of its first record.
    pub first: u64,
    /// Microseconds since 1970: the one clock reading that decisions may hold.
    pub taken_at: Micros,
    pub runs: Vec<Run>,
}

impl Entry {
    /// The sequence number after its last record.
    pub fn next(&self) -> u64 {
        self.first + self.runs.iter().map(|r| r.count).sum::<u64>()
    }

    /// When it was taken, in milliseconds since 1970: the time of its own record and of its outputs'.
    pub fn timestamp_ms(&self) -> i64 {
        self.taken_at.div_euclid(1000)
    }

    pub fn to_json(&self) -> Vec<u8> {
        // Strings and integers always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// # Errors
    /// Stop: the sequence topic holds something that is no entry.
    pub fn from_json(bytes: &[u8], offset: i64) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| {
            Error::stop(
                format!("record {offset} of the sequence topic is no entry"),
                "the sequence topic must be written by Sluice alone; restore it from a backup, or start with an empty data folder",
            )
            .because(e)
        })
    }

    pub(crate) fn push(&mut self, input: &Input, first: i64, last: i64, count: u64) {
        self.runs.push(Run { topic: input.at.topic.clone(), partition: input.at.partition, first, last, count });
    }
}
