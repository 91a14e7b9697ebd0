//! A snapshot: every version that a row has had, each with the time from which and until which it held (a slowly changing dimension of type 2).
//!
//! The rows that change are computed by one query (versions that end, versions that begin) and merged in one commit, so the cost is that of the
//! source and of the versions that still hold, whatever the history.

use super::Done;
use super::compile::Compiler;
use crate::config::{HardDeletes, Strategy};
use crate::engine::{Column, Engine, Standing, Write};
use crate::spec::Node;
use domain::{Error, Result};

/// The columns that a snapshot adds; `dbt_is_deleted` where deletions are rows of their own.
const ADDED: [&str; 5] = ["dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted"];

pub(super) fn build(compiler: &Compiler<'_>, node: &Node) -> Result<Done> {
    let engine = compiler.engine()?.as_ref();
    let sql = compiler.sql(node)?;
    let Some(strategy) = &node.config.snapshot else { return Err(Error::bug("a snapshot without a strategy")) };
    let source = engine.describe(&sql)?;
    for name in named(node, strategy) {
        if !source.iter().any(|c| c.name.eq_ignore_ascii_case(name)) {
            let hint = project::nearest(name, source.iter().map(|c| c.name.as_str()));
            return Err(Error::stop(
                format!("{}: its query has no column `{name}`", node.place),
                hint.map_or_else(|| "name a column of the query".into(), |near| format!("did you mean `{near}`?")),
            ));
        }
    }
    unique(engine, node, &sql)?;
    let parts = Parts::new(node, strategy, compiler.started_at());
    if engine.standing(&node.relation)? != Some(Standing::Table) {
        let rows = engine.write(&node.relation, &parts.first(&sql), &Write::Replace)?;
        return Ok(Done::success(sql, Some(rows)));
    }
    let mut there: Vec<Column> = engine.columns(&node.relation)?.into_iter().filter(|c| !ADDED.contains(&c.name.as_str())).collect();
    let new: Vec<Column> = source.iter().filter(|c| !there.iter().any(|t| t.name.eq_ignore_ascii_case(&c.name))).cloned().collect();
    if !new.is_empty() {
        engine.add_columns(&node.relation, &new)?;
        there.extend(new);
    }
    let changes = parts.changes(node, &sql, &there, &source);
    let rows = engine.write(&node.relation, &changes, &Write::Merge { keys: vec!["dbt_scd_id".into()] })?;
    Ok(Done::success(sql, Some(rows)))
}

/// Every column that the configuration names.
fn named<'a>(node: &'a Node, strategy: &'a Strategy) -> Vec<&'a str> {
    let mut names: Vec<&str> = node.config.unique_key.iter().map(String::as_str).collect();
    match strategy {
        Strategy::Timestamp { updated_at } => names.push(updated_at),
        Strategy::Check { columns, updated_at } => {
            names.extend(columns.iter().flatten().map(String::as_str));
            names.extend(updated_at.as_deref());
        }
    }
    names
}

fn unique(engine: &dyn Engine, node: &Node, sql: &str) -> Result<()> {
    let keys = node.config.unique_key.join(", ");
    let query = format!("select {keys} from (\n{sql}\n) as source_rows group by {keys} having count(*) > 1 limit 1");
    match engine.query(&query)?.rows.first() {
        None => Ok(()),
        Some(row) => {
            let key: Vec<&str> = row.iter().map(|v| v.as_deref().unwrap_or("null")).collect();
            Err(Error::stop(
                format!("{}: `unique_key` ({keys}) stands more than once in its query, for example {}", node.place, key.join(", ")),
                "remove duplicates in the query, or name what makes a row one of its kind",
            ))
        }
    }
}

/// The pieces of SQL that the strategy decides.
struct Parts {
    keys: Vec<String>,
    /// When a version of the source's row `s` began.
    updated: String,
    /// The moment of the run.
    now: String,
    /// Whether the row `s` is another version than the one `o` that holds; null keys apart.
    changed: Box<dyn Fn(&[Column]) -> String>,
    deletes: HardDeletes,
}

impl Parts {
    fn new(node: &Node, strategy: &Strategy, started_at: &str) -> Self {
        let now = format!("cast('{}' as timestamp)", started_at.trim_end_matches('Z').replace('T', " "));
        let (updated, changed): (String, Box<dyn Fn(&[Column]) -> String>) = match strategy.clone() {
            Strategy::Timestamp { updated_at } => {
                let updated = format!("s.{updated_at}");
                let by = updated.clone();
                (updated, Box::new(move |_| format!("o.dbt_valid_from < {by}")))
            }
            Strategy::Check { columns, updated_at } => {
                let updated = updated_at.map_or_else(|| now.clone(), |column| format!("s.{column}"));
                let changed = move |source: &[Column]| {
                    let all: Vec<String> = columns.clone().unwrap_or_else(|| source.iter().map(|c| c.name.clone()).collect());
                    let each: Vec<String> = all.iter().map(|c| format!("(s.{c} is distinct from o.{c})")).collect();
                    format!("({})", each.join(" or "))
                };
                (updated, Box::new(changed))
            }
        };
        Self { keys: node.config.unique_key.clone(), updated, now, changed, deletes: node.config.hard_deletes }
    }

    /// The id of a version that began at a time.
    fn id(&self, of: &str, at: &str) -> String {
        let parts: Vec<String> = self.keys.iter().map(|k| format!("coalesce(cast({of}.{k} as text), '')")).collect();
        format!("md5({} || '|' || coalesce(cast({at} as text), ''))", parts.join(" || '|' || "))
    }

    fn deleted(&self, value: &str) -> String {
        if self.deletes == HardDeletes::NewRecord { format!(", '{value}' as dbt_is_deleted") } else { String::new() }
    }

    fn first(&self, sql: &str) -> String {
        let (id, updated, deleted) = (self.id("s", &self.updated), &self.updated, self.deleted("False"));
        format!(
            "select s.*, {id} as dbt_scd_id, {updated} as dbt_updated_at, {updated} as dbt_valid_from, \
             nullif({updated}, {updated}) as dbt_valid_to{deleted}\nfrom (\n{sql}\n) as s"
        )
    }

    /// Versions that end, as they end, and versions that begin.
    fn changes(&self, node: &Node, sql: &str, there: &[Column], source: &[Column]) -> String {
        let has = |c: &Column| source.iter().any(|s| s.name.eq_ignore_ascii_case(&c.name));
        let of = |of: &str, c: &Column| match of != "s" || has(c) {
            true => format!("{of}.\"{}\"", c.name),
            false => format!("cast(null as {}) as \"{}\"", c.data_type, c.name),
        };
        let list = |alias: &str| there.iter().map(|c| of(alias, c)).collect::<Vec<_>>().join(", ");
        let on = self.keys.iter().map(|k| format!("s.{k} = o.{k}")).collect::<Vec<_>>().join(" and ");
        let (key, updated, now) = (&self.keys[0], &self.updated, &self.now);
        let mut changed = (self.changed)(source);
        if self.deletes == HardDeletes::NewRecord {
            changed = format!("({changed} or o.dbt_is_deleted = 'True')");
        }
        let is_deleted = if self.deletes == HardDeletes::NewRecord { ", o.dbt_is_deleted" } else { "" };
        let (old, new) = (list("o"), list("s"));
        let mut parts = vec![
            format!(
                "select {new}, {} as dbt_scd_id, {updated} as dbt_updated_at, {updated} as dbt_valid_from, \
                 nullif({updated}, {updated}) as dbt_valid_to{}\nfrom source_rows as s left join holding as o on {on}\n\
                 where o.{key} is null or {changed}",
                self.id("s", updated),
                self.deleted("False"),
            ),
            format!(
                "select {old}, o.dbt_scd_id, o.dbt_updated_at, o.dbt_valid_from, {updated} as dbt_valid_to{is_deleted}\n\
                 from holding as o join source_rows as s on {on}\nwhere {changed}"
            ),
        ];
        if self.deletes != HardDeletes::Ignore {
            let alive = if self.deletes == HardDeletes::NewRecord { " and o.dbt_is_deleted = 'False'" } else { "" };
            parts.push(format!(
                "select {old}, o.dbt_scd_id, o.dbt_updated_at, o.dbt_valid_from, {now} as dbt_valid_to{is_deleted}\n\
                 from holding as o left join source_rows as s on {on}\nwhere s.{key} is null{alive}"
            ));
        }
        if self.deletes == HardDeletes::NewRecord {
            parts.push(format!(
                "select {old}, {} as dbt_scd_id, {now} as dbt_updated_at, {now} as dbt_valid_from, \
                 nullif({now}, {now}) as dbt_valid_to, 'True' as dbt_is_deleted\n\
                 from holding as o left join source_rows as s on {on}\nwhere s.{key} is null and o.dbt_is_deleted = 'False'",
                self.id("o", now),
            ));
        }
        format!(
            "with source_rows as (\n{sql}\n), holding as (\nselect * from {} where dbt_valid_to is null\n)\n{}",
            node.relation,
            parts.join("\nunion all\n")
        )
    }
}
