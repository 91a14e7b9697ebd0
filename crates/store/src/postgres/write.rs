//! Rows and positions in one transaction, by COPY straight into the tables: nothing is faster, and a batch whose transactions are all
//! new needs no more. Where one is known, which only happens when a writer's position was lost, the batch is undone and goes
//! again with the known ones left out.

use super::error::Failure;
use super::rows::{Rows, Time, key, text};
use crate::record::{Applied, AuditBatch, Batch, DeadLetterRecord, DecisionRecord, fell_back, predicted_fraud};
use crate::words::{STORE_SINK, action, severity};
use bytes::Bytes;
use domain::{Action, Alert, Error};
use futures::SinkExt as _;
use std::collections::HashSet;
use std::pin::pin;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, Transaction};

/// Bytes that are handed to the connection at a time.
const CHUNK: usize = 128 << 10;

const TRANSACTIONS: &str =
    "COPY transactions (transaction_id, account_id, transaction_type, amount, timestamp, processed_at, sequence) FROM STDIN BINARY";
const PREDICTIONS: &str =
    "COPY predictions (sequence, transaction_id, predicted_fraud, decision, score, project, model, created_at, document) FROM STDIN BINARY";
const ALERTS: &str = "COPY alerts (alert_id, transaction_id, account_id, alert_type, alert_message, severity, decision, score, sequence, ordinal, created_at, document) FROM STDIN BINARY";

pub(super) async fn apply(client: &mut Client, batches: &[Batch<'_>]) -> Result<Applied, Failure> {
    match once(client, batches, false).await {
        Err(failure) if failure.twice().is_some_and(|constraint| constraint.ends_with("transactions_pkey")) => {
            once(client, batches, true).await
        }
        outcome => outcome,
    }
}

/// `careful` looks for known transactions first.
async fn once(client: &mut Client, batches: &[Batch<'_>], careful: bool) -> Result<Applied, Failure> {
    let tx = client.transaction().await?;
    let mut applied = Applied::default();
    let mut by_action = [0u64; 3];
    for batch in batches {
        let next = lock_position(&tx, batch.topic, batch.partition, batch.from).await?;
        let mut decisions: Vec<_> = batch.decisions.iter().filter(|r| r.offset >= next).collect();
        if careful {
            leave_out_known(&tx, &mut decisions).await?;
        }
        copy_decisions(&tx, &decisions, &mut applied, &mut by_action).await?;
        let letters: Vec<_> = batch.dead_letters.iter().filter(|r| r.offset >= next).collect();
        let made = insert_dead_letters(&tx, &letters).await?;
        applied.dead_letters += made;
        applied.skipped += (batch.decisions.len() - decisions.len()) as u64 + batch.dead_letters.len() as u64 - made;
        if batch.next_offset > next {
            set_position(&tx, STORE_SINK, batch.topic, batch.partition, batch.next_offset).await?;
        }
    }
    let [allow, review, block] = by_action.map(|n| n as i64);
    add_totals(&tx, [allow, review, block, applied.alerts as i64, applied.dead_letters as i64]).await?;
    tx.commit().await?;
    Ok(applied)
}

/// The stored position, held until the transaction ends: a second writer waits here, and then sees what the first one stored.
async fn lock_position(tx: &Transaction<'_>, topic: &str, partition: i32, from: i64) -> Result<i64, Failure> {
    let key: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&STORE_SINK, Type::TEXT), (&topic, Type::TEXT), (&partition, Type::INT4)];
    let locking = "SELECT next_offset FROM positions WHERE sink = $1 AND topic = $2 AND \"partition\" = $3 FOR UPDATE";
    let row = match tx.query_typed_opt(locking, &key).await? {
        Some(row) => row,
        None => {
            let first = "INSERT INTO positions (sink, topic, \"partition\", next_offset) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING";
            tx.execute_typed(first, &key).await?;
            tx.query_typed_one(locking, &key).await?
        }
    };
    let next: i64 = row.try_get(0)?;
    if next < from {
        return Err(fell_back(topic, partition, next, from).into());
    }
    Ok(next)
}

pub(super) async fn set_position(db: &impl GenericClient, sink: &str, topic: &str, partition: i32, next: i64) -> Result<(), Failure> {
    db.execute_typed(
        "INSERT INTO positions (sink, topic, \"partition\", next_offset) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sink, topic, \"partition\") DO UPDATE SET next_offset = excluded.next_offset",
        &[(&sink, Type::TEXT), (&topic, Type::TEXT), (&partition, Type::INT4), (&next, Type::INT8)],
    )
    .await?;
    Ok(())
}

/// Adds to what there is of allow, review, block, alerts and dead letters. The rows are taken in the order of their names, always the
/// same, so that two who change them never wait for each other.
pub(super) async fn add_totals(tx: &Transaction<'_>, changes: [i64; 5]) -> Result<(), Failure> {
    let [allow, review, block, alerts, dead_letters] = changes;
    let all = [("alerts", alerts), ("allow", allow), ("block", block), ("dead_letters", dead_letters), ("review", review)];
    let (names, values): (Vec<_>, Vec<_>) = all.into_iter().filter(|(_, change)| *change != 0).unzip();
    if names.is_empty() {
        return Ok(());
    }
    tx.execute_typed(
        "INSERT INTO totals (name, value) SELECT * FROM unnest($1, $2) ON CONFLICT (name) DO UPDATE SET value = totals.value + excluded.value",
        &[(&names, Type::TEXT_ARRAY), (&values, Type::INT8_ARRAY)],
    )
    .await?;
    Ok(())
}

/// A decision that was given never changes: the first one on a transaction stays.
async fn leave_out_known(tx: &Transaction<'_>, decisions: &mut Vec<&DecisionRecord<'_>>) -> Result<(), Failure> {
    let ids: Vec<_> = decisions.iter().map(|r| key(&r.decision.transaction_id)).collect();
    let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
    let rows =
        tx.query_typed("SELECT transaction_id FROM transactions WHERE transaction_id = ANY($1)", &[(&ids, Type::TEXT_ARRAY)]).await?;
    let mut known = rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<String>, _>>()?;
    decisions.retain(|r| known.insert(key(&r.decision.transaction_id).into_owned()));
    Ok(())
}

async fn copy_decisions(
    tx: &Transaction<'_>,
    decisions: &[&DecisionRecord<'_>],
    applied: &mut Applied,
    by_action: &mut [u64; 3],
) -> Result<(), Failure> {
    if decisions.is_empty() {
        return Ok(());
    }
    copy(tx, TRANSACTIONS, 7, decisions.iter(), |rows, record| {
        let d = record.decision;
        rows.key(&d.transaction_id)
            .key_or_null(d.account_id.as_deref())
            .text_or_null(d.transaction_type.as_deref())
            .numeric_or_null(d.amount)
            .time(d.event_time)
            .time(d.taken_at)
            .int8(d.sequence as i64);
    })
    .await?;
    copy(tx, PREDICTIONS, 9, decisions.iter(), |rows, record| {
        let d = record.decision;
        rows.int8(d.sequence as i64)
            .key(&d.transaction_id)
            .int2(predicted_fraud(d.decision).into())
            .text(action(d.decision))
            .float8(d.score)
            .text(&d.project)
            .text_or_null(d.model.as_deref())
            .time(d.taken_at)
            .json(record.json);
    })
    .await?;
    let alerts: Vec<(i64, Alert, String)> = decisions
        .iter()
        .flat_map(|r| r.decision.alerts().zip(0..))
        .map(|(alert, ordinal)| serde_json::to_string(&alert).map(|document| (ordinal, alert, document)))
        .collect::<Result<_, _>>()
        .map_err(|e| Error::bug("an alert does not serialise").because(e))?;
    if !alerts.is_empty() {
        copy(tx, ALERTS, 12, alerts.iter(), |rows, (ordinal, alert, document)| {
            rows.key(&alert.alert_id)
                .key(&alert.transaction_id)
                .key_or_null(alert.account_id.as_deref())
                .key(&alert.alert_type)
                .text(&alert.alert_message)
                .text(severity(alert.severity))
                .text(action(alert.decision))
                .float8(alert.score)
                .int8(alert.sequence as i64)
                .int8(*ordinal)
                .time(alert.taken_at)
                .json(document);
        })
        .await?;
    }
    applied.decisions += decisions.len() as u64;
    applied.alerts += alerts.len() as u64;
    for record in decisions {
        by_action[match record.decision.decision {
            Action::Allow => 0,
            Action::Review => 1,
            Action::Block => 2,
        }] += 1;
    }
    Ok(())
}

/// One COPY, sent in chunks while the server takes what came before.
async fn copy<R>(
    tx: &Transaction<'_>,
    sql: &str,
    columns: i16,
    records: impl Iterator<Item = R>,
    write: impl Fn(&mut Rows, R),
) -> Result<(), Failure> {
    let mut sink = pin!(tx.copy_in::<_, Bytes>(sql).await?);
    let mut rows = Rows::new(columns);
    for record in records {
        write(rows.row(), record);
        if rows.len() >= CHUNK {
            sink.send(rows.take()).await?;
        }
    }
    sink.send(rows.end()).await?;
    sink.finish().await?;
    Ok(())
}

/// How many were not known.
async fn insert_dead_letters(tx: &Transaction<'_>, records: &[&DeadLetterRecord<'_>]) -> Result<u64, Failure> {
    if records.is_empty() {
        return Ok(0);
    }
    let column =
        |f: &dyn Fn(&DeadLetterRecord<'_>) -> String| -> Vec<String> { records.iter().map(|r| text(&f(r)).into_owned()).collect() };
    let topics = column(&|r| r.letter.topic.clone());
    let partitions: Vec<i32> = records.iter().map(|r| r.letter.partition).collect();
    let offsets: Vec<i64> = records.iter().map(|r| r.letter.offset).collect();
    let codes = column(&|r| r.letter.errors.first().map_or("unknown", |e| e.code.as_ref()).to_owned());
    let reasons = column(&|r| r.letter.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    let errors: Vec<String> = records
        .iter()
        .map(|r| serde_json::to_string(&r.letter.errors))
        .collect::<Result<_, _>>()
        .map_err(|e| Error::bug("a reason does not serialise").because(e))?;
    let raw: Vec<&[u8]> = records.iter().map(|r| r.letter.raw.as_slice()).collect();
    let times: Vec<Time> = records.iter().map(|r| Time(r.letter.at)).collect();
    Ok(tx
        .execute_typed(
            "INSERT INTO dead_letters (topic, \"partition\", \"offset\", code, reason, errors, raw, at)
             SELECT l.topic, l.number, l.place, l.code, l.reason, l.errors::json, l.raw, l.at
             FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS l (topic, number, place, code, reason, errors, raw, at)
             ON CONFLICT (topic, \"partition\", \"offset\") DO NOTHING",
            &[
                (&topics, Type::TEXT_ARRAY),
                (&partitions, Type::INT4_ARRAY),
                (&offsets, Type::INT8_ARRAY),
                (&codes, Type::TEXT_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&errors, Type::TEXT_ARRAY),
                (&raw, Type::BYTEA_ARRAY),
                (&times, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .await?)
}

/// Lines of the audit trail and the position after them.
pub(super) async fn audit(client: &mut Client, batch: &AuditBatch<'_>) -> Result<u64, Failure> {
    let tx = client.transaction().await?;
    let next = lock_position(&tx, batch.topic, batch.partition, batch.from).await?;
    let lines: Vec<_> = batch.lines.iter().filter(|line| line.offset >= next).collect();
    let times: Vec<Time> = lines.iter().map(|l| Time(l.at)).collect();
    let columns = [
        lines.iter().map(|l| text(&l.entry.actor)).collect::<Vec<_>>(),
        lines.iter().map(|l| text(&l.entry.action)).collect(),
        lines.iter().map(|l| text(&l.entry.subject)).collect(),
        lines.iter().map(|l| text(&l.entry.detail)).collect(),
    ];
    let columns = columns.each_ref().map(|column| column.iter().map(AsRef::as_ref).collect::<Vec<&str>>());
    let [actors, actions, subjects, details] = &columns;
    let added = tx
        .execute_typed(
            "INSERT INTO audit (at, actor, action, subject, detail)
             SELECT l.at, l.actor, l.action, l.subject, l.detail
             FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS l (at, actor, action, subject, detail, place) ORDER BY l.place",
            &[
                (&times, Type::TIMESTAMPTZ_ARRAY),
                (actors, Type::TEXT_ARRAY),
                (actions, Type::TEXT_ARRAY),
                (subjects, Type::TEXT_ARRAY),
                (details, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    if batch.next_offset > next {
        set_position(&tx, STORE_SINK, batch.topic, batch.partition, batch.next_offset).await?;
    }
    tx.commit().await?;
    Ok(added)
}
