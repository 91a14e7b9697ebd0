//! One entity of a group: its log, the aggregates that run over it, and what was folded.

use super::base::{Base, Folded};
use super::changes::Changes;
use super::chunk::{Chunk, Entry, Layout};
use super::frames::{Frames, Running, Shape};
use super::log::{Inserted, Log, Pos};
use super::table::Key;
use crate::plan::{Call, Group};
use domain::Value;

/// Logs up to this long are walked at every question; longer ones keep running aggregates. The two cost about the same here.
pub(crate) const WALKED: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Entity {
    pub(crate) key: Key,
    pub(crate) log: Log,
    running: Option<Box<Running>>,
    pub(crate) base: Option<Box<Base>>,
    /// Bytes it takes in all, as last counted.
    pub(crate) bytes: usize,
    /// The snapshot generation in which it last changed; 0 if it stands on disk as it is.
    pub(crate) changed_in: u32,
    /// The snapshot generation it was last encoded for.
    pub(crate) encoded_in: u32,
    /// Looked at since the eviction hand last passed.
    pub(crate) touched: bool,
    pub(crate) header: Header,
    /// The snapshot being taken has its header and still lacks some of its chunks.
    pub(crate) unfinished: bool,
}

/// What stands under rank 0 on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Header {
    #[default]
    Nothing,
    /// Base and the only chunk.
    Whole,
    /// Base alone; the chunks stand under their ranks.
    Apart,
}

/// The time bounds behind which nothing is asked for any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    /// The least moment that can still be asked for; `None` while the judged stream has had no event.
    pub(crate) floor: Option<i64>,
}

impl Horizon {
    /// Entries before this are in no frame.
    pub(crate) fn cut(self, group: &Group) -> Option<i64> {
        self.floor.map(|floor| floor.saturating_sub(group.reach))
    }
}

impl Entity {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { key: Key::new(key), ..Self::default() }
    }

    /// Puts an event. `asked_next`: its own features are asked for next, at its own time.
    pub(crate) fn insert(&mut self, shape: &Shape, entry: &mut Entry, asked_next: bool, changes: &mut Changes<'_>) {
        self.trim(shape, changes);
        if let Some(running) = &mut self.running {
            shape.identify(entry, running);
        }
        let (time, key) = (entry.words[0], &self.key);
        let inserted = self.log.insert(&shape.layout, entry, &mut |chunk| changes.before(key, chunk));
        if inserted == Inserted::Ranked {
            for chunk in self.log.chunks.iter_mut() {
                changes.leaves(key, chunk);
            }
            self.log.rank_anew();
            for chunk in self.log.chunks.iter_mut() {
                changes.before(key, chunk);
            }
        }
        let Some(running) = &mut self.running else { return };
        let passed = if asked_next && inserted == Inserted::Appended { time < running.at } else { time <= running.at };
        if passed {
            if let Some(at) = self.log.back(self.log.after(&shape.layout, time), 1) {
                shape.count_late(&self.log, at, time, running);
            }
            shape.find_again(&self.log, running);
        } else if inserted != Inserted::Appended {
            shape.find_again(&self.log, running);
        }
    }

    /// Lets go of entries that no frame can reach any more: whole chunks, or the front of an only chunk about to grow.
    fn trim(&mut self, shape: &Shape, changes: &mut Changes<'_>) {
        let group = changes.group;
        let (Some(floor), Some(cut)) = (changes.horizon.floor, changes.horizon.cut(group)) else { return };
        let layout = &shape.layout;
        loop {
            let Some(front) = self.log.chunks.front() else { return };
            if front.last >= cut {
                break;
            }
            let n = front.len();
            if group.kept_rows > 0 && self.log.count_before(layout, floor, n + group.kept_rows) < n + group.kept_rows {
                break;
            }
            self.pass(shape, floor);
            if let Some(mut front) = self.log.pop_front() {
                changes.leaves(&self.key, &mut front);
                if group.folds {
                    self.fold(shape, &front, n);
                }
                self.release(shape, &front, n);
            }
        }
        let Some(front) = self.log.chunks.front() else { return };
        if self.log.chunks.len() == 1 && front.at_capacity() && front.len() >= 4 {
            let old = front.times(layout).partition_point(|t| *t < cut);
            let before_floor = front.times(layout).partition_point(|t| *t < floor);
            let n = if group.kept_rows > 0 { old.min(before_floor.saturating_sub(group.kept_rows)) } else { old };
            if n * 4 >= front.len() {
                self.pass(shape, floor);
                let front = self.log.chunks[0].clone();
                if group.folds {
                    self.fold(shape, &front, n);
                }
                changes.before(&self.key, &mut self.log.chunks[0]);
                self.log.drop_front_entries(layout, n);
                self.release(shape, &front, n);
            }
        }
    }

    /// Running aggregates must have left entries behind before they go.
    fn pass(&mut self, shape: &Shape, floor: i64) {
        if let Some(running) = &mut self.running
            && running.at < floor
        {
            shape.advance(&self.log, floor, running);
        }
    }

    /// The first `n` entries of a chunk have left the log.
    fn release(&mut self, shape: &Shape, chunk: &Chunk, n: usize) {
        if let Some(running) = &mut self.running {
            shape.release(chunk, n, running);
            shape.find_again(&self.log, running);
        }
    }

    fn fold(&mut self, shape: &Shape, chunk: &Chunk, n: usize) {
        let base = self.base.get_or_insert_with(|| Box::new(Base::new(&shape.plans, |window| shape.windows[window].from.is_none())));
        for i in 0..n {
            base.fold(&shape.plans, &shape.layout, chunk, i);
        }
    }

    /// Whether nothing of it can ever be asked for again.
    pub(crate) fn is_expired(&self, group: &Group, horizon: Horizon) -> bool {
        !group.folds && group.kept_rows == 0 && horizon.cut(group).is_some_and(|cut| self.log.last_time() < cut)
    }

    /// Writes the group's calls at a moment. `own`: the moment is that of this entity's own event put last at that time.
    pub(crate) fn ask(&mut self, group: &Group, shape: &Shape, at: i64, own: bool, frames: &mut Frames, out: &mut [Value]) {
        if !shape.windows.is_empty() {
            if self.log.len() > WALKED {
                if self.running.is_none() {
                    self.running = Some(Box::new(shape.start(&mut self.log, self.base.as_deref(), at)));
                }
            } else if self.running.is_some() && self.log.len() < WALKED / 2 {
                self.running = None;
                self.log.derive(|_| None);
            }
        }
        match &mut self.running {
            None => shape.fill(&self.log, self.base.as_deref(), at, frames),
            Some(running) if at >= running.at => {
                shape.advance(&self.log, at, running);
                shape.read(running, frames);
            }
            Some(running) => shape.roll_back(&mut self.log, self.base.as_deref(), at, running, frames),
        }
        read(group, shape, &self.log, self.base.as_deref(), frames, at, own, out);
    }

    /// Counts its bytes again and returns by how much they changed.
    pub(crate) fn count_bytes(&mut self) -> isize {
        let running = self.running.as_ref().map_or(0, |r| size_of::<Running>() + r.heap());
        let base = self.base.as_ref().map_or(0, |b| b.0.len() * size_of::<Folded>());
        // The entity and its place in the table, then what they point to.
        let bytes = size_of::<Self>() + 24 + self.key.heap_bytes() + self.log.heap_bytes() + running + base;
        let change = bytes as isize - self.bytes as isize;
        self.bytes = bytes;
        change
    }
}

/// The calls' values over an entity that has no events at all.
pub(crate) fn nothing(group: &Group, out: &mut [Value]) {
    for (call, out) in group.calls.iter().zip(out) {
        *out = match call {
            Call::Count { .. } | Call::Distinct { .. } => Value::Int(0),
            Call::Lag { default, .. } => default.clone(),
            _ => Value::Null,
        };
    }
}

fn read(group: &Group, shape: &Shape, log: &Log, base: Option<&Base>, frames: &Frames, at: i64, own: bool, out: &mut [Value]) {
    let layout = &shape.layout;
    let mut now = None;
    let mut back = |rows: usize| {
        let now = *now.get_or_insert_with(|| log.after(layout, at));
        log.back(now, rows)
    };
    let told = |aggregate: usize| {
        let plan = shape.told_by[aggregate];
        (&shape.plans[plan], &frames.totals[plan])
    };
    let value = |pos: Pos, column: usize| log.chunks[pos.chunk].value(layout, &layout.columns[column], pos.index);
    for (call, out) in group.calls.iter().zip(out) {
        *out = match call {
            Call::Count { aggregate } | Call::Distinct { aggregate } => told(*aggregate).1.count(),
            Call::Sum { aggregate } => told(*aggregate).1.sum(told(*aggregate).0),
            Call::Avg { aggregate } => told(*aggregate).1.avg(told(*aggregate).0),
            Call::Stddev { aggregate, sample } => told(*aggregate).1.stddev(told(*aggregate).0, *sample),
            Call::Min { aggregate } | Call::Max { aggregate } => told(*aggregate).1.extreme(told(*aggregate).0),
            Call::First { window, column, folded } => {
                let frame = frames.frames[*window];
                let pos = log.forward(frame.from).filter(|pos| *pos < frame.to);
                let old = folded_entry(base, *folded);
                match (old, pos) {
                    (Some((time, old)), pos) if pos.is_none_or(|p| *time <= time_of(log, layout, p)) => old.clone(),
                    (_, Some(pos)) => value(pos, *column),
                    (_, None) => Value::Null,
                }
            }
            Call::Last { window, column, folded } => {
                let frame = frames.frames[*window];
                let pos = log.forward(frame.from).filter(|pos| *pos < frame.to).and_then(|_| log.back(frame.to, 1));
                let old = folded_entry(base, *folded);
                match (old, pos) {
                    (Some((time, old)), pos) if pos.is_none_or(|p| *time > time_of(log, layout, p)) => old.clone(),
                    (_, Some(pos)) => value(pos, *column),
                    (_, None) => Value::Null,
                }
            }
            Call::Lag { column, rows, default } => match back(rows + usize::from(own)) {
                Some(pos) => value(pos, *column),
                None => default.clone(),
            },
            Call::Latest { column } => back(1).map_or(Value::Null, |pos| value(pos, *column)),
        };
    }
}

fn time_of(log: &Log, layout: &Layout, pos: Pos) -> i64 {
    log.chunks[pos.chunk].time(layout, pos.index)
}

fn folded_entry(base: Option<&Base>, folded: Option<usize>) -> Option<&(i64, Value)> {
    match &base?.0[folded?] {
        Folded::Entry(entry) => entry.as_ref(),
        _ => None,
    }
}

impl Entity {
    /// Reads what counting and asking will read first.
    #[inline]
    pub(crate) fn touch(&self) -> i64 {
        let running = self.running.as_ref().map_or(0, |r| r.touch());
        running ^ self.log.chunks.back().map_or(0, Chunk::touch)
    }

    /// Whether an upsert row stands at or before a moment.
    pub(crate) fn has_row(&self, shape: &Shape, at: i64) -> bool {
        self.log.back(self.log.after(&shape.layout, at), 1).is_some()
    }
}
