//! Lands records of topics in a table, each once: rows and the position they reach become visible in one version of the table.

use crate::error;
use crate::name::TableName;
use crate::place::Lake;
use crate::protocol::{Outcome, application, commit};
use crate::schema::{EVENT_DATE, TableSchema};
use datafusion::arrow::array::{RecordBatch, new_null_array};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::PROTOCOL;
use deltalake::kernel::{Add, StructField, StructType};
use deltalake::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableError};
use domain::{Error, Result, TopicPartition};
use std::collections::HashMap;

/// How often a version that others take is tried on the next one.
const ATTEMPTS: usize = 20;

/// What tables of records are made with: they get many small versions, whose log and replaced files are kept for a day.
const PROPERTIES: [(&str, &str); 3] = [
    ("delta.logRetentionDuration", "interval 1 days"),
    ("delta.deletedFileRetentionDuration", "interval 1 days"),
    ("delta.enableExpiredLogCleanup", "true"),
];

/// How far a batch moves the position in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub at: TopicPartition,
    /// Where the table stands, as [`Appender::position`] says; none where it never read the partition.
    pub from: Option<i64>,
    /// The next offset to read after the batch.
    pub next: i64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Committed {
        version: u64,
        files: usize,
        bytes: u64,
    },
    /// The table holds it already.
    Covered,
    /// Another writer moved a position to somewhere else: ask for the positions and read from there.
    Moved,
}

/// The one way in which records get into a table.
pub struct Appender {
    lake: Lake,
    name: TableName,
    /// As read when it was opened, or after the last conflict; none while it is not known how the last commit went.
    table: Option<DeltaTable>,
    version: u64,
    positions: HashMap<TopicPartition, Option<i64>>,
}

impl Appender {
    /// Opens a table, makes it if it is not there, and gives it the columns that it lacks.
    ///
    /// # Errors
    /// Stop: a column has another type. Retry: the storage is away.
    pub async fn open(lake: &Lake, name: &TableName, schema: &TableSchema) -> Result<Self> {
        if lake.table(name).await?.is_none() {
            create(lake, name, schema).await?;
        }
        let mut table = lake.existing(name).await?;
        let lacking = lacking(name, &columns(&table)?, &schema.arrow)?;
        if !lacking.is_empty() {
            tracing::info!(table = %name, columns = ?lacking.iter().map(|f| f.name()).collect::<Vec<_>>(), "the table gets new columns");
            let added = table.add_columns().with_fields(lacking).await;
            added.map_err(|e| error::delta(format!("cannot add columns to {name}"), e))?;
            table = lake.existing(name).await?;
        }
        let mut appender = Self { lake: lake.clone(), name: name.clone(), table: None, version: 0, positions: HashMap::new() };
        appender.take(table)?;
        Ok(appender)
    }

    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The version that the next commit builds on.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The next offset that the table needs of a partition; none where it never read it.
    ///
    /// # Errors
    /// Retry: the storage is away.
    pub async fn position(&mut self, at: &TopicPartition) -> Result<Option<i64>> {
        self.load().await?;
        if let Some(known) = self.positions.get(at) {
            return Ok(*known);
        }
        let cannot = |e| error::delta(format!("cannot read the positions of {}", self.name), e);
        let table = self.table.as_ref().ok_or_else(|| Error::bug("a loaded table is none"))?;
        // What was committed since the table was read stands in `positions`.
        let state = table.snapshot().map_err(cannot)?;
        let read = state.transaction_version(table.log_store().as_ref(), application(at)).await.map_err(cannot)?;
        self.positions.insert(at.clone(), read);
        Ok(read)
    }

    /// Makes rows and positions visible, in one version and once. A batch that the table has already changes nothing.
    ///
    /// # Errors
    /// Retry: the storage is away, slow or full; the same call again does what is left to do.
    pub async fn append(&mut self, rows: &RecordBatch, moves: &[Move]) -> Result<Appended> {
        if let Some(settled) = self.look(moves).await? {
            return Ok(settled);
        }
        let files = self.write(rows).await?;
        let bytes = files.iter().map(|f| f.size.unsigned_abs()).sum();
        let positions: Vec<_> = moves.iter().map(|m| (m.at.clone(), m.next)).collect();
        for _ in 0..ATTEMPTS {
            let log = self.log()?;
            let version = self.version + 1;
            match commit(&log, version, &files, &positions).await {
                Outcome::Committed => {
                    self.version = version;
                    self.positions.extend(positions.into_iter().map(|(at, next)| (at, Some(next))));
                    return Ok(Appended::Committed { version, files: files.len(), bytes });
                }
                Outcome::Taken => {
                    self.forget();
                    if let Some(settled) = self.look(moves).await? {
                        return Ok(settled);
                    }
                }
                Outcome::Unknown(e) => {
                    self.forget();
                    return Err(error::delta(format!("cannot commit to {}", self.name), e));
                }
            }
        }
        Err(Error::retry(format!("others write to {} so often that no version was free", self.name)))
    }

    /// What the positions say about a batch; none where it is to be written.
    async fn look(&mut self, moves: &[Move]) -> Result<Option<Appended>> {
        let (mut here, mut covered) = (true, true);
        for step in moves {
            let position = self.position(&step.at).await?;
            here &= position == step.from;
            covered &= position.is_some_and(|p| p >= step.next);
        }
        Ok(match (covered && !moves.is_empty(), here) {
            (true, _) => Some(Appended::Covered),
            (false, true) => None,
            (false, false) => Some(Appended::Moved),
        })
    }

    /// Writes the rows as files that no version names yet.
    async fn write(&mut self, rows: &RecordBatch) -> Result<Vec<Add>> {
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let cannot = |e: DeltaTableError| error::delta(format!("cannot write to {}", self.name), e);
        let table = self.table.as_ref().ok_or_else(|| Error::bug("a loaded table is none"))?;
        let rows = fitted(rows, &columns(table)?)?;
        let mut writer = RecordBatchWriter::for_table(table).map_err(cannot)?;
        writer.write(rows).await.map_err(cannot)?;
        writer.flush().await.map_err(cannot)
    }

    fn log(&self) -> Result<deltalake::logstore::LogStoreRef> {
        self.table.as_ref().map(DeltaTable::log_store).ok_or_else(|| Error::bug("a loaded table is none"))
    }

    /// Nothing is known of the table any more: the next call reads it.
    fn forget(&mut self) {
        self.table = None;
        self.positions.clear();
    }

    async fn load(&mut self) -> Result<()> {
        if self.table.is_none() {
            let table = self.lake.existing(&self.name).await?;
            self.take(table)?;
        }
        Ok(())
    }

    fn take(&mut self, table: DeltaTable) -> Result<()> {
        let cannot = |e| error::delta(format!("cannot write to {}", self.name), e);
        let state = table.snapshot().map_err(cannot)?;
        PROTOCOL.can_write_to(state).map_err(|e| cannot(e.into()))?;
        self.version = state.version();
        self.positions.clear();
        self.table = Some(table);
        Ok(())
    }
}

/// Makes the table; that another writer makes it at the same time is no error.
async fn create(lake: &Lake, name: &TableName, schema: &TableSchema) -> Result<()> {
    let fields = kernel_fields(&schema.arrow)?;
    // Statistics of long texts would make the log larger than the data; what is looked for by range are numbers and times.
    let ranged = schema.arrow.fields().iter().filter(|f| !matches!(f.data_type(), DataType::Utf8 | DataType::Binary));
    let ranged: Vec<&str> = ranged.map(|f| f.name().as_str()).filter(|n| *n != EVENT_DATE).collect();
    let properties = PROPERTIES.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned())));
    let created = DeltaTable::new(lake.log(name)?)
        .create()
        .with_table_name(name.to_string())
        .with_columns(fields)
        .with_partition_columns([EVENT_DATE])
        .with_configuration(properties.chain([("delta.dataSkippingStatsColumns".to_owned(), Some(ranged.join(",")))]))
        .with_save_mode(deltalake::protocol::SaveMode::Ignore)
        .await;
    match created {
        Ok(_) => Ok(()),
        Err(_) if lake.exists(name).await? => Ok(()),
        Err(e) => Err(error::delta(format!("cannot make {name}"), e)),
    }
}

fn kernel_fields(schema: &SchemaRef) -> Result<Vec<StructField>> {
    let kernel: StructType = schema
        .as_ref()
        .try_into_kernel()
        .map_err(|e: deltalake::arrow::error::ArrowError| Error::bug("a type that Delta has not").because(e))?;
    Ok(kernel.fields().cloned().collect())
}

fn columns(table: &DeltaTable) -> Result<SchemaRef> {
    let state = table.snapshot().map_err(|e| error::delta("cannot read a table's columns", e))?;
    Ok(state.snapshot().arrow_schema())
}

/// The columns that are wanted and not there.
fn lacking(name: &TableName, there: &SchemaRef, wanted: &SchemaRef) -> Result<Vec<StructField>> {
    let mut lacking = Vec::new();
    for field in kernel_fields(wanted)? {
        let wanted = wanted.field_with_name(field.name()).map_err(|e| Error::bug("a column is lost").because(e))?;
        match there.field_with_name(field.name()) {
            Err(_) => lacking.push(field),
            Ok(found) if found.data_type() == wanted.data_type() => {}
            Ok(found) => {
                return Err(Error::stop(
                    format!("column `{}` of {name} is {} and would become {}", field.name(), found.data_type(), wanted.data_type()),
                    format!(
                        "give the changed field another name, or move the folder {} away: what the log still holds lands anew",
                        name.folder()
                    ),
                ));
            }
        }
    }
    Ok(lacking)
}

/// The rows with the table's columns: those that are no longer declared are null.
fn fitted(rows: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch> {
    let arrays = columns.fields().iter().map(|field| match rows.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), rows.num_rows()),
    });
    RecordBatch::try_new(columns.clone(), arrays.collect()).map_err(|e| Error::bug("rows do not fit their table").because(e))
}

#[cfg(test)]
mod tests;
