//! The few seams: where records come from, where results go, what is done in between, and what time it is.

use crate::entry::Entry;
use crate::run::Mark;
use bytes::Bytes;
use domain::{Error, Micros, Result, TopicPartition};
use std::time::Duration;

/// One record as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    /// Milliseconds since 1970, as the producer or the broker set it.
    pub timestamp_ms: i64,
    pub key: Option<Bytes>,
    pub value: Bytes,
}

/// One record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub key: Option<Bytes>,
    pub value: Bytes,
}

/// What a batch adds to one output topic, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Index into the sink's topics.
    pub topic: usize,
    pub records: Vec<Outgoing>,
}

/// What is taken first among the records already fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Versions and lists.
    Control,
    /// Somebody waits for the answer.
    Urgent,
    Normal,
}

/// One partition that the scorer reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub at: TopicPartition,
    pub rank: Rank,
}

/// Reads the log. Only committed records are seen: those that are durable, or, where the sink's commits wait for the inputs they were
/// made from, those that will be.
///
/// An implementation keeps no position of its own that matters: the caller says from where. Reading on from where the last
/// `fetch` of a partition ended is the fast path.
pub trait Source: Send {
    /// The partitions of a topic, in order.
    ///
    /// # Errors
    /// Retry while the log is away; Stop where the topic does not exist.
    fn partitions(&mut self, topic: &str) -> Result<Vec<i32>>;

    /// The first offset still held, and the one the next record will get.
    fn bounds(&mut self, at: &TopicPartition) -> Result<(i64, i64)>;

    /// Appends to `out` the records from offset `from` on, in order, about `max_bytes` of them but at least one if there is one.
    /// Never waits for records to be written. Offsets may have gaps.
    ///
    /// # Errors
    /// Stop where `from` lies below the first offset held, or beyond the end (the log was replaced); Retry while the log is away.
    fn fetch(&mut self, at: &TopicPartition, from: i64, max_bytes: usize, out: &mut Vec<Record>) -> Result<()>;

    /// Returns when a partition has a record at or beyond the offset given for it, or after `timeout`.
    fn wait(&mut self, at: &[(TopicPartition, i64)], timeout: Duration) -> Result<()>;
}

/// Writes what a batch made, together with its entry in the sequence: a reader sees all of it or none.
pub trait Sink: Send {
    /// Mends what a crash left half-written. Called once, before anything else. Entries from offset `cut` of the sequence on, if one is
    /// given, name inputs that did not outlast the crash.
    ///
    /// # Errors
    /// Stop where that cannot be: entries become visible no sooner than their inputs are durable.
    fn recover(&mut self, cut: Option<i64>) -> Result<()>;

    /// Starts to write; it is durable and visible once the ticket says so, and the inputs that the entry names with it. Calls become
    /// visible in their order. The records carry the entry's time.
    ///
    /// # Errors
    /// Retry, such as while the disk is full: nothing of it was written, and [`Sink::commit_again`] comes before the next commit.
    fn commit(&mut self, entry: &Entry, outputs: Vec<Output>) -> Result<Box<dyn Ticket>>;

    /// Tries the commit again that was refused with Retry.
    fn commit_again(&mut self) -> Result<Box<dyn Ticket>> {
        Err(Error::bug("no commit was refused"))
    }

    /// The entry already stands in the sequence (a resume has just made its outputs again): writes what is missing of them, nothing twice.
    /// Called in the order of the entries.
    fn complete(&mut self, entry: &Record, outputs: Vec<Output>) -> Result<()>;
}

/// A commit under way.
pub trait Ticket: Send {
    /// Returns when the commit is durable.
    ///
    /// # Errors
    /// Stop: the log could not be written, and what was scored since must not be answered.
    fn wait(self: Box<Self>) -> Result<()>;
}

/// A record in its place.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// Index of its partition in the inputs.
    pub input: usize,
    pub sequence: u64,
    pub record: &'a Record,
}

/// Records in the order they were taken.
#[derive(Debug)]
pub struct Batch<'a> {
    pub inputs: &'a [Input],
    /// The sequence number of the first record.
    pub first: u64,
    pub taken_at: Micros,
    /// Where everything before this batch stands.
    pub mark: &'a Mark,
    pub records: &'a [Taken<'a>],
}

/// What is done with a batch: a pure function of everything it was handed so far.
pub trait Stage: Send {
    /// What was done of a batch before its turn.
    type Prepared: Send;
    /// What a batch came to, before it is put into bytes.
    type Results: Send;
    /// What waits for the batch to be durable, such as the answers to callers.
    type Answers: Send;

    /// Makes what does beforehand what needs no state, on the thread that takes the records, while the stage has the batches before.
    fn preparer(&self) -> Preparer<Self::Prepared>;

    /// # Errors
    /// Only Stop or Bug: a wrong record is no error but a result.
    fn process(&mut self, batch: &Batch<'_>, prepared: Self::Prepared) -> Result<Self::Results>;

    /// Adds the results as records to `outputs` (one a topic of the sink, empty at first). Needs nothing of the stage, so that another
    /// thread can do it while the stage has the next batch.
    ///
    /// # Errors
    /// Only Stop or Bug.
    fn render(results: Self::Results, outputs: &mut [Output]) -> Result<Self::Answers>;

    /// Called after `process` of the batch before `mark`, and while nothing comes; a snapshot may take several calls, so that none pauses
    /// scoring for long. With `force` it is all done at once, at `mark`.
    fn snapshot(&mut self, mark: &Mark, force: bool) -> Result<SnapshotStep>;

    /// How a finished snapshot is told to the stage, from the scoring thread.
    fn snapshot_done(&mut self);
}

/// Prepares a batch: its inputs, and each record with the index of its input.
pub type Preparer<P> = Box<dyn FnMut(&[Input], &[(usize, Record)]) -> P + Send>;

/// How far a snapshot is.
pub enum SnapshotStep {
    NotDue,
    /// Under way; call again.
    Goes,
    /// Taken. Its writing runs on a thread of its own, after everything before the mark is durable.
    Write(SnapshotWork),
}

/// The writing of a snapshot; after an error of kind Retry it may be done again.
pub type SnapshotWork = Box<dyn FnMut() -> Result<()> + Send>;

/// Tells the time; the only thing that does.
pub trait Clock: Send {
    /// Microseconds since 1970.
    fn now(&mut self) -> Micros;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&mut self) -> Micros {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
    }
}
