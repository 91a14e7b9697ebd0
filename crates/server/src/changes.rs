//! What may change while an instance runs, as the server needs it: lists, and the version of the project that judges.

use async_trait::async_trait;
use domain::decision::rfc3339;
use domain::{Micros, Rejection, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The way to lists and versions.
///
/// # Contract
/// - A change that is answered well is durable and has taken its place in the sequence; what is judged from there on sees it.
/// - What is refused has changed nothing, but for [`Refused::Later`], which says what it did.
#[async_trait]
pub trait Changes: Send + Sync {
    /// All lists in short, in the project's order.
    async fn lists(&self) -> Result<Vec<ListSummary>, Refused>;

    /// Entries of one list from the one at `from` on; with `key` the one entry that has it.
    async fn list(&self, list: &str, key: Option<Vec<String>>, from: usize, limit: usize) -> Result<ListPage, Refused>;

    /// The changes of one list, the latest first; with `key` those of one entry.
    async fn list_history(&self, list: &str, key: Option<Vec<String>>, limit: usize) -> Result<Vec<ListEvent>, Refused>;

    /// Puts entries on a list. With `replace`, one that is there already may be other than before.
    async fn add_to_list(&self, who: &str, list: &str, entries: Vec<NewEntry>, replace: bool) -> Result<Changed, Refused>;

    /// Takes entries off a list.
    async fn remove_from_list(&self, who: &str, list: &str, entries: Vec<OldEntry>) -> Result<Changed, Refused>;

    /// Checks a version and, unless it is a dry run, makes it the one that judges.
    async fn deploy(&self, who: &str, deploy: Deploy) -> Result<Deployed, Refused>;

    /// Versions that have judged, the latest first.
    async fn versions(&self, limit: usize) -> Result<Vec<VersionEvent>, Refused>;
}

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 404, with what there is instead.
    Unknown(String),
    /// 422: everything that is wrong.
    Invalid(Vec<Rejection>),
    /// 409: it contradicts what is.
    Conflict(String),
    /// 503: it was not done, or is not known to have been.
    Later(String),
    /// 500; the log says more.
    Internal,
}

/// A list in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListSummary {
    pub name: String,
    /// Its key columns; a key has a value for each.
    pub columns: Vec<String>,
    /// Entries, expired ones too.
    pub entries: u64,
    /// Of them, those that were added while the instance ran and do not stand in the project's file.
    pub added: u64,
    /// Entries of the project's file that were taken off.
    pub removed: u64,
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListItem {
    /// One value a key column.
    pub key: Vec<String>,
    pub who: String,
    pub why: String,
    /// The first moment (event time) at which it no longer counts.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// When it was added; null where it stands in the project's file.
    #[schema(format = DateTime)]
    pub at: Option<String>,
}

/// Some entries of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListPage {
    pub columns: Vec<String>,
    pub items: Vec<ListItem>,
    /// The cursor of the next page; null on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// One thing that happened to an entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListEvent {
    pub action: ListAction,
    pub key: Vec<String>,
    pub who: String,
    pub why: String,
    #[schema(format = DateTime)]
    pub until: Option<String>,
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ListAction {
    Add,
    Remove,
}

/// An entry to put on a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEntry {
    /// One value a key column.
    #[schema(min_items = 1, max_items = 64)]
    pub key: Vec<String>,
    /// For whoever asks later.
    #[schema(min_length = 1, max_length = 1000)]
    pub why: String,
    /// A date or RFC 3339 time: the first moment (event time) at which it no longer counts. Without it, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

/// An entry to take off a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldEntry {
    pub key: Vec<String>,
    pub why: String,
}

/// What became of a change of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// Entries put on or taken off.
    pub changed: u64,
    /// Entries that were so already.
    pub unchanged: u64,
    /// From which number in the sequence on all of it counts; null if nothing changed.
    pub sequence: Option<u64>,
}

/// A version to deploy: the files of a project, or one that has judged before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The text of each file of the project folder, by its path in it, with forward slashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, String>>,
    /// The digest, or at least six digits of its beginning, of a version that was active here before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 6, max_length = 32)]
    pub version: Option<String>,
    /// For whoever asks later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub why: Option<String>,
    /// Only says what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of a deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployed {
    pub digest: String,
    /// The version that judged before.
    pub previous: Option<String>,
    /// Files that differ from it.
    pub changed: Vec<String>,
    /// Entries of lists that were changed while the instance ran, and of which the new files say something else: the files have the later word.
    pub overruled: Vec<OverruledEntry>,
    /// From which number in the sequence on it judges; null on a dry run, and where it judged already.
    pub sequence: Option<u64>,
    /// It judged already, and nothing was done.
    pub unchanged: bool,
    pub dry_run: bool,
    /// Changed settings that take effect at the next start.
    pub later: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverruledEntry {
    pub list: String,
    pub key: Vec<String>,
}

/// One activation of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionEvent {
    pub digest: String,
    /// Whether it judges now.
    pub active: bool,
    /// What brought it in.
    pub by: Cause,
    pub who: String,
    pub why: String,
    #[serde(with = "rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Micros,
}

/// What brings a version in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The folder had changed when the instance started.
    Start,
    /// The folder changed while the instance watched it.
    Watch,
    Deploy,
}
