//! The one loop: take, process, render, commit, answer.
//!
//! ```text
//! take (fetch, order, prepare) --> process (the stage, its state) --> render (results to records), begin the commit --> wait for the disk, answer
//! ```
//! Each step has a thread of its own, with a short queue before it that keeps the order; a small batch goes through the first three on
//! the thread that took it, where nothing is under way before it.

use crate::entry::Entry;
use crate::lane::{Feed, Lane, Work};
use crate::seams::{Batch, Clock, Input, Output, Preparer, Record, Sink, Source, Stage, Taken, Ticket};
use crate::sequencer::Sequencer;
use crate::snapshots::{Durable, Snapshots};
use domain::{Error, Kind, Position, Result, TopicPartition};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// How far the scorer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The sequence number the next record gets.
    pub sequence: u64,
    /// The next offset to read in the sequence topic.
    pub sequence_offset: i64,
    pub position: Position,
}

/// Most batches that were taken and are not durable yet: what `ahead` and the queues between the steps may hold together.
pub(crate) const MOST_UNDER_WAY: usize = 64;

/// Batches that may wait before a step. More would only make them smaller.
const QUEUED: usize = 2;

/// A batch below this part of a full one is small: whoever took it also processes it.
const SMALL_PART: usize = 4;

/// Bounds of the loop.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most records in one batch.
    pub batch_records: usize,
    /// Bytes fetched ahead per partition.
    pub fetch_bytes: usize,
    /// Most batches scored and not yet durable; well below [`MOST_UNDER_WAY`].
    pub ahead: usize,
    /// How often inputs are asked for new partitions.
    pub refresh: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_records: 1024, fetch_bytes: 256 << 10, ahead: 32, refresh: Duration::from_secs(5) }
    }
}

/// What the loop tells others while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Next sequence number to be taken.
    pub taken: AtomicU64,
    /// Every record below this number is durable with its results.
    pub durable: AtomicU64,
    pub batches: AtomicU64,
    /// Nanoseconds spent waiting for earlier batches to become durable.
    pub stalled_ns: AtomicU64,
    /// Nanoseconds of the longest pause that a snapshot caused.
    pub snapshot_pause_ns: AtomicU64,
    pub snapshots: AtomicU64,
    /// How often the log was away when it was asked.
    pub retries: AtomicU64,
}

/// Stops the loop from outside.
#[derive(Clone, Debug, Default)]
pub struct Handle {
    stop: Arc<AtomicBool>,
    pub progress: Arc<Progress>,
}

impl Handle {
    /// The loop ends after the batch at hand, with everything durable and a last snapshot.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

pub(crate) fn empty_outputs(topics: usize) -> Vec<Output> {
    (0..topics).map(|topic| Output { topic, records: Vec::new() }).collect()
}

/// Records in their order, and what was done of them already.
struct Ordered<P> {
    prepared: P,
    entry: Entry,
    inputs: Arc<[Input]>,
    records: Vec<(usize, Record)>,
}

/// The stage at its work.
struct Processing<'a, S: Stage> {
    stage: &'a mut S,
    mark: &'a mut Mark,
    /// None once the loop has ended.
    rendering: Option<Feed<'a, Rendering<'a, S>>>,
    snapshots: Snapshots,
    progress: &'a Progress,
}

impl<S: Stage> Work for Processing<'_, S> {
    type Item = Ordered<S::Prepared>;

    fn run(&mut self, Ordered { prepared, entry, inputs, records }: Self::Item, small: bool) -> Result<()> {
        let results = {
            let records: Vec<Taken<'_>> = records
                .iter()
                .enumerate()
                .map(|(n, (input, record))| Taken { input: *input, sequence: entry.first + n as u64, record })
                .collect();
            let batch = Batch { inputs: &inputs, first: entry.first, taken_at: entry.taken_at, mark: self.mark, records: &records };
            self.stage.process(&batch, prepared)?
        };
        drop(records);
        self.mark.sequence = entry.next();
        self.mark.sequence_offset += 1;
        for run in &entry.runs {
            self.mark.position.advance(run.at(), run.last + 1);
        }
        self.progress.taken.store(self.mark.sequence, Ordering::Relaxed);
        self.progress.batches.fetch_add(1, Ordering::Relaxed);
        match &self.rendering {
            Some(rendering) => rendering.bring((entry, results), small)?,
            None => return Err(Error::bug("a batch came after the end of the loop")),
        }
        self.snapshots.step(self.stage, self.mark, self.progress).map(drop)
    }
}

/// What becomes of results: records, and a commit under way.
struct Rendering<'a, S: Stage> {
    sink: &'a mut dyn Sink,
    /// How many output topics there are.
    topics: usize,
    /// None once the loop has ended.
    commits: Option<SyncSender<Pending<S::Answers>>>,
    handle: &'a Handle,
}

impl<S: Stage> Work for Rendering<'_, S> {
    type Item = (Entry, S::Results);

    fn run(&mut self, (entry, results): Self::Item, _small: bool) -> Result<()> {
        let mut outputs = empty_outputs(self.topics);
        let answers = S::render(results, &mut outputs)?;
        let mut outputs = Some(outputs);
        let ticket = patiently(self.handle, "results cannot be written", || match outputs.take() {
            Some(outputs) => self.sink.commit(&entry, outputs),
            None => self.sink.commit_again(),
        })?;
        let ticket = ticket.ok_or_else(|| {
            Error::stop(
                "stopped while results could not be written",
                "free room on the disk of the data folder, then start again; nothing is lost",
            )
        })?;
        let stalled = Instant::now();
        let pending = Pending { ticket, answers, next: entry.next() };
        let sent = self.commits.as_ref().is_some_and(|commits| commits.send(pending).is_ok());
        self.handle.progress.stalled_ns.fetch_add(stalled.elapsed().as_nanos() as u64, Ordering::Relaxed);
        if sent { Ok(()) } else { Err(Error::bug("the commit thread ended")) }
    }
}

/// A commit under way, and who waits for it.
struct Pending<A> {
    ticket: Box<dyn Ticket>,
    answers: A,
    next: u64,
}

/// Runs until stopped: takes what there is, processes it, commits it, and hands the answers to `deliver` once they are durable.
/// `discover` lists the inputs (asked again from time to time, so that new partitions are read from their start).
///
/// # Errors
/// Stop or Bug, after which nothing that was not durable has been answered. Retry errors of source and sink are waited out here.
pub fn run<S: Stage>(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    clock: &mut dyn Clock,
    stage: &mut S,
    mark: &mut Mark,
    mut discover: impl FnMut(&mut dyn Source) -> Result<Vec<Input>>,
    deliver: impl FnMut(S::Answers) + Send,
    options: &Options,
    topics: usize,
    handle: &Handle,
) -> Result<()> {
    let listed = patiently(handle, "could not list the inputs", || {
        let (inputs, mut begun) = (discover(source)?, mark.position.clone());
        for input in &inputs {
            begun.advance(input.at.clone(), beginning(source, &mark.position, &input.at)?);
        }
        Ok((inputs, begun))
    })?;
    let Some((inputs, begun)) = listed else { return Ok(()) };
    let mut taking = Taking {
        sequencer: Sequencer::new(inputs, &begun, options.fetch_bytes),
        begun,
        next: mark.sequence,
        last_taken_at: i64::MIN,
        options,
        handle,
    };
    let progress = &*handle.progress;
    progress.taken.store(mark.sequence, Ordering::Relaxed);
    progress.durable.store(mark.sequence, Ordering::Relaxed);
    let mut prepare = stage.preparer();
    let durable = Durable::at(mark.sequence);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    // Told to the one who takes, who may never again have something to bring.
    let broken = AtomicBool::new(false);
    let (commits, pending) = sync_channel::<Pending<S::Answers>>(options.ahead);
    let rendering = Lane::new(Rendering::<S> { sink, topics, commits: Some(commits), handle });
    let (render, rendered) = rendering.feed(QUEUED);
    let snapshots = Snapshots::new(durable.clone());
    let processing = Lane::new(Processing { stage, mark, rendering: Some(render), snapshots, progress });
    let (process, processed) = processing.feed(QUEUED);

    let outcome = std::thread::scope(|scope| {
        let (durable, failed, broken, processing, rendering) = (&*durable, &failed, &broken, &processing, &rendering);
        // A thread that ends, however it ends, closes its queue, and so the loop.
        let name = |name: &str| std::thread::Builder::new().name(name.into());
        let threads = [
            name("process").spawn_scoped(scope, move || processing.serve(&processed)),
            name("render").spawn_scoped(scope, move || rendering.serve(&rendered)),
            name("commit").spawn_scoped(scope, move || {
                wait_commits(&pending, deliver, progress, durable, failed);
                broken.store(true, Ordering::Release);
            }),
        ];
        let outcome = match threads.iter().all(std::result::Result::is_ok) {
            true => taking.until_stopped(source, clock, &mut discover, &mut prepare, &process, broken),
            false => Err(Error::stop("could not start a thread", "raise the limit on threads")),
        };
        // One after the other does what it was brought, and ends.
        let join = |thread: std::io::Result<ScopedJoinHandle<'_, ()>>| thread.is_ok_and(|thread| thread.join().is_err());
        let [processed, rendered, committed] = threads;
        drop(process);
        let mut panicked = join(processed);
        processing.lock().rendering = None;
        panicked |= join(rendered);
        rendering.lock().commits = None;
        panicked |= join(committed);
        if panicked { Err(Error::bug("a thread of the loop panicked; see the log")) } else { outcome }
    });
    durable.end();
    // The last step that failed is the cause; that those before it found its queue closed is only the consequence.
    let cause = failed.into_inner().unwrap_or_else(|e| e.into_inner()).or_else(|| rendering.failure()).or_else(|| processing.failure());
    match (cause, outcome) {
        (Some(e), _) | (None, Err(e)) => Err(e),
        (None, Ok(())) => {
            let Processing { stage, mark, snapshots, .. } = processing.into_inner();
            snapshots.last(stage, mark, progress)
        }
    }
}

/// Waits until commits are durable, in their order, and tells who waits for them.
fn wait_commits<A>(
    pending: &Receiver<Pending<A>>,
    mut deliver: impl FnMut(A),
    progress: &Progress,
    durable: &Durable,
    failed: &Mutex<Option<Error>>,
) {
    while let Ok(Pending { ticket, answers, next }) = pending.recv() {
        if let Err(e) = ticket.wait() {
            *failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(e);
            return;
        }
        progress.durable.store(next, Ordering::Release);
        durable.advance(next);
        deliver(answers);
    }
}

/// Fetches and puts in order.
struct Taking<'a> {
    sequencer: Sequencer,
    /// Where inputs stood when the loop began.
    begun: Position,
    /// The sequence number of the next record.
    next: u64,
    last_taken_at: i64,
    options: &'a Options,
    handle: &'a Handle,
}

impl Taking<'_> {
    fn until_stopped<S: Stage>(
        &mut self,
        source: &mut dyn Source,
        clock: &mut dyn Clock,
        discover: &mut impl FnMut(&mut dyn Source) -> Result<Vec<Input>>,
        prepare: &mut Preparer<S::Prepared>,
        process: &Feed<'_, Processing<'_, S>>,
        broken: &AtomicBool,
    ) -> Result<()> {
        let options = self.options;
        let mut refreshed = Instant::now();
        // All of them begin to be read before the first is waited for.
        patiently(self.handle, "the log is away", || source.wait(self.sequencer.ends(), Duration::ZERO))?;
        while !self.handle.stopping() && !broken.load(Ordering::Acquire) {
            if refreshed.elapsed() >= options.refresh {
                refreshed = Instant::now();
                match discover(source).and_then(|inputs| self.add(source, inputs)) {
                    Ok(()) => {}
                    Err(e) if e.kind == Kind::Retry => tracing::warn!(error = %e, "could not list the inputs"),
                    Err(e) => return Err(e),
                }
            }
            let filled = patiently(self.handle, "the log is away", || self.sequencer.fill(source))?;
            match filled {
                None => break,
                Some(true) => self.take(clock, prepare, process)?,
                Some(false) => {
                    // A snapshot is taken step by step, also while nothing comes.
                    let timeout = match process.idle() {
                        Some(mut processing) => {
                            if processing.step_snapshot()? {
                                Duration::ZERO
                            } else {
                                IDLE
                            }
                        }
                        None => BUSY,
                    };
                    patiently(self.handle, "the log is away", || source.wait(self.sequencer.ends(), timeout))?;
                }
            }
        }
        Ok(())
    }

    /// Reads partitions that have appeared. What the loop has not read yet stands where it stood at its beginning.
    fn add(&mut self, source: &mut dyn Source, inputs: Vec<Input>) -> Result<()> {
        for input in inputs {
            if self.sequencer.inputs().iter().all(|known| known.at != input.at) {
                let from = beginning(source, &self.begun, &input.at)?;
                self.sequencer.add(input, from);
            }
        }
        Ok(())
    }

    fn take<S: Stage>(
        &mut self,
        clock: &mut dyn Clock,
        prepare: &mut Preparer<S::Prepared>,
        process: &Feed<'_, Processing<'_, S>>,
    ) -> Result<()> {
        // A clock that steps back must not make time run backwards in decisions.
        self.last_taken_at = self.last_taken_at.max(clock.now());
        let most = self.options.batch_records;
        let mut records = Vec::new();
        let entry = self.sequencer.take(self.next, self.last_taken_at, most, &mut records);
        self.next = entry.next();
        let small = records.len() < most.div_ceil(SMALL_PART);
        let inputs = self.sequencer.inputs();
        process.bring(Ordered { prepared: prepare(&inputs, &records), entry, inputs, records }, small)
    }
}

impl<S: Stage> Processing<'_, S> {
    /// Says whether the snapshot needs another step.
    fn step_snapshot(&mut self) -> Result<bool> {
        self.snapshots.step(self.stage, self.mark, self.progress)
    }
}

/// Where a partition is read from: behind what was taken of it; where nothing was, at the first record that it holds.
fn beginning(source: &mut dyn Source, position: &Position, at: &TopicPartition) -> Result<i64> {
    if let Some(next) = position.0.get(at) {
        return Ok(*next);
    }
    let (start, _) = source.bounds(at)?;
    if start > 0 {
        tracing::warn!(partition = %at, start, "records that stood before the first one held were never read here");
    }
    Ok(start)
}

/// How long nothing may come before inputs and snapshots are looked after; and how long while a batch is processed elsewhere.
const IDLE: Duration = Duration::from_millis(100);
const BUSY: Duration = Duration::from_millis(2);

/// How long is waited before the log is asked again: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Tries again what can be tried again, with longer and longer pauses. None if the loop was told to stop meanwhile.
fn patiently<T>(handle: &Handle, what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<Option<T>> {
    let mut back_off = BACK_OFF.0;
    loop {
        match attempt() {
            Ok(done) => return Ok(Some(done)),
            Err(e) if e.kind == Kind::Retry => {
                handle.progress.retries.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(error = %e, wait_ms = back_off.as_millis() as u64, "{what}; trying again");
                let until = Instant::now() + back_off;
                while Instant::now() < until {
                    if handle.stopping() {
                        return Ok(None);
                    }
                    std::thread::sleep(BACK_OFF.0.min(until.saturating_duration_since(Instant::now())));
                }
                back_off = (back_off * 2).min(BACK_OFF.1);
            }
            Err(e) => return Err(e),
        }
    }
}
