//! How long a start takes, on an empty folder and on a full one, after kill -9 with a million entities of state; what an idle server
//! holds; how long a snapshot keeps scoring waiting.

use super::http::Client;
use super::open_loop::Schedule;
use super::preload;
use super::projects::{self, Events};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::server::{self, Server};
use super::{EPOCH, runtime, scaled};
use domain::{Error, Result};
use kafka::Cluster;
use pipeline::Outgoing;
use std::time::Duration;

const ENTITIES: u64 = 1_000_000;
/// Microseconds of event time between two events: a million entities lie within a quarter of an hour.
const STEP: i64 = 1_000;
const IDLE: Duration = Duration::from_secs(3);
const LOAD_RATE: f64 = 10_000.0;
/// Long enough for two snapshots.
const LOAD_SECONDS: f64 = 25.0;
const PATIENCE: Duration = Duration::from_secs(300);

const DURABLE: &str = "sluice_sequence_durable";
const SNAPSHOTS: &str = "sluice_state_snapshot_seconds_count";
const PAUSE: &str = "sluice_state_snapshot_pause_max_seconds";

pub fn run(scale: f64) -> Result<Report> {
    let scratch = Scratch::new("start")?;
    let entities = scaled(ENTITIES, scale);
    let mut report = Report::new(
        "start",
        format!(
            "`sluice up` as a process of its own, from its start to its line that says ready; then {entities} accounts of state, and kill -9"
        ),
    );
    fresh(&scratch, &mut report)?;
    restart(&scratch, entities, scale, &mut report)?;
    Ok(report)
}

fn fresh(scratch: &Scratch, report: &mut Report) -> Result<()> {
    let data = scratch.join("fresh");
    let server = Server::start(None, &data, true)?;
    let first = server.ready_after.as_secs_f64();
    std::thread::sleep(IDLE);
    let idle = server.usage();
    server.kill();
    let again = Server::start(None, &data, true)?;
    report.push(Figure::new("shipped project, empty folder: ready after", first, "s").at_most(1.0));
    report.push(
        Figure::new("shipped project, same folder after kill -9: ready after", again.ready_after.as_secs_f64(), "s")
            .at_most(1.0)
            .against("the empty folder", Some(first)),
    );
    if let Some(idle) = idle {
        report.push(Figure::new("shipped project, idle memory after 3 s", idle.memory_mb, "MB").at_most(150.0));
        report.push(Figure::new("shipped project, processor time for start and 3 s idle", idle.cpu_seconds, "s"));
    }
    Ok(())
}

fn restart(scratch: &Scratch, entities: u64, scale: f64, report: &mut Report) -> Result<()> {
    let runtime = runtime()?;
    let project = projects::small()?;
    let folder = server::write(&project, scratch.join("project"))?;
    let data = scratch.join("full");
    let mut events = Events::new(EPOCH, STEP, entities).in_turn();
    preload::fill(&data, &project, &mut events, entities, runtime.handle())?;

    let server = Server::start(Some(&folder), &data, false)?;
    server.wait_for(DURABLE, PATIENCE, |durable| durable >= entities as f64)?;
    // A snapshot under way when the last event came in, and the one after it.
    let mut client = Client::connect(&server.http)?;
    let taken = server.metric(&mut client, SNAPSHOTS)?;
    server.wait_for(SNAPSHOTS, PATIENCE, |count| count >= taken + 1.0)?;
    let bulk_pause = server.metric(&mut client, PAUSE)?;
    load(&server, &project, &mut events, scale)?;
    let pause = server.metric(&mut client, PAUSE)?;
    let snapshots = server.metric(&mut client, SNAPSHOTS)?;
    let full = server.usage();
    server.kill();

    let server = Server::start(Some(&folder), &data, false)?;
    let (ready, caught_up) = (server.ready_after.as_secs_f64(), server.caught_up);
    server.kill();
    let state = data.join("state");
    std::fs::remove_dir_all(&state)
        .map_err(|e| Error::stop(format!("cannot remove {}", state.display()), "check its rights").because(e))?;
    let server = Server::start(Some(&folder), &data, false)?;
    let (rebuilt, replayed) = (server.ready_after.as_secs_f64(), server.caught_up);
    server.kill();

    report.push(
        Figure::new(format!("{entities} accounts: ready after kill -9"), ready, "s")
            .at_most(5.0)
            .against(format!("state removed, rebuilt from {replayed} records of the log"), Some(rebuilt)),
    );
    report.push(Figure::new("records scored again in that time", caught_up as f64, "records").against("all", Some(replayed as f64)));
    report.push(Figure::new("longest pause of a snapshot, preloaded events at full speed", bulk_pause * 1e3, "ms").at_most(1.0));
    report.push(Figure::new("longest pause of a snapshot, the load after it included", pause * 1e3, "ms").at_most(1.0));
    report.push(Figure::new("snapshots taken", snapshots, ""));
    if let Some(full) = full {
        report.push(Figure::new(format!("memory with {entities} accounts"), full.memory_mb, "MB"));
        report.push(Figure::new("most memory", full.peak_memory_mb, "MB"));
    }
    Ok(())
}

/// Ten thousand events a second over the same accounts, while snapshots are taken.
fn load(server: &Server, project: &project::Project, events: &mut Events, scale: f64) -> Result<()> {
    let rate = LOAD_RATE * scale.min(1.0);
    let topic = project.judged().map(|s| s.stream.topic.to_string()).unwrap_or_default();
    let sender = Cluster::at(&server.kafka).sender()?;
    let schedule = Schedule::at_rate(rate);
    for n in 0..(rate * LOAD_SECONDS) as u64 {
        let (account, event_time, json) = events.next("q");
        schedule.wait(n);
        sender.send(&topic, event_time / 1000, &Outgoing { key: Some(format!("acc-{account:07}").into()), value: json.into() })?;
    }
    sender.flush(Duration::from_secs(30))
}
