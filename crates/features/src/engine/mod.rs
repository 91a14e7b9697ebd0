//! The engine: exact windows over everything it was given, in the order it was given.
//!
//! A batch goes group by group, so that a group's state stays in cache; the features of the judged events are then made row by
//! row. Results depend on the inputs and their order alone: not on how they were cut into batches, nor on what memory held.

mod aggregate;
mod base;
mod changes;
mod chunk;
mod chunks;
mod codec;
mod derived;
mod dictionary;
mod entity;
mod frames;
mod group;
mod log;
mod running;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use aggregate::{Moments, average, deviation};
pub use codec::{expires, has_chunks};

use crate::plan::{Make, Output, Plan};
use crate::snapshot::{Cold, Snapshot};
use changes::Gone;
use domain::{Error, Micros, Result, StreamMode, Value};
use entity::Horizon;
use expr::{Context, NoLists};
use group::{Asked, GroupState, Shared};
use std::sync::Arc;

/// One event on its way in. Events come in ascending sequence.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Index into the plan's streams.
    pub stream: usize,
    pub sequence: u64,
    pub event_time: Micros,
    pub row: &'a [Value],
}

/// The features of a batch's judged events, one row each in the order of the batch.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Values of a row: the plan's features.
    pub stride: usize,
    pub values: Vec<Value>,
    /// Whether the event came later than its stream's lateness: all its features are null, and it is not counted.
    pub too_late: Vec<bool>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.too_late.len()
    }

    pub fn is_empty(&self) -> bool {
        self.too_late.is_empty()
    }

    /// The features of the `i`-th judged event.
    pub fn row(&self, i: usize) -> &[Value] {
        &self.values[i * self.stride..(i + 1) * self.stride]
    }
}

/// Counts of one group since the engine began, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// Entities in memory.
    pub entities: u64,
    /// Look-ups that memory answered.
    pub hits: u64,
    /// Look-ups that went to disk.
    pub misses: u64,
    /// Misses that found something.
    pub loads: u64,
    /// Entities that left memory for room.
    pub evictions: u64,
    /// Entities of which nothing could be asked for any more.
    pub expired: u64,
}

/// What the engine holds and did.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub entities: u64,
    /// Bytes of state in memory, as accounted.
    pub bytes: u64,
    pub hits: u64,
    pub misses: u64,
    pub loads: u64,
    pub evictions: u64,
    pub expired: u64,
    /// One a group of the plan.
    pub groups: Vec<GroupStats>,
}

/// Inputs that are taken through all groups together: enough to keep a group in cache, few enough that their rows stay there too.
const SLICE: usize = 64;

pub struct Engine {
    plan: Arc<Plan>,
    groups: Vec<GroupState>,
    cold: Box<dyn Cold>,
    budget: usize,
    bytes: usize,
    /// Greatest event time of each stream.
    greatest: Vec<Option<Micros>>,
    sequence: u64,
    generation: u32,
    durable: u32,
    taking: Option<Snapshot>,
    gone: Gone,
    // Reused from batch to batch.
    counted: Vec<bool>,
    rows: Vec<Option<u32>>,
    slots: Vec<Value>,
    absent: Vec<bool>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("sequence", &self.sequence).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Engine {
    /// `memory_budget` in bytes: above it, entities that stand on disk as they are leave memory.
    pub fn new(plan: Arc<Plan>, mut cold: Box<dyn Cold>, memory_budget: usize) -> Result<Self> {
        let mut groups = Vec::with_capacity(plan.groups.len());
        for group in &plan.groups {
            groups.push(GroupState::new(group, cold.holds(group.digest)?));
        }
        Ok(Self {
            groups,
            cold,
            budget: memory_budget,
            bytes: 0,
            greatest: vec![None; plan.streams.len()],
            sequence: 0,
            generation: 1,
            durable: 0,
            taking: None,
            gone: Gone::default(),
            counted: Vec::new(),
            rows: Vec::new(),
            slots: Vec::new(),
            absent: Vec::new(),
            plan,
        })
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Takes up the `meta` of the last durable snapshot, before the first batch. Entities come from [`Cold`] when they are touched.
    pub fn restore(&mut self, sequence: u64, meta: &[u8]) -> Result<()> {
        let broken = || {
            Error::stop("the state's meta record is damaged", "remove the state folder: it is a cache, and is filled from the log again")
        };
        let text = std::str::from_utf8(meta).map_err(|e| broken().because(e))?;
        for line in text.lines() {
            let (name, time) = line.split_once('\t').ok_or_else(broken)?;
            let time = time.parse().map_err(|e: std::num::ParseIntError| broken().because(e))?;
            if let Some(i) = self.plan.streams.iter().position(|s| s.name == name) {
                self.greatest[i] = Some(time);
            }
        }
        self.sequence = sequence;
        Ok(())
    }

    /// The last sequence number applied.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The greatest event time a stream has had.
    pub fn greatest(&self, stream: usize) -> Option<Micros> {
        self.greatest[stream]
    }

    /// Whether an event of this time would be too late now. Rows of an upsert stream never are: the latest one counts, however old.
    pub fn is_too_late(&self, stream: usize, event_time: Micros) -> bool {
        let declared = &self.plan.streams[stream];
        declared.mode == StreamMode::Append
            && self.greatest[stream].is_some_and(|greatest| event_time < greatest.saturating_sub(declared.lateness))
    }

    /// Counts a batch and answers for its judged events. After an error (which only [`Cold`] can cause) the engine must be made
    /// anew from the last snapshot: part of the batch is counted.
    pub fn apply(&mut self, batch: &[Input<'_>], out: &mut Rows) -> Result<()> {
        out.stride = self.plan.features.len();
        out.values.clear();
        out.too_late.clear();
        for slice in batch.chunks(SLICE) {
            self.apply_slice(slice, out)?;
        }
        Ok(())
    }

    fn apply_slice(&mut self, batch: &[Input<'_>], out: &mut Rows) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let horizon = self.horizon();
        self.counted.clear();
        self.rows.clear();
        let mut asked = 0;
        let first = out.too_late.len();
        for input in batch {
            let late = self.is_too_late(input.stream, input.event_time);
            let greatest = &mut self.greatest[input.stream];
            *greatest = Some(greatest.map_or(input.event_time, |g| g.max(input.event_time)));
            self.sequence = input.sequence;
            self.counted.push(!late);
            let judged = input.stream == plan.judged;
            self.rows.push((judged && !late).then_some(asked));
            asked += u32::from(judged && !late);
            if judged {
                out.too_late.push(late);
            }
        }
        let asked = asked as usize;
        // Every slot that is read is written first: fields below, calls by their group.
        if self.slots.len() < asked * plan.slots {
            self.slots.resize(asked * plan.slots, Value::Null);
        }
        self.absent.clear();
        self.absent.resize(asked * plan.groups.len(), false);

        let mut shared = Shared {
            cold: &mut *self.cold,
            generation: self.generation,
            durable: self.durable,
            taking: self.taking.as_mut(),
            gone: &mut self.gone,
            bytes: &mut self.bytes,
            horizon,
        };
        for (index, (group, state)) in plan.groups.iter().zip(&mut self.groups).enumerate() {
            let mut asked =
                Asked { rows: &self.rows, slots: &mut self.slots, stride: plan.slots, absent: &mut self.absent, groups: plan.groups.len() };
            state.apply(group, index, plan.judged, batch, &self.counted, &mut asked, &mut shared)?;
            let over = *shared.bytes > self.budget;
            // As many steps as there may be new entities, and more where room is wanted.
            let steps = if over { batch.len() as u32 * 4 } else { batch.len() as u32 / 4 + 1 };
            state.sweep(group, steps, over, &mut shared);
        }
        self.make(&plan, batch, out, first);
        Ok(())
    }

    /// Makes the features of the slice's judged rows from their slots.
    fn make(&mut self, plan: &Plan, batch: &[Input<'_>], out: &mut Rows, first: usize) {
        let mut judged = first;
        for (input, row) in batch.iter().zip(&self.rows) {
            if input.stream != plan.judged {
                continue;
            }
            judged += 1;
            let Some(row) = row.map(|r| r as usize) else {
                out.values.resize(judged * out.stride, Value::Null);
                continue;
            };
            let slots = &mut self.slots[row * plan.slots..(row + 1) * plan.slots];
            for &field in &plan.fields_read {
                slots[field] = input.row[field].clone();
            }
            let absent = &self.absent[row * plan.groups.len()..(row + 1) * plan.groups.len()];
            let (plain, of_row) = plan.outputs.split_at(plan.plain);
            let made = |output: &Output, slots: &[Value]| match &output.make {
                _ if output.group.is_some_and(|g| absent[g]) => Value::Null,
                Make::Slot(slot) => slots[*slot].clone(),
                Make::Expr(program) => program.eval(&Context { slots, lists: &NoLists, at: input.event_time }),
            };
            let begin = out.values.len();
            out.values.extend(plain.iter().map(|output| made(output, slots)));
            for &feature in &plan.features_read {
                slots[plan.first_feature + feature] = out.values[begin + feature].clone();
            }
            out.values.extend(of_row.iter().map(|output| made(output, slots)));
        }
    }

    fn horizon(&self) -> Horizon {
        let judged = self.plan.judged;
        Horizon { floor: self.greatest[judged].map(|t| t.saturating_sub(self.plan.streams[judged].lateness)) }
    }

    /// Begins a snapshot of everything up to now, in constant time; [`Engine::step_snapshot`] does the work between batches.
    /// False if one is being taken already.
    pub fn begin_snapshot(&mut self) -> bool {
        if self.taking.is_some() {
            return false;
        }
        let mut meta = Vec::new();
        for (stream, greatest) in self.plan.streams.iter().zip(&self.greatest) {
            if let Some(time) = greatest {
                meta.extend_from_slice(format!("{}\t{time}\n", stream.name).as_bytes());
            }
        }
        let gone = std::mem::take(&mut self.gone);
        self.taking = Some(Snapshot {
            id: self.generation,
            sequence: self.sequence,
            meta,
            greatest: self.greatest[self.plan.judged],
            floor: self.horizon().floor,
            gone: gone.bytes,
            deletes: gone.ends,
            ..Snapshot::default()
        });
        self.generation += 1;
        for group in &mut self.groups {
            group.begin_snapshot();
        }
        true
    }

    /// Encodes up to `records` of the snapshot begun (small entities, or chunks of 128 events of large ones), and hands it over when
    /// all are in. What a batch is about to change was encoded before it changed, so the snapshot holds exactly the state at its
    /// beginning, and no pause is longer than a step.
    pub fn step_snapshot(&mut self, records: usize) -> Option<Snapshot> {
        let snapshot = self.taking.as_mut()?;
        let mut left = records.max(1);
        for (group, state) in self.plan.groups.iter().zip(&mut self.groups) {
            left -= state.step_snapshot(group, snapshot, left);
            if left == 0 {
                return None;
            }
        }
        self.taking.take()
    }

    /// A whole snapshot at once, for a stop or a test; finishes the one begun, if there is one.
    pub fn snapshot(&mut self) -> Snapshot {
        loop {
            self.begin_snapshot();
            if let Some(snapshot) = self.step_snapshot(usize::MAX) {
                return snapshot;
            }
        }
    }

    /// A snapshot is durable: what it holds may leave memory from now on.
    pub fn snapshot_done(&mut self, id: u32) {
        self.durable = self.durable.max(id);
    }

    /// Whether memory is over its budget; if [`Engine::evict`] does not help, a snapshot will.
    pub fn is_over_budget(&self) -> bool {
        self.bytes > self.budget
    }

    /// Lets clean entities go until memory is within its budget, or none is left to go.
    pub fn evict(&mut self) {
        let plan = Arc::clone(&self.plan);
        // Two rounds of the hand: the first may only take the marks of having been looked at.
        for _ in 0..2 {
            for (group, state) in plan.groups.iter().zip(&mut self.groups) {
                if self.bytes <= self.budget {
                    return;
                }
                let mut shared = Shared {
                    cold: &mut *self.cold,
                    generation: self.generation,
                    durable: self.durable,
                    taking: self.taking.as_mut(),
                    gone: &mut self.gone,
                    bytes: &mut self.bytes,
                    horizon: Horizon { floor: None },
                };
                let slots = state.slots();
                state.sweep(group, slots, true, &mut shared);
            }
        }
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats { bytes: self.bytes as u64, ..Stats::default() };
        for state in &self.groups {
            let group = GroupStats { entities: state.entities() as u64, ..state.stats };
            stats.entities += group.entities;
            stats.hits += group.hits;
            stats.misses += group.misses;
            stats.loads += group.loads;
            stats.evictions += group.evictions;
            stats.expired += group.expired;
            stats.groups.push(group);
        }
        stats
    }
}
