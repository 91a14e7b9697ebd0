//! A node of each kind from its file: rendered once to see what it refers to and how it is configured, then placed in a schema.

use super::generic;
use super::properties::{Patch, Properties};
use super::settings::Settings;
use super::snapshots::Block;
use crate::config::{Config, Setting};
use crate::engine::Relation;
use crate::jinja::{Captured, Macros, Scope, Stage};
use crate::read::Options;
use crate::spec::{Kind, Node, Source, TestSpec};
use project::section::{Report, check_name};
use project::{Diagnostic, Place};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// A node whose references are names still.
pub(super) type Draft = Node;

pub(super) struct Reader<'a> {
    pub(super) settings: &'a Settings,
    pub(super) macros: &'a Macros,
    pub(super) vars: &'a BTreeMap<String, Json>,
    pub(super) options: &'a Options,
}

/// A path's folders below the first, and its name.
fn parts(path: &str) -> (Vec<String>, String) {
    let mut parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    let file = parts.pop().unwrap_or_default();
    (parts, file.rsplit_once('.').map_or(file.clone(), |(stem, _)| stem.to_owned()))
}

impl Reader<'_> {
    pub(super) fn model(&self, path: &str, text: &str, properties: &mut Properties, drafts: &mut Vec<Draft>, report: &mut Report) {
        let (_, name) = parts(path);
        check_name(&name, "a model", &Place::file(path), report);
        let patch = properties.take(Kind::Model, &name);
        self.add(Kind::Model, &name, path, Place::file(path), text, patch, Vec::new(), drafts, report);
    }

    pub(super) fn seed(&self, path: &str, text: &str, properties: &mut Properties, drafts: &mut Vec<Draft>, report: &mut Report) {
        let (_, name) = parts(path);
        check_name(&name, "a seed", &Place::file(path), report);
        let patch = properties.take(Kind::Seed, &name);
        self.add(Kind::Seed, &name, path, Place::file(path), text, patch, Vec::new(), drafts, report);
    }

    pub(super) fn snapshot(&self, path: &str, block: Block, properties: &mut Properties, drafts: &mut Vec<Draft>, report: &mut Report) {
        check_name(&block.name, "a snapshot", &block.place, report);
        let patch = properties.take(Kind::Snapshot, &block.name);
        self.add(Kind::Snapshot, &block.name, path, block.place, &block.body, patch, block.config, drafts, report);
    }

    pub(super) fn singular(&self, path: &str, text: &str, drafts: &mut Vec<Draft>, report: &mut Report) {
        let (_, name) = parts(path);
        let at = drafts.len();
        self.add(Kind::Test, &name, path, Place::file(path), text, None, Vec::new(), drafts, report);
        if let Some(node) = drafts.get_mut(at) {
            node.test = Some(TestSpec::default());
        }
    }

    pub(super) fn generic(&self, properties: &Properties, known: &[Draft], drafts: &mut Vec<Draft>, report: &mut Report) {
        for wanted in &properties.wanted {
            let Some(made) = generic::make(wanted, self.macros, report) else { continue };
            // What a test is of may be switched off, and then so is the test.
            if known.iter().any(|d| !d.config.enabled && made.refs_to(&d.name)) {
                continue;
            }
            let at = drafts.len();
            let settings = wanted.settings.clone();
            self.add(Kind::Test, &made.name, &wanted.path, wanted.place.clone(), &made.raw, None, settings, drafts, report);
            if let Some(node) = drafts.get_mut(at) {
                node.id = format!("test.{}.{}.{}", self.settings.name, made.name, made.hash);
                node.test = Some(made.spec);
                node.description.clone_from(&wanted.description);
            }
        }
    }

    pub(super) fn units(&self, properties: &Properties, drafts: &mut Vec<Draft>, report: &mut Report) {
        for unit in &properties.units {
            let at = drafts.len();
            let settings = unit.settings.clone();
            self.add(Kind::UnitTest, &unit.name, &unit.path, unit.place.clone(), "", None, settings, drafts, report);
            if let Some(node) = drafts.get_mut(at) {
                node.id = format!("unit_test.{}.{}.{}", self.settings.name, unit.spec.model, unit.name);
                node.refs = vec![unit.spec.model.clone()];
                node.description.clone_from(&unit.description);
                node.unit = Some(unit.spec.clone());
            }
        }
    }

    pub(super) fn sources(&self, properties: &Properties, report: &mut Report) -> Vec<Source> {
        let mut out = Vec::new();
        for table in &properties.sources {
            let mut rendered = |text: &str| match self.scope(Relation::new("", ""), Map::new()).render(&table.path, text) {
                Ok(sql) => sql,
                Err(mut mistake) => {
                    mistake.place = table.place.clone();
                    report.add(mistake);
                    String::new()
                }
            };
            out.push(Source {
                id: format!("source.{}.{}.{}", self.settings.name, table.source, table.name),
                source: table.source.clone(),
                name: table.name.clone(),
                path: table.path.clone(),
                place: table.place.clone(),
                relation: Relation::new(rendered(&table.schema), rendered(&table.identifier)),
                description: table.description.clone(),
                source_description: table.source_description.clone(),
                loader: table.loader.clone(),
                columns: table.columns.clone(),
                loaded_at: table.loaded_at.clone(),
                freshness: table.freshness.clone(),
                tags: table.tags.clone(),
                meta: table.meta.clone(),
            });
        }
        out
    }

    fn add(
        &self,
        kind: Kind,
        name: &str,
        path: &str,
        place: Place,
        raw: &str,
        patch: Option<Patch>,
        own: Vec<Setting>,
        drafts: &mut Vec<Draft>,
        report: &mut Report,
    ) {
        let (folders, _) = parts(path);
        let mut fqn = vec![self.settings.name.clone()];
        fqn.extend(folders);
        fqn.push(name.to_owned());
        let mut settings = self.settings.of(kind, &fqn);
        settings.extend(patch.iter().flat_map(|p| p.settings.iter().cloned()));
        settings.extend(own);
        let made_up = kind == Kind::UnitTest || (kind == Kind::Test && !path.ends_with(".sql"));
        let (rendered, captured) = match kind {
            Kind::Seed | Kind::UnitTest => (Ok(String::new()), Captured::default()),
            _ => self.scope(Relation::new("parse", name), self.model_of(kind, name, path)).render_captured(path, raw),
        };
        // A node with a mistake is there all the same, so that what refers to it is not one as well.
        if let Err(mut mistake) = rendered {
            if made_up {
                mistake.place = place.clone();
            }
            report.add(mistake);
        }
        let at = |key: &str| config_place(path, raw, key).unwrap_or_else(|| place.clone());
        settings.extend(captured.config.into_iter().map(|(key, value)| Setting { place: at(&key), key, value }));
        let config = Config::resolve(kind, &settings, &place, report);
        let schema = match kind {
            Kind::Test | Kind::UnitTest => Some("dbt_test__audit".to_owned()),
            _ => config.schema.clone(),
        };
        let schema = self.schema(schema.as_deref(), kind, name, path, report);
        let alias = config.alias.clone().unwrap_or_else(|| name.to_owned());
        let (mut refs, mut source_refs) = (captured.refs, captured.sources);
        refs.sort();
        refs.dedup();
        source_refs.sort();
        source_refs.dedup();
        drafts.push(Node {
            id: format!("{}.{}.{name}", kind.word(), self.settings.name),
            name: name.to_owned(),
            kind,
            path: path.to_owned(),
            place,
            fqn,
            relation: Relation::new(schema, alias),
            config,
            description: patch.as_ref().map(|p| p.description.clone()).unwrap_or_default(),
            columns: patch.as_ref().map(|p| p.columns.clone()).unwrap_or_default(),
            patch: patch.map(|p| p.path),
            raw: raw.to_owned(),
            refs,
            source_refs,
            depends_on: Vec::new(),
            test: None,
            unit: None,
        });
    }

    /// As dbt does: the target's schema and the one asked for, unless the folder has a macro that says otherwise.
    fn schema(&self, custom: Option<&str>, kind: Kind, name: &str, path: &str, report: &mut Report) -> String {
        let target = &self.options.target.schema;
        if !self.macros.has("generate_schema_name") {
            return custom.map_or(target.clone(), |custom| format!("{target}_{custom}"));
        }
        let call = match custom {
            Some(custom) => format!("{{{{ generate_schema_name('{custom}', model) }}}}"),
            None => "{{ generate_schema_name(none, model) }}".to_owned(),
        };
        match self.scope(Relation::new("", name), self.model_of(kind, name, path)).render(path, &call) {
            Ok(sql) => sql.trim().to_owned(),
            Err(mistake) => {
                report.add(mistake);
                String::new()
            }
        }
    }

    fn model_of(&self, kind: Kind, name: &str, path: &str) -> Map<String, Json> {
        let (folders, _) = parts(path);
        let mut fqn = vec![self.settings.name.clone()];
        fqn.extend(folders);
        fqn.push(name.to_owned());
        let all = json!({
            "name": name, "alias": name, "resource_type": kind.word(), "package_name": self.settings.name, "fqn": fqn,
            "unique_id": format!("{}.{}.{name}", kind.word(), self.settings.name), "original_file_path": path,
        });
        all.as_object().cloned().unwrap_or_default()
    }

    fn scope(&self, this: Relation, model: Map<String, Json>) -> Scope<'_> {
        Scope {
            macros: self.macros,
            vars: self.vars,
            target: &self.options.target,
            model,
            this,
            config: None,
            run_started_at: &self.options.started_at,
            invocation_id: &self.options.invocation_id,
            stage: Stage::Parse,
        }
    }
}

/// Where a file's own `config(...)` says a key.
fn config_place(path: &str, raw: &str, key: &str) -> Option<Place> {
    let start = raw.find("config(")?;
    let end = raw[start..].find("}}").map_or(raw.len(), |e| start + e);
    let at = raw[start..end].match_indices(key).map(|(at, _)| start + at).find(|at| {
        let before = raw[..*at].chars().next_back();
        let after = raw[*at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && after.starts_with(['=', ':'])
    });
    Some(Place::at(path, raw, at.unwrap_or(start)))
}

/// Where a file names something in quotes.
pub(super) fn quoted_place(node: &Draft, name: &str) -> Place {
    if !node.path.ends_with(".sql") {
        return node.place.clone();
    }
    let found = ['\'', '"'].iter().find_map(|q| node.raw.find(&format!("{q}{name}{q}")));
    found.map_or_else(|| node.place.clone(), |at| Place::at(&node.path, &node.raw, at + 1))
}

/// A mistake at the place where a node names something.
pub(super) fn unknown(node: &Draft, name: &str, message: String) -> Diagnostic {
    Diagnostic::new(quoted_place(node, name), message)
}
