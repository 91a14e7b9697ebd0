//! `features/*.sql` and `features/schema.yml`: rendered SQL with its source lines, descriptions, joins and cases.

use crate::cases;
use crate::diagnostic::{Diagnostic, Place};
use crate::section::{Report, Section, text};
use crate::spec::{FeatureCase, FeatureDoc, FeatureFile, StreamSpec};
use crate::template;
use crate::yaml::Node;
use domain::Text;
use std::collections::BTreeMap;

/// The file that describes the others.
pub(crate) const SCHEMA: &str = "features/schema.yml";

/// Renders one SQL file.
pub(crate) fn read(path: &str, bytes: &[u8], vars: &BTreeMap<String, serde_json::Value>, report: &mut Report) -> Option<FeatureFile> {
    let source = report.utf8(path, bytes)?;
    match template::render(path, source, vars) {
        Ok(rendered) if rendered.sql.trim().is_empty() => {
            report.add(Diagnostic::new(Place::file(path), "the file renders to nothing"));
            None
        }
        Ok(rendered) => {
            Some(FeatureFile { path: path.into(), source: source.into(), sql: rendered.sql, lines: rendered.lines, join: Vec::new() })
        }
        Err(mistake) => {
            report.add(mistake);
            None
        }
    }
}

/// What `schema.yml` says beside the files.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) docs: BTreeMap<String, FeatureDoc>,
    pub(crate) cases: Vec<FeatureCase>,
}

/// Reads `schema.yml` and lays its joins into the files.
pub(crate) fn read_schema(node: &Node, files: &mut [FeatureFile], paths: &[&str], streams: &[StreamSpec], report: &mut Report) -> Schema {
    let mut schema = Schema::default();
    let Some(section) = Section::open(node, "features/schema.yml", &["features", "files", "cases"], report) else { return schema };
    for node in section.list("features") {
        let Some(doc) = Section::open(node, "a feature's description", &["name", "description", "unit"], report) else { continue };
        let (name, description) = (doc.required_text("name", report), doc.required_text("description", report));
        let unit = doc.text("unit", report);
        let (Some(name), Some(description)) = (name, description) else { continue };
        let place = doc.node("name").map_or(node.place.clone(), |n| n.place.clone());
        if let Some(earlier) = schema.docs.get(&name) {
            report.add(Diagnostic::new(place, format!("feature `{name}` is described twice, first on line {}", earlier.place.line)));
            continue;
        }
        schema.docs.insert(name, FeatureDoc { place, description, unit });
    }
    for node in section.list("files") {
        let Some(entry) = Section::open(node, "an entry of `files`", &["file", "join"], report) else { continue };
        join(&entry, files, paths, streams, report);
    }
    for node in section.list("cases") {
        let Some(case) = Section::open(node, "a case", &["name", "events", "expect"], report) else { continue };
        let name = case.required_text("name", report).unwrap_or_default();
        let events = cases::events(&case, streams, report);
        let Some(expect_node) = case.required("expect", report) else { continue };
        let Some(expect) = expect_node.entries() else {
            let mistake = Diagnostic::new(expect_node.place.clone(), format!("`expect` must be a mapping, got {}", expect_node.describe()));
            report.add(mistake.hint("write feature: value, for example `account_count_10m: 3`"));
            continue;
        };
        let expect = expect.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect();
        schema.cases.push(FeatureCase { name, place: node.place.clone(), events, expect });
    }
    schema
}

fn join(entry: &Section, files: &mut [FeatureFile], paths: &[&str], streams: &[StreamSpec], report: &mut Report) {
    let (Some(file_node), Some(join_node)) = (entry.required("file", report), entry.required("join", report)) else { return };
    let Some(name) = text(file_node, "file", report) else { return };
    let full = format!("features/{}", name.trim_start_matches("features/"));
    if !paths.contains(&full.as_str()) {
        let known = paths.iter().map(|p| p.trim_start_matches("features/")).filter(|p| p.ends_with(".sql"));
        report.add(Diagnostic::new(file_node.place.clone(), format!("there is no file `{full}`")).nearest(name, known));
        return;
    }
    let Some(columns) = join_node.entries() else {
        let mistake = Diagnostic::new(join_node.place.clone(), format!("`join` must be a mapping, got {}", join_node.describe()));
        report.add(mistake.hint("write the file's column and the judged stream's: `join: {column: judged_column}`"));
        return;
    };
    let judged = streams.iter().find(|s| s.stream.judged.is_some());
    let mut pairs = Vec::new();
    for (key, value) in columns {
        let Some(column) = text(value, "join", report) else { continue };
        if let Some(judged) = judged.filter(|j| j.stream.slot(column).is_none()) {
            let mistake = Diagnostic::new(value.place.clone(), format!("stream `{}` has no field `{column}`", judged.stream.name));
            report.add(mistake.nearest(column, judged.stream.fields.iter().map(|f| f.name.as_str())));
        }
        pairs.push((key.name.clone(), column.to_owned()));
    }
    // Absent where its template did not render; that mistake is noted already.
    if let Some(file) = files.iter_mut().find(|f| f.path == full) {
        file.join = pairs;
    }
}

/// Names in descriptions and cases that no feature has.
pub(crate) fn unknown(node: Option<&Node>, features: &[Text]) -> Vec<Diagnostic> {
    let names = || features.iter().map(Text::as_str);
    let known = |name: &str| names().any(|f| f == name);
    let items = |key: &str| node.and_then(|n| n.get(key)).map(list).unwrap_or_default();
    let mut mistakes = Vec::new();
    for doc in items("features") {
        if let Some(node) = doc.get("name")
            && let Some(name) = node.text()
            && !known(name)
        {
            mistakes.push(Diagnostic::new(node.place.clone(), format!("there is no feature `{name}`")).nearest(name, names()));
        }
    }
    for case in items("cases") {
        for (key, _) in case.get("expect").and_then(Node::entries).unwrap_or_default() {
            if !known(&key.name) {
                mistakes
                    .push(Diagnostic::new(key.place.clone(), format!("there is no feature `{}`", key.name)).nearest(&key.name, names()));
            }
        }
    }
    mistakes
}

fn list(node: &Node) -> &[Node] {
    match &node.content {
        crate::yaml::Content::List(items) => items,
        _ => &[],
    }
}
