//! The pair on a Kafka client (librdkafka), for a real cluster or for a broker of ours in another process. A batch's outputs and its
//! entry in the sequence are one Kafka transaction, so nothing is ever half-written; a second writer is fenced by its id.

use crate::admin::Admin;
use crate::tail::{Start, Tail};
use bytes::Bytes;
use domain::{Error, Kind, Result, TopicPartition};
use pipeline::{Outgoing, Output, Record, Sink, Source, Ticket};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How long the cluster may take to answer a question.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Records fetched ahead per partition before it is paused.
const AHEAD: usize = 100_000;

/// Where the cluster is and how to speak to it.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub bootstrap: String,
    /// Passed to the client as they are: `security.protocol`, `sasl.username`, ...
    pub properties: BTreeMap<String, String>,
}

impl Cluster {
    pub fn at(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), properties: BTreeMap::new() }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", "sluice");
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
    }

    pub fn source(&self) -> Result<ClusterSource> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "sluice")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50")
            .set("queued.min.messages", "100000")
            .create()
            .map_err(|e| self.error("cannot make a consumer", e))?;
        Ok(ClusterSource { cluster: self.clone(), consumer, partitions: BTreeMap::new() })
    }

    /// Writes the sequence to partition 0 of `sequence` and output `i` to partition 0 of `topics[i]`. Whoever wrote with the same
    /// `transactional_id` before is fenced from the first call of `recover` on.
    pub fn sink(&self, transactional_id: &str, sequence: &str, topics: &[&str]) -> Result<ClusterSink> {
        let producer: ThreadedProducer<DefaultProducerContext> = self
            .config()
            .set("transactional.id", transactional_id)
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "1000000")
            .create()
            .map_err(|e| self.error("cannot make a producer", e))?;
        Ok(ClusterSink {
            cluster: self.clone(),
            producer: Some(producer),
            sequence: sequence.to_owned(),
            topics: topics.iter().map(|t| (*t).to_owned()).collect(),
            commits: None,
        })
    }

    /// A producer for events: idempotent, in batches.
    pub fn sender(&self) -> Result<Sender> {
        self.sender_with("5", "lz4")
    }

    /// A producer that waits for no company: each record goes as soon as the connection takes it.
    pub fn prompt_sender(&self) -> Result<Sender> {
        self.sender_with("0", "none")
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

/// How long a partition whose records end in markers is not asked again, and how long one with records is waited for.
const BARREN: Duration = Duration::from_millis(100);
const COMING: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Buffered {
    records: VecDeque<Record>,
    /// When nothing more was found, and the end that the partition had then.
    empty: Option<(Instant, i64)>,
    /// The offset the client reads next, as far as we told it or saw.
    next: i64,
    paused: bool,
}

/// Reads a cluster.
pub struct ClusterSource {
    cluster: Cluster,
    consumer: BaseConsumer,
    partitions: BTreeMap<TopicPartition, Buffered>,
}

impl ClusterSource {
    fn list(at: &TopicPartition, offset: Option<i64>) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        match offset {
            Some(offset) => list
                .add_partition_offset(&at.topic, at.partition, Offset::Offset(offset))
                .map_err(|e| Error::bug(format!("{at} cannot be listed")).because(e))?,
            None => {
                list.add_partition(&at.topic, at.partition);
            }
        }
        Ok(list)
    }

    /// Takes what the client has, for whichever partition it is.
    fn drain(&mut self, mut wait: Duration) -> Result<()> {
        while let Some(message) = self.consumer.poll(wait) {
            wait = Duration::ZERO;
            let message = message.map_err(|e| self.cluster.error("cannot read", e))?;
            let at = TopicPartition::new(message.topic(), message.partition());
            let Some(buffered) = self.partitions.get_mut(&at) else { continue };
            // What was under way before a seek is not what was asked for.
            if message.offset() < buffered.next {
                continue;
            }
            buffered.next = message.offset() + 1;
            buffered.records.push_back(Record {
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
                key: message.key().map(Bytes::copy_from_slice),
                value: message.payload().map_or_else(Bytes::new, Bytes::copy_from_slice),
            });
            if buffered.records.len() >= AHEAD && !buffered.paused {
                buffered.paused = true;
                self.consumer.pause(&Self::list(&at, None)?).map_err(|e| self.cluster.error("cannot pause", e))?;
            }
        }
        Ok(())
    }

    fn place(&mut self, at: &TopicPartition, from: i64) -> Result<()> {
        let what = format!("cannot read {at} from offset {from}");
        match self.partitions.get_mut(at) {
            None => {
                self.consumer.incremental_assign(&Self::list(at, Some(from))?).map_err(|e| self.cluster.error(&what, e))?;
                self.partitions.insert(at.clone(), Buffered { next: from, ..Buffered::default() });
            }
            Some(buffered) => {
                while buffered.records.front().is_some_and(|r| r.offset < from) {
                    buffered.records.pop_front();
                }
                // Going on, a gap of markers included, needs nothing; going back does.
                let held_from = buffered.records.front().map_or(buffered.next, |r| r.offset);
                let goes_back = from < held_from && !buffered.records.is_empty() || from < buffered.next && buffered.records.is_empty();
                if goes_back || from > buffered.next {
                    buffered.records.clear();
                    buffered.next = from;
                    self.consumer.seek_partitions(Self::list(at, Some(from))?, PATIENCE).map_err(|e| self.cluster.error(&what, e))?;
                }
            }
        }
        Ok(())
    }
}

impl Source for ClusterSource {
    fn partitions(&mut self, topic: &str) -> Result<Vec<i32>> {
        let what = format!("cannot list the partitions of `{topic}`");
        let metadata = self.consumer.fetch_metadata(Some(topic), PATIENCE).map_err(|e| self.cluster.error(&what, e))?;
        let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none());
        let mut ids: Vec<i32> = found.map(|t| t.partitions().iter().map(|p| p.id()).collect()).unwrap_or_default();
        ids.sort_unstable();
        if ids.is_empty() {
            return Err(Error::stop(format!("topic `{topic}` does not exist"), "create the topic, or correct its name"));
        }
        Ok(ids)
    }

    fn bounds(&mut self, at: &TopicPartition) -> Result<(i64, i64)> {
        self.consumer
            .fetch_watermarks(&at.topic, at.partition, PATIENCE)
            .map_err(|e| self.cluster.error(&format!("cannot ask for the bounds of {at}"), e))
    }

    fn fetch(&mut self, at: &TopicPartition, from: i64, max_bytes: usize, out: &mut Vec<Record>) -> Result<()> {
        let fresh = !self.partitions.contains_key(at);
        self.place(at, from)?;
        self.drain(Duration::ZERO)?;
        let empty = self.partitions[at].empty;
        if self.partitions[at].records.is_empty() && empty.is_none_or(|(since, _)| since.elapsed() > BARREN) {
            // Nothing at hand: only if the cluster has nothing either may the answer be empty.
            let (start, end) = self.bounds(at)?;
            if from < start || from > end {
                if fresh {
                    self.consumer.incremental_unassign(&Self::list(at, None)?).map_err(|e| self.cluster.error("cannot unassign", e))?;
                    self.partitions.remove(at);
                }
                return Err(Error::stop(
                    format!("offset {from} of {at} is not held; the log has {start} to {end}"),
                    "the topic was replaced, or its retention passed the reader; restore it, or start from an empty state",
                ));
            }
            // Behind the last record there may be markers alone: what was waited for in vain once is not waited for again.
            let until = Instant::now() + COMING;
            let known = empty.is_some_and(|(_, known)| known == end);
            while from < end && !known && self.partitions[at].records.is_empty() && Instant::now() < until {
                self.drain(Duration::from_millis(20))?;
            }
            if let Some(buffered) = self.partitions.get_mut(at) {
                buffered.empty = buffered.records.is_empty().then(|| (Instant::now(), end));
            }
        }
        let mut bytes = 0;
        if let Some(buffered) = self.partitions.get_mut(at) {
            while bytes < max_bytes
                && let Some(record) = buffered.records.pop_front()
            {
                bytes += record.value.len();
                out.push(record);
            }
            if buffered.paused && buffered.records.len() < AHEAD / 2 {
                buffered.paused = false;
                self.consumer.resume(&Self::list(at, None)?).map_err(|e| self.cluster.error("cannot resume", e))?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, at: &[(TopicPartition, i64)], timeout: Duration) -> Result<()> {
        for (p, from) in at {
            self.place(p, *from)?;
        }
        if self.partitions.values().all(|b| b.records.is_empty()) {
            self.drain(timeout)?;
        }
        Ok(())
    }
}

struct Commit {
    entry: Outgoing,
    outputs: Vec<Output>,
    timestamp_ms: i64,
    done: SyncSender<Result<()>>,
}

/// Writes a cluster in transactions, one after the other on a thread of its own; what waits meanwhile goes into the next one together.
pub struct ClusterSink {
    cluster: Cluster,
    producer: Option<ThreadedProducer<DefaultProducerContext>>,
    sequence: String,
    topics: Vec<String>,
    commits: Option<SyncSender<Commit>>,
}

struct Waiting(Receiver<Result<()>>);

impl Ticket for Waiting {
    fn wait(self: Box<Self>) -> Result<()> {
        self.0.recv().unwrap_or_else(|_| {
            Err(Error::stop("the cluster's writer ended", "see the error before; start again: everything acknowledged is in the log"))
        })
    }
}

impl Sink for ClusterSink {
    fn recover(&mut self) -> Result<()> {
        let Some(producer) = self.producer.take() else { return Ok(()) };
        producer.init_transactions(PATIENCE * 3).map_err(|e| self.cluster.error("cannot begin to write", e))?;
        let (commits, waiting) = sync_channel::<Commit>(64);
        let (cluster, sequence, topics) = (self.cluster.clone(), self.sequence.clone(), self.topics.clone());
        std::thread::Builder::new()
            .name("kafka-commit".into())
            .spawn(move || write(&cluster, &producer, &sequence, &topics, &waiting))
            .map_err(|e| Error::stop("could not start the writing thread", "raise the limit on threads").because(e))?;
        self.commits = Some(commits);
        Ok(())
    }

    fn commit(&mut self, entry: Outgoing, outputs: Vec<Output>, timestamp_ms: i64) -> Result<Box<dyn Ticket>> {
        let (done, ticket) = sync_channel(1);
        let commits = self.commits.as_ref().ok_or_else(|| Error::bug("commit before recover"))?;
        commits
            .send(Commit { entry, outputs, timestamp_ms, done })
            .map_err(|_| Error::stop("the cluster's writer ended", "see the error before; start again"))?;
        Ok(Box::new(Waiting(ticket)))
    }

    fn complete(&mut self, _: &Record, _: Vec<Output>) -> Result<()> {
        // An entry and its outputs were one transaction: where the entry is, they are.
        Ok(())
    }
}

fn write(
    cluster: &Cluster,
    producer: &ThreadedProducer<DefaultProducerContext>,
    sequence: &str,
    topics: &[String],
    waiting: &Receiver<Commit>,
) {
    while let Ok(first) = waiting.recv() {
        let mut commits = vec![first];
        commits.extend(std::iter::from_fn(|| waiting.try_recv().ok()).take(63));
        let outcome = transaction(cluster, producer, sequence, topics, &commits);
        match outcome {
            Ok(()) => commits.into_iter().for_each(|c| drop(c.done.send(Ok(())))),
            Err(e) => {
                let _ = producer.abort_transaction(PATIENCE);
                let message = e.to_string();
                for commit in commits {
                    let _ = commit.done.send(Err(Error::stop(
                        format!("the results could not be written: {message}"),
                        "start again when the cluster is well: what was not committed is made again",
                    )));
                }
                // Later batches were scored on top of these: they must not be written.
                return;
            }
        }
    }
}

fn transaction(
    cluster: &Cluster,
    producer: &ThreadedProducer<DefaultProducerContext>,
    sequence: &str,
    topics: &[String],
    commits: &[Commit],
) -> Result<()> {
    producer.begin_transaction().map_err(|e| cluster.error("cannot begin a transaction", e))?;
    for commit in commits {
        for output in &commit.outputs {
            for record in &output.records {
                send(cluster, producer, &topics[output.topic], Some(0), record, commit.timestamp_ms)?;
            }
        }
        send(cluster, producer, sequence, Some(0), &commit.entry, commit.timestamp_ms)?;
    }
    loop {
        match producer.commit_transaction(PATIENCE * 3) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(e)) if e.is_retriable() => {
                tracing::warn!(error = %e, "the transaction is not committed yet; trying again");
            }
            Err(e) => return Err(cluster.error("cannot commit", e)),
        }
    }
}

fn send(
    cluster: &Cluster,
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: Option<i32>,
    record: &Outgoing,
    timestamp_ms: i64,
) -> Result<()> {
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
            Err((e, _)) => return Err(cluster.error(&format!("cannot write to `{topic}`"), e)),
        }
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

/// Sends events: what `simulate --to kafka` and `import` use.
pub struct Sender {
    cluster: Cluster,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Sender {
    /// Queues a record; its partition follows from the key. Waits while the queue is full.
    pub fn send(&self, topic: &str, timestamp_ms: i64, record: &Outgoing) -> Result<()> {
        send(&self.cluster, &self.producer, topic, None, record, timestamp_ms)
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
    /// Retry, after `patience`.
    pub fn check(&self, patience: Duration) -> Result<()> {
        self.producer.client().fetch_metadata(None, patience).map(drop).map_err(|e| self.cluster.error("no broker answers", e))
    }
}
