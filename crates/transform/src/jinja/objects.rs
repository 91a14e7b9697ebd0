//! The objects that a template sees: a relation, `config`, `adapter`, `exceptions`.

use super::scope::Captured;
use crate::engine::{Engine, Relation};
use crate::json;
use minijinja::value::{Kwargs, Object, ObjectRepr, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// A table or view, which prints as SQL writes it.
#[derive(Debug)]
pub(super) struct RelationObject {
    pub(super) relation: Relation,
    /// In place of the relation: the name of a common table expression.
    pub(super) instead: Option<String>,
}

impl Object for RelationObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "schema" => Some(Value::from(self.relation.schema.as_str())),
            "name" | "identifier" | "table" => Some(Value::from(self.relation.name.as_str())),
            "database" => Some(Value::from("sluice")),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instead {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.relation),
        }
    }
}

/// `config(...)` and `config.get(...)`.
#[derive(Debug)]
pub(super) struct ConfigObject {
    pub(super) captured: Arc<Mutex<Captured>>,
    /// What is in force, once that is known.
    pub(super) resolved: Option<Map<String, Json>>,
}

impl Object for ConfigObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (given, kwargs): (Option<Value>, Kwargs) = from_args(args)?;
        let mut captured = self.captured.lock().map_err(|_| wrong("a rendering failed before"))?;
        for key in kwargs.args() {
            let value: Value = kwargs.peek(key)?;
            captured.config.push((key.to_owned(), json::from_jinja(&value)));
        }
        kwargs.assert_all_used().or_else(|_| Ok::<_, Error>(()))?;
        if let Some(Json::Object(map)) = given.map(|g| json::from_jinja(&g)) {
            captured.config.extend(map);
        }
        Ok(Value::from(""))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let find = |key: &str| -> Result<Option<Value>, Error> {
            if let Some(resolved) = &self.resolved {
                return Ok(resolved.get(key).map(json::to_jinja));
            }
            let captured = self.captured.lock().map_err(|_| wrong("a rendering failed before"))?;
            Ok(captured.config.iter().rev().find(|(k, _)| k == key).map(|(_, v)| json::to_jinja(v)))
        };
        match method {
            "get" => {
                let (key, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
                let default = default.or(kwargs.get::<Option<Value>>("default")?).unwrap_or_else(|| Value::from(()));
                kwargs.assert_all_used()?;
                Ok(find(key)?.unwrap_or(default))
            }
            "require" => {
                let (key,): (&str,) = from_args(args)?;
                find(key)?.ok_or_else(|| wrong(format!("configuration `{key}` must be given")))
            }
            other => Err(wrong(format!("`config.{other}` is not supported"))),
        }
    }
}

/// `adapter`, as far as a model needs it.
pub(super) struct Adapter {
    /// None while references are only gathered.
    pub(super) engine: Option<Arc<dyn Engine>>,
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("adapter")
    }
}

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "get_columns_in_relation" => {
                let (relation,): (Value,) = from_args(args)?;
                let Some(of) = relation.downcast_object_ref::<RelationObject>() else {
                    return Err(wrong("`get_columns_in_relation` needs what `ref`, `source` or `this` gives"));
                };
                let Some(engine) = &self.engine else { return Ok(Value::from(Vec::<Value>::new())) };
                let columns =
                    engine.columns(&of.relation).map_err(|e| wrong(format!("cannot read the columns of {}: {e}", of.relation)))?;
                let column = |c: crate::engine::Column| {
                    Value::from(BTreeMap::from([
                        ("name", c.name.clone()),
                        ("column", c.name.clone()),
                        ("quoted", format!("\"{}\"", c.name)),
                        ("data_type", c.data_type),
                    ]))
                };
                Ok(columns.into_iter().map(column).collect())
            }
            "quote" => {
                let (name,): (&str,) = from_args(args)?;
                Ok(Value::from(format!("\"{name}\"")))
            }
            other => Err(wrong(format!("`adapter.{other}` is not supported"))),
        }
    }
}

/// `exceptions`, with which a macro refuses what it is given.
#[derive(Debug)]
pub(super) struct Exceptions;

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "raise_compiler_error" => {
                let (message,): (String,) = from_args(args)?;
                Err(wrong(message))
            }
            "warn" => Ok(Value::from("")),
            other => Err(wrong(format!("`exceptions.{other}` is not supported"))),
        }
    }
}
