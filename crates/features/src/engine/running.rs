//! Running aggregates: what entries add when they enter a frame and take away when they leave it, so that an event in order costs
//! the same however long the frame is. Minimum and maximum keep the entries that may still become the extreme one (a monotonic
//! queue).

use super::aggregate::{Key, Moments, Plan, Total, number};
use super::chunk::{Chunk, Layout, Place};
use super::derived::NO_ID;
use super::dictionary::Counts;
use crate::plan::Class;
use domain::Text;
use std::collections::VecDeque;

/// The entries that may become the extreme one, earliest first: each is more extreme than all later ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extreme<K> {
    queue: VecDeque<(i64, K)>,
}

impl<K: Ord> Extreme<K> {
    /// Puts a value at its time, wherever that is.
    fn insert(&mut self, time: i64, key: K, max: bool) {
        let covers = |a: &K, b: &K| if max { a >= b } else { a <= b };
        let at = match self.queue.back() {
            Some(back) if back.0 > time => self.queue.partition_point(|(t, _)| *t <= time),
            _ => self.queue.len(),
        };
        if self.queue.get(at).is_some_and(|(_, later)| covers(later, &key)) {
            return;
        }
        let mut first = at;
        while first > 0 && covers(&key, &self.queue[first - 1].1) {
            first -= 1;
        }
        if at == self.queue.len() {
            self.queue.truncate(first);
            self.queue.push_back((time, key));
        } else {
            self.queue.drain(first..at);
            self.queue.insert(first, (time, key));
        }
    }

    fn expire(&mut self, before: i64) {
        while self.queue.front().is_some_and(|(t, _)| *t < before) {
            self.queue.pop_front();
        }
    }
}

/// A sum without its squares: most aggregates need no more, and a frame's states then lie in few cache lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    count: u64,
    huge: u64,
    sum: i128,
}

/// The state of one aggregate over one frame.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Count(u64),
    Sum(Sum),
    Squares(Box<Moments>),
    Word(Extreme<i64>),
    Wide(Extreme<i128>),
    Text(Extreme<Text>),
    Distinct(Box<Counts>),
    /// First and last: read from the log by position.
    Positional,
}

impl State {
    pub(crate) fn new(plan: &Plan) -> Self {
        let place = plan.column.map_or(Place::Word(0), |c| c.place);
        match (plan.class, place) {
            (Class::Count, _) => Self::Count(0),
            (Class::Sum, _) => Self::Sum(Sum::default()),
            (Class::Squares, _) => Self::Squares(Box::default()),
            (Class::Min | Class::Max, Place::Wide(_)) => Self::Wide(Extreme { queue: VecDeque::new() }),
            (Class::Min | Class::Max, Place::Text(_)) => Self::Text(Extreme { queue: VecDeque::new() }),
            (Class::Min | Class::Max, _) => Self::Word(Extreme { queue: VecDeque::new() }),
            (Class::Distinct, _) => Self::Distinct(Box::default()),
            (Class::First | Class::Last, _) => Self::Positional,
        }
    }

    /// Begins with what stood before the log, if anything did.
    pub(crate) fn begin(&mut self, plan: &Plan, total: Total) {
        match (self, total) {
            (Self::Count(n), Total::Count(to)) => *n = to,
            (Self::Sum(sum), Total::Moments(m)) => *sum = Sum { count: m.count, huge: m.huge, sum: m.sum },
            (Self::Squares(moments), Total::Moments(m)) => **moments = m,
            (state, Total::Extreme(Some(key))) => state.put_extreme(plan, i64::MIN, key),
            _ => {}
        }
    }

    /// An entry enters the frame, at any time within it. `dictionaries`: how many ids an entry has.
    #[inline]
    pub(crate) fn add(&mut self, plan: &Plan, layout: &Layout, dictionaries: usize, chunk: &Chunk, i: usize) {
        if !plan.counts(chunk, i) {
            return;
        }
        match self {
            Self::Count(n) => *n += 1,
            Self::Sum(s) => {
                let mut m = Moments::default();
                m.put(number(plan, layout, chunk, i), false);
                (s.count, s.huge, s.sum) = (s.count + m.count, s.huge + m.huge, s.sum + m.sum);
            }
            Self::Squares(m) => m.put(number(plan, layout, chunk, i), true),
            Self::Distinct(counts) => match chunk.id(dictionaries, plan.dictionary, i) {
                NO_ID => {}
                id => counts.add(id),
            },
            Self::Positional => {}
            Self::Word(_) | Self::Wide(_) | Self::Text(_) => {
                self.put_extreme(plan, chunk.time(layout, i), plan.key(layout, chunk, i));
            }
        }
    }

    /// An entry leaves the frame. (Extremes go by [`State::expire`].)
    #[inline]
    pub(crate) fn sub(&mut self, plan: &Plan, layout: &Layout, dictionaries: usize, chunk: &Chunk, i: usize) {
        if !plan.counts(chunk, i) {
            return;
        }
        match self {
            Self::Count(n) => *n -= 1,
            Self::Sum(s) => {
                let mut m = Moments::default();
                m.put(number(plan, layout, chunk, i), false);
                (s.count, s.huge, s.sum) = (s.count - m.count, s.huge - m.huge, s.sum - m.sum);
            }
            Self::Squares(m) => {
                let mut one = Moments::default();
                one.put(number(plan, layout, chunk, i), true);
                m.sub(&one);
            }
            Self::Distinct(counts) => match chunk.id(dictionaries, plan.dictionary, i) {
                NO_ID => {}
                id => counts.sub(id),
            },
            Self::Positional | Self::Word(_) | Self::Wide(_) | Self::Text(_) => {}
        }
    }

    /// Everything before this time has left the frame.
    pub(crate) fn expire(&mut self, before: i64) {
        match self {
            Self::Word(e) => e.expire(before),
            Self::Wide(e) => e.expire(before),
            Self::Text(e) => e.expire(before),
            _ => {}
        }
    }

    pub(crate) fn is_positional(&self) -> bool {
        matches!(self, Self::Positional)
    }

    /// Time of the extreme entry.
    pub(crate) fn extreme_time(&self) -> Option<i64> {
        match self {
            Self::Word(e) => e.queue.front().map(|(t, _)| *t),
            Self::Wide(e) => e.queue.front().map(|(t, _)| *t),
            Self::Text(e) => e.queue.front().map(|(t, _)| *t),
            _ => None,
        }
    }

    fn put_extreme(&mut self, plan: &Plan, time: i64, key: Key) {
        let max = plan.class == Class::Max;
        match (self, key) {
            (Self::Word(e), Key::Word(k)) => e.insert(time, k, max),
            (Self::Wide(e), Key::Wide(k)) => e.insert(time, k, max),
            (Self::Text(e), Key::Text(k)) => e.insert(time, k, max),
            _ => {}
        }
    }

    /// What it stands at.
    #[inline]
    pub(crate) fn total(&self) -> Total {
        match self {
            Self::Count(n) => Total::Count(*n),
            Self::Sum(s) => Total::Moments(Moments { count: s.count, huge: s.huge, sum: s.sum, ..Moments::default() }),
            Self::Squares(m) => Total::Moments(**m),
            Self::Word(e) => Total::Extreme(e.queue.front().map(|(_, k)| Key::Word(*k))),
            Self::Wide(e) => Total::Extreme(e.queue.front().map(|(_, k)| Key::Wide(*k))),
            Self::Text(e) => Total::Extreme(e.queue.front().map(|(_, k)| Key::Text(k.clone()))),
            Self::Distinct(counts) => Total::Distinct(counts.distinct()),
            Self::Positional => Total::Positional,
        }
    }

    /// Bytes on the heap, about.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Squares(_) => size_of::<Moments>(),
            Self::Word(e) => e.queue.capacity() * 16,
            Self::Wide(e) => e.queue.capacity() * 32,
            Self::Text(e) => e.queue.capacity() * 32,
            Self::Distinct(counts) => size_of::<Counts>() + counts.heap(),
            Self::Count(_) | Self::Sum(_) | Self::Positional => 0,
        }
    }
}
