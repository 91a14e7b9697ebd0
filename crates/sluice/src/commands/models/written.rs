//! What a command leaves in its target folder.

use super::cannot_write;
use domain::{Error, Result};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use transform::Models;

pub(super) struct Written<'a> {
    pub(super) folder: &'a Path,
}

impl Written<'_> {
    pub(super) fn json(&self, name: &str, value: &Json) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(value).map_err(|e| Error::bug("a result does not serialise").because(e))?;
        self.put(&self.folder.join(name), &bytes)
    }

    /// Each query in a file of its own, under the path of its source.
    pub(super) fn compiled(&self, models: &Models, compiled: &BTreeMap<String, String>) -> Result<()> {
        for (id, sql) in compiled {
            let Some(node) = models.nodes.get(id) else { continue };
            let inside = if node.path.ends_with(".sql") { node.path.clone() } else { format!("{}/{}.sql", node.path, node.name) };
            self.put(&self.folder.join("compiled").join(&models.name).join(inside), format!("{}\n", sql.trim()).as_bytes())?;
        }
        Ok(())
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| cannot_write(folder, e))?;
        }
        std::fs::write(path, bytes).map_err(|e| cannot_write(path, e))
    }
}
