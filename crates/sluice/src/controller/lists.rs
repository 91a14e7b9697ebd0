//! Changes of lists while an instance runs, and what the lists hold.

use super::{Addition, Author, Control, Controller, Existing, ListChange, ListState, Refused, Rejection, Removal, Text, now};
use crate::versions::Archive;
use domain::Result;
use project::ListEntry;

/// Entries in one record, so that the scorer is never busy with a change for long.
const RECORD: usize = 1000;

/// What became of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Entries put on or taken off.
    pub changed: usize,
    /// Entries that were so already.
    pub unchanged: usize,
    /// From which number on the last of them counts; none if nothing changed, or without a scorer.
    pub sequence: Option<u64>,
}

/// A list in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub name: Text,
    pub columns: Vec<Text>,
    pub entries: usize,
    /// Of them, those that were added while it ran.
    pub added: usize,
    /// Entries that were taken off while it ran.
    pub removed: usize,
}

impl Controller {
    /// Puts entries on a list. They count from their place in the sequence on, a thousand at a time.
    pub fn add_to_list(&self, list: &str, entries: Vec<Addition>, existing: Existing, author: &Author) -> Result<Changed, Refused> {
        let given = entries.len();
        let _writer = self.writer()?;
        let good = self.with_list(list, |lists, at| lists.additions(at, entries, existing, now()).map_err(refusal))?;
        let unchanged = given - good.len();
        let parts = good.chunks(RECORD).map(|part| (part.to_vec(), Vec::new()));
        Ok(Changed { unchanged, ..self.change_list(list, author, parts)? })
    }

    /// Takes entries off a list.
    pub fn remove_from_list(&self, list: &str, removals: Vec<Removal>, author: &Author) -> Result<Changed, Refused> {
        let _writer = self.writer()?;
        let good = self.with_list(list, |lists, at| lists.removals(at, removals).map_err(refusal))?;
        self.change_list(list, author, good.chunks(RECORD).map(|part| (Vec::new(), part.to_vec())))
    }

    fn change_list(
        &self,
        list: &str,
        author: &Author,
        parts: impl Iterator<Item = (Vec<Addition>, Vec<Removal>)>,
    ) -> Result<Changed, Refused> {
        let columns = self.with_list(list, |lists, at| Ok(lists.columns(at).to_vec()))?;
        let mut changed = Changed::default();
        for (add, remove) in parts {
            let count = add.len() + remove.len();
            let change = ListChange { list: list.into(), columns: columns.clone(), who: author.who.clone(), at: now(), add, remove };
            let offset = self.append(&[Control::List(change)])?;
            // Each is waited for, so that payments are judged between two of them.
            changed.sequence = self.wait(offset)?;
            changed.changed += count;
            if let Some(metrics) = &self.metrics {
                metrics.list_changed(list, count as u64);
            }
        }
        Ok(changed)
    }

    /// All lists in short.
    pub fn lists(&self) -> Result<Vec<Listing>> {
        let mut known = self.known.lock();
        known.active()?;
        let lists = &known.lists;
        let listing = |(at, name): (usize, &Text)| {
            let (added, removed) = lists.changed(at);
            Listing { name: name.clone(), columns: lists.columns(at).to_vec(), entries: lists.entries(at).count(), added, removed }
        };
        Ok(lists.names().enumerate().map(listing).collect())
    }

    /// Up to `most` entries of a list from the one at `from` on, and the list's key columns; with `key` the one entry that has it.
    pub fn list(&self, list: &str, key: Option<&[Text]>, from: usize, most: usize) -> Result<(Vec<Text>, Vec<ListEntry>), Refused> {
        self.with_list(list, |lists, at| {
            let entries = match key {
                Some(key) => lists.get(at, key).cloned().into_iter().collect(),
                None => lists.entries(at).skip(from).take(most).cloned().collect(),
            };
            Ok((lists.columns(at).to_vec(), entries))
        })
    }

    /// The last changes of a list (of one key, if it is given), the latest first: each record cut down to what it says of it.
    pub fn list_history(&self, list: &str, key: Option<&[Text]>, most: usize) -> Result<Vec<ListChange>, Refused> {
        let known_now = self.with_list(list, |_, _| Ok(()));
        let mut last = std::collections::VecDeque::new();
        // Read from the topic, as it is seldom asked and may be long.
        let mut archive = Archive::new(self.log.source()?);
        archive.read_on(|_, control| {
            if let Control::List(mut change) = control
                && change.list == list
            {
                if let Some(key) = key {
                    change.add.retain(|a| a.key == key);
                    change.remove.retain(|r| r.key == key);
                }
                if !(change.add.is_empty() && change.remove.is_empty()) {
                    last.push_front(change);
                    last.truncate(most);
                }
            }
            Ok(())
        })?;
        // A list that is gone still has its history.
        if last.is_empty() {
            known_now?;
        }
        Ok(last.into())
    }

    fn with_list<T>(&self, list: &str, ask: impl FnOnce(&ListState, usize) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut known = self.known.lock();
        known.active()?;
        match known.lists.list(list) {
            Some(at) => ask(&known.lists, at),
            None => {
                let names: Vec<&str> = known.lists.names().map(Text::as_str).collect();
                let hint = match project::nearest(list, names.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None if names.is_empty() => "the project has none".into(),
                    None => format!("there are {}", names.join(", ")),
                };
                Err(Refused::Unknown(format!("there is no list {list}; {hint}")))
            }
        }
    }
}

/// What contradicts the list as it is, is a conflict where nothing else is wrong.
fn refusal(wrong: Vec<Rejection>) -> Refused {
    let all = |code: &str| wrong.iter().all(|w| w.code == code);
    let in_short = || {
        let first: Vec<&str> = wrong.iter().take(3).map(|w| w.reason.as_str()).collect();
        let more = if wrong.len() > 3 { format!("; and {} more", wrong.len() - 3) } else { String::new() };
        format!("{}{more}", first.join("; "))
    };
    if all("listed") {
        Refused::Conflict(in_short())
    } else if all("not_listed") {
        Refused::Unknown(in_short())
    } else {
        Refused::Invalid(wrong)
    }
}
