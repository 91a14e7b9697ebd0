//! Which files of a project folder are about SQL models, and reading them.

use project::{Diagnostic, Place};
use std::path::Path;

/// The settings of the models, which makes the folder one that dbt reads as well.
pub(crate) const SETTINGS: &str = "dbt_project.yml";

/// The folders, each with the extensions read in it, at any depth.
const FOLDERS: [(&str, &[&str]); 5] = [
    ("models", &["sql", "yml"]),
    ("seeds", &["csv", "yml"]),
    ("snapshots", &["sql", "yml"]),
    ("macros", &["sql", "yml"]),
    ("tests", &["sql", "yml"]),
];

/// A seed is a small table; nothing else comes near.
const MOST_BYTES: u64 = 4 << 20;

/// Whether a path (relative, forward slashes) is read.
pub fn belongs(path: &str) -> bool {
    path == SETTINGS
        || FOLDERS.iter().any(|(folder, extensions)| {
            path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| {
                !rest.split('/').any(|part| part.starts_with('.'))
                    && rest.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
            })
        })
}

/// The files of a folder that are about models: relative paths with forward slashes, and bytes; sorted.
///
/// # Errors
/// Every file that cannot be read or is too large, and every one that looks meant but would be ignored.
pub fn from_folder(root: &Path) -> Result<Vec<(String, Vec<u8>)>, Vec<Diagnostic>> {
    let (mut files, mut mistakes) = (Vec::new(), Vec::new());
    let mut take = |path: &Path| {
        let Ok(relative) = path.strip_prefix(root) else { return };
        let name = relative.to_string_lossy().replace('\\', "/");
        if !belongs(&name) {
            if name.ends_with(".yaml") && belongs(&name.replace(".yaml", ".yml")) {
                mistakes.push(Diagnostic::new(Place::file(&name), "would be ignored").hint("files of properties end in .yml"));
            }
            return;
        }
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() > MOST_BYTES => {
                mistakes.push(Diagnostic::new(Place::file(&name), format!("has {} bytes; at most {MOST_BYTES} are read", metadata.len())));
            }
            _ => match std::fs::read(path) {
                Ok(bytes) => files.push((name, bytes)),
                Err(e) => mistakes.push(Diagnostic::new(Place::file(&name), format!("cannot read the file: {e}"))),
            },
        }
    };
    if root.join(SETTINGS).is_file() {
        take(&root.join(SETTINGS));
    }
    for (folder, _) in FOLDERS {
        // Links are not followed, so nothing leads out of the folder.
        for entry in walkdir::WalkDir::new(root.join(folder)).sort_by_file_name().into_iter().filter_map(Result::ok) {
            if entry.file_type().is_file() {
                take(entry.path());
            }
        }
    }
    files.sort();
    if mistakes.is_empty() { Ok(files) } else { Err(mistakes) }
}
