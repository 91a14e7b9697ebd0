//! What lands where: the plain list of the tables of `bronze`, with their columns.

use super::Setup;
use super::vectors::Shapes;
use crate::topics;
use domain::{Decoder, Error, Result, Stream, Type};
use lake::datafusion::arrow::datatypes::DataType;
use lake::{Appender, Column, Lake, Rows, TableName, TableSchema, of_stream, upkeep::LANDING};
use std::sync::Arc;

/// How the records of a topic become rows.
#[derive(Clone)]
pub(super) enum Kind {
    Stream(Arc<Stream>, Arc<Decoder>),
    Decisions,
    Alerts,
    Vectors,
    DeadLetters,
    WebhookDeadLetters,
    Sequence,
    Control,
}

/// A table that records land in.
pub(super) struct Table {
    pub(super) kind: Kind,
    pub(super) topics: Vec<String>,
    pub(super) appender: Appender,
    pub(super) rows: Rows,
}

pub(super) struct Tables {
    pub(super) all: Vec<Table>,
    pub(super) shapes: Shapes,
}

impl Tables {
    /// The table of a topic.
    pub(super) fn of(&self, topic: &str) -> Option<usize> {
        self.all.iter().position(|t| t.topics.iter().any(|own| own == topic))
    }

    pub(super) fn sequence(&self) -> Result<usize> {
        self.of(topics::SEQUENCE).ok_or_else(|| Error::bug("the sequence has no table"))
    }
}

/// Opens all of them; those that are not there are made.
pub(super) async fn open(lake: &Lake, setup: &Setup) -> Result<Tables> {
    let mut shapes = Shapes::new(&setup.log, &setup.plan)?;
    let judged = setup.plan.judged();
    let amount = judged.judged.as_ref().and_then(|roles| roles.amount).map_or(Type::Decimal(4), |slot| judged.field_type(slot));
    let own = |topic: &str| vec![topic.to_owned()];
    let mut listed: Vec<(String, Kind, Vec<String>, Vec<Column>)> = vec![
        ("decisions".into(), Kind::Decisions, own(topics::DECISIONS), decisions(amount)),
        ("alerts".into(), Kind::Alerts, own(topics::ALERTS), alerts(amount)),
        ("features".into(), Kind::Vectors, own(topics::FEATURES), shapes.columns()),
        ("dead_letters".into(), Kind::DeadLetters, vec![topics::DEAD_LETTERS.into(), topics::IMPORT_DEAD_LETTERS.into()], dead_letters()),
        ("webhook_dead_letters".into(), Kind::WebhookDeadLetters, own(topics::WEBHOOK_DEAD_LETTERS), texts(&["value"])),
        ("sequence".into(), Kind::Sequence, own(topics::SEQUENCE), sequence()),
        ("control".into(), Kind::Control, own(topics::CONTROL), texts(&["kind", "digest", "list", "who", "value"])),
    ];
    for spec in &setup.project.streams {
        let stream = &spec.stream;
        let name = stream.name.to_string();
        if listed.iter().any(|(table, ..)| *table == name) {
            return Err(Error::stop(
                format!("{}: bronze.{name} is a table of the lake's own", spec.path),
                "give the stream's file another name, or start without a lake",
            ));
        }
        let mut read = vec![stream.topic.to_string()];
        if stream.judged.is_some() {
            read.push(topics::predict(&stream.topic));
        }
        listed.push((name, Kind::Stream(stream.clone(), Arc::new(Decoder::new(stream))), read, of_stream(stream)));
    }
    let mut all = Vec::with_capacity(listed.len());
    for (name, kind, topics, columns) in listed {
        let schema = TableSchema::new(&columns)?;
        let appender = Appender::open(lake, &TableName::new(LANDING, &name)?, &schema).await?;
        all.push(Table { kind, topics, appender, rows: Rows::new(&schema)? });
    }
    shapes.fix();
    Ok(Tables { all, shapes })
}

fn texts(names: &[&str]) -> Vec<Column> {
    names.iter().map(|n| Column::of(*n, Type::Text)).collect()
}

fn decisions(amount: Type) -> Vec<Column> {
    vec![
        Column::of("sequence", Type::Int),
        Column::of("transaction_id", Type::Text),
        Column::of("account_id", Type::Text),
        Column::of("transaction_type", Type::Text),
        Column::of("amount", amount),
        Column::of("event_time", Type::Timestamp),
        Column::of("taken_at", Type::Timestamp),
        Column::of("decision", Type::Text),
        Column::of("score", Type::Float),
        Column::of("judged", Type::Text),
        // JSON, as the topic has it.
        Column::of("hits", Type::Text),
        Column::of("reasons", Type::Text),
        Column::of("evidence", Type::Text),
        Column::of("source_topic", Type::Text),
        Column::new("source_partition", DataType::Int32),
        Column::of("source_offset", Type::Int),
        Column::of("project", Type::Text),
        Column::of("model", Type::Text),
    ]
}

fn alerts(amount: Type) -> Vec<Column> {
    let mut columns = texts(&["alert_id", "transaction_id", "account_id", "alert_type", "alert_message", "severity", "decision"]);
    columns.extend([
        Column::of("score", Type::Float),
        Column::of("amount", amount),
        Column::of("event_time", Type::Timestamp),
        Column::of("taken_at", Type::Timestamp),
        Column::of("sequence", Type::Int),
    ]);
    columns
}

fn dead_letters() -> Vec<Column> {
    vec![
        Column::of("source_topic", Type::Text),
        Column::new("source_partition", DataType::Int32),
        Column::of("source_offset", Type::Int),
        Column::of("sequence", Type::Int),
        Column::of("taken_at", Type::Timestamp),
        // JSON: code, field and reason of each.
        Column::of("errors", Type::Text),
        Column::of("reason", Type::Text),
    ]
}

fn sequence() -> Vec<Column> {
    vec![
        Column::of("first", Type::Int),
        Column::of("next", Type::Int),
        Column::of("taken_at", Type::Timestamp),
        // JSON: topic, partition, first and last offset of each run of records.
        Column::of("runs", Type::Text),
    ]
}
