//! Committed offsets of consumer groups. A commit is in memory at once and acknowledged when it is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{JournalKey, change};
use crate::error::Result;
use crate::journal::{Change, Journal};
use crate::log::Durable;

/// A group's place in a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct OffsetKey {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// What a group committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// The committed offsets of all groups.
#[derive(Debug)]
pub(crate) struct Offsets {
    journal: Arc<Journal>,
    committed: Mutex<BTreeMap<OffsetKey, CommittedOffset>>,
}

impl Offsets {
    pub(super) fn new(journal: Arc<Journal>) -> Offsets {
        Offsets { journal, committed: Mutex::default() }
    }

    pub(super) fn restore(&self, key: OffsetKey, offset: CommittedOffset) {
        self.committed.lock().insert(key, offset);
    }

    /// Commits offsets, together with `others` as one durable step.
    pub(crate) fn commit(&self, offsets: Vec<(OffsetKey, CommittedOffset)>, others: Vec<Change>) -> Result<Durable> {
        let mut changes = others;
        for (key, offset) in &offsets {
            changes.push(change(&JournalKey::Offset(key.clone()), Some(offset))?);
        }
        let mut committed = self.committed.lock();
        let durable = self.journal.put(changes)?;
        committed.extend(offsets);
        Ok(durable)
    }

    /// One partition's offset.
    pub(crate) fn get(&self, key: &OffsetKey) -> Option<CommittedOffset> {
        self.committed.lock().get(key).cloned()
    }

    /// All offsets of a group.
    pub(crate) fn of_group(&self, group: &str) -> Vec<(OffsetKey, CommittedOffset)> {
        let first = OffsetKey { group: group.to_string(), topic: String::new(), partition: i32::MIN };
        let committed = self.committed.lock();
        committed.range(first..).take_while(|(key, _)| key.group == group).map(|(k, o)| (k.clone(), o.clone())).collect()
    }

    /// The groups that have committed offsets.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = self.committed.lock().keys().map(|key| key.group.clone()).collect();
        groups.dedup();
        groups
    }

    /// Forgets a group's offsets.
    pub(crate) fn forget_group(&self, group: &str) -> Result<Durable> {
        self.forget(|key| key.group == group)
    }

    /// Forgets some partitions' offsets.
    pub(crate) fn forget_keys(&self, keys: &std::collections::BTreeSet<OffsetKey>) -> Result<Durable> {
        self.forget(|key| keys.contains(key))
    }

    pub(super) fn forget_topic(&self, topic: &str) -> Result<Durable> {
        self.forget(|key| key.topic == topic)
    }

    fn forget(&self, matches: impl Fn(&OffsetKey) -> bool) -> Result<Durable> {
        let mut committed = self.committed.lock();
        let gone: Vec<OffsetKey> = committed.keys().filter(|key| matches(key)).cloned().collect();
        let changes = gone.iter().map(|key| change::<()>(&JournalKey::Offset(key.clone()), None)).collect::<Result<_>>()?;
        let durable = self.journal.put(changes)?;
        for key in gone {
            committed.remove(&key);
        }
        Ok(durable)
    }
}
