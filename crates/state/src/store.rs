//! The store on disk: entities, ids and the place they stand for, committed together.

use crate::expiry::Horizon;
use crate::handle::Handle;
use crate::ids::{IdBatch, Ids};
use domain::{Error, Result};
use features::{Cold, GroupDigest, Snapshot, has_chunks, record_key};
use fjall::PersistMode;
use rustc_hash::FxHashSet;
use std::path::Path;

/// What the last commit was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The last sequence number that the state holds.
    pub sequence: u64,
    /// For `Engine::restore`.
    pub engine: Vec<u8>,
    /// The caller's own: project digest, positions.
    pub extra: Vec<u8>,
}

/// Owns the folder; cheap to clone, usable from any thread. At most one process holds it.
#[derive(Clone)]
pub struct Store {
    handle: Handle,
    state_horizon: Horizon,
    ids_horizon: Horizon,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.handle.folder()).finish_non_exhaustive()
    }
}

const META_KEY: &str = "last";

impl Store {
    /// Opens or makes the store in a folder.
    ///
    /// # Errors
    /// Stop if another process holds the folder, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let (state_horizon, ids_horizon) = (Horizon::new(), Horizon::new());
        std::fs::create_dir_all(folder).map_err(|e| {
            Error::stop(format!("the state folder {} cannot be made", folder.display()), "check the path and its permissions").because(e)
        })?;
        let handle = Handle::open(folder.to_owned(), state_horizon.clone(), ids_horizon.clone())?;
        tracing::debug!(folder = %folder.display(), "state store opened");
        Ok(Self { handle, state_horizon, ids_horizon })
    }

    /// For the engine.
    pub fn cold(&self) -> Box<dyn Cold> {
        Box::new(StoreCold { handle: self.handle.clone(), key: Vec::new() })
    }

    /// The memory of ids; one owner.
    pub fn ids(&self) -> Result<Ids> {
        Ids::new(self.handle.clone())
    }

    /// The last commit; `None` in a new store.
    pub fn meta(&self) -> Result<Option<Meta>> {
        let Some(value) = self.handle.get()?.meta.get(META_KEY).map_err(wrong)? else { return Ok(None) };
        let damaged = || {
            Error::stop("the state's meta record is damaged", "remove the state folder: it is a cache, and is filled from the log again")
        };
        let part = |at: usize, len: usize| value.get(at..at.checked_add(len)?);
        let number = |at: usize| Some(u64::from_le_bytes(part(at, 8)?.try_into().ok()?));
        let read = || {
            let (sequence, engine) = (number(0)?, usize::try_from(number(8)?).ok()?);
            Some(Meta { sequence, engine: part(16, engine)?.to_vec(), extra: value.get(16 + engine..)?.to_vec() })
        };
        read().map(Some).ok_or_else(damaged)
    }

    /// Makes a snapshot, the ids put up to its beginning, and the caller's `extra` durable in one synced batch. Takes as long as
    /// the disk does: not for the scoring thread.
    ///
    /// # Errors
    /// Retry where the disk is full: the same commit may be tried again later, and what stood before is read meanwhile. Stop where the
    /// disk fails.
    pub fn commit(&self, snapshot: &Snapshot, ids: &IdBatch, extra: &[u8]) -> Result<()> {
        self.handle.mend()?;
        let open = self.handle.get()?;
        let mut batch = open.database.batch().durability(Some(PersistMode::SyncData));
        // All of a batch has one version number, so nothing says which of two operations on a key is the later: each key is
        // written once, and a put comes after a delete.
        let mut deletes: FxHashSet<&[u8]> = snapshot.deletes().collect();
        for (key, value) in snapshot.puts() {
            deletes.remove(key);
            batch.insert(&open.state, key, value);
        }
        for key in deletes {
            batch.remove(&open.state, key);
        }
        for (id, value) in ids.records() {
            batch.insert(&open.ids, id, value);
        }
        let mut meta = Vec::with_capacity(16 + snapshot.meta.len() + extra.len());
        meta.extend_from_slice(&snapshot.sequence.to_le_bytes());
        meta.extend_from_slice(&(snapshot.meta.len() as u64).to_le_bytes());
        meta.extend_from_slice(&snapshot.meta);
        meta.extend_from_slice(extra);
        batch.insert(&open.meta, META_KEY, meta);
        batch.commit().map_err(|e| match e {
            // Poisoned: a write in the background failed, as one of this commit would have.
            fjall::Error::Poisoned => self.broke(e),
            fjall::Error::Io(ref io) if io.kind() == std::io::ErrorKind::StorageFull => self.broke(e),
            e => wrong(e),
        })?;
        if let (Some(floor), Some(greatest)) = (snapshot.floor, snapshot.greatest) {
            self.state_horizon.move_to(floor);
            self.ids_horizon.move_to(greatest);
        }
        Ok(())
    }

    fn broke(&self, error: fjall::Error) -> Error {
        self.handle.broke();
        Error::retry("the state could not be written").because(error)
    }

    /// Forgets a group that no version uses any more: should one define it again, it begins anew. Takes as long as the group is large.
    ///
    /// # Errors
    /// Stop, as [`Store::commit`].
    pub fn clear(&self, group: GroupDigest) -> Result<()> {
        const STEP: usize = 10_000;
        let open = self.handle.get()?;
        loop {
            let keys: Vec<_> = open.state.prefix(group.0).take(STEP).map(|entry| entry.key()).collect::<Result<_, _>>().map_err(wrong)?;
            let mut batch = open.database.batch().durability(Some(PersistMode::SyncData));
            for key in &keys {
                batch.remove(&open.state, key.clone());
            }
            batch.commit().map_err(wrong)?;
            if keys.len() < STEP {
                return Ok(());
            }
        }
    }

    /// Bytes on disk, journals included.
    pub fn disk_bytes(&self) -> Result<u64> {
        self.handle.get()?.database.disk_space().map_err(wrong)
    }

    #[cfg(test)]
    pub(crate) fn count_ids(&self) -> usize {
        self.handle.get().map_or(0, |open| open.ids.iter().count())
    }

    /// Compacts everything now; expired values go. For maintenance and tests: it happens by itself as state is written.
    pub fn compact(&self) -> Result<()> {
        let open = self.handle.get()?;
        for keyspace in [&open.state, &open.ids] {
            keyspace.rotate_memtable_and_wait().map_err(wrong)?;
            keyspace.major_compact().map_err(wrong)?;
        }
        Ok(())
    }
}

struct StoreCold {
    handle: Handle,
    key: Vec<u8>,
}

impl Cold for StoreCold {
    fn load(&mut self, group: GroupDigest, entity: &[u8], each: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<bool> {
        self.key.clear();
        record_key(group, entity, 0, &mut self.key);
        let open = self.handle.get()?;
        let Some(header) = open.state.get(&self.key).map_err(wrong)? else { return Ok(false) };
        each(0, &header)?;
        if has_chunks(&header) {
            let mut last = Vec::with_capacity(self.key.len());
            record_key(group, entity, u64::MAX, &mut last);
            let first = {
                let mut first = Vec::with_capacity(self.key.len());
                record_key(group, entity, 1, &mut first);
                first
            };
            for guard in open.state.range(first..=last) {
                let (key, value) = guard.into_inner().map_err(wrong)?;
                let mut rank = [0; 8];
                rank.copy_from_slice(&key[key.len() - 8..]);
                each(u64::from_be_bytes(rank), &value)?;
            }
        }
        Ok(true)
    }

    fn holds(&mut self, group: GroupDigest) -> Result<bool> {
        match self.handle.get()?.state.prefix(group.0).next() {
            None => Ok(false),
            Some(guard) => guard.key().map(|_| true).map_err(wrong),
        }
    }
}

pub(crate) fn wrong(error: fjall::Error) -> Error {
    let hint = match &error {
        fjall::Error::Io(_) | fjall::Error::Poisoned => {
            "check the disk and its permissions, then start again: it goes on from the last snapshot"
        }
        _ => "remove the state folder: it is a cache, and is filled from the log again at the next start",
    };
    Error::stop("the state store failed", hint).because(error)
}
