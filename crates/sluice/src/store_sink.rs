//! Brings decisions and dead letters from their topics into the store, with a position of its own. Scoring never waits for it: it is
//! only as far behind as the store is slow.

use crate::audit_sink::settled;
use crate::dead_letter::DeadLetter;
use crate::log::Log;
use crate::topics;
use domain::{Decision, Error, Kind, Position, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Record, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::{Batch, DeadLetterRecord, DecisionRecord, Store};

/// Bytes taken from each topic at a time.
const STEP_BYTES: usize = 4 << 20;

/// How often the store is made safe against a loss of power, so that the topics may forget what it holds.
const SYNC_EVERY: Duration = Duration::from_secs(10);

/// Under low load records are gathered this long: a commit for each would write the same pages over and over, and the disk's time for that is
/// taken from the log's syncs, which callers wait for.
const GATHER: Duration = Duration::from_millis(100);

/// From this many records on there is nothing to gather.
const ENOUGH: usize = 2_000;

/// How long is waited before something is tried again: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

const READER: &str = "store";

/// Decisions, then the topics of dead letters.
pub const READ: [&str; 3] = [topics::DECISIONS, topics::DEAD_LETTERS, topics::IMPORT_DEAD_LETTERS];

/// How far the store is, for others to see.
#[derive(Debug, Default)]
pub struct Lag {
    /// The next decision that the store reads.
    pub position: AtomicI64,
    /// How often the log or the store was away.
    pub retries: AtomicU64,
    /// What keeps the store from going on, while something does.
    pub trouble: Mutex<Option<String>>,
}

/// Tells the broker how far the store is before clients are served, so that retention cannot pass it.
pub fn set_floors(log: &Log, store: &dyn Store) -> Result<()> {
    let positions = store.positions()?;
    for topic in READ {
        let next = positions.next(&TopicPartition::new(topic, 0));
        log.set_floor(topic, 0, READER, Some(next))?;
    }
    Ok(())
}

/// Runs until `stop` is set and everything that stood in the topics then is stored. What can be tried again is, with longer and longer
/// pauses: a log or a store that is away is waited for.
pub fn run(log: &Log, store: &Arc<dyn Store>, stop: &AtomicBool, lag: &Lag) -> Result<()> {
    let mut back_off = BACK_OFF.0;
    let mut reader = Reader {
        source: log.source()?,
        // What asks for the bounds of a topic is not what reads it.
        asking: log.source()?,
        partitions: READ.map(|t| TopicPartition::new(t, 0)),
        stored: None,
    };
    let mut synced = Instant::now();
    loop {
        let stopping = stop.load(Ordering::SeqCst);
        let step = reader.step(&**store, stopping, lag).and_then(|done| {
            if synced.elapsed() >= SYNC_EVERY {
                synced = Instant::now();
                store.sync()?;
                set_floors(log, &**store)?;
            }
            Ok(done)
        });
        match step {
            Ok(true) => break,
            Ok(false) => {
                back_off = BACK_OFF.0;
                lag.trouble.lock().take();
            }
            Err(e) if e.kind == Kind::Retry => {
                lag.retries.fetch_add(1, Ordering::Relaxed);
                // A store that was away may have lost its last commits.
                reader.stored = None;
                *lag.trouble.lock() = Some(e.message.clone());
                tracing::warn!(error = %e, wait_ms = back_off.as_millis() as u64, "decisions are not stored now; trying again");
                if stopping {
                    // They are in the topic; the next start stores them.
                    return Ok(());
                }
                pause(back_off, stop);
                back_off = (back_off * 2).min(BACK_OFF.1);
            }
            Err(e) => return Err(e),
        }
    }
    settled(store.sync())
}

/// Sleeps, but not for long after `stop` is set.
fn pause(length: Duration, stop: &AtomicBool) {
    let until = Instant::now() + length;
    while Instant::now() < until && !stop.load(Ordering::SeqCst) {
        std::thread::sleep(BACK_OFF.0);
    }
}

/// Where the store stands in its topics.
struct Reader {
    source: Box<dyn Source>,
    asking: Box<dyn Source>,
    partitions: [TopicPartition; 3],
    /// None until the store was asked.
    stored: Option<Stored>,
}

/// How far the store is.
struct Stored {
    /// As it says.
    known: Position,
    /// What is read next: where the store never read a topic, its first record.
    next: Position,
}

impl Stored {
    fn next(&self, at: &TopicPartition) -> i64 {
        self.next.next(at)
    }
}

impl Reader {
    /// Stores what there is, or waits for more. True once there is nothing left and it is time to stop.
    fn step(&mut self, store: &dyn Store, stopping: bool, lag: &Lag) -> Result<bool> {
        let mut stored = match self.stored.take() {
            Some(stored) => stored,
            None => self.ask(store)?,
        };
        lag.position.store(stored.next(&self.partitions[0]), Ordering::Relaxed);
        let mut fetched: Vec<Vec<Record>> = Vec::with_capacity(READ.len());
        for at in &self.partitions {
            let mut records = Vec::new();
            self.source.fetch(at, stored.next(at), STEP_BYTES, &mut records)?;
            fetched.push(records);
        }
        if fetched.iter().all(Vec::is_empty) {
            if stopping {
                return Ok(true);
            }
            let at: Vec<_> = self.partitions.iter().map(|p| (p.clone(), stored.next(p))).collect();
            self.source.wait(&at, Duration::from_millis(200))?;
            self.stored = Some(stored);
            return Ok(false);
        }
        if !stopping && fetched.iter().map(Vec::len).sum::<usize>() < ENOUGH {
            std::thread::sleep(GATHER);
            for (at, records) in self.partitions.iter().zip(&mut fetched) {
                let next = records.last().map_or(stored.next(at), |r| r.offset + 1);
                self.source.fetch(at, next, STEP_BYTES, records)?;
            }
        }
        apply(store, &self.partitions, &stored, &fetched)?;
        for (at, records) in self.partitions.iter().zip(&fetched) {
            if let Some(last) = records.last() {
                stored.known.advance(at.clone(), last.offset + 1);
                stored.next.advance(at.clone(), last.offset + 1);
            }
        }
        lag.position.store(stored.next(&self.partitions[0]), Ordering::Relaxed);
        self.stored = Some(stored);
        Ok(false)
    }

    /// Where the store is. One that never read a topic begins where the topic does, which retention may have moved.
    fn ask(&mut self, store: &dyn Store) -> Result<Stored> {
        let known = store.positions()?;
        let mut next = known.clone();
        for at in &self.partitions {
            let (start, _) = self.asking.bounds(at)?;
            if start > 0 && !known.0.contains_key(at) {
                tracing::warn!(topic = at.topic, start, "the store is new, and what stood here before is gone from the log");
                next.advance(at.clone(), start);
            }
        }
        Ok(Stored { known, next })
    }
}

fn apply(store: &dyn Store, partitions: &[TopicPartition], stored: &Stored, fetched: &[Vec<Record>]) -> Result<()> {
    let unreadable = |topic: &str, offset: i64, e: &dyn std::fmt::Display| {
        Error::stop(
            format!("record {offset} of `{topic}` cannot be read: {e}"),
            "only Sluice writes this topic; restore the log folder from a backup",
        )
    };
    let mut decisions: Vec<(i64, Decision, &str)> = Vec::with_capacity(fetched[0].len());
    for record in &fetched[0] {
        let json = std::str::from_utf8(&record.value).map_err(|e| unreadable(topics::DECISIONS, record.offset, &e))?;
        let decision = serde_json::from_str(json).map_err(|e| unreadable(topics::DECISIONS, record.offset, &e))?;
        decisions.push((record.offset, decision, json));
    }
    let decisions: Vec<_> = decisions.iter().map(|(offset, decision, json)| DecisionRecord { offset: *offset, decision, json }).collect();
    let mut letters: Vec<Vec<(i64, store::DeadLetter)>> = Vec::new();
    for (at, records) in partitions.iter().zip(fetched).skip(1) {
        letters.push(read_letters(&at.topic, records)?);
    }
    let letters: Vec<Vec<_>> =
        letters.iter().map(|l| l.iter().map(|(offset, letter)| DeadLetterRecord { offset: *offset, letter }).collect()).collect();
    let mut batches = Vec::with_capacity(READ.len());
    for (n, (at, records)) in partitions.iter().zip(fetched).enumerate() {
        let Some(last) = records.last() else { continue };
        batches.push(Batch {
            topic: &at.topic,
            partition: at.partition,
            from: stored.known.next(at),
            next_offset: last.offset + 1,
            decisions: if n == 0 { &decisions } else { &[] },
            dead_letters: if n == 0 { &[] } else { &letters[n - 1] },
        });
    }
    store.apply(&batches).map(drop)
}

/// Anybody may write to the topic of imports, so what cannot be read there is itself a dead letter.
fn read_letters(topic: &str, records: &[Record]) -> Result<Vec<(i64, store::DeadLetter)>> {
    let mut letters = Vec::with_capacity(records.len());
    for record in records {
        let letter = match serde_json::from_slice::<DeadLetter>(&record.value) {
            Ok(letter) => {
                let raw = letter.raw_bytes();
                store::DeadLetter {
                    topic: letter.topic,
                    partition: letter.partition,
                    offset: letter.offset,
                    errors: letter.errors,
                    raw,
                    at: letter.taken_at,
                }
            }
            Err(e) => store::DeadLetter {
                topic: topic.to_owned(),
                partition: 0,
                offset: record.offset,
                errors: vec![domain::Rejection::record("not_a_dead_letter", e.to_string())],
                raw: record.value.to_vec(),
                at: record.timestamp_ms * 1000,
            },
        };
        letters.push((record.offset, letter));
    }
    Ok(letters)
}
