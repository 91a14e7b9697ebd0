//! The same two jobs with the log on a Kafka cluster at an address: the small job of `stream` on a preloaded topic, and `predict`. The
//! bench makes and deletes topics there, so it wants an empty one.

use super::predict;
use super::projects::{self, Events};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::server::Server;
use super::{EPOCH, runtime, scaled, usage};
use crate::instance::{Instance, Settings};
use crate::log::Log;
use crate::{shipped, topics};
use domain::{Error, Result};
use kafka::Cluster;
use pipeline::Outgoing;
use project::{LogSettings, Project};
use scoring::Plan;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const EVENTS: u64 = 1_000_000;
const ACCOUNTS: u64 = 50_000;
/// Ten events a second of event time, as in `stream`.
const STEP: i64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(600);
const RATES: [(f64, f64); 1] = [(1000.0, 25.0)];

/// `kafka` is `HOST:PORT`; what stands behind a comma is not for this bench.
pub fn run(scale: f64, kafka: Option<&str>) -> Result<Report> {
    let bootstrap = kafka.and_then(|k| k.split(',').next()).ok_or_else(|| {
        Error::stop("bench cluster needs a cluster", "give --kafka HOST:PORT of an empty one; `make bench` starts an Apache Kafka for it")
    })?;
    let mut report = Report::new(
        "cluster",
        format!(
            "the log on the cluster at {bootstrap}, which shares the machine: the small job (count and sum over 10 minutes, 1 and 24 hours an account, \
             5 rules) on preloaded events, results in Kafka transactions, store off; and predict on the shipped project, store on"
        ),
    );
    let found = topics_of(bootstrap)?;
    if let Some(first) = found.first() {
        return Err(Error::stop(
            format!("the cluster holds topics, such as `{first}`, and the bench deletes what it finds at its end"),
            "give it an empty cluster",
        ));
    }
    small(scale, bootstrap, &mut report)?;
    emptied(bootstrap)?;
    answered(scale, bootstrap, &mut report)?;
    emptied(bootstrap)?;
    Ok(report)
}

/// Those that are not the cluster's own.
fn topics_of(bootstrap: &str) -> Result<Vec<String>> {
    let topics = Cluster::at(bootstrap).admin()?.topics(None)?;
    Ok(topics.into_iter().map(|t| t.name).filter(|name| !name.starts_with("__")).collect())
}

/// Each job has a cluster without what the one before left.
fn emptied(bootstrap: &str) -> Result<()> {
    let admin = Cluster::at(bootstrap).admin()?;
    for topic in topics_of(bootstrap)? {
        admin.delete_topic(&topic)?;
    }
    let until = Instant::now() + PATIENCE;
    while !topics_of(bootstrap)?.is_empty() {
        if Instant::now() > until {
            return Err(Error::retry("the cluster did not delete the bench's topics in time"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The small job: from the first record taken to the last decision committed.
fn small(scale: f64, bootstrap: &str, report: &mut Report) -> Result<()> {
    let runtime = runtime()?;
    let log = LogSettings::Kafka { bootstrap: bootstrap.to_owned(), properties: BTreeMap::new() };
    let mut project = projects::small()?;
    project.settings.log = log.clone();
    let project = Arc::new(project);
    let plan = Arc::new(Plan::compile(&project).map_err(|_| Error::bug("a generated project does not compile"))?);
    let scratch = Scratch::new("cluster")?;
    let count = scaled(EVENTS, scale);
    let filled = fill(&log, &project, scratch.path(), count, runtime.handle())?;
    let settings = Settings {
        project,
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
    // Everything in the topic, and the project's own version before it.
    while progress.durable.load(Ordering::Acquire) < count + 1 {
        if let Some(reason) = instance.failure() {
            return Err(Error::bug(reason));
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::stop("the events were not judged in time", "use a smaller --scale"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = usage::own();
    let batches = progress.batches.load(Ordering::Relaxed);
    runtime.block_on(instance.stop())?;
    report.push(
        Figure::new("small job: transactions judged", count as f64 / seconds, "/s")
            .at_least(150_000.0)
            .against("filling the topic (librdkafka, LZ4)", Some(count as f64 / filled)),
    );
    if let (Some(used), Some(after)) = (used, after) {
        let cpu = after.cpu_seconds - used.cpu_seconds;
        report.push(Figure::new("small job: our processor time for a million, start included", cpu * 1e6 / count as f64, "s"));
        report.push(Figure::new("small job: most memory, without the cluster", after.peak_memory_mb, "MB"));
    }
    report.push(Figure::new("small job: records in a batch", count as f64 / batches.max(1) as f64, "records"));
    Ok(())
}

/// Fills the judged topic by key, as a producer would; gives the seconds that took.
fn fill(log: &LogSettings, project: &Project, data: &Path, count: u64, runtime: &tokio::runtime::Handle) -> Result<f64> {
    let LogSettings::Kafka { bootstrap, .. } = log else { return Err(Error::bug("a cluster's settings name one")) };
    topics::create(&Log::open(log, data, None, runtime)?, project)?;
    let judged = project.judged().ok_or_else(|| Error::bug("a checked project judges a stream"))?;
    let begun = Instant::now();
    let sender = Cluster::at(bootstrap).sender()?;
    let mut events = Events::new(EPOCH, STEP, ACCOUNTS);
    for _ in 0..count {
        let (account, event_time, json) = events.next("p");
        let record = Outgoing { key: Some(format!("acc-{account:07}").into_bytes().into()), value: json.into() };
        sender.send(&judged.stream.topic, event_time.div_euclid(1000), &record)?;
    }
    sender.flush(PATIENCE)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn answered(scale: f64, bootstrap: &str, report: &mut Report) -> Result<()> {
    let scratch = Scratch::new("cluster-predict")?;
    let project = scratch.join("project");
    shipped::write(&project)?;
    let path = project.join("sluice.yml");
    let cannot = |e: std::io::Error| Error::stop("cannot write the bench's project", "look at the disk").because(e);
    let settings = std::fs::read_to_string(&path).map_err(cannot)?;
    let on_cluster = settings.replace("\nlog: embedded", &format!("\nlog: {{kafka: {{bootstrap: '{bootstrap}'}}}}"));
    if on_cluster == settings {
        return Err(Error::bug("the shipped project's settings have another `log:` than the bench knows"));
    }
    std::fs::write(&path, on_cluster).map_err(cannot)?;
    let server = Server::start(Some(&project), &scratch.join("data"), true)?;
    predict::measure(&server, &RATES, scale, report)
}
