//! Rows and positions in one transaction. This is the busy path: statements are prepared once, texts are bound without a copy,
//! and totals and positions are written once a call.

use super::error::explain;
use crate::record::{Applied, AuditBatch, Batch, DeadLetter, DecisionRecord, fell_back, predicted_fraud};
use crate::words::{STORE_SINK, action, severity};
use domain::{Action, Micros, Result, time};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, ToSql, Transaction, TransactionBehavior, params};

pub(super) fn apply(db: &mut Connection, batches: &[Batch<'_>]) -> Result<Applied> {
    let fail = |e| explain("storing decisions", e);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let mut writer = Writer::new(&tx).map_err(fail)?;
    for batch in batches {
        let next = position(&tx, batch.topic, batch.partition).map_err(fail)?;
        if next < batch.from {
            return Err(fell_back(batch.topic, batch.partition, next, batch.from));
        }
        writer.batch(batch, next).map_err(fail)?;
    }
    let applied = writer.finish().map_err(fail)?;
    tx.commit().map_err(fail)?;
    Ok(applied)
}

/// Lines of the audit trail and the position after them.
pub(super) fn audit(db: &mut Connection, batch: &AuditBatch<'_>) -> Result<u64> {
    let fail = |e| explain("writing the audit trail", e);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let next = position(&tx, batch.topic, batch.partition).map_err(fail)?;
    if next < batch.from {
        return Err(fell_back(batch.topic, batch.partition, next, batch.from));
    }
    let added = lines(&tx, batch, next).map_err(fail)?;
    tx.commit().map_err(fail)?;
    Ok(added)
}

fn lines(tx: &Transaction<'_>, batch: &AuditBatch<'_>, next: i64) -> rusqlite::Result<u64> {
    let mut added = 0;
    let mut insert = tx.prepare_cached("INSERT INTO audit (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for line in batch.lines.iter().filter(|line| line.offset >= next) {
        let e = &line.entry;
        added += insert.execute(params![SqlTime::new(line.at), e.actor, e.action, e.subject, e.detail])? as u64;
    }
    if batch.next_offset > next {
        set_position(tx, batch.topic, batch.partition, batch.next_offset)?;
    }
    Ok(added)
}

fn position(tx: &Transaction<'_>, topic: &str, partition: i32) -> rusqlite::Result<i64> {
    let mut found = tx.prepare_cached("SELECT next_offset FROM positions WHERE sink = ?1 AND topic = ?2 AND \"partition\" = ?3")?;
    let next: Option<i64> = found.query_row(params![STORE_SINK, topic, partition], |row| row.get(0)).optional()?;
    Ok(next.unwrap_or(0))
}

fn set_position(tx: &Transaction<'_>, topic: &str, partition: i32, next: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO positions (sink, topic, \"partition\", next_offset) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (sink, topic, \"partition\") DO UPDATE SET next_offset = excluded.next_offset",
    )?
    .execute(params![STORE_SINK, topic, partition, next])?;
    Ok(())
}

struct Writer<'a> {
    tx: &'a Transaction<'a>,
    transaction: CachedStatement<'a>,
    prediction: CachedStatement<'a>,
    alert: CachedStatement<'a>,
    dead_letter: CachedStatement<'a>,
    applied: Applied,
    /// Predictions made, by action.
    allow: u64,
    review: u64,
    block: u64,
}

impl<'a> Writer<'a> {
    fn new(tx: &'a Transaction<'a>) -> rusqlite::Result<Self> {
        Ok(Self {
            tx,
            transaction: tx.prepare_cached(
                "INSERT INTO transactions (transaction_id, account_id, transaction_type, amount_minor, amount_divisor, timestamp, processed_at, sequence)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (transaction_id) DO NOTHING",
            )?,
            prediction: tx.prepare_cached(
                "INSERT INTO predictions (sequence, transaction_id, predicted_fraud, decision, score, project, model, created_at, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            alert: tx.prepare_cached(
                "INSERT INTO alerts (alert_id, transaction_id, account_id, alert_type, alert_message, severity, decision, score, sequence, ordinal, created_at, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (alert_id) DO NOTHING",
            )?,
            dead_letter: tx.prepare_cached(
                "INSERT INTO dead_letters (topic, \"partition\", \"offset\", code, reason, errors, raw, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (topic, \"partition\", \"offset\") DO NOTHING",
            )?,
            applied: Applied::default(),
            allow: 0,
            review: 0,
            block: 0,
        })
    }

    fn batch(&mut self, batch: &Batch<'_>, next: i64) -> rusqlite::Result<()> {
        for record in batch.decisions {
            if record.offset < next || !self.decision(record)? {
                self.applied.skipped += 1;
            }
        }
        for record in batch.dead_letters {
            if record.offset < next || !self.dead_letter(record.letter)? {
                self.applied.skipped += 1;
            }
        }
        if batch.next_offset > next {
            set_position(self.tx, batch.topic, batch.partition, batch.next_offset)?;
        }
        Ok(())
    }

    /// False if the transaction was known: a decision that was given never changes.
    fn decision(&mut self, record: &DecisionRecord<'_>) -> rusqlite::Result<bool> {
        let d = record.decision;
        let taken_at = SqlTime::new(d.taken_at);
        let sequence = d.sequence as i64;
        // A field has at most 18 digits, so an amount always fits 64 bits.
        let amount = d.amount.and_then(|a| Some((i64::try_from(a.unscaled).ok()?, i64::try_from(domain::decimal::pow10(a.scale)).ok()?)));
        let made = self.transaction.execute(params![
            d.transaction_id.as_str(),
            d.account_id.as_deref(),
            d.transaction_type.as_deref(),
            amount.map(|(minor, _)| minor),
            amount.map(|(_, divisor)| divisor),
            SqlTime::new(d.event_time),
            taken_at,
            sequence,
        ])?;
        if made == 0 {
            return Ok(false);
        }
        self.prediction.execute(params![
            sequence,
            d.transaction_id.as_str(),
            predicted_fraud(d.decision),
            action(d.decision),
            d.score,
            d.project.as_str(),
            d.model.as_deref(),
            taken_at,
            record.json,
        ])?;
        for (ordinal, alert) in d.alerts().enumerate() {
            let document = serde_json::to_string(&alert).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
            self.applied.alerts += self.alert.execute(params![
                alert.alert_id.as_str(),
                alert.transaction_id.as_str(),
                alert.account_id.as_deref(),
                alert.alert_type.as_str(),
                alert.alert_message,
                severity(alert.severity),
                action(alert.decision),
                alert.score,
                sequence,
                ordinal as i64,
                taken_at,
                document,
            ])? as u64;
        }
        self.applied.decisions += 1;
        match d.decision {
            Action::Allow => self.allow += 1,
            Action::Review => self.review += 1,
            Action::Block => self.block += 1,
        }
        Ok(true)
    }

    fn dead_letter(&mut self, letter: &DeadLetter) -> rusqlite::Result<bool> {
        let code = letter.errors.first().map_or("unknown", |e| e.code.as_ref());
        let reason = letter.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let errors = serde_json::to_string(&letter.errors).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
        let made = self.dead_letter.execute(params![
            letter.topic,
            letter.partition,
            letter.offset,
            code,
            reason,
            errors,
            letter.raw,
            SqlTime::new(letter.at)
        ])?;
        self.applied.dead_letters += made as u64;
        Ok(made > 0)
    }

    fn finish(self) -> rusqlite::Result<Applied> {
        let mut add = self.tx.prepare_cached(
            "INSERT INTO totals (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )?;
        let changes = [
            ("allow", self.allow),
            ("review", self.review),
            ("block", self.block),
            ("alerts", self.applied.alerts),
            ("dead_letters", self.applied.dead_letters),
        ];
        for (name, change) in changes.into_iter().filter(|(_, change)| *change > 0) {
            add.execute(params![name, change as i64])?;
        }
        Ok(self.applied)
    }
}

/// A time as SQLite's own functions write it, with six places: `2026-11-21 09:30:00.000000`.
pub(super) struct SqlTime(Vec<u8>);

impl SqlTime {
    pub(super) fn new(micros: Micros) -> Self {
        let mut text = Vec::with_capacity(27);
        time::write(micros, &mut text);
        if let Some(t) = text.get_mut(10) {
            *t = b' ';
        }
        text.pop();
        Self(text)
    }
}

impl ToSql for SqlTime {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}
