//! The embedded store: one SQLite file, one connection that writes, a few that read beside it.
//!
//! The write-ahead log runs with `synchronous = NORMAL`. A loss of power may then undo the last commits, but a commit holds rows and
//! position together and the topics are durable, so the store only reads them again: nothing is lost, and no commit waits for the
//! disk. What comes from no topic (users, secrets, audit) is committed with `FULL`.

mod error;
mod maintain;
mod migrate;
mod read;
mod write;

use crate::maintenance::{Description, Migrated, Removed};
use crate::page::{AlertFilter, Page, PageRequest, PredictionFilter};
use crate::record::{Applied, AuditBatch, AuditEntry, Batch, DeadLetter, KafkaUser, Totals, TransactionView, User};
use crate::words::STORE_SINK;
use crate::{Role, Store};
use domain::{Error, Micros, Position, Result, TopicPartition};
use error::explain;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages of the log after which a commit also copies them into the file: 64 MB, so a burst of batches shares one copy.
const CHECKPOINT_PAGES: u32 = 16_384;

/// Readers that are kept open; more are opened when needed and closed after.
const IDLE_READERS: usize = 4;

/// A store in one SQLite file. Only its owner can read the file, for it holds password hashes and the key that signs tokens.
pub struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens the file, makes it if it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// `Stop` if it cannot be opened, is damaged, or was made by a newer release.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        create_private(path.as_ref())?;
        let store = Self::connect(path.as_ref())?;
        migrate::run(&mut store.writer.lock())?;
        Ok(store)
    }

    /// Opens the file as it is, for looking at it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Stop` if there is no file.
    pub fn existing(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(Error::stop(format!("there is no store at {}", path.display()), "name the data folder of an instance with --data"));
        }
        Self::connect(path)
    }

    /// Brings a file's tables up to date, and makes it if it is missing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn migrate(path: impl AsRef<Path>) -> Result<Migrated> {
        create_private(path.as_ref())?;
        let store = Self::connect(path.as_ref())?;
        let (before, after) = migrate::run(&mut store.writer.lock())?;
        Ok(Migrated { before, after })
    }

    fn connect(path: &Path) -> Result<Self> {
        let opening = |e| explain("opening the store", e);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let writer = Connection::open_with_flags(path, flags).map_err(opening)?;
        prepare(&writer).map_err(opening)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    fn read<T>(&self, what: &str, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let idle = self.readers.lock().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.open_reader().map_err(|e| explain(what, e))?,
        };
        let outcome = f(&reader).map_err(|e| explain(what, e));
        let mut readers = self.readers.lock();
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        outcome
    }

    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let reader = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        reader.busy_timeout(BUSY_TIMEOUT)?;
        reader.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")?;
        Ok(reader)
    }

    /// A transaction that is on disk when this returns, with everything committed before it.
    fn durable<T>(&self, what: &str, f: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut writer = self.writer.lock();
        let run = || {
            writer.execute_batch("PRAGMA synchronous = FULL")?;
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = f(&tx)?;
            tx.commit()?;
            Ok(value)
        };
        let outcome = run().map_err(|e| explain(what, e));
        writer.execute_batch("PRAGMA synchronous = NORMAL").map_err(|e| explain(what, e))?;
        outcome
    }
}

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

fn prepare(writer: &Connection) -> rusqlite::Result<()> {
    writer.busy_timeout(BUSY_TIMEOUT)?;
    writer.set_prepared_statement_cache_capacity(32);
    writer.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = 134217728;
         PRAGMA cache_size = -65536;
         PRAGMA temp_store = MEMORY;"
    ))
}

/// Makes the file readable by its owner alone; SQLite gives its log the same permissions.
fn create_private(path: &Path) -> Result<()> {
    let fail = |e| {
        Error::stop(format!("cannot open the store {}", path.display()), "check that the folder exists, can be written and has space")
            .because(e)
    };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(fail)?;
    Ok(())
}

impl Store for Sqlite {
    fn apply(&self, batches: &[Batch<'_>]) -> Result<Applied> {
        write::apply(&mut self.writer.lock(), batches)
    }

    fn positions(&self) -> Result<Position> {
        self.read("reading positions", |db| {
            let mut position = Position::default();
            let mut statement = db.prepare_cached("SELECT topic, \"partition\", next_offset FROM positions WHERE sink = ?1")?;
            let mut rows = statement.query([STORE_SINK])?;
            while let Some(row) = rows.next()? {
                position.advance(TopicPartition::new(row.get::<_, String>(0)?, row.get(1)?), row.get(2)?);
            }
            Ok(position)
        })
    }

    fn sink_position(&self, sink: &str, at: &TopicPartition) -> Result<Option<i64>> {
        self.read("reading a position", |db| {
            db.prepare_cached("SELECT next_offset FROM positions WHERE sink = ?1 AND topic = ?2 AND \"partition\" = ?3")?
                .query_row(params![sink, at.topic, at.partition], |row| row.get(0))
                .optional()
        })
    }

    fn keep_sink_position(&self, sink: &str, at: &TopicPartition, next_offset: i64) -> Result<()> {
        if sink == STORE_SINK {
            return Err(Error::bug("the store's own position moves with its rows alone"));
        }
        let keep = |db: &Connection| {
            db.prepare_cached(
                "INSERT INTO positions (sink, topic, \"partition\", next_offset) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (sink, topic, \"partition\") DO UPDATE SET next_offset = excluded.next_offset",
            )?
            .execute(params![sink, at.topic, at.partition, next_offset])
        };
        keep(&self.writer.lock()).map(drop).map_err(|e| explain("storing a position", e))
    }

    fn sync(&self) -> Result<()> {
        // Only a commit that changed something syncs the log, and a sync covers every commit before it.
        self.durable("syncing the store", |tx| {
            tx.execute("INSERT INTO totals (name, value) VALUES ('syncs', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", [])?;
            Ok(())
        })
    }

    fn predictions(&self, filter: &PredictionFilter, page: &PageRequest) -> Result<Page<Box<RawValue>>> {
        let cursor = crate::page::Cursor::of(page)?;
        self.read("reading predictions", |db| read::predictions(db, filter, cursor, page.rows()))
    }

    fn alerts(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<Box<RawValue>>> {
        let cursor = crate::page::Cursor::of(page)?;
        self.read("reading alerts", |db| read::alerts(db, filter, cursor, page.rows()))
    }

    fn dead_letters(&self, page: &PageRequest) -> Result<Page<DeadLetter>> {
        let cursor = crate::page::Cursor::of(page)?;
        self.read("reading dead letters", |db| read::dead_letters(db, cursor, page.rows()))
    }

    fn transaction(&self, transaction_id: &str) -> Result<Option<TransactionView>> {
        self.read("reading a transaction", |db| read::transaction(db, transaction_id))
    }

    fn totals(&self) -> Result<Totals> {
        self.read("reading totals", read::totals)
    }

    fn user(&self, name: &str) -> Result<Option<User>> {
        self.read("reading a user", |db| {
            db.prepare_cached("SELECT name, password_hash, role FROM users WHERE name = ?1")?
                .query_row([name], |row| {
                    let role: String = row.get(2)?;
                    let role = Role::parse(&role).ok_or_else(|| read::damaged(2, format!("unknown role `{role}`")))?;
                    Ok(User { name: row.get(0)?, password_hash: row.get(1)?, role })
                })
                .optional()
        })
    }

    fn user_count(&self) -> Result<u64> {
        self.read("counting users", |db| db.query_row("SELECT COUNT(*) FROM users", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs))
    }

    fn put_user(&self, user: &User) -> Result<()> {
        self.durable("storing a user", |tx| {
            tx.execute(
                "INSERT INTO users (name, password_hash, role) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET
                 password_hash = excluded.password_hash, role = excluded.role, updated_at = excluded.updated_at",
                params![user.name, user.password_hash, user.role.as_str()],
            )?;
            Ok(())
        })
    }

    fn put_first_user(&self, user: &User) -> Result<bool> {
        self.durable("storing the first user", |tx| {
            let made = tx.execute(
                "INSERT INTO users (name, password_hash, role) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM users)",
                params![user.name, user.password_hash, user.role.as_str()],
            )?;
            Ok(made > 0)
        })
    }

    fn kafka_user(&self, name: &str) -> Result<Option<KafkaUser>> {
        self.read("reading a user of the broker", |db| {
            db.prepare_cached("SELECT name, scram_sha_256, scram_sha_512, grants FROM kafka_users WHERE name = ?1")?
                .query_row([name], read::kafka_user)
                .optional()
        })
    }

    fn kafka_users(&self) -> Result<Vec<KafkaUser>> {
        self.read("reading the users of the broker", |db| {
            db.prepare_cached("SELECT name, scram_sha_256, scram_sha_512, grants FROM kafka_users ORDER BY name")?
                .query_map([], read::kafka_user)?
                .collect()
        })
    }

    fn put_kafka_user(&self, user: &KafkaUser) -> Result<()> {
        self.durable("storing a user of the broker", |tx| {
            tx.execute(
                "INSERT INTO kafka_users (name, scram_sha_256, scram_sha_512, grants) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO UPDATE SET scram_sha_256 = excluded.scram_sha_256, scram_sha_512 = excluded.scram_sha_512,
                 grants = excluded.grants, updated_at = excluded.updated_at",
                params![user.name, user.scram_sha_256, user.scram_sha_512, user.grants],
            )?;
            Ok(())
        })
    }

    fn remove_kafka_user(&self, name: &str) -> Result<bool> {
        self.durable("removing a user of the broker", |tx| Ok(tx.execute("DELETE FROM kafka_users WHERE name = ?1", [name])? > 0))
    }

    fn secret(&self, name: &str, make: &dyn Fn() -> Vec<u8>) -> Result<Vec<u8>> {
        let get = |db: &Connection| db.query_row("SELECT value FROM secrets WHERE name = ?1", [name], |row| row.get(0)).optional();
        if let Some(value) = self.read("reading a secret", get)? {
            return Ok(value);
        }
        self.durable("storing a secret", |tx| {
            tx.execute("INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING", params![name, make()])?;
            tx.query_row("SELECT value FROM secrets WHERE name = ?1", [name], |row| row.get(0))
        })
    }

    fn audit(&self, entry: &AuditEntry) -> Result<()> {
        self.durable("writing the audit trail", |tx| {
            tx.execute(
                "INSERT INTO audit (actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4)",
                params![entry.actor, entry.action, entry.subject, entry.detail],
            )?;
            Ok(())
        })
    }

    fn audit_from(&self, batch: &AuditBatch<'_>) -> Result<u64> {
        write::audit(&mut self.writer.lock(), batch)
    }

    fn remove_before(&self, before: Micros, most: usize) -> Result<Removed> {
        maintain::remove_before(&mut self.writer.lock(), before, most).map_err(|e| explain("removing what is too old", e))
    }

    fn describe(&self) -> Result<Description> {
        let seen = migrate::seen(&self.writer.lock())?;
        self.read("looking at the store", |db| maintain::describe(db, &self.path, seen))
    }

    fn vacuum(&self) -> Result<()> {
        maintain::vacuum(&self.writer.lock()).map_err(|e| explain("vacuuming the store", e))
    }
}

#[cfg(test)]
mod tests;
