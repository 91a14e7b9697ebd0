//! The pair on a Kafka client (librdkafka), for a real cluster or for a broker of ours in another process. A batch's outputs and its
//! entry in the sequence are one Kafka transaction, so nothing is ever half-written; a second writer is fenced by its id.

mod appender;
mod deliveries;
mod reach;
mod seen;
mod sink;
mod source;

pub use appender::Appender;
pub use sink::ClusterSink;
pub use source::ClusterSource;

use crate::admin::Admin;
use crate::tail::{Start, Tail};
use domain::{Error, Kind, Result};
use pipeline::Outgoing;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use seen::Seen;
use source::Asking;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// How long the cluster may take to answer a question.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where the cluster is and how to speak to it.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub bootstrap: String,
    /// Passed to the client as they are: `security.protocol`, `sasl.username`, ...
    pub properties: BTreeMap<String, String>,
    /// How often something was tried again because the cluster was away; clones share it.
    pub retries: Arc<AtomicU64>,
    /// What the scorer read last; clones share it.
    seen: Seen,
    /// For questions; clones share it.
    asking: Arc<Asking>,
}

impl Cluster {
    pub fn at(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), ..Self::default() }
    }

    /// With properties that are passed to the client as they are.
    pub fn with(bootstrap: impl Into<String>, properties: BTreeMap<String, String>) -> Self {
        Self { properties, ..Self::at(bootstrap) }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", "sluice");
        // Each of its connections would tell of a broker that is away; we do, once an attempt.
        config.set_log_level(RDKafkaLogLevel::Critical);
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }

    /// A producer for events: idempotent, in batches.
    pub fn sender(&self) -> Result<Sender> {
        self.sender_with("5", "lz4")
    }

    /// A producer that waits for no company: each record goes as soon as the connection takes it.
    pub fn prompt_sender(&self) -> Result<Sender> {
        self.sender_with("0", "none")
    }

    /// A producer of large batches that are sent as they are: what a load is measured with.
    pub fn bulk_sender(&self) -> Result<Sender> {
        self.sender_with("5", "none")
    }

    fn sender_with(&self, linger_ms: &str, compression: &str) -> Result<Sender> {
        let producer = self
            .config()
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms)
            .set("batch.size", "262144")
            .set("compression.type", compression)
            .set("message.max.bytes", "16000000")
            .create()
            .map_err(|e| self.error("cannot make a producer", e))?;
        Ok(Sender { cluster: self.clone(), producer })
    }

    /// Reads what comes into a topic from now on.
    ///
    /// # Errors
    /// Retry while no broker answers.
    pub fn tail(&self, topic: &str) -> Result<Tail> {
        Tail::new(self, topic, Start::End)
    }

    /// Reads a topic from a place on.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the topic does not exist.
    pub fn tail_from(&self, topic: &str, start: Start) -> Result<Tail> {
        Tail::new(self, topic, start)
    }

    /// Someone to ask about topics and groups.
    pub fn admin(&self) -> Result<Admin> {
        Admin::new(self)
    }

    /// Creates topics (name, partitions) that do not exist yet, with the cluster's own replication.
    ///
    /// # Errors
    /// Retry while no broker answers; Stop where the cluster refuses.
    pub fn create_topics(&self, topics: &[(String, i32)]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create().map_err(|e| self.error("cannot make an admin client", e))?;
        let new: Vec<NewTopic<'_>> = topics.iter().map(|(name, n)| NewTopic::new(name, *n, TopicReplication::Fixed(-1))).collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let outcomes =
            futures::executor::block_on(admin.create_topics(&new, &options)).map_err(|e| self.error("cannot create topics", e))?;
        for outcome in outcomes {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(Error::stop(
                        format!("the cluster does not create `{topic}`: {code}"),
                        "create the topic by hand, or give the user the right to",
                    ));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn error(&self, what: &str, e: KafkaError) -> Error {
        let what = format!("{what} ({})", self.bootstrap);
        let error = match e.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch) => {
                Error::stop(what, "another Sluice writes to this cluster with the same id; stop one of them")
            }
            Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset) => {
                Error::stop(what, "the topic was replaced, or its retention passed the reader; restore it, or start from an empty state")
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition) => {
                Error::stop(what, "create the topic, or correct its name")
            }
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::Authentication,
            ) => Error::stop(what, "check the user, its password and its rights in the project's log settings"),
            _ if matches!(e, KafkaError::ClientConfig(..)) => Error::stop(what, "correct the property in the project's log settings"),
            _ => Error::retry(what),
        };
        error.because(e)
    }
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: Option<i32>,
    record: &Outgoing,
    timestamp_ms: i64,
) -> std::result::Result<(), KafkaError> {
    loop {
        let mut message = BaseRecord::<[u8], [u8]>::to(topic).payload(&record.value).timestamp(timestamp_ms);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        if let Some(partition) = partition {
            message = message.partition(partition);
        }
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => std::thread::sleep(Duration::from_millis(1)),
            Err((e, _)) => return Err(e),
        }
    }
}

/// Sends events: what `simulate --to kafka` and `import` use.
pub struct Sender {
    cluster: Cluster,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Sender {
    /// Queues a record; its partition follows from the key. Waits while the queue is full.
    pub fn send(&self, topic: &str, timestamp_ms: i64, record: &Outgoing) -> Result<()> {
        send(&self.producer, topic, None, record, timestamp_ms).map_err(|e| self.cluster.error(&format!("cannot write to `{topic}`"), e))
    }

    /// Returns when everything queued was acknowledged.
    ///
    /// # Errors
    /// Retry if the broker did not acknowledge in time.
    pub fn flush(&self, patience: Duration) -> Result<()> {
        self.producer.flush(patience).map_err(|e| {
            let error = self.cluster.error("the broker did not acknowledge everything", e);
            if error.kind == Kind::Bug { Error::retry(error.message) } else { error }
        })
    }

    /// Waits for the broker to answer at all.
    ///
    /// # Errors
    /// Those of [`Cluster::reach`].
    pub fn check(&self, patience: Duration) -> Result<()> {
        self.cluster.reach(patience)
    }
}
