//! What an operator asks of a store, whatever it is kept in: how much there is and how far it is, bringing its tables up to date, and
//! removing what is too old.

use crate::record::Totals;
use crate::{Postgres, Sqlite, Store};
use domain::{Result, TopicPartition};
use serde::{Serialize, Serializer};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a store is.
#[derive(Clone)]
pub enum Place {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server: `postgres://user:password@host:port/database?...`. Holds a password: not to be shown.
    Server(String),
}

impl Place {
    /// Opens it, made if it is missing and brought up to date.
    ///
    /// # Errors
    /// `Retry` if the server is away; `Stop` if an operator must act.
    pub fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::File(path) => Arc::new(Sqlite::open(path)?),
            Self::Server(url) => Arc::new(Postgres::open(url)?),
        })
    }

    /// Opens it as it is, for looking at it.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Stop` if there is none.
    pub fn look(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::File(path) => Arc::new(Sqlite::existing(path)?),
            Self::Server(url) => Arc::new(Postgres::connect(url)?),
        })
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn migrate(&self) -> Result<Migrated> {
        match self {
            Self::File(path) => Sqlite::migrate(path),
            Self::Server(url) => Postgres::connect(url)?.migrate(),
        }
    }
}

/// The schema's version before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    pub before: i64,
    pub after: i64,
}

/// What one batch of retention took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// With their transactions.
    pub decisions: u64,
    pub alerts: u64,
    pub dead_letters: u64,
}

impl Removed {
    /// Rows of the largest kind: where it is what was asked for at most, there may be more.
    pub fn most(&self) -> u64 {
        self.decisions.max(self.dead_letters)
    }
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, more: Self) {
        self.decisions += more.decisions;
        self.alerts += more.alerts;
        self.dead_letters += more.dead_letters;
    }
}

/// A store at a glance.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Description {
    /// The database and its version.
    pub backend: String,
    /// The file, or the address without its password.
    pub place: String,
    /// How many migrations the tables have seen; 0 before the first.
    pub schema_version: i64,
    /// How many this release knows.
    pub known_version: i64,
    pub totals: Totals,
    /// RFC 3339.
    pub oldest_prediction: Option<String>,
    /// Tables and indexes.
    pub size_bytes: u64,
    /// The next offset that the store reads, for each partition.
    #[serde(serialize_with = "by_name")]
    pub positions: Vec<(TopicPartition, i64)>,
}

fn by_name<S: Serializer>(positions: &[(TopicPartition, i64)], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        topic: &'a str,
        partition: i32,
        next_offset: i64,
    }
    serializer.collect_seq(positions.iter().map(|(at, next)| Row { topic: &at.topic, partition: at.partition, next_offset: *next }))
}
