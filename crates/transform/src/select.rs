//! Choosing nodes as dbt's `--select` and `--exclude` do: names, `tag:`, `path:`, `+` for what stands before and behind.

use crate::spec::{Kind, Models, Node};
use domain::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What `--select` and `--exclude` say; nothing selected is everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub select: Vec<String>,
    pub exclude: Vec<String>,
}

/// The methods that a selector may begin with.
const METHODS: [&str; 10] =
    ["tag", "path", "source", "resource_type", "config.materialized", "test_type", "test_name", "fqn", "exposure", "file"];

impl Selection {
    /// The unique ids chosen, of nodes and of sources. A test comes along when everything it reads is chosen, or what it is attached to.
    ///
    /// # Errors
    /// A selector that cannot be read, or that chooses nothing.
    pub fn resolve(&self, models: &Models) -> Result<BTreeSet<String>> {
        let graph = Graph::of(models);
        let mut chosen = match self.select.is_empty() {
            true => graph.all.clone(),
            false => union(&self.select, &graph)?,
        };
        if !self.select.is_empty() {
            chosen.extend(tests_of(models, &chosen));
        }
        let mut without = union(&self.exclude, &graph)?;
        without.extend(tests_of(models, &without));
        Ok(chosen.difference(&without).cloned().collect())
    }
}

/// Tests whose every input is among these nodes, or that are attached to one of them.
fn tests_of(models: &Models, chosen: &BTreeSet<String>) -> Vec<String> {
    models
        .nodes
        .values()
        .filter(|n| matches!(n.kind, Kind::Test | Kind::UnitTest))
        .filter(|n| match n.test.as_ref().and_then(|t| t.attached.as_ref()) {
            Some(attached) => chosen.contains(attached),
            None => n.depends_on.iter().any(|d| chosen.contains(d)),
        })
        .map(|n| n.id.clone())
        .collect()
}

struct Graph<'a> {
    models: &'a Models,
    all: BTreeSet<String>,
    parents: BTreeMap<&'a str, Vec<&'a str>>,
    children: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    fn of(models: &'a Models) -> Self {
        let mut graph = Self {
            models,
            all: models.nodes.keys().chain(models.sources.keys()).cloned().collect(),
            parents: BTreeMap::new(),
            children: BTreeMap::new(),
        };
        for (id, on) in models
            .nodes
            .values()
            .map(|n| (n.id.as_str(), &n.depends_on))
            .chain(models.exposures.iter().map(|e| (e.id.as_str(), &e.depends_on)))
        {
            for parent in on {
                graph.parents.entry(id).or_default().push(parent);
                graph.children.entry(parent).or_default().push(id);
            }
        }
        graph
    }

    /// All that can be reached within so many steps.
    fn reach(&self, from: &BTreeSet<String>, steps: usize, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<String> {
        let mut found = from.clone();
        let mut edge = from.clone();
        for _ in 0..steps {
            edge = edge
                .iter()
                .flat_map(|id| edges.get(id.as_str()).into_iter().flatten())
                .filter(|id| found.insert((**id).to_owned()))
                .map(|id| (*id).to_owned())
                .collect();
            if edge.is_empty() {
                break;
            }
        }
        found
    }
}

/// What any of several selectors chooses; within one argument, spaces join and commas narrow.
fn union(selectors: &[String], graph: &Graph<'_>) -> Result<BTreeSet<String>> {
    let mut chosen = BTreeSet::new();
    for selector in selectors.iter().flat_map(|s| s.split_whitespace()) {
        let mut parts = selector.split(',').map(|part| one(part, graph));
        let first = parts.next().unwrap_or_else(|| Ok(BTreeSet::new()))?;
        let found = parts.try_fold(first, |all, part| part.map(|p| all.intersection(&p).cloned().collect::<BTreeSet<_>>()))?;
        chosen.extend(found);
    }
    Ok(chosen)
}

fn one(selector: &str, graph: &Graph<'_>) -> Result<BTreeSet<String>> {
    let wrong = |message: String, hint: String| Error::stop(message, hint);
    let (around, rest) = match selector.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, selector),
    };
    let (before, rest) = match rest.split_once('+') {
        Some((count, rest)) if count.chars().all(|c| c.is_ascii_digit()) => (Some(steps(count)), rest),
        _ => (None, rest),
    };
    let (rest, after) = match rest.rsplit_once('+') {
        Some((rest, count)) if count.chars().all(|c| c.is_ascii_digit()) => (rest, Some(steps(count))),
        _ => (rest, None),
    };
    let (method, value) = match rest.split_once(':') {
        Some((method, value)) => (method, value),
        None if rest.contains('/') => ("path", rest),
        None => ("fqn", rest),
    };
    if !METHODS.contains(&method) {
        let hint = project::nearest(method, METHODS)
            .map_or_else(|| format!("known are: {}", METHODS.join(", ")), |n| format!("did you mean `{n}:`?"));
        return Err(wrong(format!("`{selector}`: there is no method `{method}:`"), hint));
    }
    let models = graph.models;
    let of_nodes =
        |test: &dyn Fn(&Node) -> bool| -> BTreeSet<String> { models.nodes.values().filter(|n| test(n)).map(|n| n.id.clone()).collect() };
    let mut found = match method {
        "tag" => of_nodes(&|n| n.config.tags.iter().any(|t| matches(value, t))),
        "path" | "file" => of_nodes(&|n| {
            let folder = value.trim_end_matches('/');
            n.path == folder
                || n.path.starts_with(&format!("{folder}/"))
                || (method == "file" && n.path.ends_with(&format!("/{value}")))
                || matches(value, &n.path)
        }),
        "resource_type" => of_nodes(&|n| n.kind.word() == value),
        "config.materialized" => of_nodes(&|n| n.kind == Kind::Model && n.config.materialized.word() == value),
        "test_type" => of_nodes(&|n| match (value, n.kind) {
            ("unit", Kind::UnitTest) | ("data", Kind::Test) => true,
            ("generic", Kind::Test) => n.test.as_ref().is_some_and(|t| t.name.is_some()),
            ("singular", Kind::Test) => n.test.as_ref().is_some_and(|t| t.name.is_none()),
            _ => false,
        }),
        "test_name" => of_nodes(&|n| n.test.as_ref().and_then(|t| t.name.as_ref()).is_some_and(|t| matches(value, t))),
        "source" => models
            .sources
            .values()
            .filter(|s| matches(value, &s.source) || matches(value, &format!("{}.{}", s.source, s.name)))
            .map(|s| s.id.clone())
            .collect(),
        "exposure" => models.exposures.iter().filter(|e| matches(value, &e.name)).map(|e| e.id.clone()).collect(),
        _ => of_nodes(&|n| {
            matches(value, &n.name)
                || matches(value, &n.fqn.join("."))
                || n.fqn[1..n.fqn.len() - 1].iter().any(|folder| matches(value, folder))
        }),
    };
    if found.is_empty() {
        let names: Vec<&str> = models.nodes.values().filter(|n| n.kind != Kind::Test).map(|n| n.name.as_str()).collect();
        let hint = match project::nearest(value, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`sluice models ls` lists what there is".into(),
        };
        return Err(wrong(format!("`{selector}` chooses nothing"), hint));
    }
    let base = found.clone();
    if around {
        // What stands behind, and everything that this needs.
        let behind = graph.reach(&base, usize::MAX, &graph.children);
        return Ok(graph.reach(&behind, usize::MAX, &graph.parents));
    }
    if let Some(steps) = before {
        found.extend(graph.reach(&base, steps, &graph.parents));
    }
    if let Some(steps) = after {
        found.extend(graph.reach(&base, steps, &graph.children));
    }
    found.retain(|id| graph.all.contains(id));
    Ok(found)
}

fn steps(count: &str) -> usize {
    count.parse().unwrap_or(usize::MAX)
}

/// Whether a name is what a pattern says; `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            rest.is_empty() || (0..=tail.len()).filter(|i| tail.is_char_boundary(*i)).any(|i| matches(rest, &tail[i..]))
        }),
    }
}

#[cfg(test)]
mod tests;
