//! Lands everything that passes the log in the lake, as `bronze.*`, each record once. Like the store it is a reader of topics with positions
//! of its own, which stand in the tables themselves; scoring never waits for it, and what the log still has to keep for it is kept.
//!
//! What the scorer took is read by its sequence, so that each record's place in it is known. The table `bronze.sequence` is committed last of
//! all: where it stands, everything before is landed, and a start reads the sequence from there on. What a table has of that already is
//! passed over by its own positions.

mod convert;
mod follow;
mod round;
mod tables;
mod upkeep;
mod vectors;

use crate::log::Log;
use crate::topics;
use domain::{Error, Kind, Result, TopicPartition};
use lake::Lake;
use parking_lot::Mutex;
use project::{LakeSettings, Project};
use round::Round;
use scoring::Plan;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use telemetry::Metrics;

/// Its name among the readers of topics.
const READER: &str = "lake";

/// How long is waited before something is tried again: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How long is waited where an operator has to act: what is wrong may be put right without a restart.
const STUCK: Duration = Duration::from_secs(60);

/// How long a stop waits for what is under way to land; the next start lands the rest.
const PATIENCE: Duration = Duration::from_secs(2);

/// Below the process's own priority: who waits for a decision goes first.
const NICE: i32 = 10;

/// The topics that Sluice writes and that land as they are, whoever reads what they were made from.
const OUTPUTS: [&str; 6] =
    [topics::DECISIONS, topics::ALERTS, topics::FEATURES, topics::DEAD_LETTERS, topics::IMPORT_DEAD_LETTERS, topics::WEBHOOK_DEAD_LETTERS];

/// How far the lake is, for others to see.
#[derive(Debug, Default)]
pub struct Landed {
    /// The next decision that it lands.
    pub decisions: AtomicI64,
    /// The place in the sequence up to which everything is landed.
    pub sequence: AtomicU64,
    /// What keeps it from going on, while something does.
    pub trouble: Mutex<Option<String>>,
}

/// The lake's reader, running.
pub struct Landing {
    pub landed: Arc<Landed>,
    thread: JoinHandle<()>,
}

/// What it works with.
#[derive(Clone)]
pub struct Setup {
    pub log: Log,
    pub project: Arc<Project>,
    pub plan: Arc<Plan>,
    pub folder: PathBuf,
    /// From the first record of a round to its commit.
    pub round: Duration,
    pub metrics: Arc<Metrics>,
    pub stop: Arc<AtomicBool>,
}

/// Where a project has its lake; none where it has none.
pub fn place(settings: &LakeSettings, data: &Path) -> Option<PathBuf> {
    match settings {
        LakeSettings::Embedded => Some(data.join("lake")),
        LakeSettings::Folder(folder) => Some(folder.clone()),
        LakeSettings::Off => None,
    }
}

/// Tells the broker, before clients are served, that the lake needs everything, until it has said where it stands; or nothing, where there is
/// no lake.
///
/// # Errors
/// Retry: the log is away.
pub fn hold(log: &Log, project: &Project, lands: bool) -> Result<()> {
    if log.broker().is_none() {
        return Ok(());
    }
    let mut source = log.source()?;
    for topic in everything(project) {
        for partition in source.partitions(&topic)? {
            log.set_floor(&topic, partition, READER, lands.then_some(0))?;
        }
    }
    Ok(())
}

/// Every topic that lands.
fn everything(project: &Project) -> Vec<String> {
    let mut names: Vec<String> = OUTPUTS.iter().chain(&[topics::SEQUENCE, topics::CONTROL]).map(|t| (*t).to_owned()).collect();
    for spec in &project.streams {
        let topic = spec.stream.topic.to_string();
        if spec.stream.judged.is_some() {
            names.push(topics::predict(&topic));
        }
        names.push(topic);
    }
    names
}

/// Starts it; it never ends the instance.
///
/// # Errors
/// Stop: a thread cannot be started.
pub fn start(setup: Setup) -> Result<Landing> {
    let landed = Arc::new(Landed::default());
    let cannot = |e| Error::stop("could not start a thread", "raise the limit on threads").because(e);
    // Files are written by threads of this runtime, which stand back like the thread itself.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .thread_name("lake-io")
        .on_thread_start(stand_back)
        .enable_all()
        .build()
        .map_err(cannot)?;
    let thread = {
        let landed = landed.clone();
        std::thread::Builder::new().name("lake".into()).spawn(move || {
            stand_back();
            run(&setup, &landed, &runtime);
            runtime.shutdown_timeout(Duration::from_millis(500));
        })
    };
    Ok(Landing { landed, thread: thread.map_err(cannot)? })
}

impl Landing {
    /// Waits for it to end, after its `stop` was set; but not for a log or a storage that does not answer: the next start goes on from what is
    /// committed.
    pub fn join(self) {
        let until = Instant::now() + PATIENCE * 3 / 2;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        if !self.thread.is_finished() {
            tracing::warn!("the lake's reader is left behind; the next start lands what is missing");
        } else if self.thread.join().is_err() {
            tracing::error!("the lake's reader panicked");
        }
    }
}

/// A machine that does not let us is no reason to stop.
fn stand_back() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Lands until `stop` is set; whatever fails is tried again, from the tables' own positions.
fn run(setup: &Setup, landed: &Arc<Landed>, runtime: &tokio::runtime::Runtime) {
    let mut back_off = BACK_OFF.0;
    loop {
        let begun = Instant::now();
        match land(setup, landed, runtime) {
            Ok(()) => return,
            Err(e) => {
                *landed.trouble.lock() = Some(e.message.clone());
                setup.metrics.lake.retries.inc();
                if begun.elapsed() > BACK_OFF.1 {
                    back_off = BACK_OFF.0;
                }
                let wait = if e.kind == Kind::Retry { back_off } else { STUCK };
                back_off = (back_off * 2).min(BACK_OFF.1);
                if e.kind == Kind::Retry {
                    tracing::warn!(error = %e, wait_ms = wait.as_millis() as u64, "nothing lands in the lake now; trying again");
                } else {
                    tracing::error!(error = %e, wait_ms = wait.as_millis() as u64, "nothing lands in the lake until this is put right");
                }
                if pause(wait, &setup.stop) {
                    return;
                }
            }
        }
    }
}

/// Opens the tables and lands one round after the other.
fn land(setup: &Setup, landed: &Arc<Landed>, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let lake = Lake::open(&setup.folder)?;
    let tables = runtime.block_on(tables::open(&lake, setup))?;
    let mut upkeep = upkeep::Upkeep::start(&lake, &setup.metrics, runtime);
    let mut round = Round::new(setup, tables, landed.clone(), runtime)?;
    round.begin()?;
    let mut stopping: Option<Instant> = None;
    loop {
        if stopping.is_none() && setup.stop.load(Ordering::SeqCst) {
            stopping = Some(Instant::now());
        }
        let more = round.gather(stopping.is_some())?;
        if !more {
            if stopping.is_some() {
                break;
            }
            continue;
        }
        let commits = match stopping {
            None => runtime.block_on(round.commit())?,
            Some(since) => {
                let left = PATIENCE.saturating_sub(since.elapsed());
                match runtime.block_on(async { tokio::time::timeout(left, round.commit()).await }) {
                    Ok(commits) => commits?,
                    Err(_) => break,
                }
            }
        };
        landed.trouble.lock().take();
        upkeep.committed(&commits);
        round.set_floors_now_and_then()?;
    }
    upkeep.stop(runtime);
    Ok(())
}

/// Sleeps, but not for long after `stop` is set; says whether it is.
fn pause(length: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + length;
    while Instant::now() < until && !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
    }
    stop.load(Ordering::SeqCst)
}

/// A partition, for messages.
fn lost(at: &TopicPartition, from: i64, start: i64) -> Error {
    Error::stop(
        format!("the log holds {at} from {start} on, but the lake needs {from}"),
        "what lies between is lost to the lake; move its bronze folder away to land anew what the log still holds",
    )
}
