//! The commit that lands records: one new version of a table, on top of the very version whose positions were checked.
//!
//! Delta's `txn` action keeps a number for each application in the table's own log. The format leaves it to the writer to look at that
//! number before it commits, and to refuse to be moved past a version it has not looked at; a library's commit that resolves conflicts by
//! itself would do just that. So a version is written here as one put that fails if the version is there, and never tried on another one
//! without reading the positions anew.

use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitData, TransactionError};
use deltalake::kernel::{Action, Add, Transaction};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::protocol::{DeltaOperation, SaveMode};
use domain::TopicPartition;
use std::collections::HashMap;
use uuid::Uuid;

/// How a commit went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Committed,
    /// Somebody else wrote the version.
    Taken,
    /// It may have been written, or not.
    Unknown(DeltaTableError),
}

/// The application id under which the position in a partition stands.
pub(crate) fn application(at: &TopicPartition) -> String {
    format!("sluice:{}:{}", at.topic, at.partition)
}

/// Writes version `version` of a table: new files, and for each partition the next offset.
pub(crate) async fn commit(log: &LogStoreRef, version: u64, files: &[Add], positions: &[(TopicPartition, i64)]) -> Outcome {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let txns = positions.iter().map(|(at, next)| Transaction::new_with_last_update(application(at), *next, Some(now))).collect();
    let adds = files.iter().cloned().map(Action::Add).collect();
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let data = CommitData::new(adds, operation, HashMap::new(), txns);
    let bytes = match data.get_bytes() {
        Ok(bytes) => bytes,
        Err(e) => return Outcome::Unknown(e.into()),
    };
    match log.write_commit_entry(version, CommitOrBytes::LogBytes(bytes), Uuid::new_v4()).await {
        Ok(()) => Outcome::Committed,
        Err(TransactionError::VersionAlreadyExists(_)) => Outcome::Taken,
        Err(e) => Outcome::Unknown(e.into()),
    }
}
