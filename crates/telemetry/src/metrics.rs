//! Every metric of the product, with unit and help, registered in one function. Names follow OpenMetrics: base units (seconds,
//! bytes), `_total` on counters; ours begin with `sluice_`, the process's own keep their customary names.

mod lake;

pub use lake::Lake;

use crate::process::Process;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Handles to every metric. Cloning a handle is cheap and shares its value; on a hot path take it once and keep it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Records that the scorer took, by stream.
    pub records_taken: Family<Stream, Counter>,
    /// Records that were refused, by code.
    pub records_rejected: Family<Code, Counter>,
    /// Transactions that came again with the same content.
    pub records_repeated: Counter,
    pub decisions: Decisions,
    pub alerts: Counter,
    pub stages: Stages,
    pub queue_depth: Family<Queue, Gauge>,
    /// The last place in the sequence that was given out.
    pub sequence_position: Gauge,
    /// The last place in the sequence that is on disk.
    pub sequence_durable: Gauge,
    pub broker: Broker,
    pub state: State,
    pub store: Store,
    pub lake: Lake,
    pub http: Http,
    webhooks: Webhooks,
    pub simulator: Simulator,
    /// 1 for the project version that judges.
    project_info: Family<Project, Gauge>,
    deploys: Family<Cause, Counter>,
    /// Deploys that were refused: the version before went on.
    pub deploys_refused: Counter,
    list_changes: Family<List, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Project {
    name: String,
    digest: String,
}

/// What brought a version in: `watch` or `deploy`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct List {
    list: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Stream {
    pub stream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Code {
    pub code: String,
}

/// A queue, by what waits in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Queue {
    pub queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Partition {
    pub topic: String,
    pub partition: i32,
}

/// Decisions by action, resolved once.
#[derive(Clone, Debug)]
pub struct Decisions {
    pub allow: Counter,
    pub review: Counter,
    pub block: Counter,
}

/// Seconds in each stage of a decision; one observation a batch, but for `end_to_end`, which is one a transaction.
#[derive(Clone, Debug)]
pub struct Stages {
    pub decode: Histogram,
    pub features: Histogram,
    pub rules: Histogram,
    /// From handing decisions to the log to their being on disk.
    pub commit: Histogram,
    /// Of a transaction over HTTP: from being appended to its decision being on disk.
    pub end_to_end: Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum BytesDirection {
    #[allow(non_camel_case_types)] // The label's value, as it is read.
    produced,
    #[allow(non_camel_case_types)]
    fetched,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: BytesDirection,
}

#[derive(Clone, Debug)]
pub struct Broker {
    pub bytes_produced: Counter,
    pub bytes_fetched: Counter,
    pub connections: Gauge,
    /// On disk, all topics.
    pub log_bytes: Gauge,
    /// How often the log, or the store behind it, was away and was tried again.
    pub log_retries: Counter,
    /// Syncs to disk that appends waited for, and the time they took.
    pub syncs: Counter,
    pub sync_seconds: Counter<f64, AtomicU64>,
}

/// What the features remember.
#[derive(Clone, Debug)]
pub struct State {
    pub entities: Gauge,
    pub bytes: Gauge,
    pub hits: Counter,
    pub misses: Counter,
    pub evictions: Counter,
    pub snapshot_seconds: Histogram,
    /// Seconds of the longest pause that a snapshot made between two batches.
    pub snapshot_pause_max: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug)]
pub struct Store {
    /// Records that are in a topic and not yet in the store.
    pub lag: Family<Partition, Gauge>,
    pub commit_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HttpRequest {
    pub method: &'static str,
    /// The route's pattern, never the path: the number of labels stays bounded.
    pub route: &'static str,
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HttpRoute {
    pub method: &'static str,
    pub route: &'static str,
}

#[derive(Clone, Debug)]
pub struct Http {
    pub requests: Family<HttpRequest, Counter>,
    pub seconds: Family<HttpRoute, Histogram>,
    pub in_flight: Gauge,
    /// Clients that follow the stream of alerts.
    pub streams: Gauge,
    /// Of them, those that read too slowly.
    pub streams_dropped: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabel {
    webhook: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookAttempt {
    webhook: String,
    outcome: &'static str,
}

#[derive(Debug)]
struct Webhooks {
    attempts: Family<WebhookAttempt, Counter>,
    seconds: Family<WebhookLabel, Histogram>,
    lag: Family<WebhookLabel, Gauge>,
    dead_letters: Family<WebhookLabel, Counter>,
}

/// The metrics of one webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Attempts after which the receiver had taken the alert.
    pub taken: Counter,
    /// All others.
    pub failed: Counter,
    pub seconds: Histogram,
    /// Alerts in the topic that it has not looked at.
    pub lag: Gauge,
    /// Alerts that were given up.
    pub dead_letters: Counter,
}

#[derive(Clone, Debug)]
pub struct Simulator {
    /// Events made, by stream.
    pub events: Family<Stream, Counter>,
    /// Transactions made that are fraud.
    pub frauds: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

/// From 10 microseconds to 10 seconds, three to a decade.
fn latency() -> Histogram {
    const BUCKETS: [f64; 19] =
        [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 3.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// The list of all metrics. `version` is the product's, shown in `sluice_build_info`.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::start()));
        let r = registry.sub_registry_with_prefix("sluice");

        r.register("build", "What is running", Info::new([("version", version.to_owned())]));

        let records_taken = Family::default();
        r.register("records_taken", "Records that the scorer took, by stream", records_taken.clone());
        let records_rejected = Family::default();
        r.register("records_rejected", "Records that were refused and kept as dead letters, by code", records_rejected.clone());
        let records_repeated = Counter::default();
        r.register(
            "records_repeated",
            "Transactions that came again with the same content and got the same decision",
            records_repeated.clone(),
        );

        let by_action = Family::<Action, Counter>::default();
        r.register("decisions", "Decisions by action", by_action.clone());
        let action = |action| by_action.get_or_create_owned(&Action { action });
        let decisions = Decisions { allow: action("allow"), review: action("review"), block: action("block") };
        let alerts = Counter::default();
        r.register("alerts", "Alerts raised", alerts.clone());

        let by_stage = Family::<Stage, Histogram>::new_with_constructor(latency);
        r.register_with_unit("stage", "Time in each stage of a decision", Unit::Seconds, by_stage.clone());
        let stage = |stage| by_stage.get_or_create_owned(&Stage { stage });
        let stages = Stages {
            decode: stage("decode"),
            features: stage("features"),
            rules: stage("rules"),
            commit: stage("commit"),
            end_to_end: stage("end_to_end"),
        };

        let queue_depth = Family::default();
        r.register("queue_depth", "Items that wait, by queue", queue_depth.clone());
        let sequence_position = Gauge::default();
        r.register("sequence_position", "Last place in the sequence that was given out", sequence_position.clone());
        let sequence_durable = Gauge::default();
        r.register("sequence_durable", "Last place in the sequence that is on disk", sequence_durable.clone());

        let moved = Family::<Direction, Counter>::default();
        r.register_with_unit(
            "broker_moved",
            "Bytes of records that Kafka clients sent to the embedded broker, and read",
            Unit::Bytes,
            moved.clone(),
        );
        let direction = |direction| moved.get_or_create_owned(&Direction { direction });
        let broker = Broker {
            bytes_produced: direction(BytesDirection::produced),
            bytes_fetched: direction(BytesDirection::fetched),
            connections: Gauge::default(),
            log_bytes: Gauge::default(),
            log_retries: Counter::default(),
            syncs: Counter::default(),
            sync_seconds: Counter::default(),
        };
        r.register("broker_connections", "Open connections of Kafka clients to the embedded broker", broker.connections.clone());
        r.register("log_retries", "Times that the log, or the store behind it, was away and was tried again", broker.log_retries.clone());
        r.register_with_unit("broker_log", "Size of all topics on disk", Unit::Bytes, broker.log_bytes.clone());
        r.register("broker_syncs", "Syncs of the embedded log to disk that appends waited for", broker.syncs.clone());
        r.register_with_unit("broker_sync", "Time that these syncs took", Unit::Seconds, broker.sync_seconds.clone());

        let state = State {
            entities: Gauge::default(),
            bytes: Gauge::default(),
            hits: Counter::default(),
            misses: Counter::default(),
            evictions: Counter::default(),
            snapshot_seconds: latency(),
            snapshot_pause_max: Gauge::default(),
        };
        r.register("state_entities", "Entities whose features are in memory", state.entities.clone());
        r.register_with_unit("state", "Memory that the features' state takes", Unit::Bytes, state.bytes.clone());
        r.register("state_hits", "Entities that were found in memory", state.hits.clone());
        r.register("state_misses", "Entities that had to be read from disk", state.misses.clone());
        r.register("state_evictions", "Entities that were dropped from memory to stay within its budget", state.evictions.clone());
        r.register_with_unit("state_snapshot", "Time to write a snapshot of the state", Unit::Seconds, state.snapshot_seconds.clone());
        r.register_with_unit(
            "state_snapshot_pause_max",
            "Longest time that a snapshot kept the next batch waiting",
            Unit::Seconds,
            state.snapshot_pause_max.clone(),
        );

        let store = Store { lag: Family::default(), commit_seconds: latency() };
        r.register("store_lag_records", "Records in a topic that are not yet in the store", store.lag.clone());
        r.register_with_unit("store_commit", "Time to commit a batch to the store", Unit::Seconds, store.commit_seconds.clone());

        let lake = Lake::register(r);

        let http = Http {
            requests: Family::default(),
            seconds: Family::new_with_constructor(latency),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
            streams_dropped: Counter::default(),
        };
        r.register("http_requests", "HTTP requests answered, by route and status", http.requests.clone());
        r.register_with_unit("http_request", "Time to answer an HTTP request", Unit::Seconds, http.seconds.clone());
        r.register("http_requests_in_flight", "HTTP requests being answered", http.in_flight.clone());

        r.register("http_streams", "Clients that follow the stream of alerts", http.streams.clone());
        r.register(
            "http_streams_dropped",
            "Clients of the stream of alerts that were let go of because they read too slowly",
            http.streams_dropped.clone(),
        );

        let webhooks = Webhooks {
            attempts: Family::default(),
            seconds: Family::new_with_constructor(latency),
            lag: Family::default(),
            dead_letters: Family::default(),
        };
        r.register("webhook_attempts", "Attempts to deliver an alert, by webhook and outcome", webhooks.attempts.clone());
        r.register_with_unit("webhook_attempt", "Time of an attempt to deliver an alert", Unit::Seconds, webhooks.seconds.clone());
        r.register("webhook_lag_records", "Alerts in the topic that a webhook has not looked at", webhooks.lag.clone());
        r.register(
            "webhook_dead_letters",
            "Alerts that a webhook's receiver did not take and that were put aside",
            webhooks.dead_letters.clone(),
        );

        let simulator = Simulator { events: Family::default(), frauds: Counter::default() };
        r.register("simulator_events", "Events that the simulator made, by stream", simulator.events.clone());
        r.register("simulator_frauds", "Fraudulent transactions that the simulator made", simulator.frauds.clone());

        let project_info = Family::default();
        r.register("project", "The project version that judges: 1 for its digest", project_info.clone());
        let deploys = Family::default();
        r.register("deploys", "Project versions that took over while running, by what brought them in", deploys.clone());
        let deploys_refused = Counter::default();
        r.register("deploys_refused", "Project versions that were refused, so that the one before went on", deploys_refused.clone());
        let list_changes = Family::default();
        r.register("list_changes", "Entries put on or taken off while running, by list", list_changes.clone());

        Self {
            registry,
            records_taken,
            records_rejected,
            records_repeated,
            decisions,
            alerts,
            stages,
            queue_depth,
            sequence_position,
            sequence_durable,
            broker,
            state,
            store,
            lake,
            http,
            webhooks,
            simulator,
            project_info,
            deploys,
            deploys_refused,
            list_changes,
        }
    }

    /// This version judges, and no other.
    pub fn project(&self, name: &str, digest: &str) {
        self.project_info.clear();
        self.project_info.get_or_create(&Project { name: name.to_owned(), digest: digest.to_owned() }).set(1);
    }

    /// Counts a version that took over.
    pub fn deployed(&self, by: &'static str) {
        self.deploys.get_or_create(&Cause { by }).inc();
    }

    /// Counts entries of a list that were changed. Lists are the project's, so their number is bounded.
    pub fn list_changed(&self, list: &str, entries: u64) {
        self.list_changes.get_or_create(&List { list: list.to_owned() }).inc_by(entries);
    }

    /// Counts records of a stream as taken.
    pub fn taken(&self, stream: &str, records: u64) {
        self.records_taken.get_or_create(&Stream { stream: stream.to_owned() }).inc_by(records);
    }

    /// Counts one refused record.
    pub fn rejected(&self, code: &str) {
        self.records_rejected.get_or_create(&Code { code: code.to_owned() }).inc();
    }

    /// The gauge of a queue; take it once.
    pub fn queue(&self, queue: &'static str) -> Gauge {
        self.queue_depth.get_or_create_owned(&Queue { queue })
    }

    /// How many records of a partition are not yet in the store.
    pub fn store_lag(&self, topic: &str, partition: i32, records: i64) {
        self.store.lag.get_or_create(&Partition { topic: topic.to_owned(), partition }).set(records);
    }

    /// The metrics of a webhook; take them once.
    pub fn webhook(&self, name: &str) -> Webhook {
        let label = WebhookLabel { webhook: name.to_owned() };
        let attempts = |outcome| self.webhooks.attempts.get_or_create_owned(&WebhookAttempt { webhook: name.to_owned(), outcome });
        Webhook {
            taken: attempts("taken"),
            failed: attempts("failed"),
            seconds: self.webhooks.seconds.get_or_create_owned(&label),
            lag: self.webhooks.lag.get_or_create_owned(&label),
            dead_letters: self.webhooks.dead_letters.get_or_create_owned(&label),
        }
    }

    /// Counts events that the simulator made.
    pub fn simulated(&self, stream: &str, events: u64) {
        self.simulator.events.get_or_create(&Stream { stream: stream.to_owned() }).inc_by(events);
    }

    /// All values now, as OpenMetrics text (see [`CONTENT_TYPE`]).
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

#[cfg(test)]
mod tests;
