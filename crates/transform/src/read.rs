//! From files to [`Models`]: each kind of file is read by its own module; then references are linked, names given and circles looked for.

mod generic;
mod link;
mod nodes;
mod properties;
mod refer;
mod settings;
mod snapshots;

pub(crate) use refer::call;

use crate::files;
use crate::jinja::Macros;
use crate::spec::{Models, Target};
use project::diagnostic::excerpt;
use project::section::Report;
use project::{Diagnostic, Place};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What a reader of models is told beside the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// In place of `vars:` in `dbt_project.yml`.
    pub vars: BTreeMap<String, Json>,
    pub target: Target,
    /// RFC 3339; what `run_started_at` says.
    pub started_at: String,
    pub invocation_id: String,
}

impl Models {
    /// Reads a folder.
    ///
    /// # Errors
    /// Every mistake in it, sorted by place.
    pub fn load(root: &Path, options: &Options) -> Result<Self, Vec<Diagnostic>> {
        Self::from_files(files::from_folder(root)?, options)
    }

    /// Makes models of files held in memory: relative paths with forward slashes, and bytes. Other files are left out.
    ///
    /// # Errors
    /// Every mistake in them, sorted by place.
    pub fn from_files(mut files: Vec<(String, Vec<u8>)>, options: &Options) -> Result<Self, Vec<Diagnostic>> {
        files.retain(|(path, _)| files::belongs(path));
        files.sort();
        let mut report = Report::default();
        let texts: Vec<(&str, &str)> = files.iter().filter_map(|(path, bytes)| Some((path.as_str(), report.utf8(path, bytes)?))).collect();
        let models = read(&texts, options, &mut report);
        match models {
            Some(models) if report.mistakes.is_empty() => Ok(models),
            _ => Err(explained(report.mistakes, &texts)),
        }
    }
}

/// Sorted, each once, with the line at fault.
fn explained(mut mistakes: Vec<Diagnostic>, texts: &[(&str, &str)]) -> Vec<Diagnostic> {
    let texts: HashMap<&str, &str> = texts.iter().copied().collect();
    for mistake in mistakes.iter_mut().filter(|m| m.excerpt.is_none()) {
        mistake.excerpt = texts.get(mistake.place.file.as_str()).and_then(|text| excerpt(text, &mistake.place));
    }
    mistakes.sort();
    mistakes.dedup();
    mistakes
}

fn read(texts: &[(&str, &str)], options: &Options, report: &mut Report) -> Option<Models> {
    let of = |folder: &'static str, extension: &'static str| {
        texts.iter().copied().filter(move |(path, _)| path.starts_with(folder) && path.ends_with(extension))
    };
    let settings = match texts.iter().find(|(path, _)| *path == files::SETTINGS) {
        Some((path, text)) => report.document(path, text.as_bytes()).and_then(|node| settings::read(&node, report)),
        None => {
            let mistake = Diagnostic::new(Place::file(files::SETTINGS), "there is no such file, so this folder has no SQL models");
            report.add(mistake.hint("write one with `name:`; the shipped project, which `sluice init` writes, has an example"));
            None
        }
    };
    let macro_files: Vec<(&str, &str)> = of("macros/", ".sql").chain(of("tests/generic/", ".sql")).collect();
    let macros = Macros::read(&macro_files, report);
    let mut properties = properties::Properties::default();
    for (path, text) in ["models/", "seeds/", "snapshots/", "macros/", "tests/"].into_iter().flat_map(|folder| of(folder, ".yml")) {
        if let Some(node) = report.document(path, text.as_bytes()) {
            properties.read(path, &node, report);
        }
    }
    let settings = settings?;
    let mut vars = settings.vars.clone();
    vars.extend(options.vars.clone());
    let reader = nodes::Reader { settings: &settings, macros: &macros, vars: &vars, options };
    let mut drafts = Vec::new();
    for (path, text) in of("models/", ".sql") {
        reader.model(path, text, &mut properties, &mut drafts, report);
    }
    for (path, text) in of("seeds/", ".csv") {
        reader.seed(path, text, &mut properties, &mut drafts, report);
    }
    for (path, text) in of("snapshots/", ".sql") {
        for block in snapshots::blocks(path, text, report) {
            reader.snapshot(path, block, &mut properties, &mut drafts, report);
        }
    }
    let relations = properties.take_snapshots();
    for (path, block) in relations {
        reader.snapshot(&path, block, &mut properties, &mut drafts, report);
    }
    for (path, text) in of("tests/", ".sql").filter(|(path, _)| !path.starts_with("tests/generic/")) {
        reader.singular(path, text, &mut drafts, report);
    }
    properties.undescribed(&drafts, report);
    let sources = reader.sources(&properties, report);
    reader.generic(&properties, &drafts.clone(), &mut drafts, report);
    reader.units(&properties, &mut drafts, report);
    link::link(settings, vars, macros, properties.exposures, drafts, sources, options, report)
}

#[cfg(test)]
mod tests;
