//! From a node to the SQL that runs: jinja with everything known, ephemeral models as common table expressions before it.

use crate::config::Materialized;
use crate::engine::Engine;
use crate::jinja::{Scope, Stage};
use crate::spec::{Input, Kind, Models, Node};
use domain::{Error, Result};
use project::Diagnostic;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Compiles the nodes of one run.
pub struct Compiler<'a> {
    pub(crate) models: &'a Models,
    pub(crate) engine: Option<Arc<dyn Engine>>,
    pub(crate) full_refresh: bool,
    started_at: String,
    invocation_id: String,
    ephemeral: Arc<BTreeSet<String>>,
}

/// How one compilation differs from a plain one.
#[derive(Clone, Debug, Default)]
pub(super) struct How {
    pub(super) is_incremental: bool,
    /// What stands in for inputs: a name and the query behind it.
    pub(super) instead: Vec<(Input, String, String)>,
    pub(super) vars: BTreeMap<String, Json>,
}

impl<'a> Compiler<'a> {
    /// Without an engine, macros see no columns of tables.
    pub fn new(models: &'a Models, engine: Option<Arc<dyn Engine>>, full_refresh: bool, started_at: &str, invocation_id: &str) -> Self {
        let ephemeral = models.nodes.values().filter(|n| is_ephemeral(n)).map(|n| n.name.clone()).collect();
        Self {
            models,
            engine,
            full_refresh,
            started_at: started_at.to_owned(),
            invocation_id: invocation_id.to_owned(),
            ephemeral: Arc::new(ephemeral),
        }
    }

    pub(super) fn engine(&self) -> Result<&Arc<dyn Engine>> {
        self.engine.as_ref().ok_or_else(|| Error::bug("nothing runs SQL here"))
    }

    /// The SQL of a node as it would run on a table that is not there yet.
    ///
    /// # Errors
    /// Stop, with the place of the mistake.
    pub fn sql(&self, node: &Node) -> Result<String> {
        self.compile(node, &How::default())
    }

    pub(super) fn started_at(&self) -> &str {
        &self.started_at
    }

    pub(super) fn compile(&self, node: &Node, how: &How) -> Result<String> {
        let mut before: Vec<(String, String)> = how.instead.iter().map(|(_, name, sql)| (name.clone(), sql.clone())).collect();
        let sql = self.part(node, how, &mut before)?;
        Ok(with(&before, &sql))
    }

    /// One template, and in `before` the common table expressions that it needs, each after those it needs itself.
    fn part(&self, node: &Node, how: &How, before: &mut Vec<(String, String)>) -> Result<String> {
        let mut vars = self.models.vars.clone();
        vars.extend(how.vars.clone());
        let instead = how.instead.iter().map(|(input, name, _)| (input.clone(), name.clone())).collect();
        let scope = Scope {
            macros: &self.models.macros,
            vars: &vars,
            target: &self.models.target,
            model: model_of(node, &self.models.name),
            this: node.relation.clone(),
            config: Some(config_of(node)),
            run_started_at: &self.started_at,
            invocation_id: &self.invocation_id,
            stage: Stage::Compile {
                relations: Arc::clone(&self.models.relations),
                ephemeral: Arc::clone(&self.ephemeral),
                instead: Arc::new(instead),
                engine: self.engine.clone(),
                is_incremental: how.is_incremental,
                full_refresh: self.full_refresh,
            },
        };
        let (sql, captured) = scope.render_captured(&node.path, &node.raw);
        let sql = sql.map_err(|mistake| stop(&mistake))?;
        for name in &captured.refs {
            if !node.refs.contains(name) {
                let message = format!("{}: `{name}` is referred to only while running, so it may not be built yet", node.path);
                return Err(Error::stop(message, format!("add a line `-- depends_on: {{{{ ref('{name}') }}}}` to it")));
            }
            let input = Input::Ref(name.clone());
            if !self.ephemeral.contains(name) || how.instead.iter().any(|(i, ..)| *i == input) {
                continue;
            }
            let cte = format!("__dbt__cte__{name}");
            if before.iter().any(|(known, _)| *known == cte) {
                continue;
            }
            let inner = self.models.nodes.values().find(|n| n.kind == Kind::Model && n.name == *name);
            let inner = inner.ok_or_else(|| Error::bug(format!("the ephemeral model {name} is not there")))?;
            // What a unit test gives stands for the model's own inputs, wherever they are read.
            let sql = self.part(inner, how, before)?;
            before.push((cte, sql));
        }
        Ok(sql.trim().trim_end_matches(';').trim_end().to_owned())
    }
}

pub(super) fn is_ephemeral(node: &Node) -> bool {
    node.kind == Kind::Model && node.config.materialized == Materialized::Ephemeral
}

fn stop(mistake: &Diagnostic) -> Error {
    let hint = mistake.hint.clone().unwrap_or_else(|| "correct the file and build again".into());
    Error::stop(format!("{}: {}", mistake.place, mistake.message), hint)
}

fn config_of(node: &Node) -> Map<String, Json> {
    node.config.to_json(node.kind).as_object().cloned().unwrap_or_default()
}

fn model_of(node: &Node, package: &str) -> Map<String, Json> {
    let all = json!({
        "name": node.name, "alias": node.relation.name, "schema": node.relation.schema, "resource_type": node.kind.word(),
        "unique_id": node.id, "package_name": package, "fqn": node.fqn, "original_file_path": node.path, "config": config_of(node),
        "tags": node.config.tags, "description": node.description,
    });
    all.as_object().cloned().unwrap_or_default()
}

/// A query with common table expressions before it, joined with those that it begins with itself.
fn with(before: &[(String, String)], sql: &str) -> String {
    if before.is_empty() {
        return sql.to_owned();
    }
    let list = before.iter().map(|(name, sql)| format!("{name} as (\n{sql}\n)")).collect::<Vec<_>>().join(",\n");
    let start = after_comments(sql);
    let (comments, body) = sql.split_at(start);
    let word = |text: &str, word: &str| {
        text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word)) && text[word.len()..].starts_with(char::is_whitespace)
    };
    if !word(body, "with") {
        return format!("{comments}with {list}\n{body}");
    }
    let rest = body["with".len()..].trim_start();
    match word(rest, "recursive") {
        true => format!("{comments}with recursive {list},\n{}", rest["recursive".len()..].trim_start()),
        false => format!("{comments}with {list},\n{rest}"),
    }
}

/// Where a query begins behind blanks and comments.
fn after_comments(sql: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &sql[at..];
        let blank = rest.len() - rest.trim_start().len();
        let rest = &rest[blank..];
        at += blank;
        if rest.starts_with("--") {
            at += rest.find('\n').map_or(rest.len(), |end| end + 1);
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else {
            return at;
        }
    }
}

#[cfg(test)]
mod tests;
