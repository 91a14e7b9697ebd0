//! What a running instance says of itself in one document: for `sluice status`, for the live page, and for whoever watches. Numbers
//! that are rates or quantiles speak of the last seconds, so that they show what happens now; `/metrics` has the totals.

use crate::platform::PartState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the instance is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Of the product.
    pub version: String,
    pub pid: u32,
    #[schema(format = DateTime)]
    pub started_at: String,
    pub uptime_seconds: f64,
    /// Whether transactions can be judged now.
    pub ready: bool,
    pub parts: Vec<PartState>,
    /// Where Kafka clients reach the log.
    pub kafka: String,
    pub project: ProjectStatus,
    pub sequence: SequenceStatus,
    /// Since the start.
    pub counts: Counts,
    pub rates: Rates,
    pub latency: Latencies,
    /// Everything that reads what the scorer wrote, and how far it is.
    pub readers: Vec<ReaderStatus>,
    /// The last snapshot of the features' state since the start; null before the first.
    #[schema(required = true)]
    pub snapshot: Option<SnapshotStatus>,
    pub memory: MemoryStatus,
    /// All topics of the embedded log on disk; 0 where the log is a cluster.
    pub log_bytes: u64,
    /// Clients that follow the stream of alerts.
    pub stream_clients: u64,
}

/// What judges.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProjectStatus {
    pub name: String,
    /// Names the version.
    pub digest: String,
    pub features: usize,
    pub rules: usize,
}

/// Places in the sequence.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SequenceStatus {
    /// Records that were taken.
    pub taken: u64,
    /// Of these, on disk with all that was made of them.
    pub durable: u64,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    pub allow: u64,
    pub review: u64,
    pub block: u64,
    pub alerts: u64,
    /// Records that could not be taken.
    pub rejected: u64,
    /// Transactions that came again with the same content.
    pub repeated: u64,
}

/// How many a second, over the last ten seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    pub decisions: f64,
    pub alerts: f64,
    pub rejected: f64,
}

/// How long it takes, over the last minute.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Latencies {
    /// Of a transaction over HTTP: from being appended to its decision being on disk.
    pub predict: Quantiles,
    /// Of a batch of decisions: from being handed to the log to being on disk.
    pub commit: Quantiles,
}

/// Milliseconds; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// One reader of a topic.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReaderStatus {
    /// `store`, or `webhook NAME`.
    pub name: String,
    pub topic: String,
    /// The next offset it reads.
    pub position: i64,
    /// The offset that the topic's next record gets.
    pub end: i64,
    /// Records between the two.
    pub lag: i64,
    /// `up`, or what is wrong.
    pub state: String,
}

/// A snapshot that was written.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct SnapshotStatus {
    /// Its place in the sequence.
    pub sequence: u64,
    pub age_seconds: f64,
    /// How long it took from its beginning.
    pub seconds: f64,
}

/// Bytes, and what they hold.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct MemoryStatus {
    /// Of the process; 0 where the system does not tell.
    pub resident_bytes: u64,
    /// Of the features' state in memory.
    pub state_bytes: u64,
    pub state_entities: u64,
}
