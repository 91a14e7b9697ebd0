//! The in-memory log passes the shared suite; and the loop mends what a crash left.

use domain::TopicPartition;
use pipeline::memory::{MemoryLog, MemorySink, MemorySource};
use pipeline::suite::{self, Harness};
use pipeline::{Batch, Entry, Mark, Outgoing, Output, Preparer, Run, Sink, SnapshotStep, Source, Stage};
use std::sync::{Arc, Mutex};

struct Memory(MemoryLog);

impl Harness for Memory {
    type Source = MemorySource;
    type Sink = MemorySink;

    fn create(&mut self, topic: &str, partitions: i32) {
        self.0.create(topic, partitions);
    }

    fn append(&mut self, at: &TopicPartition, timestamp_ms: i64, values: &[&[u8]]) {
        self.0.append(at, timestamp_ms, values.iter().map(|v| Outgoing { key: None, value: v.to_vec().into() }));
    }

    fn source(&mut self) -> MemorySource {
        self.0.source()
    }

    fn sink(&mut self) -> MemorySink {
        for topic in ["seq", "out-a", "out-b"] {
            self.0.create(topic, 1);
        }
        self.0.sink(TopicPartition::new("seq", 0), vec!["out-a".into(), "out-b".into()])
    }
}

#[test]
fn memory_passes_the_shared_suite() {
    suite::all(|| Memory(MemoryLog::default()));
}

#[test]
fn a_crash_between_outputs_and_entry_is_mended_both_ways() {
    let mut h = Memory(MemoryLog::default());
    let mut sink = h.sink();
    let output = |n: usize| vec![Output { topic: 0, records: vec![Outgoing { key: None, value: format!("{n}").into() }; n] }];
    let entry = Entry { first: 0, taken_at: 0, runs: Vec::new() };
    sink.commit(&entry, output(2)).unwrap().wait().unwrap();
    sink.commit(&entry, output(3)).unwrap().wait().unwrap();
    let (seq, out) = (TopicPartition::new("seq", 0), TopicPartition::new("out-a", 0));

    // The second entry is lost, its outputs are not: they were never visible and go.
    h.0.lose_from(&seq, 1);
    h.sink().recover(None).unwrap();
    assert_eq!(h.source().bounds(&out).unwrap(), (0, 2));

    // Part of the first entry's outputs is lost, the entry is not: they are made again, once.
    h.0.lose_from(&out, 1);
    let mut entries = Vec::new();
    h.source().fetch(&seq, 0, 1 << 20, &mut entries).unwrap();
    let mut sink = h.sink();
    sink.recover(None).unwrap();
    sink.complete(&entries[0], output(2)).unwrap();
    sink.complete(&entries[0], output(2)).unwrap();
    assert_eq!(h.source().bounds(&out).unwrap(), (0, 2));
}

/// Writes each value as it is; knows how many there were, and keeps the places of its snapshots.
#[derive(Default)]
struct Echo {
    seen: u64,
    /// A snapshot is due after so many records; never without.
    every: Option<u64>,
    begun: Option<u64>,
    written: Arc<Mutex<Vec<u64>>>,
    done: usize,
}

impl Stage for Echo {
    type Prepared = ();
    type Results = Vec<Outgoing>;
    type Answers = u64;

    fn preparer(&self) -> Preparer<()> {
        Box::new(|_, _| ())
    }

    fn process(&mut self, batch: &Batch<'_>, (): ()) -> domain::Result<Vec<Outgoing>> {
        self.seen += batch.records.len() as u64;
        Ok(batch.records.iter().map(|t| Outgoing { key: None, value: t.record.value.clone() }).collect())
    }

    fn render(records: Vec<Outgoing>, outputs: &mut [Output]) -> domain::Result<u64> {
        let count = records.len() as u64;
        outputs[0].records = records;
        Ok(count)
    }

    /// In two steps.
    fn snapshot(&mut self, mark: &Mark, _: bool) -> domain::Result<SnapshotStep> {
        if let Some(at) = self.begun.take() {
            let written = self.written.clone();
            return Ok(SnapshotStep::Write(Box::new(move || {
                written.lock().unwrap().push(at);
                Ok(())
            })));
        }
        if self.every.is_none_or(|every| !self.seen.is_multiple_of(every)) {
            return Ok(SnapshotStep::NotDue);
        }
        self.begun = Some(mark.sequence);
        Ok(SnapshotStep::Goes)
    }

    fn snapshot_done(&mut self) {
        self.done += 1;
    }
}

fn catch_up(h: &mut Memory) -> domain::Result<(Mark, u64)> {
    let (mut mark, mut stage) = (Mark::default(), Echo::default());
    let sequence = TopicPartition::new("seq", 0);
    pipeline::resume(&mut h.source(), &mut h.sink(), &sequence, 2, &mut mark, &mut stage)?;
    Ok((mark, stage.seen))
}

/// Records 0..5 of `in`, each an entry of its own with its output.
fn five_entries() -> Memory {
    let mut h = Memory(MemoryLog::default());
    h.create("in", 1);
    let mut sink = h.sink();
    for n in 0..5 {
        let value = format!("v{n}");
        h.append(&TopicPartition::new("in", 0), 0, &[value.as_bytes()]);
        let run = Run { topic: "in".into(), partition: 0, first: n, last: n, count: 1 };
        let entry = Entry { first: n as u64, taken_at: 0, runs: vec![run] };
        let output = Output { topic: 0, records: vec![Outgoing { key: None, value: value.into() }] };
        sink.commit(&entry, vec![output]).unwrap().wait().unwrap();
    }
    h
}

#[test]
fn entries_that_outlived_their_inputs_are_cut() {
    let mut h = five_entries();
    // The power went before the inputs were on disk; entries and outputs were.
    h.0.lose_from(&TopicPartition::new("in", 0), 3);
    let (mark, seen) = catch_up(&mut h).unwrap();
    assert_eq!((mark.sequence, mark.sequence_offset, seen), (3, 3, 3));
    assert_eq!(mark.position.next(&TopicPartition::new("in", 0)), 3, "what comes there now is new");
    let ends = |topic: &str| h.0.source().bounds(&TopicPartition::new(topic, 0)).unwrap();
    assert_eq!((ends("seq"), ends("out-a")), ((0, 3), (0, 3)));
}

/// Records 0..200 of `in`, each an entry of its own without output.
fn many_entries() -> Memory {
    let mut h = Memory(MemoryLog::default());
    h.create("in", 1);
    let mut sink = h.sink();
    for n in 0..200 {
        h.append(&TopicPartition::new("in", 0), 0, &[b"v"]);
        let run = Run { topic: "in".into(), partition: 0, first: n, last: n, count: 1 };
        sink.commit(&Entry { first: n as u64, taken_at: 0, runs: vec![run] }, Vec::new()).unwrap().wait().unwrap();
    }
    h
}

#[test]
fn catching_up_takes_snapshots_where_outputs_are_certain() {
    let mut h = many_entries();
    let (mut mark, mut stage) = (Mark::default(), Echo { every: Some(25), ..Echo::default() });
    pipeline::resume(&mut h.source(), &mut h.sink(), &TopicPartition::new("seq", 0), 2, &mut mark, &mut stage).unwrap();
    assert_eq!((mark.sequence, stage.seen), (200, 200));
    // The outputs of the last 64 entries may only be completed now, and are not on disk.
    assert_eq!(*stage.written.lock().unwrap(), [25, 50, 75, 100, 125]);
    assert_eq!(stage.done, 5);
}

#[test]
fn inputs_that_were_durable_and_are_gone_are_an_error() {
    let mut h = many_entries();
    // More than can have been under way: the topic was emptied, and nothing may be cut because of that.
    h.0.lose_from(&TopicPartition::new("in", 0), 0);
    assert_eq!(catch_up(&mut h).unwrap_err().kind, domain::Kind::Stop);
    assert_eq!(h.source().bounds(&TopicPartition::new("seq", 0)).unwrap(), (0, 200));
}
