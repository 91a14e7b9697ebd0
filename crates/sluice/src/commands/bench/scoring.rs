//! Scoring in process on one thread: JSON in, decision JSON and packed feature vectors out, with 100 generated features and 25 rules.

use super::projects::{self, Events};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::{EPOCH, peer, scaled, usage};
use crate::vectors;
use domain::time::DAY;
use domain::{Error, Result, Value};
use features::reference::Reference;
use features::{Engine, Input, MemoryCold, Rows};
use scoring::{MemoryIds, Outcome, Outputs, Plan, Record, Scorer};
use std::sync::Arc;
use std::time::Instant;

const EVENTS: u64 = 600_000;
const ACCOUNTS: u64 = 20_000;
const BATCH: usize = 1024;
/// Events for the naive reference, whose cost grows with the square of their number.
const FEW: usize = 3_000;

pub fn run(scale: f64) -> Result<Report> {
    let plan = Arc::new(Plan::compile(&projects::large(100, 25)?).map_err(|_| Error::bug("a generated project does not compile"))?);
    let count = scaled(EVENTS, scale) as usize;
    // Forty days in all: the longest window is full when the timing begins.
    let mut events = Events::new(EPOCH, 40 * DAY / count as i64, ACCOUNTS);
    let events: Vec<(i64, Vec<u8>)> = (0..count).map(|_| events.next("s")).map(|(_, at, json)| (at, json)).collect();
    let warm = count * 3 / 4;
    let timed = count - warm;
    let mut report = Report::new(
        "scoring",
        format!(
            "{} features in {} groups, {} rules, one thread; {timed} events timed after {warm} that fill 30 days of windows. Included: decoding JSON, \
             repeats by id and content, features, rules, policy, decision and alerts as JSON, feature vectors packed",
            plan.features.features.len(),
            plan.features.groups.len(),
            plan.rules.rules().len()
        ),
    );

    let topic = plan.judged().topic.clone();
    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut scorer = Scorer::new(plan.clone(), engine, Box::new(MemoryIds::default()), 0);
    let mut judge = Judge { plan: plan.clone(), out: Outputs::default(), decided: 0, bytes: 0 };
    let records: Vec<Record<'_>> = events
        .iter()
        .enumerate()
        .map(|(i, (at, json))| Record {
            stream: plan.judged,
            topic: &topic,
            partition: 0,
            offset: i as i64,
            sequence: i as u64,
            taken_at: *at,
            value: json,
        })
        .collect();
    for batch in records[..warm].chunks(BATCH) {
        judge.batch(&mut scorer, batch)?;
    }
    let (begun, used) = (Instant::now(), usage::own());
    (judge.decided, judge.bytes) = (0, 0);
    for batch in records[warm..].chunks(BATCH) {
        judge.batch(&mut scorer, batch)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = used.and_then(|u| Some(usage::own()?.cpu_seconds - u.cpu_seconds));
    if judge.decided != timed as u64 {
        return Err(Error::bug(format!("{} of {timed} generated events were judged", judge.decided)));
    }
    let speed = timed as f64 / seconds;

    let naive = naive(&plan, &events)?;
    let scratch = Scratch::new("scoring")?;
    let dicts = dicts(&scratch, &events[..timed.min(100_000)]);
    let mut figure = Figure::new("transactions judged", speed, "/s").at_least(100_000.0);
    figure = figure.against(format!("naive reference, features alone, first {} events", FEW.min(count)), Some(naive));
    figure = figure.against("Python with dicts, 20 of the windows, nothing else", dicts.as_ref().ok().map(|d| d.events_per_second));
    report.push(figure);
    report
        .push(Figure::new("time for one", seconds * 1e6 / timed as f64, "µs").at_most(10.0).against("naive reference", Some(1e6 / naive)));
    // One part alone over the same records, with nothing carried over: where the time goes.
    let begun = Instant::now();
    let mut row = Vec::new();
    for record in &records[warm..] {
        plan.decoders[record.stream].decode(record.value, &mut row).map_err(|_| Error::bug("a generated event does not decode"))?;
    }
    report.push(Figure::new("  of it decoding", begun.elapsed().as_secs_f64() * 1e6 / timed as f64, "µs"));
    report.push(Figure::new("  of it features", features_alone(&plan, &events, warm)?, "µs"));
    let stats = scorer.engine().stats();
    let mut memory = Figure::new("state in memory", stats.bytes as f64 / 1e6, "MB");
    if let Ok(dicts) = &dicts {
        memory = memory.against("Python with dicts, whole process", Some(dicts.peak_memory_mb));
    }
    report.push(memory);
    report.push(Figure::new("state of an entity", stats.bytes as f64 / stats.entities.max(1) as f64, "bytes"));
    report.push(Figure::new("bytes out for one", judge.bytes as f64 / timed as f64, "bytes"));
    if let Some(cpu) = cpu {
        report.push(
            Figure::new("processor time for a million", cpu * 1e6 / timed as f64, "s")
                .against("Python with dicts", dicts.as_ref().ok().map(|d| d.cpu_seconds * 1e6 / timed.min(100_000) as f64)),
        );
    }
    dicts.err().into_iter().for_each(|note| report.note(note));
    Ok(report)
}

/// What the scoring loop does with a batch, but for the writing.
pub struct Judge {
    pub plan: Arc<Plan>,
    pub out: Outputs,
    pub decided: u64,
    pub bytes: u64,
}

impl Judge {
    pub fn batch(&mut self, scorer: &mut Scorer, batch: &[Record<'_>]) -> Result<()> {
        scorer.score(batch, &mut self.out)?;
        for outcome in &self.out.outcomes {
            let Outcome::Decided(decision) = outcome else { continue };
            self.decided += 1;
            self.bytes += decision.to_json().len() as u64;
            for alert in decision.alerts() {
                let json = serde_json::to_vec(&alert).map_err(|e| Error::bug("an alert does not serialise").because(e))?;
                self.bytes += json.len() as u64;
            }
        }
        let rows = &self.out.features;
        self.bytes += vectors::encode(&self.plan.digest, &self.out.sequences, rows.stride, &rows.values).len() as u64;
        Ok(())
    }
}

/// The rows that the features see.
fn rows(plan: &Plan, events: &[(i64, Vec<u8>)]) -> Result<Vec<Vec<Value>>> {
    let decode = |(_, json): &(i64, Vec<u8>)| {
        let mut row = Vec::new();
        let decoded = plan.decoders[plan.judged].decode(json, &mut row);
        decoded.map(|_| row).map_err(|_| Error::bug("a generated event does not decode"))
    };
    events.iter().map(decode).collect()
}

fn inputs<'a>(plan: &Plan, events: &[(i64, Vec<u8>)], rows: &'a [Vec<Value>]) -> Vec<Input<'a>> {
    let input = |(i, ((at, _), row)): (usize, (&(i64, Vec<u8>), &'a Vec<Value>))| Input {
        stream: plan.judged,
        sequence: i as u64,
        event_time: *at,
        row,
    };
    events.iter().zip(rows).enumerate().map(input).collect()
}

/// Microseconds an event.
fn features_alone(plan: &Plan, events: &[(i64, Vec<u8>)], warm: usize) -> Result<f64> {
    let rows = rows(plan, events)?;
    let inputs = inputs(plan, events, &rows);
    let mut engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut out = Rows::default();
    for batch in inputs[..warm].chunks(BATCH) {
        engine.apply(batch, &mut out)?;
    }
    let begun = Instant::now();
    for batch in inputs[warm..].chunks(BATCH) {
        engine.apply(batch, &mut out)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / (inputs.len() - warm) as f64)
}

/// Events a second of the naive reference.
fn naive(plan: &Plan, events: &[(i64, Vec<u8>)]) -> Result<f64> {
    let events = &events[..FEW.min(events.len())];
    let rows = rows(plan, events)?;
    let inputs = inputs(plan, events, &rows);
    let mut reference = Reference::new(plan.features.clone());
    let begun = Instant::now();
    reference.apply(&inputs, &mut Rows::default());
    Ok(events.len() as f64 / begun.elapsed().as_secs_f64())
}

fn dicts(scratch: &Scratch, events: &[(i64, Vec<u8>)]) -> Result<peer::Outcome, String> {
    let path = scratch.join("events.jsonl");
    let mut text = Vec::new();
    for (_, json) in events {
        text.extend_from_slice(json);
        text.push(b'\n');
    }
    std::fs::write(&path, text).map_err(|e| format!("the baseline in Python is left out: {e}"))?;
    peer::run(peer::DICT_FEATURES, scratch, &[&path.to_string_lossy()])
}
