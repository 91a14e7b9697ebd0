//! Appending to a topic of one partition, with the offset of each record: what `predict` stands on.

use super::deliveries::{Deliveries, NumberedProducer, send};
use super::{Cluster, PATIENCE};
use bytes::Bytes;
use domain::{Error, Result};
use rdkafka::producer::Producer;

impl Cluster {
    /// An appender that tells the offset of each record, for a topic of one partition.
    pub fn appender(&self, topic: &str) -> Result<Appender> {
        let producer = self
            .config()
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .create_with_context(Deliveries::default())
            .map_err(|e| self.error("cannot make a producer", e))?;
        Ok(Appender { cluster: self.clone(), producer, topic: topic.to_owned() })
    }
}

/// Appends to a topic of one partition and tells offsets.
pub struct Appender {
    cluster: Cluster,
    producer: NumberedProducer,
    topic: String,
}

impl Appender {
    /// Returns when all are acknowledged, with the offset of each.
    ///
    /// # Errors
    /// Of the first record that was not acknowledged; others may have been.
    pub fn append(&mut self, records: &[(Bytes, Bytes)], timestamp_ms: i64) -> Result<Vec<i64>> {
        let cannot = |e| self.cluster.error(&format!("cannot write to `{}`", self.topic), e);
        let deliveries = self.producer.context();
        deliveries.begin();
        for (key, value) in records {
            send(&self.producer, &self.topic, Some(key), value, timestamp_ms).map_err(cannot)?;
        }
        match deliveries.wait(PATIENCE) {
            Some(offsets) => offsets.map_err(cannot),
            None => {
                let seconds = PATIENCE.as_secs();
                Err(Error::retry(format!("cannot write to `{}`: no acknowledgement within {seconds} s", self.topic)))
            }
        }
    }
}
