//! Appending to a topic of one partition, with the offset of each record: what `predict` stands on.

use super::{Cluster, PATIENCE};
use bytes::Bytes;
use domain::{Error, Result};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::time::{Duration, Instant};

impl Cluster {
    /// An appender that tells the offset of each record, for a topic of one partition.
    pub fn appender(&self, topic: &str) -> Result<Appender> {
        let producer = self
            .config()
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .create_with_context(Deliveries::default())
            .map_err(|e| self.error("cannot make a producer", e))?;
        Ok(Appender { cluster: self.clone(), producer, topic: topic.to_owned(), sent: 0 })
    }
}

/// Collects what the client says of each record, by its number.
#[derive(Default)]
struct Deliveries(parking_lot::Mutex<Vec<(usize, std::result::Result<i64, KafkaError>)>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((e, _)) => Err(e.clone()),
        };
        self.0.lock().push((number, outcome));
    }
}

/// Appends to a topic of one partition and tells offsets.
pub struct Appender {
    cluster: Cluster,
    producer: BaseProducer<Deliveries>,
    topic: String,
    /// Numbers the records over all appends.
    sent: usize,
}

impl Appender {
    /// Returns when all are acknowledged, with the offset of each.
    ///
    /// # Errors
    /// Of the first record that was not acknowledged; others may have been.
    pub fn append(&mut self, records: &[(Bytes, Bytes)], timestamp_ms: i64) -> Result<Vec<i64>> {
        let what = format!("cannot write to `{}`", self.topic);
        let first = self.sent;
        for (key, value) in records {
            let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.topic, self.sent)
                .partition(0)
                .key(&key[..])
                .payload(&value[..])
                .timestamp(timestamp_ms);
            loop {
                match self.producer.send(message) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                        message = back;
                        self.producer.poll(Duration::from_millis(1));
                    }
                    Err((e, _)) => return Err(self.cluster.error(&what, e)),
                }
            }
            self.sent += 1;
        }
        let until = Instant::now() + PATIENCE;
        let mut offsets = vec![-1; records.len()];
        let mut left = records.len();
        while left > 0 {
            self.producer.poll(Duration::from_millis(10));
            for (number, outcome) in std::mem::take(&mut *self.producer.context().0.lock()) {
                // A late word on an append that was given up is not about this one.
                let Some(n) = number.checked_sub(first) else { continue };
                offsets[n] = outcome.map_err(|e| self.cluster.error(&what, e))?;
                left -= 1;
            }
            if left > 0 && Instant::now() > until {
                return Err(Error::retry(format!("{what}: no acknowledgement within {} s", PATIENCE.as_secs())));
            }
        }
        Ok(offsets)
    }
}
