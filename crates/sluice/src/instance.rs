//! One running Sluice without its doors: log, state, scoring loop, store. `up` puts HTTP and the terminal around it; benches run it as
//! it is.

use crate::audit_sink;
use crate::controller::Controller;
use crate::kafka_door::KafkaDoor;
use crate::landing::{self, Landing};
use crate::log::{Door, Log};
use crate::outlets::Outlets;
use crate::predictor::Predictor;
use crate::results::Answers;
use crate::retention;
use crate::stage::{Judge, Kept, Setup};
use crate::store_sink::{self, Lag};
use crate::stores;
use crate::topics;
use crate::versions::{Archive, Version};
use domain::{Error, Position, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Handle, Input, Options, Rank, Source, SystemClock};
use project::{ListenerSettings, Project};
use scoring::Plan;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::{Place, Store};
use telemetry::Metrics;
use tokio::sync::watch;

/// How long a store that does not move is waited for when everything stops.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// What an instance is made of.
#[derive(Clone)]
pub struct Settings {
    pub project: Arc<Project>,
    pub plan: Arc<Plan>,
    pub data: PathBuf,
    pub kafka: Door,
    /// How the embedded broker's door is secured.
    pub listener: ListenerSettings,
    /// Whether decisions go into the store.
    pub store: bool,
    /// Where everything lands; none where there is no lake.
    pub lake: Option<PathBuf>,
    /// How often it gets a version of each table while records come.
    pub lake_every: Duration,
    /// Bytes of feature state in memory.
    pub state_memory: u64,
    /// How often a snapshot is begun while records come.
    pub snapshot_every: Duration,
}

/// How the last start went.
#[derive(Clone, Debug, Default)]
pub struct Started {
    /// Records scored again to catch up with the written sequence.
    pub caught_up: u64,
}

pub struct Instance {
    pub log: Log,
    /// Where Kafka clients reach the log.
    pub kafka: String,
    pub predictor: Arc<Predictor>,
    pub store: Arc<dyn Store>,
    /// Where the store is.
    pub place: Place,
    pub metrics: Arc<Metrics>,
    pub handle: Handle,
    pub lag: Arc<Lag>,
    pub started: Started,
    pub kept: Arc<Kept>,
    pub outlets: Outlets,
    pub landing: Option<Landing>,
    pub controller: Arc<Controller>,
    /// The version that judged first.
    pub version: Version,
    scorer: Option<JoinHandle<Result<()>>>,
    sink: Option<JoinHandle<Result<()>>>,
    audit: Option<JoinHandle<Result<()>>>,
    retention: Option<JoinHandle<Result<()>>>,
    stop_sink: Arc<AtomicBool>,
    failed: watch::Receiver<Option<String>>,
}

impl Instance {
    /// Blocks until it is ready; not to be called in an async task.
    pub fn start(settings: Settings, runtime: &tokio::runtime::Handle) -> Result<Self> {
        let begun = Instant::now();
        let door = KafkaDoor::open(&settings.listener, settings.kafka.address)?;
        topics::check_names(&settings.project)?;
        let judged = settings.project.judged().ok_or_else(|| Error::bug("a checked project judges a stream"))?;
        let predict = topics::predict(&judged.stream.topic);
        let named = &settings.project.settings;
        let log = Log::open(&named.log, &settings.data, Some(settings.kafka.clone()), runtime)?;
        topics::create(&log, &settings.project)?;
        let mut source = log.source_ahead()?;

        let place = stores::place(&named.store, &settings.data);
        let store = stores::open(&place)?;
        stores::patiently(&place, || store_sink::set_floors(&log, &*store))?;
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        let controller = Controller::open(&log, Some(metrics.clone()))?;
        let version = controller.start(Version { project: settings.project.clone(), plan: settings.plan.clone() })?;
        if version.project.digest != settings.project.digest {
            topics::create(&log, &version.project)?;
        }

        landing::hold(&log, &version.project, settings.lake.is_some())?;

        let mut sink = log.sink(topics::SEQUENCE, &topics::OUTPUTS)?;
        let (mut judge, mut mark) = Judge::open(Setup {
            plan: version.plan.clone(),
            ready: controller.ready(),
            state: Some(settings.data.join("state")),
            state_memory: settings.state_memory as usize,
            snapshot_every: settings.snapshot_every,
            metrics: metrics.clone(),
            archive: Archive::new(log.source()?),
            log: Some(log.clone()),
        })?;
        let kept = judge.kept();
        let sequence = TopicPartition::new(topics::SEQUENCE, 0);
        let caught_up = pipeline::resume(&mut *source, &mut *sink, &sequence, topics::OUTPUTS.len(), &mut mark, &mut judge)?;
        begin_reading(&mut *source, &version.project, &mark.position)?;
        let outlets = Outlets::start(&log, &settings.project, &store, &metrics, runtime)?;
        let kafka = log.listen(door.security(store.clone()), runtime)?;
        let predictor = Predictor::start(&log, &predict)?;
        let handle = Handle::default();
        let (fail, failed) = watch::channel(None);
        let fail = Arc::new(Mutex::new(fail));

        let scorer = {
            let (handle, predictor, fail, project) = (handle.clone(), predictor.clone(), fail.clone(), version.project.clone());
            let (metrics, recent, controller) = (metrics.clone(), outlets.recent.clone(), controller.clone());
            spawn("score", fail, move || {
                let discover = |source: &mut dyn Source| inputs(source, &project);
                let deliver = |batch: Answers| {
                    let committed = batch.made.elapsed();
                    metrics.stages.commit.observe(committed.as_secs_f64());
                    recent.commit.observe(committed);
                    if let Some((offset, sequence)) = batch.control {
                        controller.taken(offset, sequence);
                    }
                    predictor.answer(batch.answers, |took| {
                        metrics.stages.end_to_end.observe(took.as_secs_f64());
                        recent.predict.observe(took);
                    });
                };
                let options = Options::default();
                let topics = topics::OUTPUTS.len();
                pipeline::run(
                    &mut *source,
                    &mut *sink,
                    &mut SystemClock,
                    &mut judge,
                    &mut mark,
                    discover,
                    deliver,
                    &options,
                    topics,
                    &handle,
                )
            })?
        };
        let (stop_sink, lag) = (Arc::new(AtomicBool::new(false)), Arc::new(Lag::default()));
        let audit = {
            let (log, store, stop) = (log.clone(), store.clone(), stop_sink.clone());
            spawn("audit", fail.clone(), move || audit_sink::run(&log, &store, &stop))?
        };
        let retention = match named.store_keep {
            Some(keep) => {
                let (store, stop) = (store.clone(), stop_sink.clone());
                Some(spawn("retention", fail.clone(), move || retention::run(&*store, keep, &stop))?)
            }
            None => None,
        };
        let sink = if settings.store {
            let (log, store, stop, lag) = (log.clone(), store.clone(), stop_sink.clone(), lag.clone());
            Some(spawn("store", fail, move || store_sink::run(&log, &store, &stop, &lag))?)
        } else {
            for topic in store_sink::READ {
                log.set_floor(topic, 0, "store", None)?;
            }
            None
        };
        let landing = match settings.lake {
            Some(folder) => Some(landing::start(landing::Setup {
                log: log.clone(),
                project: version.project.clone(),
                plan: version.plan.clone(),
                folder,
                round: settings.lake_every,
                metrics: metrics.clone(),
                stop: stop_sink.clone(),
            })?),
            None => None,
        };
        tracing::info!(caught_up, seconds = begun.elapsed().as_secs_f64(), "log and state are open");
        let started = Started { caught_up };
        Ok(Self {
            log,
            kafka,
            predictor,
            store,
            place,
            metrics,
            handle,
            lag,
            started,
            kept,
            outlets,
            landing,
            controller,
            version,
            scorer: Some(scorer),
            sink,
            audit: Some(audit),
            retention,
            stop_sink,
            failed,
        })
    }

    /// Resolves, with the reason, when a part has ended that should not have.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "all parts ended".into(),
        }
    }

    /// Why a part has ended, if one has.
    pub fn failure(&self) -> Option<String> {
        self.failed.borrow().clone()
    }

    /// Whether decisions go into the store.
    pub fn stores(&self) -> bool {
        self.sink.is_some()
    }

    /// Decisions in the topic and not in the store, also while the store is away.
    pub fn store_behind(&self) -> i64 {
        if !self.stores() {
            return 0;
        }
        (self.outlets.recent.end(topics::DECISIONS) - self.lag.position.load(Ordering::Relaxed)).max(0)
    }

    /// Brings the gauges up to date.
    pub fn refresh_metrics(&self) {
        let (m, progress) = (&self.metrics, &self.handle.progress);
        m.sequence_position.set(progress.taken.load(Ordering::Relaxed) as i64);
        m.sequence_durable.set(progress.durable.load(Ordering::Relaxed) as i64);
        m.queue("predict").set(self.predictor.in_flight() as i64);
        m.store_lag(topics::DECISIONS, 0, self.store_behind());
        if let Some(landing) = &self.landing {
            let behind = progress.durable.load(Ordering::Relaxed).saturating_sub(landing.landed.sequence.load(Ordering::Relaxed));
            m.lake.lag_records.set(behind as i64);
        }
        m.broker.log_bytes.set(self.log.bytes() as i64);
        m.state.snapshot_pause_max.set(progress.snapshot_pause_ns.load(Ordering::Relaxed) as f64 / 1e9);
        let stats = self.kept.stats.lock();
        m.state.entities.set(stats.entities as i64);
        m.state.bytes.set(stats.bytes as i64);
        let retries = progress.retries.load(Ordering::Relaxed) + self.lag.retries.load(Ordering::Relaxed) + self.log.retries();
        raise(&m.broker.log_retries, retries);
        if let Some(broker) = self.log.broker() {
            show_traffic(&m.broker, broker.traffic());
        }
        raise(&m.state.hits, stats.hits);
        raise(&m.state.misses, stats.misses);
        raise(&m.state.evictions, stats.evictions);
    }

    /// Takes no more, lets what was taken become durable, writes a snapshot, stores what is decided, and closes the log.
    pub async fn stop(mut self) -> Result<()> {
        self.handle.stop();
        let (scorer, sink, stop_sink) = (self.scorer.take(), self.sink.take(), self.stop_sink.clone());
        let (outlets, landing) = (self.outlets, self.landing.take());
        let (audit, retention) = (self.audit.take(), self.retention.take());
        let (store, lag) = (self.store, self.lag);
        let joined = tokio::task::spawn_blocking(move || {
            let scored = scorer.map_or(Ok(()), join);
            stop_sink.store(true, Ordering::SeqCst);
            // What is decided is stored now, unless the store does not move: then the next start does it.
            let waiting: Vec<_> = sink.iter().chain(&audit).chain(&retention).collect();
            let (mut moved, mut at) = (Instant::now(), lag.position.load(Ordering::Relaxed));
            while waiting.iter().any(|thread| !thread.is_finished()) && moved.elapsed() < STORE_PATIENCE {
                let now = lag.position.load(Ordering::Relaxed);
                if now != at {
                    (moved, at) = (Instant::now(), now);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            if waiting.iter().any(|thread| !thread.is_finished()) {
                store.interrupt();
            }
            let stored = sink.map_or(Ok(()), join);
            let forgot = retention.map_or(Ok(()), join);
            outlets.stop();
            if let Some(landing) = landing {
                landing.join();
            }
            let audited = audit.map_or(Ok(()), join);
            scored.and(stored).and(audited).and(forgot)
        });
        let outcome = joined.await.unwrap_or_else(|e| Err(Error::bug("a part panicked while stopping").because(e)));
        self.log.close().await;
        outcome
    }
}

fn join(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(Error::bug("a part panicked; see the log")))
}

/// Brings a counter up to what was counted elsewhere.
fn raise(counter: &telemetry::Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn show_traffic(metrics: &telemetry::Broker, traffic: broker::Traffic) {
    metrics.connections.set(traffic.connections as i64);
    raise(&metrics.bytes_produced, traffic.produced_bytes);
    raise(&metrics.bytes_fetched, traffic.fetched_bytes);
    raise(&metrics.syncs, traffic.syncs);
    metrics.sync_seconds.inc_by((traffic.sync_time.as_secs_f64() - metrics.sync_seconds.get()).max(0.0));
}

fn spawn(
    name: &'static str,
    fail: Arc<Mutex<watch::Sender<Option<String>>>>,
    run: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<JoinHandle<Result<()>>> {
    /// Reports the end of the thread also where it panics.
    struct Report(&'static str, Arc<Mutex<watch::Sender<Option<String>>>>, Option<String>);
    impl Drop for Report {
        fn drop(&mut self) {
            if let Some(reason) = self.2.take() {
                tracing::error!(part = self.0, reason, "a part ended");
                self.1.lock().send_if_modified(|first| first.is_none() && first.replace(format!("{}: {reason}", self.0)).is_none());
            }
        }
    }
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let mut report = Report(name, fail, Some("panicked".into()));
            let outcome = run();
            report.2 = outcome.as_ref().err().map(ToString::to_string);
            outcome
        })
        .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))
}

/// Begins to read every input, so that who asks for a decision as soon as we are ready does not wait for it.
///
/// # Errors
/// Stop where an input lost records that were not taken yet.
fn begin_reading(source: &mut dyn Source, project: &Project, position: &Position) -> Result<()> {
    let mut places = Vec::new();
    for Input { at, .. } in inputs(source, project)? {
        let (start, end) = source.bounds(&at)?;
        let next = position.0.get(&at).copied().unwrap_or(start);
        if !(start..=end).contains(&next) {
            return Err(Error::stop(
                format!("offset {next} of {at} is not held; the log has {start} to {end}"),
                "the topic was replaced, or its retention passed the reader; restore it, or start from an empty state",
            ));
        }
        places.push((at, next));
    }
    source.wait(&places, Duration::ZERO)
}

/// What the scorer reads: control, the predict topic, then the project's streams, those that are looked up before the judged one.
pub fn inputs(source: &mut dyn Source, project: &Project) -> Result<Vec<Input>> {
    let mut inputs = vec![Input { at: TopicPartition::new(topics::CONTROL, 0), rank: Rank::Control }];
    for spec in &project.streams {
        let topic = spec.stream.topic.to_string();
        for partition in source.partitions(&topic)? {
            inputs.push(Input { at: TopicPartition::new(topic.clone(), partition), rank: Rank::Normal });
        }
        if spec.stream.judged.is_some() {
            inputs.push(Input { at: TopicPartition::new(topics::predict(&topic), 0), rank: Rank::Urgent });
        }
    }
    Ok(inputs)
}
