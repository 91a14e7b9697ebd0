//! What only the SQLite file promises: its SQL, its permissions, its plans, and what it says of a file that it cannot use.

use super::*;
use crate::AuditLine;
use crate::suite::{Decisions, decision};
use domain::Kind;

fn filled(rows: u64) -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("store.db")).unwrap();
    Decisions::range(0..rows).apply(&store, 0);
    (folder, store)
}

#[test]
fn the_counting_query_works_as_it_stands() {
    let (folder, store) = filled(100);
    let db = Connection::open(folder.path().join("store.db")).unwrap();
    let row: (i64, i64, String) = db
        .query_row(
            "SELECT COUNT(*), SUM(CASE WHEN predicted_fraud = 1 THEN 1 ELSE 0 END) as fraud_count, MAX(created_at) as last_prediction FROM predictions;",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(row, (100, 20, "2026-11-21 09:31:39.001500".to_owned()));
    let views: (i64, i64) = db
        .query_row("SELECT (SELECT COUNT(*) FROM fraud_transaction), (SELECT COUNT(*) FROM genuine_transaction)", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    assert_eq!(views, (20, 80));
    drop(store);
}

#[test]
fn amounts_add_up_and_times_compare_in_plain_sql() {
    let (folder, _store) = filled(100);
    let db = Connection::open(folder.path().join("store.db")).unwrap();
    let sums: (f64, i64) =
        db.query_row("SELECT SUM(amount), SUM(amount_minor) FROM transactions", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    assert_eq!(sums.1, (0..100).map(|n| n * 100 + 1).sum::<i64>());
    assert!((sums.0 - sums.1 as f64 / 100.0).abs() < 1e-6);
    let last_minute: i64 = db
        .query_row("SELECT COUNT(*) FROM transactions WHERE timestamp >= datetime('2026-11-21 09:31:39', '-1 minute')", [], |r| r.get(0))
        .unwrap();
    assert_eq!(last_minute, 61);
}

#[test]
fn every_page_walks_an_index() {
    let (folder, _store) = filled(10);
    let db = Connection::open(folder.path().join("store.db")).unwrap();
    let plan = |sql: &str| {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        rows.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("; ")
    };
    for (sql, index) in [
        (
            "SELECT p.sequence, 0, p.document FROM predictions p WHERE p.sequence < 9 ORDER BY p.sequence DESC LIMIT 11",
            "INTEGER PRIMARY KEY",
        ),
        (
            "SELECT t.sequence, 0, p.document FROM transactions t CROSS JOIN predictions p ON p.sequence = t.sequence
             WHERE t.account_id = 'a' AND t.sequence < 9 ORDER BY t.sequence DESC LIMIT 11",
            "transactions_account",
        ),
        (
            "SELECT p.sequence, 0, p.document FROM predictions p WHERE p.sequence < 9 AND p.decision = 'block' AND p.predicted_fraud = 1 ORDER BY p.sequence DESC LIMIT 11",
            "predictions_fraud",
        ),
        ("SELECT document FROM alerts WHERE (sequence, ordinal) < (9, 9) ORDER BY sequence DESC, ordinal DESC LIMIT 11", "alerts_sequence"),
        ("SELECT COUNT(*), SUM(CASE WHEN predicted_fraud = 1 THEN 1 ELSE 0 END), MAX(created_at) FROM predictions", "predictions_created"),
    ] {
        let plan = plan(sql);
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}

#[test]
fn no_step_of_the_first_batch_is_kept_when_the_last_fails() {
    let (_folder, store) = filled(10);
    // Two records of one sink position whose second document breaks a constraint of the table.
    store
        .writer
        .lock()
        .execute_batch(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.predictions WHEN NEW.sequence = 15 BEGIN SELECT RAISE(ABORT, 'no'); END;",
        )
        .unwrap();
    let rows = Decisions::range(10..20);
    let records = rows.records();
    let batch = Batch { topic: "decisions", partition: 0, from: 0, next_offset: 20, decisions: &records, dead_letters: &[] };
    assert_eq!(store.apply(&[batch]).unwrap_err().kind, Kind::Bug);
    assert_eq!(store.totals().unwrap().transactions, 10);
    assert!(store.transaction(&decision(12).transaction_id).unwrap().is_none());
    store.writer.lock().execute_batch("DROP TRIGGER temp.refuse").unwrap();
    assert_eq!(store.apply(&[batch]).unwrap().decisions, 10);
}

#[test]
fn a_store_of_another_log_is_a_stop_with_a_hint() {
    let (_folder, store) = filled(10);
    let mut other = decision(3);
    other.transaction_id = "another".into();
    let rows = Decisions::new([(20, other)]);
    let records = rows.records();
    let batch = Batch { topic: "decisions", partition: 0, from: 0, next_offset: 21, decisions: &records, dead_letters: &[] };
    let error = store.apply(&[batch]).unwrap_err();
    assert_eq!(error.kind, Kind::Stop, "{error}");
    assert!(store.transaction("another").unwrap().is_none());
}

#[test]
fn a_foreign_damaged_or_newer_file_is_a_stop_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.db");
    std::fs::write(&damaged, vec![b'x'; 8192]).unwrap();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let newer = folder.path().join("newer.db");
    drop(Sqlite::open(&newer).unwrap());
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    for path in [damaged, foreign, newer, folder.path().to_owned()] {
        let error = Sqlite::open(&path).err().unwrap_or_else(|| panic!("{} must not open", path.display()));
        assert_eq!(error.kind, Kind::Stop, "{error}");
        assert!(error.hint.is_some());
    }
}

#[test]
fn a_full_disk_and_a_lock_are_retries_and_change_nothing() {
    let (_folder, store) = filled(10);
    let pages: i64 = store.writer.lock().query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    store.writer.lock().execute_batch(&format!("PRAGMA max_page_count = {pages}")).unwrap();
    let rows = Decisions::range(10..5000);
    let records = rows.records();
    let batch = Batch { topic: "decisions", partition: 0, from: 0, next_offset: 5000, decisions: &records, dead_letters: &[] };
    let error = store.apply(&[batch]).unwrap_err();
    assert_eq!(error.kind, Kind::Retry, "{error}");
    assert!(error.hint.is_some());
    assert_eq!(store.totals().unwrap().transactions, 10);
    store.writer.lock().execute_batch("PRAGMA max_page_count = 1000000").unwrap();

    let other = Connection::open(&store.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.writer.lock().busy_timeout(Duration::from_millis(10)).unwrap();
    assert_eq!(store.apply(&[batch]).unwrap_err().kind, Kind::Retry);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.apply(&[batch]).unwrap().decisions, 4990);
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, _store) = filled(1);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
    }
}

#[test]
fn the_audit_trail_takes_each_record_of_a_topic_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("store.db")).unwrap();
    let line = |offset: i64| AuditLine {
        offset,
        at: 1_795_253_400_000_000 + offset,
        entry: AuditEntry { actor: "ann".into(), action: "list_add".into(), subject: format!("l/{offset}"), detail: "why".into() },
    };
    let (first, overlap) = ([line(3), line(3), line(4)], [line(4), line(6)]);
    let batch = |lines, next_offset| AuditBatch { topic: "control", partition: 0, from: 0, next_offset, lines };
    assert_eq!(store.audit_from(&batch(&first, 5)).unwrap(), 3);
    assert_eq!(store.audit_from(&batch(&first, 5)).unwrap(), 0);
    assert_eq!(store.audit_from(&batch(&overlap, 7)).unwrap(), 1);
    assert_eq!(store.positions().unwrap().next(&TopicPartition::new("control", 0)), 7);
    drop(store);
    let db = Connection::open(folder.path().join("store.db")).unwrap();
    let found: Vec<String> = db
        .prepare("SELECT at || ' ' || actor || ' ' || subject FROM audit ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(found[3], "2026-11-21 09:30:00.000006 ann l/6");
    assert_eq!(found.len(), 4);
}
