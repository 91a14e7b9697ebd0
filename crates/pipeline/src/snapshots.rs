//! Snapshots beside the loop: taken in steps between batches, written by a thread of their own once everything before them is durable.

use crate::run::{Mark, Progress};
use crate::seams::{SnapshotStep, SnapshotWork, Stage};
use domain::{Error, Kind, Result};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two attempts to write a snapshot.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Lets threads wait until a sequence number is durable.
pub(crate) struct Durable {
    /// The number, and whether it will rise no more.
    state: Mutex<(u64, bool)>,
    moved: Condvar,
}

impl Durable {
    pub(crate) fn at(next: u64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new((next, false)), moved: Condvar::new() })
    }

    pub(crate) fn advance(&self, next: u64) {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).0 = next;
        self.moved.notify_all();
    }

    /// Nothing more will become durable.
    pub(crate) fn end(&self) {
        self.state.lock().unwrap_or_else(|e| e.into_inner()).1 = true;
        self.moved.notify_all();
    }

    /// Waits, at most until the loop ends. Whether it goes on.
    fn pause(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let (state, _) = self.moved.wait_timeout_while(state, time, |state| !state.1).unwrap_or_else(|e| e.into_inner());
        !state.1
    }

    /// Whether everything below `next` became durable; false where the loop ended before.
    fn wait(&self, next: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        while state.0 < next && !state.1 {
            state = self.moved.wait(state).unwrap_or_else(|e| e.into_inner());
        }
        state.0 >= next
    }
}

/// Does the work, again and again while only time can help: what judges goes on meanwhile, from memory.
fn persist(mut work: SnapshotWork, durable: &Durable) -> Result<()> {
    let mut wait = FIRST_WAIT;
    loop {
        match work() {
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(error = %e, wait_ms = wait.as_millis() as u64, "the snapshot cannot be written now; trying again");
                if !durable.pause(wait) {
                    return Err(e);
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            other => return other,
        }
    }
}

/// The one snapshot that may be under way.
pub(crate) struct Snapshots {
    durable: Arc<Durable>,
    writing: Option<JoinHandle<Result<()>>>,
}

impl Snapshots {
    pub(crate) fn new(durable: Arc<Durable>) -> Self {
        Self { durable, writing: None }
    }

    /// One step of the snapshot, if one is due or under way; says whether it needs another.
    ///
    /// # Errors
    /// Of the stage; Stop if a snapshot could not be written.
    pub(crate) fn step<S: Stage>(&mut self, stage: &mut S, mark: &Mark, progress: &Progress) -> Result<bool> {
        self.finish(stage, progress, false)?;
        if self.writing.is_some() {
            return Ok(false);
        }
        let begun = Instant::now();
        let step = stage.snapshot(mark, false)?;
        let pause = begun.elapsed().as_nanos() as u64;
        match step {
            SnapshotStep::NotDue => return Ok(false),
            SnapshotStep::Goes => {}
            SnapshotStep::Write(work) => {
                let (durable, next) = (self.durable.clone(), mark.sequence);
                let write = move || if durable.wait(next) { persist(work, &durable) } else { Ok(()) };
                let thread = std::thread::Builder::new().name("snapshot".into()).spawn(write);
                self.writing =
                    Some(thread.map_err(|e| Error::stop("could not start the snapshot thread", "raise the limit on threads").because(e))?);
            }
        }
        progress.snapshot_pause_ns.fetch_max(pause, Ordering::Relaxed);
        Ok(self.writing.is_none())
    }

    /// The last snapshot, once everything is durable, so that the next start has nothing to do again.
    pub(crate) fn last<S: Stage>(mut self, stage: &mut S, mark: &Mark, progress: &Progress) -> Result<()> {
        let last = self.finish(stage, progress, true).and_then(|()| stage.snapshot(mark, true)).and_then(|step| match step {
            SnapshotStep::Write(mut work) if self.durable.wait(mark.sequence) => work().map(|()| stage.snapshot_done()),
            _ => Ok(()),
        });
        match last {
            // Nothing is lost: the snapshot before holds.
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(error = %e, "there is no last snapshot: the next start has more to do");
                Ok(())
            }
            other => other,
        }
    }

    /// Tells the stage of a snapshot that has been written.
    fn finish<S: Stage>(&mut self, stage: &mut S, progress: &Progress, wait: bool) -> Result<()> {
        if self.writing.as_ref().is_none_or(|writing| !wait && !writing.is_finished()) {
            return Ok(());
        }
        let Some(writing) = self.writing.take() else { return Ok(()) };
        match writing.join() {
            Ok(Ok(())) => {
                progress.snapshots.fetch_add(1, Ordering::Relaxed);
                stage.snapshot_done();
                Ok(())
            }
            // It was tried until the loop ended.
            Ok(Err(e)) if e.kind == Kind::Retry => Err(e),
            Ok(Err(e)) => Err(Error::stop(
                "the snapshot could not be written",
                "check the disk of the state folder, then start again; nothing is lost",
            )
            .because(e)),
            Err(_) => Err(Error::bug("the snapshot thread panicked")),
        }
    }
}
