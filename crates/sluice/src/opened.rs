//! Opening a project for a command: the folder named, the one we stand in, or the shipped one; read and compiled, with every mistake
//! printed at once.

use crate::cli::ProjectDir;
use crate::shipped;
use domain::{Error, Result};
use project::{Diagnostic, Project};
use scoring::Plan;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A project without mistakes.
pub struct Opened {
    pub project: Arc<Project>,
    pub plan: Arc<Plan>,
    pub from: String,
}

/// Where a command's project lies; none is the shipped one.
pub fn folder(args: &ProjectDir) -> Option<PathBuf> {
    args.project.clone().or_else(|| Path::new("sluice.yml").exists().then(|| PathBuf::from(".")))
}

/// How mistakes should call the project.
pub fn name(args: &ProjectDir) -> String {
    folder(args).map_or_else(|| "the shipped project".into(), |dir| dir.display().to_string())
}

/// Reads and compiles.
///
/// # Errors
/// Every mistake.
pub fn try_open(args: &ProjectDir) -> Result<Opened, Vec<Diagnostic>> {
    let project = match folder(args) {
        Some(dir) => Project::load(&dir)?,
        None => shipped::project()?,
    };
    let plan = Plan::compile(&project)?;
    Ok(Opened { project: Arc::new(project), plan: Arc::new(plan), from: name(args) })
}

/// Reads and compiles, for commands that need a project to be right.
///
/// # Errors
/// Stop, with every mistake in its message.
pub fn open(args: &ProjectDir) -> Result<Opened> {
    try_open(args).map_err(|mistakes| {
        let listed: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let count = mistakes.len();
        Error::stop(
            format!("{} has {count} mistake{}\n\n{}\n", name(args), if count == 1 { "" } else { "s" }, listed.join("\n\n")),
            "correct them; `sluice check` lists them again",
        )
    })
}
