//! The result of a query into a table, in one new version of it.

use crate::error;
use crate::name::TableName;
use crate::place::Lake;
use datafusion::common::{Column, JoinType};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::DataFrame;
use deltalake::DeltaTable;
use deltalake::operations::write::SchemaMode;
use deltalake::protocol::SaveMode;
use domain::{Error, Result};
use std::sync::Arc;

/// What becomes of the rows that a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They go, and so do the columns: the table is what the query gives.
    Overwrite,
    /// They stay. Columns that are new are null in them.
    Append,
    /// Those with the keys of a new row are replaced by it; a key may not come twice.
    Merge { keys: Vec<String> },
    /// Those with the keys of new rows go, and all new rows are added: a key may come several times.
    DeleteInsert { keys: Vec<String> },
}

/// What a write made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub version: u64,
    /// Rows that the query gave.
    pub rows: u64,
}

impl Lake {
    /// Writes what a query gives, in one version: readers see the table as it was, or as it is after. A table that is not there is made, with
    /// `partition_by` (columns of it) if there are any.
    ///
    /// # Errors
    /// Stop: the query is wrong, or does not fit the table. Retry: the storage is away, or another writer changed the table meanwhile.
    pub async fn write(&self, name: &TableName, rows: DataFrame, mode: &Mode, partition_by: &[String]) -> Result<Written> {
        let table = self.table(name).await?;
        match (mode, table) {
            (Mode::Merge { keys }, Some(table)) => {
                once(&rows, keys, name).await?;
                self.merge(name, table, rows, keys).await
            }
            (Mode::DeleteInsert { keys }, Some(table)) => {
                let rows = cached(rows).await?;
                // Where no key comes twice, on either side, it is the same as a merge, which writes no more than what it touches.
                let touched = joined(&table, &rows, keys, JoinType::LeftSemi).await?;
                if repeated(&rows, keys).await? == 0 && repeated(&touched, keys).await? == 0 {
                    return self.merge(name, table, rows, keys).await;
                }
                let all =
                    joined(&table, &rows, keys, JoinType::LeftAnti).await?.union_by_name(rows.clone()).map_err(|e| fitting(name, e))?;
                let new = rows.count().await.map_err(|e| error::sql("the query failed", e))? as u64;
                let written = self.put(name, Some(table), all, SaveMode::Overwrite, SchemaMode::Merge, partition_by).await?;
                Ok(Written { rows: new, ..written })
            }
            (Mode::Append, table) => self.put(name, table, rows, SaveMode::Append, SchemaMode::Merge, partition_by).await,
            (Mode::Merge { keys }, None) => {
                once(&rows, keys, name).await?;
                self.put(name, None, rows, SaveMode::Overwrite, SchemaMode::Overwrite, partition_by).await
            }
            (Mode::Overwrite | Mode::DeleteInsert { .. }, table) => {
                self.put(name, table, rows, SaveMode::Overwrite, SchemaMode::Overwrite, partition_by).await
            }
        }
    }

    async fn put(
        &self,
        name: &TableName,
        table: Option<DeltaTable>,
        rows: DataFrame,
        mode: SaveMode,
        columns: SchemaMode,
        partition_by: &[String],
    ) -> Result<Written> {
        let table = match table {
            Some(table) => table,
            None => DeltaTable::new(self.log(name)?),
        };
        let (state, plan) = rows.into_parts();
        let mut write = table
            .write([])
            .with_table_name(name.to_string())
            .with_save_mode(mode)
            .with_schema_mode(columns)
            .with_session_state(Arc::new(state))
            .with_input_plan(plan);
        if !partition_by.is_empty() {
            write = write.with_partition_columns(partition_by.iter().cloned());
        }
        let table = write.await.map_err(|e| error::delta(format!("cannot write {name}"), e))?;
        let version = table.version().ok_or_else(|| Error::bug("a written table has no version"))?;
        Ok(Written { version, rows: rows_written(&table).await })
    }

    async fn merge(&self, name: &TableName, table: DeltaTable, rows: DataFrame, keys: &[String]) -> Result<Written> {
        let of = |side: &str, column: &str| Expr::Column(Column::new(Some(side), column));
        let columns: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
        let same = keys
            .iter()
            .map(|k| of("target", k).eq(of("source", k)))
            .reduce(Expr::and)
            .ok_or_else(|| Error::stop(format!("{name} has no key to merge by"), "name its unique_key"))?;
        let state = rows.clone().into_parts().0;
        let cannot = |e| error::delta(format!("cannot merge into {name}"), e);
        let (table, metrics) = table
            .merge(rows, same)
            .with_source_alias("source")
            .with_target_alias("target")
            .with_merge_schema(true)
            .with_session_state(Arc::new(state))
            .when_matched_update(|update| columns.iter().fold(update, |u, c| u.update(c.as_str(), of("source", c))))
            .map_err(cannot)?
            .when_not_matched_insert(|insert| columns.iter().fold(insert, |i, c| i.set(c.as_str(), of("source", c))))
            .map_err(cannot)?
            .await
            .map_err(cannot)?;
        let version = table.version().ok_or_else(|| Error::bug("a written table has no version"))?;
        Ok(Written { version, rows: metrics.num_source_rows as u64 })
    }
}

/// Rows that the last version of a table added, as its log says.
async fn rows_written(table: &DeltaTable) -> u64 {
    use futures::StreamExt as _;
    let Some(Ok(info)) = table.history(Some(1)).next().await else { return 0 };
    let metrics = info.info.get("operationMetrics");
    let count = metrics.and_then(|m| m.get("num_added_rows")).map(|n| n.as_u64().or_else(|| n.as_str()?.parse().ok()));
    count.flatten().unwrap_or_default()
}

/// The same rows, made once and held.
async fn cached(rows: DataFrame) -> Result<DataFrame> {
    rows.cache().await.map_err(|e| error::sql("the query failed", e))
}

/// How many keys come more than once.
async fn repeated(rows: &DataFrame, keys: &[String]) -> Result<usize> {
    let failed = |e| error::sql("the query failed", e);
    let columns = keys.iter().map(|k| Expr::Column(Column::from_name(k))).collect();
    let often = rows.clone().aggregate(columns, vec![count(lit(1)).alias("times")]).map_err(failed)?;
    let often = often.filter(Expr::Column(Column::from_name("times")).gt(lit(1))).map_err(failed)?;
    often.count().await.map_err(failed)
}

async fn once(rows: &DataFrame, keys: &[String], name: &TableName) -> Result<()> {
    match repeated(rows, keys).await? {
        0 => Ok(()),
        n => Err(Error::stop(
            format!("{n} keys ({}) come more than once in what is merged into {name}", keys.join(", ")),
            "make the query give one row for each key, or use delete+insert",
        )),
    }
}

/// The table's rows whose keys come among the new ones (semi), or do not (anti).
async fn joined(table: &DeltaTable, rows: &DataFrame, keys: &[String], which: JoinType) -> Result<DataFrame> {
    let failed = |e| error::sql("the query failed", e);
    let provider = crate::catalog::provider(table).await.map_err(failed)?;
    let context = datafusion::execution::context::SessionContext::new_with_state(rows.clone().into_parts().0);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let there = context.read_table(provider).map_err(failed)?;
    there.join(rows.clone().select_columns(&keys).map_err(failed)?, which, &keys, &keys, None).map_err(failed)
}

fn fitting(name: &TableName, e: datafusion::error::DataFusionError) -> Error {
    Error::stop(format!("the rows do not fit {name}"), "give them the columns that the table has").because(e)
}

#[cfg(test)]
mod tests;
