//! The engine against the plain reference over random histories: cut into any batches, with snapshots taken in steps, memory
//! far below what is needed, and restarts from the last durable snapshot in the middle.

use crate::support::{Event, drawn, everything, history};
use domain::Value;
use features::reference::Reference;
use features::{Cold as _, Engine, Input, MemoryCold, Plan, Rows, Snapshot};
use proptest::prelude::*;
use std::sync::Arc;

/// As many cases as the test run has time for; `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { cases };
    ProptestConfig { cases, max_shrink_iters: 4000, failure_persistence: None, ..ProptestConfig::default() }
}

fn expected(plan: &Arc<Plan>, events: &[Event]) -> Vec<(bool, Vec<Value>)> {
    let inputs: Vec<Input<'_>> = events.iter().enumerate().map(|(i, e)| e.input(i)).collect();
    let mut rows = Rows::default();
    Reference::new(Arc::clone(plan)).apply(&inputs, &mut rows);
    (0..rows.len()).map(|i| (rows.too_late[i], rows.row(i).to_vec())).collect()
}

fn compare(
    plan: &Plan,
    at: usize,
    event: &Event,
    (late, row): (bool, &[Value]),
    expected: &(bool, Vec<Value>),
) -> Result<(), TestCaseError> {
    prop_assert_eq!(late, expected.0, "too late at {} {:?}", at, event);
    for ((feature, value), wanted) in plan.features.iter().zip(row).zip(&expected.1) {
        prop_assert!(
            value == wanted && value.is_null() == wanted.is_null(),
            "{} at {at} {event:?}: {value:?}, but should be {wanted:?}",
            feature.name
        );
    }
    Ok(())
}

/// Bits of `op`, drawn for each batch: its size, and what happens after it.
fn run(plan: &Arc<Plan>, events: &[Event], ops: &[u16], budget: usize) -> Result<(), TestCaseError> {
    let expected = expected(plan, events);
    // The judged row that each event has.
    let judged: Vec<usize> = events
        .iter()
        .scan(0, |n, e| {
            let at = *n;
            *n += usize::from(e.stream == plan.judged);
            Some(at)
        })
        .collect();
    let cold = MemoryCold::default();
    let start =
        |cold: &MemoryCold| Engine::new(Arc::clone(plan), Box::new(cold.clone()), budget).map_err(|e| TestCaseError::fail(e.to_string()));
    let mut engine = start(&cold)?;
    let mut flying: Option<Snapshot> = None;
    let mut durable: Option<(u64, Vec<u8>)> = None;
    let mut rows = Rows::default();
    let (mut at, mut turn) = (0, 0);
    while at < events.len() {
        let op = ops[turn % ops.len()];
        turn += 1;
        let end = (at + 1 + usize::from(op % 97)).min(events.len());
        let inputs: Vec<Input<'_>> = (at..end).map(|i| events[i].input(i)).collect();
        engine.apply(&inputs, &mut rows).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut row = 0;
        for i in at..end {
            if events[i].stream == plan.judged {
                compare(plan, i, &events[i], (rows.too_late[row], rows.row(row)), &expected[judged[i]])?;
                row += 1;
            }
        }
        prop_assert_eq!(row, rows.len());
        at = end;
        match (op / 97) % 6 {
            0 => {
                engine.begin_snapshot();
            }
            1 | 2 if flying.is_none() => flying = engine.step_snapshot(2),
            3 => {
                if let Some(snapshot) = flying.take() {
                    cold.commit(&snapshot);
                    engine.snapshot_done(snapshot.id);
                    durable = Some((snapshot.sequence, snapshot.meta.clone()));
                }
                engine.evict();
            }
            // Killed: what was not durable is gone, and is applied again.
            4 if op & 1024 != 0 && turn < 200 => {
                flying = None;
                engine = start(&cold)?;
                at = 0;
                if let Some((sequence, meta)) = &durable {
                    engine.restore(*sequence, meta).map_err(|e| TestCaseError::fail(e.to_string()))?;
                    at = *sequence as usize;
                }
            }
            5 if flying.is_none() => {
                let snapshot = engine.snapshot();
                cold.commit(&snapshot);
                engine.snapshot_done(snapshot.id);
                durable = Some((snapshot.sequence, snapshot.meta.clone()));
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn engine_agrees_with_reference(
        drawn in prop::collection::vec(drawn(), 1..420),
        ops in prop::collection::vec(any::<u16>(), 1..12),
        accounts in 1u8..5,
        tight in any::<bool>(),
    ) {
        let plan = everything();
        let events = history(&drawn, false, accounts);
        run(&plan, &events, &ops, if tight { 1000 } else { usize::MAX })?;
    }
}

/// One hot entity over many chunks, with late events into the middle of full ones.
#[test]
fn long_logs_agree_with_the_reference() {
    let mut runner = proptest::test_runner::TestRunner::new(config(3));
    let plan = everything();
    runner
        .run(&(prop::collection::vec(drawn(), 1200), prop::collection::vec(any::<u16>(), 3..9)), |(mut drawn, ops)| {
            drawn.iter_mut().for_each(|d| d.hurry());
            let events = history(&drawn, false, 1);
            run(&plan, &events, &ops, 100_000)
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn what_expired_leaves_memory_and_disk() {
    let plan = crate::support::plan_of(&[(
        "features/a.sql",
        "select account_id, count(*) over (partition by account_id order by event_time range interval '1 hour' preceding) as n from transactions",
    )]);
    let cold = MemoryCold::default();
    let mut engine = Engine::new(Arc::clone(&plan), Box::new(cold.clone()), usize::MAX).expect("an empty store opens");
    let mut rows = Rows::default();
    let day = domain::time::DAY;
    let row = |account: usize, time: i64| -> Vec<Value> {
        let mut row = vec![Value::Null; plan.streams[0].fields.len()];
        row[1] = Value::text(format!("a{account}"));
        row[7] = Value::Int(0);
        row[8] = Value::Timestamp(time);
        row
    };
    for i in 0..500 {
        let row = row(i, 0);
        engine.apply(&[Input { stream: 0, sequence: i as u64 + 1, event_time: 0, row: &row }], &mut rows).expect("applies");
    }
    let snapshot = engine.snapshot();
    cold.commit(&snapshot);
    engine.snapshot_done(snapshot.id);
    assert_eq!((engine.stats().entities, cold.len()), (500, 500));
    for i in 0..2000 {
        let row = row(1000, day);
        engine.apply(&[Input { stream: 0, sequence: 1000 + i, event_time: day, row: &row }], &mut rows).expect("applies");
    }
    cold.commit(&engine.snapshot());
    assert_eq!(engine.stats().entities, 1, "only the account of today is left");
    assert!(cold.len() < 40, "records of expired accounts are gone, {} are left", cold.len());
}

#[test]
fn a_new_group_asks_the_disk_for_nothing() {
    let plan = everything();
    let mut cold = MemoryCold::default();
    assert!(!cold.holds(plan.groups[0].digest).expect("memory answers"));
    let engine = Engine::new(Arc::clone(&plan), Box::new(cold), usize::MAX).expect("an empty store opens");
    assert_eq!(engine.stats().misses, 0);
}

/// A merchant of many chunks: no step of a snapshot encodes them all, events between the steps change some that are not encoded
/// yet, and what is restored is nevertheless the state at the snapshot's beginning.
#[test]
fn a_large_entity_is_encoded_in_pieces() {
    const EVENTS: i64 = 5_000;
    let plan = crate::support::plan_of(&[(
        "features/a.sql",
        "select account_id, count(*) over w as n, sum(quantity) over w as total, count(distinct quantity) over w as kinds
from transactions window w as (partition by account_id order by event_time range interval '30 days' preceding)",
    )]);
    let cold = MemoryCold::default();
    let start = || Engine::new(Arc::clone(&plan), Box::new(cold.clone()), usize::MAX).expect("an empty store opens");
    let mut engine = start();
    let mut rows = Rows::default();
    let minute = domain::time::MINUTE;
    let mut put = |engine: &mut Engine, i: i64, time: i64| -> Vec<Value> {
        let mut row = vec![Value::Null; plan.streams[0].fields.len()];
        row[1] = Value::text("a");
        row[4] = Value::Int(i % 100);
        row[7] = Value::Int(0);
        row[8] = Value::Timestamp(time);
        engine.apply(&[Input { stream: 0, sequence: i as u64 + 1, event_time: time, row: &row }], &mut rows).expect("applies");
        rows.row(0).to_vec()
    };
    for i in 0..EVENTS {
        put(&mut engine, i, i * minute / 60);
    }
    let last = (EVENTS - 1) * minute / 60;
    assert!(engine.begin_snapshot());
    let mut steps = 0;
    let snapshot = loop {
        steps += 1;
        if let Some(snapshot) = engine.step_snapshot(2) {
            break snapshot;
        }
        // Late ones, into chunks near the end and far from it.
        put(&mut engine, EVENTS + steps, last - steps * minute);
    };
    assert!(steps >= EVENTS / 128 / 2, "{steps} steps of two records each");
    cold.commit(&snapshot);
    engine.snapshot_done(snapshot.id);
    let mut restored = start();
    restored.restore(snapshot.sequence, &snapshot.meta).expect("restores");
    let total: i64 = (0..=EVENTS).map(|i| i % 100).sum();
    assert_eq!(put(&mut restored, EVENTS, last), [Value::Int(EVENTS + 1), Value::Int(total), Value::Int(100)]);
    // What changed in the meantime stands in the next one.
    let known = put(&mut engine, EVENTS * 2, last);
    let snapshot = engine.snapshot();
    cold.commit(&snapshot);
    let mut restored = start();
    restored.restore(snapshot.sequence, &snapshot.meta).expect("restores");
    let after = put(&mut restored, EVENTS * 2 + 100, last);
    assert_eq!((&known[0], &after[0]), (&Value::Int(EVENTS + steps), &Value::Int(EVENTS + steps + 1)));
}
