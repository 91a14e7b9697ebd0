//! What can go wrong in the broker, each with the error code of Kafka's protocol that a client is answered with.
//! In-process callers match on the variants; `is_retriable` tells whether trying the same call again can help.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_protocol::ResponseError;

/// Result of the broker's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the broker. Cheap to clone: one failed sync answers many waiting appends.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such topic, or no such partition of it.
    #[error("unknown topic or partition {topic}/{partition}; create the topic first or list the topics")]
    UnknownPartition {
        /// Topic name.
        topic: String,
        /// Partition number.
        partition: i32,
    },
    /// The name is not a legal topic name.
    #[error("invalid topic name {0:?}; use 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")]
    InvalidTopic(String),
    /// A setting or argument is outside its range.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// A setting of a topic has no meaning here, or a value out of range.
    #[error("invalid setting: {0}")]
    InvalidConfig(String),
    /// The change would break what other parts of this process rely on.
    #[error("not allowed: {0}")]
    Policy(String),
    /// The offset lies outside the log.
    #[error("offset {offset} is out of range {log_start}..={log_end}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// First offset that is kept.
        log_start: i64,
        /// Offset after the last record.
        log_end: i64,
    },
    /// The batch's header contradicts itself, or breaks a rule for batches.
    #[error("invalid record batch: {0}")]
    InvalidBatch(String),
    /// The batch's bytes do not match its checksum, or are not a whole batch of version 2.
    #[error("corrupt record batch: {0}")]
    CorruptBatch(String),
    /// The batch is larger than the limit.
    #[error("record batch of {size} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The batch is compressed in a way that is not known.
    #[error("unsupported compression type {0}")]
    UnsupportedCompression(u8),
    /// Only in-process code may write to this topic.
    #[error("topic {0} is internal: clients may read it but not write it")]
    Internal(String),
    /// The user has no right to it.
    #[error("user {user} may not {action} {name}; whoever runs the broker can allow it with `sluice users grant`")]
    NotAllowed {
        /// The user.
        user: String,
        /// What was tried.
        action: &'static str,
        /// On which topic.
        name: String,
    },
    /// Only a superuser may do it.
    #[error("only a superuser may do this; `sluice users grant NAME --superuser` makes one")]
    NotSuperuser,
    /// The listener cannot be secured as asked.
    #[error("{0}")]
    Security(String),
    /// The listener would take everybody from everywhere.
    #[error(
        "not listening on {0}, where anybody on the network could read and write everything; ask for authentication, or say that there is to be none"
    )]
    Unprotected(std::net::SocketAddr),
    /// The producer's sequence number is neither the next nor a repeat.
    #[error("out of order sequence {found} of producer {producer_id}, expected {expected}")]
    OutOfOrderSequence {
        /// Producer id.
        producer_id: i64,
        /// Sequence that would have been next.
        expected: i32,
        /// Sequence that came.
        found: i32,
    },
    /// A newer producer with the same id has taken over.
    #[error("producer {producer_id} with epoch {found} is fenced by epoch {current}")]
    ProducerFenced {
        /// Producer id.
        producer_id: i64,
        /// Epoch of the refused call.
        found: i16,
        /// Epoch that is valid now.
        current: i16,
    },
    /// The transaction is not in a state that allows the call.
    #[error("invalid transaction state: {0}")]
    InvalidTransaction(String),
    /// The disk (or quota) is full. Nothing was written; reads go on.
    #[error("no space left for {0}; free disk space and try again")]
    DiskFull(PathBuf),
    /// Bytes on disk do not match their checksum. They are never served.
    #[error("corrupt data in {path} at byte {position}: {detail}; restore the file from a copy or delete the partition")]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Byte position of the batch.
        position: u64,
        /// What does not match.
        detail: String,
    },
    /// A sync or write failed: the partition takes no more writes until the broker is restarted.
    #[error("partition {partition} has failed until restart: {cause}")]
    PartitionFailed {
        /// Topic and partition.
        partition: String,
        /// First cause.
        cause: String,
    },
    /// Another IO error.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// The broker is shutting down.
    #[error("the broker is shutting down")]
    Closed,
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        if is_full(&source) {
            return Error::DiskFull(path.to_path_buf());
        }
        Error::Io { action, path: path.to_path_buf(), source: Arc::new(source) }
    }

    /// Whether the same call may succeed later without a change by the caller.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Error::DiskFull(_))
    }

    /// The protocol's error for this one.
    pub fn response(&self) -> ResponseError {
        match self {
            Error::UnknownPartition { .. } => ResponseError::UnknownTopicOrPartition,
            Error::InvalidTopic(_) => ResponseError::InvalidTopicException,
            Error::InvalidArgument(_) => ResponseError::InvalidRequest,
            Error::InvalidConfig(_) => ResponseError::InvalidConfig,
            Error::Policy(_) => ResponseError::PolicyViolation,
            Error::OffsetOutOfRange { .. } => ResponseError::OffsetOutOfRange,
            Error::InvalidBatch(_) => ResponseError::InvalidRecord,
            Error::CorruptBatch(_) => ResponseError::CorruptMessage,
            Error::TooLarge { .. } => ResponseError::MessageTooLarge,
            Error::UnsupportedCompression(_) => ResponseError::UnsupportedCompressionType,
            Error::Internal(_) | Error::NotAllowed { .. } => ResponseError::TopicAuthorizationFailed,
            Error::NotSuperuser => ResponseError::ClusterAuthorizationFailed,
            Error::Security(_) | Error::Unprotected(_) => ResponseError::SecurityDisabled,
            Error::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
            Error::ProducerFenced { .. } => ResponseError::InvalidProducerEpoch,
            Error::InvalidTransaction(_) => ResponseError::InvalidTxnState,
            Error::DiskFull(_) | Error::Corrupt { .. } | Error::PartitionFailed { .. } | Error::Io { .. } => {
                ResponseError::KafkaStorageError
            }
            Error::Closed => ResponseError::CoordinatorNotAvailable,
        }
    }
}

impl Error {
    /// The protocol's error for a call to a group's or a transaction's coordinator: where the disk is at fault, the one
    /// that clients take as a reason to try again.
    pub(crate) fn coordinator_response(&self) -> ResponseError {
        match self.response() {
            ResponseError::KafkaStorageError => ResponseError::CoordinatorNotAvailable,
            other => other,
        }
    }
}

/// Whether an IO error means that the disk or the quota is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
