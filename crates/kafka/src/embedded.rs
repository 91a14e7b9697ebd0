//! The in-process pair: the broker's own batches, no socket. One group commit makes a batch's outputs and its entry in the sequence
//! visible together; the entry's key says where each output ends, so a start after a power cut knows what to cut or complete.

use broker::{Batch, BatchBuilder, Broker, Compression, Durable, Isolation, Subscription, Watermarks};
use bytes::Bytes;
use domain::{Error, Kind, Result, TopicPartition};
use pipeline::{Entry, Outgoing, Output, Record, Sink, Source, Ticket};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Batches are cut here, well under the broker's limit of a batch.
const BATCH_BYTES: usize = 4 << 20;

/// What a record has around its key and value in a batch, about.
const RECORD_BYTES: usize = 16;

/// Makes sources and sinks on one broker.
#[derive(Clone, Debug)]
pub struct Embedded {
    broker: Broker,
}

impl Embedded {
    pub fn new(broker: Broker) -> Self {
        Self { broker }
    }

    /// Reads what is durable.
    pub fn source(&self) -> EmbeddedSource {
        self.source_with(Isolation::ReadCommitted)
    }

    /// Reads ahead of the disk: only for what is written by a sink of this broker, whose commits wait for the inputs they name.
    pub fn source_ahead(&self) -> EmbeddedSource {
        self.source_with(Isolation::Appended)
    }

    fn source_with(&self, isolation: Isolation) -> EmbeddedSource {
        EmbeddedSource { broker: self.broker.clone(), isolation, skipped: BTreeMap::new(), waiting: None }
    }

    /// Writes the sequence to partition 0 of `sequence` and output `i` to partition 0 of `topics[i]`; they must exist.
    pub fn sink(&self, sequence: &str, topics: &[&str]) -> EmbeddedSink {
        EmbeddedSink {
            log: self.clone(),
            sequence: broker::TopicPartition::new(sequence, 0),
            topics: topics.iter().map(|t| broker::TopicPartition::new(*t, 0)).collect(),
            ends: Vec::new(),
            refused: None,
            compression: Compression::None,
        }
    }
}

/// What a broker's error asks for.
pub fn error(what: &str, e: broker::Error) -> Error {
    let retry = e.is_retriable() || matches!(e, broker::Error::Closed);
    let error = match &e {
        _ if retry => Error::retry(what.to_owned()),
        broker::Error::UnknownPartition { topic, .. } => {
            Error::stop(what.to_owned(), format!("create the topic: `sluice topics create {topic}`"))
        }
        broker::Error::OffsetOutOfRange { .. } => Error::stop(
            what.to_owned(),
            "the topic was replaced, or its retention passed the reader; restore it, or start from an empty data folder",
        ),
        broker::Error::Corrupt { .. } => Error::stop(what.to_owned(), "restore the file from a backup; nothing damaged was served"),
        broker::Error::PartitionFailed { .. } => {
            Error::stop(what.to_owned(), "check the disk, then start again: everything acknowledged is on it")
        }
        broker::Error::Io { .. } => Error::stop(what.to_owned(), "check the disk and the folder's permissions, then start again"),
        _ => Error::bug(what.to_owned()),
    };
    error.because(e)
}

/// Reads the broker's batches in this process.
#[derive(Debug)]
pub struct EmbeddedSource {
    broker: Broker,
    isolation: Isolation,
    /// Where nothing but markers and aborted records lay from an offset on: the offset to go on at.
    skipped: BTreeMap<TopicPartition, (i64, i64)>,
    /// What was waited for last, with its registration: mostly the same partitions are waited for again.
    waiting: Option<(Vec<broker::TopicPartition>, Subscription)>,
}

impl EmbeddedSource {
    fn real(&self, at: &TopicPartition, from: i64) -> i64 {
        match self.skipped.get(at) {
            Some((offset, on)) if *offset == from => *on,
            _ => from,
        }
    }

    fn watermarks(&self, at: &TopicPartition) -> Result<Watermarks> {
        self.broker.watermarks(&at.topic, at.partition).map_err(|e| error(&format!("cannot read {at}"), e))
    }
}

impl Source for EmbeddedSource {
    fn partitions(&mut self, topic: &str) -> Result<Vec<i32>> {
        match self.broker.partitions(topic) {
            Some(n) => Ok((0..n).collect()),
            None => Err(Error::stop(format!("topic `{topic}` does not exist"), format!("create it: `sluice topics create {topic}`"))),
        }
    }

    fn bounds(&mut self, at: &TopicPartition) -> Result<(i64, i64)> {
        let marks = self.watermarks(at)?;
        Ok((marks.log_start, marks.end(self.isolation)))
    }

    fn fetch(&mut self, at: &TopicPartition, from: i64, max_bytes: usize, out: &mut Vec<Record>) -> Result<()> {
        let what = || format!("cannot read {at} from offset {from}");
        let mut next = self.real(at, from);
        loop {
            let read = self.broker.read(&at.topic, at.partition, next, max_bytes, self.isolation).map_err(|e| error(&what(), e))?;
            let before = out.len();
            for batch in &read.batches {
                let records = batch.records().map_err(|e| error(&what(), e))?;
                for record in &records {
                    let record = record.map_err(|e| error(&what(), e))?;
                    if record.offset >= from {
                        out.push(Record {
                            offset: record.offset,
                            timestamp_ms: record.timestamp,
                            key: record.key.map(|k| records.share(k)),
                            value: record.value.map_or_else(Bytes::new, |v| records.share(v)),
                        });
                    }
                }
            }
            if out.len() > before {
                return Ok(());
            }
            if read.next_offset <= next {
                if next > from {
                    self.skipped.insert(at.clone(), (from, next));
                }
                return Ok(());
            }
            next = read.next_offset;
        }
    }

    fn wait(&mut self, at: &[(TopicPartition, i64)], timeout: Duration) -> Result<()> {
        let until = Instant::now() + timeout;
        let cannot = |e| error("cannot wait for records", e);
        let same = |known: &[broker::TopicPartition]| {
            known.len() == at.len() && known.iter().zip(at).all(|(k, (p, _))| *k.topic == *p.topic && k.partition == p.partition)
        };
        if !self.waiting.as_ref().is_some_and(|(known, _)| same(known)) {
            let partitions: Vec<_> = at.iter().map(|(p, _)| broker::TopicPartition::new(p.topic.as_str(), p.partition)).collect();
            let subscription = self.broker.subscribe(&partitions, self.isolation).map_err(cannot)?;
            self.waiting = Some((partitions, subscription));
        }
        loop {
            for (p, from) in at {
                let marks = self.broker.watermarks(&p.topic, p.partition).map_err(cannot)?;
                if marks.end(self.isolation) > self.real(p, *from) {
                    return Ok(());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            match &self.waiting {
                Some((_, subscription)) if !left.is_zero() => drop(subscription.wait(left)),
                _ => return Ok(()),
            }
        }
    }
}

/// Group commits in this process.
#[derive(Debug)]
pub struct EmbeddedSink {
    log: Embedded,
    sequence: broker::TopicPartition,
    topics: Vec<broker::TopicPartition>,
    /// The next offset of each output.
    ends: Vec<i64>,
    /// The commit that found no room, until it does.
    refused: Option<Refused>,
    compression: Compression,
}

/// A commit as the broker takes it, and where the outputs end with it.
#[derive(Debug)]
struct Refused {
    batches: Vec<(broker::TopicPartition, Batch)>,
    after: Vec<(broker::TopicPartition, i64)>,
    ends: Vec<i64>,
}

struct Group(Durable);

impl Ticket for Group {
    fn wait(self: Box<Self>) -> Result<()> {
        self.0.wait().map_err(|e| match error("the commit did not reach the disk", e) {
            // A closed broker cannot be waited out by this process.
            e if e.kind == Kind::Retry => Error::stop(e.message, "start again: everything acknowledged is on disk"),
            e => e,
        })
    }
}

impl EmbeddedSink {
    /// The output ends that a sequence record carries.
    fn ends_of(record: &Record) -> Result<Vec<i64>> {
        record.key.as_deref().and_then(|k| serde_json::from_slice(k).ok()).ok_or_else(|| {
            Error::stop(
                format!("record {} of the sequence topic does not say where its outputs end", record.offset),
                "the sequence topic must be written by Sluice alone; restore the log folder from a backup",
            )
        })
    }

    fn batches(
        &self,
        at: &broker::TopicPartition,
        timestamp_ms: i64,
        records: &[Outgoing],
        into: &mut Vec<(broker::TopicPartition, Batch)>,
    ) -> Result<()> {
        let mut builder = BatchBuilder::new(self.compression);
        let bytes: usize = records.iter().map(|r| r.key.as_ref().map_or(0, Bytes::len) + r.value.len() + RECORD_BYTES).sum();
        builder.reserve(bytes.min(BATCH_BYTES + BATCH_BYTES / 4));
        for record in records {
            builder.push(timestamp_ms, record.key.as_deref(), Some(&record.value));
            if builder.bytes() >= BATCH_BYTES {
                into.push((at.clone(), builder.build().map_err(|e| error("cannot build a batch", e))?));
            }
        }
        if !builder.is_empty() {
            into.push((at.clone(), builder.build().map_err(|e| error("cannot build a batch", e))?));
        }
        Ok(())
    }

    fn end(&self, at: &broker::TopicPartition) -> Result<i64> {
        let marks = self.log.broker.watermarks(&at.topic, at.partition).map_err(|e| error(&format!("cannot read {at}"), e))?;
        Ok(marks.log_end)
    }
}

impl Sink for EmbeddedSink {
    fn recover(&mut self, cut: Option<i64>) -> Result<()> {
        if let Some(cut) = cut {
            tracing::warn!(from = cut, "the last entries of the sequence name inputs that did not reach the disk: they are made anew");
            let at = &self.sequence;
            self.log.broker.truncate(&at.topic, at.partition, cut).map_err(|e| error(&format!("cannot mend {at}"), e))?;
        }
        let end = self.end(&self.sequence)?;
        let mut last = Vec::new();
        if end > 0 {
            let at = TopicPartition::new(&*self.sequence.topic, 0);
            self.log.source().fetch(&at, end - 1, 1, &mut last)?;
        }
        let ends = last.last().map(Self::ends_of).transpose()?.unwrap_or_default();
        for (topic, at) in self.topics.iter().enumerate() {
            let entitled = ends.get(topic).copied().unwrap_or(0);
            if self.end(at)? > entitled {
                // Written, but its entry was not: it was never visible, and will be made again.
                self.log.broker.truncate(&at.topic, at.partition, entitled).map_err(|e| error(&format!("cannot mend {at}"), e))?;
            }
        }
        self.ends = self.topics.iter().map(|at| self.end(at)).collect::<Result<_>>()?;
        Ok(())
    }

    fn commit(&mut self, entry: &Entry, outputs: Vec<Output>) -> Result<Box<dyn Ticket>> {
        let timestamp_ms = entry.timestamp_ms();
        let mut batches = Vec::with_capacity(outputs.len() + 1);
        let mut ends = self.ends.clone();
        for output in &outputs {
            self.batches(&self.topics[output.topic], timestamp_ms, &output.records, &mut batches)?;
            ends[output.topic] += output.records.len() as i64;
        }
        let key = serde_json::to_vec(&ends).map_err(|e| Error::bug("ends do not serialise").because(e))?;
        let place = Outgoing { key: Some(key.into()), value: entry.to_json().into() };
        // Last, so that whoever sees the entry sees its outputs, also after a kill that left the page cache whole.
        self.batches(&self.sequence, timestamp_ms, std::slice::from_ref(&place), &mut batches)?;
        let mut after: Vec<(broker::TopicPartition, i64)> = Vec::with_capacity(entry.runs.len());
        for run in &entry.runs {
            match after.iter_mut().find(|(at, _)| *at.topic == *run.topic && at.partition == run.partition) {
                Some((_, next)) => *next = run.last + 1,
                None => after.push((broker::TopicPartition::new(run.topic.as_str(), run.partition), run.last + 1)),
            }
        }
        self.refused = Some(Refused { batches, after, ends });
        self.commit_again()
    }

    fn commit_again(&mut self) -> Result<Box<dyn Ticket>> {
        let commit = self.refused.take().ok_or_else(|| Error::bug("no commit was refused"))?;
        match self.log.broker.append_group(commit.batches.clone(), &commit.after) {
            Ok(group) => {
                self.ends = commit.ends;
                Ok(Box::new(Group(group.durable)))
            }
            // All of a group is written or none.
            Err(e) => {
                let e = error("cannot write the results", e);
                self.refused = (e.kind == Kind::Retry).then_some(commit);
                Err(e)
            }
        }
    }

    fn complete(&mut self, entry: &Record, outputs: Vec<Output>) -> Result<()> {
        let ends = Self::ends_of(entry)?;
        let mut batches = Vec::new();
        for output in &outputs {
            let at = &self.topics[output.topic];
            let first = ends[output.topic] - output.records.len() as i64;
            let missing = (self.ends[output.topic] - first).clamp(0, output.records.len() as i64) as usize;
            self.batches(at, entry.timestamp_ms, &output.records[missing..], &mut batches)?;
            self.ends[output.topic] = self.ends[output.topic].max(ends[output.topic]);
        }
        if batches.is_empty() {
            return Ok(());
        }
        let group = self.log.broker.append_group(batches, &[]).map_err(|e| error("cannot complete the results", e))?;
        Box::new(Group(group.durable)).wait()
    }
}
