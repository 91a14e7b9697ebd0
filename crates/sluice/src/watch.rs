//! `up --watch`: looks after the project's folder, and deploys what is right in it. What is wrong is told, and the version before goes on.

use crate::cli::OutputFormat;
use crate::commands::{deploy, mistakes, print_json};
use crate::controller::{Author, Controller, Refused, What, restart_message};
use crate::live_changes;
use crate::versions::Cause;
use domain::{Error, Result, Text};
use project::{Diagnostic, Project};
use scoring::Plan;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How often the folder is looked at. A change is taken up when it has rested as long: editors write in several steps. Looking needs no
/// service of the system, so it works on network folders and in containers as well.
const EVERY: Duration = Duration::from_millis(250);

const WHO: &str = "sluice up --watch";

/// Size and time of every file.
type Look = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// Starts to watch. `digest` is the version that the folder held last.
pub fn start(
    controller: Arc<Controller>,
    folder: PathBuf,
    digest: Text,
    output: OutputFormat,
    stopping: Arc<AtomicBool>,
) -> Result<JoinHandle<()>> {
    let run = move || {
        let mut tried = Tried { digest, mistakes: Vec::new() };
        // Nothing is taken yet: what changed since the start read the folder is seen at once.
        let (mut taken, mut last) = (Look::new(), Look::new());
        while !stopping.load(Ordering::SeqCst) {
            let now = look(&folder);
            if now == last && now != taken {
                match take_up(&controller, &folder, output, &mut tried) {
                    Ok(true) => taken.clone_from(&now),
                    Ok(false) => {}
                    Err(e) => {
                        tracing::error!(error = %e, "the project's folder could not be taken up");
                        taken.clone_from(&now);
                    }
                }
            }
            last = now;
            std::thread::sleep(EVERY);
        }
    };
    std::thread::Builder::new()
        .name("watch".into())
        .spawn(run)
        .map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))
}

/// What was made of the folder last, so that nothing is told twice.
struct Tried {
    digest: Text,
    mistakes: Vec<Diagnostic>,
}

/// The project's own files and folders, two levels deep.
fn look(folder: &Path) -> Look {
    let Ok(top) = folder.read_dir() else { return Look::new() };
    let mut found = Look::new();
    for entry in top.flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match entry.path().read_dir() {
            _ if hidden => {}
            Ok(inner) => found.extend(inner.flatten().filter_map(|e| seen(&e.path()))),
            Err(_) => found.extend(seen(&entry.path())),
        }
    }
    found.sort();
    found
}

fn seen(path: &Path) -> Option<(PathBuf, u64, Option<SystemTime>)> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((path.to_owned(), metadata.len(), metadata.modified().ok()))
}

/// False if it is to be tried again.
fn take_up(controller: &Controller, folder: &Path, output: OutputFormat, tried: &mut Tried) -> Result<bool> {
    let name = folder.display().to_string();
    // Read with the folder as its place, so that what would be ignored there is a mistake too.
    let project = match Project::load(folder).and_then(|project| Plan::compile(&project).map(|_| project)) {
        Ok(project) => project,
        Err(found) => {
            if found != tried.mistakes {
                controller.refused_beforehand();
                refuse(controller, &found, &name, output)?;
                tried.mistakes = found;
            }
            return Ok(true);
        }
    };
    if project.digest == tried.digest && tried.mistakes.is_empty() {
        return Ok(true);
    }
    let author = Author { who: WHO.into(), why: String::new() };
    match controller.deploy(What::Files(project.files.clone()), Cause::Watch, &author, false) {
        Ok(deployed) => {
            let deployed = live_changes::deployed(deployed, false);
            match output {
                OutputFormat::Json => print_json(&json!({ "deploy": "done", "version": deployed }))?,
                OutputFormat::Human => deploy::tell(&deployed, false),
            }
        }
        Err(Refused::Mistakes(found)) => refuse(controller, &found, &name, output)?,
        Err(Refused::Restart(names)) => match output {
            OutputFormat::Json => print_json(&json!({ "deploy": "refused", "restart": names }))?,
            OutputFormat::Human => println!("{}; {}", restart_message(&names), goes_on(controller)),
        },
        Err(Refused::Later(why)) => {
            tracing::warn!(why, "the project's folder is taken up a little later");
            return Ok(false);
        }
        Err(Refused::Unknown(why) | Refused::Conflict(why)) => println!("{why}"),
        Err(Refused::Invalid(wrong)) => wrong.iter().for_each(|w| println!("{w}")),
        Err(Refused::Failed(e)) => return Err(e),
    }
    *tried = Tried { digest: project.digest, mistakes: Vec::new() };
    Ok(true)
}

fn refuse(controller: &Controller, found: &[Diagnostic], name: &str, output: OutputFormat) -> Result<()> {
    if output == OutputFormat::Json {
        return print_json(&json!({ "deploy": "refused", "mistakes": found }));
    }
    mistakes(found, name, output)?;
    println!("{}", goes_on(controller));
    Ok(())
}

fn goes_on(controller: &Controller) -> String {
    match controller.active() {
        Ok(version) => format!("version {} goes on", &version.project.digest[..12]),
        Err(e) => e.to_string(),
    }
}
