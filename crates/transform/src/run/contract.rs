//! A model's contract: the columns that its properties file promises, and nothing else, each of its type.

use super::data_type::same;
use crate::engine::{Column, Engine};
use crate::spec::Node;
use domain::{Error, Result};

/// Compares what a query would give with what is promised.
///
/// # Errors
/// Stop, naming every difference.
pub(super) fn check(engine: &dyn Engine, node: &Node, sql: &str) -> Result<()> {
    let found = engine.describe(sql)?;
    let mut wrong = Vec::new();
    for promised in &node.columns {
        match found.iter().find(|c| c.name.eq_ignore_ascii_case(&promised.name)) {
            None => wrong.push(format!("`{}` is promised and not there", promised.name)),
            Some(column) => match &promised.data_type {
                None => wrong.push(format!("`{}` has no `data_type` in the properties file; it is {}", promised.name, column.data_type)),
                Some(data_type) if !same(data_type, &column.data_type) => {
                    wrong.push(format!("`{}` is promised as {data_type} and is {}", promised.name, column.data_type));
                }
                Some(_) => {}
            },
        }
    }
    let promised = |c: &&Column| !node.columns.iter().any(|p| p.name.eq_ignore_ascii_case(&c.name));
    wrong.extend(found.iter().filter(promised).map(|c| format!("`{}` ({}) is there and not promised", c.name, c.data_type)));
    if !wrong.is_empty() {
        return Err(Error::stop(
            format!("{} breaks its contract: {}", node.name, wrong.join("; ")),
            "change the query, with casts where types differ, or `columns:` in the properties file",
        ));
    }
    for column in node.columns.iter().filter(|c| c.constraints.iter().any(|k| k == "not_null")) {
        let rows = engine.query(&format!("select count(*) as nulls from (\n{sql}\n) as rows_of_model where {} is null", column.name))?;
        let nulls = rows.rows.first().and_then(|r| r.first()).cloned().flatten().unwrap_or_default();
        if nulls != "0" {
            return Err(Error::stop(
                format!("{} breaks its contract: `{}` is null in {nulls} rows", node.name, column.name),
                "leave these rows out, or give them a value",
            ));
        }
    }
    Ok(())
}
