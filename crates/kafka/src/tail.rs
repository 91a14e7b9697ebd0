//! A plain reader of a topic, one poll a message: what a foreign consumer does that wants each record as soon as it can
//! be had. `topics tail` prints with it and benches measure with it; the scorer reads through [`ClusterSource`](crate::cluster::ClusterSource).

use crate::cluster::{Cluster, PATIENCE};
use bytes::Bytes;
use domain::{Error, Result, TopicPartition};
use pipeline::Record;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Where to begin in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what comes.
    End,
    Beginning,
    /// This many offsets before the end.
    Last(i64),
}

/// Reads all partitions of a topic. Sees committed records only.
pub struct Tail {
    cluster: Cluster,
    consumer: BaseConsumer,
}

impl Tail {
    /// # Errors
    /// Retry while no broker answers; Stop where the topic does not exist.
    pub(crate) fn new(cluster: &Cluster, topic: &str, begin: Start) -> Result<Self> {
        let consumer: BaseConsumer = cluster
            .config()
            .set("group.id", "sluice-tail")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "latest")
            .set("isolation.level", "read_committed")
            .create()
            .map_err(|e| cluster.error("cannot make a consumer", e))?;
        let what = format!("cannot read `{topic}`");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(|e| cluster.error(&what, e))?;
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics().iter().filter(|t| t.name() == topic).filter(|t| t.error().is_none()).flat_map(|t| t.partitions())
        {
            // By offset, not by "end": records written before the first poll are read too.
            let (start, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).map_err(|e| cluster.error(&what, e))?;
            let from = match begin {
                Start::End => end,
                Start::Beginning => start,
                Start::Last(n) => start.max(end - n),
            };
            list.add_partition_offset(topic, partition.id(), Offset::Offset(from)).map_err(|e| cluster.error(&what, e))?;
        }
        if list.count() == 0 {
            return Err(Error::stop(
                format!("there is no topic `{topic}` at {}", cluster.bootstrap),
                "`sluice topics list` names them all",
            ));
        }
        consumer.assign(&list).map_err(|e| cluster.error(&what, e))?;
        Ok(Self { cluster: cluster.clone(), consumer })
    }

    /// The next record, or none within `patience`.
    ///
    /// # Errors
    /// What the client reports; Retry where it goes on by itself.
    pub fn next(&self, patience: Duration) -> Result<Option<(TopicPartition, Record)>> {
        let Some(message) = self.consumer.poll(patience) else { return Ok(None) };
        let message = message.map_err(|e| self.cluster.error("cannot read", e))?;
        let record = Record {
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map_or_else(Bytes::new, Bytes::copy_from_slice),
        };
        Ok(Some((TopicPartition::new(message.topic(), message.partition()), record)))
    }
}
