//! The embedded broker by itself, in a process of its own, and an Apache Kafka where one is named: the same client sends and reads the
//! same records on both, in turns. What the clients cost is on the same cores and the same for both.

use super::latency::{self, Run, Schedule, WARM_SECONDS};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::server::Server;
use super::{scaled, usage};
use domain::{Error, Result};
use kafka::admin::TopicPlan;
use kafka::{Cluster, Start};
use pipeline::{Clock, Outgoing, Record, SystemClock};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const RECORDS: u64 = 2_000_000;
/// A key of 16 bytes and the rest.
const RECORD_BYTES: usize = 300;
const KEYS: u64 = 10_000;
const PARTITIONS: i32 = 4;
/// Producing and reading are measured so often, and the best counts.
const ROUNDS: u64 = 3;
const RATES: [f64; 2] = [1_000.0, 50_000.0];
const SECONDS: f64 = 20.0;
/// Before anything counts: a virtual machine compiles what is called often.
const WARM_UP: (f64, f64) = (20_000.0, 10.0);
const PATIENCE: Duration = Duration::from_secs(120);

/// Kafka answers when the records are in the system's memory, and leaves the disk to the system: power that fails takes them, where there are
/// no other nodes. With this setting of a topic it syncs what it appends before it answers, as the embedded broker always does.
const EACH_ON_DISK: (&str, &str) = ("flush.messages", "1");
const KAFKA: &str = "Apache Kafka";
const KAFKA_ON_DISK: &str = "Apache Kafka, on disk before it answers (flush.messages=1)";

/// Of Kafka's processor time, at most.
const THIRD: f64 = 1.0 / 3.0;

/// One broker that is measured.
struct Peer {
    cluster: Cluster,
    pid: Option<u32>,
    data: Option<PathBuf>,
    start_seconds: Option<f64>,
}

/// What was found of one, by the figure's name.
#[derive(Default)]
struct Found(BTreeMap<String, f64>);

impl Found {
    /// Keeps the larger one.
    fn most(&mut self, name: &str, value: f64) {
        let kept = self.0.entry(name.to_owned()).or_insert(value);
        *kept = kept.max(value);
    }

    /// Keeps the smaller one.
    fn least(&mut self, name: &str, value: f64) {
        let kept = self.0.entry(name.to_owned()).or_insert(value);
        *kept = kept.min(value);
    }
}

pub fn run(scale: f64, kafka: Option<&str>) -> Result<Report> {
    let scratch = Scratch::new("broker")?;
    let data = scratch.join("data");
    let server = Server::broker(&data)?;
    let ours = Peer {
        cluster: Cluster::at(&server.kafka),
        pid: Some(server.pid()),
        data: Some(data),
        start_seconds: Some(server.ready_after.as_secs_f64()),
    };
    let mut peers = vec![ours];
    peers.extend(kafka.map(named).transpose()?);
    let count = scaled(RECORDS, scale);
    let mut report = Report::new(
        "broker",
        format!(
            "records of {RECORD_BYTES} bytes, not compressed, over {PARTITIONS} partitions, acknowledged by all, idempotent producer; {count} as fast as \
             they go (batches of 256 KB, linger 5 ms), best of {ROUNDS}; then, when that is on disk, at a rate (linger 0) for {SECONDS:.0} s, from the \
             scheduled time to one poll a message of a reader; librdkafka on both sides and on the same cores"
        ),
    );
    let mut found: Vec<Found> = peers.iter().map(Peer::at_rest).collect();
    let (rate, seconds) = WARM_UP;
    for peer in &peers {
        peer.at_rate(rate * scale.min(1.0), seconds * scale.min(1.0), "bench-warm", &[])?;
    }
    for round in 0..ROUNDS {
        for (peer, found) in peers.iter().zip(&mut found) {
            peer.as_fast_as_it_goes(count, &format!("bench-{round}"), found)?;
        }
    }
    let mut on_disk = Found::default();
    for rate in RATES.map(|r| r * scale.min(1.0)) {
        let seconds = SECONDS * scale.clamp(0.1, 1.0);
        for (peer, found) in peers.iter().zip(&mut found) {
            settle();
            peer.latency(rate, seconds, &[], found)?;
        }
        if let Some(kafka) = peers.get(1) {
            settle();
            kafka.latency(rate, seconds, &[EACH_ON_DISK], &mut on_disk)?;
        }
    }
    for (peer, found) in peers.iter().zip(&mut found) {
        if let Some(usage) = peer.usage() {
            found.most("most memory", usage.peak_memory_mb);
        }
    }
    found.push(on_disk);
    tell(&mut report, &found, kafka.is_some(), scale);
    if kafka.is_none() {
        eprintln!("Apache Kafka is measured beside it with --kafka HOST:PORT; tests/services/kafka.py -- sluice bench broker starts one");
    }
    if let Some(load) = usage::load() {
        report.note(format!("the machine's load in the last minute was {load}"));
    }
    Ok(report)
}

/// Waits until what was written before is on disk: gigabytes of the fast rounds, of either broker, would be written beside whoever is
/// measured next.
fn settle() {
    // Without the command there is nothing to wait with, and the figures are those of a busy disk.
    let _ = std::process::Command::new("sync").status();
}

/// `HOST:PORT,pid=N,data=DIR,start=SECONDS`, all but the first as they are known.
fn named(text: &str) -> Result<Peer> {
    let wrong = |part: &str| {
        Error::stop(format!("`{part}` says nothing of a Kafka"), "write HOST:PORT, and behind it ,pid=N ,data=DIR ,start=SECONDS as known")
    };
    let mut parts = text.split(',');
    let address = parts.next().filter(|a| a.contains(':')).ok_or_else(|| wrong(text))?;
    let mut peer = Peer { cluster: Cluster::at(address), pid: None, data: None, start_seconds: None };
    for part in parts {
        match part.split_once('=') {
            Some(("pid", pid)) => peer.pid = Some(pid.parse().map_err(|_| wrong(part))?),
            Some(("data", dir)) => peer.data = Some(dir.into()),
            Some(("start", seconds)) => peer.start_seconds = Some(seconds.parse().map_err(|_| wrong(part))?),
            _ => return Err(wrong(part)),
        }
    }
    Ok(peer)
}

/// The figures in their order: what they are called, their unit, and what is wanted beside Kafka's.
enum Wanted {
    Nothing,
    /// At most this share of Kafka's.
    Share(f64),
}

/// `found` is of ours, of Kafka if it is there, and of Kafka with each batch on disk.
fn tell(report: &mut Report, found: &[Found], beside: bool, scale: f64) {
    let mut rows = vec![
        ("produced".to_owned(), "/s", Wanted::Nothing),
        ("read".to_owned(), "/s", Wanted::Nothing),
        ("processor time for a record produced".to_owned(), "µs", Wanted::Share(THIRD)),
        ("processor time for a record read".to_owned(), "µs", Wanted::Share(THIRD)),
    ];
    for rate in RATES.map(|r| r * scale.min(1.0)) {
        for (what, unit, wanted) in [
            ("p50", "ms", Wanted::Nothing),
            ("p99", "ms", Wanted::Share(1.0)),
            ("max", "ms", Wanted::Nothing),
            ("records that did not arrive", "", Wanted::Nothing),
            ("processor time for a record", "µs", Wanted::Share(THIRD)),
        ] {
            rows.push((at(what, rate), unit, wanted));
        }
    }
    rows.extend([
        ("memory after start".to_owned(), "MB", Wanted::Nothing),
        ("most memory".to_owned(), "MB", Wanted::Share(0.1)),
        ("on disk for a record".to_owned(), "bytes", Wanted::Nothing),
        ("start".to_owned(), "s", Wanted::Nothing),
    ]);
    for (name, unit, wanted) in rows {
        let Some(value) = found[0].0.get(&name) else { continue };
        let of = |at: usize| found.get(at).filter(|_| beside).and_then(|f| f.0.get(&name)).copied();
        let (theirs, on_disk) = (of(1), of(2));
        let figure = Figure::new(name, *value, unit).against(KAFKA, theirs).against(KAFKA_ON_DISK, on_disk);
        report.push(match (wanted, theirs) {
            (Wanted::Share(share), Some(theirs)) => figure.at_most(theirs * share),
            _ => figure,
        });
    }
}

fn at(what: &str, rate: f64) -> String {
    format!("{what} at {rate:.0}/s")
}

impl Peer {
    fn usage(&self) -> Option<usage::Usage> {
        self.pid.and_then(usage::of)
    }

    fn at_rest(&self) -> Found {
        let mut found = Found::default();
        if let Some(usage) = self.usage() {
            found.most("memory after start", usage.memory_mb);
        }
        if let Some(seconds) = self.start_seconds {
            found.most("start", seconds);
        }
        found
    }

    fn create(&self, topic: &str, settings: &[(&str, &str)]) -> Result<()> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let plan = TopicPlan { name: topic.to_owned(), partitions: Some(PARTITIONS), replicas: None, config: settings };
        self.cluster.admin()?.create_topic(&plan).map(drop)
    }

    /// Processor time that the broker takes while `work` runs, in seconds, and what the work gave.
    fn charged<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(Option<f64>, T)> {
        let before = self.usage();
        let done = work()?;
        let after = self.usage();
        Ok((before.zip(after).map(|(b, a)| a.cpu_seconds - b.cpu_seconds), done))
    }

    fn as_fast_as_it_goes(&self, count: u64, topic: &str, found: &mut Found) -> Result<()> {
        self.create(topic, &[])?;
        let before = self.data.as_deref().map(on_disk);
        let sender = self.cluster.bulk_sender()?;
        sender.check(PATIENCE)?;
        let (cpu, produced) = self.charged(|| {
            let begun = Instant::now();
            for n in 0..count {
                sender.send(topic, now_ms(), &record(n))?;
            }
            sender.flush(PATIENCE)?;
            Ok(begun.elapsed())
        })?;
        found.most("produced", count as f64 / produced.as_secs_f64());
        if let Some(cpu) = cpu {
            found.least("processor time for a record produced", cpu * 1e6 / count as f64);
        }
        if let (Some(before), Some(data)) = (before, self.data.as_deref()) {
            found.least("on disk for a record", on_disk(data).saturating_sub(before) as f64 / count as f64);
        }
        let tail = self.cluster.tail_from(topic, Start::Beginning)?;
        let (cpu, read) = self.charged(|| {
            let begun = Instant::now();
            for n in 0..count {
                if tail.next(PATIENCE)?.is_none() {
                    return Err(Error::stop(format!("{n} of {count} records were read"), "look into the broker's log"));
                }
            }
            Ok(begun.elapsed())
        })?;
        found.most("read", count as f64 / read.as_secs_f64());
        if let Some(cpu) = cpu {
            found.least("processor time for a record read", cpu * 1e6 / count as f64);
        }
        Ok(())
    }

    fn latency(&self, rate: f64, seconds: f64, settings: &[(&str, &str)], found: &mut Found) -> Result<()> {
        let (cpu, mut run) = self.charged(|| self.at_rate(rate, seconds, &format!("bench-at-{rate:.0}-{}", settings.len()), settings))?;
        if let Some(ms) = run.latencies.quantiles_ms(&latency::QUANTILES) {
            for (what, ms) in ["p50", "p99", "max"].iter().zip(ms) {
                found.most(&at(what, rate), ms);
            }
        }
        found.most(&at("records that did not arrive", rate), run.missing as f64);
        if let Some(cpu) = cpu {
            found.most(&at("processor time for a record", rate), cpu * 1e6 / (rate * (seconds + WARM_SECONDS)));
        }
        Ok(())
    }

    fn at_rate(&self, rate: f64, seconds: f64, topic: &str, settings: &[(&str, &str)]) -> Result<Run> {
        self.create(topic, settings)?;
        let sender = self.cluster.prompt_sender()?;
        sender.check(PATIENCE)?;
        let tail = self.cluster.tail_from(topic, Start::End)?;
        let send = |n: u64, schedule: &Schedule| {
            let record = record(n);
            schedule.wait(n);
            sender.send(topic, now_ms(), &record)
        };
        latency::drive(&tail, rate, seconds, send, number)
    }
}

/// The n-th record: a key of some, and a value that begins with its number.
fn record(n: u64) -> Outgoing {
    let key = format!("account-{:08}", n % KEYS);
    let mut value = format!("{n:010}");
    let rest = RECORD_BYTES - key.len() - value.len();
    value.extend(std::iter::repeat_n('x', rest));
    Outgoing { key: Some(key.into()), value: value.into() }
}

fn number(record: &Record) -> Option<u64> {
    std::str::from_utf8(record.value.get(..10)?).ok()?.parse().ok()
}

fn now_ms() -> i64 {
    SystemClock.now() / 1000
}

/// Bytes that the files of a folder take on disk: what is only reserved in a sparse file is not counted.
fn on_disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => on_disk(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            // A file that went while we looked.
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_size_and_its_number() {
        let made = record(1_234_567);
        assert_eq!(made.key.as_ref().map_or(0, bytes::Bytes::len) + made.value.len(), RECORD_BYTES);
        let read = Record { offset: 0, timestamp_ms: 0, key: made.key, value: made.value };
        assert_eq!(number(&read), Some(1_234_567));
    }

    #[test]
    fn a_kafka_is_named_with_what_is_known_of_it() {
        let peer = named("localhost:9092,pid=17,data=/var/lib/kafka,start=2.5").unwrap();
        assert_eq!((peer.cluster.bootstrap.as_str(), peer.pid, peer.start_seconds), ("localhost:9092", Some(17), Some(2.5)));
        assert_eq!(peer.data.as_deref(), Some(Path::new("/var/lib/kafka")));
        assert!(named("localhost:9092").is_ok());
        for wrong in ["localhost", "localhost:9092,pid=none", "localhost:9092,size=3"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_reserved_in_a_sparse_file_is_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::File::create(dir.path().join("sparse")).unwrap().set_len(1 << 20).unwrap();
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        std::fs::write(dir.path().join("inner/full"), [1; 8192]).unwrap();
        let bytes = on_disk(dir.path());
        assert!((8192..65_536).contains(&bytes), "{bytes}");
    }
}
