//! Where the lake is, and its tables: a folder of this machine, or any object store that is handed in.

use crate::error;
use crate::name::TableName;
use datafusion::arrow::datatypes::SchemaRef;
use deltalake::logstore::{LogStoreRef, StorageConfig, logstore_with};
use deltalake::{DeltaTable, DeltaTableError};
use domain::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, prefix::PrefixStore};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// A place that holds Delta tables as `SCHEMA/TABLE`. Clones share what is known of them; any number of readers and writers may work on it, in
/// this process and in others.
#[derive(Clone, Debug)]
pub struct Lake(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Ends in a slash.
    root: Url,
    /// From the root of the storage, not of the lake.
    storage: Arc<dyn ObjectStore>,
    /// From the root of the lake.
    inside: PrefixStore<Arc<dyn ObjectStore>>,
    /// The newest state that was read of each table; reading on from it is cheap.
    known: parking_lot::Mutex<HashMap<TableName, Arc<tokio::sync::Mutex<Option<DeltaTable>>>>>,
}

impl Lake {
    /// The lake in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// Stop: the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        let cannot = |e: std::io::Error| {
            Error::stop(format!("cannot use the folder {} for the lake", folder.display()), "choose a folder that can be written")
                .because(e)
        };
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let folder = folder.canonicalize().map_err(cannot)?;
        let root = Url::from_directory_path(&folder).map_err(|()| Error::bug("an absolute path is no address"))?;
        Self::on(Arc::new(LocalFileSystem::new()), root)
    }

    /// The lake at an address of a storage; `storage` begins at the storage's own root (of the bucket, of the machine).
    ///
    /// # Errors
    /// Stop: the address cannot hold tables.
    pub fn on(storage: Arc<dyn ObjectStore>, mut root: Url) -> Result<Self> {
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let prefix = StorePath::from_url_path(root.path())
            .map_err(|e| Error::stop(format!("the lake cannot be at {root}"), "choose another address").because(e))?;
        let inside = PrefixStore::new(storage.clone(), prefix);
        Ok(Self(Arc::new(Inner { root, storage, inside, known: parking_lot::Mutex::default() })))
    }

    pub fn root(&self) -> &Url {
        &self.0.root
    }

    pub(crate) fn storage(&self) -> &Arc<dyn ObjectStore> {
        &self.0.storage
    }

    /// Every table there is, in order.
    ///
    /// # Errors
    /// Retry: the storage is away.
    pub async fn tables(&self) -> Result<Vec<TableName>> {
        let away = |e| Error::retry("cannot list the tables of the lake").because(e);
        let mut names = Vec::new();
        for schema in self.0.inside.list_with_delimiter(None).await.map_err(away)?.common_prefixes {
            for folder in self.0.inside.list_with_delimiter(Some(&schema)).await.map_err(away)?.common_prefixes {
                let parts: Vec<_> = folder.parts().collect();
                let [schema, table] = &parts[..] else { continue };
                let Ok(name) = TableName::new(schema.as_ref(), table.as_ref()) else { continue };
                if self.exists(&name).await? {
                    names.push(name);
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// # Errors
    /// Retry: the storage is away.
    pub async fn exists(&self, name: &TableName) -> Result<bool> {
        self.log(name)?.is_delta_table_location().await.map_err(|e| error::delta(format!("cannot look for {name}"), e))
    }

    /// The newest version of a table; none where there is no such table.
    ///
    /// # Errors
    /// Retry: the storage is away.
    pub async fn table(&self, name: &TableName) -> Result<Option<DeltaTable>> {
        let known = self.0.known.lock().entry(name.clone()).or_default().clone();
        let mut known = known.lock().await;
        let mut table = match known.take() {
            Some(table) => table,
            None if !self.exists(name).await? => return Ok(None),
            None => DeltaTable::new(self.log(name)?),
        };
        match table.update_incremental(None).await {
            Ok(()) => {}
            // Made anew by somebody else, or gone.
            Err(_) if table.version().is_some() => {
                if !self.exists(name).await? {
                    return Ok(None);
                }
                table = self.read(name).await?;
            }
            Err(e) => return Err(error::delta(format!("cannot open {name}"), e)),
        }
        *known = Some(table.clone());
        Ok(Some(table))
    }

    /// A table as it stands.
    ///
    /// # Errors
    /// Stop: there is none of that name. Retry: the storage is away.
    pub async fn existing(&self, name: &TableName) -> Result<DeltaTable> {
        self.table(name).await?.ok_or_else(|| missing(name))
    }

    /// An older version of a table.
    ///
    /// # Errors
    /// Stop: there is none.
    pub async fn version(&self, name: &TableName, version: u64) -> Result<DeltaTable> {
        let mut table = self.existing(name).await?;
        table.load_version(version).await.map_err(|e| error::delta(format!("cannot read version {version} of {name}"), e))?;
        Ok(table)
    }

    /// A table's columns, in order; none where there is no such table.
    ///
    /// # Errors
    /// Retry: the storage is away.
    pub async fn columns(&self, name: &TableName) -> Result<Option<SchemaRef>> {
        let Some(table) = self.table(name).await? else { return Ok(None) };
        let state = table.snapshot().map_err(|e| error::delta(format!("cannot read {name}"), e))?;
        Ok(Some(state.snapshot().arrow_schema()))
    }

    /// Reads a table from its log, without what was known of it.
    async fn read(&self, name: &TableName) -> Result<DeltaTable> {
        let mut table = DeltaTable::new(self.log(name)?);
        table.load().await.map_err(|e| error::delta(format!("cannot open {name}"), e))?;
        Ok(table)
    }

    /// Where the log of a table is.
    pub(crate) fn log(&self, name: &TableName) -> Result<LogStoreRef> {
        let cannot = |e: DeltaTableError| error::delta(format!("cannot open {name}"), e);
        logstore_with(self.0.storage.clone(), &self.address(name), StorageConfig::default()).map_err(cannot)
    }

    pub(crate) fn address(&self, name: &TableName) -> Url {
        let mut address = self.0.root.clone();
        address.set_path(&format!("{}{}/", address.path(), name.folder()));
        address
    }
}

pub(crate) fn missing(name: &TableName) -> Error {
    Error::stop(format!("there is no table {name}"), "`sluice lake status` names those there are")
}
