//! Pages and look-ups. A page walks one index backwards from the cursor, so its cost does not depend on how far back it is.

use super::write::SqlTime;
use crate::page::{AlertFilter, Cursor, Page, PredictionFilter};
use crate::record::{DeadLetter, KafkaUser, Totals, TransactionRow, TransactionView, predicted_fraud};
use crate::words::{action, severity};
use domain::{Decimal, Micros, time};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde_json::value::RawValue;

pub(super) fn predictions(
    db: &Connection,
    filter: &PredictionFilter,
    cursor: Cursor,
    limit: usize,
) -> rusqlite::Result<Page<Box<RawValue>>> {
    let since = filter.since.map(SqlTime::new);
    let until = filter.until.map(SqlTime::new);
    let decision = filter.decision.map(action);
    let mut query = Query::default();
    // The pages of one account walk its own index, so the join's order is fixed (which is what CROSS JOIN says to SQLite).
    let (table, sequence) = if let Some(account) = &filter.account_id {
        query.and("t.account_id = ?", account);
        ("transactions t CROSS JOIN predictions p ON p.sequence = t.sequence", "t.sequence")
    } else {
        ("predictions p", "p.sequence")
    };
    query.and(&format!("{sequence} < ?"), &cursor.sequence);
    if let (Some(decision), Some(action)) = (&decision, filter.decision) {
        query.and("p.decision = ?", decision);
        if predicted_fraud(action) {
            query.text("p.predicted_fraud = 1");
        }
    }
    if let Some(since) = &since {
        query.and("p.created_at >= ?", since);
    }
    if let Some(until) = &until {
        query.and("p.created_at < ?", until);
    }
    let sql =
        format!("SELECT {sequence}, 0, p.document FROM {table} WHERE {} ORDER BY {sequence} DESC LIMIT {}", query.conditions, limit + 1);
    documents(db, &sql, &query.values, limit)
}

pub(super) fn alerts(db: &Connection, filter: &AlertFilter, cursor: Cursor, limit: usize) -> rusqlite::Result<Page<Box<RawValue>>> {
    let severity = filter.severity.map(severity);
    let mut query = Query::default();
    query.and("(sequence, ordinal) < (?", &cursor.sequence);
    query.more(", ?)", &cursor.ordinal);
    if let Some(severity) = &severity {
        query.and("severity = ?", severity);
    }
    if let Some(alert_type) = &filter.alert_type {
        query.and("alert_type = ?", alert_type);
    }
    if let Some(account) = &filter.account_id {
        query.and("account_id = ?", account);
    }
    let sql = format!(
        "SELECT sequence, ordinal, document FROM alerts WHERE {} ORDER BY sequence DESC, ordinal DESC LIMIT {}",
        query.conditions,
        limit + 1
    );
    documents(db, &sql, &query.values, limit)
}

pub(super) fn dead_letters(db: &Connection, cursor: Cursor, limit: usize) -> rusqlite::Result<Page<DeadLetter>> {
    let mut statement = db.prepare_cached(
        "SELECT id, topic, \"partition\", \"offset\", errors, raw, at FROM dead_letters WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![cursor.sequence, limit as i64 + 1], |row| {
        let errors: String = row.get(4)?;
        let letter = DeadLetter {
            topic: row.get(1)?,
            partition: row.get(2)?,
            offset: row.get(3)?,
            errors: serde_json::from_str(&errors).map_err(|e| damaged(4, e))?,
            raw: row.get(5)?,
            at: read_time(row, 6)?,
        };
        Ok((Cursor { sequence: row.get(0)?, ordinal: 0 }, letter))
    })?;
    Ok(Page::cut(rows.collect::<rusqlite::Result<_>>()?, limit))
}

pub(super) fn transaction(db: &Connection, transaction_id: &str) -> rusqlite::Result<Option<TransactionView>> {
    // One read transaction, so a commit in between cannot show a decision without its alerts.
    let tx = db.unchecked_transaction()?;
    let found = tx
        .prepare_cached(
            "SELECT t.transaction_id, t.account_id, t.transaction_type, t.amount_minor, t.amount_divisor, t.timestamp, t.processed_at, p.document
             FROM transactions t JOIN predictions p ON p.sequence = t.sequence WHERE t.transaction_id = ?1",
        )?
        .query_row([transaction_id], |row| {
            let transaction = TransactionRow {
                transaction_id: row.get(0)?,
                account_id: row.get(1)?,
                transaction_type: row.get(2)?,
                amount: match (row.get::<_, Option<i64>>(3)?, row.get::<_, Option<i64>>(4)?) {
                    (Some(minor), Some(divisor)) => {
                        let amount = Decimal::new(i128::from(minor), divisor.max(1).ilog10() as u8);
                        Some(RawValue::from_string(amount.to_string()).map_err(|e| damaged(3, e))?)
                    }
                    _ => None,
                },
                timestamp: read_time(row, 5)?,
                processed_at: read_time(row, 6)?,
            };
            Ok((transaction, json(row, 7)?))
        })
        .optional()?;
    let Some((transaction, prediction)) = found else { return Ok(None) };
    let alerts = tx
        .prepare_cached("SELECT document FROM alerts WHERE transaction_id = ?1 ORDER BY ordinal")?
        .query_map([transaction_id], |row| json(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(TransactionView { transaction, prediction, alerts }))
}

pub(super) fn totals(db: &Connection) -> rusqlite::Result<Totals> {
    let tx = db.unchecked_transaction()?;
    let mut totals = Totals::default();
    let mut statement = tx.prepare_cached("SELECT name, value FROM totals")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let value = row.get::<_, i64>(1)?.unsigned_abs();
        totals.set(row.get_ref(0)?.as_str()?, value);
    }
    let (sequence, at): (Option<i64>, Option<String>) =
        tx.query_row("SELECT (SELECT MAX(sequence) FROM predictions), (SELECT MAX(created_at) FROM predictions)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    totals.last_sequence = sequence.map(i64::unsigned_abs);
    totals.last_prediction = at.and_then(|at| time::parse(&at)).map(time::format);
    Ok(totals)
}

/// Conditions joined by `and`, with the values they speak of in order.
#[derive(Default)]
struct Query<'a> {
    conditions: String,
    values: Vec<&'a dyn ToSql>,
}

impl<'a> Query<'a> {
    fn text(&mut self, condition: &str) {
        if !self.conditions.is_empty() {
            self.conditions.push_str(" AND ");
        }
        self.conditions.push_str(condition);
    }

    fn and(&mut self, condition: &str, value: &'a dyn ToSql) {
        self.text(condition);
        self.values.push(value);
    }

    fn more(&mut self, text: &str, value: &'a dyn ToSql) {
        self.conditions.push_str(text);
        self.values.push(value);
    }
}

fn documents(db: &Connection, sql: &str, values: &[&dyn ToSql], limit: usize) -> rusqlite::Result<Page<Box<RawValue>>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| Ok((Cursor { sequence: row.get(0)?, ordinal: row.get(1)? }, json(row, 2)?)))?;
    Ok(Page::cut(rows.collect::<rusqlite::Result<_>>()?, limit))
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Box<RawValue>> {
    RawValue::from_string(row.get(column)?).map_err(|e| damaged(column, e))
}

fn read_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Micros> {
    let text = row.get_ref(column)?.as_str()?;
    time::parse(text).ok_or_else(|| damaged(column, format!("`{text}` is not a time")))
}

pub(super) fn kafka_user(row: &Row<'_>) -> rusqlite::Result<KafkaUser> {
    Ok(KafkaUser { name: row.get(0)?, scram_sha_256: row.get(1)?, scram_sha_512: row.get(2)?, grants: row.get(3)? })
}

/// A stored value that we cannot have written.
pub(super) fn damaged(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
