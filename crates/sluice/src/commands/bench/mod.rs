//! `sluice bench`: measurements of this machine, each figure beside a baseline of the same run. One file a bench. Run together,
//! each gets a process of its own, so that its memory and processor time are its own.

mod broker;
mod cluster;
mod http;
mod latency;
mod open_loop;
mod peer;
mod predict;
mod preload;
mod projects;
mod report;
mod scoring;
mod scratch;
mod server;
mod shipped;
mod start;
mod store;
mod stream;
mod usage;
mod windows;

use super::{Outcome, Result, print_json};
use crate::cli::{Bench, BenchName, OutputFormat};
use domain::Error;
use report::{Document, Report};
use std::process::{Command, Stdio};
use std::time::Instant;

/// All of them that need nothing else, in the order they run.
const ALL: [BenchName; 9] = [
    BenchName::Scoring,
    BenchName::Windows,
    BenchName::Stream,
    BenchName::Latency,
    BenchName::Predict,
    BenchName::Start,
    BenchName::Broker,
    BenchName::Store,
    BenchName::Shipped,
];

/// The first event time of generated events: 2026-01-01.
const EPOCH: i64 = 1_767_225_600_000_000;

pub fn run(args: &Bench, output: OutputFormat) -> Result {
    if !(args.scale > 0.0 && args.scale.is_finite()) {
        return Err(Error::stop(format!("--scale {} is no size", args.scale), "give a number above 0, such as 0.1"));
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures mean nothing; build with `cargo build --release -p sluice`");
    }
    let which = if args.which.is_empty() { &ALL[..] } else { &args.which[..] };
    let load_before = usage::load();
    let mut benches = Vec::new();
    for name in which {
        let report = match which {
            [only] => measure(*only, args)?,
            _ => measure_apart(*name, args)?,
        };
        if output == OutputFormat::Human {
            println!("{}", report::table(&report));
        }
        benches.push(report);
    }
    if output == OutputFormat::Json {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        print_json(&Document { version: env!("CARGO_PKG_VERSION").into(), cores, scale: args.scale, load_before, benches })?;
    }
    Ok(Outcome::Fine)
}

fn name_of(which: BenchName) -> &'static str {
    match which {
        BenchName::Scoring => "scoring",
        BenchName::Stream => "stream",
        BenchName::Latency => "latency",
        BenchName::Predict => "predict",
        BenchName::Start => "start",
        BenchName::Windows => "windows",
        BenchName::Broker => "broker",
        BenchName::Cluster => "cluster",
        BenchName::Store => "store",
        BenchName::Shipped => "shipped",
    }
}

fn measure(which: BenchName, args: &Bench) -> domain::Result<Report> {
    let scale = args.scale;
    let (begun, used) = (Instant::now(), usage::own());
    let mut report = match which {
        BenchName::Scoring => scoring::run(scale),
        BenchName::Stream => stream::run(scale),
        BenchName::Latency => latency::run(scale),
        BenchName::Predict => predict::run(scale),
        BenchName::Start => start::run(scale),
        BenchName::Windows => windows::run(scale),
        BenchName::Broker => broker::run(scale, args.kafka.as_deref()),
        BenchName::Cluster => cluster::run(scale, args.kafka.as_deref()),
        BenchName::Store => store::run(scale, args.postgres.as_deref()),
        BenchName::Shipped => shipped::run(scale),
    }?;
    report.bench = name_of(which).into();
    report.seconds = begun.elapsed().as_secs_f64();
    if let (Some(before), Some(after)) = (used, usage::own()) {
        report.cpu_seconds = Some(after.cpu_seconds - before.cpu_seconds);
        report.peak_memory_mb = Some(after.peak_memory_mb);
    }
    Ok(report)
}

/// The same in a child.
fn measure_apart(which: BenchName, args: &Bench) -> domain::Result<Report> {
    let failed = |why: String| Error::stop(format!("bench {} failed", name_of(which)), why);
    let exe = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
    let done = Command::new(exe)
        .args(["bench", name_of(which), "--output", "json", "--scale", &args.scale.to_string()])
        // Where a password would be seen in a list of processes, it is not.
        .envs(args.postgres.iter().map(|url| ("SLUICE_BENCH_POSTGRES", url)))
        .envs(args.kafka.iter().map(|peer| ("SLUICE_BENCH_KAFKA", peer)))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| failed(e.to_string()))?;
    if !done.status.success() {
        return Err(failed("its own message stands above".into()));
    }
    let mut document: Document = serde_json::from_slice(&done.stdout).map_err(|e| failed(e.to_string()))?;
    document.benches.pop().ok_or_else(|| failed("it reported nothing".into()))
}

/// A count, shrunk or grown, but never to nothing.
fn scaled(count: u64, scale: f64) -> u64 {
    ((count as f64 * scale) as u64).max(1000)
}

/// A runtime for what must be async in a bench.
fn runtime() -> domain::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))
}
