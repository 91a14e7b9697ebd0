//! Webhooks: each alert is posted to an address, signed, in the order of the topic, until it is taken or its attempts are used up; then it
//! stands in `webhook-dead-letters` and the next one goes. A webhook is a reader of the alerts topic with a position of its own in the
//! store: a slow or dead receiver leaves alerts in the topic, never in memory, and nothing else waits for it.

mod backoff;
mod deliver;
mod letter;
mod sign;

use crate::log::Log;
use crate::topics;
use deliver::{Delivery, Outcome};
use domain::{Alert, Error, Kind, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Clock as _, Outgoing, Record, Source, SystemClock};
use project::WebhookSpec;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::Store;
use telemetry::Metrics;
use tokio::sync::watch;

/// Bytes of alerts in memory at a time.
const STEP_BYTES: usize = 256 << 10;

/// Alerts that the filter keeps back are passed over together; the position follows at least this often.
const KEEP_EVERY: usize = 1000;

/// How often the topic is told what it may forget.
const FLOOR_EVERY: Duration = Duration::from_secs(10);

/// How long a store that is away is left alone.
const KEEP_AGAIN: Duration = Duration::from_secs(5);

/// A running webhook, as others see it.
pub struct Webhook {
    pub name: String,
    pub state: Arc<Mutex<State>>,
}

/// How it is.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The next offset of the alerts topic that it looks at.
    pub position: i64,
    /// What keeps it from going on.
    pub trouble: Option<String>,
}

/// Starts one. A new one begins with the alerts from now on.
pub fn start(
    spec: &WebhookSpec,
    log: &Log,
    store: &Arc<dyn Store>,
    metrics: &Arc<Metrics>,
    runtime: &tokio::runtime::Handle,
    stopping: watch::Receiver<bool>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Webhook> {
    let reader = format!("webhook {}", spec.name);
    let at = TopicPartition::new(topics::ALERTS, 0);
    let mut source = log.source()?;
    let position = match store.sink_position(&reader, &at)? {
        Some(position) => position,
        None => {
            let (_, end) = source.bounds(&at)?;
            store.keep_sink_position(&reader, &at, end)?;
            store.sync()?;
            end
        }
    };
    log.set_floor(&at.topic, at.partition, &reader, Some(position))?;
    let state = Arc::new(Mutex::new(State { position, trouble: None }));
    let mut sender = Sender {
        delivery: Delivery::new(spec, runtime, stopping.clone())?,
        spec: spec.clone(),
        reader,
        at,
        next: position,
        kept: position,
        keep_at: Instant::now(),
        log: log.clone(),
        store: store.clone(),
        metrics: metrics.webhook(&spec.name),
        state: state.clone(),
        stopping,
    };
    let thread = std::thread::Builder::new().name(format!("hook-{}", spec.name)).spawn(move || {
        if let Err(e) = sender.run(&mut *source) {
            tracing::error!(webhook = sender.spec.name, error = %e, "a webhook ended; its alerts wait in the topic");
            sender.state.lock().trouble = Some(e.to_string());
        }
    });
    threads.push(thread.map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))?);
    Ok(Webhook { name: spec.name.clone(), state })
}

struct Sender {
    spec: WebhookSpec,
    /// Its name among the readers of the topic.
    reader: String,
    at: TopicPartition,
    next: i64,
    /// The position that the store has.
    kept: i64,
    /// When a store that is away is tried again.
    keep_at: Instant,
    log: Log,
    store: Arc<dyn Store>,
    delivery: Delivery,
    metrics: telemetry::Webhook,
    state: Arc<Mutex<State>>,
    stopping: watch::Receiver<bool>,
}

impl Sender {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// Stop or Bug; what may pass is waited for.
    fn run(&mut self, source: &mut dyn Source) -> Result<()> {
        let mut records = Vec::new();
        let mut floor_at = Instant::now();
        let mut failures = 0;
        while !*self.stopping.borrow() {
            records.clear();
            match self.step(source, &mut records) {
                Ok(()) => failures = 0,
                Err(e) if e.kind == Kind::Retry => {
                    failures += 1;
                    tracing::warn!(webhook = self.spec.name, error = %e, "trying again");
                    self.delivery.pause(backoff::wait(failures, rand::random()).min(Duration::from_secs(5)));
                }
                Err(e) => return Err(e),
            }
            if floor_at.elapsed() >= FLOOR_EVERY {
                floor_at = Instant::now();
                self.log.set_floor(&self.at.topic, self.at.partition, &self.reader, Some(self.kept))?;
            }
        }
        self.keep()
    }

    fn step(&mut self, source: &mut dyn Source, records: &mut Vec<Record>) -> Result<()> {
        source.fetch(&self.at, self.next, STEP_BYTES, records)?;
        let (_, end) = source.bounds(&self.at)?;
        self.metrics.lag.set(end - self.next);
        if records.is_empty() {
            self.keep()?;
            return source.wait(&[(self.at.clone(), self.next)], Duration::from_millis(200));
        }
        for (n, record) in records.iter().enumerate() {
            if !self.send(record)? {
                return Ok(());
            }
            self.next = record.offset + 1;
            self.state.lock().position = self.next;
            self.metrics.lag.set(end - self.next);
            if n % KEEP_EVERY == KEEP_EVERY - 1 {
                self.keep()?;
            }
        }
        Ok(())
    }

    /// Whether the record is done with; not if it is time to stop.
    fn send(&mut self, record: &Record) -> Result<bool> {
        let Ok(alert) = serde_json::from_slice::<Alert>(&record.value) else {
            tracing::warn!(webhook = self.spec.name, offset = record.offset, "a record of the alerts topic is no alert and is passed over");
            return Ok(true);
        };
        if !self.wants(&alert) {
            return Ok(true);
        }
        let message = deliver::Message::new(&alert, &record.value)?;
        let (attempts, reason) = match self.delivery.send(&message, &self.metrics, &self.state) {
            Outcome::Taken => (0, None),
            Outcome::Stopping => return Ok(false),
            Outcome::GivenUp { attempts, reason } => (attempts, Some(reason)),
        };
        if let Some(reason) = reason {
            self.put_aside(record, &message, attempts, &reason)?;
        }
        self.next = record.offset + 1;
        self.keep()?;
        Ok(true)
    }

    fn wants(&self, alert: &Alert) -> bool {
        let spec = &self.spec;
        alert.severity >= spec.min_severity
            && spec.decision.is_none_or(|d| alert.decision == d)
            && (spec.rules.is_empty() || spec.rules.iter().any(|(rule, _)| alert.alert_type == rule.as_str()))
    }

    /// Writes it to the topic of those that were not taken; durable when this returns.
    fn put_aside(&self, record: &Record, message: &deliver::Message, attempts: u32, reason: &str) -> Result<()> {
        let now = SystemClock.now();
        let alert = serde_json::from_slice(&record.value).map_err(|e| Error::bug("an alert is no JSON").because(e))?;
        let letter = letter::Letter {
            webhook: &self.spec.name,
            webhook_id: &message.id,
            offset: record.offset,
            attempts,
            reason,
            given_up_at: now,
            alert,
        };
        let value = serde_json::to_vec(&letter).map_err(|e| Error::bug("a dead letter does not serialise").because(e))?;
        let outgoing = Outgoing { key: Some(self.spec.name.clone().into()), value: value.into() };
        self.log.append(topics::WEBHOOK_DEAD_LETTERS, now / 1000, &[outgoing])?;
        self.metrics.dead_letters.inc();
        tracing::error!(webhook = self.spec.name, offset = record.offset, attempts, reason, "an alert was not taken and is put aside");
        Ok(())
    }

    /// Alerts are sent also while the store is away: after a crash some would be sent again, as they are after any crash.
    fn keep(&mut self) -> Result<()> {
        if self.next == self.kept || Instant::now() < self.keep_at {
            return Ok(());
        }
        match self.store.keep_sink_position(&self.reader, &self.at, self.next) {
            Ok(()) => self.kept = self.next,
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(webhook = self.spec.name, error = %e, "the position is not kept now; alerts go on");
                self.keep_at = Instant::now() + KEEP_AGAIN;
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
