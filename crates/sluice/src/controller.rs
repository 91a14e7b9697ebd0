//! The one writer of the control topic: checks a deploy or a change of lists against what stands there, appends it, and waits until it has
//! taken its place in the sequence. What it knows is what the topic says, so it needs no state of its own; without a scorer (offline)
//! it only writes.

use crate::log::Log;
use crate::topics;
use crate::versions::{Activation, Archive, Cause, Control, Version};
use domain::{Error, Micros, Rejection, Result, Text};
use parking_lot::{Condvar, Mutex, MutexGuard};
use pipeline::{Clock as _, SystemClock};
use project::Diagnostic;
use rules::{Addition, Existing, ListChange, ListState, Removal};
use scoring::Plan;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Metrics;

mod deploy;
mod lists;
mod start;

pub use deploy::{Deployed, What, restart_message};
pub use lists::{Changed, Listing};

/// How long a change may wait for the one before it, and then for its place in the sequence.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a change was not made.
#[derive(Debug)]
pub enum Refused {
    /// The project has mistakes.
    Mistakes(Vec<Diagnostic>),
    /// What it changes (named) cannot change while the instance runs.
    Restart(Vec<String>),
    /// There is no such list or version; what there is instead.
    Unknown(String),
    /// Wrong in itself.
    Invalid(Vec<Rejection>),
    /// It contradicts what is.
    Conflict(String),
    /// Another change is under way, or the scorer does not come to this one.
    Later(String),
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Who changes something, and why.
#[derive(Clone, Debug, Default)]
pub struct Author {
    pub who: String,
    pub why: String,
}

/// Compiled versions that the scorer may be told to activate, so that it need not compile them itself.
#[derive(Clone, Default)]
pub struct Ready(Arc<Mutex<Vec<Arc<Plan>>>>);

impl Ready {
    pub fn find(&self, digest: &str) -> Option<Arc<Plan>> {
        self.0.lock().iter().find(|p| p.digest == digest).cloned()
    }

    fn add(&self, plan: &Arc<Plan>) {
        let mut ready = self.0.lock();
        ready.retain(|p| p.digest != plan.digest);
        ready.push(plan.clone());
    }

    /// Keeps this one alone. What is dropped is dropped here, and not on the scoring thread.
    fn keep(&self, digest: &str) {
        let gone: Vec<_> = self.0.lock().extract_if(.., |p| p.digest != digest).collect();
        drop(gone);
    }
}

/// What the control topic says, as far as it was read.
struct Known {
    archive: Archive,
    /// Offset and activation, the oldest first.
    activations: Vec<(i64, Activation)>,
    /// Over the files of the active version, once that is loaded.
    lists: ListState,
    active: Option<Version>,
}

impl Known {
    fn read_on(&mut self) -> Result<()> {
        let (activations, lists) = (&mut self.activations, &mut self.lists);
        self.archive.read_on(|offset, control| {
            control.change_lists(lists);
            if let Control::Activate(mut activation) = control {
                activation.forget = Vec::new();
                activations.push((offset, activation));
            }
            Ok(())
        })
    }

    /// The active version, loaded from the archive if it has not been met yet.
    fn active(&mut self) -> Result<Version> {
        if let Some(active) = &self.active {
            return Ok(active.clone());
        }
        let (_, activation) = self
            .activations
            .last()
            .ok_or_else(|| Error::stop("no project version is active on this log yet", "start an instance on it first: `sluice up`"))?;
        let version = self.archive.load(&activation.digest.clone())?;
        self.activate(version.clone());
        Ok(version)
    }

    fn activate(&mut self, version: Version) {
        self.lists.rebase(&version.plan.lists);
        self.active = Some(version);
    }
}

/// Where the scorer is in the control topic: offset and sequence number of the last record that is durable.
type Taken = Option<(i64, u64)>;

pub struct Controller {
    log: Log,
    metrics: Option<Arc<Metrics>>,
    ready: Ready,
    /// Held over the whole of a change: one after the other.
    writer: Mutex<()>,
    known: Mutex<Known>,
    taken: Mutex<Taken>,
    moved: Condvar,
}

impl Controller {
    /// Reads the control topic. With `metrics` a scorer takes what is written, and changes wait for that.
    pub fn open(log: &Log, metrics: Option<Arc<Metrics>>) -> Result<Arc<Self>> {
        let mut known = Known { archive: Archive::new(log.source()?), activations: Vec::new(), lists: ListState::new(&[]), active: None };
        known.read_on()?;
        Ok(Arc::new(Self {
            log: log.clone(),
            metrics,
            ready: Ready::default(),
            writer: Mutex::new(()),
            known: Mutex::new(known),
            taken: Mutex::new(None),
            moved: Condvar::new(),
        }))
    }

    /// Where the scorer finds compiled versions.
    pub fn ready(&self) -> Ready {
        self.ready.clone()
    }

    /// The scorer has taken the record at this offset, and its place is durable.
    pub fn taken(&self, offset: i64, sequence: u64) {
        *self.taken.lock() = Some((offset, sequence));
        self.moved.notify_all();
    }

    fn writer(&self) -> Result<MutexGuard<'_, ()>, Refused> {
        self.writer.try_lock_for(PATIENCE).ok_or_else(|| Refused::Later("other changes are under way; nothing was changed".into()))
    }

    /// Appends, and takes note. Gives the offset of the last record once all are durable.
    fn append(&self, records: &[Control]) -> Result<i64> {
        let records: Vec<_> = records.iter().map(Control::record).collect::<Result<_>>()?;
        let last = self.log.append(topics::CONTROL, SystemClock.now() / 1000, &records)?;
        self.known.lock().read_on()?;
        Ok(last)
    }

    /// Waits until the scorer has come to this offset. Its sequence number; none where there is no scorer.
    fn wait(&self, offset: i64) -> Result<Option<u64>, Refused> {
        if self.metrics.is_none() {
            return Ok(None);
        }
        let until = Instant::now() + PATIENCE;
        let mut taken = self.taken.lock();
        loop {
            if let Some((at, sequence)) = *taken
                && at >= offset
            {
                return Ok(Some(sequence));
            }
            if self.moved.wait_until(&mut taken, until).timed_out() {
                return Err(Refused::Later(
                    "the change is written and will take effect, but the scorer did not come to it in time; ask again whether it has"
                        .into(),
                ));
            }
        }
    }
}

fn now() -> Micros {
    SystemClock.now()
}

#[cfg(test)]
mod tests;
