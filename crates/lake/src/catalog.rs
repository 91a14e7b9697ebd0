//! SQL over the lake: a catalog whose schemas are the lake's folders and whose tables are read at the version they have when a query is
//! planned. What a session registers itself (views, rows at hand) stands before a table of the same name and is its own alone.

use crate::error;
use crate::name::TableName;
use crate::place::Lake;
use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result as SqlResult};
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{DataFrame, SessionConfig};
use deltalake::DeltaTable;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use domain::{Error, Result};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// The schemas there are even while they are empty.
pub(crate) const SCHEMAS: [&str; 3] = ["bronze", "silver", "gold"];

const CATALOG: &str = "lake";

/// Memory that one query at a time may use before it writes to temporary files; several share as much for each of them. Whoever needs it first
/// has it: even parts for every step of every query would be too small for most of them.
const MEMORY: usize = 1 << 30;

/// Columns of texts that point into larger buffers. What comes out of a join then counts the whole of them in each batch, and a sort of it is
/// refused for want of memory that it does not need.
const VIEW_TYPES: &str = "datafusion.execution.parquet.schema_force_view_types";

/// How tables are scanned; a table asks a session for nothing else.
static SCANS: LazyLock<Arc<SessionState>> = LazyLock::new(|| {
    let config = SessionConfig::new().set_bool(VIEW_TYPES, false).set_bool("datafusion.execution.parquet.pushdown_filters", true);
    Arc::new(SessionStateBuilder::new().with_config(config).build())
});

/// A table as queries read it.
pub(crate) async fn provider(table: &DeltaTable) -> SqlResult<Arc<dyn TableProvider>> {
    Ok(Arc::new(table.table_provider().with_session(SCANS.clone()).build().await?))
}

/// Where SQL runs. A statement sees each table at one version; the next one sees what was committed in between.
#[derive(Clone)]
pub struct Session {
    lake: Lake,
    context: SessionContext,
}

impl Lake {
    /// A new session for one query at a time.
    ///
    /// # Errors
    /// Retry: the storage is away.
    pub async fn session(&self) -> Result<Session> {
        self.session_for(1).await
    }

    /// A new session for so many queries at a time. A name without a schema is looked for in `public`, where nothing is but what the session
    /// registers.
    ///
    /// # Errors
    /// Retry: the storage is away.
    pub async fn session_for(&self, queries: usize) -> Result<Session> {
        let tables = self.tables().await?;
        let cannot = |e| Error::bug("cannot make a SQL session").because(e);
        let mut config = SessionConfig::new().with_default_catalog_and_schema(CATALOG, "public").with_information_schema(true);
        config = config.set_bool(VIEW_TYPES, false);
        // Joins of partition columns, which are dictionaries, may fail where filters made while running hold them.
        config = config
            .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_size", 0)
            .set_usize("datafusion.optimizer.hash_join_inlist_pushdown_max_distinct_values", 0);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY * queries.max(1))))
            .build_arc()
            .map_err(cannot)?;
        let mut storage = self.root().clone();
        storage.set_path("");
        runtime.register_object_store(&storage, self.storage().clone());
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_query_planner(DeltaPlanner::new())
            .build();
        let context = SessionContext::new_with_state(state);
        context.register_catalog(CATALOG, Arc::new(Catalog::new(self, &tables)));
        Ok(Session { lake: self.clone(), context })
    }
}

impl Session {
    /// DataFusion's own view of the session.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Plans a query; nothing is run yet. Statements that would change anything are refused: [`Lake::write`] does that.
    ///
    /// # Errors
    /// Stop: the query is wrong, or no query.
    pub async fn plan(&self, sql: &str) -> Result<DataFrame> {
        let only_reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        self.context.sql_with_options(sql, only_reads).await.map_err(|e| error::sql("the query cannot be planned", e))
    }

    /// Runs a query and gives all of its rows; one that has none gives an empty batch with its columns.
    ///
    /// # Errors
    /// Stop: the query is wrong. Retry: the storage is away.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let frame = self.plan(sql).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let mut batches = frame.collect().await.map_err(|e| error::sql("the query failed", e))?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }

    /// Rows at hand, as a query that gives them.
    ///
    /// # Errors
    /// Bug: the batches have different columns.
    pub fn rows(&self, batches: Vec<RecordBatch>) -> Result<DataFrame> {
        let cannot = |e| error::sql("rows cannot be read", e);
        let schema = batches.first().ok_or_else(|| Error::bug("rows of nothing"))?.schema();
        let table = MemTable::try_new(schema, vec![batches]).map_err(cannot)?;
        self.context.read_table(Arc::new(table)).map_err(cannot)
    }

    /// Makes a query's text known under a name, as a view that only this session sees.
    ///
    /// # Errors
    /// Stop: the query is wrong.
    pub async fn view(&self, name: &TableName, sql: &str) -> Result<()> {
        let view = self.plan(sql).await?.into_view();
        self.register(name, view)
    }

    /// Makes any table known under a name, which only this session sees.
    ///
    /// # Errors
    /// Bug.
    pub fn register(&self, name: &TableName, table: Arc<dyn TableProvider>) -> Result<()> {
        let reference = datafusion::common::TableReference::full(CATALOG, name.schema.as_str(), name.table.as_str());
        let cannot = |e| Error::bug(format!("cannot register {name}")).because(e);
        self.context.deregister_table(reference.clone()).map_err(cannot)?;
        self.context.register_table(reference, table).map(drop).map_err(cannot)
    }

    /// Makes an older version of a table known under a name of its own.
    ///
    /// # Errors
    /// Stop: there is no such version.
    pub async fn register_version(&self, name: &TableName, version: u64, known_as: &TableName) -> Result<()> {
        let table = self.lake.version(name, version).await?;
        let provider = provider(&table).await.map_err(|e| error::sql(format!("cannot read {name}"), e))?;
        self.register(known_as, provider)
    }
}

/// The lake's schemas.
#[derive(Debug)]
struct Catalog {
    lake: Lake,
    schemas: Mutex<BTreeMap<String, Arc<dyn SchemaProvider>>>,
}

impl Catalog {
    fn new(lake: &Lake, tables: &[TableName]) -> Self {
        let names: BTreeSet<&str> = tables.iter().map(|t| t.schema.as_str()).chain(SCHEMAS).chain(["public"]).collect();
        let schema = |name: &str| {
            let known = tables.iter().filter(|t| t.schema == name).map(|t| t.table.clone()).collect();
            let schema = Schema { lake: lake.clone(), name: name.to_owned(), known: Mutex::new(known), own: Mutex::default() };
            (name.to_owned(), Arc::new(schema) as Arc<dyn SchemaProvider>)
        };
        Self { lake: lake.clone(), schemas: Mutex::new(names.into_iter().map(schema).collect()) }
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.lock().keys().cloned().collect()
    }

    /// Any schema may come to be while the session lasts.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if TableName::new(name, "any").is_err() || name == "information_schema" {
            return None;
        }
        let mut schemas = self.schemas.lock();
        let made = || {
            let schema = Schema { lake: self.lake.clone(), name: name.to_owned(), known: Mutex::default(), own: Mutex::default() };
            Arc::new(schema) as Arc<dyn SchemaProvider>
        };
        Some(schemas.entry(name.to_owned()).or_insert_with(made).clone())
    }
}

/// One schema of the lake.
#[derive(Debug)]
struct Schema {
    lake: Lake,
    name: String,
    /// Tables that were met.
    known: Mutex<BTreeSet<String>>,
    /// What the session registered.
    own: Mutex<BTreeMap<String, Arc<dyn TableProvider>>>,
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.known.lock().clone();
        names.extend(self.own.lock().keys().cloned());
        names.into_iter().collect()
    }

    async fn table(&self, table: &str) -> SqlResult<Option<Arc<dyn TableProvider>>> {
        if let Some(own) = self.own.lock().get(table) {
            return Ok(Some(own.clone()));
        }
        let Ok(name) = TableName::new(&self.name, table) else { return Ok(None) };
        let external = |e: Error| DataFusionError::External(Box::new(e));
        let Some(found) = self.lake.table(&name).await.map_err(external)? else { return Ok(None) };
        self.known.lock().insert(table.to_owned());
        provider(&found).await.map(Some)
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> SqlResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.own.lock().insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> SqlResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.own.lock().remove(name))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.own.lock().contains_key(name) || self.known.lock().contains(name)
    }
}
