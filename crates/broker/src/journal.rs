//! The broker's own durable state (group offsets, transactions, producer ids) as keys and values in a partition of
//! its own: group commit and torn-tail recovery come with it. It stays small: when it has grown well beyond what
//! is live, the live state is appended again in a new segment and, once that is durable, what lies before is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::log::{Durable, Isolation, Origin, Partition, now_ms};
use crate::records::BatchBuilder;

/// Below this size nothing is compacted.
const COMPACT_ABOVE_BYTES: u64 = 4 << 20;
/// Log size, as a multiple of the live state's, at which to compact.
const COMPACT_RATIO: u64 = 4;
const SNAPSHOT_BATCH_BYTES: usize = 1 << 20;

/// A change: the value of a key, or its removal.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug)]
pub(crate) struct Journal {
    partition: Arc<Partition>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<Vec<u8>, Vec<u8>>,
    live_bytes: u64,
    /// A snapshot that was appended: its first offset, and the offset after it.
    snapshot: Option<(i64, i64)>,
}

impl State {
    fn apply(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_bytes = key.len() as u64;
        let added = value.as_ref().map_or(0, |value| value.len() as u64 + key_bytes);
        let old = match value {
            Some(value) => self.live.insert(key, value),
            None => self.live.remove(&key),
        };
        self.live_bytes += added;
        self.live_bytes -= old.map_or(0, |old| old.len() as u64 + key_bytes);
    }
}

impl Journal {
    /// Reads the state back from its partition.
    pub(crate) fn open(partition: Arc<Partition>) -> Result<Journal> {
        let mut state = State::default();
        let mut offset = partition.watermarks().log_start;
        loop {
            let fetched = partition.read(offset, 1 << 20, Isolation::Appended)?;
            for batch in &fetched.batches {
                for record in &batch.records()? {
                    let record = record?;
                    state.apply(record.key.unwrap_or_default().to_vec(), record.value.map(<[u8]>::to_vec));
                }
            }
            if fetched.next_offset == offset {
                break;
            }
            offset = fetched.next_offset;
        }
        Ok(Journal { partition, state: Mutex::new(state) })
    }

    /// All keys and values.
    pub(crate) fn entries(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.state.lock().live.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Writes changes as one batch: after a crash all of them are there or none.
    pub(crate) fn put(&self, changes: Vec<Change>) -> Result<Durable> {
        let mut builder = BatchBuilder::default();
        let now = now_ms() as i64;
        for (key, value) in &changes {
            builder.push(now, Some(key), value.as_deref());
        }
        if builder.is_empty() {
            return self.partition.durable(0);
        }
        let batch = builder.build()?;
        let mut state = self.state.lock();
        let appended = self.partition.append(&batch, Origin::Local)?;
        for (key, value) in changes {
            state.apply(key, value);
        }
        Ok(appended.durable)
    }

    /// One step of compaction, if due. Called now and then.
    pub(crate) fn compact(&self) -> Result<()> {
        let mut state = self.state.lock();
        if let Some((first, end)) = state.snapshot {
            if self.partition.watermarks().high_watermark >= end {
                self.partition.delete_before(first)?;
                state.snapshot = None;
            }
            return Ok(());
        }
        let bytes = self.partition.bytes();
        if bytes < COMPACT_ABOVE_BYTES || bytes / COMPACT_RATIO < state.live_bytes {
            return Ok(());
        }
        self.snapshot(&mut state)
    }

    fn snapshot(&self, state: &mut State) -> Result<()> {
        let first = self.partition.roll_now()?;
        let now = now_ms() as i64;
        let mut builder = BatchBuilder::default();
        let mut left = state.live.len();
        for (key, value) in &state.live {
            builder.push(now, Some(key), Some(value));
            left -= 1;
            if builder.bytes() >= SNAPSHOT_BATCH_BYTES || left == 0 {
                self.partition.append(&builder.build()?, Origin::Local)?;
            }
        }
        state.snapshot = Some((first, self.partition.watermarks().log_end));
        Ok(())
    }
}
