//! Frames over one entity's log: where each begins and ends at a moment, and the aggregates over it.
//!
//! Three ways to the same values. A short log is walked. A long one keeps *running* aggregates with two places a frame, which
//! only move forward, so an event in order costs the same whatever the frame's length. For a moment before the running one, the
//! aggregates are rolled back over the entries between the two moments at both edges (or, where that is shorter, the frame is
//! walked), which costs about as much as the event is late.

use super::aggregate::{Plan, State};
use super::base::Base;
use super::chunk::{Chunk, Layout};
use super::log::{Log, Pos};
use crate::plan::Window;

/// What is the same for all entities of a group.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) layout: Layout,
    pub(crate) windows: Vec<Window>,
    /// Sorted by window.
    pub(crate) plans: Vec<Plan>,
    /// For each window, its range of `plans`.
    pub(crate) of_window: Vec<std::ops::Range<usize>>,
}

/// The entries of a frame: from `from` up to but not with `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) from: Pos,
    pub(crate) to: Pos,
}

/// The frames and aggregates at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    /// The moment.
    pub(crate) at: i64,
    pub(crate) frames: Vec<Frame>,
    pub(crate) states: Vec<State>,
}

impl Shape {
    fn frame(&self, log: &Log, window: &Window, at: i64) -> Frame {
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

    /// Fills frames that will run on from this moment.
    pub(crate) fn start(&self, log: &Log, base: Option<&Base>, at: i64) -> Frames {
        let mut frames = Frames { at, frames: Vec::with_capacity(self.windows.len()), states: self.plans.iter().map(State::new).collect() };
        for (w, window) in self.windows.iter().enumerate() {
            let frame = self.frame(log, window, at);
            frames.frames.push(frame);
            for p in self.of_window[w].clone() {
                let (plan, state) = (&self.plans[p], &mut frames.states[p]);
                if let Some(base) = base {
                    base.0[p].start(plan, state);
                }
                Self::walk(log, frame.from, frame.to, |chunk, from, to| {
                    for i in from..to {
                        state.add(plan, &self.layout, chunk, i);
                    }
                });
            }
        }
        frames
    }

    /// Fills `out` for a moment by walking every frame, to be read once.
    pub(crate) fn fill(&self, log: &Log, base: Option<&Base>, at: i64, out: &mut Frames) {
        self.reset(at, out);
        for (w, window) in self.windows.iter().enumerate() {
            let frame = self.frame(log, window, at);
            out.frames.push(frame);
            for p in self.of_window[w].clone() {
                self.fill_one(log, base, frame, p, &mut out.states[p]);
            }
        }
    }

    fn reset(&self, at: i64, out: &mut Frames) {
        out.at = at;
        out.frames.clear();
        if out.states.len() != self.plans.len() {
            out.states = self.plans.iter().map(State::new).collect();
        }
    }

    fn fill_one(&self, log: &Log, base: Option<&Base>, frame: Frame, p: usize, state: &mut State) {
        let plan = &self.plans[p];
        state.clear(plan);
        if let Some(base) = base {
            base.0[p].start(plan, state);
        }
        Self::walk(log, frame.from, frame.to, |chunk, from, to| state.scan(plan, &self.layout, chunk, from, to));
    }

    /// Moves running frames forward to a moment not before theirs.
    pub(crate) fn advance(&self, log: &Log, at: i64, running: &mut Frames) {
        running.at = at;
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
                    state.add(plan, &self.layout, chunk, pos.index);
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
                    state.sub(plan, &self.layout, chunk, pos.index);
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
    pub(crate) fn find_again(&self, log: &Log, running: &mut Frames) {
        for (window, frame) in self.windows.iter().zip(&mut running.frames) {
            *frame = self.frame(log, window, running.at);
        }
    }

    /// Counts an entry that was put at a time which running frames have already passed.
    pub(crate) fn count_late(&self, log: &Log, at: Pos, time: i64, running: &mut Frames) {
        let chunk = &log.chunks[at.chunk];
        for (w, window) in self.windows.iter().enumerate() {
            let inside =
                time <= running.at.saturating_sub(window.to) && window.from.is_none_or(|from| time >= running.at.saturating_sub(from));
            if inside {
                for p in self.of_window[w].clone() {
                    running.states[p].add(&self.plans[p], &self.layout, chunk, at.index);
                }
            }
        }
    }

    /// Fills `out` for a moment before that of the running frames, which stay as they are.
    pub(crate) fn roll_back(&self, log: &Log, base: Option<&Base>, at: i64, running: &Frames, out: &mut Frames) {
        self.reset(at, out);
        for (w, window) in self.windows.iter().enumerate() {
            let (now, then) = (running.frames[w], self.frame(log, window, at));
            out.frames.push(then);
            // In chunks, about.
            let back = (now.to.chunk - then.to.chunk.min(now.to.chunk)) + (now.from.chunk - then.from.chunk.min(now.from.chunk));
            let whole = then.to.chunk - then.from.chunk.min(then.to.chunk);
            for p in self.of_window[w].clone() {
                let (plan, now_state, old) = (&self.plans[p], &running.states[p], &mut out.states[p]);
                if whole <= back {
                    self.fill_one(log, base, then, p, old);
                    continue;
                }
                match now_state {
                    State::Positional => {}
                    State::Count(_) | State::Moments(_) => {
                        old.clone_from(now_state);
                        Self::walk(log, then.from, now.from, |chunk, from, to| old.scan(plan, &self.layout, chunk, from, to));
                        Self::walk(log, then.to, now.to, |chunk, from, to| old.unscan(plan, &self.layout, chunk, from, to));
                    }
                    state if state.is_extreme() => match state.extreme() {
                        // The extreme of the running frame, if it already stood then, is that of the part both frames share.
                        Some((time, key)) if time <= at.saturating_sub(window.to) => {
                            old.clear(plan);
                            old.put_extreme(plan, time, key);
                            Self::walk(log, then.from, now.from, |chunk, from, to| old.scan(plan, &self.layout, chunk, from, to));
                        }
                        _ => self.fill_one(log, base, then, p, old),
                    },
                    state => {
                        let distinct = state.distinct_with(plan, &self.layout, |each| {
                            for (from, to, by) in [(then.from, now.from, 1), (then.to, now.to, -1)] {
                                Self::walk(log, from, to, |chunk, from, to| (from..to).for_each(|i| each(chunk, i, by)));
                            }
                        });
                        *old = State::Known(distinct);
                    }
                }
            }
        }
    }
}
