//! What an event costs by the length of its window: one merchant, a million events over 30 days, frames from 10 minutes to 30
//! days, in order and with one event in a hundred late. The line should be flat.
//!
//! `cargo run --release -p features --example curve -- [events]`

#![allow(clippy::print_stdout)]

use domain::stream::TimeUnit;
use domain::time::{DAY, HOUR, MINUTE};
use domain::{Decimal, Field, FieldType, Roles, Stream, StreamMode, Text, Value};
use features::{Engine, Input, MemoryCold, Plan, Rows};
use project::FeatureFile;
use std::sync::Arc;
use std::time::Instant;

/// As in the product: state is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn plan(window: &str) -> Option<Arc<Plan>> {
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
        event_time: 3,
        fields: vec![
            field("merchant_id", FieldType::Text),
            field("account_id", FieldType::Text),
            field("amount", FieldType::Decimal(2)),
            field("event_time", FieldType::Timestamp(TimeUnit::Text)),
        ],
        lateness: 7 * DAY,
        skew: 10 * MINUTE,
        closed: false,
        partitions: 1,
        judged: Some(Roles { id: 0, account: None, amount: None, kind: None }),
    });
    let sql = format!(
        "select count(*) over w as n, sum(amount) over w as total, stddev(amount) over w as spread, max(amount) over w as most,
  count(distinct account_id) over w as accounts
from transactions window w as (partition by merchant_id order by event_time range interval '{window}' preceding)"
    );
    let lines = (1..=sql.lines().count()).collect();
    let file = FeatureFile { path: "features/merchant.sql".into(), source: sql.clone(), sql, lines, join: Vec::new() };
    match features::compile(&[file], &[stream]) {
        Ok(plan) => Some(Arc::new(plan)),
        Err(errors) => {
            errors.iter().for_each(|e| println!("{e}"));
            None
        }
    }
}

/// Nanoseconds this thread has run: on a busy machine the wall clock would count the others too.
fn cpu_nanos(since: Instant) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = told.as_deref().and_then(|line| line.split(' ').next()).and_then(|n| n.parse().ok());
    ran.unwrap_or_else(|| since.elapsed().as_nanos() as u64)
}

fn main() {
    let events: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1_000_000);
    println!("one merchant, {events} events over 30 days; count, sum, stddev, max and distinct accounts");
    println!("{:>12} {:>8} {:>16} {:>12}", "window", "late", "CPU ns per event", "state MB");
    for window in ["10 minutes", "1 hour", "1 day", "7 days", "30 days"] {
        for late in [0, 1] {
            let Some(plan) = plan(window) else { return };
            let mut random = 88_172_645_463_325_252u64;
            let mut draw = |n: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % n
            };
            let rows: Vec<Vec<Value>> = (0..events)
                .map(|i| {
                    let behind = if draw(100) < late { draw(HOUR as u64) as i64 } else { 0 };
                    vec![
                        Value::text("merchant"),
                        Value::text(format!("account-{}", draw(5_000))),
                        Value::Decimal(Decimal::new(i128::from(draw(100_000)), 2)),
                        Value::Timestamp(30 * DAY / events as i64 * i as i64 - behind),
                    ]
                })
                .collect();
            let inputs: Vec<Input<'_>> = rows
                .iter()
                .enumerate()
                .map(|(i, row)| Input {
                    stream: 0,
                    sequence: i as u64 + 1,
                    event_time: if let Value::Timestamp(t) = row[3] { t } else { 0 },
                    row,
                })
                .collect();
            let Ok(mut engine) = Engine::new(plan, Box::new(MemoryCold::default()), usize::MAX) else { return };
            let mut out = Rows::default();
            let start = Instant::now();
            let before = cpu_nanos(start);
            for batch in inputs.chunks(256) {
                if let Err(e) = engine.apply(batch, &mut out) {
                    println!("{e}");
                    return;
                }
            }
            let nanos = (cpu_nanos(start) - before) as f64 / events as f64;
            println!("{window:>12} {:>7}% {nanos:>16.0} {:>12.1}", late, engine.stats().bytes as f64 / 1e6);
        }
    }
}
