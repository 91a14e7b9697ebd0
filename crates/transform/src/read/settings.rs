//! `dbt_project.yml`: the name of the folder's models, variables, and configuration for whole subfolders.

use crate::config::{self, Setting};
use crate::spec::Kind;
use project::Diagnostic;
use project::section::{Report, Section, check_name, text};
use project::yaml::{Content, Node};
use serde_json::Value as Json;
use std::collections::BTreeMap;

const KEYS: [&str; 24] = [
    "name",
    "version",
    "config-version",
    "profile",
    "vars",
    "models",
    "seeds",
    "snapshots",
    "tests",
    "data_tests",
    "unit_tests",
    "flags",
    "model-paths",
    "seed-paths",
    "snapshot-paths",
    "macro-paths",
    "test-paths",
    "analysis-paths",
    "docs-paths",
    "asset-paths",
    "target-path",
    "clean-targets",
    "require-dbt-version",
    "sources",
];

/// The folders cannot be called otherwise.
const PATHS: [(&str, &str); 5] = [
    ("model-paths", "models"),
    ("seed-paths", "seeds"),
    ("snapshot-paths", "snapshots"),
    ("macro-paths", "macros"),
    ("test-paths", "tests"),
];

/// Configuration of a folder and what lies below it.
#[derive(Clone, Debug, Default)]
struct Tree {
    settings: Vec<Setting>,
    below: BTreeMap<String, Tree>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) vars: BTreeMap<String, Json>,
    trees: Vec<(Kind, Tree)>,
}

impl Settings {
    /// What is said for a node's folders, the outermost first.
    pub(super) fn of(&self, kind: Kind, fqn: &[String]) -> Vec<Setting> {
        let mut settings = Vec::new();
        for (_, tree) in self.trees.iter().filter(|(k, _)| *k == kind) {
            settings.extend(tree.settings.iter().cloned());
            let mut at = Some(tree);
            for part in fqn {
                at = at.and_then(|tree| tree.below.get(part));
                settings.extend(at.into_iter().flat_map(|tree| tree.settings.iter().cloned()));
            }
        }
        settings
    }
}

pub(super) fn read(node: &Node, report: &mut Report) -> Option<Settings> {
    let section = Section::open(node, "dbt_project.yml", &KEYS, report)?;
    let name = section.required_text("name", report)?;
    if let Some(node) = section.node("name") {
        check_name(&name, "a project", &node.place, report);
    }
    for (key, folder) in PATHS {
        let items = section.list(key);
        for item in items.iter().filter(|item| item.text() != Some(folder)) {
            report.add(Diagnostic::new(item.place.clone(), format!("`{key}` can only be `[\"{folder}\"]`")));
        }
    }
    let mut vars = BTreeMap::new();
    for (key, value) in section.node("vars").and_then(Node::entries).unwrap_or_default() {
        match value.entries() {
            // Under the project's own name they stand as well as above it.
            Some(own) if key.name == name => vars.extend(own.iter().map(|(k, v)| (k.name.clone(), v.to_json()))),
            _ => {
                vars.insert(key.name.clone(), value.to_json());
            }
        }
    }
    let mut trees = Vec::new();
    for (key, kind) in
        [("models", Kind::Model), ("seeds", Kind::Seed), ("snapshots", Kind::Snapshot), ("tests", Kind::Test), ("data_tests", Kind::Test)]
    {
        if let Some(node) = section.node(key) {
            trees.push((kind, tree(node, kind, report)));
        }
    }
    Some(Settings { name, version: section.text("version", report).unwrap_or_default(), vars, trees })
}

fn tree(node: &Node, kind: Kind, report: &mut Report) -> Tree {
    let mut out = Tree::default();
    let Some(entries) = node.entries() else {
        report.add(Diagnostic::new(node.place.clone(), format!("must be a mapping, got {}", node.describe())));
        return out;
    };
    for (key, value) in entries {
        let known = config::keys(kind);
        match key.name.strip_prefix('+') {
            Some(name) => out.settings.push(Setting { key: name.into(), value: value.to_json(), place: key.place.clone() }),
            None if matches!(value.content, Content::Map(_)) => {
                out.below.insert(key.name.clone(), tree(value, kind, report));
            }
            None if known.contains(&key.name.as_str()) => {
                out.settings.push(Setting { key: key.name.clone(), value: value.to_json(), place: key.place.clone() });
            }
            None => {
                let mistake = Diagnostic::new(key.place.clone(), format!("`{}` is neither a folder nor a configuration", key.name));
                report.add(mistake.nearest(&key.name, known.iter().copied()));
            }
        }
    }
    out
}

/// The settings of a mapping under `config:`.
pub(super) fn config_of(node: Option<&Node>, report: &mut Report) -> Vec<Setting> {
    let Some(node) = node else { return Vec::new() };
    let Some(entries) = node.entries() else {
        let _ = text(node, "config", report);
        report.add(Diagnostic::new(node.place.clone(), format!("`config` must be a mapping, got {}", node.describe())));
        return Vec::new();
    };
    entries.iter().map(|(key, value)| Setting { key: key.name.clone(), value: value.to_json(), place: key.place.clone() }).collect()
}
