//! Brings the tables up to date. Each migration is kept with its checksum, so a release notices tables that another release made, or a
//! migration that was edited. All that are missing run in one transaction, behind a lock: of two instances that start at once one
//! waits and finds the work done.

use super::error::Failure;
use domain::{Error, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};

/// A file under `migrations`. One that was released is never edited: a change is one more file.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration { name: "0001_first", sql: include_str!("migrations/0001_first.sql") }];

/// "SLUI": the lock's first number; the second is the schema's.
const LOCK: i32 = 0x534c_5549;

/// The oldest server that is tried in the tests' spirit: it has all that the statements use, and is itself out of support.
const OLDEST_SERVER: i32 = 120_000;

/// The number of migrations that this release knows.
pub(super) fn known() -> i64 {
    MIGRATIONS.len() as i64
}

/// How many migrations the tables have seen; none if there are no tables.
///
/// # Errors
/// `Stop` if they are newer than this release, or differ from it.
pub(super) async fn seen(db: &impl GenericClient) -> Result<i64, Failure> {
    let there: bool = db.query_one("SELECT to_regclass('sluice_migrations') IS NOT NULL", &[]).await?.try_get(0)?;
    if !there {
        return Ok(0);
    }
    let rows = db.query("SELECT version, name, checksum FROM sluice_migrations ORDER BY version", &[]).await?;
    for (n, row) in rows.iter().enumerate() {
        let (version, name, checksum): (i32, &str, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let Some(ours) = MIGRATIONS.get(n) else {
            return Err(Error::stop(
                format!("the store was made by a newer release (its tables are at version {}, this release knows {})", rows.len(), known()),
                "start the newer release, or name another database",
            )
            .into());
        };
        if version != n as i32 + 1 || name != ours.name || checksum != self::checksum(ours) {
            return Err(Error::stop(
                format!("the store's tables were made by another edition of migration {version} (`{name}`)"),
                "start the release that made them, or name another database; released migrations are never edited",
            )
            .into());
        }
    }
    Ok(rows.len() as i64)
}

/// Runs what is missing; gives the versions before and after.
pub(super) async fn run(client: &mut Client) -> Result<(i64, i64), Failure> {
    check_server(client).await?;
    let tx = client.transaction().await?;
    tx.query("SELECT pg_advisory_xact_lock($1, hashtext(current_schema()::text))", &[&LOCK]).await?;
    let before = seen(&tx).await?;
    if before == 0 {
        tx.batch_execute(
            "CREATE TABLE IF NOT EXISTS sluice_migrations (
               version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .await?;
    }
    for (n, migration) in MIGRATIONS.iter().enumerate().skip(before as usize) {
        tx.batch_execute(migration.sql).await?;
        tx.execute_typed(
            "INSERT INTO sluice_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            &[(&(n as i32 + 1), Type::INT4), (&migration.name, Type::TEXT), (&checksum(migration), Type::TEXT)],
        )
        .await?;
    }
    tx.commit().await?;
    Ok((before, known()))
}

async fn check_server(client: &Client) -> Result<(), Failure> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'), current_schema()::text",
            &[],
        )
        .await?;
    let (number, version, encoding, schema): (i32, &str, &str, Option<&str>) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    if number < OLDEST_SERVER {
        return Err(Error::stop(format!("PostgreSQL {version} is too old for the store"), "use PostgreSQL 12 or newer").into());
    }
    if encoding != "UTF8" {
        return Err(Error::stop(
            format!("the database is encoded in {encoding}"),
            "make it with `createdb --encoding UTF8 --template template0`",
        )
        .into());
    }
    if schema.is_none() {
        return Err(Error::stop(
            "no schema of the search path exists",
            "make the schema that the store's address names, or leave out search_path",
        )
        .into());
    }
    Ok(())
}

fn checksum(migration: &Migration) -> String {
    blake3::hash(migration.sql.as_bytes()).to_hex().to_string()
}
