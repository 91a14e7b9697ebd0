//! From files to a [`Project`]: each file is read by its own module, and all mistakes are gathered, with the lines at fault.

use crate::diagnostic::{Diagnostic, Place, excerpt};
use crate::section::Report;
use crate::settings::Environment;
use crate::spec::{PolicySpec, Project, Settings, StreamSpec};
use crate::{features, files, lists, policy, rates, rules, settings, streams, webhooks, yaml};
use domain::Text;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

impl Project {
    /// Reads a project folder.
    ///
    /// # Errors
    /// Every mistake in it, sorted by place.
    pub fn load(root: &Path) -> Result<Self, Vec<Diagnostic>> {
        let found = files::read(root).map_err(|mistake| vec![mistake])?;
        let mut project = Self::check(found.files, found.mistakes, &environment_variable)?;
        project.root = root.to_owned();
        Ok(project)
    }

    /// Makes a project of files held in memory: relative paths with forward slashes, and bytes. Files that are no part of a
    /// project version (a README, say) are left out.
    ///
    /// # Errors
    /// Every mistake in them, sorted by place.
    pub fn from_files(files: Vec<(String, Vec<u8>)>) -> Result<Self, Vec<Diagnostic>> {
        Self::check(files, Vec::new(), &environment_variable)
    }

    fn check(mut files: Vec<(String, Vec<u8>)>, mistakes: Vec<Diagnostic>, environment: Environment) -> Result<Self, Vec<Diagnostic>> {
        files.retain(|(path, _)| files::belongs(path));
        files.sort();
        let mut report = Report { mistakes };
        let project = read(files, environment, &mut report);
        if report.mistakes.is_empty() { Ok(project) } else { Err(project.explained(report.mistakes)) }
    }

    /// The stream whose events are judged.
    pub fn judged(&self) -> Option<&StreamSpec> {
        self.streams.iter().find(|s| s.stream.judged.is_some())
    }

    /// The index of a stream in [`Project::streams`].
    pub fn stream(&self, name: &str) -> Option<usize> {
        self.streams.iter().position(|s| s.stream.name == name)
    }

    /// Mistakes in `features/schema.yml` that only show once the features' names are known: descriptions and cases of
    /// features that do not exist.
    pub fn undocumented(&self, features: &[Text]) -> Vec<Diagnostic> {
        self.explained(features::unknown(self.document(features::SCHEMA).as_ref(), features))
    }

    /// Where a file of the project holds the value under these keys; the file as a whole where it does not.
    pub fn place_of(&self, file: &str, keys: &[&str]) -> Place {
        place_of(&self.files, file, keys)
    }

    /// The mistakes sorted, without repetition, each with the line at fault.
    pub fn explained(&self, mut mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let texts: HashMap<&str, &str> =
            self.files.iter().filter_map(|(path, bytes)| Some((path.as_str(), std::str::from_utf8(bytes).ok()?))).collect();
        for mistake in mistakes.iter_mut().filter(|m| m.excerpt.is_none()) {
            mistake.excerpt = texts.get(mistake.place.file.as_str()).and_then(|text| excerpt(text, &mistake.place));
        }
        mistakes.sort();
        mistakes.dedup();
        mistakes
    }

    fn document(&self, file: &str) -> Option<yaml::Node> {
        document(&self.files, file)
    }
}

fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn document(files: &[(String, Vec<u8>)], file: &str) -> Option<yaml::Node> {
    let (_, bytes) = files.iter().find(|(path, _)| path == file)?;
    yaml::parse(file, std::str::from_utf8(bytes).ok()?).ok().flatten()
}

fn place_of(files: &[(String, Vec<u8>)], file: &str, keys: &[&str]) -> Place {
    let document = document(files, file);
    let mut node = document.as_ref();
    for key in keys {
        node = node.and_then(|n| n.get(key));
    }
    node.map_or_else(|| Place::file(file), |node| node.place.clone())
}

fn read(files: Vec<(String, Vec<u8>)>, environment: Environment, report: &mut Report) -> Project {
    let in_folder = |folder: &'static str, extension: &'static str| {
        files
            .iter()
            .filter(move |(path, _)| path.starts_with(folder) && path.ends_with(extension))
            .map(|(path, bytes)| (path.as_str(), &bytes[..]))
    };
    let file = |name: &str| files.iter().find(|(path, _)| path == name).map(|(path, bytes)| (path.as_str(), &bytes[..]));

    let settings = match file("sluice.yml") {
        Some((path, bytes)) => report.document(path, bytes).map(|node| settings::read(&node, environment, report)).unwrap_or_default(),
        None => {
            let mistake = Diagnostic::new(Place::file("sluice.yml"), "there is no such file, so this is no project folder");
            report.add(mistake.hint("`sluice init DIR` writes a project to start from"));
            Settings::default()
        }
    };
    let rates: Vec<_> = in_folder("rates/", ".csv").filter_map(|(path, bytes)| rates::read(path, bytes, report)).collect();
    let mut streams = Vec::new();
    let mut broken = false;
    for (path, bytes) in in_folder("events/", ".yml") {
        // One that could not be read may be the one that is judged.
        let stream = report.document(path, bytes).and_then(|node| streams::read(path, &node, &rates, report));
        broken |= stream.is_none();
        streams.extend(stream);
    }
    check_streams(&files, &streams, broken, report);
    let mut feature_files: Vec<_> =
        in_folder("features/", ".sql").filter_map(|(path, bytes)| features::read(path, bytes, &settings.vars, report)).collect();
    let schema = file(features::SCHEMA)
        .and_then(|(path, bytes)| report.document(path, bytes))
        .map(|node| {
            let paths: Vec<&str> = in_folder("features/", ".sql").map(|(path, _)| path).collect();
            features::read_schema(&node, &mut feature_files, &paths, &streams, report)
        })
        .unwrap_or_default();
    let rules: Vec<_> = in_folder("rules/", ".yml")
        .filter_map(|(path, bytes)| report.document(path, bytes).and_then(|node| rules::read(path, &node, &streams, report)))
        .collect();
    webhooks::check_rules(&settings.webhooks, &rules, report);
    let lists: Vec<_> = in_folder("lists/", ".csv").filter_map(|(path, bytes)| lists::read(path, bytes, report)).collect();
    let policy = file("policy.yml")
        .and_then(|(path, bytes)| report.document(path, bytes).map(|node| (path, node)))
        .map(|(path, node)| {
            let known: Vec<&str> = in_folder("lists/", ".csv").map(|(path, _)| files::stem(path)).collect();
            policy::read(path, &node, &lists, &known, report)
        })
        .unwrap_or_else(PolicySpec::default);
    Project {
        root: PathBuf::new(),
        settings,
        streams,
        features: feature_files,
        feature_docs: schema.docs,
        feature_cases: schema.cases,
        rules,
        lists,
        policy,
        digest: files::digest(&files),
        files,
    }
}

fn check_streams(files: &[(String, Vec<u8>)], streams: &[StreamSpec], broken: bool, report: &mut Report) {
    let mut judged = streams.iter().filter(|s| s.stream.judged.is_some());
    match (judged.next(), judged.next()) {
        (Some(first), Some(second)) => {
            let message = format!("stream `{}` is judged already; one stream is", first.stream.name);
            report.add(Diagnostic::new(place_of(files, &second.path, &["judged"]), message).hint("remove `judged:` from one of the two"));
        }
        (None, _) if !broken => {
            let mistake = Diagnostic::new(Place::file("events"), "no stream is judged");
            report.add(mistake.hint("add `judged: {id: FIELD}` to the stream of transactions"));
        }
        _ => {}
    }
    for (i, spec) in streams.iter().enumerate() {
        if let Some(other) = streams[..i].iter().find(|s| s.stream.topic == spec.stream.topic) {
            let message = format!("stream `{}` already reads topic `{}`", other.stream.name, spec.stream.topic);
            report.add(Diagnostic::new(place_of(files, &spec.path, &["topic"]), message).hint("give each stream a topic of its own"));
        }
    }
}
