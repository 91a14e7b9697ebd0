//! What people look things up in: transactions, predictions, alerts, dead letters, users and the audit trail, behind one
//! trait. [`Sqlite`] is the embedded store, [`Postgres`] one in a server; both pass the same [`suite`].
//!
//! The store is a reader of topics and never a place where decisions are made. Everything it learns from a topic can be
//! learnt again, because the position up to which it has read is a row in the same transaction as the rows themselves.
//! Calls are synchronous and may wait for a disk: make them from a thread that may block.

mod maintenance;
mod page;
mod postgres;
mod record;
mod sqlite;
pub mod suite;
mod words;

pub use maintenance::{Description, Migrated, Place, Removed};
pub use page::{AlertFilter, MAX_PAGE, Page, PageRequest, PredictionFilter};
pub use postgres::{Postgres, Scratch};
pub use record::{
    Applied, AuditBatch, AuditEntry, AuditLine, Batch, DeadLetter, DeadLetterRecord, DecisionRecord, KafkaUser, Role, Totals,
    TransactionRow, TransactionView, User,
};
pub use sqlite::Sqlite;

use domain::{Micros, Position, Result, TopicPartition};
use serde_json::value::RawValue;

/// A place to look things up in, filled from topics.
///
/// # Contract
/// - **One commit.** [`apply`](Store::apply) makes the rows of its batches and their positions visible together or not at all.
/// - **Batches.** One call is one commit, and every commit rewrites the index pages that it touches: behind a backlog, hand over some
///   10,000 records a call; when keeping up, whatever has arrived.
/// - **Idempotent.** What lies below the stored position of its partition is skipped, so a batch may be applied again, or overlap
///   with one that was, and the store stays the same. A transaction that is already known keeps its first prediction.
/// - **Fallen back.** A batch that follows a position which the store has not reached is refused with `Retry` and changes nothing: the
///   store lost its last commits, and the reader asks for [`positions`](Store::positions) again.
/// - **Power loss.** Rows from topics may fall back to an earlier commit, position included; reading the topic again brings them
///   back. After [`sync`](Store::sync) everything applied before it stays, so a topic may forget up to the position read after that.
///   Users, secrets and single lines of the audit trail come from no topic: they are on disk when the call returns.
/// - **Errors.** `Retry` for a server that is away or busy, a full disk or a locked database (nothing was changed), `Reject` for a request that cannot be right
///   (a damaged cursor), `Stop` for a damaged, foreign or newer file, `Bug` for the rest.
pub trait Store: Send + Sync {
    /// Takes what was read from the topics: rows, totals and positions in one transaction.
    fn apply(&self, batches: &[Batch<'_>]) -> Result<Applied>;

    /// The next offset to read, for every partition ever applied.
    fn positions(&self) -> Result<Position>;

    /// The next offset that another sink reads of a partition, as it was kept last; none if it never was. Names of sinks are free, but for
    /// `store`, which is this one.
    fn sink_position(&self, sink: &str, at: &TopicPartition) -> Result<Option<i64>>;

    /// Keeps the position of a sink whose data lies elsewhere. After a loss of power it may fall back, as rows may.
    fn keep_sink_position(&self, sink: &str, at: &TopicPartition, next_offset: i64) -> Result<()>;

    /// Returns once everything applied so far would survive a loss of power.
    fn sync(&self) -> Result<()>;

    /// Decisions as their topic holds them, the latest in the sequence first.
    fn predictions(&self, filter: &PredictionFilter, page: &PageRequest) -> Result<Page<Box<RawValue>>>;

    /// Alerts as their topic holds them, the latest in the sequence first; those of one decision in the reverse order of its hits.
    fn alerts(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<Box<RawValue>>>;

    /// Records that could not be taken, the last one stored first.
    fn dead_letters(&self, page: &PageRequest) -> Result<Page<DeadLetter>>;

    /// One transaction with its decision and alerts; none if it was never judged (or not yet stored).
    fn transaction(&self, transaction_id: &str) -> Result<Option<TransactionView>>;

    /// How much there is of everything; kept with each commit, so the cost does not depend on the number of rows.
    fn totals(&self) -> Result<Totals>;

    /// A user by name.
    fn user(&self, name: &str) -> Result<Option<User>>;

    /// How many users there are: none means a first start.
    fn user_count(&self) -> Result<u64>;

    /// Makes a user, or gives an existing one this hash and role. The store never sees a password.
    fn put_user(&self, user: &User) -> Result<()>;

    /// Makes the first user of all; false if there is one already, such as that of another instance which started at the same time.
    fn put_first_user(&self, user: &User) -> Result<bool>;

    /// A user of the embedded broker by name.
    fn kafka_user(&self, name: &str) -> Result<Option<KafkaUser>>;

    /// All users of the embedded broker, by name.
    fn kafka_users(&self) -> Result<Vec<KafkaUser>>;

    /// Makes a user of the embedded broker, or changes one.
    fn put_kafka_user(&self, user: &KafkaUser) -> Result<()>;

    /// Removes a user of the embedded broker; tells whether there was one.
    fn remove_kafka_user(&self, name: &str) -> Result<bool>;

    /// The secret of this name (such as the key that signs tokens), made by `make` when it is asked for the first time.
    fn secret(&self, name: &str, make: &dyn Fn() -> Vec<u8>) -> Result<Vec<u8>>;

    /// Adds to the audit trail.
    fn audit(&self, entry: &AuditEntry) -> Result<()>;

    /// Adds what a topic says to the audit trail, and the position after it, in one transaction. Lines below the stored position are
    /// skipped; returns how many were added.
    fn audit_from(&self, batch: &AuditBatch<'_>) -> Result<u64>;

    /// Removes transactions taken before a time, with their decisions and alerts, and dead letters from before it: at most `most` of each,
    /// the oldest first, in one short transaction that holds up no reader. The audit trail stays.
    fn remove_before(&self, before: Micros, most: usize) -> Result<Removed>;

    /// The store at a glance; also where its tables are not up to date.
    fn describe(&self) -> Result<Description>;

    /// Makes the space of removed rows free and refreshes the statistics that queries are planned by. May take minutes.
    fn vacuum(&self) -> Result<()>;

    /// Makes calls that wait for a server return `Retry`, now and from now on: the process ends.
    fn interrupt(&self) {}
}
