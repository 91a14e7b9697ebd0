//! A test: a query whose rows are failures, counted and held against its thresholds.

use super::compile::Compiler;
use super::{Done, Status};
use crate::config::{Severity, Threshold};
use crate::engine::Write;
use crate::spec::Node;
use domain::{Error, Result};

/// How many failing rows a message shows.
const SHOWN: usize = 3;

pub(super) fn check(compiler: &Compiler<'_>, node: &Node, store_failures: bool) -> Result<Done> {
    let engine = compiler.engine()?;
    let sql = compiler.sql(node)?;
    let limit = node.config.limit.map(|n| format!(" limit {n}")).unwrap_or_default();
    let failing = format!("select * from (\n{sql}\n) as failing_rows{limit}");
    let from = match node.config.store_failures || store_failures {
        true => {
            engine.write(&node.relation, &failing, &Write::Replace)?;
            format!("select * from {}", node.relation)
        }
        false => failing,
    };
    let counted = engine.query(&format!("select {} as failures from (\n{from}\n) as failing_rows", node.config.fail_calc))?;
    let count = counted.rows.first().and_then(|row| row.first()).cloned().flatten().unwrap_or_else(|| "0".into());
    // `fail_calc` may be any expression; a sum may answer as a decimal.
    let count: i64 = count.parse::<i64>().or_else(|_| count.parse::<f64>().map(|f| f as i64)).map_err(|_| {
        Error::stop(format!("{}: `fail_calc` gives `{count}`, which is no number", node.place), "let it count rows, or sum a column")
    })?;
    let holds = |condition: &str| Threshold::parse(condition).is_some_and(|t| t.holds(count));
    let status = match node.config.severity {
        Severity::Error if holds(&node.config.error_if) => Status::Fail,
        _ if holds(&node.config.warn_if) => Status::Warn,
        _ => Status::Pass,
    };
    let message = match status {
        Status::Pass => None,
        _ => {
            let condition = if status == Status::Fail { &node.config.error_if } else { &node.config.warn_if };
            let sample = engine.query(&format!("select * from (\n{from}\n) as failing_rows limit {SHOWN}"))?;
            let rows: Vec<String> = sample.rows.iter().map(|row| shown(&sample.columns, row)).collect();
            let kept = if node.config.store_failures || store_failures { format!("; all in {}", node.relation) } else { String::new() };
            Some(format!("got {count} failing rows, {} if {condition}: {}{kept}", status.word(), rows.join(" | ")))
        }
    };
    Ok(Done { status, message, failures: Some(count), rows: None, compiled: Some(sql) })
}

fn shown(columns: &[String], row: &[Option<String>]) -> String {
    columns.iter().zip(row).map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("null"))).collect::<Vec<_>>().join(", ")
}
