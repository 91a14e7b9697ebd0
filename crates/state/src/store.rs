//! The store on disk: three keyspaces of one fjall database, committed together.

use crate::expiry::Horizon;
use crate::ids::{IdBatch, Ids};
use domain::{Error, Result};
use features::{Cold, GroupDigest, Snapshot, has_chunks, record_key};
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rustc_hash::FxHashSet;
use std::path::Path;
use std::sync::Arc;

const MIB: u64 = 1 << 20;
/// Small: memtables and journals are memory and restart time, and a snapshot is one batch anyway.
const MEMTABLE: u64 = 8 * MIB;
const CACHE: u64 = 32 * MIB;
const JOURNALS: u64 = 128 * MIB;

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
    database: Database,
    state: Keyspace,
    ids: Keyspace,
    meta: Keyspace,
    state_horizon: Horizon,
    ids_horizon: Horizon,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.state.path()).finish_non_exhaustive()
    }
}

const STATE: &str = "state";
const IDS: &str = "ids";
const META: &str = "meta";
const META_KEY: &str = "last";

impl Store {
    /// Opens or makes the store in a folder.
    ///
    /// # Errors
    /// Stop if another process holds the folder, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let (state_horizon, ids_horizon) = (Horizon::new(), Horizon::new());
        let (for_state, for_ids) = (state_horizon.clone(), ids_horizon.clone());
        std::fs::create_dir_all(folder).map_err(|e| {
            Error::stop(format!("the state folder {} cannot be made", folder.display()), "check the path and its permissions").because(e)
        })?;
        let database = Database::builder(folder)
            .cache_size(CACHE)
            .max_journaling_size(JOURNALS)
            .worker_threads(2)
            // One sync a commit, asked for by the commit itself.
            .manual_journal_persist(true)
            .with_compaction_filter_factories(Arc::new(move |keyspace| match keyspace {
                STATE => Some(for_state.factory()),
                IDS => Some(for_ids.factory()),
                _ => None,
            }))
            .open()
            .map_err(|e| match e {
                fjall::Error::Locked => Error::stop(
                    format!("the state folder {} is in use by another process", folder.display()),
                    "stop the other process, or give this one a data folder of its own (--data DIR)",
                ),
                e => wrong(e),
            })?;
        let options = || {
            // Most look-ups are for what is not there: filters answer them, also on the last level.
            let bits = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE)
                .filter_policy(FilterPolicy::all(bits))
                .expect_point_read_hits(false)
        };
        let store = Self {
            state: database.keyspace(STATE, options).map_err(wrong)?,
            ids: database.keyspace(IDS, options).map_err(wrong)?,
            meta: database.keyspace(META, || KeyspaceCreateOptions::default().max_memtable_size(MIB)).map_err(wrong)?,
            database,
            state_horizon,
            ids_horizon,
        };
        tracing::debug!(folder = %folder.display(), "state store opened");
        Ok(store)
    }

    /// For the engine.
    pub fn cold(&self) -> Box<dyn Cold> {
        Box::new(StoreCold { state: self.state.clone(), key: Vec::new() })
    }

    /// The memory of ids; one owner.
    pub fn ids(&self) -> Result<Ids> {
        Ids::new(self.ids.clone())
    }

    /// The last commit; `None` in a new store.
    pub fn meta(&self) -> Result<Option<Meta>> {
        let Some(value) = self.meta.get(META_KEY).map_err(wrong)? else { return Ok(None) };
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
    /// Stop: a failed write leaves the store unusable until the process starts again, from the commit before.
    pub fn commit(&self, snapshot: &Snapshot, ids: &IdBatch, extra: &[u8]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        // All of a batch has one version number, so nothing says which of two operations on a key is the later: each key is
        // written once, and a put comes after a delete.
        let mut deletes: FxHashSet<&[u8]> = snapshot.deletes().collect();
        for (key, value) in snapshot.puts() {
            deletes.remove(key);
            batch.insert(&self.state, key, value);
        }
        for key in deletes {
            batch.remove(&self.state, key);
        }
        for (id, value) in ids.records() {
            batch.insert(&self.ids, id, value);
        }
        let mut meta = Vec::with_capacity(16 + snapshot.meta.len() + extra.len());
        meta.extend_from_slice(&snapshot.sequence.to_le_bytes());
        meta.extend_from_slice(&(snapshot.meta.len() as u64).to_le_bytes());
        meta.extend_from_slice(&snapshot.meta);
        meta.extend_from_slice(extra);
        batch.insert(&self.meta, META_KEY, meta);
        batch.commit().map_err(wrong)?;
        if let (Some(floor), Some(greatest)) = (snapshot.floor, snapshot.greatest) {
            self.state_horizon.move_to(floor);
            self.ids_horizon.move_to(greatest);
        }
        Ok(())
    }

    /// Forgets a group that no version uses any more: should one define it again, it begins anew. Takes as long as the group is large.
    ///
    /// # Errors
    /// Stop, as [`Store::commit`].
    pub fn clear(&self, group: GroupDigest) -> Result<()> {
        const STEP: usize = 10_000;
        loop {
            let keys: Vec<_> = self.state.prefix(group.0).take(STEP).map(|entry| entry.key()).collect::<Result<_, _>>().map_err(wrong)?;
            let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
            for key in &keys {
                batch.remove(&self.state, key.clone());
            }
            batch.commit().map_err(wrong)?;
            if keys.len() < STEP {
                return Ok(());
            }
        }
    }

    /// Bytes on disk, journals included.
    pub fn disk_bytes(&self) -> Result<u64> {
        self.database.disk_space().map_err(wrong)
    }

    #[cfg(test)]
    pub(crate) fn count_ids(&self) -> usize {
        self.ids.iter().count()
    }

    /// Compacts everything now; expired values go. For maintenance and tests: it happens by itself as state is written.
    pub fn compact(&self) -> Result<()> {
        for keyspace in [&self.state, &self.ids] {
            keyspace.rotate_memtable_and_wait().map_err(wrong)?;
            keyspace.major_compact().map_err(wrong)?;
        }
        Ok(())
    }
}

struct StoreCold {
    state: Keyspace,
    key: Vec<u8>,
}

impl Cold for StoreCold {
    fn load(&mut self, group: GroupDigest, entity: &[u8], each: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<bool> {
        self.key.clear();
        record_key(group, entity, 0, &mut self.key);
        let Some(header) = self.state.get(&self.key).map_err(wrong)? else { return Ok(false) };
        each(0, &header)?;
        if has_chunks(&header) {
            let mut last = Vec::with_capacity(self.key.len());
            record_key(group, entity, u64::MAX, &mut last);
            let first = {
                let mut first = Vec::with_capacity(self.key.len());
                record_key(group, entity, 1, &mut first);
                first
            };
            for guard in self.state.range(first..=last) {
                let (key, value) = guard.into_inner().map_err(wrong)?;
                let mut rank = [0; 8];
                rank.copy_from_slice(&key[key.len() - 8..]);
                each(u64::from_be_bytes(rank), &value)?;
            }
        }
        Ok(true)
    }

    fn holds(&mut self, group: GroupDigest) -> Result<bool> {
        match self.state.prefix(group.0).next() {
            None => Ok(false),
            Some(guard) => guard.key().map(|_| true).map_err(wrong),
        }
    }
}

pub(crate) fn wrong(error: fjall::Error) -> Error {
    let hint = match &error {
        fjall::Error::Io(_) => "check the disk's space and permissions, then start again: it goes on from the last snapshot",
        fjall::Error::Poisoned => "a write failed before; check the disk, then start again: it goes on from the last snapshot",
        _ => "remove the state folder: it is a cache, and is filled from the log again at the next start",
    };
    Error::stop("the state store failed", hint).because(error)
}
