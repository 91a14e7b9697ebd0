//! Lists at run time. What the files of a project version hold lies below; over it lie the changes that people made while it ran. On each
//! key the later word stands: a change covers what the files say of it, until a new version says something else of that very key and
//! the change is forgotten. The same changes in the same order give the same answers.

mod change;
mod table;

pub use change::{Addition, Existing, ListChange, ListKey, Removal};

use domain::{Micros, Text, Value};
use expr::Lists;
use project::{ListEntry, ListSpec};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use table::Table;

/// All lists of a project with their entries. A clone shares what the files hold.
#[derive(Clone, Debug)]
pub struct ListState {
    lists: Vec<List>,
    /// Also those of lists that the version does not have, or has with other key columns: they have no effect, until one has them again.
    changes: Vec<Changes>,
}

/// A list as the version's files have it.
#[derive(Clone, Debug)]
struct List {
    name: Text,
    columns: Vec<Text>,
    files: Arc<Table>,
    /// Index of what is laid over it.
    changes: Option<usize>,
}

/// What is laid over the list of this name with these columns.
#[derive(Clone, Debug)]
struct Changes {
    list: Text,
    columns: Vec<Text>,
    added: Table,
    removed: FxHashMap<Vec<Text>, Removed>,
}

/// An entry that was taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub who: String,
    pub why: String,
    pub at: Micros,
}

/// An entry that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub list: &'a Text,
    pub entry: &'a ListEntry,
}

impl Changes {
    /// Whether it has a word on this key.
    fn covers(&self, key: &[Text]) -> bool {
        self.added.get(key).is_some() || self.removed.contains_key(key)
    }
}

impl ListState {
    /// The entries as the project's files have them. The order of lists is that of the project, which rules refer to.
    pub fn new(specs: &[ListSpec]) -> Self {
        let list = |spec: &ListSpec| {
            let mut files = Table::new(spec.columns.len());
            spec.entries.iter().for_each(|entry| files.add(entry.clone()));
            List { name: spec.name.clone(), columns: spec.columns.clone(), files: Arc::new(files), changes: None }
        };
        Self { lists: specs.iter().map(list).collect(), changes: Vec::new() }
    }

    /// Puts what another version's files hold below the changes. Forgets none of them: which ones it overrules, [`ListState::overruled`]
    /// tells, and a `forget` for each is part of the sequence.
    pub fn rebase(&mut self, files: &Self) {
        self.lists.clone_from(&files.lists);
        for list in &mut self.lists {
            list.changes = self.changes.iter().position(|c| c.list == list.name && c.columns == list.columns);
        }
    }

    /// The changes on whose keys another version's files say something else than the present ones: whoever deploys it has the later word.
    pub fn overruled(&self, files: &Self) -> Vec<ListKey> {
        let mut overruled = Vec::new();
        for changes in &self.changes {
            let of =
                |state: &Self| state.lists.iter().find(|l| l.name == changes.list && l.columns == changes.columns).map(|l| l.files.clone());
            let (before, after) = (of(self), of(files));
            let said = |table: &Option<Arc<Table>>, key: &[Text]| {
                table.as_ref().and_then(|t| t.get(key)).map(|e| (e.who.clone(), e.why.clone(), e.until))
            };
            let keys = changes.added.entries().map(|e| &e.key).chain(changes.removed.keys());
            let mut other: Vec<_> = keys.filter(|key| said(&before, key) != said(&after, key)).cloned().collect();
            other.sort();
            overruled.extend(other.into_iter().map(|key| ListKey { list: changes.list.clone(), columns: changes.columns.clone(), key }));
        }
        overruled
    }

    /// Makes a change that [`ListState::additions`] and [`ListState::removals`] have found good.
    pub fn apply(&mut self, change: &ListChange) {
        let laid = self.changes_of(&change.list, &change.columns);
        for removal in change.remove.iter().filter(|r| r.key.len() == change.columns.len()) {
            laid.added.remove(&removal.key);
            laid.removed.insert(removal.key.clone(), Removed { who: change.who.clone(), why: removal.why.clone(), at: change.at });
        }
        for addition in change.add.iter().filter(|a| a.key.len() == change.columns.len()) {
            laid.removed.remove(&addition.key);
            laid.added.add(ListEntry {
                line: 0,
                key: addition.key.clone(),
                who: change.who.clone(),
                why: addition.why.clone(),
                until: addition.until,
                at: Some(change.at),
            });
        }
    }

    /// Forgets what a change said of a key: the files' word stands again.
    pub fn forget(&mut self, of: &ListKey) {
        let laid = self.changes_of(&of.list, &of.columns);
        laid.added.remove(&of.key);
        laid.removed.remove(&of.key);
    }

    fn changes_of(&mut self, list: &Text, columns: &[Text]) -> &mut Changes {
        let at = match self.changes.iter().position(|c| c.list == *list && c.columns == columns) {
            Some(at) => at,
            None => {
                let (list, columns) = (list.clone(), columns.to_vec());
                if let Some(of) = self.lists.iter_mut().find(|l| l.name == list && l.columns == columns) {
                    of.changes = Some(self.changes.len());
                }
                self.changes.push(Changes { list, added: Table::new(columns.len()), columns, removed: FxHashMap::default() });
                self.changes.len() - 1
            }
        };
        &mut self.changes[at]
    }

    /// The names, in the project's order.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.lists.iter().map(|l| &l.name)
    }

    /// The index of a list by name.
    pub fn list(&self, name: &str) -> Option<usize> {
        self.lists.iter().position(|l| l.name == name)
    }

    /// The key columns of a list.
    pub fn columns(&self, list: usize) -> &[Text] {
        &self.lists[list].columns
    }

    /// All entries of a list, expired ones too: those of the files, then those added, each oldest first.
    pub fn entries(&self, list: usize) -> impl Iterator<Item = &ListEntry> {
        let (files, laid) = self.layers(list);
        let uncovered = files.entries().filter(move |e| laid.is_none_or(|c| !c.covers(&e.key)));
        uncovered.chain(laid.into_iter().flat_map(|c| c.added.entries()))
    }

    /// The entries that were added while it ran, and those that were taken off.
    pub fn changed(&self, list: usize) -> (usize, usize) {
        self.layers(list).1.map_or((0, 0), |c| (c.added.len(), c.removed.len()))
    }

    /// Entries that were taken off, sorted by key.
    pub fn removed(&self, list: usize) -> Vec<(&[Text], &Removed)> {
        let mut removed: Vec<_> = self.layers(list).1.into_iter().flat_map(|c| &c.removed).map(|(k, r)| (k.as_slice(), r)).collect();
        removed.sort_by_key(|(key, _)| *key);
        removed
    }

    /// The entry with exactly this key, expired or not.
    pub fn get(&self, list: usize, key: &[Text]) -> Option<&ListEntry> {
        let (files, laid) = self.layers(list);
        match laid.filter(|c| c.covers(key)) {
            Some(changes) => changes.added.get(key),
            None => files.get(key),
        }
    }

    /// The oldest entry that still counts at `at` and has these values, one a key column. A null matches nothing.
    pub fn find(&self, list: usize, key: &[Value], at: Micros) -> Option<Listed<'_>> {
        let name = &self.lists.get(list)?.name;
        let (files, laid) = self.layers(list);
        let entry = files.with_all(key, at).find(|e| laid.is_none_or(|c| !c.covers(&e.key)));
        let entry = entry.or_else(|| laid?.added.with_all(key, at).next())?;
        Some(Listed { list: name, entry })
    }

    fn layers(&self, list: usize) -> (&Table, Option<&Changes>) {
        let of = &self.lists[list];
        (&of.files, of.changes.map(|at| &self.changes[at]))
    }
}

impl Lists for ListState {
    fn contains(&self, list: usize, column: usize, value: &Value, at: Micros) -> bool {
        if list >= self.lists.len() {
            return false;
        }
        let (files, laid) = self.layers(list);
        files.with(column, value, at).any(|e| laid.is_none_or(|c| !c.covers(&e.key)))
            || laid.is_some_and(|c| c.added.with(column, value, at).next().is_some())
    }
}

#[cfg(test)]
mod tests;
