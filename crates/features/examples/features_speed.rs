//! Feature speed on one core: 100 generated features over eight groups, events per second and microseconds per event.
//!
//! `cargo run --release -p features --example features_speed -- [events] [accounts]`

#![allow(clippy::print_stdout)]

use domain::stream::TimeUnit;
use domain::time::{DAY, HOUR, MINUTE};
use domain::{Decimal, Field, FieldType, Roles, Stream, StreamMode, Text, Value};
use features::reference::Reference;
use features::{Engine, Input, MemoryCold, Rows};
use project::FeatureFile;
use std::sync::Arc;
use std::time::Instant;

/// As in the product: state is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: [&str; 8] =
    ["account_id", "merchant_id", "device_id", "country", "ip", "account_id, merchant_id", "account_id, country", "merchant_id, country"];

fn field(name: &str, kind: FieldType) -> Field {
    Field { name: Text::new(name), kind, required: true, description: String::new(), min: None, max: None, max_length: None, convert: None }
}

fn stream() -> Arc<Stream> {
    let names = ["transaction_id", "account_id", "merchant_id", "device_id", "country", "ip", "channel"];
    let mut fields: Vec<Field> = names.iter().map(|n| field(n, FieldType::Text)).collect();
    fields.push(field("amount", FieldType::Decimal(2)));
    fields.push(field("event_time", FieldType::Timestamp(TimeUnit::Text)));
    Arc::new(Stream {
        name: "transactions".into(),
        topic: "transactions".into(),
        description: String::new(),
        mode: StreamMode::Append,
        key: 0,
        event_time: 8,
        fields,
        lateness: 7 * DAY,
        skew: 10 * MINUTE,
        closed: false,
        partitions: 1,
        judged: Some(Roles { id: 0, account: None, amount: None, kind: None }),
    })
}

/// 13 features a group, four of the eight over three windows, cut at 100.
fn files() -> Vec<FeatureFile> {
    KEYS.iter()
        .enumerate()
        .map(|(i, key)| {
            let other = if key.contains("merchant_id") { "country" } else { "merchant_id" };
            let mut items: Vec<String> = ["w10m", "w24h", "w30d"]
                .iter()
                .flat_map(|w| {
                    [
                        format!("count(*) over {w} as f{i}_count_{w}"),
                        format!("sum(amount) over {w} as f{i}_sum_{w}"),
                        format!("max(amount) over {w} as f{i}_max_{w}"),
                    ]
                })
                .collect();
            items.push(format!("count(distinct {other}) over w24h as f{i}_distinct"));
            items.push(format!("amount / nullif(avg(amount) over w30d, 0) as f{i}_ratio"));
            items.push(format!("stddev(amount) over w30d as f{i}_stddev"));
            if i < 4 {
                items.push(format!("count(*) filter (where channel = 'online') over w24h as f{i}_online"));
            }
            let window = |name: &str, interval: &str| {
                format!("{name} as (partition by {key} order by event_time range interval '{interval}' preceding)")
            };
            let sql = format!(
                "select {}\nfrom transactions window {}, {}, {}",
                items.join(", "),
                window("w10m", "10 minutes"),
                window("w24h", "24 hours"),
                window("w30d", "30 days")
            );
            let lines = (1..=sql.lines().count()).collect();
            FeatureFile { path: format!("features/g{i}.sql"), source: sql.clone(), sql, lines, join: Vec::new() }
        })
        .collect()
}

/// Nanoseconds this thread has run: on a busy machine the wall clock would count the others too.
fn cpu_nanos(since: Instant) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = told.as_deref().and_then(|line| line.split(' ').next()).and_then(|n| n.parse().ok());
    ran.unwrap_or_else(|| since.elapsed().as_nanos() as u64)
}

fn main() {
    let mut args = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let (events, accounts) = (args.next().unwrap_or(300_000), args.next().unwrap_or(20_000));
    let plan = match features::compile(&files(), &[stream()]) {
        Ok(plan) => Arc::new(plan),
        Err(errors) => {
            errors.iter().for_each(|e| println!("{e}"));
            std::process::exit(1)
        }
    };
    let mut random = 88_172_645_463_325_252u64;
    let mut draw = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % n as u64) as usize
    };
    let rows: Vec<Vec<Value>> = (0..events)
        .map(|i| {
            let account = draw(accounts);
            vec![
                Value::text(format!("t{i}")),
                Value::text(format!("acc-{account:08}")),
                Value::text(format!("merchant-{}", draw(2_000).min(draw(2_000)))),
                Value::text(format!("dev-{account}-{}", draw(2))),
                Value::text(format!("C{}", draw(60).min(draw(60)))),
                Value::text(format!("10.0.{}.{}", account % 256, draw(40))),
                Value::text(if draw(2) == 0 { "online" } else { "pos" }),
                Value::Decimal(Decimal::new(draw(100_000) as i128, 2)),
                // 40 days in all, in order.
                Value::Timestamp((40 * DAY / events as i64) * i as i64),
            ]
        })
        .collect();
    let time = |row: &[Value]| match row[8] {
        Value::Timestamp(t) => t,
        _ => 0,
    };
    let inputs: Vec<Input<'_>> =
        rows.iter().enumerate().map(|(i, row)| Input { stream: 0, sequence: i as u64 + 1, event_time: time(row), row }).collect();
    println!("{} features, {} groups, {} events, {} accounts", plan.features.len(), plan.groups.len(), events, accounts);

    let mut out = Rows::default();
    match Engine::new(Arc::clone(&plan), Box::new(MemoryCold::default()), usize::MAX) {
        Ok(mut engine) => {
            let (warm, timed) = inputs.split_at(events / 2);
            for batch in warm.chunks(256) {
                engine.apply(batch, &mut out).unwrap_or_else(|e| println!("{e}"));
            }
            let start = Instant::now();
            let before = cpu_nanos(start);
            for batch in timed.chunks(256) {
                engine.apply(batch, &mut out).unwrap_or_else(|e| println!("{e}"));
            }
            let micros = (cpu_nanos(start) - before) as f64 / 1e3 / timed.len() as f64;
            let stats = engine.stats();
            println!("engine: {micros:.2} us of CPU an event, {:.0} events/s on one core", 1e6 / micros);
            println!("state: {} entities, {:.1} MB", stats.entities, stats.bytes as f64 / 1e6);

            let start = Instant::now();
            let snapshot = engine.snapshot();
            println!("snapshot of everything: {:.1} MB in {:.0} ms", snapshot.size() as f64 / 1e6, start.elapsed().as_secs_f64() * 1e3);
        }
        Err(e) => println!("{e}"),
    }
    let few = events.min(2_000);
    let mut naive = Reference::new(Arc::clone(&plan));
    let start = Instant::now();
    let before = cpu_nanos(start);
    naive.apply(&inputs[..few], &mut out);
    let micros = (cpu_nanos(start) - before) as f64 / 1e3 / few as f64;
    println!("naive reference over the first {few}: {micros:.0} us an event ({} hours of span)", time(&rows[few - 1]) / HOUR);
}
