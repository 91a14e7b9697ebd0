//! Brings the tables of a file up to date. `user_version` is the number of migrations a file has seen; a migration that was
//! released is never edited, a change is one more file.

use super::error::explain;
use domain::{Error, Result};
use rusqlite::{Connection, TransactionBehavior};

const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_first.sql"), include_str!("migrations/0002_kafka_users.sql")];

/// "SLUI": tells our files from other people's.
const APPLICATION_ID: i32 = 0x534c_5549;

pub(super) fn run(db: &mut Connection) -> Result<()> {
    let fail = |e| explain("bringing the store's tables up to date", e);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let seen: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let owner: i32 = tx.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fail)?;
    let tables: i64 = tx.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0)).map_err(fail)?;
    if owner != APPLICATION_ID && tables > 0 {
        return Err(Error::stop("the store's file is another program's database", "name another file, or move this one away"));
    }
    let seen = usize::try_from(seen).unwrap_or(usize::MAX);
    if seen > MIGRATIONS.len() {
        return Err(Error::stop(
            format!("the store was made by a newer release (its tables are at version {seen}, this release knows {})", MIGRATIONS.len()),
            "start the newer release, or name another file",
        ));
    }
    for migration in &MIGRATIONS[seen..] {
        tx.execute_batch(migration).map_err(fail)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    tx.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(fail)?;
    tx.commit().map_err(fail)
}
