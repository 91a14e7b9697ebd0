//! State on disk, as the stage needs it: what memory does not hold, snapshots, and the memory of judged transactions.

use domain::Result;
use features::{Cold, MemoryCold, Snapshot};
use scoring::{Ids, MemoryIds};
use std::path::Path;

#[derive(Clone, Default)]
pub struct Disk {
    cold: MemoryCold,
}

impl Disk {
    pub fn open(_: &Path) -> Result<Self> {
        Ok(Self::default())
    }

    pub fn in_memory() -> Self {
        Self::default()
    }

    pub fn meta(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    pub fn cold(&self) -> Box<dyn Cold> {
        Box::new(self.cold.clone())
    }

    pub fn ids(&self) -> Box<dyn Ids> {
        Box::new(MemoryIds::default())
    }

    /// From here on, what is remembered belongs to the next snapshot.
    pub fn begin(&self) {}

    pub fn commit(&self, snapshot: &Snapshot, _: &[u8]) -> Result<()> {
        self.cold.commit(snapshot);
        Ok(())
    }
}
