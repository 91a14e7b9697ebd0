//! What a user may do: lists of names, one a right. What is not on a list is not allowed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name, or the beginning of names: `decisions`, `fraud-*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    prefix: bool,
}

impl Pattern {
    pub(super) fn fits(&self, name: &str) -> bool {
        if self.prefix { name.starts_with(&self.text) } else { name == self.text }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let (name, prefix) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        if name.contains('*') || (name.is_empty() && !prefix) || name.len() > 249 {
            return Err(format!("`{text}` names nothing; write a name, the beginning of names and a `*`, or `*` for all"));
        }
        Ok(Pattern { text: name.to_string(), prefix })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.prefix { "*" } else { "" })
    }
}

/// The rights of a user. Any right on a topic lets it be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Everything, whatever the lists say, and what concerns the broker as a whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub superuser: bool,
    /// Topics that may be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<Pattern>,
    /// Topics that may be written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<Pattern>,
    /// Topics that may be created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create: Vec<Pattern>,
    /// Topics whose settings, partitions and records may be changed, and that may be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<Pattern>,
    /// Consumer groups that may be joined, looked at, moved and deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Pattern>,
    /// Transactional ids that may be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transactional_ids: Vec<Pattern>,
}

/// A right to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// To see that a topic is there, its partitions, offsets and settings.
    See,
    Read,
    Write,
    Create,
    Admin,
    Group,
    TransactionalId,
}

impl Grants {
    /// All rights.
    pub fn superuser() -> Grants {
        Grants { superuser: true, ..Grants::default() }
    }

    /// Whether there is a right to the topic, group or transactional id of this name.
    pub(crate) fn allow(&self, right: Right, name: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(name));
        self.superuser
            || match right {
                Right::See => [&self.read, &self.write, &self.create, &self.admin].into_iter().any(|patterns| any(patterns)),
                Right::Read => any(&self.read),
                Right::Write => any(&self.write),
                Right::Create => any(&self.create),
                Right::Admin => any(&self.admin),
                Right::Group => any(&self.groups),
                Right::TransactionalId => any(&self.transactional_ids),
            }
    }

    /// Whether there is any topic that may be written.
    pub(crate) fn writes(&self) -> bool {
        self.superuser || !self.write.is_empty()
    }
}
