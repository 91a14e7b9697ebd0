//! The control topic: what stands in it, and finding things in it. A project version is archived there by its digest, one `activate`
//! record makes it the one that judges from its place in the sequence on, and changes of lists are records of their own.

use crate::topics;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Error, Micros, Result, Text, TopicPartition};
use pipeline::{Outgoing, Record, Source};
use project::{Diagnostic, Project};
use rules::{ListChange, ListKey, ListState};
use rustc_hash::FxHashMap;
use scoring::Plan;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A record of the control topic.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Control {
    /// A project version: its files, LZ4-packed JSON of (path, base64 bytes), in base64.
    Project { digest: Text, name: String, files: String },
    /// From here on this version judges.
    Activate(Activation),
    /// From here on a list holds other entries.
    List(ListChange),
}

/// What made a version the one that judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The folder had changed when the instance started.
    #[default]
    Start,
    /// The folder changed under `up --watch`.
    Watch,
    /// Somebody deployed it.
    Deploy,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Watch => "watch",
            Self::Deploy => "deploy",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    pub digest: Text,
    #[serde(default)]
    pub by: Cause,
    #[serde(default)]
    pub who: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// By the clock of the machine that took it; 1970 where it was not written down.
    #[serde(default, with = "domain::decision::rfc3339")]
    pub at: Micros,
    /// Changes of lists that its files overrule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forget: Vec<ListKey>,
}

/// The keys of records tell their kinds apart, so that a project's files need not be read to be passed by.
const ACTIVATE: &str = "activate";
const LIST: &str = "list";

impl Control {
    /// # Errors
    /// Bug alone.
    pub fn archive(project: &Project) -> Result<Self> {
        let files: Vec<(&str, String)> = project.files.iter().map(|(path, bytes)| (path.as_str(), STANDARD.encode(bytes))).collect();
        let json = serde_json::to_vec(&files).map_err(|e| Error::bug("a project does not serialise").because(e))?;
        Ok(Self::Project {
            digest: project.digest.clone(),
            name: project.settings.name.clone(),
            files: STANDARD.encode(lz4_flex::block::compress_prepend_size(&json)),
        })
    }

    /// As the topic holds it.
    pub fn record(&self) -> Result<Outgoing> {
        let key = match self {
            Self::Project { digest, .. } => digest.to_string(),
            Self::Activate(_) => ACTIVATE.to_owned(),
            Self::List(_) => LIST.to_owned(),
        };
        let value = serde_json::to_vec(self).map_err(|e| Error::bug("a control record does not serialise").because(e))?;
        Ok(Outgoing { key: Some(key.into()), value: value.into() })
    }

    /// # Errors
    /// Stop: the control topic holds something that is none of ours.
    pub fn read(record: &Record) -> Result<Self> {
        serde_json::from_slice(&record.value).map_err(|e| {
            Error::stop("the control topic holds a record that is none", "only Sluice writes it; restore it from a backup").because(e)
        })
    }

    /// The digest, where the record archives a version.
    pub fn archived(record: &Record) -> Option<Text> {
        let key = std::str::from_utf8(record.key.as_deref()?).ok()?;
        (key != ACTIVATE && key != LIST).then(|| Text::new(key))
    }

    /// What the record does to lists: an activation forgets what its version overrules.
    pub fn change_lists(&self, lists: &mut ListState) {
        match self {
            Self::Project { .. } => {}
            Self::Activate(activation) => activation.forget.iter().for_each(|key| lists.forget(key)),
            Self::List(change) => lists.apply(change),
        }
    }
}

/// Reads an archived version back.
fn unpack(files: &str) -> Result<Project> {
    let damaged = || Error::stop("an archived project version is damaged", "restore the control topic from a backup");
    let packed = STANDARD.decode(files).map_err(|e| damaged().because(e))?;
    let json = lz4_flex::block::decompress_size_prepended(&packed).map_err(|e| damaged().because(e))?;
    let files: Vec<(String, String)> = serde_json::from_slice(&json).map_err(|e| damaged().because(e))?;
    let files = files
        .into_iter()
        .map(|(path, coded)| Ok((path, STANDARD.decode(coded).map_err(|e| damaged().because(e))?)))
        .collect::<Result<Vec<_>>>()?;
    Project::from_files(files).map_err(|mistakes| no_longer(&mistakes))
}

fn no_longer(mistakes: &[Diagnostic]) -> Error {
    let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
    Error::stop(
        format!("an archived project version no longer compiles: {first}"),
        "use the Sluice release that archived it, or deploy a corrected version",
    )
}

/// A version that can judge.
#[derive(Clone)]
pub struct Version {
    pub project: Arc<Project>,
    pub plan: Arc<Plan>,
}

/// The control topic, read from its beginning on. Archived versions stay there until they are asked for.
pub struct Archive {
    source: Box<dyn Source>,
    next: i64,
    places: FxHashMap<Text, i64>,
}

impl Archive {
    pub fn new(source: Box<dyn Source>) -> Self {
        Self { source, next: 0, places: FxHashMap::default() }
    }

    /// Reads on to the end of the topic, giving each offset and record to `each`, but for archived versions: those are only noted.
    pub fn read_on(&mut self, mut each: impl FnMut(i64, Control) -> Result<()>) -> Result<()> {
        let at = TopicPartition::new(topics::CONTROL, 0);
        let (begin, end) = self.source.bounds(&at)?;
        self.next = self.next.max(begin);
        while self.next < end {
            let records = fetch(&mut *self.source, &at, self.next, 1 << 20)?;
            // What a cluster's log ends in may be marks of transactions, which nobody gets to see.
            let Some(last) = records.last() else { break };
            self.next = last.offset + 1;
            for record in &records {
                match Control::archived(record) {
                    Some(digest) => self.note(digest, record.offset),
                    None => each(record.offset, Control::read(record)?)?,
                }
            }
        }
        Ok(())
    }

    /// Where a version stands that was met elsewhere.
    pub fn note(&mut self, digest: Text, offset: i64) {
        self.places.entry(digest).or_insert(offset);
    }

    pub fn holds(&self, digest: &str) -> bool {
        self.places.contains_key(digest)
    }

    /// Digests that begin so.
    pub fn beginning_with(&self, digest: &str) -> Vec<Text> {
        let mut found: Vec<Text> = self.places.keys().filter(|d| d.starts_with(digest)).cloned().collect();
        found.sort();
        found
    }

    /// The version that was archived first.
    pub fn first(&self) -> Option<Text> {
        self.places.iter().min_by_key(|(_, offset)| **offset).map(|(digest, _)| digest.clone())
    }

    /// Reads and compiles an archived version.
    ///
    /// # Errors
    /// Stop: it is not there, or no longer compiles.
    pub fn load(&mut self, digest: &str) -> Result<Version> {
        let missing =
            || Error::stop(format!("project version {digest} is not in the control topic"), "restore the control topic from a backup");
        let offset = *self.places.get(digest).ok_or_else(missing)?;
        let records = fetch(&mut *self.source, &TopicPartition::new(topics::CONTROL, 0), offset, 1)?;
        let record = records.iter().find(|r| r.offset == offset).ok_or_else(missing)?;
        let Control::Project { files, .. } = Control::read(record)? else { return Err(missing()) };
        let project = unpack(&files)?;
        let plan = Plan::compile(&project).map_err(|mistakes| no_longer(&mistakes))?;
        Ok(Version { project: Arc::new(project), plan: Arc::new(plan) })
    }
}

/// A cluster may take its time to bring what it holds.
const TRIES: usize = 50;

fn fetch(source: &mut dyn Source, at: &TopicPartition, from: i64, bytes: usize) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for _ in 0..TRIES {
        source.fetch(at, from, bytes, &mut records)?;
        if !records.is_empty() {
            break;
        }
        source.wait(&[(at.clone(), from)], Duration::from_millis(100))?;
    }
    Ok(records)
}
