//! Where a record stands in the log, and how far a consumer is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// How far a consumer is: the next offset to read, per partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(pub BTreeMap<TopicPartition, i64>);

impl Position {
    /// The next offset to read; 0 where nothing was read yet.
    pub fn next(&self, of: &TopicPartition) -> i64 {
        self.0.get(of).copied().unwrap_or(0)
    }

    /// Moves forward; a lower offset than the present one changes nothing.
    pub fn advance(&mut self, of: TopicPartition, next: i64) {
        let at = self.0.entry(of).or_insert(next);
        *at = (*at).max(next);
    }
}
