//! SQL models on the lake: the project's models opened, and the lake as the engine that runs their SQL.

mod engine;
mod types;
mod views;

pub use engine::LakeEngine;
pub use views::register;

use crate::{opened, shipped};
use project::Diagnostic;
use transform::{Models, Options};

/// The models of a command's project: of the folder named, of the one we stand in, or the shipped ones.
///
/// # Errors
/// Every mistake in them.
pub fn open(project: &crate::cli::ProjectDir, options: &Options) -> Result<Models, Vec<Diagnostic>> {
    match opened::folder(project) {
        Some(dir) => Models::load(&dir, options),
        None => Models::from_files(shipped::files(), options),
    }
}

/// Whether a command's project has models at all.
pub fn any(project: &crate::cli::ProjectDir) -> bool {
    opened::folder(project).is_none_or(|dir| dir.join("dbt_project.yml").is_file() || dir.join("models").is_dir())
}
