//! One rendering: what `ref`, `source`, `config`, `this` and the rest mean for one node at one moment.

use super::macros::Macros;
use super::objects::{Adapter, ConfigObject, Exceptions, RelationObject};
use crate::engine::{Engine, Relation};
use crate::json;
use crate::spec::{Input, Relations, Target};
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, Value};
use project::Diagnostic;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What a rendering asked for.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) refs: Vec<String>,
    pub(crate) sources: Vec<(String, String)>,
    pub(crate) config: Vec<(String, Json)>,
}

/// Why a node is rendered.
#[derive(Clone)]
pub(crate) enum Stage {
    /// To learn what it refers to and how it is configured. `execute` is false, as in dbt.
    Parse,
    /// To SQL.
    Compile {
        relations: Arc<Relations>,
        /// Names that become common table expressions.
        ephemeral: Arc<BTreeSet<String>>,
        /// What unit tests put in place of inputs, by the expression's name.
        instead: Arc<Vec<(Input, String)>>,
        engine: Option<Arc<dyn Engine>>,
        is_incremental: bool,
        full_refresh: bool,
    },
}

/// Everything that a template can see.
pub(crate) struct Scope<'a> {
    pub(crate) macros: &'a Macros,
    pub(crate) vars: &'a BTreeMap<String, Json>,
    pub(crate) target: &'a Target,
    /// Of the node: `model` in jinja.
    pub(crate) model: Map<String, Json>,
    pub(crate) this: Relation,
    /// In force, once that is known.
    pub(crate) config: Option<Map<String, Json>>,
    /// RFC 3339.
    pub(crate) run_started_at: &'a str,
    pub(crate) invocation_id: &'a str,
    pub(crate) stage: Stage,
}

/// What dbt has and we do not, each with what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("run_query", "queries while rendering are not supported; join in the model instead"),
    ("statement", "queries while rendering are not supported; join in the model instead"),
    ("load_result", "queries while rendering are not supported; join in the model instead"),
    ("return", "a macro gives what it prints"),
    ("metric", "metrics are not supported"),
    ("doc", "write the description out"),
    ("fromyaml", "write the value as jinja"),
    ("set", "a list without repetition is not supported; write it out"),
];

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl Scope<'_> {
    /// Renders a template of a file.
    ///
    /// # Errors
    /// The first mistake, where it stands.
    pub(crate) fn render(&self, path: &str, source: &str) -> Result<String, Diagnostic> {
        self.render_captured(path, source).0
    }

    /// The same, with what the template asked for up to its end or its first mistake.
    pub(crate) fn render_captured(&self, path: &str, source: &str) -> (Result<String, Diagnostic>, Captured) {
        let captured = Arc::new(Mutex::new(Captured::default()));
        let environment = self.environment(&captured);
        let (template, prelude) = self.macros.with_prelude(source);
        let sql = match ["{{", "{%", "{#"].iter().any(|tag| source.contains(tag)) {
            false => Ok(source.to_owned()),
            true => environment.render_named_str(path, &template, ()),
        };
        let sql = sql.map_err(|e| {
            let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
            let known: Vec<&str> = globals.into_iter().chain(self.macros.list.iter().map(|m| m.name.as_str())).collect();
            self.macros.mistake(&e, path, source, prelude, &known)
        });
        drop(environment);
        let captured = std::mem::take(&mut *captured.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        (sql, captured)
    }

    fn environment(&self, captured: &Arc<Mutex<Captured>>) -> Environment<'static> {
        let mut env = self.macros.environment();
        self.add_references(&mut env, captured);
        let execute = matches!(self.stage, Stage::Compile { .. });
        let (is_incremental, full_refresh, engine) = match &self.stage {
            Stage::Parse => (false, false, None),
            Stage::Compile { is_incremental, full_refresh, engine, .. } => (*is_incremental, *full_refresh, engine.clone()),
        };
        env.add_function("is_incremental", move || is_incremental);
        env.add_global("execute", execute);
        env.add_global("config", Value::from_object(ConfigObject { captured: Arc::clone(captured), resolved: self.config.clone() }));
        env.add_global("adapter", Value::from_object(Adapter { engine }));
        env.add_global("exceptions", Value::from_object(Exceptions));
        env.add_global("model", json::to_jinja(&Json::Object(self.model.clone())));
        env.add_global("invocation_id", self.invocation_id);
        env.add_global("run_started_at", self.run_started_at);
        env.add_global("flags", json::to_jinja(&serde_json::json!({ "FULL_REFRESH": full_refresh })));
        env.add_global("project_name", self.model.get("package_name").map_or_else(|| Value::from(""), json::to_jinja));
        env.add_global(
            "target",
            json::to_jinja(&serde_json::json!({
                "name": self.target.name, "schema": self.target.schema, "threads": self.target.threads,
                "type": "sluice", "database": "sluice", "profile_name": "sluice",
            })),
        );
        self.add_variables(&mut env);
        for name in ["log", "print"] {
            env.add_function(name, |_: Rest<Value>, _: Kwargs| "");
        }
        env.add_function("tojson", |value: &Value| json::from_jinja(value).to_string());
        env.add_function("fromjson", |text: &str| {
            serde_json::from_str::<Json>(text).map(|j| json::to_jinja(&j)).map_err(|e| wrong(format!("not JSON: {e}")))
        });
        for (name, instead) in UNSUPPORTED {
            env.add_function(*name, move |_: Rest<Value>, _: Kwargs| -> Result<Value, Error> {
                Err(wrong(format!("`{name}` is not supported: {instead}")))
            });
        }
        env
    }

    fn add_variables(&self, env: &mut Environment<'static>) {
        let vars: Arc<BTreeMap<String, Json>> = Arc::new(self.vars.clone());
        env.add_function("var", move |name: &str, default: Option<Value>| {
            vars.get(name).map(json::to_jinja).or(default).ok_or_else(|| {
                let near = project::nearest(name, vars.keys().map(String::as_str)).map(|n| format!("; did you mean `{n}`?"));
                wrong(format!("there is no variable `{name}`{}", near.unwrap_or_else(|| "; add it to `vars:` in dbt_project.yml".into())))
            })
        });
        env.add_function("env_var", |name: &str, default: Option<Value>| {
            std::env::var(name).ok().map(Value::from).or(default).ok_or_else(|| wrong(format!("`{name}` is not set in the environment")))
        });
    }

    fn add_references(&self, env: &mut Environment<'static>, captured: &Arc<Mutex<Captured>>) {
        let relation = |relation: Relation, instead: Option<String>| Value::from_object(RelationObject { relation, instead });
        let instead_of = |stage: &Stage, input: &Input| match stage {
            Stage::Compile { instead, .. } => instead.iter().find(|(i, _)| i == input).map(|(_, name)| name.clone()),
            Stage::Parse => None,
        };
        env.add_global("this", relation(self.this.clone(), instead_of(&self.stage, &Input::This)));

        let (stage, seen) = (self.stage.clone(), Arc::clone(captured));
        env.add_function("ref", move |args: Rest<Value>, kwargs: Kwargs| -> Result<Value, Error> {
            if kwargs.args().next().is_some() {
                return Err(wrong("versions of models are not supported: `ref` takes a name"));
            }
            let name = match &args[..] {
                [name] | [_, name] => name.as_str().map(str::to_owned),
                _ => None,
            };
            let name = name.ok_or_else(|| wrong("`ref` takes the name of a model, seed or snapshot"))?;
            seen.lock().map_err(|_| wrong("a rendering failed before"))?.refs.push(name.clone());
            match &stage {
                Stage::Parse => Ok(relation(Relation::new("parse", name), None)),
                Stage::Compile { relations, ephemeral, .. } => {
                    let Some((_, found)) = relations.nodes.get(&name) else {
                        let near = project::nearest(&name, relations.nodes.keys().map(String::as_str));
                        return Err(wrong(format!(
                            "there is no model, seed or snapshot `{name}`{}",
                            near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
                        )));
                    };
                    let instead = instead_of(&stage, &Input::Ref(name.clone()))
                        .or_else(|| ephemeral.contains(&name).then(|| format!("__dbt__cte__{name}")));
                    Ok(relation(found.clone(), instead))
                }
            }
        });

        let (stage, seen) = (self.stage.clone(), Arc::clone(captured));
        env.add_function("source", move |source: &str, table: &str| -> Result<Value, Error> {
            let key = (source.to_owned(), table.to_owned());
            seen.lock().map_err(|_| wrong("a rendering failed before"))?.sources.push(key.clone());
            match &stage {
                Stage::Parse => Ok(relation(Relation::new(source, table), None)),
                Stage::Compile { relations, .. } => {
                    let Some((_, found)) = relations.sources.get(&key) else {
                        return Err(wrong(format!("there is no source `{source}.{table}`")));
                    };
                    Ok(relation(found.clone(), instead_of(&stage, &Input::Source(key.0, key.1))))
                }
            }
        });
    }
}
