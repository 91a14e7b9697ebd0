//! Views of the lake: queries kept beside the tables, in `SCHEMA/_views/NAME.sql`, which a session knows once they are registered.

use domain::{Error, Result};
use lake::{Lake, Session, TableName};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) struct Views {
    folder: PathBuf,
}

impl Views {
    /// # Errors
    /// Stop: the lake is in no folder.
    pub(super) fn of(lake: &Lake) -> Result<Self> {
        let folder = lake.root().to_file_path().map_err(|()| {
            Error::stop(format!("views are kept in folders only, and the lake is at {}", lake.root()), "use `materialized: table`")
        })?;
        Ok(Self { folder })
    }

    fn path(&self, name: &TableName) -> PathBuf {
        self.folder.join(&name.schema).join("_views").join(format!("{}.sql", name.table))
    }

    /// Every view, by name.
    pub(super) fn all(&self) -> Result<BTreeMap<TableName, String>> {
        let mut found = BTreeMap::new();
        for schema in std::fs::read_dir(&self.folder).map_err(cannot)?.filter_map(std::result::Result::ok) {
            let folder = schema.path().join("_views");
            if !folder.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(folder).map_err(cannot)?.filter_map(std::result::Result::ok) {
                let path = file.path();
                let name =
                    path.file_stem().and_then(|stem| TableName::new(&schema.file_name().to_string_lossy(), &stem.to_string_lossy()).ok());
                if let (Some(name), Some("sql")) = (name, path.extension().and_then(|e| e.to_str())) {
                    found.insert(name, std::fs::read_to_string(&path).map_err(cannot)?);
                }
            }
        }
        Ok(found)
    }

    /// Keeps a view. A reader sees the old text or the new.
    pub(super) fn put(&self, name: &TableName, sql: &str) -> Result<()> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(cannot)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
        std::io::Write::write_all(&mut file, sql.as_bytes()).map_err(cannot)?;
        file.persist(path).map(drop).map_err(|e| cannot(e.error))
    }

    pub(super) fn remove(&self, name: &TableName) -> Result<()> {
        match std::fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(cannot(e)),
            _ => Ok(()),
        }
    }
}

fn cannot(e: std::io::Error) -> Error {
    Error::stop("cannot keep the lake's views", "check the rights on the lake's folder and the room there").because(e)
}

/// Makes every view known to a session, each after those it reads. One that cannot be planned any more is left out, with a word in the log.
///
/// # Errors
/// Stop: the files cannot be read.
pub async fn register(session: &Session) -> Result<()> {
    let Ok(views) = Views::of(session.lake()) else { return Ok(()) };
    register_all(session, views.all()?).await;
    Ok(())
}

pub(super) async fn register_all(session: &Session, mut waiting: BTreeMap<TableName, String>) {
    loop {
        let before = waiting.len();
        let mut failed = BTreeMap::new();
        for (name, sql) in std::mem::take(&mut waiting) {
            if let Err(e) = session.view(&name, &sql).await {
                failed.insert(name, (sql, e));
            }
        }
        if failed.len() == before || failed.is_empty() {
            for (name, (_, e)) in failed {
                tracing::warn!(view = %name, error = %e, "a view cannot be read any more");
            }
            return;
        }
        waiting = failed.into_iter().map(|(name, (sql, _))| (name, sql)).collect();
    }
}
