//! Making, deleting and emptying topics.

use super::Admin;
use crate::cluster::PATIENCE;
use domain::{Error, Result};
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

/// A topic to be made; what is none is left to the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPlan {
    pub name: String,
    pub partitions: Option<i32>,
    pub replicas: Option<i32>,
    /// Settings by name.
    pub config: Vec<(String, String)>,
}

impl Admin {
    /// Makes a topic. Whether it was missing.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the broker refuses.
    pub fn create_topic(&self, plan: &TopicPlan) -> Result<bool> {
        let what = format!("cannot create topic `{}`", plan.name);
        let mut topic = NewTopic::new(&plan.name, plan.partitions.unwrap_or(-1), TopicReplication::Fixed(plan.replicas.unwrap_or(-1)));
        for (name, value) in &plan.config {
            topic = topic.set(name, value);
        }
        let outcomes = block_on(self.client(&what)?.create_topics([&topic], &options())).map_err(|e| self.cluster.error(&what, e))?;
        for outcome in outcomes {
            match outcome {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => return Ok(false),
                Err((_, code)) => return Err(refused(&what, code)),
            }
        }
        Ok(true)
    }

    /// Deletes a topic with everything in it.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the broker refuses.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let what = format!("cannot delete topic `{name}`");
        let outcomes = block_on(self.client(&what)?.delete_topics(&[name], &options())).map_err(|e| self.cluster.error(&what, e))?;
        outcomes.into_iter().try_for_each(|outcome| outcome.map(drop).map_err(|(_, code)| refused(&what, code)))
    }

    /// Deletes every record that a topic holds now. Partitions, settings and the next offsets stay as they are. The first offset that each
    /// partition then holds.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the broker refuses, as it does for a topic that is only compacted.
    pub fn empty_topic(&self, name: &str) -> Result<Vec<(i32, i64)>> {
        let what = format!("cannot empty topic `{name}`");
        let mut ends = TopicPartitionList::new();
        for partition in self.topics(Some(name))?.into_iter().flat_map(|t| t.partitions) {
            let listed = ends.add_partition_offset(name, partition.id, Offset::Offset(partition.end));
            listed.map_err(|e| self.cluster.error(&what, e))?;
        }
        let done = block_on(self.client(&what)?.delete_records(&ends, &options())).map_err(|e| self.cluster.error(&what, e))?;
        let mut starts = Vec::new();
        for element in done.elements() {
            match (element.error(), element.offset()) {
                (Ok(()), Offset::Offset(start)) => starts.push((element.partition(), start)),
                (Err(e), _) => return Err(refused(&what, e.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown))),
                (Ok(()), other) => return Err(Error::bug(format!("{what}: the broker answers with offset {other:?}"))),
            }
        }
        starts.sort_unstable();
        Ok(starts)
    }

    pub(super) fn client(&self, what: &str) -> Result<AdminClient<DefaultClientContext>> {
        self.cluster.config().create().map_err(|e| self.cluster.error(what, e))
    }
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// What a broker does not do, with what would help.
fn refused(what: &str, code: RDKafkaErrorCode) -> Error {
    let hint = match code {
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => "give the user the right to",
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => "`sluice topics list` names them all",
        RDKafkaErrorCode::InvalidReplicationFactor => "there are fewer brokers than replicas; name fewer with --replication-factor",
        RDKafkaErrorCode::InvalidPartitions => "name 1 partition or more with --partitions",
        RDKafkaErrorCode::InvalidTopic => "letters, digits, `.`, `_` and `-` make a name, 249 at most",
        RDKafkaErrorCode::InvalidConfig => "correct the setting's name or value; `sluice topics describe` shows those that a topic has",
        RDKafkaErrorCode::PolicyViolation => {
            "a topic that is only compacted keeps the last record of each key; delete it and create it again"
        }
        _ => "the broker's own log says why",
    };
    Error::stop(format!("{what}: {code}"), hint)
}
