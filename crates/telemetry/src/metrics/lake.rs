//! The metrics of the lake: what landed, how long it took, and how the tables stand.

use super::latency;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: String,
}

#[derive(Clone, Debug)]
pub struct Lake {
    rows: Family<Table, Counter>,
    files: Family<Table, Gauge>,
    bytes: Family<Table, Gauge>,
    /// Records that were taken and are not yet in the lake.
    pub lag_records: Gauge,
    /// From the first table to the last, all that was gathered.
    pub commit_seconds: Histogram,
    /// How often the lake was away, or another writer was quicker, and it was tried again.
    pub retries: Counter,
}

impl Lake {
    pub(super) fn register(r: &mut Registry) -> Self {
        let lake = Self {
            rows: Family::default(),
            files: Family::default(),
            bytes: Family::default(),
            lag_records: Gauge::default(),
            commit_seconds: latency(),
            retries: Counter::default(),
        };
        r.register("lake_rows", "Rows that landed in the lake, by table", lake.rows.clone());
        r.register("lake_files", "Files of a table's newest version, after its last upkeep", lake.files.clone());
        r.register_with_unit("lake_table", "Size of a table's newest version, after its last upkeep", Unit::Bytes, lake.bytes.clone());
        r.register("lake_lag_records", "Records that were taken and are not yet in the lake", lake.lag_records.clone());
        r.register_with_unit("lake_commit", "Time to commit what was gathered to the lake", Unit::Seconds, lake.commit_seconds.clone());
        r.register("lake_retries", "Times that landing in the lake failed and was tried again", lake.retries.clone());
        lake
    }

    /// Counts rows that a table got.
    pub fn landed(&self, table: &str, rows: u64) {
        self.rows.get_or_create(&Table { table: table.to_owned() }).inc_by(rows);
    }

    /// How a table stands.
    pub fn stands(&self, table: &str, files: i64, bytes: i64) {
        let label = Table { table: table.to_owned() };
        self.files.get_or_create(&label).set(files);
        self.bytes.get_or_create(&label).set(bytes);
    }
}
