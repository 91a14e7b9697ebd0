//! Up to 128 events of one entity, by columns, in one allocation: the unit that is stored, loaded and dropped.
//!
//! Numbers and times are kept as 64-bit words whose order is the values' order (floats are mapped so), booleans and nulls as
//! bit masks, texts beside them. Order is (event time, sequence); the sequence itself is not kept, because events arrive in it.

use super::derived::Derived;
use crate::plan::Group;
use domain::{Decimal, Text, Type, Value};

pub(crate) const CHUNK: usize = 128;
/// Room for late entries that a chunk in the middle of a log gets at a time.
const SOME: usize = 16;
/// Words of a mask.
const MASK: usize = CHUNK / 64;

/// Where a column's values stand in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Word(usize),
    /// Two stripes: low and high half of a 128-bit integer.
    Wide(usize),
    Flag(usize),
    Text(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColumnLayout {
    pub(crate) place: Place,
    /// The mask of entries whose value is not null; `None` where it never is.
    pub(crate) valid: Option<usize>,
    pub(crate) ty: Type,
}

/// The shape of a group's chunks. Stripe 0 is the event time.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) columns: Vec<ColumnLayout>,
    pub(crate) stripes: usize,
    pub(crate) masks: usize,
    pub(crate) texts: usize,
}

impl Layout {
    pub(crate) fn of(group: &Group) -> Self {
        let mut layout = Self { columns: Vec::new(), stripes: 1, masks: 0, texts: 0 };
        for column in &group.columns {
            let place = match column.ty {
                Type::Bool => {
                    layout.masks += 1;
                    Place::Flag(layout.masks - 1)
                }
                Type::Text => {
                    layout.texts += 1;
                    Place::Text(layout.texts - 1)
                }
                // A plain field's decimal has at most 18 digits; an expression's may have 38.
                Type::Decimal(_) if matches!(*column.source, crate::plan::Source::Expr(_)) => {
                    layout.stripes += 2;
                    Place::Wide(layout.stripes - 2)
                }
                _ => {
                    layout.stripes += 1;
                    Place::Word(layout.stripes - 1)
                }
            };
            let valid = (column.nullable && !column.filter).then(|| {
                layout.masks += 1;
                layout.masks - 1
            });
            layout.columns.push(ColumnLayout { place, valid, ty: column.ty });
        }
        layout
    }
}

/// Floats as words in the same order (a bit trick that is its own inverse); -0 must have become 0 before.
pub(crate) fn order_bits(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// One event on its way into a chunk; reused.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// One a stripe; the first is the time.
    pub(crate) words: Vec<i64>,
    pub(crate) bits: Vec<bool>,
    pub(crate) texts: Vec<Text>,
    /// One a dictionary of the entity, while it keeps any; see [`Derived`].
    pub(crate) ids: Vec<u32>,
}

impl Entry {
    pub(crate) fn reset(&mut self, layout: &Layout, time: i64) {
        self.words.clear();
        self.words.resize(layout.stripes, 0);
        self.words[0] = time;
        self.bits.clear();
        self.bits.resize(layout.masks, false);
        self.texts.clear();
        self.texts.resize(layout.texts, Text::default());
        self.ids.clear();
    }

    /// Puts a column's value. One of another type than the column's, or beyond its width, is kept as null.
    pub(crate) fn put(&mut self, column: &ColumnLayout, value: &Value) {
        let known = match (column.place, value) {
            (Place::Word(stripe), value) => word(value, column.ty).map(|w| self.words[stripe] = w),
            (Place::Wide(stripe), value) => wide(value, column.ty).map(|w| {
                self.words[stripe] = w as i64;
                self.words[stripe + 1] = (w >> 64) as i64;
            }),
            (Place::Flag(mask), Value::Bool(b)) => {
                self.bits[mask] = *b;
                Some(())
            }
            (Place::Text(index), Value::Text(t)) => {
                self.texts[index] = t.clone();
                Some(())
            }
            _ => None,
        };
        if let Some(mask) = column.valid {
            self.bits[mask] = known.is_some();
        }
    }
}

fn word(value: &Value, ty: Type) -> Option<i64> {
    match (value, ty) {
        (Value::Int(i) | Value::Timestamp(i) | Value::Interval(i), _) if !matches!(ty, Type::Decimal(_)) => Some(*i),
        (Value::Float(f), Type::Float) => Some(order_bits((*f + 0.0).to_bits() as i64)),
        (_, Type::Decimal(_)) => wide(value, ty).and_then(|w| i64::try_from(w).ok()),
        _ => None,
    }
}

fn wide(value: &Value, ty: Type) -> Option<i128> {
    let Type::Decimal(scale) = ty else { return None };
    let decimal = match value {
        Value::Decimal(d) => *d,
        Value::Int(i) => Decimal::from(*i),
        _ => return None,
    };
    if decimal.scale == scale { Some(decimal.unscaled) } else { decimal.round_to(scale).map(|d| d.unscaled) }
}

#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Masks (two words each), then the stripes, `capacity` words each.
    words: Vec<i64>,
    /// Entry by entry.
    texts: Vec<Text>,
    /// Time of the last entry.
    pub(crate) last: i64,
    /// Place among the entity's chunks, with room between: the last part of its key on disk.
    pub(crate) rank: u64,
    /// Bytes of texts too long to stand inline.
    heap: u32,
    len: u16,
    capacity: u16,
    /// What is derived of its entries, in entities that are long enough for it to pay.
    pub(crate) derived: Option<Box<Derived>>,
    /// The snapshot generation in which it last changed; 0 if its record stands as it is.
    pub(crate) changed_in: u32,
    /// Whether a record of its own stands on disk (or is on its way there).
    pub(crate) stored: bool,
}

impl Chunk {
    pub(crate) fn new(layout: &Layout, rank: u64, capacity: usize) -> Self {
        Self {
            words: vec![0; layout.masks * MASK + layout.stripes * capacity],
            texts: Vec::with_capacity(layout.texts * capacity),
            last: i64::MIN,
            rank,
            heap: 0,
            len: 0,
            capacity: capacity as u16,
            derived: None,
            changed_in: 0,
            stored: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    #[inline]
    pub(crate) fn touch(&self) -> i64 {
        // A chunk of some entries spans several cache lines: its masks and first times, its last numbers, and what is between.
        let middle = self.words.get(self.words.len() / 2).copied().unwrap_or(0);
        self.words.first().copied().unwrap_or(0) ^ self.words.last().copied().unwrap_or(0) ^ middle
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() == CHUNK
    }

    pub(crate) fn at_capacity(&self) -> bool {
        self.len == self.capacity
    }

    /// Bytes it takes beside its own struct.
    pub(crate) fn heap_bytes(&self) -> usize {
        let derived = self.derived.as_ref().map_or(0, |d| size_of::<Derived>() + d.heap_bytes());
        self.words.capacity() * 8 + self.texts.capacity() * size_of::<Text>() + self.heap as usize + 16 + derived
    }

    #[inline]
    pub(crate) fn stripe(&self, layout: &Layout, stripe: usize) -> &[i64] {
        let start = layout.masks * MASK + stripe * usize::from(self.capacity);
        &self.words[start..start + self.len()]
    }

    pub(crate) fn times(&self, layout: &Layout) -> &[i64] {
        self.stripe(layout, 0)
    }

    #[inline]
    pub(crate) fn time(&self, layout: &Layout, i: usize) -> i64 {
        self.words[layout.masks * MASK + i]
    }

    #[inline]
    pub(crate) fn bit(&self, mask: usize, i: usize) -> bool {
        (self.words[mask * MASK + i / 64] >> (i % 64)) & 1 != 0
    }

    #[inline]
    pub(crate) fn word(&self, layout: &Layout, stripe: usize, i: usize) -> i64 {
        self.words[layout.masks * MASK + stripe * usize::from(self.capacity) + i]
    }

    #[inline]
    pub(crate) fn wide(&self, layout: &Layout, stripe: usize, i: usize) -> i128 {
        i128::from(self.word(layout, stripe, i) as u64) | (i128::from(self.word(layout, stripe + 1, i)) << 64)
    }

    #[inline]
    pub(crate) fn text(&self, layout: &Layout, index: usize, i: usize) -> &Text {
        &self.texts[i * layout.texts + index]
    }

    /// A column's value of entry `i`.
    pub(crate) fn value(&self, layout: &Layout, column: &ColumnLayout, i: usize) -> Value {
        if column.valid.is_some_and(|mask| !self.bit(mask, i)) {
            return Value::Null;
        }
        match column.place {
            Place::Word(stripe) => from_word(self.word(layout, stripe, i), column.ty),
            Place::Wide(stripe) => from_wide(self.wide(layout, stripe, i), column.ty),
            Place::Flag(mask) => Value::Bool(self.bit(mask, i)),
            Place::Text(index) => Value::Text(self.text(layout, index, i).clone()),
        }
    }

    /// Entry `i` as it was put.
    pub(crate) fn copy_to(&self, layout: &Layout, i: usize, entry: &mut Entry) {
        entry.reset(layout, 0);
        for stripe in 0..layout.stripes {
            entry.words[stripe] = self.word(layout, stripe, i);
        }
        for mask in 0..layout.masks {
            entry.bits[mask] = self.bit(mask, i);
        }
        for index in 0..layout.texts {
            entry.texts[index] = self.text(layout, index, i).clone();
        }
        if let Some(derived) = &self.derived {
            derived.copy_ids(self.len(), i, &mut entry.ids);
        }
    }

    /// Puts an entry before position `i`; the chunk must not be full.
    pub(crate) fn insert(&mut self, layout: &Layout, i: usize, entry: &Entry) {
        if self.at_capacity() {
            // In the middle of what was full once, few more will come: doubling would leave half of it empty.
            let more = if i < self.len() { self.len().min(SOME) } else { self.len() };
            self.resize(layout, (self.len() + more).min(CHUNK));
        }
        let (len, capacity, base) = (self.len(), usize::from(self.capacity), layout.masks * MASK);
        for (stripe, &word) in entry.words.iter().enumerate() {
            let start = base + stripe * capacity;
            if i < len {
                self.words.copy_within(start + i..start + len, start + i + 1);
            }
            self.words[start + i] = word;
        }
        for (mask, &bit) in entry.bits.iter().enumerate() {
            let old = self.mask(mask);
            let below = (1u128 << i) - 1;
            // Shifting in two steps: a shift by 128 is not one.
            self.set_mask(mask, (old & below) | (u128::from(bit) << i) | ((old & !below) << 1));
        }
        if layout.texts > 0 {
            self.heap += entry.texts.iter().map(heap_of).sum::<u32>();
            let at = i * layout.texts;
            if i == len {
                self.texts.extend(entry.texts.iter().cloned());
            } else {
                self.texts.splice(at..at, entry.texts.iter().cloned());
            }
        }
        match &mut self.derived {
            Some(derived) => derived.insert(len, i, &entry.ids),
            None if entry.ids.is_empty() => {}
            empty => empty.insert(Box::default()).insert(len, i, &entry.ids),
        }
        self.len += 1;
        self.last = self.last.max(entry.words[0]);
    }

    /// The bits of a mask, one an entry.
    #[inline]
    pub(crate) fn mask(&self, mask: usize) -> u128 {
        u128::from(self.words[mask * MASK] as u64) | (u128::from(self.words[mask * MASK + 1] as u64) << 64)
    }

    fn set_mask(&mut self, mask: usize, bits: u128) {
        self.words[mask * MASK] = bits as i64;
        self.words[mask * MASK + 1] = (bits >> 64) as i64;
    }

    fn resize(&mut self, layout: &Layout, capacity: usize) {
        let mut words = vec![0; layout.masks * MASK + layout.stripes * capacity];
        let base = layout.masks * MASK;
        words[..base].copy_from_slice(&self.words[..base]);
        for stripe in 0..layout.stripes {
            let start = base + stripe * capacity;
            words[start..start + self.len()].copy_from_slice(self.stripe(layout, stripe));
        }
        self.words = words;
        self.capacity = capacity as u16;
        self.texts.shrink_to(capacity * layout.texts);
        self.texts.reserve_exact(capacity * layout.texts - self.texts.len());
    }

    /// Cuts off and returns the entries from `i` on, under another rank.
    pub(crate) fn split(&mut self, layout: &Layout, i: usize, rank: u64) -> Self {
        // Either half is more often left as it is than filled again.
        let mut tail = Self::new(layout, rank, (self.len() - i + SOME).min(CHUNK));
        tail.changed_in = self.changed_in;
        let mut entry = Entry::default();
        for at in i..self.len() {
            self.copy_to(layout, at, &mut entry);
            tail.insert(layout, at - i, &entry);
        }
        self.texts.truncate(i * layout.texts);
        let len = self.len();
        if let Some(derived) = &mut self.derived {
            derived.truncate(len, i);
        }
        self.heap -= tail.heap;
        self.len = i as u16;
        let below = (1u128 << i) - 1;
        for mask in 0..layout.masks {
            self.set_mask(mask, self.mask(mask) & below);
        }
        self.last = if i == 0 { i64::MIN } else { self.time(layout, i - 1) };
        self.resize(layout, (i + SOME).min(CHUNK));
        tail
    }

    /// Drops the first `n` entries.
    pub(crate) fn drop_front(&mut self, layout: &Layout, n: usize) {
        let (len, capacity, base) = (self.len(), usize::from(self.capacity), layout.masks * MASK);
        for stripe in 0..layout.stripes {
            let start = base + stripe * capacity;
            self.words.copy_within(start + n..start + len, start);
        }
        for mask in 0..layout.masks {
            self.set_mask(mask, if n == CHUNK { 0 } else { self.mask(mask) >> n });
        }
        self.heap -= self.texts.drain(..n * layout.texts).map(|t| heap_of(&t)).sum::<u32>();
        if let Some(derived) = &mut self.derived {
            derived.drop_front(len, n);
        }
        self.len -= n as u16;
        if self.len == 0 {
            self.last = i64::MIN;
        }
    }
}

fn heap_of(text: &Text) -> u32 {
    if text.is_heap_allocated() { text.len() as u32 + 16 } else { 0 }
}

/// A word as the value it stands for.
pub(crate) fn from_word(word: i64, ty: Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(word != 0),
        Type::Int => Value::Int(word),
        Type::Decimal(scale) => Value::Decimal(Decimal::new(i128::from(word), scale)),
        Type::Float => Value::Float(f64::from_bits(order_bits(word) as u64)),
        Type::Timestamp => Value::Timestamp(word),
        Type::Interval => Value::Interval(word),
        Type::Text => Value::Null,
    }
}

pub(crate) fn from_wide(wide: i128, ty: Type) -> Value {
    match ty {
        Type::Decimal(scale) => Value::Decimal(Decimal::new(wide, scale)),
        _ => Value::Null,
    }
}
