//! The small job that other engines were measured on, through the whole instance: a preloaded topic in, decisions out, everything
//! durable, the store off. The clock stops when the last decision is on disk.

use super::preload::{self, Preloaded};
use super::projects::{self, Events};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::{EPOCH, peer, runtime, scaled, usage};
use crate::instance::{Instance, Settings};
use crate::topics;
use domain::{Error, Result};
use scoring::Plan;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const EVENTS: u64 = 2_000_000;
const PEER_EVENTS: u64 = 200_000;
const ACCOUNTS: u64 = 50_000;
/// Ten events a second of event time: an account's day holds some seventeen.
const STEP: i64 = 100_000;
const PEER_TOPIC: &str = "bench-peer";
const PATIENCE: Duration = Duration::from_secs(600);

pub fn run(scale: f64) -> Result<Report> {
    let runtime = runtime()?;
    let project = Arc::new(projects::small()?);
    let plan = Arc::new(Plan::compile(&project).map_err(|_| Error::bug("a generated project does not compile"))?);
    let scratch = Scratch::new("stream")?;
    let count = scaled(EVENTS, scale);
    let mut events = Events::new(EPOCH, STEP, ACCOUNTS);
    let Preloaded { bytes, seconds: filled, .. } = preload::fill(scratch.path(), &project, &mut events, count, runtime.handle())?;
    let mut report = Report::new(
        "stream",
        format!(
            "count and sum over 10 minutes, 1 and 24 hours an account, {} rules; {count} events of {} bytes preloaded in 4 partitions (LZ4), \
             decisions and feature vectors out, each batch and its place in the sequence synced to disk; store off; broker included",
            plan.rules.rules().len(),
            bytes / count
        ),
    );

    let settings = Settings {
        project: project.clone(),
        plan,
        data: scratch.path().to_owned(),
        kafka: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        listener: project::ListenerSettings::default(),
        store: false,
        lake: None,
        lake_every: Duration::from_secs(1),
        state_memory: 1 << 30,
        snapshot_every: Duration::from_secs(10),
    };
    let used = usage::own();
    let instance = Instance::start(settings, runtime.handle())?;
    let begun = Instant::now();
    let progress = instance.handle.progress.clone();
    let before = progress.durable.load(Ordering::Acquire);
    // Everything in the topic, and the project's own version before it.
    let until = begun + PATIENCE;
    while decided(&instance)? < count {
        if let Some(reason) = instance.failure() {
            return Err(Error::bug(reason));
        }
        if Instant::now() > until {
            return Err(Error::stop("the events were not judged in time", "use a smaller --scale"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = usage::own();
    let taken = progress.durable.load(Ordering::Acquire);
    if decided(&instance)? != count {
        return Err(Error::bug(format!("{count} events gave {} decisions", decided(&instance)?)));
    }
    let (batches, stalled) = (progress.batches.load(Ordering::Relaxed), progress.stalled_ns.load(Ordering::Relaxed));
    let pause = progress.snapshot_pause_ns.load(Ordering::Relaxed);

    let few = PEER_EVENTS.min(count);
    broker(&instance)?
        .create_topic(PEER_TOPIC, broker::TopicConfig::partitions(4))
        .map_err(|e| kafka::embedded::error("cannot create a topic", e))?;
    let judged = project.judged().map(|s| s.stream.topic.to_string()).unwrap_or_default();
    let script = peer::run(peer::KAFKA_WINDOWS, &scratch, &[&instance.kafka.to_string(), &judged, PEER_TOPIC, &few.to_string()]);
    runtime.block_on(instance.stop())?;

    let peer_named = format!("Python, confluent-kafka and dicts, one process, not durable, {few} events");
    let peer = script.as_ref().ok();
    report.push(
        Figure::new("transactions judged", (taken - before).min(count) as f64 / seconds, "/s")
            .at_least(300_000.0)
            .against(peer_named, peer.map(|p| p.events_per_second)),
    );
    if let (Some(used), Some(after)) = (used, after) {
        let cpu = after.cpu_seconds - used.cpu_seconds;
        report.push(
            Figure::new("processor time for a million", cpu * 1e6 / count as f64, "s")
                .against("Python, without the broker's share", peer.map(|p| p.cpu_seconds * 1e6 / few as f64)),
        );
        report.push(Figure::new("cores used", cpu / seconds, "cores"));
        report.push(
            Figure::new("most memory, broker and state included", after.peak_memory_mb, "MB")
                .against("Python alone", peer.map(|p| p.peak_memory_mb)),
        );
    }
    report.push(Figure::new("records in a batch", count as f64 / batches.max(1) as f64, "records"));
    report.push(Figure::new("share of time that scoring waited for the disk", stalled as f64 / 1e7 / seconds, "%"));
    report.push(Figure::new("longest pause of a snapshot", pause as f64 / 1e6, "ms").at_most(1.0));
    report.push(Figure::new("events preloaded (in process, LZ4)", count as f64 / filled, "/s"));
    script.err().into_iter().for_each(|note| report.note(note));
    Ok(report)
}

/// Decisions that are on disk.
pub fn decided(instance: &Instance) -> Result<u64> {
    let marks = broker(instance)?.watermarks(topics::DECISIONS, 0).map_err(|e| kafka::embedded::error("cannot read the decisions", e))?;
    Ok(marks.high_watermark as u64)
}

fn broker(instance: &Instance) -> Result<&broker::Broker> {
    instance.log.broker().ok_or_else(|| Error::bug("a bench runs on the embedded log"))
}
