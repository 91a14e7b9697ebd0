//! What keeps a table quick to read: few large files, a short log, nothing kept that no version needs. And what tells how it stands.

use crate::error;
use crate::name::TableName;
use crate::place::Lake;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use deltalake::DeltaTable;
use deltalake::operations::optimize::OptimizeType;
use deltalake::operations::vacuum::VacuumMode;
use deltalake::protocol::checkpoints;
use domain::{Error, Micros, Result};
use futures::StreamExt as _;
use std::num::NonZeroU64;

/// Files are made this large where there is so much.
pub const LARGE_FILE: u64 = 128 << 20;

/// The schema whose tables records land in, with their positions.
pub const LANDING: &str = "bronze";

/// How a table stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub name: TableName,
    pub version: u64,
    /// None where a file does not say how many it holds.
    pub rows: Option<u64>,
    pub files: usize,
    /// Of the files of this version; older versions have others beside them.
    pub bytes: u64,
    /// Name and type of each.
    pub columns: Vec<(String, String)>,
    pub partitioned_by: Vec<String>,
    /// Delta's own settings of the table.
    pub properties: Vec<(String, String)>,
}

/// One version of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub version: u64,
    pub at: Micros,
    /// In Delta's words: `WRITE`, `MERGE`, `OPTIMIZE`, ...
    pub operation: String,
    /// With which parameters, as JSON.
    pub parameters: String,
}

/// What was made of small files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Optimized {
    pub files_removed: u64,
    pub files_added: u64,
}

/// # Errors
/// Stop: there is no such table. Retry: the storage is away.
pub async fn describe(lake: &Lake, name: &TableName) -> Result<Description> {
    let table = lake.existing(name).await?;
    let state = table.snapshot().map_err(|e| error::delta(format!("cannot read {name}"), e))?;
    let (mut rows, mut files, mut bytes) = (Some(0), 0, 0);
    for file in state.log_data().iter() {
        rows = rows.zip(file.num_records()).map(|(sum, n)| sum + n as u64);
        files += 1;
        bytes += file.size().unsigned_abs();
    }
    let schema = state.snapshot().arrow_schema();
    let mut properties: Vec<_> = state.metadata().configuration().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    properties.sort();
    Ok(Description {
        name: name.clone(),
        version: state.version(),
        rows,
        files,
        bytes,
        columns: schema.fields().iter().map(|f| (f.name().clone(), crate::schema::sql_type(f.data_type()))).collect(),
        partitioned_by: state.metadata().partition_columns().to_vec(),
        properties,
    })
}

/// The latest versions, newest first.
///
/// # Errors
/// Stop: there is no such table. Retry: the storage is away.
pub async fn history(lake: &Lake, name: &TableName, limit: usize) -> Result<Vec<Change>> {
    let table = lake.existing(name).await?;
    let mut version = table.version().unwrap_or_default();
    let mut changes = Vec::new();
    let mut infos = table.history(Some(limit));
    while let Some(info) = infos.next().await {
        let info = info.map_err(|e| error::delta(format!("cannot read the history of {name}"), e))?;
        changes.push(Change {
            version,
            at: info.timestamp.unwrap_or_default() * 1000,
            operation: info.operation.unwrap_or_default(),
            parameters: info.operation_parameters.and_then(|p| serde_json::to_string(&p).ok()).unwrap_or_default(),
        });
        version = version.saturating_sub(1);
    }
    Ok(changes)
}

/// Makes files of about `target` bytes out of smaller ones, or, with columns to order by, writes all files anew in Z-order. Readers
/// and writers go on meanwhile.
///
/// # Errors
/// Stop: there is no such table or column. Retry: the storage is away, or another writer removed the same files.
pub async fn optimize(lake: &Lake, name: &TableName, target: u64, order_by: &[String]) -> Result<Optimized> {
    let table = lake.existing(name).await?;
    let packed = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut optimize = table.optimize().with_writer_properties(packed).with_max_concurrent_tasks(1);
    if let Some(target) = NonZeroU64::new(target) {
        optimize = optimize.with_target_size(target);
    }
    if !order_by.is_empty() {
        optimize = optimize.with_type(OptimizeType::ZOrder(order_by.to_vec()));
    }
    let (_, metrics) = optimize.await.map_err(|e| error::delta(format!("cannot optimize {name}"), e))?;
    Ok(Optimized { files_removed: metrics.num_files_removed, files_added: metrics.num_files_added })
}

/// Deletes files that no version within the table's retention needs; `orphans` also those that no version ever named, such as a killed
/// writer leaves. Returns what was deleted, or would be.
///
/// # Errors
/// Stop: there is no such table. Retry: the storage is away.
pub async fn vacuum(lake: &Lake, name: &TableName, orphans: bool, dry_run: bool) -> Result<Vec<String>> {
    let table = lake.existing(name).await?;
    let mode = if orphans { VacuumMode::Full } else { VacuumMode::Lite };
    let vacuumed = table.vacuum().with_mode(mode).with_dry_run(dry_run).await;
    let (_, metrics) = vacuumed.map_err(|e| error::delta(format!("cannot vacuum {name}"), e))?;
    Ok(metrics.files_deleted)
}

/// Makes an older version the newest again, as a version of its own. Returns its number.
///
/// # Errors
/// Stop: there is no such table or version, its files are gone, or records of topics land in it.
pub async fn restore(lake: &Lake, name: &TableName, version: u64) -> Result<u64> {
    if name.schema == LANDING {
        return Err(Error::stop(
            format!("records land in {name}: its positions would stay, and what came since would be lost"),
            format!("read the older version instead: `sluice sql \"select ... from {name}\" --version {name}={version}`"),
        ));
    }
    let table = lake.existing(name).await?;
    let (table, _) = table
        .restore()
        .with_version_to_restore(version)
        .await
        .map_err(|e| error::delta(format!("cannot restore version {version} of {name}"), e))?;
    table.version().ok_or_else(|| Error::bug("a restored table has no version"))
}

/// Writes a checkpoint of the newest version, so that readers need not read the log from its beginning, and forgets what the table's log
/// retention lets go.
///
/// # Errors
/// Stop: there is no such table. Retry: the storage is away.
pub async fn checkpoint(lake: &Lake, name: &TableName) -> Result<()> {
    let table: DeltaTable = lake.existing(name).await?;
    let cannot = |e| error::delta(format!("cannot write a checkpoint of {name}"), e);
    checkpoints::create_checkpoint(&table, None).await.map_err(cannot)?;
    checkpoints::cleanup_metadata(&table, None).await.map(drop).map_err(cannot)
}

/// Files of the newest version that are smaller than `limit`.
///
/// # Errors
/// Stop: there is no such table. Retry: the storage is away.
pub async fn small_files(lake: &Lake, name: &TableName, limit: u64) -> Result<usize> {
    let table = lake.existing(name).await?;
    let state = table.snapshot().map_err(|e| error::delta(format!("cannot read {name}"), e))?;
    Ok(state.log_data().iter().filter(|f| f.size().unsigned_abs() < limit).count())
}

#[cfg(test)]
mod tests;
