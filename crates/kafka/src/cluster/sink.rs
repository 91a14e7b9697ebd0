//! Writing a cluster: what batches made and their entries in the sequence are one Kafka transaction, so nothing is ever half-written.
//! While the cluster is away the same transaction is tried again.
//!
//! Two producers take turns. A transaction that is committed still gets its markers written by the cluster, and until then its producer
//! may not begin the next: the client library asks again after 20 ms, which would be most of what a decision takes. The order holds all
//! the same: the other begins when the commit was acknowledged, which nothing can undo.

use super::deliveries::{Deliveries, NumberedProducer, send};
use super::{Cluster, PATIENCE};
use domain::{Error, Kind, Result};
use pipeline::{Entry, Outgoing, Output, Record, Sink, Ticket};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

impl Cluster {
    /// Writes the sequence to partition 0 of `sequence` and output `i` to partition 0 of `topics[i]`, under the transactional ids
    /// `{id}-0` and `{id}-1`. Whoever wrote with them before is fenced from the first call of `recover` on.
    pub fn sink(&self, id: &str, sequence: &str, topics: &[&str]) -> Result<ClusterSink> {
        let producer = |turn: usize| {
            let made: std::result::Result<NumberedProducer, KafkaError> = self
                .config()
                .set("transactional.id", format!("{id}-{turn}"))
                .set("enable.idempotence", "true")
                .set("linger.ms", "0")
                .set("compression.type", "lz4")
                .set("queue.buffering.max.messages", "1000000")
                .create_with_context(Deliveries::default());
            made.map_err(|e| self.error("cannot make a producer", e))
        };
        Ok(ClusterSink {
            cluster: self.clone(),
            producers: Some([producer(0)?, producer(1)?]),
            sequence: sequence.to_owned(),
            topics: topics.iter().map(|t| (*t).to_owned()).collect(),
            commits: None,
            looking: None,
        })
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
    producers: Option<[NumberedProducer; 2]>,
    sequence: String,
    topics: Vec<String>,
    commits: Option<SyncSender<Commit>>,
    /// Ends the looking thread when it is dropped.
    looking: Option<SyncSender<()>>,
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
    fn recover(&mut self, cut: Option<i64>) -> Result<()> {
        if cut.is_some() {
            return Err(Error::stop(
                "the sequence names records that their topics do not hold",
                "a topic was replaced; restore it, or start with another name in sluice.yml",
            ));
        }
        let Some(producers) = self.producers.take() else { return Ok(()) };
        for producer in &producers {
            producer.init_transactions(PATIENCE * 3).map_err(|e| self.cluster.error("cannot begin to write", e))?;
        }
        // Whoever wrote before is fenced, so the sequence has its end.
        self.cluster.seen.load(&self.cluster, &self.sequence)?;
        self.cluster.seen.look(&self.cluster)?;
        self.cluster.seen.verdict()?;
        let (commits, waiting) = sync_channel::<Commit>(64);
        let (cluster, sequence, topics) = (self.cluster.clone(), self.sequence.clone(), self.topics.clone());
        std::thread::Builder::new()
            .name("kafka-commit".into())
            .spawn(move || write(&cluster, &producers, &sequence, &topics, &waiting))
            .map_err(|e| Error::stop("could not start the writing thread", "raise the limit on threads").because(e))?;
        self.commits = Some(commits);
        let (looking, ended) = sync_channel(1);
        let cluster = self.cluster.clone();
        std::thread::Builder::new()
            .name("kafka-look".into())
            .spawn(move || look(&cluster, &ended))
            .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))?;
        self.looking = Some(looking);
        Ok(())
    }

    fn commit(&mut self, entry: &Entry, outputs: Vec<Output>) -> Result<Box<dyn Ticket>> {
        let timestamp_ms = entry.timestamp_ms();
        let entry = Outgoing { key: self.cluster.seen.key(entry).map(Into::into), value: entry.to_json().into() };
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

fn write(cluster: &Cluster, producers: &[NumberedProducer; 2], sequence: &str, topics: &[String], waiting: &Receiver<Commit>) {
    for producer in producers.iter().cycle() {
        let Ok(first) = waiting.recv() else { return };
        let mut commits = vec![first];
        commits.extend(std::iter::from_fn(|| waiting.try_recv().ok()).take(63));
        let written = cluster.seen.verdict();
        match written.and_then(|()| patiently(cluster, producer, || transaction(cluster, producer, sequence, topics, &commits))) {
            Ok(()) => commits.into_iter().for_each(|c| drop(c.done.send(Ok(())))),
            Err(e) => {
                let message = e.to_string();
                for commit in commits {
                    let _ = commit.done.send(Err(Error::stop(
                        format!("the results could not be written: {message}"),
                        e.hint
                            .clone()
                            .unwrap_or_else(|| "start again when the cluster is well: what was not committed is made again".into()),
                    )));
                }
                // Later batches were scored on top of these: they must not be written.
                return;
            }
        }
    }
}

/// How often the topics are looked at while they are read.
const LOOK_EVERY: Duration = Duration::from_secs(5);

fn look(cluster: &Cluster, ended: &Receiver<()>) {
    while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        if let Err(e) = cluster.seen.look(cluster) {
            tracing::debug!(error = %e, "the topics could not be looked at now");
        }
    }
}

/// How long is waited before a transaction is tried again: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Writes the same transaction until it is committed. Each attempt but the last was aborted, which is certain before the next begins.
///
/// # Errors
/// Where this producer can write no more: another has its place, or the cluster refuses.
fn patiently(
    cluster: &Cluster,
    producer: &NumberedProducer,
    mut attempt: impl FnMut() -> std::result::Result<(), KafkaError>,
) -> Result<()> {
    let mut back_off = BACK_OFF.0;
    loop {
        let Err(failure) = attempt() else { return Ok(()) };
        // Where it can write no more, the client says of each record only that; why, it says once.
        let failure = producer.client().fatal_error().map_or(failure, |(code, _)| KafkaError::Global(code));
        let error = cluster.error("cannot write a transaction", failure);
        if error.kind != Kind::Retry || is_fatal(producer) {
            return Err(error);
        }
        cluster.retries.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(error = %error, wait_ms = back_off.as_millis() as u64, "the cluster does not take the results now; trying again");
        abort(cluster, producer)?;
        std::thread::sleep(back_off);
        back_off = (back_off * 2).min(BACK_OFF.1);
    }
}

fn is_fatal(producer: &NumberedProducer) -> bool {
    producer.client().fatal_error().is_some()
}

fn abort(cluster: &Cluster, producer: &NumberedProducer) -> Result<()> {
    loop {
        match producer.abort_transaction(PATIENCE) {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(e)) if e.is_retriable() => {
                tracing::warn!(error = %e, "the transaction is not aborted yet; trying again");
            }
            Err(e) => return Err(cluster.error("cannot abort", e)),
        }
    }
}

/// How long a word is waited for at a time, before it is asked whether none will come.
const STEP: Duration = Duration::from_millis(100);

/// Waits for a word on every record of the batch. Where they do not all come in time, the commit will say why.
fn acknowledged(producer: &NumberedProducer) -> std::result::Result<(), KafkaError> {
    let until = Instant::now() + PATIENCE * 3;
    while Instant::now() < until {
        if let Some(outcome) = producer.context().wait(STEP) {
            // The client counts a record until it has forgotten the word on it, which is a moment after we had it.
            while outcome.is_ok() && producer.in_flight_count() > 0 {
                std::thread::yield_now();
            }
            return outcome.map(drop);
        }
        // One that was fenced keeps its records, and says nothing of them.
        if let Some((code, _)) = producer.client().fatal_error() {
            return Err(KafkaError::Global(code));
        }
    }
    Ok(())
}

fn transaction(
    cluster: &Cluster,
    producer: &NumberedProducer,
    sequence: &str,
    topics: &[String],
    commits: &[Commit],
) -> std::result::Result<(), KafkaError> {
    producer.begin_transaction()?;
    producer.context().begin();
    for commit in commits {
        for output in &commit.outputs {
            for record in &output.records {
                send(producer, &topics[output.topic], record.key.as_deref(), &record.value, commit.timestamp_ms)?;
            }
        }
        send(producer, sequence, commit.entry.key.as_deref(), &commit.entry.value, commit.timestamp_ms)?;
    }
    acknowledged(producer)?;
    loop {
        match producer.commit_transaction(PATIENCE * 3) {
            Ok(()) => return Ok(()),
            // Whether it is committed is not known yet: asking again tells.
            Err(KafkaError::Transaction(e)) if e.is_retriable() => {
                cluster.retries.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(error = %e, "the transaction is not committed yet; trying again");
            }
            Err(e) => return Err(e),
        }
    }
}
