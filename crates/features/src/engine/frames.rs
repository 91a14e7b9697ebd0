//! Frames over one entity's log: where each begins and ends at a moment, and the aggregates over it.
//!
//! Three ways to the same values. A short log is walked. A long one keeps *running* aggregates with two places a frame, which
//! only move forward, so an event in order costs the same whatever the frame's length. For a moment before the running one, the
//! totals of what the frame held then and not now are added, and those of what it holds now and did not then taken away; of
//! chunks that lie whole in either, the totals are kept with them ([`super::derived`]). Late events therefore cost the same in
//! a long frame as in a short one; how late they are is what they cost, chunk by chunk (distinct counts: entry by entry).

use super::aggregate::{Plan, Total};
use super::base::Base;
use super::chunk::{Chunk, Entry, Layout};
use super::derived::{Derived, NO_ID};
use super::dictionary::{Counts, Dictionary};
use super::log::{Log, Pos};
use super::running::State;
use crate::plan::{Class, Group, Window};

/// What is the same for all entities of a group.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) layout: Layout,
    pub(crate) windows: Vec<Window>,
    /// Sorted by window.
    pub(crate) plans: Vec<Plan>,
    /// For each window, its range of `plans`.
    pub(crate) of_window: Vec<std::ops::Range<usize>>,
    /// For each aggregate of the group, the plan that tells it.
    pub(crate) told_by: Vec<usize>,
    /// One aggregate of each kind that chunks keep totals of: plans that differ in their window alone share one.
    measures: Vec<Plan>,
    /// One aggregate of each column whose distinct values are counted.
    dictionaries: Vec<Plan>,
}

/// The entries of a frame: from `from` up to but not with `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) from: Pos,
    pub(crate) to: Pos,
}

/// The frames at one moment and what the aggregates over them are, to be read once.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) frames: Vec<Frame>,
    /// One a plan.
    pub(crate) totals: Vec<Total>,
}

/// Frames that move forward with the events of one entity.
#[derive(Debug)]
pub(crate) struct Running {
    /// The moment.
    pub(crate) at: i64,
    pub(crate) frames: Vec<Frame>,
    pub(crate) states: Vec<State>,
    pub(crate) dictionaries: Vec<Dictionary>,
    /// All zero between questions.
    spare: Counts,
}

impl Shape {
    pub(crate) fn of(group: &Group) -> Self {
        let layout = Layout::of(group);
        let all: Vec<Plan> = group.aggregates.iter().map(|a| Plan::of(a, &layout)).collect();
        // The base holds one value an aggregate, so where there is one, all are kept.
        let told = |plan: &Plan| if group.folds { None } else { all.iter().find(|other| plan.is_told_by(other)) };
        let kept: Vec<usize> = (0..all.len()).filter(|&i| told(&all[i]).is_none()).collect();
        let mut plans: Vec<Plan> = kept.iter().map(|&i| all[i]).collect();
        let place = |plan: &Plan| kept.iter().position(|&k| all[k].window == plan.window && all[k].is_alike(plan)).unwrap_or(0);
        let told_by = all.iter().map(|plan| place(told(plan).unwrap_or(plan))).collect();
        let (mut measures, mut dictionaries): (Vec<Plan>, Vec<Plan>) = (Vec::new(), Vec::new());
        for plan in &mut plans {
            match plan.class {
                Class::First | Class::Last => {}
                Class::Distinct => {
                    plan.dictionary = find_or_push(&mut dictionaries, *plan, |other| other.column == plan.column);
                }
                _ => plan.measure = find_or_push(&mut measures, *plan, |other| other.is_alike(plan)),
            }
        }
        let of_window =
            (0..group.windows.len()).map(|w| plans.partition_point(|p| p.window < w)..plans.partition_point(|p| p.window <= w)).collect();
        Self { layout, windows: group.windows.clone(), plans, of_window, told_by, measures, dictionaries }
    }

    fn frame(&self, log: &Log, window: &Window, at: i64) -> Frame {
        if let Some(only) = log.chunks.only() {
            // Most entities. Of most of them, a frame holds either nothing but the last entries, or all of them.
            let times = only.times(&self.layout);
            let before = |wanted: i64| match times {
                [first, .., last] if *first < wanted && *last >= wanted => times.partition_point(|t| *t < wanted),
                [first, ..] if *first >= wanted => 0,
                _ => times.len(),
            };
            let to = at.saturating_sub(window.to);
            return Frame {
                from: Pos { chunk: 0, index: window.from.map_or(0, |from| before(at.saturating_sub(from))) },
                to: Pos { chunk: 0, index: if only.last <= to { times.len() } else { times.partition_point(|t| *t <= to) } },
            };
        }
        Frame {
            from: window.from.map_or(log.start(), |from| log.from(&self.layout, at.saturating_sub(from))),
            to: log.after(&self.layout, at.saturating_sub(window.to)),
        }
    }

    /// Calls `each` with every chunk between two places and its range of entries.
    #[inline]
    fn walk<'a>(log: &'a Log, from: Pos, to: Pos, mut each: impl FnMut(&'a Chunk, usize, usize)) {
        let mut index = from.index;
        for c in from.chunk..log.chunks.len().min(to.chunk + 1) {
            let chunk = &log.chunks[c];
            let end = if c == to.chunk { to.index } else { chunk.len() };
            each(chunk, index, end);
            index = 0;
        }
    }

    /// Fills `out` for a moment by walking every frame of a short log.
    pub(crate) fn fill(&self, log: &Log, base: Option<&Base>, at: i64, out: &mut Frames) {
        out.frames.clear();
        out.totals.clear();
        for (w, window) in self.windows.iter().enumerate() {
            let frame = self.frame(log, window, at);
            out.frames.push(frame);
            for p in self.of_window[w].clone() {
                let plan = &self.plans[p];
                let mut total = match log.chunks.front() {
                    _ if plan.class == Class::Distinct => Total::Distinct(self.distinct_of_few(plan, log, frame)),
                    // Nearly always.
                    Some(only) if log.chunks.len() == 1 => Total::of(plan, &self.layout, only, frame.from.index, frame.to.index),
                    _ => {
                        let mut total = Total::nothing(plan);
                        Self::walk(log, frame.from, frame.to, |chunk, from, to| {
                            total.add(plan, &Total::of(plan, &self.layout, chunk, from, to))
                        });
                        total
                    }
                };
                if let Some(base) = base {
                    total.add(plan, &base.0[p].total());
                }
                out.totals.push(total);
            }
        }
    }

    fn distinct_of_few(&self, plan: &Plan, log: &Log, frame: Frame) -> u64 {
        let mut few = Vec::with_capacity(super::entity::WALKED);
        Self::walk(log, frame.from, frame.to, |chunk, from, to| few.extend((from..to).map(|i| (chunk, i))));
        plan.distinct_of_few(&self.layout, &few)
    }

    /// Fills frames that will run on from this moment.
    pub(crate) fn start(&self, log: &mut Log, base: Option<&Base>, at: i64) -> Running {
        let mut dictionaries = vec![Dictionary::default(); self.dictionaries.len()];
        if !dictionaries.is_empty() {
            log.derive(|chunk| {
                let mut ids = Vec::with_capacity(chunk.len() * dictionaries.len());
                for i in 0..chunk.len() {
                    ids.extend(self.dictionaries.iter().zip(&mut dictionaries).map(|(plan, dictionary)| {
                        if plan.is_known(chunk, i) { dictionary.put(plan.key(&self.layout, chunk, i)) } else { NO_ID }
                    }));
                }
                Some(Box::new(Derived::of_ids(ids)))
            });
        }
        let mut running = Running {
            at,
            frames: Vec::with_capacity(self.windows.len()),
            states: self.plans.iter().map(State::new).collect(),
            dictionaries,
            spare: Counts::default(),
        };
        for (w, window) in self.windows.iter().enumerate() {
            let frame = self.frame(log, window, at);
            running.frames.push(frame);
            for p in self.of_window[w].clone() {
                let (plan, state) = (&self.plans[p], &mut running.states[p]);
                if let Some(base) = base {
                    state.begin(plan, base.0[p].total());
                }
                Self::walk(log, frame.from, frame.to, |chunk, from, to| {
                    for i in from..to {
                        state.add(plan, &self.layout, self.dictionaries.len(), chunk, i);
                    }
                });
            }
        }
        running
    }

    /// Gives an entry on its way into the log the ids of its values.
    pub(crate) fn identify(&self, entry: &mut Entry, running: &mut Running) {
        entry.ids.clear();
        for (plan, dictionary) in self.dictionaries.iter().zip(&mut running.dictionaries) {
            let id = plan.key_of(entry).map_or(NO_ID, |key| dictionary.put(key));
            entry.ids.push(id);
        }
    }

    /// The first `n` entries of a chunk leave the log.
    pub(crate) fn release(&self, chunk: &Chunk, n: usize, running: &mut Running) {
        for (d, dictionary) in running.dictionaries.iter_mut().enumerate() {
            for i in 0..n {
                dictionary.release(chunk.id(self.dictionaries.len(), d, i));
            }
        }
    }

    /// Reads running frames.
    pub(crate) fn read(&self, running: &Running, out: &mut Frames) {
        out.frames.clone_from(&running.frames);
        out.totals.clear();
        out.totals.extend(running.states.iter().map(State::total));
    }

    /// Moves running frames forward to a moment not before theirs.
    pub(crate) fn advance(&self, log: &Log, at: i64, running: &mut Running) {
        running.at = at;
        let dictionaries = self.dictionaries.len();
        for (w, window) in self.windows.iter().enumerate() {
            let plans = &self.plans[self.of_window[w].clone()];
            let states = &mut running.states[self.of_window[w].clone()];
            let frame = &mut running.frames[w];
            let until = at.saturating_sub(window.to);
            while let Some(pos) = log.forward(frame.to) {
                let chunk = &log.chunks[pos.chunk];
                if chunk.time(&self.layout, pos.index) > until {
                    break;
                }
                for (plan, state) in plans.iter().zip(states.iter_mut()) {
                    state.add(plan, &self.layout, dictionaries, chunk, pos.index);
                }
                frame.to = Pos { chunk: pos.chunk, index: pos.index + 1 };
            }
            let Some(from) = window.from else { continue };
            let since = at.saturating_sub(from);
            let before = frame.from;
            while let Some(pos) = log.forward(frame.from) {
                let chunk = &log.chunks[pos.chunk];
                if chunk.time(&self.layout, pos.index) >= since {
                    break;
                }
                for (plan, state) in plans.iter().zip(states.iter_mut()) {
                    state.sub(plan, &self.layout, dictionaries, chunk, pos.index);
                }
                frame.from = Pos { chunk: pos.chunk, index: pos.index + 1 };
            }
            if frame.from != before {
                for state in states {
                    state.expire(since);
                }
            }
        }
    }

    /// Finds the places of running frames again, after the log changed elsewhere than at its end.
    pub(crate) fn find_again(&self, log: &Log, running: &mut Running) {
        for (window, frame) in self.windows.iter().zip(&mut running.frames) {
            *frame = self.frame(log, window, running.at);
        }
    }

    /// Counts an entry that was put at a time which running frames have already passed.
    pub(crate) fn count_late(&self, log: &Log, at: Pos, time: i64, running: &mut Running) {
        let chunk = &log.chunks[at.chunk];
        for (w, window) in self.windows.iter().enumerate() {
            let inside =
                time <= running.at.saturating_sub(window.to) && window.from.is_none_or(|from| time >= running.at.saturating_sub(from));
            if inside {
                for p in self.of_window[w].clone() {
                    running.states[p].add(&self.plans[p], &self.layout, self.dictionaries.len(), chunk, at.index);
                }
            }
        }
    }

    /// Fills `out` for a moment before that of the running frames, which are as before when it is done.
    pub(crate) fn roll_back(&self, log: &mut Log, base: Option<&Base>, at: i64, running: &mut Running, out: &mut Frames) {
        out.frames.clear();
        out.totals.clear();
        for (w, window) in self.windows.iter().enumerate() {
            let (now, then) = (running.frames[w], self.frame(log, window, at));
            out.frames.push(then);
            // In chunks, about: the parts in which the frames differ, and the whole of the earlier one.
            let apart = (now.to.chunk - then.to.chunk.min(now.to.chunk)) + (now.from.chunk - then.from.chunk.min(now.from.chunk));
            let whole = then.to.chunk - then.from.chunk.min(then.to.chunk);
            for p in self.of_window[w].clone() {
                let plan = &self.plans[p];
                let total = match &mut running.states[p] {
                    State::Positional => Total::Positional,
                    State::Distinct(counts) => {
                        let distinct = if whole <= apart {
                            self.distinct_with(plan, log, (then.from, then.to), (then.to, then.to), &mut running.spare)
                        } else {
                            self.distinct_with(plan, log, (then.from, now.from), (then.to, now.to), counts)
                        };
                        Total::Distinct(distinct)
                    }
                    // The extreme of the running frame, if it already stood then, is that of the part both frames share.
                    state if matches!(plan.class, Class::Min | Class::Max) => match state.extreme_time() {
                        Some(time) if whole > apart && time <= at.saturating_sub(window.to) => {
                            let mut total = state.total();
                            self.add_range(plan, log, then.from, now.from, &mut total);
                            total
                        }
                        _ => self.whole(plan, p, log, base, then),
                    },
                    _ if whole <= apart => self.whole(plan, p, log, base, then),
                    state => {
                        let (mut total, mut gone) = (state.total(), Total::nothing(plan));
                        self.add_range(plan, log, then.from, now.from, &mut total);
                        self.add_range(plan, log, then.to, now.to, &mut gone);
                        total.sub(&gone);
                        total
                    }
                };
                out.totals.push(total);
            }
        }
    }

    /// An aggregate over a whole frame and what was folded before it.
    fn whole(&self, plan: &Plan, p: usize, log: &mut Log, base: Option<&Base>, frame: Frame) -> Total {
        let mut total = Total::nothing(plan);
        if let Some(base) = base {
            total.add(plan, &base.0[p].total());
        }
        self.add_range(plan, log, frame.from, frame.to, &mut total);
        total
    }

    /// Adds the entries between two places: by the totals of chunks that lie between them, and entry by entry at both ends.
    fn add_range(&self, plan: &Plan, log: &mut Log, from: Pos, to: Pos, total: &mut Total) {
        let mut index = from.index;
        for c in from.chunk..log.chunks.len().min(to.chunk + 1) {
            let len = log.chunks[c].len();
            let end = if c == to.chunk { to.index } else { len };
            if index == 0 && end == len && len > 0 {
                total.add(plan, &log.totals(c, &self.layout, &self.measures)[plan.measure]);
            } else {
                total.add(plan, &Total::of(plan, &self.layout, &log.chunks[c], index, end));
            }
            index = 0;
        }
    }

    /// The distinct count if the entries of one range stood in the frame too, and those of the other did not. The counts are changed
    /// so, read and changed back: two steps of an array an entry, and no table at all.
    fn distinct_with(&self, plan: &Plan, log: &Log, more: (Pos, Pos), less: (Pos, Pos), counts: &mut Counts) -> u64 {
        // In this order a count never falls below nothing.
        self.each_id(plan, log, more, |id| counts.add(id));
        self.each_id(plan, log, less, |id| counts.sub(id));
        let distinct = counts.distinct();
        self.each_id(plan, log, less, |id| counts.add(id));
        self.each_id(plan, log, more, |id| counts.sub(id));
        distinct
    }

    #[inline]
    fn each_id(&self, plan: &Plan, log: &Log, (from, to): (Pos, Pos), mut each: impl FnMut(u32)) {
        Self::walk(log, from, to, |chunk, from, to| {
            for i in from..to {
                let id = chunk.id(self.dictionaries.len(), plan.dictionary, i);
                if id != NO_ID && plan.counts(chunk, i) {
                    each(id);
                }
            }
        });
    }
}

impl Running {
    /// Reads what moving it forward will read first.
    #[inline]
    pub(crate) fn touch(&self) -> i64 {
        let frames = self.frames.first().map_or(0, |f| f.from.index) ^ self.frames.last().map_or(0, |f| f.to.index);
        let states = self.states.first().is_some_and(State::is_positional) ^ self.states.last().is_some_and(State::is_positional);
        self.at ^ frames as i64 ^ i64::from(states)
    }

    /// Bytes on the heap, about.
    pub(crate) fn heap(&self) -> usize {
        self.frames.capacity() * size_of::<Frame>()
            + self.states.capacity() * size_of::<State>()
            + self.states.iter().map(State::heap).sum::<usize>()
            + self.dictionaries.iter().map(|d| size_of::<Dictionary>() + d.heap()).sum::<usize>()
            + self.spare.heap()
    }
}

fn find_or_push(plans: &mut Vec<Plan>, plan: Plan, same: impl Fn(&Plan) -> bool) -> usize {
    plans.iter().position(same).unwrap_or_else(|| {
        plans.push(plan);
        plans.len() - 1
    })
}
