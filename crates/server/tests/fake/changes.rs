//! Lists and versions in memory: one list, `blocked`, whose entries are in the order they came, and versions that are their own digests.

use async_trait::async_trait;
use domain::Rejection;
use parking_lot::Mutex;
use server::changes::*;

#[derive(Default)]
pub(crate) struct FakeChanges {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<ListItem>,
    events: Vec<ListEvent>,
    versions: Vec<VersionEvent>,
}

const LIST: &str = "blocked";
const AT: i64 = 1_795_253_400_000_000;

fn known(list: &str) -> Result<(), Refused> {
    if list == LIST { Ok(()) } else { Err(Refused::Unknown(format!("there is no list {list}; there are {LIST}"))) }
}

#[async_trait]
impl Changes for FakeChanges {
    async fn lists(&self) -> Result<Vec<ListSummary>, Refused> {
        let entries = self.state.lock().entries.len() as u64;
        Ok(vec![ListSummary { name: LIST.into(), columns: vec!["account_id".into()], entries, added: entries, removed: 0 }])
    }

    async fn list(&self, list: &str, key: Option<Vec<String>>, from: usize, limit: usize) -> Result<ListPage, Refused> {
        known(list)?;
        let entries = &self.state.lock().entries;
        let items: Vec<_> = entries.iter().filter(|e| key.as_ref().is_none_or(|k| e.key == *k)).skip(from).take(limit).cloned().collect();
        let next = (items.len() == limit).then(|| (from + limit).to_string());
        Ok(ListPage { columns: vec!["account_id".into()], items, next })
    }

    async fn list_history(&self, list: &str, key: Option<Vec<String>>, limit: usize) -> Result<Vec<ListEvent>, Refused> {
        known(list)?;
        let events = &self.state.lock().events;
        Ok(events.iter().rev().filter(|e| key.as_ref().is_none_or(|k| e.key == *k)).take(limit).cloned().collect())
    }

    async fn add_to_list(&self, who: &str, list: &str, entries: Vec<NewEntry>, replace: bool) -> Result<Changed, Refused> {
        known(list)?;
        let mut state = self.state.lock();
        let wrong = entries.iter().enumerate().filter(|(_, e)| e.key.len() != 1);
        let wrong: Vec<_> =
            wrong.map(|(n, _)| Rejection::field("wrong_columns", &format!("entries[{n}].key"), "must have one value")).collect();
        if !wrong.is_empty() {
            return Err(Refused::Invalid(wrong));
        }
        if let Some(there) = entries.iter().find(|e| !replace && state.entries.iter().any(|o| o.key == e.key)) {
            return Err(Refused::Conflict(format!("{} is on the list already", there.key[0])));
        }
        for entry in &entries {
            let (key, who, why, until) = (entry.key.clone(), who.to_owned(), entry.why.clone(), entry.until.clone());
            state.entries.retain(|e| e.key != key);
            state.events.push(ListEvent {
                action: ListAction::Add,
                key: key.clone(),
                who: who.clone(),
                why: why.clone(),
                until: until.clone(),
                at: AT,
            });
            state.entries.push(ListItem { key, who, why, until, at: Some(domain::time::format(AT)) });
        }
        Ok(Changed { changed: entries.len() as u64, unchanged: 0, sequence: Some(7) })
    }

    async fn remove_from_list(&self, who: &str, list: &str, entries: Vec<OldEntry>) -> Result<Changed, Refused> {
        known(list)?;
        let mut state = self.state.lock();
        for entry in &entries {
            let Some(at) = state.entries.iter().position(|e| e.key == entry.key) else {
                return Err(Refused::Unknown(format!("{} is not on the list", entry.key.join(", "))));
            };
            state.entries.remove(at);
            let (key, why) = (entry.key.clone(), entry.why.clone());
            state.events.push(ListEvent { action: ListAction::Remove, key, who: who.into(), why, until: None, at: AT });
        }
        Ok(Changed { changed: entries.len() as u64, unchanged: 0, sequence: Some(8) })
    }

    async fn deploy(&self, who: &str, deploy: Deploy) -> Result<Deployed, Refused> {
        let mut state = self.state.lock();
        let digest = match (deploy.files, deploy.version) {
            (Some(files), _) if !files.contains_key("sluice.yml") => {
                return Err(Refused::Invalid(vec![Rejection::field("mistake", "sluice.yml", "there is no such file")]));
            }
            (Some(files), _) if files.contains_key("features/new.sql") => {
                return Err(Refused::Conflict("the feature new changed, which needs a restart".into()));
            }
            (Some(files), _) => format!("{:032x}", files.len()),
            (None, version) => {
                let version = version.unwrap_or_default();
                let found = state.versions.iter().find(|v| v.digest.ends_with(&version)).map(|v| v.digest.clone());
                found.ok_or_else(|| Refused::Unknown(format!("no version {version} was ever archived here")))?
            }
        };
        let previous = state.versions.iter().find(|v| v.active).map(|v| v.digest.clone());
        if !deploy.dry_run {
            state.versions.iter_mut().for_each(|v| v.active = false);
            let (who, why) = (who.to_owned(), deploy.why.unwrap_or_default());
            state.versions.push(VersionEvent { digest: digest.clone(), active: true, by: Cause::Deploy, who, why, at: AT });
        }
        Ok(Deployed {
            unchanged: previous.as_ref() == Some(&digest),
            digest,
            previous,
            changed: vec![],
            overruled: vec![],
            sequence: (!deploy.dry_run).then_some(9),
            dry_run: deploy.dry_run,
            later: vec![],
        })
    }

    async fn versions(&self, limit: usize) -> Result<Vec<VersionEvent>, Refused> {
        Ok(self.state.lock().versions.iter().rev().take(limit).cloned().collect())
    }
}
