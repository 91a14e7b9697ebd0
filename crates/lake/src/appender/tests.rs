use crate::faulty::{Fault, Faulty};
use crate::{Appended, Appender, At, Column, Lake, Move, Rows, TableName, TableSchema, upkeep};
use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use domain::{Kind, TopicPartition, Type, Value};
use proptest::prelude::*;

fn name() -> TableName {
    TableName::new("bronze", "payments").unwrap()
}

fn schema() -> TableSchema {
    TableSchema::new(&[Column::of("id", Type::Text), Column::of("amount", Type::Decimal(2))]).unwrap()
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("payments", partition)
}

/// Records `from..next` of a partition.
fn rows(partition: i32, from: i64, next: i64) -> RecordBatch {
    let mut rows = Rows::new(&schema()).unwrap();
    for offset in from..next {
        let values = [Value::text(format!("p{partition}-{offset}")), Value::Decimal(domain::Decimal::new(offset.into(), 2))];
        let place = At { at: &at(partition), offset, sequence: Some(offset as u64), ingest_time: 1_000_000 };
        rows.push(&values, &place, Some(offset * domain::time::DAY / 4), None);
    }
    rows.finish().unwrap()
}

fn step(partition: i32, from: Option<i64>, next: i64) -> Move {
    Move { at: at(partition), from, next }
}

/// All offsets of a partition that the table holds, in order.
async fn offsets(lake: &Lake, partition: i32) -> Vec<i64> {
    let session = lake.session().await.unwrap();
    let sql = format!("select _offset from bronze.payments where _partition = {partition} order by _offset");
    let batches = session.query(&sql).await.unwrap();
    batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test]
async fn rows_and_position_come_in_one_version() {
    let (lake, _) = Faulty::lake();
    let mut table = Appender::open(&lake, &name(), &schema()).await.unwrap();
    assert_eq!(table.position(&at(0)).await.unwrap(), None);
    let done = table.append(&rows(0, 5, 9), &[step(0, None, 9)]).await.unwrap();
    assert!(matches!(done, Appended::Committed { version: 1, files: 2, .. }), "{done:?}: the events lie on two days");
    assert_eq!(table.position(&at(0)).await.unwrap(), Some(9));
    // Another process sees the same.
    let mut other = Appender::open(&lake, &name(), &schema()).await.unwrap();
    assert_eq!((other.version(), other.position(&at(0)).await.unwrap()), (1, Some(9)));
    assert_eq!(other.position(&at(1)).await.unwrap(), None);
    assert_eq!(offsets(&lake, 0).await, [5, 6, 7, 8]);
}

#[tokio::test]
async fn what_is_there_already_is_not_added() {
    let (lake, _) = Faulty::lake();
    let mut table = Appender::open(&lake, &name(), &schema()).await.unwrap();
    table.append(&rows(0, 0, 3), &[step(0, None, 3)]).await.unwrap();
    assert_eq!(table.append(&rows(0, 0, 3), &[step(0, None, 3)]).await.unwrap(), Appended::Covered);
    assert_eq!(table.append(&rows(0, 1, 4), &[step(0, Some(1), 4)]).await.unwrap(), Appended::Moved, "it overlaps what is there");
    assert_eq!(table.version(), 1);
    assert_eq!(offsets(&lake, 0).await, [0, 1, 2]);
}

#[tokio::test]
async fn of_two_writers_one_lands_and_the_other_notices() {
    let (lake, _) = Faulty::lake();
    let mut one = Appender::open(&lake, &name(), &schema()).await.unwrap();
    let mut two = Appender::open(&lake, &name(), &schema()).await.unwrap();
    assert_eq!(two.position(&at(0)).await.unwrap(), None);
    one.append(&rows(0, 0, 3), &[step(0, None, 3)]).await.unwrap();
    // The same batch from a twin that knows nothing of it, and one that reaches further.
    assert_eq!(two.append(&rows(0, 0, 3), &[step(0, None, 3)]).await.unwrap(), Appended::Covered);
    let mut three = Appender::open(&lake, &name(), &schema()).await.unwrap();
    assert_eq!(three.position(&at(0)).await.unwrap(), Some(3));
    one.append(&rows(0, 3, 5), &[step(0, Some(3), 5)]).await.unwrap();
    assert_eq!(three.append(&rows(0, 3, 9), &[step(0, Some(3), 9)]).await.unwrap(), Appended::Moved);
    assert_eq!(three.position(&at(0)).await.unwrap(), Some(5));
    three.append(&rows(0, 5, 9), &[step(0, Some(5), 9)]).await.unwrap();
    assert_eq!(offsets(&lake, 0).await, (0..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn writers_of_other_partitions_and_upkeep_are_no_conflict() {
    let (lake, _) = Faulty::lake();
    let mut one = Appender::open(&lake, &name(), &schema()).await.unwrap();
    let mut two = Appender::open(&lake, &name(), &schema()).await.unwrap();
    for n in 0..4 {
        let (from, next) = ((n > 0).then_some(n), n + 1);
        assert!(matches!(one.append(&rows(0, n, next), &[step(0, from, next)]).await.unwrap(), Appended::Committed { .. }));
        assert!(matches!(two.append(&rows(1, n, next), &[step(1, from, next)]).await.unwrap(), Appended::Committed { .. }));
    }
    let optimized = upkeep::optimize(&lake, &name(), 1 << 20, &[]).await.unwrap();
    assert_eq!(optimized, upkeep::Optimized { files_removed: 8, files_added: 1 });
    upkeep::checkpoint(&lake, &name()).await.unwrap();
    assert!(matches!(one.append(&rows(0, 4, 5), &[step(0, Some(4), 5)]).await.unwrap(), Appended::Committed { version: 10, .. }));
    // Positions outlast a checkpoint, which is all that a new reader reads of older versions.
    let mut again = Appender::open(&lake, &name(), &schema()).await.unwrap();
    assert_eq!((again.position(&at(0)).await.unwrap(), again.position(&at(1)).await.unwrap()), (Some(5), Some(4)));
    assert_eq!((offsets(&lake, 0).await, offsets(&lake, 1).await), (vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3]));
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let (lake, storage) = Faulty::lake();
    let mut table = Appender::open(&lake, &name(), &schema()).await.unwrap();
    let (batch, moves) = (rows(0, 0, 3), [step(0, None, 3)]);
    storage.next("_delta_log", Fault::AnswerLost);
    let error = table.append(&batch, &moves).await.unwrap_err();
    assert_eq!(error.kind, Kind::Retry, "{error}");
    assert_eq!(table.append(&batch, &moves).await.unwrap(), Appended::Covered);
    assert_eq!(offsets(&lake, 0).await, [0, 1, 2]);
}

#[tokio::test]
async fn an_incompatible_column_is_refused_with_the_way_out() {
    let (lake, _) = Faulty::lake();
    let mut table = Appender::open(&lake, &name(), &schema()).await.unwrap();
    table.append(&rows(0, 0, 2), &[step(0, None, 2)]).await.unwrap();
    let changed = TableSchema::new(&[Column::of("id", Type::Int), Column::of("amount", Type::Decimal(2))]).unwrap();
    let Err(error) = Appender::open(&lake, &name(), &changed).await else { panic!("it was opened") };
    assert_eq!(error.kind, Kind::Stop);
    assert!(error.message.contains("`id` of bronze.payments") && error.hint.is_some(), "{error}");
    let Err(error) = TableSchema::new(&[Column::of("_offset", Type::Int)]) else { panic!("a column of the lake's own") };
    assert!(error.message.contains("_offset"), "{error}");
}

#[tokio::test]
async fn a_new_column_is_null_in_old_rows() {
    let (lake, _) = Faulty::lake();
    let mut table = Appender::open(&lake, &name(), &schema()).await.unwrap();
    table.append(&rows(0, 0, 2), &[step(0, None, 2)]).await.unwrap();
    let wider = TableSchema::new(&[Column::of("device", Type::Text), Column::of("id", Type::Text)]).unwrap();
    let mut table = Appender::open(&lake, &name(), &wider).await.unwrap();
    let mut rows = Rows::new(&wider).unwrap();
    let place = At { at: &at(0), offset: 2, sequence: None, ingest_time: 0 };
    rows.push(&[Value::text("d"), Value::text("p0-2")], &place, None, Some(b"raw"));
    table.append(&rows.finish().unwrap(), &[step(0, Some(2), 3)]).await.unwrap();
    let session = lake.session().await.unwrap();
    let sql = "select count(device), count(id), count(amount), count(_raw), sum(amount) = 0.01 from bronze.payments";
    let found = datafusion::arrow::util::pretty::pretty_format_batches(&session.query(sql).await.unwrap()).unwrap().to_string();
    assert!(found.contains("| 1 ") && found.contains("| 3 ") && found.contains("| 2 ") && found.contains("true"), "{found}");
}

/// What happens to a batch on its way.
#[derive(Clone, Copy, Debug)]
enum Event {
    Lands,
    FileRefused,
    CommitRefused,
    AnswerLost,
    /// The process dies after the files are written, before the commit: a new one begins from the table's positions.
    Dies,
    OtherWriter,
    Optimize,
    Checkpoint,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let all = [
        Event::Lands,
        Event::FileRefused,
        Event::CommitRefused,
        Event::AnswerLost,
        Event::Dies,
        Event::OtherWriter,
        Event::Optimize,
        Event::Checkpoint,
    ];
    proptest::collection::vec(proptest::sample::select(all.to_vec()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever fails, in whatever order: each record once.
    #[test]
    fn no_duplicate_and_no_gap(events in events()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let (lake, storage) = Faulty::lake();
            let mut table = Appender::open(&lake, &name(), &schema()).await.unwrap();
            let mut end = 0;
            for event in events {
                let from = table.position(&at(0)).await.unwrap();
                let next = from.unwrap_or(0) + 3;
                let (batch, moves) = (rows(0, from.unwrap_or(0), next), [step(0, from, next)]);
                match event {
                    Event::Lands => {}
                    Event::FileRefused => storage.next(".parquet", Fault::Refused),
                    Event::CommitRefused => storage.next("_delta_log", Fault::Refused),
                    Event::AnswerLost => storage.next("_delta_log", Fault::AnswerLost),
                    Event::Dies => {
                        storage.next("_delta_log", Fault::Refused);
                        assert_eq!(table.append(&batch, &moves).await.unwrap_err().kind, Kind::Retry);
                        table = Appender::open(&lake, &name(), &schema()).await.unwrap();
                        continue;
                    }
                    Event::OtherWriter => {
                        let mut other = Appender::open(&lake, &name(), &schema()).await.unwrap();
                        assert_eq!(other.position(&at(0)).await.unwrap(), from);
                        other.append(&batch, &moves).await.unwrap();
                    }
                    Event::Optimize => drop(upkeep::optimize(&lake, &name(), 1 << 20, &[]).await.unwrap()),
                    Event::Checkpoint => upkeep::checkpoint(&lake, &name()).await.unwrap(),
                }
                while let Err(e) = table.append(&batch, &moves).await {
                    assert_eq!(e.kind, Kind::Retry);
                }
                end = next;
            }
            assert_eq!(offsets(&lake, 0).await, (0..end).collect::<Vec<_>>());
        });
    }
}
