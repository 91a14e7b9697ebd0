//! Project versions in the control topic: a version is archived there by its digest, and one `activate` record makes it the one that
//! judges from its place in the sequence on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Error, Result, Text, TopicPartition};
use pipeline::Source;
use project::Project;
use serde::{Deserialize, Serialize};

/// A record of the control topic.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Control {
    /// A project version: its files, LZ4-packed JSON of (path, base64 bytes), in base64.
    Project { digest: Text, name: String, files: String },
    /// From here on this version judges.
    Activate { digest: Text },
}

impl Control {
    pub fn archive(project: &Project) -> Result<Self> {
        let files: Vec<(&str, String)> = project.files.iter().map(|(path, bytes)| (path.as_str(), STANDARD.encode(bytes))).collect();
        let json = serde_json::to_vec(&files).map_err(|e| Error::bug("a project does not serialise").because(e))?;
        Ok(Self::Project {
            digest: project.digest.clone(),
            name: project.settings.name.clone(),
            files: STANDARD.encode(lz4_flex::block::compress_prepend_size(&json)),
        })
    }

    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::bug("a control record does not serialise").because(e))
    }

    /// # Errors
    /// Stop: the control topic holds something that is none of ours.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| {
            Error::stop("the control topic holds a record that is none", "only Sluice writes it; restore it from a backup").because(e)
        })
    }
}

/// Reads an archived version back.
pub fn unpack(files: &str) -> Result<Project> {
    let damaged = || Error::stop("an archived project version is damaged", "restore the control topic from a backup");
    let packed = STANDARD.decode(files).map_err(|e| damaged().because(e))?;
    let json = lz4_flex::block::decompress_size_prepended(&packed).map_err(|e| damaged().because(e))?;
    let files: Vec<(String, String)> = serde_json::from_slice(&json).map_err(|e| damaged().because(e))?;
    let files = files
        .into_iter()
        .map(|(path, coded)| Ok((path, STANDARD.decode(coded).map_err(|e| damaged().because(e))?)))
        .collect::<Result<Vec<_>>>()?;
    Project::from_files(files).map_err(|mistakes| {
        let first = mistakes.first().map(|d| format!("{}: {}", d.place, d.message)).unwrap_or_default();
        Error::stop(
            format!("an archived project version can no longer be read: {first}"),
            "use the Sluice release that archived it, or rebuild from the log with a new version",
        )
    })
}

/// All records of the control topic, in order.
pub fn read_all(source: &mut dyn Source) -> Result<Vec<Control>> {
    let at = TopicPartition::new(crate::topics::CONTROL, 0);
    let (mut from, end) = source.bounds(&at)?;
    let mut records = Vec::new();
    while from < end {
        let before = records.len();
        source.fetch(&at, from, 1 << 20, &mut records)?;
        match records.last() {
            Some(last) if records.len() > before => from = last.offset + 1,
            _ => break,
        }
    }
    records.iter().map(|r| Control::from_json(&r.value)).collect()
}
