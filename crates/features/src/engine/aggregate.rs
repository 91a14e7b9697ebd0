//! Aggregates: which entries count, what they add up to, and the values read from that.
//!
//! Counts, sums and sums of squares are exact integers, so adding and taking away in any order ends at the same number, and a
//! float is made from them once, at the end.

use super::chunk::{Chunk, ColumnLayout, Entry, Layout, Place, from_wide, from_word};
use crate::plan::{Aggregate, Class};
use crate::wide::U256;
use domain::{Decimal, Text, Type, Value};

/// An aggregate with its columns found in the layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) window: usize,
    pub(crate) class: Class,
    filter: Option<usize>,
    pub(crate) column: Option<ColumnLayout>,
    /// Which of a chunk's totals is of this aggregate's kind; see [`super::derived`].
    pub(crate) measure: usize,
    /// Which dictionary a distinct count goes by.
    pub(crate) dictionary: usize,
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
            measure: 0,
            dictionary: 0,
        }
    }

    /// Whether two aggregates differ in their window alone.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        (self.class, self.filter, self.column) == (other.class, other.filter, other.column)
    }

    /// Whether a count of entries is told by another aggregate's moments too.
    pub(crate) fn is_told_by(&self, other: &Self) -> bool {
        self.class == Class::Count
            && self.column.is_none()
            && matches!(other.class, Class::Sum | Class::Squares)
            && (self.window, self.filter) == (other.window, other.filter)
            && other.column.is_some_and(|c| c.valid.is_none())
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

    /// Whether every entry counts.
    fn takes_all(&self) -> bool {
        self.filter.is_none() && self.column.is_none_or(|c| c.valid.is_none())
    }

    pub(crate) fn key(&self, layout: &Layout, chunk: &Chunk, i: usize) -> Key {
        match self.column.map(|c| c.place) {
            Some(Place::Word(stripe)) => Key::Word(chunk.word(layout, stripe, i)),
            Some(Place::Wide(stripe)) => Key::Wide(chunk.wide(layout, stripe, i)),
            Some(Place::Flag(mask)) => Key::Word(i64::from(chunk.bit(mask, i))),
            Some(Place::Text(index)) => Key::Text(chunk.text(layout, index, i).clone()),
            None => Key::Word(0),
        }
    }

    /// Whether an entry has a value, filtered out or not.
    pub(crate) fn is_known(&self, chunk: &Chunk, i: usize) -> bool {
        self.column.and_then(|c| c.valid).is_none_or(|mask| chunk.bit(mask, i))
    }

    /// The value of an entry on its way in, if it has one.
    pub(crate) fn key_of(&self, entry: &Entry) -> Option<Key> {
        let column = self.column?;
        if column.valid.is_some_and(|mask| !entry.bits[mask]) {
            return None;
        }
        Some(match column.place {
            Place::Word(stripe) => Key::Word(entry.words[stripe]),
            Place::Wide(stripe) => Key::Wide(i128::from(entry.words[stripe] as u64) | (i128::from(entry.words[stripe + 1]) << 64)),
            Place::Flag(mask) => Key::Word(i64::from(entry.bits[mask])),
            Place::Text(index) => Key::Text(entry.texts[index].clone()),
        })
    }

    /// Whether two entries have the same value.
    fn is_same(&self, layout: &Layout, (a, i): (&Chunk, usize), (b, j): (&Chunk, usize)) -> bool {
        match self.column.map(|c| c.place) {
            Some(Place::Word(stripe)) => a.word(layout, stripe, i) == b.word(layout, stripe, j),
            Some(Place::Wide(stripe)) => a.wide(layout, stripe, i) == b.wide(layout, stripe, j),
            Some(Place::Flag(mask)) => a.bit(mask, i) == b.bit(mask, j),
            Some(Place::Text(index)) => a.text(layout, index, i) == b.text(layout, index, j),
            None => true,
        }
    }

    /// Distinct values of a few entries, each compared with those before it: for so few, quicker than any table.
    pub(crate) fn distinct_of_few(&self, layout: &Layout, few: &[(&Chunk, usize)]) -> u64 {
        let new = |&(at, entry): &(usize, &(&Chunk, usize))| {
            self.counts(entry.0, entry.1)
                && !few[..at].iter().any(|before| self.counts(before.0, before.1) && self.is_same(layout, *before, *entry))
        };
        few.iter().enumerate().filter(new).count() as u64
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
    pub(crate) fn into_value(self, ty: Type) -> Value {
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
        let squares = plan.class == Class::Squares;
        // Runs without a gap, nearly all, go straight through.
        if plan.takes_all()
            && let Some(Place::Word(stripe)) = plan.column.map(|c| c.place)
        {
            m.put_words(&chunk.stripe(layout, stripe)[from..to], squares);
            return m;
        }
        let bits = plan.selected(chunk, from, to);
        for i in ones(bits) {
            m.put(number(plan, layout, chunk, i), squares);
        }
        m
    }

    /// Words are never huge.
    fn put_words(&mut self, words: &[i64], squares: bool) {
        self.count += words.len() as u64;
        // All bits that any of them uses: at most 128 numbers of 56 bits fit one word, and their squares two.
        let used = words.iter().fold(0, |used, w| used | (w ^ (w >> 63)));
        if used < 1 << 56 {
            self.sum += i128::from(words.iter().sum::<i64>());
            if squares {
                let sum = words.iter().map(|w| u128::from(w.unsigned_abs()) * u128::from(w.unsigned_abs())).sum();
                self.squares = self.squares.add(U256 { hi: 0, lo: sum });
            }
        } else {
            words.iter().for_each(|w| self.put(i128::from(*w), squares));
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, x: i128, squares: bool) {
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

    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.huge += other.huge;
        self.sum += other.sum;
        self.squares = self.squares.add(other.squares);
    }

    pub(crate) fn sub(&mut self, other: &Self) {
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

/// What an aggregate is over some entries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Total {
    /// First and last: read from the log by position.
    Positional,
    Count(u64),
    Moments(Moments),
    Extreme(Option<Key>),
    Distinct(u64),
}

impl Total {
    /// Over no entry.
    pub(crate) fn nothing(plan: &Plan) -> Self {
        match plan.class {
            Class::Count => Self::Count(0),
            Class::Sum | Class::Squares => Self::Moments(Moments::default()),
            Class::Min | Class::Max => Self::Extreme(None),
            Class::Distinct => Self::Distinct(0),
            Class::First | Class::Last => Self::Positional,
        }
    }

    /// Over the entries `from..to` of a chunk. Distinct counts cannot be put together of parts and are not made here.
    pub(crate) fn of(plan: &Plan, layout: &Layout, chunk: &Chunk, from: usize, to: usize) -> Self {
        match plan.class {
            _ if from >= to => Self::nothing(plan),
            Class::Count if plan.takes_all() => Self::Count((to - from) as u64),
            Class::Count => Self::Count(u64::from(plan.selected(chunk, from, to).count_ones())),
            Class::Sum | Class::Squares => Self::Moments(Moments::of(plan, layout, chunk, from, to)),
            Class::Min | Class::Max => {
                let bits = plan.selected(chunk, from, to);
                let max = plan.class == Class::Max;
                if let Some(Place::Word(stripe)) = plan.column.map(|c| c.place) {
                    let words = ones(bits).map(|i| chunk.word(layout, stripe, i));
                    return Self::Extreme(if max { words.max() } else { words.min() }.map(Key::Word));
                }
                let keys = ones(bits).map(|i| plan.key(layout, chunk, i));
                Self::Extreme(if max { keys.max() } else { keys.min() })
            }
            Class::Distinct | Class::First | Class::Last => Self::nothing(plan),
        }
    }

    /// Takes in the total over other entries.
    pub(crate) fn add(&mut self, plan: &Plan, other: &Self) {
        match (self, other) {
            (Self::Count(n), Self::Count(more)) => *n += more,
            (Self::Moments(m), Self::Moments(more)) => m.add(more),
            (Self::Extreme(kept), Self::Extreme(Some(key))) => {
                let takes = kept.as_ref().is_none_or(|kept| if plan.class == Class::Max { key > kept } else { key < kept });
                if takes {
                    *kept = Some(key.clone());
                }
            }
            _ => {}
        }
    }

    /// Takes away the total over entries that it holds. Extremes cannot.
    pub(crate) fn sub(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(n), Self::Count(less)) => *n -= less,
            (Self::Moments(m), Self::Moments(less)) => m.sub(less),
            _ => {}
        }
    }

    pub(crate) fn count(&self) -> Value {
        match self {
            Self::Count(n) | Self::Distinct(n) => Value::Int(*n as i64),
            Self::Moments(m) => Value::Int(m.count as i64),
            Self::Extreme(_) | Self::Positional => Value::Int(0),
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

    pub(crate) fn extreme(&self, plan: &Plan) -> Value {
        match (self, plan.column) {
            (Self::Extreme(Some(key)), Some(column)) => key.clone().into_value(column.ty),
            _ => Value::Null,
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
    // The same float either way, and nearly all sums fit a word, which the processor turns into a float itself.
    let sum = i64::try_from(m.sum).map_or_else(|_| m.sum as f64, |sum| sum as f64);
    sum / (m.count as f64 * unit(scale))
}

/// How many of the smallest parts make one.
fn unit(scale: u8) -> f64 {
    const EXACT: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    EXACT.get(usize::from(scale)).copied().unwrap_or_else(|| domain::decimal::pow10(scale) as f64)
}

pub(crate) fn deviation(m: &Moments, scale: u8, sample: bool) -> f64 {
    let spread = m.squares.times(m.count).sub(U256::square(m.sum.unsigned_abs())).to_f64();
    let pairs = m.count as f64 * (m.count - u64::from(sample)) as f64;
    (spread / pairs).sqrt() / unit(scale)
}

#[inline]
pub(crate) fn number(plan: &Plan, layout: &Layout, chunk: &Chunk, i: usize) -> i128 {
    match plan.column.map(|c| c.place) {
        Some(Place::Word(stripe)) => i128::from(chunk.word(layout, stripe, i)),
        Some(Place::Wide(stripe)) => chunk.wide(layout, stripe, i),
        _ => 0,
    }
}
