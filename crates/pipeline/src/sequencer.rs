//! Chooses the order in which records are taken: control first, then where somebody waits, then the oldest record.
//!
//! "Oldest" goes by the record's timestamp, which every producer sets and no decoding is needed for. Windows are exact in any
//! order, so this is about fairness between partitions, not about results; the order taken is written down in any case.

use crate::entry::Entry;
use crate::seams::{Input, Rank, Record, Source};
use domain::{Micros, Position, Result, TopicPartition};
use std::collections::VecDeque;
use std::sync::Arc;

/// A partition may run ahead of the oldest record elsewhere by this much, so that runs stay long.
const SLACK_MS: i64 = 100;

/// Holds fetched records and hands them out in order.
#[derive(Debug)]
pub struct Sequencer {
    inputs: Arc<[Input]>,
    waiting: Vec<VecDeque<Record>>,
    /// Next offset to fetch, per input.
    fetch_from: Vec<(TopicPartition, i64)>,
    fetch_bytes: usize,
    scratch: Vec<Record>,
}

impl Sequencer {
    /// Reads each input from its position. `fetch_bytes` is how much is held per partition.
    pub fn new(mut inputs: Vec<Input>, position: &Position, fetch_bytes: usize) -> Self {
        inputs.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.at.cmp(&b.at)));
        Self {
            waiting: inputs.iter().map(|_| VecDeque::new()).collect(),
            fetch_from: inputs.iter().map(|i| (i.at.clone(), position.next(&i.at))).collect(),
            inputs: inputs.into(),
            fetch_bytes,
            scratch: Vec::new(),
        }
    }

    /// Shared by the batches taken from them; never changed, but replaced when a partition is added.
    pub fn inputs(&self) -> Arc<[Input]> {
        self.inputs.clone()
    }

    /// Adds partitions that have appeared; known ones stay as they are.
    pub fn add(&mut self, input: Input, from: i64) {
        if self.inputs.iter().all(|i| i.at != input.at) {
            self.waiting.push(VecDeque::new());
            self.fetch_from.push((input.at.clone(), from));
            self.inputs = self.inputs.iter().cloned().chain([input]).collect();
        }
    }

    /// Where each partition would be read on: for [`Source::wait`].
    pub fn ends(&self) -> &[(TopicPartition, i64)] {
        &self.fetch_from
    }

    /// Fetches for every partition that holds nothing. Returns whether anything waits to be taken.
    pub fn fill(&mut self, source: &mut dyn Source) -> Result<bool> {
        let mut any = false;
        for (i, input) in self.inputs.iter().enumerate() {
            if self.waiting[i].is_empty() {
                self.scratch.clear();
                source.fetch(&input.at, self.fetch_from[i].1, self.fetch_bytes, &mut self.scratch)?;
                if let Some(last) = self.scratch.last() {
                    self.fetch_from[i].1 = last.offset + 1;
                    self.waiting[i].extend(self.scratch.drain(..));
                }
            }
            any |= !self.waiting[i].is_empty();
        }
        Ok(any)
    }

    /// Takes up to `most` records. The entry holds their order; `out` gets (input, record) in that order.
    pub fn take(&mut self, first: u64, taken_at: Micros, most: usize, out: &mut Vec<(usize, Record)>) -> Entry {
        let mut entry = Entry { first, taken_at, runs: Vec::new() };
        out.clear();
        while out.len() < most {
            // The head to take, and the timestamp up to which its partition may run on.
            let mut best: Option<(Rank, i64, usize)> = None;
            let mut rival = i64::MAX;
            for (i, input) in self.inputs.iter().enumerate() {
                let Some(head) = self.waiting[i].front() else { continue };
                let key = (input.rank, head.timestamp_ms, i);
                match best {
                    Some(b) if (b.0, b.1) <= (key.0, key.1) => {
                        if b.0 == key.0 {
                            rival = rival.min(key.1);
                        }
                    }
                    Some(b) => {
                        rival = if b.0 == key.0 { rival.min(b.1) } else { i64::MAX };
                        best = Some(key);
                    }
                    None => best = Some(key),
                }
            }
            let Some((rank, _, i)) = best else { break };
            let until = if rank == Rank::Normal { rival.saturating_add(SLACK_MS) } else { i64::MAX };
            let at = out.len();
            while out.len() < most
                && let Some(record) = self.waiting[i].pop_front_if(|r| r.timestamp_ms <= until)
            {
                out.push((i, record));
            }
            let (begin, end) = (out[at].1.offset, out[out.len() - 1].1.offset);
            entry.push(&self.inputs[i], begin, end, (out.len() - at) as u64);
            if rank == Rank::Control {
                // A change stands alone, so that what it changes can be put in order between batches.
                break;
            }
        }
        entry
    }
}
