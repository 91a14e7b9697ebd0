//! State as the stage needs it, on disk or in memory: entities that the engine does not hold, snapshots, and the memory of judged
//! transactions. On disk a snapshot is one synced batch of all three.

use domain::{Error, Micros, Result};
use features::{Cold, MemoryCold, Snapshot};
use parking_lot::Mutex;
use scoring::{Hash, Ids, Known, MemoryIds};
use state::{IdBatch, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Clones share one.
#[derive(Clone)]
pub enum Disk {
    Memory(MemoryCold),
    Folder(Folder),
}

#[derive(Clone)]
pub struct Folder {
    store: Store,
    ids: Arc<Mutex<state::Ids>>,
    /// What was remembered up to the beginning of the snapshot under way.
    begun: Arc<Mutex<Option<IdBatch>>>,
    /// How long a transaction is remembered behind the greatest event time.
    keep: Arc<AtomicI64>,
    /// The greatest event time of the judged stream, as far as the ids were told.
    now: Arc<AtomicI64>,
}

impl Disk {
    pub fn in_memory() -> Self {
        Self::Memory(MemoryCold::default())
    }

    pub fn open(dir: &Path) -> Result<Self> {
        let store = Store::open(dir)?;
        Ok(Self::Folder(Folder {
            ids: Arc::new(Mutex::new(store.ids()?)),
            store,
            begun: Arc::default(),
            keep: Arc::default(),
            now: Arc::new(AtomicI64::new(i64::MIN)),
        }))
    }

    pub fn is_durable(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// The last snapshot's own bytes and the engine's, if there is one.
    pub fn last(&self) -> Result<Option<state::Meta>> {
        match self {
            Self::Memory(_) => Ok(None),
            Self::Folder(folder) => folder.store.meta(),
        }
    }

    pub fn cold(&self) -> Box<dyn Cold> {
        match self {
            Self::Memory(cold) => Box::new(cold.clone()),
            Self::Folder(folder) => folder.store.cold(),
        }
    }

    pub fn ids(&self) -> Box<dyn Ids> {
        match self {
            Self::Memory(_) => Box::new(MemoryIds::default()),
            Self::Folder(folder) => Box::new(FolderIds { folder: folder.clone(), value: Vec::new() }),
        }
    }

    /// Transactions are remembered at least this long; never shortened, as an earlier version may have needed more.
    pub fn keep_ids_for(&self, retention: i64) {
        if let Self::Folder(folder) = self {
            folder.keep.fetch_max(retention, Ordering::Relaxed);
        }
    }

    /// Forgets a group of windows that no version uses any more.
    pub fn clear(&self, group: features::GroupDigest) -> Result<()> {
        match self {
            Self::Memory(cold) => cold.clear(group),
            Self::Folder(folder) => folder.store.clear(group)?,
        }
        Ok(())
    }

    /// A snapshot of the engine begins here: so does that of the ids.
    pub fn begin(&self) {
        if let Self::Folder(folder) = self {
            let batch = folder.ids.lock().begin();
            *folder.begun.lock() = Some(batch);
        }
    }

    /// Writes the snapshot begun last. Takes as long as the disk does.
    ///
    /// # Errors
    /// Retry while the disk is full: the same again, later. Stop where it fails.
    pub fn commit(&self, snapshot: &Snapshot, extra: &[u8]) -> Result<()> {
        match self {
            Self::Memory(cold) => cold.commit(snapshot),
            Self::Folder(folder) => {
                let begun = folder.begun.lock().take();
                let batch = begun.ok_or_else(|| Error::bug("a snapshot is written that was not begun"))?;
                if let Err(e) = folder.store.commit(snapshot, &batch, extra) {
                    // For the next attempt, unless another snapshot was begun meanwhile.
                    folder.begun.lock().get_or_insert(batch);
                    return Err(e);
                }
                folder.ids.lock().done(&batch, folder.now.load(Ordering::Relaxed));
            }
        }
        Ok(())
    }
}

struct FolderIds {
    folder: Folder,
    value: Vec<u8>,
}

impl Ids for FolderIds {
    fn find(&mut self, id: &Hash) -> Result<Option<Known>> {
        self.value.clear();
        let now = self.folder.now.load(Ordering::Relaxed);
        if !self.folder.ids.lock().get(id, now, &mut self.value)? {
            return Ok(None);
        }
        let damaged = || {
            Error::stop("the memory of transactions is damaged", "remove the state folder: it is a cache, and is filled from the log again")
        };
        let number = |at: usize| self.value.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).ok_or_else(damaged);
        let content = self.value.get(..16).and_then(|b| b.try_into().ok()).ok_or_else(damaged)?;
        Ok(Some(Known { content, sequence: number(16)?, ordinal: number(24)?, at: number(32)? as Micros }))
    }

    fn remember(&mut self, id: Hash, known: Known) {
        let mut value = [0; 40];
        value[..16].copy_from_slice(&known.content);
        value[16..24].copy_from_slice(&known.sequence.to_le_bytes());
        value[24..32].copy_from_slice(&known.ordinal.to_le_bytes());
        value[32..].copy_from_slice(&known.at.to_le_bytes());
        let expires = known.at.saturating_add(self.folder.keep.load(Ordering::Relaxed));
        // Forty bytes are within what an id may carry.
        let _ = self.folder.ids.lock().put(id, expires, &value);
    }

    fn forget_before(&mut self, at: Micros) {
        self.folder.now.fetch_max(at.saturating_add(self.folder.keep.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}
