//! Records per second through the scorer with the shipped project, on one core, and what decoding and rules take of it:
//! `cargo run --release -p scoring --example scoring_speed`.

#![allow(clippy::print_stdout)]

use domain::{Judged, Micros, Value, time};
use features::{Engine, MemoryCold};
use project::Project;
use scoring::{MemoryIds, Outputs, Plan, Record, Scorer};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const RECORDS: usize = 300_000;
const BATCH: usize = 256;

fn main() {
    let project = Project::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../projects/ecommerce")).expect("the shipped project");
    let plan = Arc::new(Plan::compile(&project).expect("compiles"));
    let start: Micros = 1_767_225_600_000_000;
    // A multiplicative generator (Knuth, MMIX) is chance enough.
    let mut state = 7u64;
    let mut pick = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let payments: Vec<(Micros, String)> = (0..RECORDS)
        .map(|i| {
            let at = start + i as i64 * 200 * 1000;
            let (account, merchant, cents) = (pick(20_000), pick(2_000), pick(50_000));
            let json = format!(
                r#"{{"transaction_id":"tx-{i}","account_id":"acc-{account}","customer_id":"cust-{account}","merchant_id":"m-{merchant}","transaction_type":"purchase","channel":"online","amount":{}.{:02},"currency":"USD","event_time":"{}","country":"US","city":"Austin","latitude":30.27,"longitude":-97.74,"ip":"203.0.113.7","device_id":"dev-{account}","payment_method":"card","session_id":"ses-{i}"}}"#,
                cents / 100,
                cents % 100,
                time::format(at),
            );
            (at, json)
        })
        .collect();
    let topic = plan.judged().topic.clone();
    let records: Vec<Record<'_>> = payments
        .iter()
        .enumerate()
        .map(|(i, (at, json))| Record {
            stream: plan.judged,
            topic: &topic,
            partition: 0,
            offset: i as i64,
            sequence: i as u64 + 1,
            taken_at: *at,
            value: json.as_bytes(),
        })
        .collect();

    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX).expect("an engine");
    let mut scorer = Scorer::new(plan.clone(), engine, Box::new(MemoryIds::default()), 0);
    let mut out = Outputs::default();
    let (mut bytes, mut row) = (0, Vec::new());
    let begun = Instant::now();
    for batch in records.chunks(BATCH) {
        scorer.score(batch, &mut out).expect("scores");
    }
    let score = begun.elapsed();
    let begun = Instant::now();
    for record in &records {
        plan.decoders[record.stream].decode(record.value, &mut row).expect("decodes");
    }
    let decode = begun.elapsed();
    let mut slots: Vec<Value> = row.clone();
    slots.extend(out.features.row(out.features.len() - 1).iter().cloned());
    let begun = Instant::now();
    for _ in 0..RECORDS {
        black_box(plan.rules.judge(black_box(&slots), &plan.lists, start, Judged::Full));
    }
    let judge = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..RECORDS / out.outcomes.len() {
        for outcome in &out.outcomes {
            if let scoring::Outcome::Decided(decision) = outcome {
                bytes += black_box(decision.to_json()).len();
            }
        }
    }
    let json = begun.elapsed();
    let nanos = |of: std::time::Duration| of.as_nanos() as f64 / RECORDS as f64;
    println!("{} features, {} rules, {RECORDS} records in batches of {BATCH}", plan.features.features.len(), plan.rules.rules().len());
    println!("score   {:8.0} ns a record, {:.0} records/s", nanos(score), 1e9 / nanos(score));
    println!("  of which decode {:.0} ns, rules {:.0} ns", nanos(decode), nanos(judge));
    println!("decision to JSON {:.0} ns, {} bytes each", nanos(json), bytes / RECORDS);
    println!("state {} bytes in {} entities", scorer.engine().stats().bytes, scorer.engine().stats().entities);
}
