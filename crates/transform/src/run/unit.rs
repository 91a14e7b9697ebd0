//! A unit test: a model's query over rows written down, against the rows that it must give. Nothing is read but columns' types.

use super::compile::{Compiler, How};
use super::{Done, Status};
use crate::engine::{Column, Engine};
use crate::spec::{Given, Input, Node};
use domain::{Error, Result};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// How many differing rows a message shows.
const SHOWN: usize = 5;

type Row = Map<String, Json>;

pub(super) fn check(compiler: &Compiler<'_>, node: &Node) -> Result<Done> {
    let engine = compiler.engine()?.as_ref();
    let Some(unit) = &node.unit else { return Err(Error::bug("a unit test without rows")) };
    let model = compiler.models.nodes.values().find(|n| n.name == unit.model && n.test.is_none() && n.unit.is_none());
    let model = model.ok_or_else(|| Error::bug("a unit test without a model"))?;
    let mut instead = Vec::new();
    for given in &unit.given {
        let name = match &given.input {
            Input::Ref(name) => format!("__given__{name}"),
            Input::Source(source, table) => format!("__given__{source}__{table}"),
            Input::This => "__given__this".into(),
        };
        instead.push((given.input.clone(), name, fixture(compiler, engine, model, given)?));
    }
    let sql = compiler.compile(model, &How { is_incremental: unit.is_incremental, instead, vars: unit.vars.clone() })?;
    let gives = engine.describe(&sql)?;
    // The columns that are compared: those that the expected rows speak of.
    let mut names: Vec<&str> = unit.expect.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    if unit.expect.is_empty() {
        names.extend(gives.iter().map(|c| c.name.as_str()));
    }
    let mut columns: Vec<&Column> = Vec::new();
    for name in names {
        let Some(column) = gives.iter().find(|c| c.name.eq_ignore_ascii_case(name)) else {
            let near = project::nearest(name, gives.iter().map(|c| c.name.as_str()));
            return Err(Error::stop(
                format!("{}: `{}` gives no column `{name}`", node.place, unit.model),
                near.map_or_else(|| "expect only columns of the model".into(), |near| format!("did you mean `{near}`?")),
            ));
        };
        columns.push(column);
    }
    let list = columns.iter().map(|c| format!("\"{}\"", c.name)).collect::<Vec<_>>().join(", ");
    let actual = engine.query(&format!("select {list} from (\n{sql}\n) as actual"))?;
    let expected = engine.query(&rows_of(&columns.into_iter().cloned().collect::<Vec<_>>(), &unit.expect))?;
    let mut counts: BTreeMap<&Vec<Option<String>>, i64> = BTreeMap::new();
    actual.rows.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    expected.rows.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    counts.retain(|_, n| *n != 0);
    if counts.is_empty() {
        return Ok(Done { status: Status::Pass, message: None, failures: Some(0), rows: None, compiled: Some(sql) });
    }
    let shown: Vec<String> = counts
        .iter()
        .take(SHOWN)
        .map(|(row, n)| {
            let values: Vec<String> =
                actual.columns.iter().zip(*row).map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null"))).collect();
            format!("{} {}", if *n > 0 { "not expected:" } else { "missing:" }, values.join(", "))
        })
        .collect();
    let failures = counts.values().map(|n| n.abs()).sum();
    let message = Some(format!("{} of `{}` differ: {}", if failures == 1 { "1 row" } else { "rows" }, unit.model, shown.join(" | ")));
    Ok(Done { status: Status::Fail, message, failures: Some(failures), rows: None, compiled: Some(sql) })
}

/// The rows given for an input, with all columns that the input has where it stands already.
fn fixture(compiler: &Compiler<'_>, engine: &dyn Engine, model: &Node, given: &Given) -> Result<String> {
    let relations = &compiler.models.relations;
    let relation = match &given.input {
        Input::Ref(name) => relations.nodes.get(name).map(|(_, relation)| relation.clone()),
        Input::Source(source, table) => relations.sources.get(&(source.clone(), table.clone())).map(|(_, relation)| relation.clone()),
        Input::This => Some(model.relation.clone()),
    };
    let mut columns = Vec::new();
    if let Some(relation) = relation
        && engine.standing(&relation)?.is_some()
    {
        columns = engine.columns(&relation)?;
    }
    let known = columns.len();
    for name in given.rows.iter().flat_map(Map::keys) {
        if columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        if known > 0 {
            let near = project::nearest(name, columns.iter().map(|c| c.name.as_str()));
            return Err(Error::stop(
                format!("{}: what is given for {} has a column `{name}`, which it has not", model.place, crate::read::call(&given.input)),
                near.map_or_else(|| "give columns that are there".into(), |near| format!("did you mean `{near}`?")),
            ));
        }
        let value = given.rows.iter().filter_map(|row| row.get(name)).find(|v| !v.is_null());
        columns.push(Column { name: name.clone(), data_type: told(value).to_owned() });
    }
    if columns.is_empty() {
        return Err(Error::stop(
            format!(
                "{}: no rows are given for {} and it is not built yet, so its columns are not known",
                model.place,
                crate::read::call(&given.input)
            ),
            "build what the model reads first, or give one row with every column",
        ));
    }
    Ok(rows_of(&columns, &given.rows))
}

/// The type of a value where nothing else says it.
fn told(value: Option<&Json>) -> &'static str {
    match value {
        Some(Json::Bool(_)) => "boolean",
        Some(Json::Number(n)) if n.is_i64() => "bigint",
        Some(Json::Number(_)) => "double precision",
        _ => "text",
    }
}

/// A query that gives these rows.
fn rows_of(columns: &[Column], rows: &[Row]) -> String {
    let select = |row: Option<&Row>| {
        let values: Vec<String> = columns
            .iter()
            .map(|c| {
                let value = row.and_then(|r| r.iter().find(|(k, _)| k.eq_ignore_ascii_case(&c.name))).map(|(_, v)| v);
                format!("cast({} as {}) as \"{}\"", literal(value), c.data_type, c.name)
            })
            .collect();
        format!("select {}", values.join(", "))
    };
    match rows {
        [] => format!("{} where false", select(None)),
        rows => rows.iter().map(|row| select(Some(row))).collect::<Vec<_>>().join("\nunion all\n"),
    }
}

fn literal(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "null".into(),
        Some(Json::String(text)) => format!("'{}'", text.replace('\'', "''")),
        Some(other) => other.to_string(),
    }
}
