//! The simulator beside a running instance: its world follows the wall clock and its events go into the log as any producer's would.

use crate::instance::Instance;
use broker::{BatchBuilder, Broker, Compression};
use domain::{Error, Result};
use pipeline::{Clock, SystemClock};
use simulator::{SimEvent, World, WorldConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use telemetry::Metrics;

const TICK: Duration = Duration::from_millis(20);

/// Starts it; it ends soon after `stopping` is set, and keeps its world in `cursor`.
pub fn start(instance: &Instance, rate: f64, cursor: &Path, stopping: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
    let topics = crate::commands::simulate::topics()?;
    for topic in topics.values() {
        if instance.broker.partitions(topic).is_none() {
            return Err(Error::stop(
                format!("the simulator writes `{topic}`, which this project does not have"),
                "run the shipped project, or start without --simulate",
            ));
        }
    }
    let (broker, metrics, cursor) = (instance.broker.clone(), instance.metrics.clone(), cursor.to_owned());
    let now = SystemClock.now();
    let world = match std::fs::read(&cursor) {
        Ok(saved) => {
            let mut world = World::restore(&saved)?;
            world.set_rates(rate, world.config().fraud_rate)?;
            world.resume_at(now);
            world
        }
        Err(_) => World::new(WorldConfig { seed: now as u64, start: now, fraud_rate: 0.01, ..WorldConfig::at_rate(rate) })?,
    };
    std::thread::Builder::new()
        .name("simulate".into())
        .spawn(move || {
            if let Err(e) = run(world, &broker, &metrics, &topics, &cursor, &stopping) {
                tracing::error!(error = %e, "the simulator stopped");
            }
        })
        .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))
}

fn run(
    mut world: World,
    broker: &Broker,
    metrics: &Metrics,
    topics: &BTreeMap<&'static str, String>,
    cursor: &PathBuf,
    stopping: &AtomicBool,
) -> Result<()> {
    let mut batches: BTreeMap<(&'static str, i32), BatchBuilder> = BTreeMap::new();
    while !stopping.load(Ordering::SeqCst) {
        let now = SystemClock.now();
        for event in world.until(now) {
            put(&event, broker, topics, &mut batches);
            metrics.simulated(event.stream, 1);
        }
        for ((stream, partition), batch) in &mut batches {
            if !batch.is_empty() {
                let cannot = |e| kafka::embedded::error("the simulator cannot write", e);
                let built = batch.build().map_err(cannot)?;
                // Waiting for the disk keeps the simulator from running ahead of it.
                broker.append(&topics[stream], *partition, &built).map_err(cannot)?.durable.wait().map_err(cannot)?;
            }
        }
        std::thread::sleep(TICK);
    }
    let beside = cursor.with_extension("new");
    std::fs::write(&beside, world.save())
        .and_then(|()| std::fs::rename(&beside, cursor))
        .map_err(|e| Error::stop("cannot keep the simulator's world", "free room on the disk").because(e))
}

fn put(event: &SimEvent, broker: &Broker, topics: &BTreeMap<&'static str, String>, batches: &mut BTreeMap<(&'static str, i32), BatchBuilder>) {
    let Some(topic) = topics.get(event.stream) else { return };
    let partitions = broker.partitions(topic).unwrap_or(1).max(1);
    // Any spread by key will do: only keys, not partitions, mean something.
    let hash = event.key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let partition = (hash % partitions as u64) as i32;
    let batch = batches.entry((event.stream, partition)).or_insert_with(|| BatchBuilder::new(Compression::None));
    batch.push(event.event_time.div_euclid(1000), Some(event.key.as_bytes()), Some(&event.json));
}
