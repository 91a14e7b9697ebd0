//! What goes into the store and what comes out of it, without a word about tables.

use domain::decision::rfc3339;
use domain::{Action, Decision, Error, Micros, Rejection};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What was read from one partition of the decisions or of the dead-letter topic: everything from the last position up to
/// `next_offset`, in order of offset. Offsets may have gaps.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub topic: &'a str,
    pub partition: i32,
    /// The position that this batch follows, as the reader knows it.
    pub from: i64,
    /// The position after this batch.
    pub next_offset: i64,
    pub decisions: &'a [DecisionRecord<'a>],
    pub dead_letters: &'a [DeadLetterRecord<'a>],
}

/// One record of the decisions topic.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRecord<'a> {
    pub offset: i64,
    pub decision: &'a Decision,
    /// As it stands in the topic; UTF-8.
    pub json: &'a str,
}

/// One record of the dead-letter topic.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterRecord<'a> {
    pub offset: i64,
    pub letter: &'a DeadLetter,
}

/// A record that could not be taken: where it stands, what was wrong, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Topic, partition and offset of the record itself.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Everything that was wrong; the first one gives the code to count by.
    pub errors: Vec<Rejection>,
    pub raw: Vec<u8>,
    /// When it was refused.
    pub at: Micros,
}

/// What one call of `apply` changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub decisions: u64,
    pub alerts: u64,
    pub dead_letters: u64,
    /// Records below the position, and decisions on transactions that were known.
    pub skipped: u64,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub transactions: u64,
    pub allow: u64,
    pub review: u64,
    pub block: u64,
    pub alerts: u64,
    pub dead_letters: u64,
    /// The greatest sequence number among the predictions.
    pub last_sequence: Option<u64>,
    /// RFC 3339.
    pub last_prediction: Option<String>,
}

impl Totals {
    /// Takes over one of the sums that are kept under a name.
    pub(crate) fn set(&mut self, name: &str, value: u64) {
        match name {
            "allow" => self.allow = value,
            "review" => self.review = value,
            "block" => self.block = value,
            "alerts" => self.alerts = value,
            "dead_letters" => self.dead_letters = value,
            _ => {}
        }
        self.transactions = self.allow + self.review + self.block;
    }
}

/// A transaction as the store keeps it; the decision's document holds the rest.
#[derive(Clone, Debug, Serialize)]
pub struct TransactionRow {
    pub transaction_id: String,
    pub account_id: Option<String>,
    pub transaction_type: Option<String>,
    /// Digit for digit.
    pub amount: Option<Box<RawValue>>,
    /// The event time.
    #[serde(with = "rfc3339")]
    pub timestamp: Micros,
    #[serde(with = "rfc3339")]
    pub processed_at: Micros,
}

/// A transaction with all that was said about it.
#[derive(Clone, Debug, Serialize)]
pub struct TransactionView {
    pub transaction: TransactionRow,
    /// The decision as its topic holds it.
    pub prediction: Box<RawValue>,
    /// In the order of the hits.
    pub alerts: Vec<Box<RawValue>>,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Judge transactions and read.
    Analyst,
    /// Read.
    Viewer,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Analyst => "analyst",
            Self::Viewer => "viewer",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::Analyst, Self::Viewer].into_iter().find(|r| r.as_str() == text)
    }
}

/// Someone who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// Argon2, in PHC string format.
    pub password_hash: String,
    pub role: Role,
}

/// Someone who may speak to the embedded broker. The store reads nothing into these texts: they are the broker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaUser {
    pub name: String,
    /// What SCRAM-SHA-256 checks a password by; the password cannot be had from it.
    pub scram_sha_256: String,
    /// The same for SCRAM-SHA-512.
    pub scram_sha_512: String,
    /// What the user may do, as JSON.
    pub grants: String,
}

/// One line of the audit trail: who did what to which thing.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub detail: String,
}

/// What one partition of a topic adds to the audit trail: everything from the last position up to `next_offset`, in order of offset.
#[derive(Clone, Copy, Debug)]
pub struct AuditBatch<'a> {
    pub topic: &'a str,
    pub partition: i32,
    /// The position that this batch follows, as the reader knows it.
    pub from: i64,
    /// The position after this batch.
    pub next_offset: i64,
    pub lines: &'a [AuditLine],
}

/// A line that a record of a topic adds; one record may add several.
#[derive(Clone, Debug)]
pub struct AuditLine {
    pub offset: i64,
    /// When it was done.
    pub at: Micros,
    pub entry: AuditEntry,
}

/// The column `predicted_fraud`: a transaction that was held back, to be looked at or for good.
pub(crate) fn predicted_fraud(action: Action) -> bool {
    action != Action::Allow
}

/// The store knows less than the reader thinks: it lost its last commits.
pub(crate) fn fell_back(topic: &str, partition: i32, stored: i64, from: i64) -> Error {
    Error::retry(format!("the store's position in {topic}-{partition} fell back from {from} to {stored}; it is read again from there"))
}
