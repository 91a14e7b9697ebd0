//! The store in a PostgreSQL server: the same tables as the embedded one, for teams that want to query, back up and share it as they do
//! their other data.
//!
//! A batch is one transaction that locks the store's position first, so of two writers the second sees what the first one stored.
//! Whatever the server keeps of its last commits after a crash, it keeps rows and position together.

mod address;
mod connections;
mod error;
mod maintain;
mod measure;
mod migrate;
mod read;
mod rows;
mod tls;
mod write;

use crate::maintenance::{Description, Migrated, Removed};
use crate::page::{AlertFilter, Cursor, Page, PageRequest, PredictionFilter};
use crate::record::{Applied, AuditBatch, AuditEntry, Batch, DeadLetter, KafkaUser, Totals, TransactionView, User};
use crate::words::STORE_SINK;
use crate::{Role, Store};
pub use measure::Scratch;

use address::Address;
use connections::{Connections, Limits};
use domain::{Error, Micros, Position, Result, TopicPartition};
use error::Failure;
use rows::text;
use serde_json::value::RawValue;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// A store in a PostgreSQL database, or in a schema of one.
pub struct Postgres {
    connections: Connections,
}

impl Postgres {
    /// Connects to `postgres://user:password@host:port/database?...` and brings the tables up to date.
    ///
    /// # Errors
    /// `Retry` if the server is away; `Stop` if it refuses, or holds tables that are not this release's.
    pub fn open(url: &str) -> Result<Self> {
        let store = Self::connect(url)?;
        store.migrate()?;
        Ok(store)
    }

    /// Connects and changes nothing: for looking at a store, or before [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// As [`open`](Self::open), for what can be told without a server: nothing is asked of it yet.
    pub fn connect(url: &str) -> Result<Self> {
        Ok(Self { connections: Connections::new(Address::parse(url)?)? })
    }

    /// Brings the tables up to date. Safe with two instances that start at once: one waits and finds it done.
    pub fn migrate(&self) -> Result<Migrated> {
        let (before, after) =
            self.connections.alone(Limits::PATIENT, "bringing the store's tables up to date", async |client| migrate::run(client).await)?;
        Ok(Migrated { before, after })
    }

    /// `postgres://user@host:port/database`, without the password.
    pub fn address(&self) -> &str {
        &self.connections.address.shown
    }

    fn ask<T>(&self, what: &str, work: impl AsyncFn(&mut Client) -> Result<T, Failure>) -> Result<T> {
        self.connections.ask(what, work)
    }
}

impl Store for Postgres {
    fn apply(&self, batches: &[Batch<'_>]) -> Result<Applied> {
        self.connections.batch("storing decisions", async |client| write::apply(client, batches).await)
    }

    fn positions(&self) -> Result<Position> {
        self.ask("reading positions", async |db| {
            let mut position = Position::default();
            let sql = "SELECT topic, \"partition\", next_offset FROM positions WHERE sink = $1";
            for row in db.query_typed(sql, &[(&STORE_SINK, Type::TEXT)]).await? {
                position.advance(TopicPartition::new(row.try_get::<_, String>(0)?, row.try_get(1)?), row.try_get(2)?);
            }
            Ok(position)
        })
    }

    fn sink_position(&self, sink: &str, at: &TopicPartition) -> Result<Option<i64>> {
        self.ask("reading a position", async |db| {
            let row = db
                .query_typed_opt(
                    "SELECT next_offset FROM positions WHERE sink = $1 AND topic = $2 AND \"partition\" = $3",
                    &[(&sink, Type::TEXT), (&at.topic, Type::TEXT), (&at.partition, Type::INT4)],
                )
                .await?;
            Ok(row.map(|row| row.try_get(0)).transpose()?)
        })
    }

    fn keep_sink_position(&self, sink: &str, at: &TopicPartition, next_offset: i64) -> Result<()> {
        if sink == STORE_SINK {
            return Err(Error::bug("the store's own position moves with its rows alone"));
        }
        self.ask("storing a position", async |db| write::set_position(db, sink, &at.topic, at.partition, next_offset).await)
    }

    fn sync(&self) -> Result<()> {
        // A server may be set to answer commits before they are on disk; one that waits also covers all before it.
        self.ask("syncing the store", async |db| {
            let tx = db.transaction().await?;
            tx.batch_execute(
                "SET LOCAL synchronous_commit = on;
                 INSERT INTO totals (name, value) VALUES ('syncs', 1) ON CONFLICT (name) DO UPDATE SET value = totals.value + 1",
            )
            .await?;
            Ok(tx.commit().await?)
        })
    }

    fn predictions(&self, filter: &PredictionFilter, page: &PageRequest) -> Result<Page<Box<RawValue>>> {
        let cursor = Cursor::of(page)?;
        self.ask("reading predictions", async |db| read::predictions(db, filter, cursor, page.rows()).await)
    }

    fn alerts(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<Box<RawValue>>> {
        let cursor = Cursor::of(page)?;
        self.ask("reading alerts", async |db| read::alerts(db, filter, cursor, page.rows()).await)
    }

    fn dead_letters(&self, page: &PageRequest) -> Result<Page<DeadLetter>> {
        let cursor = Cursor::of(page)?;
        self.ask("reading dead letters", async |db| read::dead_letters(db, cursor, page.rows()).await)
    }

    fn transaction(&self, transaction_id: &str) -> Result<Option<TransactionView>> {
        self.ask("reading a transaction", async |db| read::transaction(db, transaction_id).await)
    }

    fn totals(&self) -> Result<Totals> {
        self.ask("reading totals", async |db| read::totals(db).await)
    }

    fn user(&self, name: &str) -> Result<Option<User>> {
        self.ask("reading a user", async |db| {
            let sql = "SELECT name, password_hash, role FROM users WHERE name = $1";
            let Some(row) = db.query_typed_opt(sql, &[(&text(name).as_ref(), Type::TEXT)]).await? else { return Ok(None) };
            let role: &str = row.try_get(2)?;
            let role = Role::parse(role).ok_or_else(|| read::damaged(&format!("unknown role `{role}`")))?;
            Ok(Some(User { name: row.try_get(0)?, password_hash: row.try_get(1)?, role }))
        })
    }

    fn user_count(&self) -> Result<u64> {
        self.ask("counting users", async |db| {
            Ok(db.query_typed_one("SELECT COUNT(*) FROM users", &[]).await?.try_get::<_, i64>(0)?.unsigned_abs())
        })
    }

    fn put_user(&self, user: &User) -> Result<()> {
        self.ask("storing a user", async |db| {
            db.execute_typed(
                "INSERT INTO users (name, password_hash, role) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET
                 password_hash = excluded.password_hash, role = excluded.role, updated_at = excluded.updated_at",
                &[(&user.name, Type::TEXT), (&user.password_hash, Type::TEXT), (&user.role.as_str(), Type::TEXT)],
            )
            .await?;
            Ok(())
        })
    }

    fn put_first_user(&self, user: &User) -> Result<bool> {
        self.ask("storing the first user", async |db| {
            let made = db
                .execute_typed(
                    "INSERT INTO users (name, password_hash, role) SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM users) ON CONFLICT DO NOTHING",
                    &[(&user.name, Type::TEXT), (&user.password_hash, Type::TEXT), (&user.role.as_str(), Type::TEXT)],
                )
                .await?;
            Ok(made > 0)
        })
    }

    fn kafka_user(&self, name: &str) -> Result<Option<KafkaUser>> {
        self.ask("reading a user of the broker", async |db| {
            let sql = "SELECT name, scram_sha_256, scram_sha_512, grants FROM kafka_users WHERE name = $1";
            db.query_typed_opt(sql, &[(&text(name).as_ref(), Type::TEXT)]).await?.as_ref().map(kafka_user).transpose()
        })
    }

    fn kafka_users(&self) -> Result<Vec<KafkaUser>> {
        self.ask("reading the users of the broker", async |db| {
            let sql = "SELECT name, scram_sha_256, scram_sha_512, grants FROM kafka_users ORDER BY name COLLATE \"C\"";
            db.query_typed(sql, &[]).await?.iter().map(kafka_user).collect()
        })
    }

    fn put_kafka_user(&self, user: &KafkaUser) -> Result<()> {
        self.ask("storing a user of the broker", async |db| {
            db.execute_typed(
                "INSERT INTO kafka_users (name, scram_sha_256, scram_sha_512, grants) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (name) DO UPDATE SET scram_sha_256 = excluded.scram_sha_256, scram_sha_512 = excluded.scram_sha_512,
                 grants = excluded.grants, updated_at = excluded.updated_at",
                &[
                    (&user.name, Type::TEXT),
                    (&user.scram_sha_256, Type::TEXT),
                    (&user.scram_sha_512, Type::TEXT),
                    (&user.grants, Type::TEXT),
                ],
            )
            .await?;
            Ok(())
        })
    }

    fn remove_kafka_user(&self, name: &str) -> Result<bool> {
        self.ask("removing a user of the broker", async |db| {
            Ok(db.execute_typed("DELETE FROM kafka_users WHERE name = $1", &[(&name, Type::TEXT)]).await? > 0)
        })
    }

    fn secret(&self, name: &str, make: &dyn Fn() -> Vec<u8>) -> Result<Vec<u8>> {
        let get = "SELECT value FROM secrets WHERE name = $1";
        let found = self.ask("reading a secret", async |db| {
            Ok(db.query_typed_opt(get, &[(&name, Type::TEXT)]).await?.map(|row| row.try_get(0)).transpose()?)
        })?;
        if let Some(value) = found {
            return Ok(value);
        }
        let made = make();
        self.ask("storing a secret", async |db| {
            let keep = "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
            db.execute_typed(keep, &[(&name, Type::TEXT), (&made, Type::BYTEA)]).await?;
            // The one of another instance, if that was quicker.
            Ok(db.query_typed_one(get, &[(&name, Type::TEXT)]).await?.try_get(0)?)
        })
    }

    fn audit(&self, entry: &AuditEntry) -> Result<()> {
        self.ask("writing the audit trail", async |db| {
            db.execute_typed(
                "INSERT INTO audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4)",
                &[
                    (&text(&entry.actor).as_ref(), Type::TEXT),
                    (&text(&entry.action).as_ref(), Type::TEXT),
                    (&text(&entry.subject).as_ref(), Type::TEXT),
                    (&text(&entry.detail).as_ref(), Type::TEXT),
                ],
            )
            .await?;
            Ok(())
        })
    }

    fn audit_from(&self, batch: &AuditBatch<'_>) -> Result<u64> {
        self.ask("writing the audit trail", async |client| write::audit(client, batch).await)
    }

    fn remove_before(&self, before: Micros, most: usize) -> Result<Removed> {
        self.ask("removing what is too old", async |client| maintain::remove_before(client, before, most).await)
    }

    fn describe(&self) -> Result<Description> {
        self.ask("looking at the store", async |client| maintain::describe(client, self.address()).await)
    }

    fn vacuum(&self) -> Result<()> {
        self.connections.alone(Limits::PATIENT, "vacuuming the store", async |client| maintain::vacuum(client).await)
    }

    fn interrupt(&self) {
        self.connections.interrupt();
    }
}

fn kafka_user(row: &Row) -> Result<KafkaUser, Failure> {
    Ok(KafkaUser { name: row.try_get(0)?, scram_sha_256: row.try_get(1)?, scram_sha_512: row.try_get(2)?, grants: row.try_get(3)? })
}

#[cfg(test)]
mod tests;
