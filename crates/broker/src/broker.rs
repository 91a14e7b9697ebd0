//! The broker as other crates see it: open it on a folder, append and read without a socket, and let it listen for
//! clients. Calls are synchronous and short, except those that wait for the disk; both threads and tasks may call.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, TopicConfig};
use crate::coordinator::Coordinator;
use crate::error::{Error, Result};
use crate::files::{read_checked, replace_checked};
use crate::journal::Journal;
use crate::log::{
    self, Durable, Fetched, GroupPart, Isolation, Origin, Partition, PartitionOptions, Subscription, Syncer, Wal, Watermarks,
};
use crate::records::Batch;
use crate::security::Security;
use crate::server;
use crate::settings::LogSettings;
use crate::topics::{Topic, Topics};
use crate::traffic::{Counters, Traffic};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A topic as [`Broker::topics`] lists it.
#[derive(Debug, Clone)]
pub struct TopicInfo {
    /// Name.
    pub name: Arc<str>,
    /// Settings.
    pub config: TopicConfig,
    /// Bytes on disk, all partitions together.
    pub bytes: u64,
    /// Watermarks by partition number.
    pub watermarks: Vec<Watermarks>,
}

/// What [`Broker::append`] did.
#[derive(Debug)]
pub struct Appended {
    /// Offset of the first record; of its first time, if the batch repeats one of an idempotent producer.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Resolves when the records are on disk.
    pub durable: Durable,
}

/// What [`Broker::append_group`] did.
#[derive(Debug)]
pub struct GroupAppended {
    /// Base offsets of the batches, in the order given.
    pub base_offsets: Vec<i64>,
    /// Resolves when all partitions are on disk and all high watermarks have risen.
    pub durable: Durable,
}

/// The broker. Clones are cheap and share one.
#[derive(Debug, Clone)]
pub struct Broker {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) topics: Topics,
    pub(crate) coordinator: Coordinator,
    pub(crate) cluster_id: String,
    pub(crate) stop: CancellationToken,
    pub(crate) address: OnceLock<SocketAddr>,
    pub(crate) counters: Arc<Counters>,
    journal: Arc<Journal>,
    state: Arc<Partition>,
    syncer: Arc<Syncer>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Held locked as long as this process uses the folder.
    _lock: File,
}

impl Broker {
    /// Opens the folder and recovers what is in it; does not listen yet. Needs a tokio runtime for its timers.
    pub async fn open(config: Config) -> Result<Broker> {
        let opened = tokio::task::spawn_blocking(move || Broker::open_blocking(config)).await;
        let broker = opened.map_err(|_| Error::Closed)??;
        Coordinator::finish_interrupted(&broker).await;
        broker.spawn(housekeeping(broker.clone()));
        broker.spawn(Coordinator::run(broker.clone()));
        Ok(broker)
    }

    fn open_blocking(config: Config) -> Result<Broker> {
        let dir = &config.dir;
        std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        let lock_path = dir.join("lock");
        let lock = File::create(&lock_path).map_err(|e| Error::io("open", &lock_path, e))?;
        lock.try_lock()
            .map_err(|e| Error::io("lock", &lock_path, std::io::Error::other(format!("another process uses this folder ({e})"))))?;
        let cluster_id = cluster_id(&dir.join("cluster-id"))?;
        let wal = Wal::open(config.files.clone(), dir, if config.sync { config.wal_bytes } else { 0 })?;
        let counters: Arc<Counters> = Arc::default();
        let syncer = Syncer::new(config.limits.sync_threads, Some(wal.clone()), counters.clone());
        let topics = Topics::open(config.clone(), syncer.clone())?;
        let settings = LogSettings::plain(config.segment_bytes, u64::MAX, usize::MAX);
        let options = PartitionOptions { sync: config.sync, settings, topic_id: uuid::Uuid::nil() };
        let (files, state_dir) = (config.files.clone(), dir.join("state"));
        let state = Partition::open("state".into(), 0, state_dir, files, options, syncer.clone())?;
        wal.begin()?;
        let journal = Arc::new(Journal::open(state.clone())?);
        let coordinator = Coordinator::open(journal.clone(), &config)?;
        let shared = Shared {
            config,
            topics,
            coordinator,
            cluster_id,
            stop: CancellationToken::new(),
            address: OnceLock::new(),
            counters,
            journal,
            state,
            syncer,
            tasks: Mutex::default(),
            _lock: lock,
        };
        Ok(Broker { shared: Arc::new(shared) })
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.shared.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(tokio::spawn(task));
    }

    /// Starts serving clients on the configured address, which must be a loopback one; returns the real one.
    pub async fn listen(&self) -> Result<SocketAddr> {
        self.listen_with(Security::default()).await
    }

    /// Starts serving clients on the configured address, secured; returns the real one.
    pub async fn listen_with(&self, security: Security) -> Result<SocketAddr> {
        server::listen(self, security).await
    }

    /// The address listened on, once [`Broker::listen`] has returned.
    pub fn address(&self) -> Option<SocketAddr> {
        self.shared.address.get().copied()
    }

    /// What went through it so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.counters.now()
    }

    /// Creates a topic. False if there already is one of that name, which is left as it is. Blocks on the disk.
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<bool> {
        Ok(self.shared.topics.create(name, config)?.1)
    }

    /// Deletes a topic with its records. Blocks on the disk.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        self.shared.topics.delete(name)?;
        self.shared.coordinator.topic_deleted(name)
    }

    /// All topics by name.
    pub fn topics(&self) -> Vec<TopicInfo> {
        self.shared.topics.all().iter().map(|topic| info(topic)).collect()
    }

    /// One topic.
    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.shared.topics.get(name).map(|topic| info(&topic))
    }

    /// Number of partitions of a topic.
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        self.shared.topics.get(topic).map(|topic| topic.config.partitions)
    }

    fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>> {
        self.shared.topics.partition(topic, partition)
    }

    /// The offsets that bound what can be read.
    pub fn watermarks(&self, topic: &str, partition: i32) -> Result<Watermarks> {
        Ok(self.partition(topic, partition)?.watermarks())
    }

    /// Appends one batch. Returns when it is written; it is durable, and visible to readers, when
    /// [`Appended::durable`] resolves. Batches appended by one caller lie in the order of its calls.
    pub fn append(&self, topic: &str, partition: i32, batch: &Batch) -> Result<Appended> {
        let appended = self.partition(topic, partition)?.append(batch, Origin::Local)?;
        let log::PartitionAppend { base_offset, last_offset, durable, .. } = appended;
        Ok(Appended { base_offset, last_offset, durable })
    }

    /// Appends batches to several partitions as one group commit: all of them are written or none. The partitions
    /// are synced in parallel; only when all are on disk do their high watermarks rise, in the order in which the
    /// partitions are first named, so whoever sees the last partition's batch can see all the others.
    ///
    /// `after` names what must be durable before the group is: (partition, offset after the last record), such as
    /// inputs that were read with [`Isolation::Appended`]. If a sync fails, every partition of the group fails.
    /// After a crash the partitions of a group may have kept different ends, and it is for their owner to
    /// [`Broker::truncate`] them to a common one before listening.
    pub fn append_group(&self, batches: Vec<(TopicPartition, Batch)>, after: &[(TopicPartition, i64)]) -> Result<GroupAppended> {
        let mut parts: Vec<GroupPart> = Vec::new();
        let mut places = Vec::with_capacity(batches.len());
        for (at, batch) in batches {
            let partition = self.partition(&at.topic, at.partition)?;
            let place = match parts.iter().position(|part| Arc::ptr_eq(&part.partition, &partition)) {
                Some(place) => place,
                None => {
                    parts.push(GroupPart { partition, batches: Vec::new() });
                    parts.len() - 1
                }
            };
            places.push((place, parts[place].batches.len()));
            parts[place].batches.push(batch);
        }
        let after = after.iter().map(|(at, offset)| Ok((self.partition(&at.topic, at.partition)?, *offset))).collect::<Result<Vec<_>>>()?;
        let (offsets, durable) = log::append_group(&parts, &after)?;
        let base_offsets = places.into_iter().map(|(part, batch)| offsets[part][batch]).collect();
        Ok(GroupAppended { base_offsets, durable })
    }

    /// Reads whole batches from the one that holds `offset` on, about `max_bytes` of them but at least one if there
    /// is one. Never waits. An offset before the log's start or after its end is [`Error::OffsetOutOfRange`].
    pub fn read(&self, topic: &str, partition: i32, offset: i64, max_bytes: usize, isolation: Isolation) -> Result<Fetched> {
        self.partition(topic, partition)?.read(offset, max_bytes, isolation)
    }

    /// The first record at or after a time (milliseconds since 1970 UTC): its offset and timestamp.
    pub fn offset_for_timestamp(&self, topic: &str, partition: i32, timestamp: i64, isolation: Isolation) -> Result<Option<(i64, i64)>> {
        self.partition(topic, partition)?.offset_for_timestamp(timestamp, isolation)
    }

    /// Registers for news of some partitions: of durable records, or with [`Isolation::Appended`] of all. Keep it
    /// over many polls.
    pub fn subscribe(&self, partitions: &[TopicPartition], isolation: Isolation) -> Result<Subscription> {
        let partitions = partitions.iter().map(|at| self.partition(&at.topic, at.partition)).collect::<Result<Vec<_>>>()?;
        Ok(Subscription::new(partitions, isolation))
    }

    /// Blocks the thread until one of the partitions has records at or after its offset, or `timeout` has passed;
    /// tells whether there are.
    pub fn wait_for_data(&self, positions: &[(TopicPartition, i64)], isolation: Isolation, timeout: Duration) -> Result<bool> {
        let until = Instant::now() + timeout;
        let partitions: Vec<_> = positions.iter().map(|(at, _)| at.clone()).collect();
        let subscription = self.subscribe(&partitions, isolation)?;
        loop {
            for (at, offset) in positions {
                if self.watermarks(&at.topic, at.partition)?.end(isolation) > *offset {
                    return Ok(true);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            subscription.wait(left);
        }
    }

    /// Removes all records of a partition from `end_offset` on: recovery by the partition's owner after a crash,
    /// before [`Broker::listen`]. The offset must not lie inside a batch. Blocks on the disk.
    pub fn truncate(&self, topic: &str, partition: i32, end_offset: i64) -> Result<()> {
        self.partition(topic, partition)?.truncate(end_offset)
    }

    /// Deletes the records of a partition before `offset`, as far as readers' floors and open transactions allow;
    /// returns the new start of the log. Blocks on the disk.
    pub fn delete_records_before(&self, topic: &str, partition: i32, offset: i64) -> Result<i64> {
        self.partition(topic, partition)?.delete_before(offset)
    }

    /// Tells how far one of our own readers has come: nothing from `offset` on is deleted. None ends the reader.
    /// Floors are not stored: readers set them again after a start, before [`Broker::listen`].
    pub fn set_reader_floor(&self, topic: &str, partition: i32, reader: &str, offset: Option<i64>) -> Result<()> {
        self.partition(topic, partition)?.set_floor(reader, offset);
        Ok(())
    }

    /// Applies the retention of all topics now; it is also done at intervals. Blocks on the disk.
    pub fn enforce_retention(&self) {
        self.shared.topics.enforce_retention();
    }

    /// Compacts all topics whose settings ask for it and where it is due; it is also done at intervals. Blocks on the
    /// disk.
    pub fn compact_topics(&self) {
        self.shared.topics.compact();
    }

    /// Stops serving, syncs everything and ends the broker's tasks and threads. Calls after it fail or wait for
    /// nothing.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        let tasks = std::mem::take(&mut *self.shared.tasks.lock());
        for task in tasks {
            let _ = task.await;
        }
        let all = self.shared.topics.all();
        let partitions = all.iter().flat_map(|topic| &topic.partitions).chain([&self.shared.state]);
        for durable in partitions.filter_map(|partition| partition.sync_soon().ok()).collect::<Vec<_>>() {
            if let Err(error) = durable.await {
                tracing::error!(%error, "cannot sync at shutdown");
            }
        }
        let shared = self.shared.clone();
        let close = move || {
            shared.syncer.close();
            for partition in shared.topics.all().iter().flat_map(|topic| &topic.partitions).chain([&shared.state]) {
                if let Err(error) = partition.note_stop() {
                    tracing::warn!(%error, "cannot note how far a partition was at shutdown");
                }
            }
        };
        let _ = tokio::task::spawn_blocking(close).await;
    }
}

/// The id by which clients know this broker again, made at its first start.
fn cluster_id(path: &Path) -> Result<String> {
    match read_checked(path) {
        Ok(id) if uuid::Uuid::try_parse(id.trim()).is_ok() => Ok(id.trim().to_string()),
        Ok(_) => Err(Error::Corrupt { path: path.to_path_buf(), position: 0, detail: "it does not hold an id".into() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = uuid::Uuid::new_v4().simple().to_string();
            replace_checked(path, &id).map_err(|e| Error::io("write", path, e))?;
            Ok(id)
        }
        Err(error) => Err(Error::io("read", path, error)),
    }
}

fn info(topic: &Topic) -> TopicInfo {
    TopicInfo {
        name: topic.name.clone(),
        config: topic.config.clone(),
        bytes: topic.partitions.iter().map(|partition| partition.bytes()).sum(),
        watermarks: topic.partitions.iter().map(|partition| partition.watermarks()).collect(),
    }
}

/// Retention and compaction of the broker's own state, at intervals.
async fn housekeeping(broker: Broker) {
    let mut ticks = tokio::time::interval(broker.shared.config.retention_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while broker.shared.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let shared = broker.shared.clone();
        let done = tokio::task::spawn_blocking(move || {
            shared.topics.enforce_retention();
            shared.topics.compact();
            shared.journal.compact()
        });
        if let Ok(Err(error)) = done.await {
            tracing::warn!(%error, "cannot compact the broker's state");
        }
    }
}

#[cfg(test)]
impl Broker {
    pub(crate) fn state_bytes(&self) -> u64 {
        self.shared.state.bytes()
    }

    pub(crate) fn compact_state(&self) -> Result<()> {
        self.shared.journal.compact()
    }

    pub(crate) async fn flush_state(&self) {
        self.shared.state.sync_soon().unwrap().await.unwrap();
    }
}

#[cfg(test)]
mod tests;
