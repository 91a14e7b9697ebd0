//! What is yet to happen, in the order of event time; ties keep the order in which they were planned, so that a world's bytes
//! never depend on a heap's whims.

use domain::Micros;
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

#[derive(Debug, Serialize, Deserialize)]
struct Due<T> {
    at: Micros,
    order: u64,
    what: T,
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Due<T> {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    planned: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }

    pub(crate) fn push(&mut self, at: Micros, what: T) {
        self.planned += 1;
        self.heap.push(Reverse(Due { at, order: self.planned, what }));
    }

    /// The time of the first.
    pub(crate) fn first(&self) -> Option<Micros> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Micros, T)> {
        self.heap.pop().map(|Reverse(due)| (due.at, due.what))
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Keeps each for which the coin falls so.
    pub(crate) fn thin(&mut self, mut keep: impl FnMut() -> bool) {
        // In the order of time, so that the coins fall the same way however the heap lies.
        let mut all = std::mem::take(&mut self.heap).into_vec();
        all.sort_by(|a, b| b.cmp(a));
        all.retain(|_| keep());
        self.heap = all.into();
    }

    /// Keeps only what the test accepts.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.heap.retain(|Reverse(due)| keep(&due.what));
    }

    /// Moves what the test accepts later by the same span.
    pub(crate) fn delay_some(&mut self, by: Micros, which: impl Fn(&T) -> bool) {
        let moved = std::mem::take(&mut self.heap).into_iter().map(|Reverse(due)| {
            let at = if which(&due.what) { due.at + by } else { due.at };
            Reverse(Due { at, ..due })
        });
        self.heap = moved.collect();
    }

    /// Moves everything later by the same span.
    pub(crate) fn delay(&mut self, by: Micros) {
        self.delay_some(by, |_| true);
    }
}
