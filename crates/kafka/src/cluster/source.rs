//! Reading a cluster: a queue of the client for each partition, so that a partition is read without touching the others. The client says
//! when a partition's end is reached: where records are known to be held, an empty queue means "not yet" until then, and is waited for.

use super::{Cluster, PATIENCE};
use bytes::Bytes;
use domain::{Error, Result, TopicPartition};
use parking_lot::{Condvar, Mutex};
use pipeline::{Record, Source};
use rdkafka::client::ClientContext;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a queue is waited for at a time, before the client's own news are looked at.
const STEP: Duration = Duration::from_millis(50);

/// How long bounds that were asked for count as those of now.
const FRESH: Duration = Duration::from_secs(2);

/// Going ahead by fewer offsets than this reads over them.
const NEAR: i64 = 10_000;

/// Reads a cluster.
pub struct ClusterSource {
    cluster: Cluster,
    consumer: Arc<BaseConsumer<Listening>>,
    lanes: BTreeMap<TopicPartition, Lane>,
    news: Arc<News>,
    /// Topics whose leaders the consumer knows.
    known: BTreeSet<String>,
    /// What was asked of partitions that are not read yet, and when: whoever asks reads them next.
    asked: BTreeMap<TopicPartition, ((i64, i64), Instant)>,
    /// Whether what is given out is remembered for the sequence.
    noting: bool,
}

/// One partition.
struct Lane {
    queue: PartitionQueue<Listening>,
    /// What came before the queue was its own.
    early: VecDeque<Record>,
    /// The offset that is given out next.
    next: i64,
    /// Whether the partition's end has been seen since it is read from where it is.
    at_end: bool,
    /// Whether the end was asked for since: it may lie behind the one that was seen.
    in_doubt: bool,
    /// Up to here the cluster holds records or markers.
    held_to: i64,
}

/// The client's news. An end that was reached is none to be told, nor is trouble with a group's coordinator: the client keeps a
/// connection to one because assigned partitions want a group's name, and we join none.
pub(super) struct Listening;

impl ClientContext for Listening {
    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::PartitionEOF) => {}
            _ if reason.starts_with("GroupCoordinator:") => tracing::debug!(%error, reason, "the Kafka client reports"),
            _ => tracing::warn!(%error, reason, "the Kafka client reports"),
        }
    }
}

impl ConsumerContext for Listening {}

/// Rings when a queue has something after it had nothing.
#[derive(Default)]
struct News {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl News {
    fn ring(&self) {
        *self.rung.lock() = true;
        self.bell.notify_all();
    }

    fn wait(&self, timeout: Duration) {
        let mut rung = self.rung.lock();
        if !*rung {
            self.bell.wait_for(&mut rung, timeout);
        }
        *rung = false;
    }
}

impl Cluster {
    /// # Errors
    /// Stop where a property in the settings is wrong.
    pub fn source(&self) -> Result<ClusterSource> {
        let consumer: BaseConsumer<Listening> = self
            .config()
            .set("group.id", "sluice")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.min.messages", "100000")
            // How long a partition is not fetched after its queue was found full.
            .set("fetch.queue.backoff.ms", "20")
            .create_with_context(Listening)
            .map_err(|e| self.error("cannot make a consumer", e))?;
        let (lanes, news) = (BTreeMap::new(), Arc::default());
        let (cluster, consumer) = (self.clone(), Arc::new(consumer));
        Ok(ClusterSource { cluster, consumer, lanes, news, known: BTreeSet::new(), asked: BTreeMap::new(), noting: false })
    }

    /// For the scorer alone: what it reads last of each partition is written down with the sequence.
    ///
    /// # Errors
    /// Stop where a property in the settings is wrong.
    pub fn noting_source(&self) -> Result<ClusterSource> {
        Ok(ClusterSource { noting: true, ..self.source()? })
    }
}

/// A client that reads nothing, for questions: a broker answers a connection in order, and a question behind a fetch that waits for
/// records waits with it. Made when it is first needed.
#[derive(Default)]
pub(super) struct Asking(Mutex<Option<Arc<BaseConsumer<Listening>>>>);

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asking")
    }
}

impl Cluster {
    /// The client for questions.
    ///
    /// # Errors
    /// Stop where a property in the settings is wrong.
    pub(super) fn asking(&self) -> Result<Arc<BaseConsumer<Listening>>> {
        let mut asking = self.asking.0.lock();
        if let Some(client) = &*asking {
            return Ok(client.clone());
        }
        let client = self.config().create_with_context(Listening).map_err(|e| self.error("cannot make a client", e))?;
        Ok(asking.insert(Arc::new(client)).clone())
    }
}

pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map_or_else(Bytes::new, Bytes::copy_from_slice),
    }
}

fn list(at: &TopicPartition, offset: i64) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&at.topic, at.partition, Offset::Offset(offset))
        .map_err(|e| Error::bug(format!("{at} cannot be listed")).because(e))?;
    Ok(list)
}

impl ClusterSource {
    /// What is not about one partition, and what a partition had before its queue was its own. All of it at once: what the client told
    /// while nobody asked is one failure, however often it told it.
    fn listen(&mut self) -> Result<()> {
        let mut failed = None;
        while let Some(message) = self.consumer.poll(Duration::ZERO) {
            match message {
                Ok(message) => {
                    let at = TopicPartition::new(message.topic(), message.partition());
                    if let Some(lane) = self.lanes.get_mut(&at) {
                        lane.early.push_back(record(&message));
                    }
                }
                // Its partition's queue says it too, or it is fetched from anew.
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(e) => failed = Some(e),
            }
        }
        failed.map_or(Ok(()), |e| Err(self.cluster.error("cannot read", e)))
    }

    /// Tells the consumer who leads the topic's partitions: by itself it would ask within a second of the first that it is given.
    fn know(&mut self, topic: &str) -> Result<()> {
        if !self.known.contains(topic) {
            let metadata = self.consumer.fetch_metadata(None, PATIENCE).map_err(|e| self.cluster.error("cannot list topics", e))?;
            self.known = metadata.topics().iter().map(|t| t.name().to_owned()).collect();
        }
        Ok(())
    }

    /// Reads the partition from this offset on. Where it is read already, going on needs nothing, over a gap of markers too.
    fn place(&mut self, at: &TopicPartition, from: i64) -> Result<()> {
        if !self.lanes.contains_key(at) {
            self.know(&at.topic)?;
        }
        let cannot = |e: KafkaError| self.cluster.error(&format!("cannot read {at} from offset {from}"), e);
        if let Some(lane) = self.lanes.get_mut(at)
            && (0..NEAR).contains(&(from - lane.next))
            && !(lane.at_end && lane.in_doubt && from < lane.held_to)
        {
            lane.next = from;
            return Ok(());
        }
        let (start, end) = match self.asked.remove(at) {
            Some((bounds, when)) if when.elapsed() < FRESH && bounds.0 <= from && from <= bounds.1 => bounds,
            _ => self.cluster.asking()?.fetch_watermarks(&at.topic, at.partition, PATIENCE).map_err(cannot)?,
        };
        if from < start || from > end {
            return Err(Error::stop(
                format!("offset {from} of {at} is not held; the log has {start} to {end}"),
                "the topic was replaced, or its retention passed the reader; restore it, or start from an empty state",
            ));
        }
        match self.lanes.get_mut(at) {
            None => {
                self.consumer.incremental_assign(&list(at, from)?).map_err(cannot)?;
                let mut queue = self
                    .consumer
                    .split_partition_queue(&at.topic, at.partition)
                    .ok_or_else(|| Error::bug(format!("{at} has no queue of its own")))?;
                let news = self.news.clone();
                queue.set_nonempty_callback(move || news.ring());
                let lane = Lane { queue, early: VecDeque::new(), next: from, at_end: false, in_doubt: false, held_to: end };
                self.lanes.insert(at.clone(), lane);
            }
            Some(lane) => {
                self.consumer.seek_partitions(list(at, from)?, PATIENCE).map_err(cannot)?;
                lane.early.clear();
                (lane.next, lane.at_end, lane.in_doubt, lane.held_to) = (from, false, false, end);
            }
        }
        Ok(())
    }
}

impl Lane {
    /// The next record at hand.
    fn poll(&mut self) -> KafkaResult<Option<Record>> {
        loop {
            let record = match self.early.pop_front() {
                Some(record) => record,
                None => match self.queue.poll(Duration::ZERO) {
                    Some(Ok(message)) => record(&message),
                    Some(Err(KafkaError::PartitionEOF(_))) => {
                        self.at_end = true;
                        continue;
                    }
                    Some(Err(e)) => return Err(e),
                    None => return Ok(None),
                },
            };
            // What was under way before a seek is not what was asked for.
            if record.offset >= self.next {
                return Ok(Some(record));
            }
        }
    }

    /// Gives out what is at hand, up to about `max_bytes`.
    fn take(&mut self, max_bytes: usize, out: &mut Vec<Record>) -> KafkaResult<()> {
        let mut bytes = 0;
        while bytes < max_bytes
            && let Some(record) = self.poll()?
        {
            self.next = record.offset + 1;
            bytes += record.value.len();
            out.push(record);
        }
        Ok(())
    }

    /// Whether a record is at hand.
    fn has_more(&mut self) -> KafkaResult<bool> {
        if let Some(record) = self.poll()? {
            self.early.push_front(record);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether nothing is held beyond what was given out, as far as is known.
    fn is_through(&self) -> bool {
        self.next >= self.held_to || self.at_end && !self.in_doubt
    }
}

impl Source for ClusterSource {
    fn partitions(&mut self, topic: &str) -> Result<Vec<i32>> {
        let what = format!("cannot list the partitions of `{topic}`");
        let metadata = self.cluster.asking()?.fetch_metadata(Some(topic), PATIENCE).map_err(|e| self.cluster.error(&what, e))?;
        let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none());
        let mut ids: Vec<i32> = found.map(|t| t.partitions().iter().map(|p| p.id()).collect()).unwrap_or_default();
        ids.sort_unstable();
        if ids.is_empty() {
            return Err(Error::stop(format!("topic `{topic}` does not exist"), "create the topic, or correct its name"));
        }
        Ok(ids)
    }

    fn bounds(&mut self, at: &TopicPartition) -> Result<(i64, i64)> {
        let bounds = self
            .cluster
            .asking()?
            .fetch_watermarks(&at.topic, at.partition, PATIENCE)
            .map_err(|e| self.cluster.error(&format!("cannot ask for the bounds of {at}"), e))?;
        match self.lanes.get_mut(at) {
            Some(lane) => (lane.in_doubt, lane.held_to) = (true, bounds.1),
            None => drop(self.asked.insert(at.clone(), (bounds, Instant::now()))),
        }
        Ok(bounds)
    }

    fn fetch(&mut self, at: &TopicPartition, from: i64, max_bytes: usize, out: &mut Vec<Record>) -> Result<()> {
        let had = out.len();
        if self.noting {
            self.cluster.seen.verdict()?;
        }
        let until = Instant::now() + PATIENCE;
        loop {
            self.place(at, from)?;
            let Some(lane) = self.lanes.get_mut(at) else { return Err(Error::bug(format!("{at} is not read"))) };
            lane.take(max_bytes, out).map_err(|e| self.cluster.error(&format!("cannot read {at}"), e))?;
            if out.len() > had || lane.is_through() {
                if let (true, Some(last)) = (self.noting, out[had..].last()) {
                    self.cluster.seen.note(at, last);
                }
                return Ok(());
            }
            self.listen()?;
            if Instant::now() > until {
                return Err(Error::retry(format!("cannot read {at} from offset {from}: nothing came for {} s", PATIENCE.as_secs())));
            }
            self.news.wait(STEP);
        }
    }

    fn wait(&mut self, at: &[(TopicPartition, i64)], timeout: Duration) -> Result<()> {
        let until = Instant::now() + timeout;
        for (partition, from) in at {
            self.place(partition, *from)?;
        }
        loop {
            self.listen()?;
            for (at, lane) in &mut self.lanes {
                if lane.has_more().map_err(|e| self.cluster.error(&format!("cannot read {at}"), e))? {
                    return Ok(());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.news.wait(left);
        }
    }
}
