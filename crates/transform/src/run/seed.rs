//! A seed: a small CSV file that becomes a table, its types given or told from its values.

use super::Done;
use super::compile::Compiler;
use crate::engine::Write;
use crate::spec::Node;
use domain::{Error, Result};

/// More is no seed but data, which is imported.
const MOST_ROWS: usize = 10_000;

pub(super) fn build(compiler: &Compiler<'_>, node: &Node) -> Result<Done> {
    let sql = query(node)?;
    let rows = compiler.engine()?.write(&node.relation, &sql, &Write::Replace)?;
    Ok(Done { compiled: None, ..Done::success(String::new(), Some(rows)) })
}

/// The rows of a file as a query.
pub(super) fn query(node: &Node) -> Result<String> {
    let wrong = |message: String, hint: &str| Error::stop(format!("{}: {message}", node.path), hint);
    let mut reader = csv::ReaderBuilder::new().delimiter(node.config.delimiter).from_reader(node.raw.as_bytes());
    let headers: Vec<String> = reader
        .headers()
        .map_err(|e| wrong(format!("not CSV: {e}"), "write the columns' names in the first line"))?
        .iter()
        .map(|h| h.trim().to_owned())
        .collect();
    if let Some(name) = node.config.column_types.keys().find(|name| !headers.contains(name)) {
        return Err(wrong(format!("`column_types` names `{name}`, which is no column"), "columns are named in the file's first line"));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(format!("not CSV: {e}"), "each line has as many values as the first"))?;
        rows.push(record.iter().map(|v| (!v.is_empty()).then(|| v.to_owned())).collect::<Vec<_>>());
        if rows.len() > MOST_ROWS {
            return Err(wrong(format!("has more than {MOST_ROWS} rows"), "import it into a stream instead"));
        }
    }
    let types: Vec<String> = headers
        .iter()
        .enumerate()
        .map(|(i, name)| node.config.column_types.get(name).cloned().unwrap_or_else(|| told(rows.iter().filter_map(|r| r[i].as_deref()))))
        .collect();
    let columns: Vec<String> =
        headers.iter().zip(&types).enumerate().map(|(i, (name, of))| format!("cast(column{} as {of}) as \"{name}\"", i + 1)).collect();
    if rows.is_empty() {
        let empty: Vec<String> = headers.iter().zip(&types).map(|(name, of)| format!("cast(null as {of}) as \"{name}\"")).collect();
        return Ok(format!("select {} where false", empty.join(", ")));
    }
    let values: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<String> =
                row.iter().map(|v| v.as_ref().map_or("null".into(), |v| format!("'{}'", v.replace('\'', "''")))).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    Ok(format!("select {}\nfrom (values {}) as seed", columns.join(", "), values.join(",\n")))
}

/// The narrowest type that all values have.
fn told<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<&str> = values.collect();
    let all = |test: &dyn Fn(&str) -> bool| !values.is_empty() && values.iter().all(|v| test(v));
    // A number with a leading zero is a code.
    let plain = |v: &str| !(v.trim_start_matches('-').len() > 1 && v.trim_start_matches('-').starts_with('0') && !v.contains('.'));
    if all(&|v| v.eq_ignore_ascii_case("true") || v.eq_ignore_ascii_case("false")) {
        "boolean"
    } else if all(&|v| v.parse::<i64>().is_ok() && plain(v)) {
        "bigint"
    } else if all(&|v| v.parse::<f64>().is_ok_and(f64::is_finite) && plain(v) && !v.contains(['x', 'n', 'i'])) {
        "double precision"
    } else if all(&|v| v.len() == 10 && v.parse::<jiff::civil::Date>().is_ok()) {
        "date"
    } else if all(&|v| v.len() > 10 && v.parse::<jiff::civil::DateTime>().is_ok()) {
        "timestamp"
    } else {
        "text"
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
