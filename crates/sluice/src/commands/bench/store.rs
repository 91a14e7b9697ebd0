//! How fast decisions go into the store: SQLite and, where a server is named, PostgreSQL, beside what that server does with the same rows
//! in plain COPY. Ids are random, the worst case for the indexes; every 20th decision has an alert.

use super::report::{Figure, Report};
use super::scaled;
use super::scratch::Scratch as Folder;
use domain::{Decimal, Decision, Error, Result};
use std::time::{Duration, Instant};
use store::{Batch, DecisionRecord, Postgres, Scratch, Sqlite, Store};

const DECISIONS: u64 = 300_000;

/// As the store's reader hands them over behind a backlog.
const BATCH: u64 = 10_000;

/// Each is measured so often, and the best counts.
const ROUNDS: usize = 3;

pub fn run(scale: f64, postgres: Option<&str>) -> Result<Report> {
    let count = scaled(DECISIONS, scale);
    let mut report = Report::new(
        "store",
        format!(
            "decisions a second into the store: {count} with their transactions, one in 20 with an alert, in batches of {BATCH}; best of {ROUNDS}"
        ),
    );
    let folder = Folder::new("store")?;
    let mut best = Duration::MAX;
    for round in 0..ROUNDS {
        let store = Sqlite::open(folder.path().join(format!("{round}.db")))?;
        best = best.min(fill(&store, count)?);
    }
    report.push(Figure::new("SQLite", per_second(count, best), "decisions/s"));
    let Some(url) = postgres else {
        eprintln!("PostgreSQL is measured with --postgres postgres://user:password@host/database, in a schema of its own");
        return Ok(report);
    };
    let scratch = Scratch::new(url, "sluice_bench")?;
    let store = Postgres::open(scratch.url())?;
    let (mut best, mut limit, mut rows) = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..ROUNDS {
        scratch.empty()?;
        best = best.min(fill(&store, count)?);
        let (copied, took) = scratch.copy_again()?;
        (rows, limit) = (copied, limit.min(took));
    }
    let (ours, plain) = (per_second(count, best), per_second(count, limit));
    let figure = Figure::new("PostgreSQL", ours, "decisions/s").at_least(plain / 2.0);
    report.push(figure.against("plain COPY into the same tables", Some(plain)));
    let figure = Figure::new("PostgreSQL, rows of all tables", per_second(rows, best), "rows/s");
    report.push(figure.against("plain COPY into the same tables", Some(per_second(rows, limit))));
    Ok(report)
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Stores them, and makes sure that they are on disk; making them is not counted.
fn fill(store: &dyn Store, count: u64) -> Result<Duration> {
    let mut busy = Duration::ZERO;
    for from in (0..count).step_by(BATCH as usize) {
        let until = (from + BATCH).min(count);
        let rows = (from..until).map(decision).collect::<Result<Vec<_>>>()?;
        let records: Vec<_> =
            rows.iter().zip(from as i64..).map(|((decision, json), offset)| DecisionRecord { offset, decision, json }).collect();
        let (from, next_offset) = (from as i64, until as i64);
        let batch = Batch { topic: "decisions", partition: 0, from, next_offset, decisions: &records, dead_letters: &[] };
        let begun = Instant::now();
        store.apply(&[batch])?;
        busy += begun.elapsed();
    }
    let begun = Instant::now();
    store.sync()?;
    Ok(busy + begun.elapsed())
}

fn decision(n: u64) -> Result<(Decision, String)> {
    let mut d = store::suite::decision(if n.is_multiple_of(20) { 5 } else { 1 });
    // A multiplication by an odd number permutes the 64-bit numbers: ids that differ and do not sort.
    let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    d.sequence = n;
    d.transaction_id = format!("{id:016x}-{:08x}", id >> 32).into();
    d.account_id = Some(format!("account-{:06}", id % 100_000).into());
    d.amount = Some(Decimal::new(i128::from(id % 1_000_000), 2));
    d.event_time += n as i64 * 1000;
    d.taken_at = d.event_time + 1200;
    d.values = ["account_count_10m", "account_amount_24h", "amount_to_account_average"]
        .map(|name| (name.into(), domain::Value::Int(n as i64)))
        .into();
    let json = String::from_utf8(d.to_json()).map_err(|e| Error::bug("JSON is UTF-8").because(e))?;
    Ok((d, json))
}
