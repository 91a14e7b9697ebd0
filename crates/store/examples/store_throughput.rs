//! How many decisions a second one thread stores in a file: `store_throughput [DECISIONS] [BATCH] [FOLDER]`.
//! Every 20th decision has an alert; ids are random, as the worst case for the indexes.
#![allow(clippy::print_stdout)] // A measuring tool's output is its purpose.

use domain::{Decision, RuleMode};
use std::time::Instant;
use store::{Batch, DecisionRecord, Sqlite, Store, suite};

fn main() -> domain::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (total, size) = (number(1_000_000), number(2_000));
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into).join(format!("sluice-store-{}", std::process::id()));
    let store = Sqlite::open(folder.join("store.db"))?;
    let (mut busy, mut done, mut bytes) = (std::time::Duration::ZERO, 0, 0);
    while done < total {
        let rows: Vec<(Decision, String)> = (done..(done + size).min(total)).map(row).collect();
        let records: Vec<_> =
            rows.iter().zip(done..).map(|((decision, json), n)| DecisionRecord { offset: n as i64, decision, json }).collect();
        bytes += rows.iter().map(|(_, json)| json.len()).sum::<usize>();
        let next = done + records.len() as u64;
        let start = Instant::now();
        store.apply(&[Batch {
            topic: "decisions",
            partition: 0,
            from: 0,
            next_offset: next as i64,
            decisions: &records,
            dead_letters: &[],
        }])?;
        busy += start.elapsed();
        if next / 200_000 > done / 200_000 {
            println!("{next} decisions: {:.0}/s so far", next as f64 / busy.as_secs_f64());
        }
        done = next;
    }
    let start = Instant::now();
    store.sync()?;
    let totals = store.totals()?;
    println!(
        "{} decisions of {} bytes, {} alerts: {:.0} decisions/s, last sync {:.1} ms",
        totals.transactions,
        bytes as u64 / total,
        totals.alerts,
        total as f64 / busy.as_secs_f64(),
        start.elapsed().as_secs_f64() * 1e3
    );
    drop(store);
    std::fs::remove_dir_all(&folder).map_err(|e| domain::Error::retry("cannot remove the measured file").because(e))
}

fn row(n: u64) -> (Decision, String) {
    let mut d = suite::decision(if n.is_multiple_of(20) { 5 } else { 1 });
    // A multiplication by an odd number permutes the 64-bit numbers: ids that differ and do not sort.
    let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    d.sequence = n;
    d.transaction_id = format!("{id:016x}-{:08x}", id >> 20).into();
    d.account_id = Some(format!("account-{:06}", id % 100_000).into());
    d.event_time += n as i64 * 1000;
    d.taken_at = d.event_time + 1200;
    d.values = ["account_count_10m", "account_amount_24h", "amount_to_account_average"]
        .map(|name| (name.into(), domain::Value::Int(n as i64)))
        .into();
    debug_assert!(d.hits.iter().all(|h| h.mode == RuleMode::Live));
    let json = String::from_utf8(d.to_json()).unwrap_or_default();
    (d, json)
}
