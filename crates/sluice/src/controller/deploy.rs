//! Deploys: a version is checked, archived by its digest, and made the one that judges by one record.

use super::{Activation, Author, Cause, Control, Controller, Known, Refused, Text, Version, now};
use domain::Result;
use project::Project;
use rules::ListKey;
use scoring::Plan;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is to be deployed.
pub enum What {
    /// Paths and bytes.
    Files(Vec<(String, Vec<u8>)>),
    /// One that was archived, by its digest or the beginning of it.
    Version(String),
}

/// What became of a deploy.
#[derive(Debug)]
pub struct Deployed {
    pub digest: Text,
    pub previous: Option<Text>,
    /// Paths that differ from the version before.
    pub changed: Vec<String>,
    /// Changes of lists that the new files overrule.
    pub overruled: Vec<ListKey>,
    /// From which number on it judges; none if nothing was done, or without a scorer.
    pub sequence: Option<u64>,
    /// Whether it was the active one already.
    pub unchanged: bool,
    /// What takes effect only at the next start.
    pub later: Vec<String>,
}

impl Controller {
    /// Checks a version and makes it the one that judges; with `dry_run` it is only checked.
    ///
    /// # Errors
    /// Nothing has changed then, unless it is [`Refused::Later`].
    pub fn deploy(&self, what: What, by: Cause, author: &Author, dry_run: bool) -> Result<Deployed, Refused> {
        let outcome = self.try_deploy(what, by, author, dry_run);
        if let (Some(metrics), false) = (&self.metrics, dry_run) {
            match &outcome {
                Ok(deployed) if deployed.unchanged => {}
                Ok(_) => metrics.deployed(by.as_str()),
                Err(_) => {
                    metrics.deploys_refused.inc();
                }
            }
        }
        outcome
    }

    /// Counts a version that was found wrong before it came here.
    pub fn refused_beforehand(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.deploys_refused.inc();
        }
    }

    fn try_deploy(&self, what: What, by: Cause, author: &Author, dry_run: bool) -> Result<Deployed, Refused> {
        // Compiled before anything is held up.
        let version = match what {
            What::Files(files) => {
                let project = Project::from_files(files).map_err(Refused::Mistakes)?;
                let plan = Plan::compile(&project).map_err(Refused::Mistakes)?;
                let version = Version { project: Arc::new(project), plan: Arc::new(plan) };
                let failing = scoring::cases::failing(&version.project, &version.plan)?;
                if !failing.is_empty() {
                    return Err(Refused::Mistakes(failing));
                }
                version
            }
            What::Version(digest) => self.archived(&digest)?,
        };
        let _writer = self.writer()?;
        let before = self.known.lock().active()?;
        let mut deployed = Deployed {
            digest: version.project.digest.clone(),
            previous: Some(before.project.digest.clone()),
            changed: changed_files(&before.project, &version.project),
            overruled: self.known.lock().lists.overruled(&version.plan.lists),
            sequence: None,
            unchanged: before.project.digest == version.project.digest,
            later: later(&before.project, &version.project),
        };
        if self.metrics.is_some() && !before.plan.same_features(&version.plan) {
            return Err(Refused::Restart(needs_restart(&before, &version)));
        }
        if deployed.unchanged || dry_run {
            return Ok(deployed);
        }
        self.ready.add(&version.plan);
        let offset = self.activate(&version, by, author)?;
        deployed.sequence = self.wait(offset)?;
        // The scorer has let go of the version before; the last reference to it goes here.
        self.ready.keep(&version.project.digest);
        tracing::info!(digest = %deployed.digest, sequence = deployed.sequence, by = by.as_str(), who = author.who, "project version activated");
        self.tell_version(&version);
        Ok(deployed)
    }

    /// Archives a version if it is not yet, and appends what activates it.
    pub(super) fn activate(&self, version: &Version, by: Cause, author: &Author) -> Result<i64> {
        let digest = version.project.digest.clone();
        let (archived, forget) = {
            let known = self.known.lock();
            (known.archive.holds(&digest), known.lists.overruled(&version.plan.lists))
        };
        let mut records = Vec::new();
        if !archived {
            records.push(Control::archive(&version.project)?);
        }
        let (who, why) = (author.who.clone(), author.why.clone());
        records.push(Control::Activate(Activation { digest, by, who, why, at: now(), forget }));
        let offset = self.append(&records)?;
        self.known.lock().activate(version.clone());
        Ok(offset)
    }

    /// A version by its digest or the beginning of it.
    fn archived(&self, digest: &str) -> Result<Version, Refused> {
        let mut known = self.known.lock();
        let found = known.archive.beginning_with(digest);
        match found.as_slice() {
            [only] if digest.len() >= 6 => Ok(known.archive.load(&only.clone())?),
            [_, _, ..] if digest.len() >= 6 => {
                Err(Refused::Unknown(format!("several versions begin with {digest}: {}; write more of the digest", found.join(", "))))
            }
            _ => Err(Refused::Unknown(format!("no version {digest} was ever archived here; {}", past(&known)))),
        }
    }

    /// Activations, the latest first.
    pub fn versions(&self, most: usize) -> Vec<Activation> {
        self.known.lock().activations.iter().rev().take(most).map(|(_, a)| a.clone()).collect()
    }

    /// The version that judges.
    pub fn active(&self) -> Result<Version> {
        self.known.lock().active()
    }

    pub(super) fn tell_version(&self, version: &Version) {
        if let Some(metrics) = &self.metrics {
            metrics.project(&version.project.settings.name, &version.project.digest);
        }
    }
}

/// The last versions, for who has mistyped one.
fn past(known: &Known) -> String {
    let mut last: Vec<&str> = Vec::new();
    for (_, activation) in known.activations.iter().rev() {
        if !last.contains(&activation.digest.as_str()) {
            last.push(&activation.digest);
        }
    }
    last.truncate(5);
    format!("the last ones are {}", last.join(", "))
}

fn changed_files(before: &Project, after: &Project) -> Vec<String> {
    let one_way = |a: &Project, b: &Project| -> BTreeSet<String> {
        let differs = |(path, bytes): &&(String, Vec<u8>)| !b.files.iter().any(|(p, other)| p == path && other == bytes);
        a.files.iter().filter(differs).map(|(path, _)| path.clone()).collect()
    };
    one_way(before, after).union(&one_way(after, before)).cloned().collect()
}

/// Settings that the running instance does not look at again.
fn later(before: &Project, after: &Project) -> Vec<String> {
    let (a, b) = (&before.settings, &after.settings);
    let settings = [
        ("name", a.name != b.name),
        ("log", a.log != b.log),
        ("store", a.store != b.store),
        ("state_memory", a.state_memory != b.state_memory),
        ("webhooks", a.webhooks != b.webhooks),
    ];
    let settings = settings.iter().filter(|(_, differs)| *differs).map(|(name, _)| format!("{name} in sluice.yml"));
    let retention = after.streams.iter().filter(|s| before.streams.iter().any(|o| o.path == s.path && o.retention != s.retention));
    settings.chain(retention.map(|s| format!("retention in {}", s.path))).collect()
}

/// The streams and features in which two versions differ, as a person names them.
fn needs_restart(before: &Version, after: &Version) -> Vec<String> {
    let mut names = Vec::new();
    let (old, new) = (&before.plan.streams, &after.plan.streams);
    for stream in new {
        match old.iter().find(|o| o.name == stream.name) {
            None => names.push(format!("the new stream {}", stream.name)),
            Some(o) if !scoring::plan::same_stream(o, stream) => names.push(format!("the stream {}", stream.name)),
            Some(_) => {}
        }
    }
    names.extend(old.iter().filter(|o| new.iter().all(|n| n.name != o.name)).map(|o| format!("the stream {}, which is gone", o.name)));
    let differs = |path: &str| {
        let of = |v: &Version| v.project.features.iter().find(|f| f.path == path).map(|f| (f.sql.clone(), f.join.clone()));
        of(before) != of(after)
    };
    let mut features: Vec<&str> = Vec::new();
    for info in after.plan.features.features.iter().chain(&before.plan.features.features) {
        if differs(&info.file) && !features.contains(&info.name.as_str()) {
            features.push(&info.name);
        }
    }
    names.extend(features.iter().map(|f| format!("the feature {f}")));
    if names.is_empty() {
        names.push("the streams and features".into());
    }
    names
}

/// What a refusal says of a version that only a restart can bring in.
pub fn restart_message(names: &[String]) -> String {
    format!(
        "{} changed, which needs a restart: stop the instance and start it with this project; rules, lists and policy alone can change while it runs",
        names.join(", ")
    )
}
