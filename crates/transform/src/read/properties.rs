//! The .yml files beside models: descriptions, columns, tests, sources, snapshots, unit tests, exposures.

use super::nodes::Draft;
use super::refer::{call, reference};
use super::settings::config_of;
use super::snapshots::Block;
use crate::config::Setting;
use crate::json;
use crate::spec::{Age, ColumnSpec, Exposure, Freshness, Given, Input, Kind, Period, UnitSpec};
use project::section::{Report, Section, text};
use project::yaml::Node;
use project::{Diagnostic, Place};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

const FILE: &[&str] = &["version", "models", "seeds", "snapshots", "sources", "unit_tests", "exposures", "macros", "data_tests"];
const NODE: &[&str] =
    &["name", "description", "config", "columns", "tests", "data_tests", "docs", "meta", "tags", "relation", "access", "group"];
const COLUMN: &[&str] =
    &["name", "description", "data_type", "tests", "data_tests", "meta", "tags", "quote", "constraints", "config", "policy_tags"];
const SOURCE: &[&str] = &[
    "name",
    "description",
    "schema",
    "database",
    "loader",
    "tables",
    "freshness",
    "loaded_at_field",
    "config",
    "meta",
    "tags",
    "tests",
    "quoting",
];
const TABLE: &[&str] = &[
    "name",
    "description",
    "identifier",
    "columns",
    "tests",
    "data_tests",
    "freshness",
    "loaded_at_field",
    "config",
    "meta",
    "tags",
    "quoting",
    "loader",
];
const UNIT: &[&str] = &["name", "description", "model", "given", "expect", "overrides", "config"];
const EXPOSURE: &[&str] = &["name", "label", "type", "description", "url", "owner", "maturity", "depends_on", "meta", "tags", "config"];

/// What is said about one model, seed or snapshot.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) description: String,
    pub(super) columns: Vec<ColumnSpec>,
    pub(super) settings: Vec<Setting>,
    used: bool,
}

/// A test asked for, before it is a node.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) path: String,
    /// What it tests.
    pub(super) on: Input,
    pub(super) column: Option<String>,
    /// `unique`, `dbt_utils.expression_is_true`.
    pub(super) test: String,
    pub(super) custom_name: Option<String>,
    pub(super) description: String,
    pub(super) arguments: Map<String, Json>,
    pub(super) settings: Vec<Setting>,
}

#[derive(Clone, Debug)]
pub(super) struct SourceTable {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) source: String,
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) identifier: String,
    pub(super) description: String,
    pub(super) source_description: String,
    pub(super) loader: String,
    pub(super) columns: Vec<ColumnSpec>,
    pub(super) loaded_at: Option<String>,
    pub(super) freshness: Option<Freshness>,
    pub(super) tags: Vec<String>,
    pub(super) meta: Json,
}

#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) description: String,
    pub(super) spec: UnitSpec,
    pub(super) settings: Vec<Setting>,
}

#[derive(Debug, Default)]
pub(super) struct Properties {
    patches: BTreeMap<(Kind, String), Patch>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) sources: Vec<SourceTable>,
    pub(super) units: Vec<Unit>,
    pub(super) exposures: Vec<Exposure>,
    snapshots: Vec<(String, Block)>,
}

/// Settings that may stand beside a test's arguments.
const BESIDE: [&str; 9] = ["severity", "warn_if", "error_if", "fail_calc", "store_failures", "where", "limit", "tags", "enabled"];

impl Properties {
    pub(super) fn read(&mut self, path: &str, node: &Node, report: &mut Report) {
        let Some(section) = Section::open(node, "a properties file", FILE, report) else { return };
        for (key, kind) in [("models", Kind::Model), ("seeds", Kind::Seed), ("snapshots", Kind::Snapshot)] {
            for node in section.list(key) {
                self.patch(path, kind, node, report);
            }
        }
        for node in section.list("sources") {
            self.source(path, node, report);
        }
        for node in section.list("unit_tests") {
            self.unit(path, node, report);
        }
        for node in section.list("exposures") {
            self.exposure(path, node, report);
        }
    }

    /// What a properties file says about a node, once.
    pub(super) fn take(&mut self, kind: Kind, name: &str) -> Option<Patch> {
        let patch = self.patches.get_mut(&(kind, name.to_owned()))?;
        patch.used = true;
        Some(patch.clone())
    }

    pub(super) fn take_snapshots(&mut self) -> Vec<(String, Block)> {
        std::mem::take(&mut self.snapshots)
    }

    /// Notes what is described but stands nowhere.
    pub(super) fn undescribed(&self, drafts: &[Draft], report: &mut Report) {
        for ((kind, name), patch) in self.patches.iter().filter(|(_, patch)| !patch.used) {
            let known = drafts.iter().filter(|d| d.kind == *kind).map(|d| d.name.as_str());
            report.add(Diagnostic::new(patch.place.clone(), format!("there is no {} `{name}`", kind.word())).nearest(name, known));
        }
    }

    fn patch(&mut self, path: &str, kind: Kind, node: &Node, report: &mut Report) {
        let Some(section) = Section::open(node, "a description", NODE, report) else { return };
        let Some(name) = section.required_text("name", report) else { return };
        let place = section.node("name").map_or(section.place.clone(), |n| n.place.clone());
        let mut settings = beside(&section, &["meta", "tags", "docs", "access", "group"]);
        settings.extend(config_of(section.node("config"), report));
        let on = Input::Ref(name.clone());
        self.tests(path, &on, None, &section, report);
        let columns = section.list("columns").iter().filter_map(|node| self.column(path, &on, node, report)).collect();
        if let Some(relation) = section.node("relation") {
            match reference(relation.text().unwrap_or_default()) {
                Some(input) if kind == Kind::Snapshot => {
                    let body = format!("select * from {{{{ {} }}}}", call(&input));
                    self.snapshots.push((path.to_owned(), Block { name: name.clone(), place: place.clone(), body, config: Vec::new() }));
                }
                _ => report.add(
                    Diagnostic::new(relation.place.clone(), "`relation` belongs to a snapshot and refers to what it is taken of")
                        .hint("write `relation: ref('orders')`"),
                ),
            }
        }
        let patch = Patch {
            place: place.clone(),
            path: path.into(),
            description: section.text("description", report).unwrap_or_default(),
            columns,
            settings,
            used: false,
        };
        if let Some(first) = self.patches.insert((kind, name.clone()), patch) {
            report.add(Diagnostic::new(place, format!("`{name}` is described twice, first in {}", first.place)));
        }
    }

    fn column(&mut self, path: &str, on: &Input, node: &Node, report: &mut Report) -> Option<ColumnSpec> {
        let section = Section::open(node, "a column", COLUMN, report)?;
        let name = section.required_text("name", report)?;
        self.tests(path, on, Some(&name), &section, report);
        let mut constraints = Vec::new();
        for node in section.list("constraints") {
            let kind = node.get("type").and_then(Node::text).unwrap_or_default();
            match kind {
                "not_null" => constraints.push(kind.to_owned()),
                _ => report.add(
                    Diagnostic::new(node.place.clone(), format!("constraint `{kind}` is not supported"))
                        .hint("`not_null` is; write a test for what else must hold"),
                ),
            }
        }
        Some(ColumnSpec {
            name,
            description: section.text("description", report).unwrap_or_default(),
            data_type: section.text("data_type", report),
            constraints,
            meta: section.node("meta").map_or_else(|| Json::Object(Map::new()), Node::to_json),
            tags: section.node("tags").and_then(|n| json::texts(&n.to_json())).unwrap_or_default(),
        })
    }

    fn tests(&mut self, path: &str, on: &Input, column: Option<&str>, section: &Section<'_>, report: &mut Report) {
        for node in section.list("tests").iter().chain(section.list("data_tests")) {
            if let Some(wanted) = wanted(path, on, column, node, report) {
                self.wanted.push(wanted);
            }
        }
    }

    fn source(&mut self, path: &str, node: &Node, report: &mut Report) {
        let Some(section) = Section::open(node, "a source", SOURCE, report) else { return };
        let Some(source) = section.required_text("name", report) else { return };
        let config = section.node("config");
        let schema = section.text("schema", report).unwrap_or_else(|| source.clone());
        let description = section.text("description", report).unwrap_or_default();
        let loader = section.text("loader", report).unwrap_or_default();
        let of_all =
            (freshness(section.node("freshness").or_else(|| config?.get("freshness")), report), loaded_at(&section, config, report));
        for node in section.list("tables") {
            let Some(table) = Section::open(node, "a table of a source", TABLE, report) else { continue };
            let Some(name) = table.required_text("name", report) else { continue };
            let own = table.node("config");
            let on = Input::Source(source.clone(), name.clone());
            self.tests(path, &on, None, &table, report);
            let columns = table.list("columns").iter().filter_map(|node| self.column(path, &on, node, report)).collect();
            let place = table.node("name").map_or(table.place.clone(), |n| n.place.clone());
            if self.sources.iter().any(|s| s.source == source && s.name == name) {
                report.add(Diagnostic::new(place.clone(), format!("source `{source}.{name}` stands twice")));
            }
            let said = table.node("freshness").or_else(|| own?.get("freshness"));
            // `freshness: null` switches off what the source says for all.
            let off = node.get("freshness").is_some_and(Node::is_null);
            self.sources.push(SourceTable {
                place,
                path: path.into(),
                source: source.clone(),
                identifier: table.text("identifier", report).unwrap_or_else(|| name.clone()),
                name,
                schema: schema.clone(),
                description: table.text("description", report).unwrap_or_default(),
                source_description: description.clone(),
                loader: loader.clone(),
                columns,
                loaded_at: loaded_at(&table, own, report).or_else(|| of_all.1.clone()),
                freshness: freshness(said, report).or_else(|| of_all.0.clone().filter(|_| !off)),
                tags: section
                    .node("tags")
                    .into_iter()
                    .chain(table.node("tags"))
                    .filter_map(|n| json::texts(&n.to_json()))
                    .flatten()
                    .collect(),
                meta: table.node("meta").map_or_else(|| Json::Object(Map::new()), Node::to_json),
            });
        }
    }

    fn unit(&mut self, path: &str, node: &Node, report: &mut Report) {
        let Some(section) = Section::open(node, "a unit test", UNIT, report) else { return };
        let (name, model) = (section.required_text("name", report), section.required_text("model", report));
        let mut given = Vec::new();
        for node in section.list("given") {
            let Some(part) = Section::open(node, "an input", &["input", "rows", "format"], report) else { continue };
            let Some(input) = part.required("input", report) else { continue };
            match reference(input.text().unwrap_or_default()) {
                Some(input) => given.push(Given { input, rows: rows(&part, report) }),
                None => report.add(
                    Diagnostic::new(input.place.clone(), format!("`input` must refer to something, got {}", input.describe()))
                        .hint("write `ref('orders')`, `source('shop', 'orders')` or `this`"),
                ),
            }
        }
        let expect = section
            .required("expect", report)
            .and_then(|node| Section::open(node, "what is expected", &["rows", "format"], report))
            .map(|part| rows(&part, report));
        let (mut is_incremental, mut vars) = (false, BTreeMap::new());
        if let Some(part) = section.node("overrides").and_then(|n| Section::open(n, "overrides", &["macros", "vars"], report)) {
            let macros = part.node("macros").and_then(|n| Section::open(n, "overridden macros", &["is_incremental"], report));
            is_incremental = macros.and_then(|m| m.boolean("is_incremental", report)).unwrap_or_default();
            for (key, value) in part.node("vars").and_then(Node::entries).unwrap_or_default() {
                vars.insert(key.name.clone(), value.to_json());
            }
        }
        let place = section.node("name").map_or(section.place.clone(), |n| n.place.clone());
        if let (Some(name), Some(model), Some(expect)) = (name, model, expect) {
            self.units.push(Unit {
                name,
                place,
                path: path.into(),
                description: section.text("description", report).unwrap_or_default(),
                spec: UnitSpec { model, given, expect, is_incremental, vars },
                settings: config_of(section.node("config"), report),
            });
        }
    }

    fn exposure(&mut self, path: &str, node: &Node, report: &mut Report) {
        let Some(section) = Section::open(node, "an exposure", EXPOSURE, report) else { return };
        let Some(name) = section.required_text("name", report) else { return };
        let mut depends_on = Vec::new();
        for node in section.list("depends_on") {
            match reference(node.text().unwrap_or_default()) {
                Some(input) => depends_on.push(call(&input)),
                None => report.add(
                    Diagnostic::new(node.place.clone(), format!("{} refers to nothing", node.describe())).hint("write `ref('orders')`"),
                ),
            }
        }
        self.exposures.push(Exposure {
            id: String::new(),
            place: section.node("name").map_or(section.place.clone(), |n| n.place.clone()),
            name,
            kind: section.text("type", report).unwrap_or_default(),
            path: path.into(),
            description: section.text("description", report).unwrap_or_default(),
            url: section.text("url", report),
            owner: section.required("owner", report).map(Node::to_json).unwrap_or_default(),
            maturity: section.text("maturity", report),
            tags: section.node("tags").and_then(|n| json::texts(&n.to_json())).unwrap_or_default(),
            depends_on,
        });
    }
}

fn beside(section: &Section<'_>, keys: &[&str]) -> Vec<Setting> {
    let setting = |key: &&str| section.node(key).map(|n| Setting { key: (*key).into(), value: n.to_json(), place: n.place.clone() });
    keys.iter().filter_map(setting).collect()
}

fn wanted(path: &str, on: &Input, column: Option<&str>, node: &Node, report: &mut Report) -> Option<Wanted> {
    let mut out = Wanted {
        place: node.place.clone(),
        path: path.into(),
        on: on.clone(),
        column: column.map(str::to_owned),
        test: String::new(),
        custom_name: None,
        description: String::new(),
        arguments: Map::new(),
        settings: Vec::new(),
    };
    let Some(entries) = node.entries() else {
        out.test = text(node, "tests", report)?.to_owned();
        return Some(out);
    };
    // Either `{unique: {...}}`, or `{name: ..., test_name: unique, ...}`.
    let inside = match entries {
        [(key, value)] => {
            out.test = key.name.clone();
            value.entries().unwrap_or_default()
        }
        all => all,
    };
    for (key, value) in inside {
        match key.name.as_str() {
            "test_name" => out.test = value.text().unwrap_or_default().to_owned(),
            "name" => out.custom_name = value.text().map(str::to_owned),
            "description" => out.description = value.text().unwrap_or_default().to_owned(),
            "config" => out.settings.extend(config_of(Some(value), report)),
            "arguments" => {
                for (key, value) in value.entries().unwrap_or_default() {
                    out.arguments.insert(key.name.clone(), value.to_json());
                }
            }
            name if BESIDE.contains(&name) => {
                out.settings.push(Setting { key: name.into(), value: value.to_json(), place: value.place.clone() });
            }
            name => {
                out.arguments.insert(name.into(), value.to_json());
            }
        }
    }
    if out.test.is_empty() {
        report.add(
            Diagnostic::new(node.place.clone(), "a test is its name, or its name with arguments under it")
                .hint("write `- unique`, or `- accepted_values:` with `arguments:` under it"),
        );
        return None;
    }
    Some(out)
}

fn loaded_at(section: &Section<'_>, config: Option<&Node>, report: &mut Report) -> Option<String> {
    section.text("loaded_at_field", report).or_else(|| Some(config?.get("loaded_at_field")?.text()?.to_owned()))
}

fn freshness(node: Option<&Node>, report: &mut Report) -> Option<Freshness> {
    let section = Section::open(node?, "freshness", &["warn_after", "error_after", "filter"], report)?;
    let mut age = |key: &str| {
        let part = Section::open(section.node(key)?, "an age", &["count", "period"], report)?;
        let count = part.parse("count", report, |text| text.parse().map_err(|_| format!("must be a number, got {text}")));
        let periods = [("minute", Period::Minute), ("hour", Period::Hour), ("day", Period::Day)];
        Some(Age { count: count?, period: part.choice("period", &periods, report)? })
    };
    let (warn_after, error_after) = (age("warn_after"), age("error_after"));
    Some(Freshness { warn_after, error_after, filter: section.text("filter", report) })
}

/// Rows of a unit test: a list of mappings, or CSV.
fn rows(section: &Section<'_>, report: &mut Report) -> Vec<Map<String, Json>> {
    let format = section.choice("format", &[("dict", false), ("csv", true)], report).unwrap_or_default();
    let Some(node) = section.required("rows", report) else { return Vec::new() };
    if !format {
        let mut rows = Vec::new();
        for item in section.list("rows") {
            match item.to_json() {
                Json::Object(row) => rows.push(row),
                _ => report.add(Diagnostic::new(item.place.clone(), format!("a row must be a mapping, got {}", item.describe()))),
            }
        }
        return rows;
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(node.text().unwrap_or_default().as_bytes());
    let headers = reader.headers().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => rows.push(headers.iter().zip(&record).map(|(name, value)| (name.to_owned(), scalar(value))).collect()),
            Err(e) => report.add(Diagnostic::new(node.place.clone(), format!("not CSV: {e}"))),
        }
    }
    rows
}

/// What a value of CSV says: nothing, a number, a truth, or text.
fn scalar(value: &str) -> Json {
    match value {
        "" => Json::Null,
        "true" | "false" => Json::Bool(value == "true"),
        _ => serde_json::from_str::<serde_json::Number>(value).map_or_else(|_| Json::from(value), Json::Number),
    }
}
