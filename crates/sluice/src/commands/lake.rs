//! `sluice lake`: the tables of the lake and their upkeep, beside a running instance or without one.

use super::{Outcome, Result, print_json, small_runtime};
use crate::cli::{LakeCommand, LakePlace, LakeTable, OutputFormat};
use crate::{landing, opened};
use comfy_table::{CellAlignment, Table, presets};
use domain::Error;
use lake::{Lake, TableName, upkeep};
use serde_json::json;

/// Opens the lake that a command speaks of.
///
/// # Errors
/// Stop: there is none.
pub fn open(place: &LakePlace) -> domain::Result<Lake> {
    let folder = match &place.lake {
        Some(folder) => folder.clone(),
        // Where the project names none, one was given on the command line of `up`, most likely this.
        None => landing::place(&opened::open(&place.project)?.project.settings.lake, &place.data.data)
            .unwrap_or_else(|| place.data.data.join("lake")),
    };
    if !folder.is_dir() {
        return Err(Error::stop(
            format!("there is no lake at {}", folder.display()),
            "write `lake: embedded` in sluice.yml or start with `sluice up --lake DIR`; or name the folder with --lake",
        ));
    }
    Lake::open(&folder)
}

pub fn run(command: &LakeCommand, output: OutputFormat) -> Result {
    let runtime = small_runtime()?;
    match command {
        LakeCommand::Status(place) => runtime.block_on(status(place, output)),
        LakeCommand::Describe(table) => runtime.block_on(describe(table, output)),
        LakeCommand::History(args) => {
            let (lake, name) = of(&args.table)?;
            let changes = runtime.block_on(upkeep::history(&lake, &name, args.limit))?;
            let mut table = plain(&["version", "at", "operation", "with"]);
            for change in &changes {
                let at = domain::time::format(change.at);
                if output == OutputFormat::Json {
                    print_json(
                        &json!({"version": change.version, "at": at, "operation": change.operation, "parameters": change.parameters}),
                    )?;
                }
                table.add_row([change.version.to_string(), at, change.operation.clone(), change.parameters.clone()]);
            }
            show(&table, output);
            Ok(Outcome::Fine)
        }
        LakeCommand::Optimize(args) => {
            let (lake, name) = of(&args.table)?;
            let made = runtime.block_on(async {
                let made = upkeep::optimize(&lake, &name, upkeep::LARGE_FILE, &args.order_by).await?;
                upkeep::checkpoint(&lake, &name).await.map(|()| made)
            })?;
            let told = json!({"table": name.to_string(), "files_removed": made.files_removed, "files_added": made.files_added});
            tell(output, &told, &format!("{name}: {} files became {}", made.files_removed, made.files_added))
        }
        LakeCommand::Vacuum(args) => {
            let (lake, name) = of(&args.table)?;
            let files = runtime.block_on(upkeep::vacuum(&lake, &name, true, args.dry_run))?;
            let word = if args.dry_run { "would be deleted" } else { "deleted" };
            let told = json!({"table": name.to_string(), "files": files, "dry_run": args.dry_run});
            tell(output, &told, &format!("{name}: {} files {word}", files.len()))
        }
        LakeCommand::Restore(args) => {
            let (lake, name) = of(&args.table)?;
            let version = runtime.block_on(upkeep::restore(&lake, &name, args.version))?;
            let told = json!({"table": name.to_string(), "restored": args.version, "version": version});
            tell(output, &told, &format!("{name}: version {} is the newest again, as version {version}", args.version))
        }
    }
}

fn of(table: &LakeTable) -> domain::Result<(Lake, TableName)> {
    let name = table.table.parse()?;
    Ok((open(&table.place)?, name))
}

async fn status(place: &LakePlace, output: OutputFormat) -> Result {
    let lake = open(place)?;
    let mut table = plain(&["table", "version", "rows", "files", "MB"]);
    for column in 1..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for name in lake.tables().await? {
        let found = upkeep::describe(&lake, &name).await?;
        if output == OutputFormat::Json {
            print_json(&json!({
                "table": name.to_string(), "version": found.version, "rows": found.rows, "files": found.files, "bytes": found.bytes,
            }))?;
        }
        let rows = found.rows.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let size = format!("{:.1}", found.bytes as f64 / 1e6);
        table.add_row([name.to_string(), found.version.to_string(), rows, found.files.to_string(), size]);
    }
    show(&table, output);
    Ok(Outcome::Fine)
}

async fn describe(args: &LakeTable, output: OutputFormat) -> Result {
    let (lake, name) = of(args)?;
    let found = upkeep::describe(&lake, &name).await?;
    if output == OutputFormat::Json {
        let columns: Vec<_> = found.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        print_json(&json!({
            "table": name.to_string(), "version": found.version, "rows": found.rows, "files": found.files, "bytes": found.bytes,
            "columns": columns, "partitioned_by": found.partitioned_by,
            "properties": found.properties.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        }))?;
        return Ok(Outcome::Fine);
    }
    let rows = found.rows.map_or_else(|| "?".to_owned(), |n| n.to_string());
    println!("{name}, version {}: {rows} rows in {} files, {:.1} MB", found.version, found.files, found.bytes as f64 / 1e6);
    if !found.partitioned_by.is_empty() {
        println!("partitioned by {}", found.partitioned_by.join(", "));
    }
    let mut table = plain(&["column", "type"]);
    for (column, kind) in found.columns {
        table.add_row([column, kind]);
    }
    println!("{table}");
    Ok(Outcome::Fine)
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

fn show(table: &Table, output: OutputFormat) {
    if output == OutputFormat::Human {
        println!("{table}");
    }
}

fn tell(output: OutputFormat, document: &serde_json::Value, text: &str) -> Result {
    match output {
        OutputFormat::Json => print_json(document)?,
        OutputFormat::Human => println!("{text}"),
    }
    Ok(Outcome::Fine)
}
