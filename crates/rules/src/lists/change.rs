//! A change of a list as a record, and what must be true of one before it is made.

use super::ListState;
use domain::{Micros, Rejection, Text};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Bytes of one key value, and of a reason.
const MOST_KEY: usize = 4096;
const MOST_WHY: usize = 1000;

/// What somebody changed in one list at once: entries taken off, then entries put on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChange {
    pub list: Text,
    /// The list's key columns then.
    pub columns: Vec<Text>,
    pub who: String,
    /// When, by the clock of the machine that took the change.
    #[serde(with = "domain::decision::rfc3339")]
    pub at: Micros,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Addition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Removal>,
}

/// An entry put on a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addition {
    /// One a key column.
    pub key: Vec<Text>,
    pub why: String,
    /// The first moment (event time) at which it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_time")]
    pub until: Option<Micros>,
}

/// An entry taken off a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    pub key: Vec<Text>,
    pub why: String,
}

/// A key of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListKey {
    pub list: Text,
    pub columns: Vec<Text>,
    pub key: Vec<Text>,
}

/// What to do with an entry whose key is on the list already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is a mistake, unless the entry there says the same or has expired.
    Refuse,
    Replace,
}

impl ListState {
    /// Those of the entries that would change the list. `now` is the clock's, for entries that have expired.
    ///
    /// # Errors
    /// Everything that is wrong, with the field as `entries[n].key`; the code `listed` alone is for keys that are on the list already.
    pub fn additions(&self, list: usize, entries: Vec<Addition>, existing: Existing, now: Micros) -> Result<Vec<Addition>, Vec<Rejection>> {
        let mut wrong = Vec::new();
        let mut seen: HashSet<Vec<Text>> = HashSet::with_capacity(entries.len());
        let mut additions = Vec::with_capacity(entries.len());
        for (n, mut entry) in entries.into_iter().enumerate() {
            let before = wrong.len();
            self.check_key(list, n, &mut entry.key, &mut wrong);
            check_why(n, &mut entry.why, &mut wrong);
            if wrong.len() > before {
                continue;
            }
            if !seen.insert(entry.key.clone()) {
                wrong.push(Rejection::field("repeated", &format!("entries[{n}].key"), "stands here twice"));
                continue;
            }
            match self.get(list, &entry.key) {
                Some(there) if there.why == entry.why && there.until == entry.until => {}
                Some(there) if existing == Existing::Refuse && there.until.is_none_or(|until| now < until) => {
                    let (list, key) = (&self.lists[list].name, entry.key.join(", "));
                    let until = there.until.map_or_else(String::new, |u| format!(", until {}", domain::time::format(u)));
                    let who = if there.who.is_empty() { String::new() } else { format!(" by {}", there.who) };
                    let reason = format!("{key} is on the list {list} already{who} ({}{until}); replace it if that is meant", there.why);
                    wrong.push(Rejection::field("listed", &format!("entries[{n}].key"), reason));
                }
                _ => additions.push(entry),
            }
        }
        if wrong.is_empty() { Ok(additions) } else { Err(wrong) }
    }

    /// The removals, checked.
    ///
    /// # Errors
    /// Everything that is wrong; the code `not_listed` alone is for keys that are not on the list.
    pub fn removals(&self, list: usize, removals: Vec<Removal>) -> Result<Vec<Removal>, Vec<Rejection>> {
        let mut wrong = Vec::new();
        let mut seen: HashSet<Vec<Text>> = HashSet::with_capacity(removals.len());
        let mut good = Vec::with_capacity(removals.len());
        for (n, mut removal) in removals.into_iter().enumerate() {
            let before = wrong.len();
            self.check_key(list, n, &mut removal.key, &mut wrong);
            check_why(n, &mut removal.why, &mut wrong);
            if wrong.len() > before {
                continue;
            }
            if !seen.insert(removal.key.clone()) {
                wrong.push(Rejection::field("repeated", &format!("entries[{n}].key"), "stands here twice"));
            } else if self.get(list, &removal.key).is_none() {
                let name = &self.lists[list].name;
                let key = removal.key.join(", ");
                let known: Vec<String> = self.entries(list).take(MOST_NEAR).map(|e| e.key.join(", ")).collect();
                let near = project::nearest(&key, known.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                wrong.push(Rejection::field("not_listed", &format!("entries[{n}].key"), format!("{key} is not on the list {name}{near}")));
            } else {
                good.push(removal);
            }
        }
        if wrong.is_empty() { Ok(good) } else { Err(wrong) }
    }

    fn check_key(&self, list: usize, n: usize, key: &mut [Text], wrong: &mut Vec<Rejection>) {
        let of = &self.lists[list];
        let mut refuse = |code: &'static str, reason: String| wrong.push(Rejection::field(code, &format!("entries[{n}].key"), reason));
        for value in key.iter_mut() {
            if value.trim().len() < value.len() {
                *value = Text::new(value.trim());
            }
        }
        if key.len() != of.columns.len() {
            let (columns, count) = (of.columns.join(", "), of.columns.len());
            let s = if count == 1 { "" } else { "s" };
            refuse("wrong_columns", format!("has {} values, and the list {} has {count} key column{s}: {columns}", key.len(), of.name));
        } else if let Some(empty) = key.iter().position(|k| k.is_empty()) {
            refuse("missing", format!("is empty in the key column {}", of.columns[empty]));
        } else if key.iter().any(|k| k.len() > MOST_KEY) {
            refuse("too_long", format!("has more than {MOST_KEY} bytes"));
        }
    }
}

/// Entries looked through for a near name.
const MOST_NEAR: usize = 10_000;

fn check_why(n: usize, why: &mut String, wrong: &mut Vec<Rejection>) {
    if why.trim().len() < why.len() {
        *why = why.trim().to_owned();
    }
    if why.is_empty() {
        wrong.push(Rejection::field("missing", &format!("entries[{n}].why"), "is empty: say why, for whoever asks later"));
    } else if why.len() > MOST_WHY {
        wrong.push(Rejection::field("too_long", &format!("entries[{n}].why"), format!("has more than {MOST_WHY} bytes")));
    }
}

/// A time that may be left out, as RFC 3339.
mod optional_time {
    use domain::Micros;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<Micros>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(domain::time::format).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Micros>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        domain::time::parse(&text).map(Some).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a timestamp")))
    }
}
