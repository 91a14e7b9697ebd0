//! What a failure of SQLite asks of the reader.

use domain::Error;
use rusqlite::ErrorCode;

const PRIMARY_KEY_CLASH: i32 = rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY;
const ROWID_CLASH: i32 = rusqlite::ffi::SQLITE_CONSTRAINT_ROWID;

/// Sorts by what to do next: a full disk and a lock pass, a damaged file needs an operator, the rest is ours.
pub(super) fn explain(what: &str, error: rusqlite::Error) -> Error {
    let explained = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            let mut e = Error::retry(format!("{what}: the disk is full"));
            e.hint = Some("free some space; the store goes on by itself".into());
            e
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            let mut e = Error::retry(format!("{what}: the store is locked"));
            e.hint = Some("another program holds a transaction open on the store's file; close it".into());
            e
        }
        Some(ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted | ErrorCode::SchemaChanged) => Error::retry(what),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::stop(
            format!("{what}: the store's file is damaged"),
            "stop, move the file (and its -wal and -shm) away and start again: what the topics still hold is stored again, users and the signing key are made anew",
        ),
        Some(ErrorCode::SystemIoFailure) => {
            Error::stop(format!("{what}: the disk failed"), "check the disk and the system's log, then start again")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied) => {
            Error::stop(
                format!("{what}: the store's file cannot be opened for writing"),
                "check that the file and its folder belong to the user that runs this",
            )
        }
        // Only predictions.sequence can clash: known transactions are left out before.
        Some(ErrorCode::ConstraintViolation) if matches!(error.sqlite_extended_error_code(), Some(PRIMARY_KEY_CLASH | ROWID_CLASH)) => {
            Error::stop(
                format!("{what}: the store holds other decisions at the same places in the sequence"),
                "the store was filled from another log; move its file away to fill it again from this one",
            )
        }
        // A value in our own tables that we cannot have written.
        None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)) => Error::stop(
            format!("{what}: a row holds what this release does not write"),
            "undo changes made to the store's tables by hand, or move the file away to fill it again from the topics",
        ),
        _ => Error::bug(what),
    };
    explained.because(error)
}
