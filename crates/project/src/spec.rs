//! What a project folder says, as plain values. Everything here is made by reading files; nothing is run.

use crate::diagnostic::Place;
use domain::{Action, Micros, RuleMode, Severity, Stream, Text};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A whole project folder, read and rendered.
#[derive(Clone, Debug)]
pub struct Project {
    pub root: PathBuf,
    pub settings: Settings,
    pub streams: Vec<StreamSpec>,
    pub features: Vec<FeatureFile>,
    /// By feature name, from `features/schema.yml`.
    pub feature_docs: BTreeMap<String, FeatureDoc>,
    pub feature_cases: Vec<FeatureCase>,
    pub rules: Vec<RuleSpec>,
    pub lists: Vec<ListSpec>,
    pub policy: PolicySpec,
    /// Every file that went in (relative path with forward slashes, bytes), sorted: what an archive of this version holds.
    pub files: Vec<(String, Vec<u8>)>,
    /// BLAKE3 over the sorted files, 32 hex digits.
    pub digest: Text,
}

/// `sluice.yml`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub name: String,
    pub description: String,
    /// The currency that sums and rules across currencies use.
    pub currency: Option<String>,
    pub log: LogSettings,
    /// How the embedded broker's door is secured; means nothing on a cluster.
    pub listener: ListenerSettings,
    pub store: StoreSettings,
    /// Microseconds after which the store forgets a decision; none keeps everything.
    pub store_keep: Option<i64>,
    /// Where everything lands as tables.
    pub lake: LakeSettings,
    /// Values for the jinja in feature files, as `var('name')`.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Bytes of feature state kept in memory; the rest waits on disk.
    pub state_memory: Option<u64>,
    /// Where alerts are sent to.
    pub webhooks: Vec<WebhookSpec>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogSettings {
    #[default]
    Embedded,
    /// Bootstrap servers and any client properties passed through (`security.protocol`, ...).
    Kafka { bootstrap: String, properties: BTreeMap<String, String> },
}

/// `embedded:` under `log:` in `sluice.yml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerSettings {
    /// None: not at all, which is allowed on a loopback address alone.
    pub authentication: Option<ListenerAuthentication>,
    pub tls: Option<ListenerTls>,
}

/// How clients say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerAuthentication {
    /// By name and password.
    Sasl,
    /// Not at all, wherever the door is.
    None,
}

/// Files in PEM form, as written: relative to the project folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreSettings {
    #[default]
    Embedded,
    /// A connection string, which may hold a password.
    Postgres(Secret),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LakeSettings {
    #[default]
    Off,
    /// In the data folder.
    Embedded,
    /// In a folder, as written: relative to where the command runs.
    Folder(PathBuf),
}

/// Something that must not be shown: it prints as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// One of `webhooks:` in `sluice.yml`: alerts are sent there, signed, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSpec {
    /// Unique; its position is kept under it.
    pub name: String,
    pub place: Place,
    /// A checked http or https address. Some receivers put a token into it, so it is not shown.
    pub url: Secret,
    /// Keys of HMAC-SHA256, at least one; each alert is signed with all of them, so that a receiver can change over.
    pub secrets: Vec<Secret>,
    /// Only alerts of this severity or a higher one.
    pub min_severity: Severity,
    /// Only alerts of this decision.
    pub decision: Option<Action>,
    /// Only alerts of these rules; empty for all.
    pub rules: Vec<(String, Place)>,
    /// For a whole exchange. Microseconds.
    pub timeout: i64,
    /// An alert that was not taken after so many is put aside.
    pub attempts: u32,
}

/// `events/NAME.yml`.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    pub path: String,
    pub stream: Arc<Stream>,
    /// A complete, valid record. A case's event is this one with the case's own fields laid over it.
    pub example: serde_json::Map<String, serde_json::Value>,
    /// How long the topic keeps its records; `None` keeps them all. Microseconds.
    pub retention: Option<i64>,
}

/// One SQL file under `features/`.
#[derive(Clone, Debug)]
pub struct FeatureFile {
    /// Relative to the project folder: `features/account_velocity.sql`.
    pub path: String,
    /// As written, jinja and all.
    pub source: String,
    /// With its jinja rendered: plain SQL.
    pub sql: String,
    /// For each line of `sql` (from 0) the line of `source` (from 1) it came from, as well as can be told.
    pub lines: Vec<usize>,
    /// From `schema.yml`: joins other than by the equal column name, as (this file's stream's column, judged stream's column).
    pub join: Vec<(String, String)>,
}

/// What `features/schema.yml` says of a feature.
#[derive(Clone, Debug, Default)]
pub struct FeatureDoc {
    pub place: Place,
    pub description: String,
    pub unit: Option<String>,
}

/// Events in order, and the features expected of the last judged one.
#[derive(Clone, Debug)]
pub struct FeatureCase {
    pub name: String,
    pub place: Place,
    pub events: Vec<CaseEvent>,
    /// Feature to expected JSON value; floats are compared to 1e-9 relative.
    pub expect: BTreeMap<String, serde_json::Value>,
}

/// One event of a case: the stream's example with these fields laid over it (an explicit null removes a field).
#[derive(Clone, Debug)]
pub struct CaseEvent {
    pub stream: Text,
    /// Already complete: example, then own fields; a unique id and an event time (`after:` a span behind the event before, or
    /// one second) where the case gives none.
    pub record: serde_json::Map<String, serde_json::Value>,
}

/// `rules/NAME.yml`.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    pub name: Text,
    pub path: String,
    /// Why the rule exists.
    pub description: String,
    /// What the person who gets the alert should do.
    pub next: Option<String>,
    pub when: Sql,
    pub action: Action,
    pub severity: Severity,
    pub mode: RuleMode,
    /// What a hit alone makes the score, 0 to 1. Where the file gives none: low .2, medium .4, high .7, critical .9.
    pub weight: f64,
    /// Text with `{expression}` holes.
    pub message: Sql,
    pub tags: Vec<String>,
    pub cases: Vec<RuleCase>,
}

/// A piece of text with the place it starts at, so that a mistake inside it can be shown where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sql {
    pub text: String,
    /// Of its first character.
    pub place: Place,
}

impl Sql {
    /// The place of a byte offset in the text. Exact on one line and in `|` blocks, whose lines share the indent of the first;
    /// in folded text, which has lost its line breaks, a column counted from the first character.
    pub fn place_at(&self, offset: usize) -> Place {
        let within = Place::at("", &self.text, offset);
        Place { file: self.place.file.clone(), line: self.place.line + within.line - 1, column: self.place.column + within.column - 1 }
    }
}

#[derive(Clone, Debug)]
pub struct RuleCase {
    pub name: String,
    pub place: Place,
    pub events: Vec<CaseEvent>,
    /// Whether the rule hits on the last judged event.
    pub hit: bool,
    /// The message expected, where the case gives one.
    pub message: Option<String>,
    /// The decision expected of the whole policy, where the case gives one.
    pub decision: Option<Action>,
}

/// `lists/NAME.csv`: key columns, then `who`, `why`, `until`.
#[derive(Clone, Debug)]
pub struct ListSpec {
    pub name: Text,
    pub path: String,
    /// The key columns' names: every column but who, why and until.
    pub columns: Vec<Text>,
    pub entries: Vec<ListEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// In its file; 0 where a change added it.
    pub line: usize,
    /// One a key column.
    pub key: Vec<Text>,
    pub who: String,
    pub why: String,
    /// The first moment (event time) at which the entry no longer counts.
    pub until: Option<Micros>,
    /// When a change added it; none where it stands in the file.
    pub at: Option<Micros>,
}

/// `policy.yml`.
#[derive(Clone, Debug, Default)]
pub struct PolicySpec {
    pub path: String,
    /// In order of precedence: the first list that matches settles the decision, whatever rules say (they are still recorded).
    pub lists: Vec<ListPolicy>,
    /// The score from which a transaction is reviewed or blocked even where no rule asks for it.
    pub review_score: Option<f64>,
    pub block_score: Option<f64>,
    /// What a transaction gets whose features are not to be had (too late).
    pub too_late: Option<Action>,
}

#[derive(Clone, Debug)]
pub struct ListPolicy {
    pub list: Text,
    /// An SQL expression for each key column, over event and features.
    pub keys: Vec<Sql>,
    pub action: Action,
    pub place: Place,
}
