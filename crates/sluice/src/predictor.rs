//! The way from an HTTP call to a decision: transactions are checked, appended to the predict topic in groups, and answered when their
//! decision is durable. Nothing is appended that cannot be answered in time: the queue is bounded and its wait is estimated.

use crate::log::{Appender, Log};
use bytes::Bytes;
use domain::{Error, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Clock as _, SystemClock};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Most transactions between acceptance and answer.
pub const MOST_IN_FLIGHT: usize = 8192;

/// Most transactions in one append.
const GROUP: usize = 1024;

/// What scoring says of one appended transaction.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The decision, as its topic holds it.
    Decision(Bytes),
    /// The transaction was decided before: its sequence number, and how many decisions stand before that one.
    Before { sequence: u64, ordinal: i64 },
    /// It cannot be taken (it changed between check and scoring, or its id is known with other content).
    Rejected(Vec<domain::Rejection>),
}

/// Why a transaction was not appended or not answered.
#[derive(Clone, Debug)]
pub enum Refused {
    /// Too much is under way for the caller's deadline.
    Busy { retry_after: Duration },
    /// The log does not take it now.
    Unavailable(String),
}

struct Pending {
    value: Bytes,
    key: Bytes,
    reply: oneshot::Sender<Result<Answer, Refused>>,
}

struct Waiter {
    reply: oneshot::Sender<Result<Answer, Refused>>,
    since: Instant,
}

/// Appends and waits. One per process.
pub struct Predictor {
    queue: SyncSender<Pending>,
    waiting: Arc<Mutex<FxHashMap<i64, Waiter>>>,
    in_flight: Arc<AtomicUsize>,
    /// Nanoseconds from append to answer, smoothed.
    latency_ns: AtomicU64,
    log: Log,
}

impl Predictor {
    /// Starts the appending thread. `topic` exists and is written by nobody else.
    pub fn start(log: &Log, topic: &str) -> Result<Arc<Self>> {
        let appender = log.appender(topic)?;
        let (queue, pending) = sync_channel(MOST_IN_FLIGHT);
        let waiting: Arc<Mutex<FxHashMap<i64, Waiter>>> = Arc::default();
        let in_flight = Arc::new(AtomicUsize::new(0));
        let predictor = Arc::new(Self {
            queue,
            waiting: waiting.clone(),
            in_flight: in_flight.clone(),
            latency_ns: AtomicU64::new(0),
            log: log.clone(),
        });
        std::thread::Builder::new()
            .name("predict".into())
            .spawn(move || append_all(appender, &pending, &waiting, &in_flight))
            .map_err(|e| Error::stop("could not start the predict thread", "raise the limit on threads").because(e))?;
        Ok(predictor)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Queues transactions and hands back where their answers will come. All are queued or none.
    pub fn submit(
        &self,
        transactions: Vec<(Bytes, Bytes)>,
        deadline: Duration,
    ) -> Result<Vec<oneshot::Receiver<Result<Answer, Refused>>>, Refused> {
        let count = transactions.len();
        let before = self.in_flight.fetch_add(count, Ordering::AcqRel);
        // By Little's law the wait grows with what is under way; the smoothed latency stands for the present load.
        let expected = Duration::from_nanos(self.latency_ns.load(Ordering::Relaxed));
        if before + count > MOST_IN_FLIGHT || (expected > deadline && before > 0) {
            self.in_flight.fetch_sub(count, Ordering::AcqRel);
            return Err(Refused::Busy { retry_after: expected.max(Duration::from_secs(1)) });
        }
        let mut replies = Vec::with_capacity(count);
        for (n, (key, value)) in transactions.into_iter().enumerate() {
            let (reply, receiver) = oneshot::channel();
            match self.queue.try_send(Pending { value, key, reply }) {
                Ok(()) => replies.push(receiver),
                // The counter bounds the queue, so this is the end of the thread behind it.
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    self.in_flight.fetch_sub(count - n, Ordering::AcqRel);
                    return Err(Refused::Unavailable("shutting down".into()));
                }
            }
        }
        Ok(replies)
    }

    /// Called in order, once the decisions at these offsets of the predict topic are durable.
    /// `took` is told how long each was under way.
    pub fn answer(&self, answers: impl IntoIterator<Item = (i64, Answer)>, took: impl Fn(Duration)) {
        for (offset, answer) in answers {
            // Without a waiter it is from before a restart.
            if let Some(waiter) = self.waiting.lock().remove(&offset) {
                let elapsed = waiter.since.elapsed();
                took(elapsed);
                let elapsed = elapsed.as_nanos() as u64;
                let smoothed = self.latency_ns.load(Ordering::Relaxed);
                self.latency_ns.store(smoothed - smoothed / 8 + elapsed / 8, Ordering::Relaxed);
                self.in_flight.fetch_sub(1, Ordering::AcqRel);
                let _ = waiter.reply.send(Ok(answer));
            }
        }
    }

    /// Reads a decision given before: the one of this sequence number, at this offset of its topic or (where the log has gaps) behind it.
    pub fn decision_of(&self, sequence: u64, ordinal: i64) -> Result<Bytes> {
        let missing = || Error::retry(format!("the decision of sequence {sequence} is not to be had any more"));
        let at = TopicPartition::new(crate::topics::DECISIONS, 0);
        let mut source = self.log.source()?;
        let (start, end) = source.bounds(&at)?;
        // Decisions stand in the order of their sequence numbers; offsets only run ahead of the count.
        let (mut low, mut high) = (ordinal.max(start), end);
        let mut records = Vec::new();
        let mut middle = low;
        while low < high {
            records.clear();
            source.fetch(&at, middle, 1, &mut records)?;
            let Some(record) = records.first() else { break };
            let found: Place = serde_json::from_slice(&record.value).map_err(|e| Error::bug("a decision cannot be read").because(e))?;
            match found.sequence.cmp(&sequence) {
                std::cmp::Ordering::Equal => return Ok(record.value.clone()),
                std::cmp::Ordering::Less => low = record.offset + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
            middle = low + (high - low) / 2;
        }
        Err(missing())
    }
}

/// What is read of a decision to find it.
#[derive(serde::Deserialize)]
struct Place {
    sequence: u64,
}

fn append_all(mut appender: Appender, pending: &Receiver<Pending>, waiting: &Mutex<FxHashMap<i64, Waiter>>, in_flight: &AtomicUsize) {
    while let Ok(first) = pending.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(more) = pending.try_recv()
        {
            group.push(more);
        }
        let now = SystemClock.now() / 1000;
        let records: Vec<(Bytes, Bytes)> = group.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
        // Held over the append, so that no answer can come before its waiter is known.
        let mut waiters = waiting.lock();
        match appender.append(&records, now) {
            Ok(offsets) => {
                let since = Instant::now();
                for (p, offset) in group.into_iter().zip(offsets) {
                    waiters.insert(offset, Waiter { reply: p.reply, since });
                }
            }
            Err(e) => {
                drop(waiters);
                in_flight.fetch_sub(group.len(), Ordering::AcqRel);
                let reason = e.to_string();
                for p in group {
                    let _ = p.reply.send(Err(Refused::Unavailable(reason.clone())));
                }
            }
        }
    }
}
