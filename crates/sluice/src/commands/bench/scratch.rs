//! A folder for one bench's data, removed when it ends, however it ends.

use domain::{Error, Result};
use std::path::{Path, PathBuf};

/// Removes its folder when it is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// # Errors
    /// Stop: the folder for temporary files cannot be written.
    pub fn new(name: &str) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("sluice-bench-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).map_err(|e| {
            Error::stop(format!("cannot create {}", dir.display()), "set TMPDIR to a folder on the disk to be measured").because(e)
        })?;
        Ok(Self(dir))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
