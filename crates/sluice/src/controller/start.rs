//! Which version judges after a start: the one that is active, or the folder's, if the folder has something new to say.

use super::{Author, Controller};
use crate::versions::{Activation, Cause, Version};
use domain::Result;

/// Who started.
const START: &str = "sluice up";

impl Controller {
    /// The version to start with, activated if it is not yet. Called once, before the scorer runs.
    ///
    /// # Errors
    /// Stop: the log, or an active version that no longer compiles.
    pub fn start(&self, folder: Version) -> Result<Version> {
        let history: Vec<Activation> = self.known.lock().activations.iter().map(|(_, a)| a.clone()).collect();
        let active = history.last().map(|a| a.digest.clone());
        if active.as_ref() == Some(&folder.project.digest) {
            self.known.lock().activate(folder.clone());
        } else if has_new_word(&history, &folder.project.digest) {
            // What stands before decides which changes of lists are overruled. If it cannot be read any more, none is.
            if active.is_some()
                && let Err(e) = self.known.lock().active()
            {
                tracing::warn!(error = %e, "the version before cannot be read; all changes of lists stay");
                self.known.lock().activate(folder.clone());
            }
            self.activate(&folder, Cause::Start, &Author { who: START.into(), why: String::new() })?;
            tracing::info!(digest = %folder.project.digest, "project version activated");
        } else {
            let version = self.known.lock().active()?;
            tracing::info!(digest = %version.project.digest, folder = %folder.project.digest, "a deployed version goes on");
        }
        let version = self.known.lock().active()?;
        self.ready.add(&version.plan);
        self.tell_version(&version);
        Ok(version)
    }
}

/// Whether a folder's version has not yet had its word since the last start or watch that spoke for the folder. A version that was
/// deployed since, and then rolled back or followed by another, has had it: a restart must not undo what came after.
pub(super) fn has_new_word(history: &[Activation], folder: &str) -> bool {
    let Some(last) = history.iter().rposition(|a| a.by != Cause::Deploy) else { return true };
    history[last..].iter().all(|a| a.digest != folder)
}
