//! The in-memory log passes the shared suite; and the loop mends what a crash left.

use domain::TopicPartition;
use pipeline::memory::{MemoryLog, MemorySink, MemorySource};
use pipeline::suite::{self, Harness};
use pipeline::{Outgoing, Output, Sink, Source};

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
    let entry = || Outgoing { key: None, value: "{}".into() };
    sink.commit(entry(), output(2), 0).unwrap().wait().unwrap();
    sink.commit(entry(), output(3), 0).unwrap().wait().unwrap();
    let (seq, out) = (TopicPartition::new("seq", 0), TopicPartition::new("out-a", 0));

    // The second entry is lost, its outputs are not: they were never visible and go.
    h.0.lose_from(&seq, 1);
    h.sink().recover().unwrap();
    assert_eq!(h.source().bounds(&out).unwrap(), (0, 2));

    // Part of the first entry's outputs is lost, the entry is not: they are made again, once.
    h.0.lose_from(&out, 1);
    let mut entries = Vec::new();
    h.source().fetch(&seq, 0, 1 << 20, &mut entries).unwrap();
    let mut sink = h.sink();
    sink.recover().unwrap();
    sink.complete(&entries[0], output(2)).unwrap();
    sink.complete(&entries[0], output(2)).unwrap();
    assert_eq!(h.source().bounds(&out).unwrap(), (0, 2));
}
