//! The open database, and how it is opened anew. After a write that failed fjall takes no more of them, though it still reads: a disk
//! that was full for a while would otherwise end a process that has lost nothing.

use crate::expiry::Horizon;
use crate::store::wrong;
use domain::{Error, Result};
use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use std::io::Write;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};

const MIB: u64 = 1 << 20;
/// Small: memtables and journals are memory and restart time, and a snapshot is one batch anyway.
const MEMTABLE: u64 = 8 * MIB;
const CACHE: u64 = 32 * MIB;
const JOURNALS: u64 = 128 * MIB;
/// Room that must be there before a database that failed is let go of: opening it writes.
const PROBE: usize = 1 << 20;

const STATE: &str = "state";
const IDS: &str = "ids";
const META: &str = "meta";

/// The keyspaces of one fjall database, committed together.
pub(crate) struct Open {
    pub(crate) database: Database,
    pub(crate) state: Keyspace,
    pub(crate) ids: Keyspace,
    pub(crate) meta: Keyspace,
}

/// Clones share one database.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    /// None only while it is opened anew, and after that failed.
    open: RwLock<Option<Open>>,
    /// A write failed since it was opened.
    broken: AtomicBool,
    state_horizon: Horizon,
    ids_horizon: Horizon,
}

/// The database while it is read or written: it is not opened anew meanwhile.
pub(crate) struct Reading<'a>(RwLockReadGuard<'a, Option<Open>>);

impl Deref for Reading<'_> {
    type Target = Open;

    fn deref(&self) -> &Open {
        // Checked where it is made.
        self.0.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl Handle {
    pub(crate) fn open(folder: PathBuf, state_horizon: Horizon, ids_horizon: Horizon) -> Result<Self> {
        let shared = Shared { folder, open: RwLock::new(None), broken: AtomicBool::new(false), state_horizon, ids_horizon };
        let opened = shared.make()?;
        *shared.open.write().unwrap_or_else(|e| e.into_inner()) = Some(opened);
        Ok(Self(Arc::new(shared)))
    }

    /// # Errors
    /// Stop, where the database could not be opened anew.
    pub(crate) fn get(&self) -> Result<Reading<'_>> {
        let open = self.0.open.read().unwrap_or_else(|e| e.into_inner());
        match &*open {
            Some(_) => Ok(Reading(open)),
            None => Err(Error::stop(
                "the state store could not be opened again after a failed write",
                "check the disk, then start again: it goes on from the last snapshot",
            )),
        }
    }

    pub(crate) fn broke(&self) {
        self.0.broken.store(true, Ordering::Release);
    }

    /// Opens the database anew if a write failed; nothing otherwise.
    ///
    /// # Errors
    /// Retry while there is no room to write: it is read as before then. Stop if it does not open.
    pub(crate) fn mend(&self) -> Result<()> {
        if !self.0.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        self.0.probe().map_err(|e| Error::retry("there is no room for the state yet").because(e))?;
        let mut open = self.0.open.write().unwrap_or_else(|e| e.into_inner());
        // Its lock on the folder goes with it.
        *open = None;
        *open = Some(self.0.make()?);
        self.0.broken.store(false, Ordering::Release);
        tracing::info!(folder = %self.0.folder.display(), "the state store is open again after a failed write");
        Ok(())
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.0.folder
    }
}

impl Shared {
    /// Whether a file can be written and synced beside the database.
    fn probe(&self) -> std::io::Result<()> {
        let path = self.folder.join("probe");
        let mut file = std::fs::File::create(&path)?;
        let written = file.write_all(&vec![0; PROBE]).and_then(|()| file.sync_data());
        std::fs::remove_file(&path)?;
        written
    }

    fn make(&self) -> Result<Open> {
        let (for_state, for_ids) = (self.state_horizon.clone(), self.ids_horizon.clone());
        let database = Database::builder(&self.folder)
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
                    format!("the state folder {} is in use by another process", self.folder.display()),
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
        Ok(Open {
            state: database.keyspace(STATE, options).map_err(wrong)?,
            ids: database.keyspace(IDS, options).map_err(wrong)?,
            meta: database.keyspace(META, || KeyspaceCreateOptions::default().max_memtable_size(MIB)).map_err(wrong)?,
            database,
        })
    }
}
