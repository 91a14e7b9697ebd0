//! Brings the tables of a file up to date. `user_version` is the number of migrations a file has seen; a migration that was
//! released is never edited, a change is one more file.

use super::error::explain;
use domain::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};

const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_kafka_users.sql"),
    include_str!("migrations/0003_retention.sql"),
];

/// "SLUI": tells our files from other people's.
const APPLICATION_ID: i32 = 0x534c_5549;

/// The number of migrations that this release knows.
pub(super) fn known() -> i64 {
    MIGRATIONS.len() as i64
}

/// How many migrations the file has seen.
///
/// # Errors
/// `Stop` if it is another program's, or newer than this release.
pub(super) fn seen(db: &Connection) -> Result<i64> {
    let fail = |e| explain("reading the store's version", e);
    let seen: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let owner: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fail)?;
    let tables: i64 = db.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0)).map_err(fail)?;
    if owner != APPLICATION_ID && tables > 0 {
        return Err(Error::stop("the store's file is another program's database", "name another file, or move this one away"));
    }
    if !(0..=known()).contains(&seen) {
        return Err(Error::stop(
            format!("the store was made by a newer release (its tables are at version {seen}, this release knows {})", known()),
            "start the newer release, or name another file",
        ));
    }
    Ok(seen)
}

/// Runs what is missing; gives the versions before and after.
pub(super) fn run(db: &mut Connection) -> Result<(i64, i64)> {
    let fail = |e| explain("bringing the store's tables up to date", e);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let before = seen(&tx)?;
    for migration in &MIGRATIONS[before as usize..] {
        tx.execute_batch(migration).map_err(fail)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    tx.pragma_update(None, "user_version", known()).map_err(fail)?;
    tx.commit().map_err(fail)?;
    Ok((before, known()))
}
