//! From the scheduled send of an event to its decision in a foreign consumer's hand, at 10,000 a second, open loop. The baseline is
//! the same pair of clients over an ordinary topic of the same broker: what sending, syncing and receiving cost without scoring.

use super::open_loop::Latencies;
pub use super::open_loop::Schedule;
use super::projects::{self, Events};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::server::{self, Server};
use super::{EPOCH, usage};
use crate::topics;
use domain::{Error, Result};
use kafka::{Cluster, Sender, Tail};
use pipeline::Outgoing;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RATE: f64 = 10_000.0;
const SECONDS: f64 = 20.0;
/// Not counted: connections, first fetches, cold state.
pub const WARM_SECONDS: f64 = 3.0;
const ACCOUNTS: u64 = 50_000;
const TRANSPORT: &str = "bench-transport";
pub const QUANTILES: [f64; 3] = [0.5, 0.99, 1.0];

pub fn run(scale: f64) -> Result<Report> {
    let scratch = Scratch::new("latency")?;
    let project = projects::small()?;
    let folder = server::write(&project, scratch.join("project"))?;
    let server = Server::start(Some(&folder), &scratch.join("data"), false)?;
    let cluster = Cluster::at(&server.kafka);
    let judged = project.judged().map(|s| s.stream.topic.to_string()).unwrap_or_default();
    let rate = RATE * scale.min(1.0);
    let seconds = SECONDS.min(SECONDS * scale.max(0.1));
    let mut report = Report::new(
        "latency",
        format!(
            "librdkafka sends {rate:.0} events a second for {seconds:.0} s (linger 0, acknowledged by all), a librdkafka consumer reads decisions, one poll a \
             message, read committed; from each event's scheduled time; clients and server share the machine"
        ),
    );

    // A sent record creates the topic.
    let sender = cluster.prompt_sender()?;
    sender.check(Duration::from_secs(10))?;
    sender.send(TRANSPORT, 0, &Outgoing { key: None, value: "first".into() })?;
    sender.flush(Duration::from_secs(10))?;
    let transport = generated(&sender, &cluster.tail(TRANSPORT)?, TRANSPORT, "t", rate, seconds)?;
    let before = server.usage();
    let scored = generated(&sender, &cluster.tail(topics::DECISIONS)?, &judged, "l", rate, seconds)?;
    let after = server.usage();

    let [transport_ms, scored_ms] = [transport, scored].map(|mut run| (run.latencies.quantiles_ms(&QUANTILES), run.missing));
    let (Some(ms), missing) = scored_ms else { return Err(Error::stop("no decision arrived", "look into the server's log")) };
    let bare = |i: usize| transport_ms.0.as_ref().map(|ms| ms[i]);
    let named = "the same clients through a plain topic";
    report.push(Figure::new("p50", ms[0], "ms").against(named, bare(0)));
    report.push(Figure::new("p99", ms[1], "ms").at_most(5.0).against(named, bare(1)));
    report.push(Figure::new("max", ms[2], "ms").against(named, bare(2)));
    report.push(Figure::new("decisions that did not arrive", missing as f64, "").at_most(0.0));
    let mut sync = sync_ms(&scratch)?;
    if let Some(sync) = sync.quantiles_ms(&QUANTILES) {
        report.push(Figure::new("one fdatasync of 4 KB on this disk, p50", sync[0], "ms"));
        report.push(Figure::new("one fdatasync of 4 KB on this disk, p99", sync[1], "ms"));
    }
    if let (Some(before), Some(after)) = (before, after) {
        let total = seconds + WARM_SECONDS;
        report.push(Figure::new("server's processor time", (after.cpu_seconds - before.cpu_seconds) / total, "cores"));
        report.push(Figure::new("server's most memory", after.peak_memory_mb, "MB"));
    }
    if transport_ms.1 > 0 {
        report.note(format!("{} records of the baseline did not arrive", transport_ms.1));
    }
    if let Some(load) = usage::load() {
        report.note(format!("the machine's load in the last minute was {load}"));
    }
    Ok(report)
}

/// Generated events into `topic`, and what comes of them out of `tail`.
fn generated(sender: &Sender, tail: &Tail, topic: &str, prefix: &str, rate: f64, seconds: f64) -> Result<Run> {
    let mut events = Events::new(EPOCH, STEP, ACCOUNTS);
    let send = |n: u64, schedule: &Schedule| {
        let (account, event_time, json) = events.next(prefix);
        let record = Outgoing { key: Some(format!("acc-{account:07}").into()), value: json.into() };
        schedule.wait(n);
        sender.send(topic, event_time / 1000, &record)
    };
    drive(tail, rate, seconds, send, |record| number(record, prefix))
}

/// What came of one load.
pub struct Run {
    pub latencies: Latencies,
    pub missing: u64,
}

/// Lets `send` send each event at its time, and receives on this thread; `number` knows an event again by what comes of it.
pub fn drive(
    tail: &Tail,
    rate: f64,
    seconds: f64,
    mut send: impl FnMut(u64, &Schedule) -> Result<()> + Send,
    number: impl Fn(&pipeline::Record) -> Option<u64>,
) -> Result<Run> {
    let warm = (WARM_SECONDS * rate) as u64;
    let count = warm + (seconds * rate) as u64;
    let schedule = Schedule::at_rate(rate);
    let sent = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sending = std::thread::Builder::new()
            .name("send".into())
            .spawn_scoped(scope, || {
                let outcome = (0..count).try_for_each(|n| send(n, &schedule));
                sent.store(true, Ordering::Release);
                outcome
            })
            .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))?;
        let mut latencies = Latencies::default();
        let (mut received, mut quiet) = (0, Instant::now());
        while received < count {
            match tail.next(Duration::from_millis(100))? {
                Some((_, record)) => {
                    let now = Instant::now();
                    quiet = now;
                    let Some(n) = number(&record) else { continue };
                    received += 1;
                    if n >= warm {
                        latencies.push(now.saturating_duration_since(schedule.due(n)));
                    }
                }
                // What is not here seconds after the last was sent will not come.
                None if sent.load(Ordering::Acquire) && quiet.elapsed() > Duration::from_secs(5) => break,
                None => {}
            }
        }
        sending.join().unwrap_or_else(|_| Err(Error::bug("the sender panicked")))?;
        Ok(Run { latencies, missing: count - received })
    })
}

/// A hundredth of a second of event time between two events.
const STEP: i64 = 10_000;

/// Which event it was: a decision's key is the transaction's id; a plain record's value begins with it.
fn number(record: &pipeline::Record, prefix: &str) -> Option<u64> {
    let of = |text: &[u8]| std::str::from_utf8(text.strip_prefix(prefix.as_bytes())?.get(..10)?).ok()?.parse().ok();
    record.key.as_deref().and_then(of).or_else(|| of(record.value.strip_prefix(b"{\"transaction_id\":\"")?))
}

/// What the disk itself takes: everything above has at least two of these in its way.
fn sync_ms(scratch: &Scratch) -> Result<Latencies> {
    let cannot = |e: std::io::Error| Error::stop("cannot write to the folder for temporary files", "set TMPDIR to another").because(e);
    let mut file = std::fs::File::create(scratch.join("sync")).map_err(cannot)?;
    let mut latencies = Latencies::default();
    for _ in 0..500 {
        file.write_all(&[7; 4096]).map_err(cannot)?;
        let begun = Instant::now();
        file.sync_data().map_err(cannot)?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_known_again_by_key_or_value() {
        let record = |key: Option<&'static str>, value: &'static str| pipeline::Record {
            offset: 0,
            timestamp_ms: 0,
            key: key.map(Into::into),
            value: value.into(),
        };
        assert_eq!(number(&record(Some("l0000000042"), "{}"), "l"), Some(42));
        assert_eq!(number(&record(Some("acc-0000001"), "{\"transaction_id\":\"t0000000007\"}"), "t"), Some(7));
        assert_eq!(number(&record(Some("x"), "first"), "t"), None);
    }
}
