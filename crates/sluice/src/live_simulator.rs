//! The simulator beside a running instance: its world follows the wall clock and its events go into the log as any producer's would.

use crate::instance::Instance;
use crate::log::Log;
use broker::{BatchBuilder, Broker, Compression};
use bytes::Bytes;
use domain::{Error, Result};
use kafka::Sender;
use pipeline::{Clock, Outgoing, SystemClock};
use simulator::{SimEvent, World, WorldConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use telemetry::Metrics;

const TICK: Duration = Duration::from_millis(20);

/// So that customers come back within the hour, and what is known of them fits into little memory.
const MOST_ACCOUNTS: u32 = 100_000;

/// More than most shops see, so that there is something to look at.
const FRAUD_RATE: f64 = 0.01;

/// Where events go: the broker of this process without a socket, or a cluster.
enum Target {
    Embedded { broker: Broker, batches: BTreeMap<(&'static str, i32), BatchBuilder> },
    Cluster(Sender),
}

/// Starts it; it ends soon after `stopping` is set, and keeps its world in `cursor`.
pub fn start(instance: &Instance, rate: f64, cursor: &Path, stopping: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
    let mut topics = crate::commands::simulate::topics()?;
    let mut source = instance.log.source()?;
    // A project may have dropped streams that nothing of it needs; without payments there is nothing to simulate.
    topics.retain(|_, topic| source.partitions(topic).is_ok());
    if !topics.contains_key(simulator::TRANSACTIONS) {
        return Err(Error::stop(
            "the simulator writes the payments of the e-commerce project, which this project does not have",
            "run the shipped project, or start without --simulate",
        ));
    }
    let target = match &instance.log {
        Log::Embedded { broker, .. } => Target::Embedded { broker: broker.clone(), batches: BTreeMap::new() },
        Log::Cluster { cluster, .. } => Target::Cluster(cluster.sender()?),
    };
    let (metrics, cursor) = (instance.metrics.clone(), cursor.to_owned());
    let now = SystemClock.now();
    let saved = std::fs::read(&cursor).ok().and_then(|saved| {
        let unusable = |e: &Error| tracing::warn!(error = %e, "the simulator begins a new world");
        World::restore(&saved).inspect_err(unusable).ok()
    });
    let world = match saved {
        Some(mut world) => {
            world.set_rates(rate, FRAUD_RATE)?;
            world.resume_at(now);
            world
        }
        None => {
            let usual = WorldConfig::at_rate(rate);
            let accounts = usual.accounts.min(MOST_ACCOUNTS);
            World::new(WorldConfig { seed: now as u64, start: now, fraud_rate: FRAUD_RATE, accounts, ..usual })?
        }
    };
    std::thread::Builder::new()
        .name("simulate".into())
        .spawn(move || {
            if let Err(e) = run(world, target, &metrics, &topics, &cursor, &stopping) {
                tracing::error!(error = %e, "the simulator stopped");
            }
        })
        .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))
}

fn run(
    mut world: World,
    mut target: Target,
    metrics: &Metrics,
    topics: &BTreeMap<&'static str, String>,
    cursor: &PathBuf,
    stopping: &AtomicBool,
) -> Result<()> {
    while !stopping.load(Ordering::SeqCst) {
        let now = SystemClock.now();
        for event in world.until(now) {
            if let Some(topic) = topics.get(event.stream) {
                target.put(&event, topic)?;
                metrics.simulated(event.stream, 1);
            }
        }
        target.flush(topics)?;
        std::thread::sleep(TICK);
    }
    let beside = cursor.with_extension("new");
    std::fs::write(&beside, world.save())
        .and_then(|()| std::fs::rename(&beside, cursor))
        .map_err(|e| Error::stop("cannot keep the simulator's world", "free room on the disk").because(e))
}

impl Target {
    fn put(&mut self, event: &SimEvent, topic: &str) -> Result<()> {
        let timestamp_ms = event.event_time.div_euclid(1000);
        match self {
            Self::Embedded { broker, batches } => {
                let partitions = broker.partitions(topic).unwrap_or(1).max(1);
                // Any spread by key will do: only keys, not partitions, mean something.
                let hash = event.key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
                let partition = (hash % partitions as u64) as i32;
                let batch = batches.entry((event.stream, partition)).or_insert_with(|| BatchBuilder::new(Compression::None));
                batch.push(timestamp_ms, Some(event.key.as_bytes()), Some(&event.json));
                Ok(())
            }
            Self::Cluster(sender) => {
                let key = Some(Bytes::copy_from_slice(event.key.as_bytes()));
                sender.send(topic, timestamp_ms, &Outgoing { key, value: Bytes::copy_from_slice(&event.json) })
            }
        }
    }

    fn flush(&mut self, topics: &BTreeMap<&'static str, String>) -> Result<()> {
        if let Self::Embedded { broker, batches } = self {
            let cannot = |e| kafka::embedded::error("the simulator cannot write", e);
            for ((stream, partition), batch) in batches.iter_mut().filter(|(_, batch)| !batch.is_empty()) {
                let built = batch.build().map_err(cannot)?;
                // Waiting for the disk keeps the simulator from running ahead of it.
                broker.append(&topics[stream], *partition, &built).map_err(cannot)?.durable.wait().map_err(cannot)?;
            }
        }
        Ok(())
    }
}
