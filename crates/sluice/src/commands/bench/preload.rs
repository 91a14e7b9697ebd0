//! Events put into a topic before anything reads it, as a producer would have: LZ4 batches of a thousand, by key over the partitions.

use super::projects::Events;
use crate::log::Log;
use crate::topics;
use broker::{BatchBuilder, Compression};
use domain::{Error, Result};
use project::{LogSettings, Project};
use std::path::Path;
use std::time::Instant;

const BATCH: i32 = 1000;

/// What was put there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preloaded {
    /// JSON bytes, before compression.
    pub bytes: u64,
    pub seconds: f64,
}

/// Creates the project's topics in `data` and fills the judged one; leaves the log closed.
pub fn fill(data: &Path, project: &Project, events: &mut Events, count: u64, runtime: &tokio::runtime::Handle) -> Result<Preloaded> {
    let begun = Instant::now();
    let cannot = |e| kafka::embedded::error("cannot fill the log", e);
    let log = Log::open(&LogSettings::Embedded, "bench", data, None, runtime)?;
    topics::create(&log, project)?;
    let broker = log.broker().ok_or_else(|| Error::bug("a bench runs on the embedded log"))?;
    let judged = project.judged().ok_or_else(|| Error::bug("a checked project judges a stream"))?;
    let (topic, partitions) = (&*judged.stream.topic, judged.stream.partitions);
    let mut builders: Vec<BatchBuilder> = (0..partitions).map(|_| BatchBuilder::new(Compression::Lz4)).collect();
    let mut held = vec![0; builders.len()];
    let mut last = Vec::new();
    let mut preloaded = Preloaded::default();
    for n in 0..count {
        let (account, event_time, json) = events.next("p");
        preloaded.bytes += json.len() as u64;
        let partition = (account % builders.len() as u64) as usize;
        let key = format!("acc-{account:07}");
        builders[partition].push(event_time / 1000, Some(key.as_bytes()), Some(&json));
        held[partition] += 1;
        let ends = n + 1 == count;
        for (partition, builder) in builders.iter_mut().enumerate() {
            if held[partition] == BATCH || (ends && held[partition] > 0) {
                held[partition] = 0;
                let appended = broker.append(topic, partition as i32, &builder.build().map_err(cannot)?).map_err(cannot)?;
                if ends {
                    last.push(appended.durable);
                }
            }
        }
    }
    for durable in last {
        durable.wait().map_err(cannot)?;
    }
    runtime.block_on(log.close());
    preloaded.seconds = begun.elapsed().as_secs_f64();
    Ok(preloaded)
}
