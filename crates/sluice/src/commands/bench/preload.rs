//! Events put into topics before anything reads them, as producers would have: LZ4 batches of a thousand, by key over the partitions.

use super::projects::Events;
use crate::log::Log;
use crate::topics;
use broker::{BatchBuilder, Broker, Compression, Durable};
use domain::{Error, Result};
use project::{LogSettings, Project};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

const BATCH: u32 = 1000;

/// One record on its way into a topic.
pub struct Preload<'a> {
    pub topic: &'a str,
    pub key: String,
    pub event_time: i64,
    pub json: Vec<u8>,
}

/// What is on its way into one partition.
struct Partition {
    builder: BatchBuilder,
    held: u32,
    /// Of the last batch; those before it are on disk no later.
    durable: Option<Durable>,
}

/// What was put there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preloaded {
    pub records: u64,
    /// JSON bytes, before compression.
    pub bytes: u64,
    pub seconds: f64,
}

/// Creates the project's topics in `data` and fills the judged one with generated events; leaves the log closed.
pub fn fill(data: &Path, project: &Project, events: &mut Events, count: u64, runtime: &tokio::runtime::Handle) -> Result<Preloaded> {
    let judged = project.judged().ok_or_else(|| Error::bug("a checked project judges a stream"))?;
    let records = (0..count).map(|_| {
        let (account, event_time, json) = events.next("p");
        Preload { topic: &judged.stream.topic, key: format!("acc-{account:07}"), event_time, json }
    });
    fill_with(data, project, records, runtime)
}

/// The same with records of any of the project's streams.
pub fn fill_with<'a>(
    data: &Path,
    project: &Project,
    records: impl Iterator<Item = Preload<'a>>,
    runtime: &tokio::runtime::Handle,
) -> Result<Preloaded> {
    let begun = Instant::now();
    let log = Log::open(&LogSettings::Embedded, data, None, runtime)?;
    topics::create(&log, project)?;
    let broker = log.broker().ok_or_else(|| Error::bug("a bench runs on the embedded log"))?;
    let mut topics: BTreeMap<&str, Vec<Partition>> = BTreeMap::new();
    let mut preloaded = Preloaded::default();
    for record in records {
        preloaded.records += 1;
        preloaded.bytes += record.json.len() as u64;
        let partitions = topics.entry(record.topic).or_insert_with(|| {
            let count = broker.partitions(record.topic).unwrap_or(1).max(1);
            (0..count).map(|_| Partition { builder: BatchBuilder::new(Compression::Lz4), held: 0, durable: None }).collect()
        });
        // FNV-1a; any spread by key will do.
        let hash = record.key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let at = (hash % partitions.len() as u64) as usize;
        let partition = &mut partitions[at];
        partition.builder.push(record.event_time.div_euclid(1000), Some(record.key.as_bytes()), Some(&record.json));
        partition.held += 1;
        if partition.held == BATCH {
            partition.append(broker, record.topic, at)?;
        }
    }
    for (topic, partitions) in &mut topics {
        for (at, partition) in partitions.iter_mut().enumerate() {
            if partition.held > 0 {
                partition.append(broker, topic, at)?;
            }
            if let Some(durable) = partition.durable.take() {
                durable.wait().map_err(cannot)?;
            }
        }
    }
    runtime.block_on(log.close());
    preloaded.seconds = begun.elapsed().as_secs_f64();
    Ok(preloaded)
}

impl Partition {
    fn append(&mut self, broker: &Broker, topic: &str, at: usize) -> Result<()> {
        let batch = self.builder.build().map_err(cannot)?;
        self.durable = Some(broker.append(topic, at as i32, &batch).map_err(cannot)?.durable);
        self.held = 0;
        Ok(())
    }
}

fn cannot(e: broker::Error) -> Error {
    kafka::embedded::error("cannot fill the log", e)
}
