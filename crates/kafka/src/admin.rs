//! Questions to a broker about its topics and consumer groups, and changes of them, for people who operate one. Works on our own broker and
//! on any cluster.

mod change;
mod reset;

pub use change::TopicPlan;
pub use reset::{ResetTo, ResetView};

use crate::cluster::{Cluster, PATIENCE};
use domain::{Error, Result};
use rdkafka::admin::{ConfigSource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    pub name: String,
    /// By number.
    pub partitions: Vec<PartitionView>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    pub id: i32,
    pub leader: i32,
    pub replicas: usize,
    pub in_sync: usize,
    /// The first offset still held.
    pub start: i64,
    /// The offset that the next record gets.
    pub end: i64,
}

impl TopicView {
    /// Offsets held: as many records, but for markers and what was compacted away.
    pub fn records(&self) -> i64 {
        self.partitions.iter().map(|p| p.end - p.start).sum()
    }
}

/// A setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigView {
    pub name: String,
    /// None where the broker keeps it secret.
    pub value: Option<String>,
    /// Whether it was set for this topic.
    pub own: bool,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    pub name: String,
    /// `Stable`, `Empty`, `PreparingRebalance`, ...
    pub state: String,
    pub protocol: String,
    pub members: Vec<MemberView>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    pub id: String,
    pub client: String,
    pub host: String,
    /// What it reads, as far as its assignment can be read.
    pub partitions: Vec<(String, i32)>,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedView {
    pub topic: String,
    pub partition: i32,
    /// The next offset it will read after a restart.
    pub committed: i64,
    pub end: i64,
}

/// Asks, and changes.
pub struct Admin {
    cluster: Cluster,
    consumer: BaseConsumer,
}

impl Admin {
    pub(crate) fn new(cluster: &Cluster) -> Result<Self> {
        Ok(Self { consumer: consumer(cluster, "sluice-admin")?, cluster: cluster.clone() })
    }

    /// All topics, or the one of this name, with the ends of their partitions, by name.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the topic does not exist.
    pub fn topics(&self, name: Option<&str>) -> Result<Vec<TopicView>> {
        // Asked for all, a broker does not make one that is missing.
        let metadata = self.consumer.fetch_metadata(None, PATIENCE).map_err(|e| self.cluster.error("no broker answers", e))?;
        let mut topics = Vec::new();
        for topic in metadata.topics().iter().filter(|t| t.error().is_none() && name.is_none_or(|n| t.name() == n)) {
            let mut partitions = Vec::with_capacity(topic.partitions().len());
            for partition in topic.partitions() {
                let bounds = self.consumer.fetch_watermarks(topic.name(), partition.id(), PATIENCE);
                let (start, end) =
                    bounds.map_err(|e| self.cluster.error(&format!("cannot ask for the bounds of `{}`", topic.name()), e))?;
                partitions.push(PartitionView {
                    id: partition.id(),
                    leader: partition.leader(),
                    replicas: partition.replicas().len(),
                    in_sync: partition.isr().len(),
                    start,
                    end,
                });
            }
            partitions.sort_by_key(|p| p.id);
            topics.push(TopicView { name: topic.name().to_owned(), partitions });
        }
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        match name {
            Some(name) if topics.is_empty() => {
                Err(Error::stop(format!("there is no topic `{name}` at {}", self.cluster.bootstrap), "`sluice topics list` names them all"))
            }
            _ => Ok(topics),
        }
    }

    /// The settings of a topic, by name.
    pub fn topic_config(&self, name: &str) -> Result<Vec<ConfigView>> {
        let what = format!("cannot ask for the settings of `{name}`");
        let asked = [ResourceSpecifier::Topic(name)];
        // The client must live until the answer is there: it is its thread that takes it.
        let client = self.client(&what)?;
        let answers =
            futures::executor::block_on(client.describe_configs(&asked, &change::options())).map_err(|e| self.cluster.error(&what, e))?;
        let mut found = Vec::new();
        for answer in answers {
            let resource = answer.map_err(|code| Error::stop(format!("{what}: {code}"), "give the user the right to describe topics"))?;
            found.extend(resource.entries.into_iter().map(|e| ConfigView {
                name: e.name,
                value: e.value.filter(|_| !e.is_sensitive),
                own: e.source == ConfigSource::DynamicTopic,
            }));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// All groups, or the one of this name; none for a name that is not known.
    pub fn groups(&self, name: Option<&str>) -> Result<Vec<GroupView>> {
        let list = self.consumer.fetch_group_list(name, PATIENCE).map_err(|e| self.cluster.error("cannot ask for groups", e))?;
        let mut groups: Vec<GroupView> = list
            .groups()
            .iter()
            .filter(|g| g.state() != "Dead")
            .map(|g| GroupView {
                name: g.name().to_owned(),
                state: g.state().to_owned(),
                protocol: g.protocol().to_owned(),
                members: g
                    .members()
                    .iter()
                    .map(|m| MemberView {
                        id: m.id().to_owned(),
                        client: m.client_id().to_owned(),
                        host: m.client_host().to_owned(),
                        partitions: m.assignment().and_then(assignment).unwrap_or_default(),
                    })
                    .collect(),
            })
            .collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// Everything that a group has committed.
    pub fn committed(&self, group: &str) -> Result<Vec<CommittedView>> {
        let what = format!("cannot ask for the offsets of group `{group}`");
        let mut ends = BTreeMap::new();
        let mut asked = TopicPartitionList::new();
        for topic in self.topics(None)? {
            for partition in topic.partitions {
                asked.add_partition(&topic.name, partition.id);
                ends.insert((topic.name.clone(), partition.id), partition.end);
            }
        }
        if asked.count() == 0 {
            return Ok(Vec::new());
        }
        // A consumer in the group's name that never joins it.
        let reader = consumer(&self.cluster, group)?;
        let answer = reader.committed_offsets(asked, PATIENCE).map_err(|e| self.cluster.error(&what, e))?;
        let committed = answer.elements().into_iter().filter_map(|e| match e.offset() {
            Offset::Offset(committed) => {
                let end = ends.get(&(e.topic().to_owned(), e.partition())).copied()?;
                Some(CommittedView { topic: e.topic().to_owned(), partition: e.partition(), committed, end })
            }
            _ => None,
        });
        Ok(committed.collect())
    }
}

fn consumer(cluster: &Cluster, group: &str) -> Result<BaseConsumer> {
    cluster
        .config()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .create()
        .map_err(|e| cluster.error("cannot make a client", e))
}

/// Reads a member's assignment, as consumers encode it (Kafka's `ConsumerProtocolAssignment`: version, then topics with partitions).
fn assignment(bytes: &[u8]) -> Option<Vec<(String, i32)>> {
    let mut rest = bytes.get(2..)?;
    let mut take = |n: usize| -> Option<&[u8]> {
        let (taken, left) = rest.split_at_checked(n)?;
        rest = left;
        Some(taken)
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    let mut found = Vec::new();
    for _ in 0..number(take(4)?) {
        let length = number(take(2)?);
        let topic = std::str::from_utf8(take(length)?).ok()?.to_owned();
        for _ in 0..number(take(4)?) {
            found.push((topic.clone(), i32::try_from(number(take(4)?)).ok()?));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_and_damaged_ones_refused() {
        let bytes = b"\x00\x01\x00\x00\x00\x01\x00\x02ab\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff";
        assert_eq!(assignment(bytes), Some(vec![("ab".into(), 0), ("ab".into(), 3)]));
        for end in 2..bytes.len() - 4 {
            assert_eq!(assignment(&bytes[..end]), None, "{end}");
        }
        assert_eq!(assignment(b"\x00\x01\xff\xff\xff\xff"), None);
    }
}
