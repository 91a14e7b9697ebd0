//! Feature speed on one core: the hundred features over eight groups of `sluice bench scoring`, without what is around them there.
//!
//! `cargo run --release -p features --example features_speed -- [events] [features]`

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

/// The groups of `sluice bench scoring`: file and partition.
const GROUPS: [(&str, &str); 8] = [
    ("account", "account_id"),
    ("merchant", "merchant_id"),
    ("device", "device_id"),
    ("ip", "ip"),
    ("account_merchant", "account_id, merchant_id"),
    ("account_country", "account_id, country"),
    ("account_channel", "account_id, channel"),
    ("device_merchant", "device_id, merchant_id"),
];
const ACCOUNTS: usize = 20_000;
const WINDOWS: [(&str, &str); 5] = [("10m", "10 minutes"), ("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];
/// `all`: five calls over every window; otherwise, as in the bench, the first hundred of them.
const CALLS: [(&str, &str); 5] = [
    ("count", "count(*)"),
    ("sum", "sum(amount)"),
    ("avg", "avg(amount)"),
    ("max", "max(amount)"),
    ("online", "count(*) filter (where channel = 'online')"),
];

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
        lateness: DAY,
        skew: 10 * MINUTE,
        closed: false,
        partitions: 1,
        judged: Some(Roles { id: 0, account: None, amount: None, kind: None }),
    })
}

fn files(features: usize) -> Vec<FeatureFile> {
    let mut items: Vec<Vec<String>> = vec![Vec::new(); GROUPS.len()];
    let calls = CALLS.iter().flat_map(|call| WINDOWS.iter().flat_map(move |window| (0..GROUPS.len()).map(move |g| (call, window, g))));
    for ((call, sql), (window, _), g) in calls.take(features) {
        items[g].push(format!("{sql} over w{window} as {}_{call}_{window}", GROUPS[g].0));
    }
    GROUPS
        .iter()
        .zip(items)
        .map(|((name, keys), items)| {
            let windows: Vec<String> = WINDOWS
                .iter()
                .map(|(w, span)| format!("w{w} as (partition by {keys} order by event_time range interval '{span}' preceding)"))
                .collect();
            let sql = format!("select {}\nfrom transactions window {}", items.join(", "), windows.join(", "));
            let lines = (1..=sql.lines().count()).collect();
            FeatureFile { path: format!("features/{name}.sql"), source: sql.clone(), sql, lines, join: Vec::new() }
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
    let (events, features) = (args.next().unwrap_or(600_000), args.next().unwrap_or(100));
    let plan = match features::compile(&files(features), &[stream()]) {
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
            let account = draw(ACCOUNTS);
            vec![
                Value::text(format!("t{i}")),
                Value::text(format!("acc-{account:07}")),
                Value::text(format!("m-{:05}", draw(2_000))),
                Value::text(format!("dev-{account:07}-{}", draw(2))),
                Value::text(["DE", "FR", "GB", "US", "NL", "ES", "IT", "PL"][draw(8)]),
                Value::text(format!("10.{}.{}.{}", account % 200, account / 200 % 200, draw(4))),
                Value::text(["online", "pos", "atm"][draw(3)]),
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
    println!("{} features, {} groups, {} events, {ACCOUNTS} accounts", plan.features.len(), plan.groups.len(), events);

    let mut out = Rows::default();
    match Engine::new(Arc::clone(&plan), Box::new(MemoryCold::default()), usize::MAX) {
        Ok(mut engine) => {
            let (warm, timed) = inputs.split_at(events / 4 * 3);
            for batch in warm.chunks(1024) {
                engine.apply(batch, &mut out).unwrap_or_else(|e| println!("{e}"));
            }
            let start = Instant::now();
            let before = cpu_nanos(start);
            for batch in timed.chunks(1024) {
                engine.apply(batch, &mut out).unwrap_or_else(|e| println!("{e}"));
            }
            let micros = (cpu_nanos(start) - before) as f64 / 1e3 / timed.len() as f64;
            let stats = engine.stats();
            println!("engine: {micros:.2} us of CPU an event, {:.0} events/s on one core", 1e6 / micros);
            println!(
                "state: {} entities, {:.1} MB, {} bytes each",
                stats.entities,
                stats.bytes as f64 / 1e6,
                stats.bytes / stats.entities.max(1)
            );

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
