//! The one loop: take, process, commit, answer; and the same way again from the written sequence.

use crate::entry::Entry;
use crate::seams::{Batch, Clock, Input, Outgoing, Output, Record, Sink, SnapshotStep, Source, Stage, Taken, Ticket};
use crate::sequencer::Sequencer;
use domain::{Error, Kind, Position, Result, TopicPartition};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
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

/// Bounds of the loop.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most records in one batch.
    pub batch_records: usize,
    /// Bytes fetched ahead per partition.
    pub fetch_bytes: usize,
    /// Most batches scored and not yet durable.
    pub ahead: usize,
    /// How often inputs are asked for new partitions.
    pub refresh: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_records: 1024, fetch_bytes: 1 << 20, ahead: 32, refresh: Duration::from_secs(5) }
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

/// How often records that the sequence names are asked for before they count as lost.
const FETCH_TRIES: usize = 20;

fn empty_outputs(topics: usize) -> Vec<Output> {
    (0..topics).map(|topic| Output { topic, records: Vec::new() }).collect()
}

/// Follows the written sequence from `mark` to its end, giving each entry, its record and its batch's results to `each`. Moves `mark`.
/// `topics` is the number of output topics.
///
/// # Errors
/// Stop where the sequence has a gap or names records that the log no longer holds.
pub fn replay<S: Stage>(
    source: &mut dyn Source,
    sequence: &TopicPartition,
    topics: usize,
    mark: &mut Mark,
    stage: &mut S,
    mut each: impl FnMut(&mut dyn Source, &mut S, &Record, &Entry, Vec<Output>, &Mark) -> Result<()>,
) -> Result<()> {
    let mut inputs: Vec<Input> = Vec::new();
    let mut index: FxHashMap<TopicPartition, usize> = FxHashMap::default();
    // Records read ahead of the entries that name them, per input.
    let mut ahead: Vec<std::collections::VecDeque<Record>> = Vec::new();
    let (_, end) = source.bounds(sequence)?;
    let mut entries = Vec::new();
    while mark.sequence_offset < end {
        entries.clear();
        source.fetch(sequence, mark.sequence_offset, 1 << 20, &mut entries)?;
        if entries.is_empty() {
            break;
        }
        for record in &entries {
            let entry = Entry::from_json(&record.value, record.offset)?;
            if entry.next() <= mark.sequence {
                // Already in the snapshot: offsets of a cluster's log have gaps, so the mark's may lie a little too low.
                mark.sequence_offset = record.offset + 1;
                continue;
            }
            if entry.first != mark.sequence {
                return Err(Error::stop(
                    format!("the sequence goes on at {} where {} was expected", entry.first, mark.sequence),
                    "the sequence topic and the state do not belong together; restore both from one backup, or remove the state folder to rebuild it from the log",
                ));
            }
            let before = mark.clone();
            let mut taken: Vec<(usize, Record)> = Vec::new();
            for run in &entry.runs {
                let at = run.at();
                let i = *index.entry(at.clone()).or_insert_with(|| {
                    inputs.push(Input { at: at.clone(), rank: crate::seams::Rank::Normal });
                    ahead.push(std::collections::VecDeque::new());
                    inputs.len() - 1
                });
                let mut from = run.first;
                let mut left = run.count;
                while left > 0 {
                    while ahead[i].front().is_some_and(|r| r.offset < from) {
                        ahead[i].pop_front();
                    }
                    if ahead[i].front().is_none_or(|r| r.offset > run.last) {
                        ahead[i].clear();
                        // A cluster may take its time to bring what it holds.
                        for _ in 0..FETCH_TRIES {
                            let mut more = Vec::new();
                            source.fetch(&at, from, 1 << 20, &mut more)?;
                            ahead[i].extend(more);
                            if !ahead[i].is_empty() {
                                break;
                            }
                        }
                    }
                    match ahead[i].pop_front() {
                        Some(r) if r.offset >= from && r.offset <= run.last => {
                            from = r.offset + 1;
                            left -= 1;
                            taken.push((i, r));
                        }
                        _ => {
                            return Err(Error::stop(
                                format!("{at} no longer holds offsets {from} to {} that the sequence names", run.last),
                                "the input's retention passed the scorer; start from a snapshot or restore the topic",
                            ));
                        }
                    }
                }
                mark.position.advance(at, run.last + 1);
            }
            let mut outputs = empty_outputs(topics);
            {
                let records: Vec<Taken<'_>> = taken
                    .iter()
                    .enumerate()
                    .map(|(n, (input, record))| Taken { input: *input, sequence: entry.first + n as u64, record })
                    .collect();
                let batch = Batch { inputs: &inputs, first: entry.first, taken_at: entry.taken_at, mark: &before, records: &records };
                stage.process(&batch, &mut outputs)?;
            }
            mark.sequence = entry.next();
            mark.sequence_offset = record.offset + 1;
            each(source, stage, record, &entry, outputs, mark)?;
        }
    }
    Ok(())
}

/// Brings the stage from its snapshot's mark to the end of the written sequence, and the outputs with it. Returns how many
/// records were processed again.
pub fn resume<S: Stage>(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    sequence: &TopicPartition,
    topics: usize,
    mark: &mut Mark,
    stage: &mut S,
) -> Result<u64> {
    sink.recover()?;
    let from = mark.sequence;
    replay(source, sequence, topics, mark, stage, |_, _, record, _, outputs, _| sink.complete(record, outputs))?;
    Ok(mark.sequence - from)
}

struct Pending<A> {
    ticket: Box<dyn Ticket>,
    answers: A,
    next: u64,
}

/// Lets threads wait until a sequence number is durable.
#[derive(Default)]
struct Durable {
    state: Mutex<(u64, bool)>,
    moved: Condvar,
}

impl Durable {
    fn advance(&self, next: u64) {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).0 = next;
        self.moved.notify_all();
    }

    fn fail(&self) {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).1 = true;
        self.moved.notify_all();
    }

    /// Whether everything below `next` became durable; false where writing failed.
    fn wait(&self, next: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        while state.0 < next && !state.1 {
            state = self.moved.wait(state).unwrap_or_else(|e| e.into_inner());
        }
        state.0 >= next
    }
}

/// Runs until stopped: takes what there is, processes it, commits it, and hands the answers to `deliver` once they are durable.
/// `discover` lists the inputs (asked again from time to time, so that new partitions are read from their start).
///
/// # Errors
/// Stop or Bug, after which nothing that was not durable has been answered. Retry errors of the source are waited out here.
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
    let inputs = discover(source)?;
    let mut sequencer = Sequencer::new(inputs, &mark.position, options.fetch_bytes);
    let progress = &*handle.progress;
    progress.taken.store(mark.sequence, Ordering::Relaxed);
    progress.durable.store(mark.sequence, Ordering::Relaxed);
    let durable = Durable::default();
    durable.advance(mark.sequence);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let (commits, pending) = sync_channel::<Pending<S::Answers>>(options.ahead);
    let (durable_ref, failed_ref) = (&durable, &failed);

    std::thread::scope(|scope| {
        let committer = std::thread::Builder::new()
            .name("commit".into())
            .spawn_scoped(scope, move || wait_commits(&pending, deliver, progress, durable_ref, failed_ref))
            .map_err(|e| Error::stop("could not start the commit thread", "raise the limit on threads").because(e))?;
        let outcome = take_until_stopped(
            source,
            sink,
            clock,
            stage,
            mark,
            &mut discover,
            &mut sequencer,
            &commits,
            options,
            topics,
            handle,
            &durable,
            scope,
        );
        drop(commits);
        let _ = committer.join();
        // A failed commit is the cause; that the loop then found its channel closed is only the consequence.
        match failed.lock().unwrap_or_else(|e| e.into_inner()).take() {
            Some(e) => Err(e),
            None => outcome,
        }
    })
}

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
            durable.fail();
            return;
        }
        progress.durable.store(next, Ordering::Release);
        durable.advance(next);
        deliver(answers);
    }
}

fn take_until_stopped<'scope, 'env, S: Stage>(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    clock: &mut dyn Clock,
    stage: &mut S,
    mark: &mut Mark,
    discover: &mut impl FnMut(&mut dyn Source) -> Result<Vec<Input>>,
    sequencer: &mut Sequencer,
    commits: &SyncSender<Pending<S::Answers>>,
    options: &Options,
    topics: usize,
    handle: &Handle,
    durable: &'env Durable,
    scope: &'scope std::thread::Scope<'scope, 'env>,
) -> Result<()> {
    let progress = &*handle.progress;
    let mut taken: Vec<(usize, Record)> = Vec::new();
    let mut refreshed = Instant::now();
    let mut last_taken_at = i64::MIN;
    let mut snapshot: Option<std::thread::ScopedJoinHandle<'scope, Result<()>>> = None;
    let mut back_off = Duration::from_millis(50);
    // A snapshot is being taken step by step, also while nothing comes.
    let mut snapshot_pending = false;
    while !handle.stopping() {
        if refreshed.elapsed() >= options.refresh {
            refreshed = Instant::now();
            match discover(source) {
                Ok(inputs) => inputs.into_iter().for_each(|input| {
                    let from = mark.position.next(&input.at);
                    sequencer.add(input, from);
                }),
                Err(e) if e.kind == Kind::Retry => tracing::warn!(error = %e, "could not list the inputs"),
                Err(e) => return Err(e),
            }
        }
        match sequencer.fill(source) {
            Ok(true) => back_off = Duration::from_millis(50),
            Ok(false) => {
                source.wait(&sequencer.ends(), if snapshot_pending { Duration::ZERO } else { Duration::from_millis(100) })?;
                snapshot_pending = step_snapshot(stage, mark, &mut snapshot, progress, durable, scope)?;
                continue;
            }
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(error = %e, wait_ms = back_off.as_millis() as u64, "the log is away; trying again");
                std::thread::sleep(back_off);
                back_off = (back_off * 2).min(Duration::from_secs(5));
                continue;
            }
            Err(e) => return Err(e),
        }
        // A clock that steps back must not make time run backwards in decisions.
        last_taken_at = last_taken_at.max(clock.now());
        let entry = sequencer.take(mark.sequence, last_taken_at, options.batch_records, &mut taken);
        let mut outputs = empty_outputs(topics);
        let answers = {
            let records: Vec<Taken<'_>> = taken
                .iter()
                .enumerate()
                .map(|(n, (input, record))| Taken { input: *input, sequence: entry.first + n as u64, record })
                .collect();
            let batch = Batch { inputs: sequencer.inputs(), first: entry.first, taken_at: entry.taken_at, mark, records: &records };
            stage.process(&batch, &mut outputs)?
        };
        let ticket = sink.commit(Outgoing { key: None, value: entry.to_json().into() }, outputs, entry.taken_at.div_euclid(1000))?;
        mark.sequence = entry.next();
        mark.sequence_offset += 1;
        mark.position = sequencer.position();
        progress.taken.store(mark.sequence, Ordering::Relaxed);
        progress.batches.fetch_add(1, Ordering::Relaxed);
        let stalled = Instant::now();
        if commits.send(Pending { ticket, answers, next: mark.sequence }).is_err() {
            return Err(Error::bug("the commit thread ended"));
        }
        progress.stalled_ns.fetch_add(stalled.elapsed().as_nanos() as u64, Ordering::Relaxed);
        snapshot_pending = step_snapshot(stage, mark, &mut snapshot, progress, durable, scope)?;
    }
    finish_snapshot(stage, &mut snapshot, progress, true)?;
    // The last snapshot, so that the next start has nothing to do again.
    if let SnapshotStep::Write(work) = stage.snapshot(mark, true)?
        && durable.wait(mark.sequence)
    {
        work()?;
        stage.snapshot_done();
    }
    Ok(())
}

/// One step of the snapshot, if one is due or under way; says whether it needs another.
fn step_snapshot<'scope, 'env, S: Stage>(
    stage: &mut S,
    mark: &Mark,
    snapshot: &mut Option<std::thread::ScopedJoinHandle<'scope, Result<()>>>,
    progress: &Progress,
    durable: &'env Durable,
    scope: &'scope std::thread::Scope<'scope, 'env>,
) -> Result<bool> {
    finish_snapshot(stage, snapshot, progress, false)?;
    if snapshot.is_some() {
        return Ok(false);
    }
    let begun = Instant::now();
    let step = stage.snapshot(mark, false)?;
    let pause = begun.elapsed().as_nanos() as u64;
    match step {
        SnapshotStep::NotDue => return Ok(false),
        SnapshotStep::Goes => {}
        SnapshotStep::Write(work) => {
            let next = mark.sequence;
            *snapshot = Some(scope.spawn(move || if durable.wait(next) { work() } else { Ok(()) }));
        }
    }
    progress.snapshot_pause_ns.fetch_max(pause, Ordering::Relaxed);
    Ok(snapshot.is_none())
}

/// Tells the stage of a snapshot that has been written. A failed one is not fatal: the one before still stands.
fn finish_snapshot<S: Stage>(
    stage: &mut S,
    snapshot: &mut Option<std::thread::ScopedJoinHandle<'_, Result<()>>>,
    progress: &Progress,
    wait: bool,
) -> Result<()> {
    if snapshot.as_ref().is_some_and(|s| wait || s.is_finished())
        && let Some(done) = snapshot.take()
    {
        match done.join() {
            Ok(Ok(())) => {
                progress.snapshots.fetch_add(1, Ordering::Relaxed);
                stage.snapshot_done();
            }
            Ok(Err(e)) => {
                return Err(Error::stop(
                    "the snapshot could not be written",
                    "free room on the disk of the state folder, then start again; nothing is lost",
                )
                .because(e));
            }
            Err(_) => return Err(Error::bug("the snapshot thread panicked")),
        }
    }
    Ok(())
}
