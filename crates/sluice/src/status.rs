//! The status document of a running instance: put together from what its parts count, without asking any of them to wait.

use crate::platform::Live;
use crate::topics;
use server::status::{Latencies, MemoryStatus, ProjectStatus, ReaderStatus, SequenceStatus, SnapshotStatus, Status};
use std::sync::atomic::Ordering;

pub fn of(live: &Live) -> Status {
    let instance = &live.instance;
    let readiness = server::Platform::ready(live);
    let (outlets, progress) = (&instance.outlets, &instance.handle.progress);
    let (recent, lag) = (&outlets.recent, &instance.lag);
    let stats = instance.kept.stats.lock().clone();
    let mut readers = Vec::new();
    if instance.stores() {
        let position = lag.position.load(Ordering::Relaxed);
        readers.push(reader("store".into(), topics::DECISIONS, position, recent.end(topics::DECISIONS), lag.trouble.lock().clone()));
    }
    if let Some(landing) = &instance.landing {
        let position = landing.landed.decisions.load(Ordering::Relaxed);
        let trouble = landing.landed.trouble.lock().clone();
        readers.push(reader("lake".into(), topics::DECISIONS, position, recent.end(topics::DECISIONS), trouble));
    }
    for webhook in &outlets.webhooks {
        let state = webhook.state.lock().clone();
        let name = format!("webhook {}", webhook.name);
        readers.push(reader(name, topics::ALERTS, state.position, recent.end(topics::ALERTS), state.trouble));
    }
    let version = instance.controller.active().unwrap_or_else(|_| instance.version.clone());
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        started_at: domain::time::format(recent.started_at),
        uptime_seconds: recent.began.elapsed().as_secs_f64(),
        ready: readiness.ready,
        parts: readiness.parts,
        kafka: instance.kafka.clone(),
        project: ProjectStatus {
            name: version.project.settings.name.clone(),
            digest: version.project.digest.to_string(),
            features: version.plan.features.features.len(),
            rules: version.project.rules.len(),
        },
        sequence: SequenceStatus { taken: progress.taken.load(Ordering::Relaxed), durable: progress.durable.load(Ordering::Relaxed) },
        counts: recent.counts(),
        rates: recent.rates(),
        latency: Latencies { predict: recent.predict.quantiles(), commit: recent.commit.quantiles() },
        readers,
        snapshot: instance.kept.snapshot.lock().map(|written| SnapshotStatus {
            sequence: written.sequence,
            age_seconds: written.at.elapsed().as_secs_f64(),
            seconds: written.took.as_secs_f64(),
        }),
        memory: MemoryStatus {
            resident_bytes: telemetry::resident_bytes().unwrap_or(0),
            state_bytes: stats.bytes,
            state_entities: stats.entities,
        },
        log_bytes: instance.log.bytes(),
        stream_clients: instance.metrics.http.streams.get().try_into().unwrap_or(0),
    }
}

fn reader(name: String, topic: &str, position: i64, end: i64, trouble: Option<String>) -> ReaderStatus {
    // The two are read one after the other: a reader may have moved past the end that was known.
    let end = end.max(position);
    ReaderStatus { name, topic: topic.into(), position, end, lag: end - position, state: trouble.unwrap_or_else(|| "up".into()) }
}
