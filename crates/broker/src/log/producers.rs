//! What a partition knows about its producers: the sequence numbers that make a retry harmless, the transactions
//! that are open (they hold the last stable offset back) and those that were aborted (readers skip them).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::records::BatchHeader;

/// Batches remembered per producer, as many as a client may have in flight.
const REMEMBERED_BATCHES: usize = 5;

/// A transaction that was aborted: its records are to be skipped by read_committed readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// Offset of its first record in this partition.
    pub first_offset: i64,
    /// Offset of the abort marker.
    pub last_offset: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct RememberedBatch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    last_offset: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Producer {
    epoch: i16,
    /// Newest last; empty after a marker with a new epoch.
    batches: Vec<RememberedBatch>,
    /// First offset of the open transaction.
    open_from: Option<i64>,
    /// Wall clock of the last append, milliseconds.
    seen_ms: i64,
}

/// All producers of one partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Producers {
    known: FxHashMap<i64, Producer>,
    /// Open transactions by first offset.
    open: BTreeMap<i64, i64>,
    /// In order of their markers.
    aborted: Vec<AbortedTransaction>,
}

/// One producer, described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerInfo {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// Sequence number of its last record; -1 if unknown.
    pub(crate) last_sequence: i32,
    /// Wall clock of its last append, milliseconds.
    pub(crate) seen_ms: i64,
    /// First offset of its open transaction.
    pub(crate) open_from: Option<i64>,
}

/// What [`Producers::check`] found.
#[derive(Debug, PartialEq)]
pub(super) enum Checked {
    /// To be appended.
    New,
    /// Already appended at these offsets.
    Duplicate { base_offset: i64, last_offset: i64 },
}

impl Producers {
    /// Whether a data batch may be appended now.
    pub(super) fn check(&self, header: &BatchHeader) -> Result<Checked> {
        let id = header.producer_id;
        if id < 0 {
            if header.is_transactional() {
                return Err(Error::InvalidBatch("a transactional batch needs a producer id".into()));
            }
            return Ok(Checked::New);
        }
        if header.producer_epoch < 0 || header.base_sequence < 0 {
            return Err(Error::InvalidBatch("a producer id needs an epoch and a sequence number".into()));
        }
        let Some(producer) = self.known.get(&id) else {
            return Ok(Checked::New);
        };
        if header.producer_epoch < producer.epoch {
            return Err(Error::ProducerFenced { producer_id: id, found: header.producer_epoch, current: producer.epoch });
        }
        let expected = if header.producer_epoch > producer.epoch {
            0
        } else if let Some(last) = producer.batches.last() {
            let (first, end) = (header.base_sequence, header.last_sequence());
            if let Some(same) = producer.batches.iter().find(|b| b.first_sequence == first && b.last_sequence == end) {
                return Ok(Checked::Duplicate { base_offset: same.base_offset, last_offset: same.last_offset });
            }
            last.last_sequence.checked_add(1).unwrap_or(0)
        } else {
            // Only a marker has been seen at this epoch: the producer may go on from where it was.
            header.base_sequence
        };
        if header.base_sequence != expected {
            return Err(Error::OutOfOrderSequence { producer_id: id, expected, found: header.base_sequence });
        }
        if !header.is_transactional() && producer.open_from.is_some() {
            return Err(Error::InvalidTransaction(format!("producer {id} has an open transaction here")));
        }
        Ok(Checked::New)
    }

    /// Whether a marker with this epoch may be written.
    pub(super) fn check_marker(&self, producer_id: i64, epoch: i16) -> Result<()> {
        match self.known.get(&producer_id) {
            Some(producer) if epoch < producer.epoch => Err(Error::ProducerFenced { producer_id, found: epoch, current: producer.epoch }),
            _ => Ok(()),
        }
    }

    /// Takes note of a data batch that was appended; the header carries its final offsets.
    pub(super) fn appended(&mut self, header: &BatchHeader, now_ms: i64) {
        let id = header.producer_id;
        if id < 0 {
            return;
        }
        let producer = self.known.entry(id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            batches: Vec::new(),
            open_from: None,
            seen_ms: now_ms,
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.seen_ms = now_ms;
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.remove(0);
        }
        producer.batches.push(RememberedBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
        });
        if header.is_transactional() && producer.open_from.is_none() {
            producer.open_from = Some(header.base_offset);
            self.open.insert(header.base_offset, id);
        }
    }

    /// Takes note of a marker that was appended at `offset`.
    pub(super) fn ended(&mut self, producer_id: i64, epoch: i16, commit: bool, offset: i64, now_ms: i64) {
        let producer =
            self.known.entry(producer_id).or_insert_with(|| Producer { epoch, batches: Vec::new(), open_from: None, seen_ms: now_ms });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer.seen_ms = now_ms;
        if let Some(first_offset) = producer.open_from.take() {
            self.open.remove(&first_offset);
            if !commit {
                self.aborted.push(AbortedTransaction { producer_id, first_offset, last_offset: offset });
            }
        }
    }

    /// First offset of the oldest open transaction.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.open.first_key_value().map(|(offset, _)| *offset)
    }

    /// Open transactions as (producer id, epoch).
    pub(super) fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.open.values().filter_map(|id| Some((*id, self.known.get(id)?.epoch))).collect()
    }

    /// All producers by id.
    pub(super) fn describe(&self) -> Vec<ProducerInfo> {
        let describe = |(id, producer): (&i64, &Producer)| ProducerInfo {
            id: *id,
            epoch: producer.epoch,
            last_sequence: producer.batches.last().map_or(-1, |batch| batch.last_sequence),
            seen_ms: producer.seen_ms,
            open_from: producer.open_from,
        };
        let mut all: Vec<_> = self.known.iter().map(describe).collect();
        all.sort_by_key(|producer| producer.id);
        all
    }

    /// Aborted transactions with records in `from..to`.
    pub(super) fn aborted_between(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        let start = self.aborted.partition_point(|txn| txn.last_offset < from);
        self.aborted[start..].iter().filter(|txn| txn.first_offset < to).copied().collect()
    }

    /// Forgets aborted transactions that lie wholly before the log's start.
    pub(super) fn forget_before(&mut self, log_start: i64) {
        self.aborted.retain(|txn| txn.last_offset >= log_start);
    }

    /// Forgets producers without an open transaction that have been silent since `before_ms`.
    pub(super) fn forget_silent(&mut self, before_ms: i64) {
        self.known.retain(|_, producer| producer.open_from.is_some() || producer.seen_ms >= before_ms);
    }
}
