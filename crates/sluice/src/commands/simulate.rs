//! `sluice simulate`: the events of a seeded world, to standard output, to files, or to a broker. With seed and start the bytes
//! repeat; without, each run goes on with its world where the last one stopped, at times from now.

use super::{Out, Outcome, Result, reach};
use crate::cli::{OutputFormat, Simulate, SimulateMode};
use domain::Error;
use domain::time::SECOND;
use kafka::Sender;
use pipeline::{Clock, Outgoing, SystemClock};
use simulator::{FaultRates, Faulty, SimEvent, World, WorldConfig};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const FLUSH: Duration = Duration::from_secs(30);

/// Where events go.
enum Target {
    Stdout(Out, String),
    Files(BTreeMap<&'static str, BufWriter<std::fs::File>>),
    Kafka(Sender, BTreeMap<&'static str, String>),
}

impl Target {
    fn open(args: &Simulate) -> domain::Result<Self> {
        match args.to.as_str() {
            "-" => {
                if !simulator::STREAMS.contains(&args.stream.as_str()) {
                    return Err(Error::stop(
                        format!("there is no stream `{}`", args.stream),
                        format!("choose one of {}", simulator::STREAMS.join(", ")),
                    ));
                }
                Ok(Self::Stdout(Out::new(), args.stream.clone()))
            }
            "kafka" => {
                let sender = reach::named(args.kafka.as_deref(), &args.access)?.sender()?;
                sender.check(Duration::from_secs(5)).map_err(reach::unreached)?;
                Ok(Self::Kafka(sender, topics()?))
            }
            dir => {
                let cannot = |e| Error::stop(format!("cannot write into {dir}"), "choose a folder that you may write to").because(e);
                std::fs::create_dir_all(dir).map_err(cannot)?;
                let files = simulator::STREAMS.iter().map(|stream| {
                    let file = std::fs::File::create(Path::new(dir).join(format!("{stream}.jsonl"))).map_err(cannot)?;
                    Ok((*stream, BufWriter::with_capacity(1 << 20, file)))
                });
                Ok(Self::Files(files.collect::<domain::Result<_>>()?))
            }
        }
    }

    fn put(&mut self, event: &SimEvent) -> domain::Result<()> {
        match self {
            Self::Stdout(out, stream) if event.stream == stream => out.line(&event.json),
            Self::Stdout(..) => Ok(()),
            Self::Files(files) => {
                let Some(file) = files.get_mut(event.stream) else { return Ok(()) };
                file.write_all(&event.json).and_then(|()| file.write_all(b"\n")).map_err(full)
            }
            Self::Kafka(sender, topics) => {
                let Some(topic) = topics.get(event.stream) else { return Ok(()) };
                let record = Outgoing {
                    key: Some(bytes::Bytes::copy_from_slice(event.key.as_bytes())),
                    value: bytes::Bytes::copy_from_slice(&event.json),
                };
                sender.send(topic, event.event_time.div_euclid(1000), &record)
            }
        }
    }

    fn flush(&mut self) -> domain::Result<()> {
        match self {
            Self::Stdout(out, _) => out.flush(),
            Self::Files(files) => files.values_mut().try_for_each(|f| f.flush().map_err(full)),
            Self::Kafka(sender, _) => sender.flush(FLUSH),
        }
    }
}

fn full(e: std::io::Error) -> Error {
    Error::stop("cannot write the events", "free room on the disk").because(e)
}

/// The topic of each stream, as the shipped project has it.
pub fn topics() -> domain::Result<BTreeMap<&'static str, String>> {
    let project = crate::shipped::project().map_err(|_| Error::bug("the shipped project does not load"))?;
    let topic = |stream: &&'static str| {
        let found = project.streams.iter().find(|s| s.stream.name == **stream);
        found.map(|s| (*stream, s.stream.topic.to_string())).ok_or_else(|| Error::bug(format!("the shipped project has no `{stream}`")))
    };
    simulator::STREAMS.iter().map(topic).collect()
}

pub fn run(args: &Simulate, output: OutputFormat) -> Result {
    let faults = FaultRates { late: args.late, duplicate: args.duplicate, malformed: args.malformed };
    let mut clock = SystemClock;
    let totals_to_stdout = args.totals.as_deref() == Some(Path::new("-"));
    if totals_to_stdout && args.to == "-" {
        return Err(Error::stop("events and totals cannot both go to standard output", "give a folder with --to, or a file with --totals"));
    }
    // Any of the three makes the world one of its own; only without them does it go on from the last run.
    let repeatable = args.seed.is_some() || args.start.is_some() || args.over.is_some();
    let usual = WorldConfig::default().rate;
    let rate = match (args.mode, args.over) {
        (SimulateMode::Stream, _) => args.rate,
        (SimulateMode::Batch, Some(over)) => args.count as f64 * SECOND as f64 / over.max(1) as f64,
        (SimulateMode::Batch, None) if repeatable => usual,
        // A live batch lies within a second from now, however large it is: events far ahead of the clock would be refused.
        (SimulateMode::Batch, None) => usual.max(args.count as f64),
    };
    let fresh = |clock: &mut SystemClock| {
        let now = clock.now();
        World::new(WorldConfig {
            seed: args.seed.unwrap_or(now as u64),
            start: args.start.unwrap_or(now),
            fraud_rate: args.fraud_rate,
            rate,
            daily_rhythm: args.over.is_some(),
            ..WorldConfig::at_rate(if args.mode == SimulateMode::Stream || args.over.is_some() { rate } else { usual })
        })
    };
    let saved = (!repeatable).then(|| std::fs::read(&args.cursor).ok()).flatten();
    let mut world = match saved.map(|bytes| World::restore(&bytes)).transpose()? {
        Some(mut world) => {
            world.set_rates(rate, args.fraud_rate)?;
            world.resume_at(clock.now());
            world
        }
        None => fresh(&mut clock)?,
    };
    let mut target = Target::open(args)?;
    let before = world.totals().clone();
    match args.mode {
        SimulateMode::Batch => {
            let seed = world.config().seed;
            for event in Faulty::new(world.payments(args.count), faults, seed)? {
                target.put(&event)?;
            }
            if repeatable {
                for event in world.outstanding_labels() {
                    target.put(&event)?;
                }
            }
        }
        SimulateMode::Stream => {
            let from = if repeatable { world.config().start } else { clock.now() };
            stream(args, &mut world, from, faults, &mut target)?;
        }
    }
    target.flush()?;
    if !repeatable {
        if let Some(parent) = args.cursor.parent() {
            std::fs::create_dir_all(parent).map_err(full)?;
        }
        // A half-written cursor would lose the world: write beside it, then rename.
        let beside = args.cursor.with_extension("cursor.new");
        std::fs::write(&beside, world.save()).and_then(|()| std::fs::rename(&beside, &args.cursor)).map_err(full)?;
    }
    let totals = world.totals();
    match &args.totals {
        Some(_) if totals_to_stdout => {
            super::print_json(&totals.report())?;
            return Ok(Outcome::Fine);
        }
        Some(file) => std::fs::write(file, format!("{:#}\n", totals.report())).map_err(full)?,
        None => {}
    }
    let (payments, fraud) = (totals.payments - before.payments, totals.fraud - before.fraud);
    if args.to != "-" {
        match output {
            OutputFormat::Json => super::print_json(&serde_json::json!({
                "payments": payments, "fraud": fraud, "events": totals.events() - before.events(), "totals": totals.report(),
            }))?,
            OutputFormat::Human => println!(
                "made {payments} payments ({fraud} of them fraud) and {} other events into {}",
                totals.events() - before.events() - payments,
                args.to
            ),
        }
    }
    Ok(Outcome::Fine)
}

/// Event time follows the wall clock, counted from `from`: now, or a start of its own.
fn stream(args: &Simulate, world: &mut World, from: domain::Micros, faults: FaultRates, target: &mut Target) -> domain::Result<()> {
    let begun = Instant::now();
    let end = args.duration.map(|d| begun + Duration::from_micros(d.max(0) as u64));
    let mut step = 0u64;
    loop {
        let now = Instant::now();
        let last = end.is_some_and(|end| now >= end);
        let elapsed = now.min(end.unwrap_or(now)).duration_since(begun).as_micros() as i64;
        step += 1;
        let seed = world.config().seed ^ step;
        for event in Faulty::new(world.until(from + elapsed), faults, seed)? {
            target.put(&event)?;
        }
        if last {
            return Ok(());
        }
        if let Target::Stdout(out, _) = target {
            out.flush()?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
