//! From names to unique ids: every reference must lead somewhere, every name be there once, and nothing depend on itself.

use super::nodes::{Draft, unknown};
use super::settings::Settings;
use crate::graph;
use crate::jinja::Macros;
use crate::read::Options;
use crate::read::refer::reference;
use crate::spec::{Exposure, Input, Kind, Models, Relations, Source};
use project::Diagnostic;
use project::section::Report;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn link(
    settings: Settings,
    vars: BTreeMap<String, Json>,
    macros: Macros,
    exposures: Vec<Exposure>,
    drafts: Vec<Draft>,
    sources: Vec<Source>,
    options: &Options,
    report: &mut Report,
) -> Option<Models> {
    let disabled: BTreeSet<String> = drafts.iter().filter(|d| !d.config.enabled).map(|d| d.name.clone()).collect();
    let mut relations = Relations::default();
    let mut standing = BTreeMap::new();
    for draft in drafts.iter().filter(|d| d.config.enabled && matches!(d.kind, Kind::Model | Kind::Seed | Kind::Snapshot)) {
        if let Some((first, _)) = relations.nodes.insert(draft.name.clone(), (draft.id.clone(), draft.relation.clone())) {
            report
                .add(Diagnostic::new(draft.place.clone(), format!("`{}` is the name of {first} already", draft.name)).hint(
                    "models, seeds and snapshots share their names; rename one, and give it `alias` if the table must keep its name",
                ));
        }
        if draft.stands() && standing.insert(draft.relation.clone(), draft.id.clone()).is_some() {
            report.add(Diagnostic::new(draft.place.clone(), format!("{} would be written by two nodes", draft.relation)));
        }
    }
    for source in &sources {
        relations.sources.insert((source.source.clone(), source.name.clone()), (source.id.clone(), source.relation.clone()));
    }
    let mut nodes = BTreeMap::new();
    for mut draft in drafts.into_iter().filter(|d| d.config.enabled) {
        depend(&mut draft, &relations, &disabled, report);
        if let Some(test) = draft.test.as_mut().filter(|t| t.name.is_some()) {
            // What it is of is the first thing that the call names.
            test.attached = attached(&draft.raw, &relations);
        }
        check_unit(&draft, &relations, report);
        let (id, place) = (draft.id.clone(), draft.place.clone());
        // The same test asked for twice is one mistake; two models of one name were told above.
        if nodes.insert(id, draft).is_some_and(|before: Draft| before.kind == Kind::Test || before.kind == Kind::UnitTest) {
            report.add(Diagnostic::new(place, "the same test stands twice").hint("remove one, or give it a `name`"));
        }
    }
    let parents = nodes.iter().map(|(id, node)| (id.clone(), node.depends_on.clone())).collect();
    let order = match graph::order(&parents) {
        Ok(order) => order,
        Err(circle) => {
            let place = nodes[&circle[0]].place.clone();
            let names: Vec<&str> = circle.iter().chain(circle.first()).map(|id| id.rsplit('.').next().unwrap_or(id)).collect();
            report.add(
                Diagnostic::new(place, format!("models depend on each other in a circle: {}", names.join(" needs ")))
                    .hint("take one of these references out"),
            );
            Vec::new()
        }
    };
    let exposures = exposures.into_iter().map(|e| expose(e, &settings.name, &relations, report)).collect();
    Some(Models {
        name: settings.name.clone(),
        version: settings.version,
        vars,
        sources: sources.into_iter().map(|s| (s.id.clone(), s)).collect(),
        nodes,
        exposures,
        order,
        macros: Arc::new(macros),
        relations: Arc::new(relations),
        target: options.target.clone(),
    })
}

fn depend(draft: &mut Draft, relations: &Relations, disabled: &BTreeSet<String>, report: &mut Report) {
    let mut on = BTreeSet::new();
    for name in &draft.refs {
        match relations.nodes.get(name) {
            Some((id, _)) => {
                on.insert(id.clone());
            }
            None if disabled.contains(name) => {
                report.add(unknown(draft, name, format!("`{name}` is switched off (`enabled: false`)")));
            }
            None => {
                let mistake = unknown(draft, name, format!("there is no model, seed or snapshot `{name}`"));
                report.add(mistake.nearest(name, relations.nodes.keys().map(String::as_str)));
            }
        }
    }
    for (source, table) in &draft.source_refs {
        match relations.sources.get(&(source.clone(), table.clone())) {
            Some((id, _)) => {
                on.insert(id.clone());
            }
            None => {
                let known: Vec<String> = relations.sources.keys().map(|(s, t)| format!("{s}.{t}")).collect();
                let mistake = unknown(draft, table, format!("there is no source `{source}.{table}`"));
                report.add(mistake.nearest(&format!("{source}.{table}"), known.iter().map(String::as_str)));
            }
        }
    }
    draft.depends_on = on.into_iter().collect();
}

/// The unique id of the first reference of a test's call.
fn attached(raw: &str, relations: &Relations) -> Option<String> {
    let start = [raw.find("ref("), raw.find("source(")].into_iter().flatten().min()?;
    let end = start + raw[start..].find(')')? + 1;
    match reference(&raw[start..end])? {
        Input::Ref(name) => relations.nodes.get(&name).map(|(id, _)| id.clone()),
        Input::Source(source, table) => relations.sources.get(&(source, table)).map(|(id, _)| id.clone()),
        Input::This => None,
    }
}

/// A unit test gives rows for what its model reads, and for nothing else.
fn check_unit(draft: &Draft, relations: &Relations, report: &mut Report) {
    for given in draft.unit.iter().flat_map(|unit| &unit.given) {
        let known = match &given.input {
            Input::Ref(name) => relations.nodes.contains_key(name),
            Input::Source(source, table) => relations.sources.contains_key(&(source.clone(), table.clone())),
            Input::This => true,
        };
        if !known {
            let what = crate::read::call(&given.input);
            report.add(Diagnostic::new(draft.place.clone(), format!("{what}, for which rows are given, is not there")));
        }
    }
}

fn expose(mut exposure: Exposure, name: &str, relations: &Relations, report: &mut Report) -> Exposure {
    exposure.id = format!("exposure.{name}.{}", exposure.name);
    let mut on = BTreeSet::new();
    for text in &exposure.depends_on {
        let found = match reference(text) {
            Some(Input::Ref(name)) => relations.nodes.get(&name).map(|(id, _)| id.clone()),
            Some(Input::Source(source, table)) => relations.sources.get(&(source, table)).map(|(id, _)| id.clone()),
            _ => None,
        };
        match found {
            Some(id) => {
                on.insert(id);
            }
            None => report.add(Diagnostic::new(exposure.place.clone(), format!("`{text}` leads nowhere"))),
        }
    }
    exposure.depends_on = on.into_iter().collect();
    exposure
}
