//! The engine on a real store: what it holds after restarts and evictions is what it would hold in memory.

use domain::stream::TimeUnit;
use domain::time::{HOUR, MINUTE};
use domain::{Decimal, Field, FieldType, Roles, Stream, StreamMode, Text, Value};
use features::{Engine, Input, MemoryCold, Plan, Rows};
use project::FeatureFile;
use state::Store;
use std::sync::Arc;

fn plan() -> Arc<Plan> {
    let field = |name: &str, kind: FieldType| Field {
        name: Text::new(name),
        kind,
        required: true,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    let stream = Arc::new(Stream {
        name: "transactions".into(),
        topic: "transactions".into(),
        description: String::new(),
        mode: StreamMode::Append,
        key: 0,
        event_time: 2,
        fields: vec![
            field("account_id", FieldType::Text),
            field("amount", FieldType::Decimal(2)),
            field("event_time", FieldType::Timestamp(TimeUnit::Text)),
        ],
        lateness: HOUR,
        skew: MINUTE,
        closed: false,
        partitions: 1,
        judged: Some(Roles { id: 0, account: None, amount: None, kind: None }),
    });
    let sql =
        "select account_id, count(*) over w as n, sum(amount) over w as total, max(amount) over e as most, lag(amount) over w as before
from transactions window w as (partition by account_id order by event_time range interval '6 hours' preceding),
  e as (partition by account_id order by event_time)";
    let file = FeatureFile { path: "features/a.sql".into(), source: sql.into(), sql: sql.into(), lines: vec![1, 2, 3], join: Vec::new() };
    Arc::new(features::compile(&[file], &[stream]).expect("the file is right"))
}

/// Accounts of very different sizes: the first has a tenth of all events, over many chunks.
fn rows(events: usize) -> Vec<Vec<Value>> {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    (0..events)
        .map(|i| {
            let account = if draw(10) == 0 { 0 } else { draw(200) };
            let late = if draw(20) == 0 { draw(40) as i64 * MINUTE } else { 0 };
            vec![
                Value::text(format!("account-{account}")),
                Value::Decimal(Decimal::new(i128::from(draw(10_000)), 2)),
                Value::Timestamp(i as i64 * 3_000_000 - late),
            ]
        })
        .collect()
}

fn input(row: &[Value], i: usize) -> Input<'_> {
    let event_time = if let Value::Timestamp(t) = row[2] { t } else { 0 };
    Input { stream: 0, sequence: i as u64 + 1, event_time, row }
}

#[test]
fn restarts_and_evictions_change_nothing() {
    let (plan, rows) = (plan(), rows(20_000));
    let inputs: Vec<Input<'_>> = rows.iter().enumerate().map(|(i, row)| input(row, i)).collect();
    let mut expected = Rows::default();
    let mut engine = Engine::new(Arc::clone(&plan), Box::new(MemoryCold::default()), usize::MAX).expect("opens");
    engine.apply(&inputs, &mut expected).expect("memory does not fail");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut at, mut loads, mut evictions) = (0, 0, 0);
    for life in 0..4 {
        let store = Store::open(folder.path()).expect("opens");
        let mut ids = store.ids().expect("ids open");
        let mut engine = Engine::new(Arc::clone(&plan), store.cold(), 60_000).expect("opens");
        if let Some(meta) = store.meta().expect("reads") {
            engine.restore(meta.sequence, &meta.engine).expect("meta is right");
            at = meta.sequence as usize;
        }
        assert_eq!(at > 0, life > 0, "a later life goes on from a snapshot");
        let end = inputs.len() * (life + 1) / 4;
        let mut rows = Rows::default();
        let mut batches = 0;
        while at < end {
            let next = (at + 250).min(end);
            engine.apply(&inputs[at..next], &mut rows).expect("the store answers");
            for i in at..next {
                assert_eq!(rows.row(i - at), expected.row(i), "event {i} in life {life}");
            }
            at = next;
            batches += 1;
            if batches % 3 == 0 {
                let snapshot = engine.snapshot();
                let batch = ids.begin();
                store.commit(&snapshot, &batch, b"positions").expect("commits");
                engine.snapshot_done(snapshot.id);
                ids.done(&batch, 0);
                engine.evict();
            }
        }
        // What came after the last snapshot is lost with the process, and applied again in the next life.
        loads += engine.stats().loads;
        evictions += engine.stats().evictions;
    }
    assert!(loads > 100 && evictions > 100, "the budget was no budget: {loads} loads, {evictions} evictions");
}
