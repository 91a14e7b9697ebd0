//! A plain reader of a topic's new records, one poll a message: what a foreign consumer does that wants each record as soon as it can
//! be had. Benches measure with it; the scorer reads through [`ClusterSource`](crate::cluster::ClusterSource).

use crate::cluster::{Cluster, PATIENCE};
use bytes::Bytes;
use domain::{Result, TopicPartition};
use pipeline::Record;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Reads all partitions of a topic from the ends they have when it is made. Sees committed records only.
pub struct Tail {
    cluster: Cluster,
    consumer: BaseConsumer,
}

impl Tail {
    /// # Errors
    /// Retry while no broker answers; Stop where the topic does not exist.
    pub(crate) fn new(cluster: &Cluster, topic: &str) -> Result<Self> {
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
        for partition in metadata.topics().iter().filter(|t| t.name() == topic).flat_map(|t| t.partitions()) {
            // By offset, not by "end": records written before the first poll are read too.
            let (_, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).map_err(|e| cluster.error(&what, e))?;
            list.add_partition_offset(topic, partition.id(), Offset::Offset(end)).map_err(|e| cluster.error(&what, e))?;
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
