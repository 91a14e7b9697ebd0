//! Pages and look-ups, each one statement, so that each sees one state of the store. A page walks one index backwards from the cursor.
//! Statements are sent with the types of their values, unnamed: one round trip, planned for the values at hand, and no session's
//! memory is needed, so a pooler may stand in between.

use super::error::Failure;
use super::rows::{Time, key};
use crate::page::{AlertFilter, Cursor, Page, PredictionFilter};
use crate::record::{DeadLetter, Totals, TransactionRow, TransactionView, predicted_fraud};
use crate::words::{action, severity};
use domain::{Error, time};
use serde_json::value::RawValue;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

pub(super) async fn predictions(
    db: &Client,
    filter: &PredictionFilter,
    cursor: Cursor,
    limit: usize,
) -> Result<Page<Box<RawValue>>, Failure> {
    let mut query = Query::default();
    let (table, sequence) = if let Some(account) = &filter.account_id {
        query.and("t.account_id = ", key(account).into_owned(), Type::TEXT);
        ("transactions t JOIN predictions p ON p.sequence = t.sequence", "t.sequence")
    } else {
        ("predictions p", "p.sequence")
    };
    query.and(&format!("{sequence} < "), cursor.sequence, Type::INT8);
    if let Some(decision) = filter.decision {
        query.and("p.decision = ", action(decision), Type::TEXT);
        if predicted_fraud(decision) {
            query.text("p.predicted_fraud = 1");
        }
    }
    if let Some(since) = filter.since {
        query.and("p.created_at >= ", Time(since), Type::TIMESTAMPTZ);
    }
    if let Some(until) = filter.until {
        query.and("p.created_at < ", Time(until), Type::TIMESTAMPTZ);
    }
    let sql = format!(
        "SELECT {sequence}, 0::bigint, p.document::text FROM {table} WHERE {} ORDER BY {sequence} DESC LIMIT {}",
        query.conditions,
        limit + 1
    );
    documents(db, &sql, &query, limit).await
}

pub(super) async fn alerts(db: &Client, filter: &AlertFilter, cursor: Cursor, limit: usize) -> Result<Page<Box<RawValue>>, Failure> {
    let mut query = Query::default();
    query.and("(sequence, ordinal) < (", cursor.sequence, Type::INT8);
    query.more(", ", cursor.ordinal, Type::INT8);
    query.conditions.push(')');
    if let Some(wanted) = filter.severity {
        query.and("severity = ", severity(wanted), Type::TEXT);
    }
    if let Some(alert_type) = &filter.alert_type {
        query.and("alert_type = ", key(alert_type).into_owned(), Type::TEXT);
    }
    if let Some(account) = &filter.account_id {
        query.and("account_id = ", key(account).into_owned(), Type::TEXT);
    }
    let sql = format!(
        "SELECT sequence, ordinal, document::text FROM alerts WHERE {} ORDER BY sequence DESC, ordinal DESC LIMIT {}",
        query.conditions,
        limit + 1
    );
    documents(db, &sql, &query, limit).await
}

pub(super) async fn dead_letters(db: &Client, cursor: Cursor, limit: usize) -> Result<Page<DeadLetter>, Failure> {
    let rows = db
        .query_typed(
            "SELECT id, topic, \"partition\", \"offset\", errors::text, raw, at FROM dead_letters WHERE id < $1 ORDER BY id DESC LIMIT $2",
            &[(&cursor.sequence, Type::INT8), (&(limit as i64 + 1), Type::INT8)],
        )
        .await?;
    let rows = rows.iter().map(|row| {
        let letter = DeadLetter {
            topic: row.try_get(1)?,
            partition: row.try_get(2)?,
            offset: row.try_get(3)?,
            errors: serde_json::from_str(row.try_get(4)?).map_err(|e| damaged(&e))?,
            raw: row.try_get(5)?,
            at: row.try_get::<_, Time>(6)?.0,
        };
        Ok((Cursor { sequence: row.try_get(0)?, ordinal: 0 }, letter))
    });
    Ok(Page::cut(rows.collect::<Result<_, Failure>>()?, limit))
}

pub(super) async fn transaction(db: &Client, transaction_id: &str) -> Result<Option<TransactionView>, Failure> {
    let found = db
        .query_typed_opt(
            "SELECT t.account_id, t.transaction_type, t.amount::text, t.timestamp, t.processed_at, p.document::text,
                    ARRAY(SELECT a.document::text FROM alerts a WHERE a.transaction_id = t.transaction_id ORDER BY a.ordinal)
             FROM transactions t JOIN predictions p ON p.sequence = t.sequence WHERE t.transaction_id = $1",
            &[(&key(transaction_id).as_ref(), Type::TEXT)],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let transaction = TransactionRow {
        transaction_id: transaction_id.to_owned(),
        account_id: row.try_get(0)?,
        transaction_type: row.try_get(1)?,
        amount: row.try_get::<_, Option<String>>(2)?.map(json).transpose()?,
        timestamp: row.try_get::<_, Time>(3)?.0,
        processed_at: row.try_get::<_, Time>(4)?.0,
    };
    let alerts = row.try_get::<_, Vec<String>>(6)?.into_iter().map(json).collect::<Result<_, _>>()?;
    Ok(Some(TransactionView { transaction, prediction: json(row.try_get(5)?)?, alerts }))
}

pub(super) async fn totals(db: &Client) -> Result<Totals, Failure> {
    let row = db
        .query_typed_one(
            "SELECT ARRAY(SELECT name FROM totals ORDER BY name), ARRAY(SELECT value FROM totals ORDER BY name),
                    (SELECT MAX(sequence) FROM predictions), (SELECT MAX(created_at) FROM predictions)",
            &[],
        )
        .await?;
    let (names, values): (Vec<&str>, Vec<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let mut totals = Totals::default();
    for (name, value) in names.into_iter().zip(values) {
        totals.set(name, value.unsigned_abs());
    }
    totals.last_sequence = row.try_get::<_, Option<i64>>(2)?.map(i64::unsigned_abs);
    totals.last_prediction = row.try_get::<_, Option<Time>>(3)?.map(|at| time::format(at.0));
    Ok(totals)
}

/// Conditions joined by `and`, with the values they speak of in order.
#[derive(Default)]
struct Query {
    conditions: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Query {
    fn text(&mut self, condition: &str) {
        if !self.conditions.is_empty() {
            self.conditions.push_str(" AND ");
        }
        self.conditions.push_str(condition);
    }

    fn and(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static, of: Type) {
        self.text("");
        self.more(condition, value, of);
    }

    fn more(&mut self, text: &str, value: impl ToSql + Sync + Send + 'static, of: Type) {
        self.values.push((Box::new(value), of));
        self.conditions.push_str(&format!("{text}${}", self.values.len()));
    }
}

async fn documents(db: &Client, sql: &str, query: &Query, limit: usize) -> Result<Page<Box<RawValue>>, Failure> {
    let values: Vec<(&(dyn ToSql + Sync), Type)> = query.values.iter().map(|(v, of)| (&**v as &(dyn ToSql + Sync), of.clone())).collect();
    let rows = db.query_typed(sql, &values).await?;
    let item = |row: &Row| Ok((Cursor { sequence: row.try_get(0)?, ordinal: row.try_get(1)? }, json(row.try_get(2)?)?));
    Ok(Page::cut(rows.iter().map(item).collect::<Result<_, Failure>>()?, limit))
}

fn json(text: String) -> Result<Box<RawValue>, Failure> {
    RawValue::from_string(text).map_err(|e| damaged(&e).into())
}

/// A stored value that we cannot have written.
pub(super) fn damaged(why: &dyn std::fmt::Display) -> Error {
    Error::stop(
        format!("a row holds what this release does not write: {why}"),
        "undo changes made to the store's tables by hand, or fill another database from the topics",
    )
}
