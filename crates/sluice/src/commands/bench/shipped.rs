//! The shipped project as it is, on a simulated month with all its streams: in process on one core, through the whole instance with the
//! store on, and live from a foreign client. Windows, rows and lists are those that a user has, not generated ones.

use super::latency::{self, QUANTILES, WARM_SECONDS};
use super::preload::{self, Preload};
use super::report::{Figure, Report};
use super::scoring::Judge;
use super::scratch::Scratch;
use super::server::Server;
use super::stream::decided;
use super::{EPOCH, runtime, scaled, usage};
use crate::commands::simulate;
use crate::instance::{Instance, Settings};
use crate::{shipped, topics};
use domain::time::{DAY, SECOND};
use domain::{Error, Result};
use features::{Engine, MemoryCold};
use kafka::{Cluster, Sender};
use pipeline::Outgoing;
use project::Project;
use scoring::{MemoryIds, Outputs, Plan, Record, Scorer};
use simulator::{SimEvent, World, WorldConfig};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const PAYMENTS: u64 = 150_000;
const DAYS: i64 = 30;
const BATCH: usize = 1024;
const RATE: f64 = 10_000.0;
const LIVE_SECONDS: f64 = 10.0;
const PATIENCE: Duration = Duration::from_secs(600);
const TRANSPORT: &str = "bench-transport";

pub fn run(scale: f64) -> Result<Report> {
    let project = Arc::new(shipped::project().map_err(|_| Error::bug("the shipped project does not load"))?);
    let plan = Arc::new(Plan::compile(&project).map_err(|_| Error::bug("the shipped project does not compile"))?);
    let topics = simulate::topics()?;
    let count = scaled(PAYMENTS, scale);
    let mut report = Report::new(
        "shipped",
        format!(
            "the shipped project: {} features in {} groups, {} rules, {} streams; {count} simulated payments over {DAYS} days and what happens beside them. \
             In process: decoding, features, rules, decisions, alerts and feature vectors as bytes, one thread. Through the log: all topics preloaded (LZ4), \
             outputs and their place in the sequence synced to disk, store on, broker included. Live: librdkafka sends {:.0} payments a second (linger 0, \
             acknowledged by all), a librdkafka consumer reads decisions; from each payment's scheduled time",
            plan.features.features.len(),
            plan.features.groups.len(),
            plan.rules.rules().len(),
            topics.len(),
            RATE * scale.min(1.0),
        ),
    );
    let all = in_process(&plan, count, false)?;
    let alone = in_process(&plan, count, true)?;
    let scratch = Scratch::new("shipped")?;
    let mut world = month(count)?;
    let through = through_the_log(&project, &plan, &mut world, count, &scratch)?;

    report.push(
        Figure::new("in process: payments", all.payments_per_second(), "/s").against("payments alone", Some(alone.payments_per_second())),
    );
    report.push(Figure::new("in process: records of all streams", all.records_per_second(), "/s"));
    report.push(Figure::new("in process: time for a payment and what comes with it", 1e6 / all.payments_per_second(), "µs"));
    report.push(Figure::new("in process: time for a payment alone", 1e6 / alone.payments_per_second(), "µs"));
    report.push(Figure::new("in process: state in memory", all.state_bytes as f64 / 1e6, "MB"));
    report.push(
        Figure::new("through the log: payments", through.payments_per_second, "/s")
            .at_least(100_000.0)
            .against("in process, one core", Some(all.payments_per_second())),
    );
    report.push(Figure::new("through the log: records of all streams", through.records_per_second, "/s"));
    if let (Some(cores), Some(memory)) = (through.cores, through.memory_mb) {
        report.push(Figure::new("through the log: cores used", cores, "cores"));
        report.push(Figure::new("through the log: most memory, broker, state and store included", memory, "MB"));
    }
    report.push(Figure::new("store: decisions behind when the last was on disk", through.behind as f64, "records"));
    report.push(Figure::new("store: level after", through.level_after.as_secs_f64(), "s"));
    report.push(Figure::new("longest pause of a snapshot", through.pause_ms, "ms").at_most(1.0));
    live(&mut world, &topics, &scratch, scale, &mut report)?;
    Ok(report)
}

fn month(count: u64) -> Result<World> {
    let rate = count as f64 * SECOND as f64 / (DAYS * DAY) as f64;
    World::new(WorldConfig { seed: 3, start: EPOCH, daily_rhythm: true, ..WorldConfig::at_rate(rate) })
}

struct InProcess {
    payments: u64,
    records: u64,
    took: Duration,
    state_bytes: u64,
}

impl InProcess {
    fn payments_per_second(&self) -> f64 {
        self.payments as f64 / self.took.as_secs_f64()
    }

    fn records_per_second(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }
}

/// Times the judging, not the simulator between two batches.
fn in_process(plan: &Arc<Plan>, count: u64, payments_only: bool) -> Result<InProcess> {
    let stream_of: HashMap<&str, usize> = plan.streams.iter().enumerate().map(|(i, s)| (&*s.name, i)).collect();
    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut scorer = Scorer::new(plan.clone(), engine, Box::new(MemoryIds::default()), 0);
    let mut judge = Judge { plan: plan.clone(), out: Outputs::default(), decided: 0, bytes: 0 };
    let mut done = InProcess { payments: 0, records: 0, took: Duration::ZERO, state_bytes: 0 };
    let mut world = month(count)?;
    let mut events = world.payments(count).filter(|e| stream_of.contains_key(e.stream) && (e.is_payment() || !payments_only)).peekable();
    while events.peek().is_some() {
        let batch: Vec<SimEvent> = events.by_ref().take(BATCH).collect();
        let record = |(i, e): (usize, &SimEvent)| {
            let stream = stream_of.get(e.stream).copied().unwrap_or(plan.judged);
            let sequence = done.records + i as u64;
            // The clock a moment behind the event: a batch of the world is not quite in the order of its times.
            let taken_at = e.event_time + SECOND;
            let topic: &str = &plan.streams[stream].topic;
            (stream, topic, sequence, taken_at)
        };
        let places: Vec<_> = batch.iter().enumerate().map(record).collect();
        let records: Vec<Record<'_>> = batch
            .iter()
            .zip(&places)
            .map(|(e, (stream, topic, sequence, taken_at))| Record {
                stream: *stream,
                topic,
                partition: 0,
                offset: *sequence as i64,
                sequence: *sequence,
                taken_at: *taken_at,
                value: &e.json,
            })
            .collect();
        let begun = Instant::now();
        judge.batch(&mut scorer, &records)?;
        done.took += begun.elapsed();
        done.records += records.len() as u64;
    }
    done.payments = judge.decided;
    done.state_bytes = scorer.engine().stats().bytes;
    if done.payments < count {
        return Err(Error::bug(format!("{} of {count} simulated payments were judged", done.payments)));
    }
    Ok(done)
}

struct Through {
    payments_per_second: f64,
    records_per_second: f64,
    cores: Option<f64>,
    memory_mb: Option<f64>,
    behind: u64,
    level_after: Duration,
    pause_ms: f64,
}

fn through_the_log(project: &Arc<Project>, plan: &Arc<Plan>, world: &mut World, count: u64, scratch: &Scratch) -> Result<Through> {
    let runtime = runtime()?;
    let topics = simulate::topics()?;
    let data = scratch.join("data");
    let mut payments = 0;
    let records = world.payments(count).filter_map(|e| {
        payments += u64::from(e.is_payment());
        let topic = topics.get(e.stream)?;
        Some(Preload { topic, key: e.key.to_string(), event_time: e.event_time, json: e.json })
    });
    let preloaded = preload::fill_with(&data, project, records, runtime.handle())?;
    let settings = Settings {
        project: project.clone(),
        plan: plan.clone(),
        data,
        kafka: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        listener: project::ListenerSettings::default(),
        store: true,
        lake: None,
        lake_every: Duration::from_secs(1),
        state_memory: 1 << 30,
        snapshot_every: Duration::from_secs(10),
    };
    let used = usage::own();
    let instance = Instance::start(settings, runtime.handle())?;
    let begun = Instant::now();
    let wait = |until: &dyn Fn() -> Result<bool>| -> Result<()> {
        while !until()? {
            if let Some(reason) = instance.failure() {
                return Err(Error::bug(reason));
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::stop("the payments were not judged in time", "use a smaller --scale"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    };
    wait(&|| Ok(decided(&instance)? >= payments))?;
    let took = begun.elapsed().as_secs_f64();
    let after = usage::own();
    let stored = || instance.lag.position.load(Ordering::Relaxed).max(0) as u64;
    let behind = payments.saturating_sub(stored());
    let level_begun = Instant::now();
    wait(&|| Ok(stored() >= payments))?;
    let level_after = level_begun.elapsed();
    let pause_ms = instance.handle.progress.snapshot_pause_ns.load(Ordering::Relaxed) as f64 / 1e6;
    runtime.block_on(instance.stop())?;
    let cpu = used.zip(after).map(|(used, after)| (after.cpu_seconds - used.cpu_seconds) / took);
    Ok(Through {
        payments_per_second: payments as f64 / took,
        records_per_second: preloaded.records as f64 / took,
        cores: cpu,
        memory_mb: after.map(|a| a.peak_memory_mb),
        behind,
        level_after,
        pause_ms,
    })
}

/// On the same data folder, so with a month of history: the world goes on where the preloaded part ended.
fn live(world: &mut World, topics: &BTreeMap<&'static str, String>, scratch: &Scratch, scale: f64, report: &mut Report) -> Result<()> {
    let server = Server::start(None, &scratch.join("data"), true)?;
    let cluster = Cluster::at(&server.kafka);
    let rate = RATE * scale.min(1.0);
    let seconds = LIVE_SECONDS.min(LIVE_SECONDS * scale.max(0.1));
    let count = ((WARM_SECONDS + seconds) * rate) as u64;
    let sender = cluster.prompt_sender()?;
    sender.check(Duration::from_secs(10))?;
    // A sent record creates the topic.
    sender.send(TRANSPORT, 0, &Outgoing { key: None, value: "first".into() })?;
    sender.flush(Duration::from_secs(10))?;
    let plain = [(simulator::TRANSACTIONS, TRANSPORT.to_owned())].into();
    for (named, alone) in [("payments alone", true), ("with all that happens beside them", false)] {
        let bare =
            alone.then(|| moments(world, count, true)).map(|moments| play(&sender, &cluster, TRANSPORT, &plain, moments, rate, seconds));
        let bare = bare.transpose()?.and_then(|mut run| run.latencies.quantiles_ms(&QUANTILES));
        let before = server.usage();
        let mut run = play(&sender, &cluster, topics::DECISIONS, topics, moments(world, count, alone), rate, seconds)?;
        let after = server.usage();
        let ms = run.latencies.quantiles_ms(&QUANTILES).ok_or_else(|| Error::stop("no decision arrived", "look into the server's log"))?;
        for (i, quantile) in ["p50", "p99", "max"].into_iter().enumerate() {
            let figure = Figure::new(format!("live at {rate:.0}/s, {named}: {quantile}"), ms[i], "ms");
            report.push(figure.against("the same clients through a plain topic", bare.as_ref().map(|ms| ms[i])));
        }
        report
            .push(Figure::new(format!("live at {rate:.0}/s, {named}: decisions that did not arrive"), run.missing as f64, "").at_most(0.0));
        if let (Some(before), Some(after)) = (before, after) {
            let spent = (after.cpu_seconds - before.cpu_seconds) / (seconds + WARM_SECONDS);
            report.push(Figure::new(format!("live at {rate:.0}/s, {named}: server's processor time"), spent, "cores"));
        }
    }
    Ok(())
}

/// The next payments, each with what happens before it.
fn moments(world: &mut World, count: u64, payments_only: bool) -> Vec<Vec<SimEvent>> {
    let mut moments = Vec::with_capacity(count as usize);
    let mut moment = Vec::new();
    for event in world.payments(count) {
        let ends = event.is_payment();
        if ends || !payments_only {
            moment.push(event);
        }
        if ends {
            moments.push(std::mem::take(&mut moment));
        }
    }
    moments
}

/// Sends each moment at its time, and waits in `wanted` for the record whose key or value names its payment.
fn play(
    sender: &Sender,
    cluster: &Cluster,
    wanted: &str,
    topics: &BTreeMap<&'static str, String>,
    moments: Vec<Vec<SimEvent>>,
    rate: f64,
    seconds: f64,
) -> Result<latency::Run> {
    let id = |json: &[u8]| -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Id {
            transaction_id: String,
        }
        serde_json::from_slice::<Id>(json).ok().map(|id| id.transaction_id)
    };
    let numbers: HashMap<String, u64> =
        moments.iter().enumerate().filter_map(|(n, moment)| Some((id(&moment.last()?.json)?, n as u64))).collect();
    let mut moments = moments.into_iter();
    let send = |n: u64, schedule: &latency::Schedule| {
        let moment = moments.next().unwrap_or_default();
        schedule.wait(n);
        moment.into_iter().try_for_each(|event| {
            let Some(topic) = topics.get(event.stream) else { return Ok(()) };
            let record = Outgoing { key: Some(event.key.to_string().into()), value: event.json.into() };
            sender.send(topic, event.event_time.div_euclid(1000), &record)
        })
    };
    let number = |record: &pipeline::Record| {
        let of_key = record.key.as_deref().and_then(|key| numbers.get(std::str::from_utf8(key).ok()?).copied());
        of_key.or_else(|| numbers.get(&id(&record.value)?).copied())
    };
    latency::drive(&cluster.tail(wanted)?, rate, seconds, send, number)
}
