//! What the client says of records under way, and waiting for the last word. The client library's own `flush` looks only every tenth of a
//! second whether all have been acknowledged; a decision is not to wait for that.

use parking_lot::{Condvar, Mutex};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::time::{Duration, Instant};

/// A producer whose records are numbered, in the order they were sent.
pub(super) type NumberedProducer = ThreadedProducer<Deliveries>;

/// Collects the words on one batch of records; what comes late on an earlier one is left out.
#[derive(Default)]
pub(super) struct Deliveries {
    batch: Mutex<Batch>,
    complete: Condvar,
}

#[derive(Default)]
struct Batch {
    /// The number of its first record.
    first: usize,
    sent: usize,
    /// By record; a word comes once.
    outcomes: Vec<(usize, Result<i64, KafkaError>)>,
}

impl ClientContext for Deliveries {
    /// Each connection tells each attempt; what it means for the records is told by whoever waits for them.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the Kafka client reports");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((e, _)) => Err(e.clone()),
        };
        let mut batch = self.batch.lock();
        let Some(record) = number.checked_sub(batch.first) else { return };
        batch.outcomes.push((record, outcome));
        if batch.outcomes.len() == batch.sent {
            self.complete.notify_all();
        }
    }
}

impl Deliveries {
    /// Forgets the batch before.
    pub(super) fn begin(&self) {
        let mut batch = self.batch.lock();
        *batch = Batch { first: batch.first + batch.sent, ..Batch::default() };
    }

    fn sent(&self, by: isize) -> usize {
        let mut batch = self.batch.lock();
        let number = batch.first + batch.sent;
        batch.sent = batch.sent.wrapping_add_signed(by);
        number
    }

    /// Waits for a word on every record of the batch; none if they did not all come in time. The offset of each.
    pub(super) fn wait(&self, patience: Duration) -> Option<Result<Vec<i64>, KafkaError>> {
        let until = Instant::now() + patience;
        let mut batch = self.batch.lock();
        while batch.outcomes.len() < batch.sent {
            if self.complete.wait_until(&mut batch, until).timed_out() && batch.outcomes.len() < batch.sent {
                return None;
            }
        }
        let mut offsets = vec![-1; batch.sent];
        for (record, outcome) in batch.outcomes.drain(..) {
            match outcome {
                Ok(offset) => offsets[record] = offset,
                Err(e) => return Some(Err(e)),
            }
        }
        Some(Ok(offsets))
    }
}

/// Queues a record of the present batch for partition 0; waits while the client's queue is full.
pub(super) fn send(
    producer: &NumberedProducer,
    topic: &str,
    key: Option<&[u8]>,
    value: &[u8],
    timestamp_ms: i64,
) -> Result<(), KafkaError> {
    loop {
        let number = producer.context().sent(1);
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, number).partition(0).payload(value).timestamp(timestamp_ms);
        if let Some(key) = key {
            record = record.key(key);
        }
        let refused = match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((e, _)) => e,
        };
        producer.context().sent(-1);
        match refused {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => std::thread::sleep(Duration::from_millis(1)),
            e => return Err(e),
        }
    }
}
