//! What long logs keep beside a chunk's entries, made of them and never stored: totals of the whole chunk, so that a late event
//! asks for one value instead of 128, and the ids of the values that distinct counts count.

use super::aggregate::{Plan, Total};
use super::chunk::{Chunk, Layout};

#[derive(Clone, Debug, Default)]
pub(crate) struct Derived {
    /// One a measure of the group, made when first asked for; gone when the chunk changes.
    totals: Option<Box<[Total]>>,
    /// Entry by entry, one a dictionary.
    ids: Vec<u32>,
}

/// The id of an entry that has no value to count.
pub(crate) const NO_ID: u32 = u32::MAX;

impl Derived {
    pub(crate) fn of_ids(ids: Vec<u32>) -> Self {
        Self { totals: None, ids }
    }

    /// Bytes beside its own struct.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.ids.capacity() * 4 + self.totals.as_ref().map_or(0, |t| t.len() * size_of::<Total>())
    }

    /// All below are told how many entries the chunk has, which says how many ids each has.
    pub(crate) fn copy_ids(&self, len: usize, i: usize, out: &mut Vec<u32>) {
        let each = self.ids.len() / len.max(1);
        out.clear();
        out.extend_from_slice(&self.ids[i * each..(i + 1) * each]);
    }

    pub(crate) fn insert(&mut self, len: usize, i: usize, ids: &[u32]) {
        self.totals = None;
        let at = i * ids.len();
        if i == len {
            self.ids.extend_from_slice(ids);
        } else {
            self.ids.splice(at..at, ids.iter().copied());
        }
    }

    pub(crate) fn truncate(&mut self, len: usize, i: usize) {
        self.totals = None;
        self.ids.truncate(self.ids.len() / len.max(1) * i);
        self.ids.shrink_to_fit();
    }

    pub(crate) fn drop_front(&mut self, len: usize, n: usize) {
        self.totals = None;
        self.ids.drain(..self.ids.len() / len.max(1) * n);
    }
}

impl Chunk {
    pub(crate) fn has_totals(&self) -> bool {
        self.derived.as_ref().is_some_and(|d| d.totals.is_some())
    }

    pub(crate) fn make_totals(&mut self, layout: &Layout, measures: &[Plan]) {
        let made = measures.iter().map(|plan| Total::of(plan, layout, self, 0, self.len())).collect();
        self.derived.get_or_insert_default().totals = Some(made);
    }

    /// The totals over all its entries, one a measure, if they were made.
    pub(crate) fn totals(&self) -> &[Total] {
        self.derived.as_ref().and_then(|d| d.totals.as_deref()).unwrap_or_default()
    }

    /// The id of an entry's value in a dictionary.
    #[inline]
    pub(crate) fn id(&self, dictionaries: usize, dictionary: usize, i: usize) -> u32 {
        self.derived.as_ref().and_then(|d| d.ids.get(i * dictionaries + dictionary)).copied().unwrap_or(NO_ID)
    }
}
