//! Keeps the tables that records land in quick to read, by schedule: checkpoints of the log, few files out of many, and nothing kept that
//! no version needs. One thing at a time, beside the landing, which never waits for it.

use lake::{Lake, TableName, upkeep};
use rustc_hash::FxHashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Metrics;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Versions of a table from one checkpoint to the next: a reader reads at most this many small files of the log.
const CHECKPOINT_EVERY: u32 = 50;

/// Versions after which the small files of a table become one.
const OPTIMIZE_EVERY: u32 = 60;

/// Files up to this size are made into larger ones often, and only those: what is larger is written anew once an hour at most, so that a row is
/// written some few times in all.
const MEDIUM_FILE: u64 = 8 << 20;

const HOURLY: Duration = Duration::from_secs(3600);

/// Every so many hours also those files are looked for that no version ever named.
const ORPHANS_EVERY: u32 = 24;

/// Work that waits, at most; what finds no place comes again with a later version.
const QUEUE: usize = 128;

#[derive(Debug)]
enum Work {
    Checkpoint,
    Optimize,
    Hourly { orphans: bool },
}

pub(super) struct Upkeep {
    send: mpsc::Sender<(TableName, Work)>,
    worker: JoinHandle<()>,
    counts: FxHashMap<TableName, (u32, u32)>,
    hours: u32,
    hourly: Instant,
    met: HashSet<TableName>,
}

impl Upkeep {
    pub(super) fn start(lake: &Lake, metrics: &Arc<Metrics>, runtime: &tokio::runtime::Runtime) -> Self {
        let (send, mut receive) = mpsc::channel::<(TableName, Work)>(QUEUE);
        let (lake, metrics) = (lake.clone(), metrics.clone());
        let worker = runtime.spawn(async move {
            while let Some((table, work)) = receive.recv().await {
                if let Err(e) = keep(&lake, &table, &work, &metrics).await {
                    tracing::warn!(%table, ?work, error = %e, "upkeep of a table did not go well; it comes again");
                }
            }
        });
        Self { send, worker, counts: FxHashMap::default(), hours: 0, hourly: Instant::now(), met: HashSet::new() }
    }

    /// Tables got a new version each.
    pub(super) fn committed(&mut self, tables: &[TableName]) {
        for table in tables {
            self.met.insert(table.clone());
            let (checkpoint, optimize) = self.counts.entry(table.clone()).or_default();
            (*checkpoint, *optimize) = (*checkpoint + 1, *optimize + 1);
            if *optimize >= OPTIMIZE_EVERY {
                *optimize = 0;
                let _ = self.send.try_send((table.clone(), Work::Optimize));
            }
            if *checkpoint >= CHECKPOINT_EVERY {
                *checkpoint = 0;
                let _ = self.send.try_send((table.clone(), Work::Checkpoint));
            }
        }
        if self.hourly.elapsed() >= HOURLY {
            self.hourly = Instant::now();
            self.hours += 1;
            for table in self.met.drain() {
                let _ = self.send.try_send((table, Work::Hourly { orphans: self.hours.is_multiple_of(ORPHANS_EVERY) }));
            }
        }
    }

    /// What is under way is given up: none of it is needed for the rows to be right.
    pub(super) fn stop(self, runtime: &tokio::runtime::Runtime) {
        self.worker.abort();
        let _ = runtime.block_on(self.worker);
    }
}

async fn keep(lake: &Lake, table: &TableName, work: &Work, metrics: &Metrics) -> domain::Result<()> {
    match work {
        Work::Checkpoint => upkeep::checkpoint(lake, table).await?,
        Work::Optimize => drop(upkeep::optimize(lake, table, MEDIUM_FILE, &[]).await?),
        Work::Hourly { orphans } => {
            upkeep::optimize(lake, table, upkeep::LARGE_FILE, &[]).await?;
            let deleted = upkeep::vacuum(lake, table, *orphans, false).await?;
            tracing::info!(%table, files = deleted.len(), "files that no version needs are deleted");
        }
    }
    let found = upkeep::describe(lake, table).await?;
    metrics.lake.stands(&table.table, found.files as i64, found.bytes as i64);
    Ok(())
}
