//! Settings of the broker and of its topics, passed once at the start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::{DiskFiles, Files};

/// Settings of a [`Broker`](crate::Broker).
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder that holds everything; created when missing, used by one process at a time.
    pub dir: PathBuf,
    /// Address to listen on; port 0 takes a free one. Without it only in-process calls are served.
    pub listen: Option<SocketAddr>,
    /// Host and port that clients are told to connect to; by default the address listened on.
    pub advertised: Option<(String, u16)>,
    /// Whether an append is durable (fdatasync, in groups) before it is visible and acknowledged.
    pub sync: bool,
    /// Partitions of a topic that is created without a number.
    pub default_partitions: i32,
    /// Whether clients create a topic by using it.
    pub auto_create: bool,
    /// Size at which a new segment is started.
    pub segment_bytes: u64,
    /// Age at which a new segment is started.
    pub segment_age: Duration,
    /// Size of the write-ahead log that small appends of all partitions share; 0 for none. About 1 MB at least.
    pub wal_bytes: u64,
    /// How often retention and compaction are looked at.
    pub retention_interval: Duration,
    /// How long the first member of an empty group waits for others.
    pub group_initial_delay: Duration,
    /// Limits against careless and hostile clients.
    pub limits: Limits,
    /// The file layer; replaced in tests.
    pub files: Arc<dyn Files>,
}

/// Limits against careless and hostile clients.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest record batch, compressed, in bytes.
    pub max_batch_bytes: usize,
    /// Largest request, in bytes.
    pub max_request_bytes: usize,
    /// Most bytes of records in one fetch response (one larger batch still passes).
    pub max_fetch_bytes: usize,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Most requests of one connection that are being answered at a time.
    pub max_inflight_requests: usize,
    /// Bytes that the requests of all connections together may take in memory; more wait on their sockets.
    pub request_memory_bytes: usize,
    /// Bytes that the fetch responses of all connections together may take, about; answers get smaller before.
    pub fetch_memory_bytes: usize,
    /// A connection without a request for this long is closed.
    pub idle_timeout: Duration,
    /// A request that has begun to arrive must arrive, and a peer must take some of its answer, within this time (with
    /// more for what is large).
    pub stall_timeout: Duration,
    /// A client must have shown who it is, TLS included, within this time.
    pub handshake_timeout: Duration,
    /// How often those that are connected are looked up again.
    pub user_refresh: Duration,
    /// Most threads that sync partitions.
    pub sync_threads: usize,
    /// Longest transaction a producer may ask for.
    pub max_transaction_timeout: Duration,
    /// Most partitions of one topic.
    pub max_partitions: i32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_batch_bytes: 16 << 20,
            max_request_bytes: 100 << 20,
            max_fetch_bytes: 50 << 20,
            max_connections: 1_000,
            max_inflight_requests: 64,
            request_memory_bytes: 256 << 20,
            fetch_memory_bytes: 256 << 20,
            idle_timeout: Duration::from_secs(10 * 60),
            stall_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            user_refresh: Duration::from_secs(5),
            sync_threads: 16,
            max_transaction_timeout: Duration::from_secs(15 * 60),
            max_partitions: 1_024,
        }
    }
}

impl Config {
    /// The defaults: durable, not listening, topics of 4 partitions created on first use.
    pub fn new(dir: impl Into<PathBuf>) -> Config {
        Config {
            dir: dir.into(),
            listen: None,
            advertised: None,
            sync: true,
            default_partitions: 4,
            auto_create: true,
            segment_bytes: 256 << 20,
            segment_age: Duration::from_secs(7 * 24 * 3600),
            wal_bytes: 32 << 20,
            retention_interval: Duration::from_secs(30),
            group_initial_delay: Duration::from_millis(100),
            limits: Limits::default(),
            files: Arc::new(DiskFiles),
        }
    }

    /// Listens on `address`.
    pub fn listen(mut self, address: SocketAddr) -> Config {
        self.listen = Some(address);
        self
    }
}

/// Settings of a topic. What is None follows the broker's default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicConfig {
    /// Number of partitions; 0 takes the broker's default.
    pub partitions: i32,
    /// Segments are deleted this long after their last append (by the wall clock, so that old events that are
    /// imported today stay). None keeps them.
    pub retention_ms: Option<i64>,
    /// The oldest segments of a partition are deleted when it is larger. None sets no bound.
    pub retention_bytes: Option<i64>,
    /// Clients may read it, but only in-process code writes it.
    pub internal: bool,
    /// Size at which a new segment is started; by default the broker's.
    pub segment_bytes: Option<u64>,
    /// Age at which a new segment is started, milliseconds; by default the broker's.
    pub segment_ms: Option<u64>,
    /// What happens to old records; by default they are deleted by retention.
    pub cleanup: Option<Cleanup>,
    /// How long a tombstone stays after compaction has first seen it, milliseconds; by default a day.
    pub delete_retention_ms: Option<u64>,
    /// Records younger than this are not compacted, milliseconds; by default 0.
    pub min_compaction_lag_ms: Option<u64>,
    /// Records older than this are compacted however little there is to gain, milliseconds; by default never.
    pub max_compaction_lag_ms: Option<u64>,
    /// The share of a log that must be new before it is compacted again; by default one half.
    pub min_cleanable_dirty_ratio: Option<f64>,
    /// Largest record batch, compressed, in bytes; by default the broker's.
    pub max_message_bytes: Option<usize>,
    /// Which time records of clients carry; by default the one their producer gave them.
    pub timestamp_type: Option<TimestampType>,
}

/// What happens to old records of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cleanup {
    /// Retention deletes the oldest segments.
    #[default]
    Delete,
    /// Records are deleted once a later one has the same key, and tombstones some time after.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// Which time the records of a topic carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's clock at the append.
    LogAppendTime,
}

impl TopicConfig {
    /// Defaults with a number of partitions.
    pub fn partitions(partitions: i32) -> TopicConfig {
        TopicConfig { partitions, ..TopicConfig::default() }
    }

    /// Whether superseded records are removed.
    pub fn compacts(&self) -> bool {
        matches!(self.cleanup, Some(Cleanup::Compact | Cleanup::CompactAndDelete))
    }

    /// Whether retention removes segments.
    pub fn deletes(&self) -> bool {
        !matches!(self.cleanup, Some(Cleanup::Compact))
    }
}

/// Checks a topic name by Kafka's rules, which also make it a safe folder name.
pub(crate) fn check_topic_name(name: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(legal) {
        let shown: String = name.chars().take(260).collect();
        return Err(Error::InvalidTopic(shown));
    }
    Ok(())
}
