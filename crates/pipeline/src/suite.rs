//! What every log must do, whichever it is: one suite for memory, the embedded broker and a cluster. Called from tests; panics
//! with what was expected.

use crate::replay::{replay, resume};
use crate::run::{self, Handle, Mark, Options};
use crate::seams::{Batch, Clock, Input, Outgoing, Output, Preparer, Rank, Record, Sink, SnapshotStep, Source, Stage};
use bytes::Bytes;
use domain::{Kind, Micros, Result, TopicPartition};
use std::time::Duration;

/// How the suite gets at a log. Every call of `source` and `sink` is a fresh one on the same log, as after a restart.
pub trait Harness {
    type Source: Source;
    type Sink: Sink;

    /// Creates a topic and appends records to its partitions, as a producer would.
    fn create(&mut self, topic: &str, partitions: i32);
    fn append(&mut self, at: &TopicPartition, timestamp_ms: i64, values: &[&[u8]]);
    fn source(&mut self) -> Self::Source;
    /// Writes to the sequence `seq` and the outputs `out-a` and `out-b`, which exist then.
    fn sink(&mut self) -> Self::Sink;
}

const OUTPUTS: [&str; 2] = ["out-a", "out-b"];

fn sequence() -> TopicPartition {
    TopicPartition::new("seq", 0)
}

/// Runs all of it. `name` makes topics unique on a log that outlives the test.
pub fn all<H: Harness>(mut make: impl FnMut() -> H) {
    reads_what_was_written(&mut make());
    refuses_offsets_out_of_range(&mut make());
    wait_wakes_on_data(&mut make());
    every_record_is_processed_once_over_restarts(&mut make());
    batches_of_every_size_keep_their_order(&mut make());
    order_of_taking(&mut make());
}

fn read_all(source: &mut dyn Source, at: &TopicPartition) -> Vec<Record> {
    let (mut from, end) = source.bounds(at).expect("bounds");
    let mut all = Vec::new();
    while from < end {
        let before = all.len();
        source.fetch(at, from, 1 << 20, &mut all).expect("fetch");
        match all.last() {
            Some(last) if all.len() > before => from = last.offset + 1,
            // Only markers are left.
            _ => break,
        }
    }
    all
}

fn reads_what_was_written<H: Harness>(h: &mut H) {
    h.create("in", 2);
    let at = TopicPartition::new("in", 1);
    h.append(&at, 1000, &[b"a", b"b"]);
    h.append(&at, 2000, &[b"c"]);
    let mut source = h.source();
    assert_eq!(source.partitions("in").expect("partitions"), [0, 1]);
    assert_eq!(source.bounds(&at).expect("bounds"), (0, 3));
    let mut out = Vec::new();
    source.fetch(&at, 0, 1 << 20, &mut out).expect("fetch");
    let seen: Vec<_> = out.iter().map(|r| (r.offset, r.timestamp_ms, &r.value[..])).collect();
    assert_eq!(seen, [(0, 1000, &b"a"[..]), (1, 1000, b"b"), (2, 2000, b"c")]);
    out.clear();
    source.fetch(&at, 2, 1, &mut out).expect("fetch");
    assert_eq!(out.len(), 1, "at least one record, whatever the limit");
    assert_eq!(out[0].value, Bytes::from_static(b"c"), "a fetch starts at its offset, also inside a batch");
    out.clear();
    source.fetch(&at, 3, 1 << 20, &mut out).expect("fetch at the end");
    assert!(out.is_empty());
    assert_eq!(source.partitions("nowhere").expect_err("no such topic").kind, Kind::Stop);
}

fn refuses_offsets_out_of_range<H: Harness>(h: &mut H) {
    h.create("in", 1);
    let at = TopicPartition::new("in", 0);
    h.append(&at, 0, &[b"a"]);
    let error = h.source().fetch(&at, 5, 1 << 20, &mut Vec::new()).expect_err("beyond the end");
    assert_eq!(error.kind, Kind::Stop);
    assert!(error.hint.is_some(), "a stop says what to do");
}

fn wait_wakes_on_data<H: Harness>(h: &mut H) {
    h.create("in", 1);
    let at = TopicPartition::new("in", 0);
    let mut source = h.source();
    source.wait(&[(at.clone(), 0)], Duration::from_millis(10)).expect("a wait may end with nothing");
    h.append(&at, 0, &[b"a"]);
    source.wait(&[(at.clone(), 0)], Duration::from_secs(20)).expect("wait");
    let mut out = Vec::new();
    source.fetch(&at, 0, 1 << 20, &mut out).expect("fetch");
    assert_eq!(out.len(), 1);
}

/// Copies each value to `out-a` with its sequence number, and every second one to `out-b`. Keeps a running count as its state.
#[derive(Debug, Default)]
struct Copy {
    seen: u64,
}

impl Stage for Copy {
    type Prepared = ();
    type Results = Vec<(u64, String)>;
    type Answers = u64;

    fn preparer(&self) -> Preparer<()> {
        Box::new(|_, _| ())
    }

    fn process(&mut self, batch: &Batch<'_>, (): ()) -> Result<Vec<(u64, String)>> {
        let mut lines = Vec::new();
        for taken in batch.records {
            self.seen += 1;
            let line = format!("{} {} {}", taken.sequence, self.seen, String::from_utf8_lossy(&taken.record.value));
            lines.push((self.seen, line));
        }
        Ok(lines)
    }

    fn render(lines: Vec<(u64, String)>, outputs: &mut [Output]) -> Result<u64> {
        let count = lines.len() as u64;
        for (seen, line) in lines {
            if seen.is_multiple_of(2) {
                outputs[1].records.push(Outgoing { key: None, value: line.clone().into() });
            }
            outputs[0].records.push(Outgoing { key: None, value: line.into() });
        }
        Ok(count)
    }

    fn snapshot(&mut self, _: &Mark, _: bool) -> Result<SnapshotStep> {
        Ok(SnapshotStep::NotDue)
    }

    fn snapshot_done(&mut self) {}
}

struct Ticks(Micros);

impl Clock for Ticks {
    fn now(&mut self) -> Micros {
        self.0 += 1;
        self.0
    }
}

fn discover(source: &mut dyn Source) -> Result<Vec<Input>> {
    Ok(source.partitions("in")?.into_iter().map(|p| Input { at: TopicPartition::new("in", p), rank: Rank::Normal }).collect())
}

/// Resumes from `mark` (a snapshot that knows `stage`), then runs until `until` records were taken in all.
fn run_until<H: Harness>(h: &mut H, mark: Mark, stage: Copy, until: u64) -> (Mark, Copy) {
    run_sized(h, mark, stage, until, 3)
}

fn run_sized<H: Harness>(h: &mut H, mut mark: Mark, mut stage: Copy, until: u64, batch_records: usize) -> (Mark, Copy) {
    let (mut source, mut sink) = (h.source(), h.sink());
    resume(&mut source, &mut sink, &sequence(), OUTPUTS.len(), &mut mark, &mut stage).expect("resume");
    let handle = Handle::default();
    let stop = handle.clone();
    let mut delivered = mark.sequence;
    if delivered < until {
        run::run(
            &mut source,
            &mut sink,
            &mut Ticks(0),
            &mut stage,
            &mut mark,
            discover,
            |n| {
                delivered += n;
                if delivered >= until {
                    stop.stop();
                }
            },
            &Options { batch_records, ..Options::default() },
            OUTPUTS.len(),
            &handle,
        )
        .expect("run");
    }
    (mark, stage)
}

fn every_record_is_processed_once_over_restarts<H: Harness>(h: &mut H) {
    h.create("in", 3);
    let values: Vec<String> = (0..60).map(|i| format!("v{i}")).collect();
    for (i, value) in values.iter().enumerate() {
        h.append(&TopicPartition::new("in", (i % 3) as i32), i as i64 * 70, &[value.as_bytes()]);
    }
    // A first life without a snapshot, a second from the beginning, a third from what the second knew.
    run_until(h, Mark::default(), Copy::default(), 20);
    let (mark, stage) = run_until(h, Mark::default(), Copy::default(), 40);
    assert!(mark.sequence >= 40 && stage.seen == mark.sequence);
    let (mark, stage) = run_until(h, mark, stage, 60);
    assert_eq!((mark.sequence, stage.seen), (60, 60));
    let mut source = h.source();
    let a = read_all(&mut source, &TopicPartition::new("out-a", 0));
    let b = read_all(&mut source, &TopicPartition::new("out-b", 0));
    assert_eq!((a.len(), b.len()), (60, 30));
    let mut copied: Vec<String> = Vec::new();
    for (i, record) in a.iter().enumerate() {
        let line = String::from_utf8_lossy(&record.value).into_owned();
        let (place, value) = line.rsplit_once(' ').expect("three words");
        assert_eq!(place, format!("{i} {}", i + 1), "the sequence has no gap and repeats nothing");
        copied.push(value.to_owned());
    }
    copied.sort_by_key(|v| v[1..].parse::<u32>().expect("a number"));
    assert_eq!(copied, values);
    // The written sequence gives the same outputs again.
    let mut again = Vec::new();
    replay(&mut source, &sequence(), OUTPUTS.len(), &mut Mark::default(), &mut Copy::default(), |_, _, _, _, outputs, _| {
        again.extend(outputs.into_iter().next().map(|o| o.records).unwrap_or_default());
        Ok(())
    })
    .expect("replay");
    assert!(again.iter().map(|r| &r.value).eq(a.iter().map(|r| &r.value)));
}

fn batches_of_every_size_keep_their_order<H: Harness>(h: &mut H) {
    h.create("in", 2);
    let mut count = 0u64;
    // Some batches are small and processed where they were taken, others are handed from thread to thread.
    for (n, records) in [1usize, 40, 2, 90, 1, 1, 30, 120, 3].into_iter().enumerate() {
        let values: Vec<String> = (0..records)
            .map(|_| {
                count += 1;
                format!("v{count}")
            })
            .collect();
        let values: Vec<&[u8]> = values.iter().map(|v| v.as_bytes()).collect();
        h.append(&TopicPartition::new("in", (n % 2) as i32), n as i64 * 1000, &values);
    }
    let (mark, stage) = run_sized(h, Mark::default(), Copy::default(), count, 32);
    assert_eq!((mark.sequence, stage.seen), (count, count));
    let out = read_all(&mut h.source(), &TopicPartition::new("out-a", 0));
    let places: Vec<String> = out.iter().map(|r| String::from_utf8_lossy(&r.value).into_owned()).collect();
    assert_eq!(places.len() as u64, count);
    for (i, line) in places.iter().enumerate() {
        assert!(line.starts_with(&format!("{i} {} v", i + 1)), "record {i} is {line}");
    }
}

fn order_of_taking<H: Harness>(h: &mut H) {
    h.create("in", 1);
    h.create("urgent", 1);
    h.create("control", 1);
    let at = |t: &str| TopicPartition::new(t, 0);
    h.append(&at("in"), 1000, &[b"normal"]);
    h.append(&at("urgent"), 2000, &[b"urgent"]);
    h.append(&at("control"), 3000, &[b"control"]);
    let inputs = vec![
        Input { at: at("in"), rank: Rank::Normal },
        Input { at: at("urgent"), rank: Rank::Urgent },
        Input { at: at("control"), rank: Rank::Control },
    ];
    let mut sequencer = crate::Sequencer::new(inputs, &domain::Position::default(), 1 << 20);
    let mut source = h.source();
    assert!(sequencer.fill(&mut source).expect("fill"));
    let mut out = Vec::new();
    let control = sequencer.take(0, 0, 100, &mut out);
    let rest = sequencer.take(control.next(), 0, 100, &mut out);
    let topics = |entry: &crate::Entry| entry.runs.iter().map(|r| r.topic.clone()).collect::<Vec<_>>();
    assert_eq!((topics(&control), topics(&rest)), (vec!["control".to_owned()], vec!["urgent".to_owned(), "in".to_owned()]));
}
