//! Moving a consumer group to other offsets, as `kafka-consumer-groups --reset-offsets` does: what would be written is found first.

use super::{Admin, consumer};
use crate::cluster::PATIENCE;
use domain::{Error, Result};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTo {
    /// The first record held.
    Earliest,
    /// Behind the last record.
    Latest,
    Offset(i64),
    /// By so many records, on or back. A partition without a committed offset counts from its first record.
    By(i64),
    /// The first record at or after this time, in milliseconds; behind the last where there is none.
    Time(i64),
}

/// A partition and the offset the group will go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetView {
    pub topic: String,
    pub partition: i32,
    /// None where nothing was committed.
    pub before: Option<i64>,
    /// Always one that is held, or the end.
    pub after: i64,
}

impl Admin {
    /// What a reset would write, by topic and partition. `of` names topics, with the partitions that are meant or all of them.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop for a topic or partition that does not exist.
    pub fn plan_reset(&self, group: &str, of: &BTreeMap<String, Vec<i32>>, to: ResetTo) -> Result<Vec<ResetView>> {
        let what = format!("cannot find the offsets of group `{group}`");
        let committed: BTreeMap<_, _> = self.committed(group)?.into_iter().map(|c| ((c.topic, c.partition), c.committed)).collect();
        let mut found = Vec::new();
        for (topic, wanted) in of {
            let partitions = self.topics(Some(topic))?.into_iter().flat_map(|t| t.partitions).collect::<Vec<_>>();
            if let Some(unknown) = wanted.iter().find(|id| partitions.iter().all(|p| p.id != **id)) {
                let count = partitions.len();
                return Err(Error::stop(format!("`{topic}` has no partition {unknown}"), format!("it has {count}, from 0 on")));
            }
            for p in partitions.into_iter().filter(|p| wanted.is_empty() || wanted.contains(&p.id)) {
                let before = committed.get(&(topic.clone(), p.id)).copied();
                let after = match to {
                    ResetTo::Earliest => p.start,
                    ResetTo::Latest => p.end,
                    ResetTo::Offset(offset) => offset,
                    ResetTo::By(records) => before.unwrap_or(p.start).saturating_add(records),
                    ResetTo::Time(at) => {
                        let mut asked = TopicPartitionList::new();
                        let listed = asked.add_partition_offset(topic, p.id, Offset::Offset(at));
                        let answer = listed.and_then(|()| self.consumer.offsets_for_times(asked, PATIENCE));
                        match answer.map_err(|e| self.cluster.error(&what, e))?.elements().first().map(|e| e.offset()) {
                            Some(Offset::Offset(offset)) => offset,
                            _ => p.end,
                        }
                    }
                };
                found.push(ResetView { topic: topic.clone(), partition: p.id, before, after: after.clamp(p.start, p.end) });
            }
        }
        Ok(found)
    }

    /// Writes what was planned. The group may not have members meanwhile.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the group is read with.
    pub fn reset(&self, group: &str, plan: &[ResetView]) -> Result<()> {
        let what = format!("cannot write the offsets of group `{group}`");
        if let Some(active) = self.groups(Some(group))?.into_iter().find(|g| !g.members.is_empty()) {
            return Err(Error::stop(
                format!("group `{group}` has {} members and is {}", active.members.len(), active.state),
                "stop its consumers first: each would go on where it is, and commit that",
            ));
        }
        let mut offsets = TopicPartitionList::new();
        for to in plan {
            offsets.add_partition_offset(&to.topic, to.partition, Offset::Offset(to.after)).map_err(|e| self.cluster.error(&what, e))?;
        }
        // A consumer in the group's name that never joins it.
        consumer(&self.cluster, group)?.commit(&offsets, CommitMode::Sync).map_err(|e| self.cluster.error(&what, e))
    }
}
