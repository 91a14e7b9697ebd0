//! The cost of an event against the length of its window: one merchant, a million events over 30 days. The line should be flat, in
//! order and with one event in a hundred late.

use super::projects;
use super::report::{Figure, Report};
use super::{EPOCH, scaled};
use domain::time::{DAY, HOUR};
use domain::{Decimal, Error, Result, Value};
use features::reference::Reference;
use features::{Engine, Input, MemoryCold, Rows};
use scoring::Plan;
use std::time::Instant;

const EVENTS: u64 = 1_000_000;
const BATCH: usize = 1024;
const INTERVALS: [&str; 5] = ["10 minutes", "1 hour", "1 day", "7 days", "30 days"];
/// Events for the naive reference.
const FEW: usize = 2_000;

pub fn run(scale: f64) -> Result<Report> {
    let count = scaled(EVENTS, scale) as usize;
    let mut report = Report::new(
        "windows",
        format!(
            "nanoseconds an event, features alone, one thread: one merchant, {count} events over 30 days; count, sum, stddev, max and distinct accounts \
             over one window"
        ),
    );
    for late in [0, 1] {
        let mut shortest = None;
        for interval in INTERVALS {
            let plan = Plan::compile(&projects::one_window(interval)?).map_err(|_| Error::bug("a generated project does not compile"))?;
            let (nanos, bytes) = engine(&plan, count, late)?;
            let mut figure = Figure::new(format!("{interval}, {late} % late"), nanos, "ns");
            match shortest {
                None => shortest = Some(nanos),
                Some(shortest) => figure = figure.against("10 minutes", Some(shortest)),
            }
            let naive = naive(&plan, late);
            report.push(figure.against(format!("naive reference, {FEW} events"), Some(naive)));
            if interval == INTERVALS[INTERVALS.len() - 1] {
                report.push(Figure::new(format!("state, 30 days, {late} % late"), bytes as f64 / count as f64, "bytes an event"));
            }
        }
    }
    Ok(report)
}

/// The merchant's events, made batch by batch so that memory shows the state and not the input.
struct Payments {
    plan_fields: usize,
    random: u64,
    n: i64,
    step: i64,
    late: u64,
}

impl Payments {
    fn new(plan: &Plan, count: usize, late: u64) -> Self {
        Self { plan_fields: plan.judged().fields.len(), random: 88_172_645_463_325_252, n: 0, step: 30 * DAY / count as i64, late }
    }

    /// Xorshift (Marsaglia 2003).
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// The next payment: its time and its row, in the order of the generated stream's fields.
    fn next(&mut self) -> (i64, Vec<Value>) {
        let behind = if self.draw(100) < self.late { self.draw(HOUR as u64) as i64 } else { 0 };
        let at = EPOCH + self.step * self.n - behind;
        self.n += 1;
        let mut row = vec![Value::Null; self.plan_fields];
        row[0] = Value::text(format!("t{}", self.n));
        row[1] = Value::text(format!("account-{}", self.draw(5_000)));
        row[2] = Value::text("merchant");
        row[7] = Value::Decimal(Decimal::new(i128::from(self.draw(100_000)), 2));
        row[8] = Value::Timestamp(at);
        (at, row)
    }
}

fn inputs(rows: &[(i64, Vec<Value>)], first: u64) -> Vec<Input<'_>> {
    rows.iter().enumerate().map(|(i, (at, row))| Input { stream: 0, sequence: first + i as u64, event_time: *at, row }).collect()
}

/// Nanoseconds an event, and bytes of state at the end.
fn engine(plan: &Plan, count: usize, late: u64) -> Result<(f64, u64)> {
    let mut payments = Payments::new(plan, count, late);
    let mut engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut out = Rows::default();
    let mut spent = 0.0;
    let mut done = 0;
    while done < count {
        let rows: Vec<_> = (0..BATCH.min(count - done)).map(|_| payments.next()).collect();
        let batch = inputs(&rows, done as u64);
        let begun = Instant::now();
        engine.apply(&batch, &mut out)?;
        spent += begun.elapsed().as_secs_f64();
        done += rows.len();
    }
    Ok((spent * 1e9 / count as f64, engine.stats().bytes))
}

/// Nanoseconds an event of the naive reference.
fn naive(plan: &Plan, late: u64) -> f64 {
    let mut payments = Payments::new(plan, FEW, late);
    let rows: Vec<_> = (0..FEW).map(|_| payments.next()).collect();
    let mut reference = Reference::new(plan.features.clone());
    let begun = Instant::now();
    reference.apply(&inputs(&rows, 0), &mut Rows::default());
    begun.elapsed().as_secs_f64() * 1e9 / FEW as f64
}
