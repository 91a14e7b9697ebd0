//! Knowing a topic again. The client does not say when a topic was deleted and another made under its name: where the new one holds more
//! records than were read of the old, it would be read on as if nothing had happened. So the last record read of each partition is
//! remembered by its checksum, in the keys of the sequence's entries, and looked at again: at every start, and every few seconds.

use super::source::{Listening, record};
use super::{Cluster, PATIENCE};
use domain::{Error, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Entry, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often an entry's key names all partitions; those between name what they took from.
const ALL_EVERY: u64 = 256;

/// So many offsets before the sequence's end are read for them: each entry may be a transaction of its own, with a marker behind it.
const LOOKED_BACK: i64 = 3 * ALL_EVERY as i64;

/// The last record read of each partition: its offset and checksum. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    last: Arc<Mutex<BTreeMap<TopicPartition, (i64, u32)>>>,
    keys: Arc<AtomicU64>,
    /// A partition that holds another record at this offset.
    other: Arc<Mutex<Option<(TopicPartition, i64)>>>,
}

/// How long nothing comes before partitions are read one by one.
const QUIET: Duration = Duration::from_millis(500);

/// As it stands in a key: topic, partition, offset, checksum.
type Named = (String, i32, i64, u32);

impl Seen {
    /// A record was given out.
    pub(super) fn note(&self, at: &TopicPartition, record: &Record) {
        let mut last = self.last.lock();
        match last.get_mut(at) {
            Some(known) if known.0 < record.offset => *known = (record.offset, checksum(record)),
            Some(_) => {}
            None => drop(last.insert(at.clone(), (record.offset, checksum(record)))),
        }
    }

    /// The key of an entry.
    pub(super) fn key(&self, entry: &Entry) -> Option<Vec<u8>> {
        let all = self.keys.fetch_add(1, Ordering::Relaxed).is_multiple_of(ALL_EVERY);
        let last = self.last.lock();
        let named = |at: &TopicPartition, (offset, sum): (i64, u32)| -> Named { (at.topic.clone(), at.partition, offset, sum) };
        let found: Vec<Named> = match all {
            true => last.iter().map(|(at, mark)| named(at, *mark)).collect(),
            false => entry.runs.iter().filter_map(|run| last.get(&run.at()).map(|mark| named(&run.at(), *mark))).collect(),
        };
        serde_json::to_vec(&found).ok()
    }

    /// Takes what the sequence's last entries name.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn load(&self, cluster: &Cluster, sequence: &str) -> Result<()> {
        let looker = Looker::new(cluster, "1048576")?;
        let sequence = TopicPartition::new(sequence, 0);
        let (start, end) = looker.bounds(&sequence)?;
        let mut found = BTreeMap::new();
        looker.read(&sequence, start.max(end - LOOKED_BACK), |record| {
            let named = record.key.and_then(|key| serde_json::from_slice::<Vec<Named>>(&key).ok());
            for (topic, partition, offset, sum) in named.unwrap_or_default() {
                found.insert(TopicPartition::new(topic, partition), (offset, sum));
            }
            false
        })?;
        *self.last.lock() = found;
        Ok(())
    }

    /// # Errors
    /// Stop where a partition was found to hold another record than the one that was read.
    pub(super) fn verdict(&self) -> Result<()> {
        match &*self.other.lock() {
            None => Ok(()),
            Some((at, offset)) => Err(Error::stop(
                format!("{at} no longer holds the record that was read at offset {offset}: the topic was replaced by another of its name"),
                "restore the topic as it was, or begin anew: an empty data folder and a log without the topics that Sluice writes",
            )),
        }
    }

    /// Looks whether each partition still holds the record that was read last of it; [`Seen::verdict`] tells.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn look(&self, cluster: &Cluster) -> Result<()> {
        let known = self.last.lock().clone();
        // One record of each is wanted, so no more than its batch.
        let looker = Looker::new(cluster, "1024")?;
        let mut wanted = BTreeMap::new();
        for (at, (offset, sum)) in known {
            let (start, end) = looker.bounds(&at)?;
            if offset >= end {
                *self.other.lock() = Some((at, offset));
                return Ok(());
            }
            // What retention has passed cannot be looked at any more; nor what compaction took.
            if offset >= start {
                wanted.insert(at, (offset, sum));
            }
        }
        let judge = |at: &TopicPartition, (offset, sum): (i64, u32), record: &Record| {
            if record.offset == offset && checksum(record) != sum {
                *self.other.lock() = Some((at.clone(), offset));
            }
        };
        // All at once: one after the other would take a round of fetches each.
        let places: Vec<_> = wanted.iter().map(|(at, (offset, _))| (at.clone(), *offset)).collect();
        looker.first_of_each(&places, |at, record| {
            if let Some(mark) = wanted.remove(at) {
                judge(at, mark, &record);
            }
            !wanted.is_empty()
        })?;
        // One that gave nothing may hold nothing but markers there, which only its end tells.
        for (at, mark) in wanted {
            looker.read(&at, mark.0, |record| {
                judge(&at, mark, &record);
                true
            })?;
        }
        Ok(())
    }
}

/// Over everything but the offset.
fn checksum(record: &Record) -> u32 {
    let sum = crc32c::crc32c(&record.timestamp_ms.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, record.key.as_deref().unwrap_or_default());
    crc32c::crc32c_append(sum, &record.value)
}

/// Reads a few records here and there.
struct Looker {
    cluster: Cluster,
    consumer: BaseConsumer<Listening>,
}

impl Looker {
    fn new(cluster: &Cluster, fetch_bytes: &str) -> Result<Self> {
        let consumer = cluster
            .config()
            .set("group.id", "sluice")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            // What was assigned before is not waited for.
            .set("fetch.wait.max.ms", "1")
            .set("fetch.message.max.bytes", fetch_bytes)
            .set("queued.min.messages", "1")
            .set("fetch.queue.backoff.ms", "1")
            .create_with_context(Listening)
            .map_err(|e| cluster.error("cannot make a consumer", e))?;
        Ok(Self { cluster: cluster.clone(), consumer })
    }

    fn bounds(&self, at: &TopicPartition) -> Result<(i64, i64)> {
        let asked = self.cluster.asking()?.fetch_watermarks(&at.topic, at.partition, PATIENCE);
        asked.map_err(|e| self.cluster.error(&format!("cannot ask for the bounds of {at}"), e))
    }

    /// Reads all these partitions from their offsets on, until `each` says that it goes no further, or nothing came for a while.
    fn first_of_each(&self, places: &[(TopicPartition, i64)], mut each: impl FnMut(&TopicPartition, Record) -> bool) -> Result<()> {
        let cannot = |e| self.cluster.error("cannot look at what was read last", e);
        let mut list = TopicPartitionList::new();
        for (at, from) in places {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(*from)).map_err(cannot)?;
        }
        self.consumer.assign(&list).map_err(cannot)?;
        let mut more = !places.is_empty();
        while more {
            match self.consumer.poll(QUIET) {
                Some(Ok(message)) => more = each(&TopicPartition::new(message.topic(), message.partition()), record(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(e)) => return Err(cannot(e)),
                None => more = false,
            }
        }
        Ok(())
    }

    /// Reads a partition from an offset on until `each` has enough, or its end is reached.
    fn read(&self, at: &TopicPartition, from: i64, mut each: impl FnMut(Record) -> bool) -> Result<()> {
        let cannot = |e| self.cluster.error(&format!("cannot look at {at}"), e);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&at.topic, at.partition, Offset::Offset(from)).map_err(cannot)?;
        self.consumer.assign(&list).map_err(cannot)?;
        let until = Instant::now() + PATIENCE;
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            match self.consumer.poll(wait) {
                Some(Ok(message)) if each(record(&message)) => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(e)) => return Err(cannot(e)),
                None if wait.is_zero() => return Err(Error::retry(format!("the cluster did not bring what {at} holds in time"))),
                None => {}
            }
        }
    }
}
