//! A model becomes a view or a table: wholly, or only by what is new.

use super::compile::{Compiler, How};
use super::{Done, contract};
use crate::config::{Incremental, Materialized, OnSchemaChange};
use crate::engine::{Column, Engine, Standing, Write};
use crate::spec::Node;
use domain::{Error, Result};

pub(super) fn build(compiler: &Compiler<'_>, node: &Node, full_refresh: bool) -> Result<Done> {
    let engine = compiler.engine()?;
    let full_refresh = node.config.full_refresh.unwrap_or(full_refresh);
    let there = match node.config.materialized {
        Materialized::Incremental => engine.standing(&node.relation)? == Some(Standing::Table),
        _ => false,
    };
    let is_incremental = there && !full_refresh;
    let sql = compiler.compile(node, &How { is_incremental, ..How::default() })?;
    if node.config.contract {
        contract::check(engine.as_ref(), node, &sql)?;
    }
    match node.config.materialized {
        Materialized::View => {
            engine.create_view(&node.relation, &sql)?;
            Ok(Done::success(sql, None))
        }
        Materialized::Incremental if is_incremental => {
            let rows = add(engine.as_ref(), node, &sql)?;
            Ok(Done::success(sql, Some(rows)))
        }
        Materialized::Table | Materialized::Incremental => {
            let rows = engine.write(&node.relation, &sql, &Write::Replace)?;
            Ok(Done::success(sql, Some(rows)))
        }
        Materialized::Ephemeral => Ok(Done::success(sql, None)),
    }
}

fn add(engine: &dyn Engine, node: &Node, sql: &str) -> Result<u64> {
    let mut there = engine.columns(&node.relation)?;
    let new = engine.describe(sql)?;
    let missing = |of: &[Column], from: &[Column]| -> Vec<Column> {
        of.iter().filter(|c| !from.iter().any(|f| f.name.eq_ignore_ascii_case(&c.name))).cloned().collect()
    };
    let (added, gone) = (missing(&new, &there), missing(&there, &new));
    let names = |columns: &[Column]| columns.iter().map(|c| format!("`{}`", c.name)).collect::<Vec<_>>().join(", ");
    match node.config.on_schema_change {
        OnSchemaChange::Fail if !added.is_empty() || !gone.is_empty() => {
            return Err(Error::stop(
                format!("the columns of {} changed: new {}; gone {}", node.name, names(&added), names(&gone)),
                "build it once with --full-refresh, or set `on_schema_change='append_new_columns'`",
            ));
        }
        OnSchemaChange::AppendNewColumns if !added.is_empty() => {
            engine.add_columns(&node.relation, &added)?;
            there.extend(added);
        }
        _ => {}
    }
    // In the table's order, with null where the query has no such column any more.
    let list: Vec<String> = there
        .iter()
        .map(|c| match new.iter().any(|n| n.name.eq_ignore_ascii_case(&c.name)) {
            true => format!("\"{}\"", c.name),
            false => format!("cast(null as {}) as \"{}\"", c.data_type, c.name),
        })
        .collect();
    let rows = format!("select {} from (\n{sql}\n) as new_rows", list.join(", "));
    let keys = node.config.unique_key.clone();
    let write = match node.config.incremental {
        Incremental::Append => Write::Append,
        Incremental::Merge => Write::Merge { keys },
        Incremental::DeleteInsert => Write::DeleteInsert { keys },
    };
    engine.write(&node.relation, &rows, &write)
}
