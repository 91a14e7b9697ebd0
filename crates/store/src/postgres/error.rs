//! What a failure of PostgreSQL asks of the reader, by its SQLSTATE.

use domain::Error;
use std::time::Duration;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// Why a piece of work on a connection did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    Postgres(tokio_postgres::Error),
    /// The server said nothing for so long.
    Silent(Duration),
    /// Ours, ready to be handed on.
    Known(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(e: tokio_postgres::Error) -> Self {
        Self::Postgres(e)
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Known(e)
    }
}

impl Failure {
    /// The constraint of the table that a row broke by being there twice.
    pub(super) fn twice(&self) -> Option<&str> {
        let Self::Postgres(e) = self else { return None };
        e.as_db_error().filter(|d| *d.code() == SqlState::UNIQUE_VIOLATION)?.constraint()
    }

    /// Whether the session is at its end, also where the client does not know it yet.
    pub(super) fn lost(&self) -> bool {
        match self {
            Self::Postgres(e) => match e.as_db_error() {
                Some(said) => matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
                None => e.is_closed() || e.to_string().starts_with("error communicating"),
            },
            Self::Silent(_) => true,
            Self::Known(_) => false,
        }
    }

    /// Sorts by what to do next: a server that is away or busy comes back, a wrong password needs an operator, the rest is ours.
    pub(super) fn explain(self, what: &str) -> Error {
        match self {
            Self::Known(e) => e,
            Self::Silent(limit) => Error::retry(format!("{what}: PostgreSQL did not answer within {} s", limit.as_secs())),
            Self::Postgres(e) => {
                let explained = match e.as_db_error() {
                    Some(said) => by_state(what, said),
                    None => by_library(what, &e),
                };
                explained.because(Cause(e))
            }
        }
    }
}

const ANOTHER_SCHEMA: &str =
    "give Sluice a database of its own, or a schema: `create schema sluice`, and `?options=-csearch_path%3Dsluice` in the address";

fn by_state(what: &str, said: &DbError) -> Error {
    let code = said.code();
    match code.code() {
        "28P01" | "28000" => Error::stop(
            format!("{what}: PostgreSQL refuses the user"),
            "check user and password of the store's address, and the server's pg_hba.conf",
        ),
        "3D000" => {
            Error::stop(format!("{what}: the database does not exist"), "make it (`createdb`), or name another in the store's address")
        }
        "42501" => Error::stop(
            format!("{what}: the user lacks a permission"),
            "make the user owner of the database, or grant it create and usage on the schema",
        ),
        "25006" => retry(what, "the server is read-only", "a standby answers; name the primary, or add target_session_attrs=read-write"),
        "53100" => retry(what, "PostgreSQL's disk is full", "free some space; the store goes on by itself"),
        "53300" => retry(what, "PostgreSQL takes no more connections", "raise max_connections, or close other programs"),
        "55P03" | "57014" => {
            retry(what, "another session holds a lock, or PostgreSQL is slow", "`select * from pg_stat_activity` shows who")
        }
        "25P03" | "57P01" | "57P02" | "57P03" | "57P05" | "40001" | "40P01" => Error::retry(what),
        state if state.starts_with("08") || state.starts_with("53") || state.starts_with("58") => Error::retry(what),
        "42P07" => Error::stop(format!("{what}: the schema holds tables of another program"), ANOTHER_SCHEMA),
        "3F000" => Error::stop(format!("{what}: the schema does not exist"), ANOTHER_SCHEMA),
        "42P01" | "42703" => Error::stop(
            format!("{what}: the store's tables are not as this release made them"),
            "undo changes made to them by hand; `sluice store status` shows the schema's version",
        ),
        "XX001" | "XX002" => Error::stop(format!("{what}: PostgreSQL's files are damaged"), "restore the database from a backup"),
        // Known transactions are left out before.
        "23505" if said.constraint().is_some_and(|c| c.ends_with("predictions_pkey")) => Error::stop(
            format!("{what}: the store holds other decisions at the same places in the sequence"),
            "the store was filled from another log; give this instance a database or a schema of its own",
        ),
        _ => Error::bug(what),
    }
}

fn by_library(what: &str, e: &tokio_postgres::Error) -> Error {
    // The library does not tell its kinds apart but in words.
    let words = e.to_string();
    // Bytes that do not fit are a refusal; a connection that ends in the middle is a server that goes away.
    let io = std::error::Error::source(e).and_then(|c| c.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    if words.starts_with("error performing TLS handshake") && io.is_none_or(|kind| kind == std::io::ErrorKind::InvalidData) {
        return Error::stop(
            format!("{what}: the encrypted connection was refused"),
            "check `sslmode` and `sslrootcert` in the store's address, and the server's certificate",
        );
    }
    if words.starts_with("authentication error") {
        return Error::stop(format!("{what}: PostgreSQL refuses the user"), "check user and password of the store's address");
    }
    let lost = e.is_closed()
        || [
            "error performing TLS handshake",
            "error connecting to server",
            "error communicating with the server",
            "connection closed",
            "timeout",
            "unexpected message",
        ]
        .iter()
        .any(|start| words.starts_with(start));
    if lost { Error::retry(format!("{what}: PostgreSQL cannot be reached")) } else { Error::bug(what) }
}

fn retry(what: &str, why: &str, hint: &str) -> Error {
    let mut e = Error::retry(format!("{what}: {why}"));
    e.hint = Some(hint.into());
    e
}

/// Says what the server said: the library's own text for it is only `db error`.
#[derive(Debug)]
struct Cause(tokio_postgres::Error);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(said) = self.0.as_db_error() {
            return write!(f, "{} (SQLSTATE {})", said.message(), said.code().code());
        }
        write!(f, "{}", self.0)?;
        match std::error::Error::source(&self.0) {
            Some(cause) if !self.0.to_string().contains(&cause.to_string()) => write!(f, ": {cause}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}
