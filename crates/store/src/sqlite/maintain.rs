//! What an operator asks for: how much there is, removing what is too old, and giving space back.

use super::write::SqlTime;
use super::{migrate, read};
use crate::maintenance::{Description, Removed};
use crate::words::STORE_SINK;
use domain::{Micros, TopicPartition, time};
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::Path;

/// One batch in one transaction; readers go on, the writer waits for it.
pub(super) fn remove_before(db: &mut Connection, before: Micros, most: usize) -> rusqlite::Result<Removed> {
    let (before, most) = (SqlTime::new(before), most as i64);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut removed = Removed::default();
    {
        let mut old = tx.prepare_cached(
            "SELECT sequence, transaction_id, decision FROM predictions WHERE created_at < ?1 ORDER BY created_at LIMIT ?2",
        )?;
        let mut alerts = tx.prepare_cached("DELETE FROM alerts WHERE transaction_id = ?1")?;
        let mut prediction = tx.prepare_cached("DELETE FROM predictions WHERE sequence = ?1")?;
        let mut transaction = tx.prepare_cached("DELETE FROM transactions WHERE transaction_id = ?1")?;
        let mut total = tx.prepare_cached("UPDATE totals SET value = value - ?2 WHERE name = ?1")?;
        let rows = old
            .query_map(params![before, most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<Vec<(i64, String, String)>>>()?;
        for (sequence, id, decision) in &rows {
            removed.alerts += alerts.execute([id])? as u64;
            prediction.execute([sequence])?;
            transaction.execute([id])?;
            total.execute(params![decision, 1])?;
        }
        removed.decisions = rows.len() as u64;
        removed.dead_letters = tx
            .prepare_cached("DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE at < ?1 ORDER BY at LIMIT ?2)")?
            .execute(params![before, most])? as u64;
        total.execute(params!["alerts", removed.alerts as i64])?;
        total.execute(params!["dead_letters", removed.dead_letters as i64])?;
    }
    tx.commit()?;
    Ok(removed)
}

/// Also of a file whose tables are older than this release, or missing.
pub(super) fn describe(db: &Connection, path: &Path, seen: i64) -> rusqlite::Result<Description> {
    let pages: i64 = db.query_row("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", [], |row| row.get(0))?;
    let mut description = Description {
        backend: format!("SQLite {}", rusqlite::version()),
        place: path.display().to_string(),
        schema_version: seen,
        known_version: migrate::known(),
        size_bytes: pages.unsigned_abs(),
        ..Description::default()
    };
    if seen > 0 {
        description.totals = read::totals(db)?;
        let oldest: Option<String> = db.query_row("SELECT MIN(created_at) FROM predictions", [], |row| row.get(0))?;
        description.oldest_prediction = oldest.and_then(|at| time::parse(&at)).map(time::format);
        let mut statement =
            db.prepare("SELECT topic, \"partition\", next_offset FROM positions WHERE sink = ?1 ORDER BY topic, \"partition\"")?;
        let rows =
            statement.query_map([STORE_SINK], |row| Ok((TopicPartition::new(row.get::<_, String>(0)?, row.get(1)?), row.get(2)?)))?;
        description.positions = rows.collect::<rusqlite::Result<_>>()?;
    }
    Ok(description)
}

/// Gives the space of removed rows back to the disk; the file is rewritten, and whoever writes waits for it.
pub(super) fn vacuum(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("VACUUM; ANALYZE;")?;
    // What was rewritten stands in the log until it is copied into the file; gives a row of numbers.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
