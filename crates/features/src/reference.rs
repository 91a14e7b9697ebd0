//! The meaning of features, written down as plainly as can be: every event is kept, and every question walks all of them.
//!
//! Property tests hold the engine against it, and benchmarks use it as the naive baseline. It shares with the engine the compiled
//! plan and the last rounding of averages and deviations, nothing else.

use crate::engine::{Input, Moments, Rows, average, deviation};
use crate::plan::{Call, Group, Make, Plan, Source};
use crate::wide::U256;
use domain::{Micros, StreamMode, Type, Value};
use expr::{Context, NoLists};
use std::cmp::Ordering;
use std::sync::Arc;

/// The naive engine: quadratic in events, unbounded in memory.
#[derive(Debug)]
pub struct Reference {
    plan: Arc<Plan>,
    greatest: Vec<Option<Micros>>,
    /// One list a group, in the order of the sequence.
    events: Vec<Vec<Event>>,
}

#[derive(Clone, Debug)]
struct Event {
    key: Vec<Value>,
    time: Micros,
    columns: Vec<Value>,
}

impl Reference {
    pub fn new(plan: Arc<Plan>) -> Self {
        Self { greatest: vec![None; plan.streams.len()], events: vec![Vec::new(); plan.groups.len()], plan }
    }

    /// As `Engine::apply`.
    pub fn apply(&mut self, batch: &[Input<'_>], out: &mut Rows) {
        out.stride = self.plan.features.len();
        out.values.clear();
        out.too_late.clear();
        for input in batch {
            self.apply_one(input, out);
        }
    }

    fn apply_one(&mut self, input: &Input<'_>, out: &mut Rows) {
        let plan = Arc::clone(&self.plan);
        let stream = &plan.streams[input.stream];
        let greatest = &mut self.greatest[input.stream];
        let late = stream.mode == StreamMode::Append && greatest.is_some_and(|g| input.event_time < g - stream.lateness);
        *greatest = Some(greatest.map_or(input.event_time, |g| g.max(input.event_time)));
        if !late {
            for (group, events) in plan.groups.iter().zip(&mut self.events) {
                if group.stream == input.stream
                    && let Some(key) = key(&group.keys, input.row)
                {
                    events.push(Event { key, time: input.event_time, columns: columns(group, input) });
                }
            }
        }
        if input.stream != plan.judged {
            return;
        }
        out.too_late.push(late);
        if late {
            out.values.extend(plan.features.iter().map(|_| Value::Null));
            return;
        }
        let mut slots = vec![Value::Null; plan.slots];
        slots[..input.row.len()].clone_from_slice(input.row);
        let mut absent = vec![false; plan.groups.len()];
        for (g, group) in plan.groups.iter().enumerate() {
            match key(&group.lookup, input.row) {
                None => absent[g] = true,
                Some(key) => {
                    let mut known: Vec<&Event> = self.events[g].iter().filter(|e| e.key == key && e.time <= input.event_time).collect();
                    // Stable, so the sequence decides among equal times.
                    known.sort_by_key(|e| e.time);
                    absent[g] = group.latest && known.is_empty();
                    for (i, call) in group.calls.iter().enumerate() {
                        slots[group.first_slot + i] = answer(group, call, &known, input.event_time, group.stream == plan.judged);
                    }
                }
            }
        }
        for (at, output) in plan.outputs.iter().enumerate() {
            let value = match &output.make {
                _ if output.group.is_some_and(|g| absent[g]) => Value::Null,
                Make::Slot(slot) => slots[*slot].clone(),
                Make::Expr(program) => program.eval(&Context { slots: &slots, lists: &NoLists, at: input.event_time }),
            };
            if let Some(slot) = slots.get_mut(plan.first_feature + at) {
                *slot = value.clone();
            }
            out.values.push(value);
        }
    }
}

fn key(columns: &[usize], row: &[Value]) -> Option<Vec<Value>> {
    columns.iter().map(|c| Some(row[*c].clone()).filter(|v| !v.is_null())).collect()
}

fn columns(group: &Group, input: &Input<'_>) -> Vec<Value> {
    group
        .columns
        .iter()
        .map(|column| match &*column.source {
            Source::Slot(slot) => input.row[*slot].clone(),
            Source::Expr(program) => program.eval(&Context { slots: input.row, lists: &NoLists, at: input.event_time }),
        })
        .collect()
}

fn answer(group: &Group, call: &Call, known: &[&Event], now: Micros, own: bool) -> Value {
    let inside = |window: usize| {
        let window = group.windows[window];
        known.iter().copied().filter(move |e| e.time <= now - window.to && window.from.is_none_or(|from| e.time >= now - from))
    };
    // The non-null arguments of the entries that the filter lets through; of `count(*)`, something not null.
    let values = |aggregate: usize| {
        let a = group.aggregates[aggregate];
        inside(a.window)
            .filter(move |e| a.filter.is_none_or(|f| matches!(e.columns[f], Value::Bool(true))))
            .map(move |e| a.column.map_or(Value::Int(1), |c| e.columns[c].clone()))
            .filter(|v| !v.is_null())
    };
    let ty = |aggregate: usize| group.aggregates[aggregate].column.map_or(Type::Int, |c| group.columns[c].ty);
    let extreme = |aggregate: usize, wanted: Ordering| {
        values(aggregate).reduce(|a, b| if b.compare(&a) == Some(wanted) { b } else { a }).unwrap_or(Value::Null)
    };
    match call {
        Call::Count { aggregate } => Value::Int(values(*aggregate).count() as i64),
        Call::Sum { aggregate } => match moments(values(*aggregate)) {
            Some(m) => match ty(*aggregate) {
                Type::Decimal(scale) => Value::Decimal(domain::Decimal::new(m.sum, scale)),
                _ => i64::try_from(m.sum).map_or(Value::Null, Value::Int),
            },
            None => Value::Null,
        },
        Call::Avg { aggregate } => moments(values(*aggregate)).map_or(Value::Null, |m| Value::Float(average(&m, scale(ty(*aggregate))))),
        Call::Stddev { aggregate, sample } => match moments(values(*aggregate)) {
            Some(m) if m.count > u64::from(*sample) => Value::Float(deviation(&m, scale(ty(*aggregate)), *sample)),
            _ => Value::Null,
        },
        Call::Min { aggregate } => extreme(*aggregate, Ordering::Less),
        Call::Max { aggregate } => extreme(*aggregate, Ordering::Greater),
        Call::Distinct { aggregate } => {
            let mut seen: Vec<Value> = Vec::new();
            for value in values(*aggregate) {
                if !seen.contains(&value) {
                    seen.push(value);
                }
            }
            Value::Int(seen.len() as i64)
        }
        Call::First { window, column, .. } => inside(*window).next().map_or(Value::Null, |e| e.columns[*column].clone()),
        Call::Last { window, column, .. } => inside(*window).next_back().map_or(Value::Null, |e| e.columns[*column].clone()),
        Call::Lag { column, rows, default } => match known.len().checked_sub(rows + usize::from(own)) {
            Some(at) => known[at].columns[*column].clone(),
            None => default.clone(),
        },
        Call::Latest { column } => known.last().map_or(Value::Null, |e| e.columns[*column].clone()),
    }
}

fn scale(ty: Type) -> u8 {
    match ty {
        Type::Decimal(scale) => scale,
        _ => 0,
    }
}

/// `None` over nothing, and where a value is beyond what is summed.
fn moments(values: impl Iterator<Item = Value>) -> Option<Moments> {
    let mut m = Moments::default();
    for value in values {
        let x = match value {
            Value::Int(i) => i128::from(i),
            Value::Decimal(d) => d.unscaled,
            _ => return None,
        };
        if x.unsigned_abs() >= 1 << 95 {
            return None;
        }
        m.count += 1;
        m.sum += x;
        m.squares = m.squares.add(U256::square(x.unsigned_abs()));
    }
    (m.count > 0).then_some(m)
}
