//! The lake as the engine of SQL models: DataFusion answers, Delta keeps, each write one version of its table.

use super::types::{kept, sql_name};
use super::views::{Views, register_all};
use domain::{Error, Result};
use lake::datafusion::arrow::datatypes::Schema;
use lake::datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use lake::datafusion::prelude::{DataFrame, ident};
use lake::{Lake, Mode, Session, TableName};
use std::future::Future;
use tokio::runtime::Runtime;
use tokio::sync::RwLock;
use transform::engine::{Column, Engine, Relation, Rows, Standing, Write};

/// Runs SQL on a lake.
pub struct LakeEngine {
    lake: Lake,
    session: Session,
    views: Views,
    runtime: Runtime,
    /// Held while views are made known anew; whoever plans a query waits for it.
    planning: RwLock<()>,
}

impl LakeEngine {
    /// # Errors
    /// Stop: the lake cannot be read, or is in no folder.
    pub fn open(lake: Lake, threads: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            // Plans of DataFusion are deep.
            .thread_stack_size(8 << 20)
            .enable_all()
            .build()
            .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))?;
        let session = runtime.block_on(lake.session_for(threads))?;
        let views = Views::of(&lake)?;
        runtime.block_on(register_all(&session, views.all()?));
        Ok(Self { lake, session, views, runtime, planning: RwLock::new(()) })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    async fn plan(&self, sql: &str) -> Result<DataFrame> {
        let _held = self.planning.read().await;
        self.session.plan(sql).await
    }

    /// Views hold the tables they read as these were when the views were planned.
    async fn renew_views(&self) -> Result<()> {
        let views = self.views.all()?;
        if !views.is_empty() {
            let _held = self.planning.write().await;
            register_all(&self.session, views).await;
        }
        Ok(())
    }

    /// The same rows in types that Delta keeps.
    fn storable(frame: DataFrame) -> Result<DataFrame> {
        let schema: Schema = frame.schema().as_arrow().clone();
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = schema.fields().iter().find(|f| !seen.insert(f.name().to_lowercase())) {
            return Err(Error::stop(format!("the query gives two columns `{}`", twice.name()), "give one of them another name with `as`"));
        }
        let columns = schema.fields().iter().map(|f| {
            let column = ident(f.name());
            match kept(f.data_type()) {
                same if same == *f.data_type() => column,
                other => lake::datafusion::logical_expr::cast(column, other).alias(f.name()),
            }
        });
        let columns: Vec<_> = columns.collect();
        frame.select(columns).map_err(|e| Error::bug("columns cannot be cast to what the lake keeps").because(e))
    }
}

fn name(relation: &Relation) -> Result<TableName> {
    TableName::new(&relation.schema, &relation.name)
}

fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields().iter().map(|f| Column { name: f.name().clone(), data_type: sql_name(f.data_type()) }).collect()
}

impl Engine for LakeEngine {
    fn standing(&self, relation: &Relation) -> Result<Option<Standing>> {
        let name = name(relation)?;
        if self.wait(self.lake.columns(&name))?.is_some() {
            return Ok(Some(Standing::Table));
        }
        Ok(self.views.all()?.contains_key(&name).then_some(Standing::View))
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>> {
        self.describe(&format!("select * from {relation}"))
    }

    fn describe(&self, sql: &str) -> Result<Vec<Column>> {
        let frame = self.wait(self.plan(sql))?;
        Ok(columns(frame.schema().as_arrow()))
    }

    fn query(&self, sql: &str) -> Result<Rows> {
        let (names, batches) = self.wait(async {
            let frame = self.plan(sql).await?;
            let names: Vec<String> = frame.schema().fields().iter().map(|f| f.name().clone()).collect();
            let batches = frame
                .collect()
                .await
                .map_err(|e| Error::stop("the query failed", "see the message; the compiled SQL is in target/compiled").because(e))?;
            Ok::<_, Error>((names, batches))
        })?;
        let options = FormatOptions::default();
        let mut rows = Vec::new();
        for batch in &batches {
            let shown = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
                .collect::<std::result::Result<Vec<_>, _>>();
            let shown = shown.map_err(|e| Error::bug("a column cannot be shown").because(e))?;
            for row in 0..batch.num_rows() {
                let value =
                    |(i, column): (usize, &ArrayFormatter<'_>)| (!batch.column(i).is_null(row)).then(|| column.value(row).to_string());
                rows.push(shown.iter().enumerate().map(value).collect());
            }
        }
        Ok(Rows { columns: names, rows })
    }

    fn create_view(&self, relation: &Relation, sql: &str) -> Result<()> {
        let name = name(relation)?;
        if self.wait(self.lake.columns(&name))?.is_some() {
            return Err(Error::stop(
                format!("{name} is a table, and a view would hide it"),
                format!("remove the folder {}/{} of the lake first, or give the view another `alias`", name.schema, name.table),
            ));
        }
        // Planned first: a view that cannot be read is none.
        self.wait(self.plan(sql))?;
        self.views.put(&name, sql)?;
        self.wait(self.renew_views())
    }

    fn write(&self, relation: &Relation, sql: &str, write: &Write) -> Result<u64> {
        let name = name(relation)?;
        let mode = match write {
            Write::Replace => Mode::Overwrite,
            Write::Append => Mode::Append,
            Write::Merge { keys } => Mode::Merge { keys: keys.clone() },
            Write::DeleteInsert { keys } => Mode::DeleteInsert { keys: keys.clone() },
        };
        let rows = self.wait(async {
            let frame = Self::storable(self.plan(sql).await?)?;
            Ok::<_, Error>(self.lake.write(&name, frame, &mode, &[]).await?.rows)
        })?;
        self.views.remove(&name)?;
        self.wait(self.renew_views())?;
        Ok(rows)
    }

    fn add_columns(&self, relation: &Relation, columns: &[Column]) -> Result<()> {
        // Delta takes new columns with the rows that bring them; none are needed.
        let list: Vec<String> = columns.iter().map(|c| format!("cast(null as {}) as \"{}\"", c.data_type, c.name)).collect();
        let sql = format!("select *, {} from {relation} where false", list.join(", "));
        self.write(relation, &sql, &Write::Append).map(drop)
    }
}
