//! Running aggregates: what entries add when they enter a frame and take away when they leave it.
//!
//! Counts, sums and sums of squares are exact integers, so adding and taking away in any order ends at the same number, and a
//! float is made from them once, at the end. Minimum and maximum keep the entries that may still become the extreme one (a
//! monotonic queue); distinct counts keep how often each value stands in the frame.

use super::chunk::{Chunk, ColumnLayout, Layout, Place, from_wide, from_word};
use crate::plan::{Aggregate, Class};
use crate::wide::U256;
use domain::{Decimal, Text, Type, Value};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::hash::Hash;

/// An aggregate with its columns found in the layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) window: usize,
    pub(crate) class: Class,
    filter: Option<usize>,
    pub(crate) column: Option<ColumnLayout>,
}

impl Plan {
    pub(crate) fn of(aggregate: &Aggregate, layout: &Layout) -> Self {
        let filter = aggregate.filter.map(|c| match layout.columns[c].place {
            Place::Flag(mask) => mask,
            // A filter column is boolean by construction; were it not, it would filter nothing out.
            _ => usize::MAX,
        });
        Self {
            window: aggregate.window,
            class: aggregate.class,
            filter: filter.filter(|mask| *mask != usize::MAX),
            column: aggregate.column.map(|c| layout.columns[c]),
        }
    }

    /// Whether an entry counts: the filter is true and (but for first and last) the argument is not null.
    #[inline]
    pub(crate) fn counts(&self, chunk: &Chunk, i: usize) -> bool {
        self.filter.is_none_or(|mask| chunk.bit(mask, i))
            && (matches!(self.class, Class::First | Class::Last) || self.column.and_then(|c| c.valid).is_none_or(|mask| chunk.bit(mask, i)))
    }

    /// The bits of the entries from `from` up to but not with `to` that count.
    #[inline]
    fn selected(&self, chunk: &Chunk, from: usize, to: usize) -> u128 {
        let len = to - from;
        let mut bits = if len == 128 { u128::MAX } else { ((1u128 << len) - 1) << from };
        if let Some(mask) = self.filter {
            bits &= chunk.mask(mask);
        }
        if let Some(mask) = self.column.and_then(|c| c.valid) {
            bits &= chunk.mask(mask);
        }
        bits
    }

    fn key(&self, layout: &Layout, chunk: &Chunk, i: usize) -> Key {
        match self.column.map(|c| c.place) {
            Some(Place::Word(stripe)) => Key::Word(chunk.word(layout, stripe, i)),
            Some(Place::Wide(stripe)) => Key::Wide(chunk.wide(layout, stripe, i)),
            Some(Place::Flag(mask)) => Key::Word(i64::from(chunk.bit(mask, i))),
            Some(Place::Text(index)) => Key::Text(chunk.text(layout, index, i).clone()),
            None => Key::Word(0),
        }
    }
}

/// A non-null value in the order of its column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Word(i64),
    Wide(i128),
    Text(Text),
}

impl Key {
    fn into_value(self, ty: Type) -> Value {
        match self {
            Self::Word(w) => from_word(w, ty),
            Self::Wide(w) => from_wide(w, ty),
            Self::Text(t) => Value::Text(t),
        }
    }
}

/// Values from here on are not summed but make the sum null: below it, 2^32 of them cannot overflow.
const HUGE: u128 = 1 << 95;

/// Count, exact sum, and (for the standard deviation) exact sum of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moments {
    pub(crate) count: u64,
    pub(crate) huge: u64,
    pub(crate) sum: i128,
    pub(crate) squares: U256,
}

impl Moments {
    /// Over the entries `from..to` of a chunk.
    fn of(plan: &Plan, layout: &Layout, chunk: &Chunk, from: usize, to: usize) -> Self {
        let mut m = Self::default();
        let bits = plan.selected(chunk, from, to);
        let squares = plan.class == Class::Squares;
        if let Some(Place::Word(stripe)) = plan.column.map(|c| c.place) {
            // Words are never huge. Runs without a gap, nearly all, go straight through.
            let words = &chunk.stripe(layout, stripe)[from..to];
            m.count = u64::from(bits.count_ones());
            if m.count == words.len() as u64 {
                m.sum = words.iter().map(|w| i128::from(*w)).sum();
                if squares {
                    m.squares = words.iter().fold(U256::default(), |sum, w| sum.add(U256::square(u128::from(w.unsigned_abs()))));
                }
                return m;
            }
            m.count = 0;
        }
        for i in ones(bits) {
            m.put(number(plan, layout, chunk, i), squares);
        }
        m
    }

    #[inline]
    fn put(&mut self, x: i128, squares: bool) {
        self.count += 1;
        if x.unsigned_abs() >= HUGE {
            self.huge += 1;
        } else {
            self.sum += x;
            if squares {
                self.squares = self.squares.add(U256::square(x.unsigned_abs()));
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.huge += other.huge;
        self.sum += other.sum;
        self.squares = self.squares.add(other.squares);
    }

    fn sub(&mut self, other: &Self) {
        self.count -= other.count;
        self.huge -= other.huge;
        self.sum -= other.sum;
        self.squares = self.squares.sub(other.squares);
    }
}

/// The places of a mask's bits, lowest first.
fn ones(mut bits: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let i = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (i < 128).then_some(i as usize)
    })
}

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

/// How often each value stands in the frame.
#[derive(Clone, Debug)]
pub(crate) struct Counts<K>(FxHashMap<K, u32>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<K: Hash + Eq> Counts<K> {
    fn add(&mut self, key: K) {
        *self.0.entry(key).or_insert(0) += 1;
    }

    fn get_count(&self, key: &K) -> u32 {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// How many distinct values there were after these changes.
    fn with<B>(&self, changes: FxHashMap<B, i64>, key: impl Fn(&B) -> &K) -> u64 {
        let mut distinct = self.0.len() as i64;
        for (changed, by) in &changes {
            let before = i64::from(self.get_count(key(changed)));
            distinct += i64::from(before + by > 0) - i64::from(before > 0);
        }
        distinct as u64
    }

    fn sub(&mut self, key: K) {
        if let std::collections::hash_map::Entry::Occupied(mut slot) = self.0.entry(key) {
            *slot.get_mut() -= 1;
            if *slot.get() == 0 {
                slot.remove();
            }
        }
    }
}

/// The state of one aggregate over one frame.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Count(u64),
    Moments(Moments),
    ExtremeWord(Extreme<i64>),
    ExtremeWide(Extreme<i128>),
    ExtremeText(Extreme<Text>),
    DistinctWord(Counts<i64>),
    DistinctWide(Counts<i128>),
    DistinctText(Counts<Text>),
    /// A distinct count taken from another state.
    Known(u64),
    /// First and last: read from the log by position.
    Positional,
}

impl State {
    pub(crate) fn new(plan: &Plan) -> Self {
        let place = plan.column.map_or(Place::Word(0), |c| c.place);
        match (plan.class, place) {
            (Class::Count, _) => Self::Count(0),
            (Class::Sum | Class::Squares, _) => Self::Moments(Moments::default()),
            (Class::Min | Class::Max, Place::Wide(_)) => Self::ExtremeWide(Extreme { queue: VecDeque::new() }),
            (Class::Min | Class::Max, Place::Text(_)) => Self::ExtremeText(Extreme { queue: VecDeque::new() }),
            (Class::Min | Class::Max, _) => Self::ExtremeWord(Extreme { queue: VecDeque::new() }),
            (Class::Distinct, Place::Wide(_)) => Self::DistinctWide(Counts::default()),
            (Class::Distinct, Place::Text(_)) => Self::DistinctText(Counts::default()),
            (Class::Distinct, _) => Self::DistinctWord(Counts::default()),
            (Class::First | Class::Last, _) => Self::Positional,
        }
    }

    /// Empties it, keeping its room.
    pub(crate) fn clear(&mut self, plan: &Plan) {
        match self {
            Self::Count(n) => *n = 0,
            Self::Moments(m) => *m = Moments::default(),
            Self::ExtremeWord(e) => e.queue.clear(),
            Self::ExtremeWide(e) => e.queue.clear(),
            Self::ExtremeText(e) => e.queue.clear(),
            Self::DistinctWord(c) => c.0.clear(),
            Self::DistinctWide(c) => c.0.clear(),
            Self::DistinctText(c) => c.0.clear(),
            Self::Known(_) => *self = Self::new(plan),
            Self::Positional => {}
        }
    }

    /// An entry enters the frame, at any time within it.
    #[inline]
    pub(crate) fn add(&mut self, plan: &Plan, layout: &Layout, chunk: &Chunk, i: usize) {
        if !plan.counts(chunk, i) {
            return;
        }
        let max = plan.class == Class::Max;
        match self {
            Self::Count(n) => *n += 1,
            Self::Moments(m) => m.put(number(plan, layout, chunk, i), plan.class == Class::Squares),
            Self::Known(_) | Self::Positional => {}
            other => {
                let key = plan.key(layout, chunk, i);
                match (other, key) {
                    (Self::ExtremeWord(e), Key::Word(k)) => e.insert(chunk.time(layout, i), k, max),
                    (Self::ExtremeWide(e), Key::Wide(k)) => e.insert(chunk.time(layout, i), k, max),
                    (Self::ExtremeText(e), Key::Text(k)) => e.insert(chunk.time(layout, i), k, max),
                    (Self::DistinctWord(c), Key::Word(k)) => c.add(k),
                    (Self::DistinctWide(c), Key::Wide(k)) => c.add(k),
                    (Self::DistinctText(c), Key::Text(k)) => c.add(k),
                    _ => {}
                }
            }
        }
    }

    /// An entry leaves the frame. (Extremes go by [`State::expire`].)
    #[inline]
    pub(crate) fn sub(&mut self, plan: &Plan, layout: &Layout, chunk: &Chunk, i: usize) {
        if !plan.counts(chunk, i) {
            return;
        }
        match self {
            Self::Count(n) => *n -= 1,
            Self::Moments(m) => {
                let mut one = Moments::default();
                one.put(number(plan, layout, chunk, i), plan.class == Class::Squares);
                m.sub(&one);
            }
            Self::DistinctWord(_) | Self::DistinctWide(_) | Self::DistinctText(_) => match (self, plan.key(layout, chunk, i)) {
                (Self::DistinctWord(c), Key::Word(k)) => c.sub(k),
                (Self::DistinctWide(c), Key::Wide(k)) => c.sub(k),
                (Self::DistinctText(c), Key::Text(k)) => c.sub(k),
                _ => {}
            },
            _ => {}
        }
    }

    /// Many entries of a chunk enter a frame that is asked once and then forgotten: of an extreme only its value is right after.
    pub(crate) fn scan(&mut self, plan: &Plan, layout: &Layout, chunk: &Chunk, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let max = plan.class == Class::Max;
        match self {
            Self::Count(n) => *n += u64::from(plan.selected(chunk, from, to).count_ones()),
            Self::Moments(m) => m.add(&Moments::of(plan, layout, chunk, from, to)),
            Self::Known(_) | Self::Positional => {}
            Self::ExtremeWord(_) | Self::ExtremeWide(_) | Self::ExtremeText(_) => {
                let bits = plan.selected(chunk, from, to);
                let keys = ones(bits).map(|i| plan.key(layout, chunk, i));
                if let Some(key) = if max { keys.max() } else { keys.min() } {
                    self.put_extreme(plan, i64::MIN, key);
                }
            }
            _ => {
                for i in from..to {
                    self.add(plan, layout, chunk, i);
                }
            }
        }
    }

    /// Many entries leave a count or sum.
    pub(crate) fn unscan(&mut self, plan: &Plan, layout: &Layout, chunk: &Chunk, from: usize, to: usize) {
        if from >= to {
            return;
        }
        match self {
            Self::Count(n) => *n -= u64::from(plan.selected(chunk, from, to).count_ones()),
            Self::Moments(m) => m.sub(&Moments::of(plan, layout, chunk, from, to)),
            _ => {}
        }
    }

    /// The distinct count if the entries that `walk` names with 1 stood in the frame too, and those with -1 did not.
    /// Counts each value's change first, so that every entry costs one small table's look-up.
    pub(crate) fn distinct_with<'a>(
        &self,
        plan: &Plan,
        layout: &Layout,
        mut walk: impl FnMut(&mut dyn FnMut(&'a Chunk, usize, i64)),
    ) -> u64 {
        let place = plan.column.map(|c| c.place);
        match (self, place) {
            (Self::DistinctText(counts), Some(Place::Text(index))) => {
                let mut changes: FxHashMap<&'a Text, i64> = FxHashMap::default();
                walk(&mut |chunk, i, by| {
                    if plan.counts(chunk, i) {
                        *changes.entry(chunk.text(layout, index, i)).or_insert(0) += by;
                    }
                });
                counts.with(changes, |key| key)
            }
            (Self::DistinctWide(counts), Some(Place::Wide(stripe))) => {
                let mut changes: FxHashMap<i128, i64> = FxHashMap::default();
                walk(&mut |chunk, i, by| {
                    if plan.counts(chunk, i) {
                        *changes.entry(chunk.wide(layout, stripe, i)).or_insert(0) += by;
                    }
                });
                counts.with(changes, |key| key)
            }
            (Self::DistinctWord(counts), _) => {
                let mut changes: FxHashMap<i64, i64> = FxHashMap::default();
                walk(&mut |chunk, i, by| {
                    if plan.counts(chunk, i)
                        && let Key::Word(key) = plan.key(layout, chunk, i)
                    {
                        *changes.entry(key).or_insert(0) += by;
                    }
                });
                counts.with(changes, |key| key)
            }
            _ => self.distinct(),
        }
    }

    /// Everything before this time has left the frame.
    pub(crate) fn expire(&mut self, before: i64) {
        match self {
            Self::ExtremeWord(e) => e.expire(before),
            Self::ExtremeWide(e) => e.expire(before),
            Self::ExtremeText(e) => e.expire(before),
            _ => {}
        }
    }

    pub(crate) fn is_extreme(&self) -> bool {
        matches!(self, Self::ExtremeWord(_) | Self::ExtremeWide(_) | Self::ExtremeText(_))
    }

    /// Time and value of the extreme entry.
    pub(crate) fn extreme(&self) -> Option<(i64, Key)> {
        match self {
            Self::ExtremeWord(e) => e.queue.front().map(|(t, k)| (*t, Key::Word(*k))),
            Self::ExtremeWide(e) => e.queue.front().map(|(t, k)| (*t, Key::Wide(*k))),
            Self::ExtremeText(e) => e.queue.front().map(|(t, k)| (*t, Key::Text(k.clone()))),
            _ => None,
        }
    }

    /// Puts an extreme value that is not an entry of the log any more (or not looked at one by one).
    pub(crate) fn put_extreme(&mut self, plan: &Plan, time: i64, key: Key) {
        let max = plan.class == Class::Max;
        match (self, key) {
            (Self::ExtremeWord(e), Key::Word(k)) => e.insert(time, k, max),
            (Self::ExtremeWide(e), Key::Wide(k)) => e.insert(time, k, max),
            (Self::ExtremeText(e), Key::Text(k)) => e.insert(time, k, max),
            _ => {}
        }
    }

    /// How many distinct values, where it counts them.
    pub(crate) fn distinct(&self) -> u64 {
        match self {
            Self::DistinctWord(c) => c.0.len() as u64,
            Self::DistinctWide(c) => c.0.len() as u64,
            Self::DistinctText(c) => c.0.len() as u64,
            Self::Known(n) => *n,
            _ => 0,
        }
    }

    pub(crate) fn count(&self) -> Value {
        match self {
            Self::Count(n) => Value::Int(*n as i64),
            Self::Moments(m) => Value::Int(m.count as i64),
            other => Value::Int(other.distinct() as i64),
        }
    }

    /// Null over nothing, and where the sum does not fit its type.
    pub(crate) fn sum(&self, plan: &Plan) -> Value {
        match (self, plan.column.map(|c| c.ty)) {
            (Self::Moments(m), Some(ty)) if m.count > 0 && m.huge == 0 => match ty {
                Type::Decimal(scale) => Value::Decimal(Decimal::new(m.sum, scale)),
                _ => i64::try_from(m.sum).map_or(Value::Null, Value::Int),
            },
            _ => Value::Null,
        }
    }

    /// The exact sum over the count, rounded where it becomes a float.
    pub(crate) fn avg(&self, plan: &Plan) -> Value {
        match self {
            Self::Moments(m) if m.count > 0 && m.huge == 0 => Value::Float(average(m, scale_of(plan))),
            _ => Value::Null,
        }
    }

    /// From exact sums: `sqrt((n * squares - sum^2) / (n * (n - 1)))`, or over `n^2` for the population.
    pub(crate) fn stddev(&self, plan: &Plan, sample: bool) -> Value {
        match self {
            Self::Moments(m) if m.count > u64::from(sample) && m.huge == 0 => Value::Float(deviation(m, scale_of(plan), sample)),
            _ => Value::Null,
        }
    }

    pub(crate) fn extreme_value(&self, plan: &Plan) -> Value {
        match (self.extreme(), plan.column) {
            (Some((_, key)), Some(column)) => key.into_value(column.ty),
            _ => Value::Null,
        }
    }

    /// Bytes on the heap, about.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::ExtremeWord(e) => e.queue.capacity() * 16,
            Self::ExtremeWide(e) => e.queue.capacity() * 32,
            Self::ExtremeText(e) => e.queue.capacity() * 32,
            Self::DistinctWord(c) => c.0.capacity() * 20,
            Self::DistinctWide(c) => c.0.capacity() * 38,
            Self::DistinctText(c) => c.0.capacity() * 38,
            _ => 0,
        }
    }
}

fn scale_of(plan: &Plan) -> u8 {
    match plan.column.map(|c| c.ty) {
        Some(Type::Decimal(scale)) => scale,
        _ => 0,
    }
}

pub(crate) fn average(m: &Moments, scale: u8) -> f64 {
    m.sum as f64 / (m.count as f64 * domain::decimal::pow10(scale) as f64)
}

pub(crate) fn deviation(m: &Moments, scale: u8, sample: bool) -> f64 {
    let spread = m.squares.times(m.count).sub(U256::square(m.sum.unsigned_abs())).to_f64();
    let pairs = m.count as f64 * (m.count - u64::from(sample)) as f64;
    (spread / pairs).sqrt() / domain::decimal::pow10(scale) as f64
}

#[inline]
fn number(plan: &Plan, layout: &Layout, chunk: &Chunk, i: usize) -> i128 {
    match plan.column.map(|c| c.place) {
        Some(Place::Word(stripe)) => i128::from(chunk.word(layout, stripe, i)),
        Some(Place::Wide(stripe)) => chunk.wide(layout, stripe, i),
        _ => 0,
    }
}
