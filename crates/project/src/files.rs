//! Which files make up a project, and reading them from a folder within bounds.

use crate::diagnostic::{Diagnostic, Place};
use domain::Text;
use std::fs;
use std::path::Path;

/// The files at the top of a project folder.
const TOP: [&str; 2] = ["sluice.yml", "policy.yml"];

/// The folders, each with the extensions read in it.
const FOLDERS: [(&str, &[&str]); 5] =
    [("events", &["yml"]), ("rates", &["csv"]), ("features", &["sql", "yml"]), ("rules", &["yml"]), ("lists", &["csv"])];

/// A list may hold a million entries; nothing else is long.
const MAX_LIST_BYTES: u64 = 64 << 20;
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 10_000;

/// Whether a path (relative, forward slashes) is a part of a project version.
pub(crate) fn belongs(path: &str) -> bool {
    match path.split_once('/') {
        None => TOP.contains(&path),
        Some(("features", file)) if file.ends_with(".yml") => file == "schema.yml",
        Some((folder, file)) => FOLDERS
            .iter()
            .any(|(name, extensions)| *name == folder && !hidden(file) && !file.contains('/') && extensions.contains(&extension(file))),
    }
}

/// The file's name without folder and extension.
pub(crate) fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn extension(file: &str) -> &str {
    file.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn hidden(file: &str) -> bool {
    file.starts_with('.')
}

/// What a folder holds of a project, and every file that cannot be read, is too large, leads out of the folder, or looks
/// meant but would be ignored.
pub(crate) struct Found {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) mistakes: Vec<Diagnostic>,
}

/// Reads every file that belongs to the project.
///
/// # Errors
/// The folder itself cannot be read.
pub(crate) fn read(root: &Path) -> Result<Found, Diagnostic> {
    let mut found = Found { files: Vec::new(), mistakes: Vec::new() };
    let root = match root.canonicalize() {
        Ok(root) if root.is_dir() => root,
        Ok(_) => return Err(Diagnostic::new(Place::file(root.to_string_lossy()), "is not a folder")),
        Err(e) => return Err(Diagnostic::new(Place::file(root.to_string_lossy()), format!("cannot read the folder: {e}"))),
    };
    for name in TOP {
        if root.join(name).symlink_metadata().is_ok() {
            found.take(&root, &root.join(name), name);
        }
    }
    for (folder, _) in FOLDERS {
        let path = root.join(folder);
        if path.symlink_metadata().is_err() {
            continue;
        }
        if !path.canonicalize().is_ok_and(|p| p.starts_with(&root) && p.is_dir()) {
            found.mistakes.push(Diagnostic::new(Place::file(folder), "must be a folder inside the project"));
            continue;
        }
        for entry in walkdir::WalkDir::new(&path).min_depth(1).max_depth(1).sort_by_file_name() {
            match entry {
                Ok(entry) => found.entry(&root, folder, &entry),
                Err(e) => found.mistakes.push(Diagnostic::new(Place::file(folder), format!("cannot read the folder: {e}"))),
            }
        }
    }
    if found.files.len() > MAX_FILES {
        found.mistakes.push(Diagnostic::new(Place::file("."), format!("has {} files; at most {MAX_FILES} are read", found.files.len())));
    }
    Ok(found)
}

impl Found {
    fn entry(&mut self, root: &Path, folder: &str, entry: &walkdir::DirEntry) {
        let Some(name) = entry.file_name().to_str() else {
            self.mistakes
                .push(Diagnostic::new(Place::file(format!("{folder}/{}", entry.file_name().to_string_lossy())), "the name is not UTF-8"));
            return;
        };
        let path = format!("{folder}/{name}");
        if hidden(name) {
            return;
        }
        if entry.path().is_dir() {
            let mistake = Diagnostic::new(Place::file(path), "folders inside this one are not read");
            self.mistakes.push(mistake.hint(format!("move its files to `{folder}/`")));
        } else if belongs(&path) {
            self.take(root, entry.path(), &path);
        } else if let Some(hint) = meant(folder, name) {
            self.mistakes.push(Diagnostic::new(Place::file(path), "would be ignored").hint(hint));
        }
    }

    fn take(&mut self, root: &Path, path: &Path, name: &str) {
        let mut wrong = |message: String| self.mistakes.push(Diagnostic::new(Place::file(name), message));
        let most = if name.starts_with("lists/") { MAX_LIST_BYTES } else { MAX_FILE_BYTES };
        match path.canonicalize() {
            Err(e) => wrong(format!("cannot read the file: {e}")),
            Ok(real) if !real.starts_with(root) => wrong("is a link that leads out of the project".into()),
            Ok(real) => match fs::metadata(&real) {
                Err(e) => wrong(format!("cannot read the file: {e}")),
                Ok(metadata) if !metadata.is_file() => wrong("is not a file".into()),
                Ok(metadata) if metadata.len() > most => wrong(format!("has {} bytes; at most {most} are read", metadata.len())),
                Ok(_) => match fs::read(&real) {
                    Err(e) => wrong(format!("cannot read the file: {e}")),
                    Ok(bytes) => self.files.push((name.into(), bytes)),
                },
            },
        }
    }
}

/// What to do with a file that somebody seems to have meant for the project, but that is not read.
fn meant(folder: &str, name: &str) -> Option<String> {
    let (stem, wanted) = (stem(name), FOLDERS.iter().find(|(f, _)| *f == folder)?.1);
    match extension(name) {
        "yml" if folder == "features" => Some("descriptions and cases of features stand in `features/schema.yml`".into()),
        "yaml" if wanted.contains(&"yml") => Some(format!("rename it to `{}.yml`", if folder == "features" { "schema" } else { stem })),
        "yml" | "yaml" | "sql" | "csv" => Some(format!("files in `{folder}/` end in .{}", wanted.join(" or ."))),
        _ => None,
    }
}

/// BLAKE3 over the sorted files, each as length and bytes of path and content; 32 hex digits.
pub(crate) fn digest(files: &[(String, Vec<u8>)]) -> Text {
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in files {
        for part in [path.as_bytes(), bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    Text::new(hex::encode(&hasher.finalize().as_bytes()[..16]))
}

#[cfg(test)]
mod tests;
