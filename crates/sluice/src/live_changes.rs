//! Lists and versions over HTTP: what callers say goes to the controller, on a thread that may wait.

use crate::controller::{Author, Controller, Refused as Why, What, restart_message};
use crate::versions::{Activation, Cause};
use async_trait::async_trait;
use domain::{Error, Rejection, Text, time};
use project::ListEntry;
use rules::{Addition, Existing, ListChange, Removal};
use server::changes::{
    self, Changed, Changes, Deploy, Deployed, ListAction, ListEvent, ListItem, ListPage, ListSummary, NewEntry, OldEntry, OverruledEntry,
    Refused, VersionEvent,
};
use std::sync::Arc;

pub struct LiveChanges(pub Arc<Controller>);

impl LiveChanges {
    async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&Controller) -> Result<T, Why> + Send + 'static) -> Result<T, Refused> {
        let controller = self.0.clone();
        let outcome = tokio::task::spawn_blocking(move || ask(&controller)).await;
        outcome.unwrap_or_else(|e| Err(Why::Failed(Error::bug("a change panicked").because(e)))).map_err(refused)
    }
}

fn refused(why: Why) -> Refused {
    match why {
        // A file's place stands where a field's name does.
        Why::Mistakes(mistakes) => Refused::Invalid(
            mistakes
                .into_iter()
                .map(|m| {
                    let hint = m.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
                    Rejection::field("mistake", &m.place.to_string(), format!("{}{hint}", m.message))
                })
                .collect(),
        ),
        Why::Restart(names) => Refused::Conflict(restart_message(&names)),
        Why::Unknown(what) => Refused::Unknown(what),
        Why::Invalid(wrong) => Refused::Invalid(wrong),
        Why::Conflict(what) => Refused::Conflict(what),
        Why::Later(what) => Refused::Later(what),
        Why::Failed(e) if e.kind == domain::Kind::Bug => {
            tracing::error!(error = %e, "an error of ours");
            Refused::Internal
        }
        Why::Failed(e) => {
            tracing::error!(error = %e, "a change could not be made");
            Refused::Later("it could not be written; the log says more".into())
        }
    }
}

fn texts(key: &[String]) -> Vec<Text> {
    key.iter().map(Text::new).collect()
}

fn strings(key: &[Text]) -> Vec<String> {
    key.iter().map(Text::to_string).collect()
}

/// Entries as the controller takes them.
///
/// # Errors
/// Every end that is no time.
pub fn additions(entries: Vec<NewEntry>) -> Result<Vec<Addition>, Vec<Rejection>> {
    let mut wrong = Vec::new();
    let mut additions = Vec::with_capacity(entries.len());
    for (n, entry) in entries.into_iter().enumerate() {
        let until = match entry.until.as_deref() {
            None => None,
            Some(text) => match time::parse(text) {
                Some(until) => Some(until),
                None => {
                    let reason =
                        format!("is `{text}`, which is not a date or a time; write for example 2026-12-31 or 2026-12-31T18:00:00Z");
                    wrong.push(Rejection::field("wrong_type", &format!("entries[{n}].until"), reason));
                    continue;
                }
            },
        };
        additions.push(Addition { key: texts(&entry.key), why: entry.why, until });
    }
    if wrong.is_empty() { Ok(additions) } else { Err(wrong) }
}

pub fn removals(entries: Vec<OldEntry>) -> Vec<Removal> {
    entries.into_iter().map(|e| Removal { key: texts(&e.key), why: e.why }).collect()
}

pub fn changed(changed: crate::controller::Changed) -> Changed {
    Changed { changed: changed.changed as u64, unchanged: changed.unchanged as u64, sequence: changed.sequence }
}

pub fn item(entry: ListEntry) -> ListItem {
    ListItem {
        key: strings(&entry.key),
        who: entry.who,
        why: entry.why,
        until: entry.until.map(time::format),
        at: entry.at.map(time::format),
    }
}

/// What one record says, entry by entry, the last first.
pub fn events(change: ListChange) -> Vec<ListEvent> {
    let (who, at) = (change.who, change.at);
    let removed = change.remove.iter().map(|r| (ListAction::Remove, &r.key, &r.why, None));
    let added = change.add.iter().map(|a| (ListAction::Add, &a.key, &a.why, a.until));
    let all = removed.chain(added).map(|(action, key, why, until)| ListEvent {
        action,
        key: strings(key),
        who: who.clone(),
        why: why.clone(),
        until: until.map(time::format),
        at,
    });
    let mut all: Vec<_> = all.collect();
    all.reverse();
    all
}

pub fn version(activation: Activation, active: bool) -> VersionEvent {
    let by = match activation.by {
        Cause::Start => changes::Cause::Start,
        Cause::Watch => changes::Cause::Watch,
        Cause::Deploy => changes::Cause::Deploy,
    };
    VersionEvent { digest: activation.digest.to_string(), active, by, who: activation.who, why: activation.why, at: activation.at }
}

pub fn deployed(deployed: crate::controller::Deployed, dry_run: bool) -> Deployed {
    Deployed {
        digest: deployed.digest.to_string(),
        previous: deployed.previous.map(|p| p.to_string()),
        changed: deployed.changed,
        overruled: deployed.overruled.iter().map(|o| OverruledEntry { list: o.list.to_string(), key: strings(&o.key) }).collect(),
        sequence: deployed.sequence,
        unchanged: deployed.unchanged,
        dry_run,
        later: deployed.later,
    }
}

pub fn what(deploy: &mut Deploy) -> What {
    match deploy.files.take() {
        Some(files) => What::Files(files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect()),
        None => What::Version(deploy.version.take().unwrap_or_default()),
    }
}

#[async_trait]
impl Changes for LiveChanges {
    async fn lists(&self) -> Result<Vec<ListSummary>, Refused> {
        self.ask(|controller| {
            let summary = |l: crate::controller::Listing| ListSummary {
                name: l.name.to_string(),
                columns: strings(&l.columns),
                entries: l.entries as u64,
                added: l.added as u64,
                removed: l.removed as u64,
            };
            Ok(controller.lists()?.into_iter().map(summary).collect())
        })
        .await
    }

    async fn list(&self, list: &str, key: Option<Vec<String>>, from: usize, limit: usize) -> Result<ListPage, Refused> {
        let (list, key) = (list.to_owned(), key.map(|k| texts(&k)));
        self.ask(move |controller| {
            let (columns, entries) = controller.list(&list, key.as_deref(), from, limit)?;
            let next = (key.is_none() && entries.len() == limit).then(|| (from + limit).to_string());
            Ok(ListPage { columns: strings(&columns), items: entries.into_iter().map(item).collect(), next })
        })
        .await
    }

    async fn list_history(&self, list: &str, key: Option<Vec<String>>, limit: usize) -> Result<Vec<ListEvent>, Refused> {
        let (list, key) = (list.to_owned(), key.map(|k| texts(&k)));
        self.ask(move |controller| {
            let history = controller.list_history(&list, key.as_deref(), limit)?;
            Ok(history.into_iter().flat_map(events).take(limit).collect())
        })
        .await
    }

    async fn add_to_list(&self, who: &str, list: &str, entries: Vec<NewEntry>, replace: bool) -> Result<Changed, Refused> {
        let (author, list) = (Author { who: who.to_owned(), why: String::new() }, list.to_owned());
        self.ask(move |controller| {
            let existing = if replace { Existing::Replace } else { Existing::Refuse };
            Ok(changed(controller.add_to_list(&list, additions(entries).map_err(Why::Invalid)?, existing, &author)?))
        })
        .await
    }

    async fn remove_from_list(&self, who: &str, list: &str, entries: Vec<OldEntry>) -> Result<Changed, Refused> {
        let (author, list) = (Author { who: who.to_owned(), why: String::new() }, list.to_owned());
        self.ask(move |controller| Ok(changed(controller.remove_from_list(&list, removals(entries), &author)?))).await
    }

    async fn deploy(&self, who: &str, mut deploy: Deploy) -> Result<Deployed, Refused> {
        let author = Author { who: who.to_owned(), why: deploy.why.take().unwrap_or_default() };
        self.ask(move |controller| {
            let dry_run = deploy.dry_run;
            Ok(deployed(controller.deploy(what(&mut deploy), Cause::Deploy, &author, dry_run)?, dry_run))
        })
        .await
    }

    async fn versions(&self, limit: usize) -> Result<Vec<VersionEvent>, Refused> {
        self.ask(move |controller| {
            Ok(controller.versions(limit).into_iter().enumerate().map(|(n, activation)| version(activation, n == 0)).collect())
        })
        .await
    }
}
