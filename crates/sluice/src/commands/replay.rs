//! `sluice replay`: a stopped instance's log, scored again in its written order. Every decision, alert, vector and dead letter must
//! come out byte for byte as it stands in its topic.

use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, Replay};
use crate::controller::Ready;
use crate::log::Log;
use crate::opened;
use crate::stage::{Judge, Setup};
use crate::versions::Archive;
use crate::{topics, vectors};
use domain::{Error, Text, TopicPartition};
use pipeline::{Mark, Output, Record, Source};
use project::LogSettings;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Compares one output topic with what is made again.
struct Compared {
    topic: &'static str,
    next: i64,
    end: i64,
    held: std::collections::VecDeque<Record>,
    records: u64,
    differences: u64,
}

impl Compared {
    fn take(&mut self, source: &mut dyn Source) -> domain::Result<Option<Record>> {
        if self.held.is_empty() && self.next < self.end {
            let mut more = Vec::new();
            source.fetch(&TopicPartition::new(self.topic, 0), self.next, 4 << 20, &mut more)?;
            self.next = more.last().map_or(self.end, |r| r.offset + 1);
            self.held.extend(more);
        }
        Ok(self.held.pop_front())
    }

    fn compare(&mut self, source: &mut dyn Source, output: &Output, show: &mut usize) -> domain::Result<()> {
        for made in &output.records {
            self.records += 1;
            let stands = self.take(source)?;
            if stands.as_ref().is_some_and(|r| r.value == made.value && r.key == made.key) {
                continue;
            }
            self.differences += 1;
            if *show > 0 {
                *show -= 1;
                eprintln!("{} record {}:", self.topic, self.records - 1);
                eprintln!("  in the log:  {}", stands.map_or_else(|| "(nothing)".into(), |r| readable(self.topic, &r.value)));
                eprintln!("  made again:  {}", readable(self.topic, &made.value));
            }
        }
        Ok(())
    }
}

/// The beginning of a record, for people.
fn readable(topic: &str, record: &[u8]) -> String {
    let text = match vectors::decode(record) {
        Ok(batch) if topic == topics::FEATURES => {
            let rows = batch.sequences.iter().zip(batch.values.chunks(batch.columns.max(1)));
            let rows: Vec<String> = rows
                .map(|(sequence, row)| format!("{sequence}: {}", row.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
                .collect();
            format!("{} | {}", batch.digest, rows.join(" | "))
        }
        _ => String::from_utf8_lossy(record).into_owned(),
    };
    text.chars().take(2000).collect()
}

pub fn run(args: &Replay, output: OutputFormat) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))?;
    let data = &args.data.data;
    // The instance's own log, or the cluster that the project names.
    let settings = match data.join("log").exists() {
        true => LogSettings::Embedded,
        false => opened::open(&args.project)?.project.settings.log.clone(),
    };
    if settings == LogSettings::Embedded && !data.join("log").exists() {
        return Err(Error::stop(format!("there is no log in {}", data.display()), "name the folder of an instance with --data"));
    }
    let log = Log::open(&settings, data, None, runtime.handle())
        .map_err(|e| Error::stop("cannot open the log", "stop the instance first (`sluice down`)").because(e))?;
    let mut source = log.source()?;
    let outcome = compare(args, output, &mut *source, Archive::new(log.source()?));
    runtime.block_on(log.close());
    outcome
}

fn compare(args: &Replay, output: OutputFormat, source: &mut dyn Source, mut archive: Archive) -> Result {
    archive.read_on(|_, _| Ok(()))?;
    let Some(first) = archive.first() else {
        return Err(Error::stop("the log holds no project version", "name the data folder of an instance that has run"));
    };
    let plan = archive.load(&first)?.plan;
    let metrics = Arc::new(telemetry::Metrics::new(env!("CARGO_PKG_VERSION")));
    let (mut judge, mut mark) = Judge::open(Setup {
        plan,
        ready: Ready::default(),
        state: None,
        state_memory: usize::MAX,
        snapshot_every: Duration::MAX,
        metrics,
        archive,
        log: None,
    })?;
    let mut compared = Vec::new();
    for topic in topics::OUTPUTS {
        let (start, end) = source.bounds(&TopicPartition::new(topic, 0))?;
        compared.push(Compared { topic, next: start, end, held: Default::default(), records: 0, differences: 0 });
    }
    let sequence = TopicPartition::new(topics::SEQUENCE, 0);
    let (begin, _) = source.bounds(&sequence)?;
    if begin > 0 {
        return Err(Error::stop("the sequence does not reach back to its beginning", "restore the sequence topic from a backup"));
    }
    let begun = Instant::now();
    let mut told = Instant::now();
    let mut show = args.show;
    mark = Mark { ..mark };
    pipeline::replay(source, &sequence, topics::OUTPUTS.len(), &mut mark, &mut judge, |source, _, _, entry, outputs, _| {
        for output in &outputs {
            compared[output.topic].compare(source, output, &mut show)?;
        }
        if told.elapsed() > Duration::from_secs(2) {
            told = Instant::now();
            eprintln!("  {} records scored again", entry.next());
        }
        Ok(())
    })?;
    // What stands in a topic beyond what was made again is a difference too.
    for topic in &mut compared {
        while topic.take(source)?.is_some() {
            topic.differences += 1;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let differences: u64 = compared.iter().map(|c| c.differences).sum();
    let counts: std::collections::BTreeMap<Text, u64> = compared.iter().map(|c| (Text::new(c.topic), c.records)).collect();
    match output {
        OutputFormat::Json => print_json(&serde_json::json!({
            "records": mark.sequence, "decisions": compared[topics::DECISIONS_AT].records, "outputs": counts,
            "differences": differences, "seconds": seconds,
        }))?,
        OutputFormat::Human => println!(
            "{} records scored again in {seconds:.1} s: {} decisions, {differences} difference{}",
            mark.sequence,
            compared[topics::DECISIONS_AT].records,
            if differences == 1 { "" } else { "s" }
        ),
    }
    Ok(if differences == 0 { Outcome::Fine } else { Outcome::Found })
}
