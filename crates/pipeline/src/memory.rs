//! A log in memory, durable as long as the process: for tests, cases and files. It keeps the contract of [`Source`] and [`Sink`] whole,
//! and can be told to lose the end of a commit as a crash would.

use crate::entry::Entry;
use crate::seams::{Outgoing, Output, Record, Sink, Source, Ticket};
use domain::{Error, Result, TopicPartition};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Topics of records. Clones share one log.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    partitions: Mutex<BTreeMap<TopicPartition, Partition>>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Partition {
    start: i64,
    records: Vec<Record>,
}

impl Partition {
    fn end(&self) -> i64 {
        self.start + self.records.len() as i64
    }
}

impl MemoryLog {
    pub fn create(&self, topic: &str, partitions: i32) {
        let mut all = self.0.partitions.lock();
        for partition in 0..partitions {
            all.entry(TopicPartition::new(topic, partition)).or_default();
        }
    }

    pub fn append(&self, at: &TopicPartition, timestamp_ms: i64, records: impl IntoIterator<Item = Outgoing>) {
        let mut all = self.0.partitions.lock();
        let partition = all.entry(at.clone()).or_default();
        for Outgoing { key, value } in records {
            let offset = partition.end();
            partition.records.push(Record { offset, timestamp_ms, key, value });
        }
        self.0.grown.notify_all();
    }

    /// Forgets the records before `offset`, as retention does.
    pub fn delete_before(&self, at: &TopicPartition, offset: i64) {
        if let Some(p) = self.0.partitions.lock().get_mut(at) {
            let n = (offset - p.start).clamp(0, p.records.len() as i64);
            p.records.drain(..n as usize);
            p.start += n;
        }
    }

    /// Cuts a partition to its first `len` offsets, as a power cut may.
    pub fn lose_from(&self, at: &TopicPartition, offset: i64) {
        if let Some(p) = self.0.partitions.lock().get_mut(at) {
            p.records.truncate((offset - p.start).max(0) as usize);
        }
    }

    pub fn source(&self) -> MemorySource {
        MemorySource(self.clone())
    }

    /// Writes the sequence to `sequence` and output `i` to partition 0 of `topics[i]`.
    pub fn sink(&self, sequence: TopicPartition, topics: Vec<String>) -> MemorySink {
        MemorySink { log: self.clone(), sequence, topics }
    }
}

/// Reads a [`MemoryLog`].
#[derive(Debug)]
pub struct MemorySource(MemoryLog);

impl Source for MemorySource {
    fn partitions(&mut self, topic: &str) -> Result<Vec<i32>> {
        let found: Vec<i32> = self.0.0.partitions.lock().keys().filter(|p| p.topic == topic).map(|p| p.partition).collect();
        if found.is_empty() {
            return Err(Error::stop(format!("topic `{topic}` does not exist"), format!("create it: `sluice topics create {topic}`")));
        }
        Ok(found)
    }

    fn bounds(&mut self, at: &TopicPartition) -> Result<(i64, i64)> {
        Ok(self.0.0.partitions.lock().get(at).map_or((0, 0), |p| (p.start, p.end())))
    }

    fn fetch(&mut self, at: &TopicPartition, from: i64, max_bytes: usize, out: &mut Vec<Record>) -> Result<()> {
        let all = self.0.0.partitions.lock();
        let Some(p) = all.get(at) else { return Ok(()) };
        if from < p.start || from > p.end() {
            return Err(Error::stop(
                format!("offset {from} of {at} is not held; the log has {} to {}", p.start, p.end()),
                "the topic was replaced or its retention passed the reader; restore it, or start from an empty state",
            ));
        }
        let mut bytes = 0;
        for record in &p.records[(from - p.start) as usize..] {
            out.push(record.clone());
            bytes += record.value.len();
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(())
    }

    fn wait(&mut self, at: &[(TopicPartition, i64)], timeout: Duration) -> Result<()> {
        let until = Instant::now() + timeout;
        let mut all = self.0.0.partitions.lock();
        while !at.iter().any(|(p, from)| all.get(p).is_some_and(|p| p.end() > *from)) {
            if self.0.0.grown.wait_until(&mut all, until).timed_out() {
                break;
            }
        }
        Ok(())
    }
}

/// Writes a [`MemoryLog`].
#[derive(Debug)]
pub struct MemorySink {
    log: MemoryLog,
    sequence: TopicPartition,
    topics: Vec<String>,
}

struct Done;

impl Ticket for Done {
    fn wait(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Where the entry's outputs end, kept in the sequence record's key.
fn ends_of(record: &Record) -> Vec<i64> {
    record.key.as_deref().and_then(|k| serde_json::from_slice(k).ok()).unwrap_or_default()
}

impl MemorySink {
    fn output(&self, topic: usize) -> TopicPartition {
        TopicPartition::new(self.topics[topic].clone(), 0)
    }

    fn end(&self, at: &TopicPartition) -> i64 {
        self.log.0.partitions.lock().get(at).map_or(0, Partition::end)
    }
}

impl Sink for MemorySink {
    fn recover(&mut self, cut: Option<i64>) -> Result<()> {
        if let Some(cut) = cut {
            self.log.lose_from(&self.sequence, cut);
        }
        let last = self.log.0.partitions.lock().get(&self.sequence).and_then(|p| p.records.last().cloned());
        let ends = last.as_ref().map(ends_of).unwrap_or_default();
        for topic in 0..self.topics.len() {
            // What stands beyond the last entry was never visible.
            self.log.lose_from(&self.output(topic), ends.get(topic).copied().unwrap_or(0));
        }
        Ok(())
    }

    fn commit(&mut self, entry: &Entry, outputs: Vec<Output>) -> Result<Box<dyn Ticket>> {
        let timestamp_ms = entry.timestamp_ms();
        for output in outputs {
            self.log.append(&self.output(output.topic), timestamp_ms, output.records);
        }
        let ends: Vec<i64> = (0..self.topics.len()).map(|t| self.end(&self.output(t))).collect();
        let key = serde_json::to_vec(&ends).map_err(|e| Error::bug("ends do not serialise").because(e))?;
        self.log.append(&self.sequence, timestamp_ms, [Outgoing { key: Some(key.into()), value: entry.to_json().into() }]);
        Ok(Box::new(Done))
    }

    fn complete(&mut self, entry: &Record, outputs: Vec<Output>) -> Result<()> {
        let ends = ends_of(entry);
        for output in outputs {
            let at = self.output(output.topic);
            let end = ends.get(output.topic).copied().unwrap_or(0);
            let first = end - output.records.len() as i64;
            let held = self.end(&at);
            let missing = output.records.into_iter().enumerate().filter(|(i, _)| first + *i as i64 >= held).map(|(_, r)| r);
            self.log.append(&at, entry.timestamp_ms, missing);
        }
        Ok(())
    }
}
