//! `sluice sql`: one query over the lake, read-only, beside a running instance or without one.

use super::{Outcome, Result, small_runtime};
use crate::cli::{OutputFormat, RowFormat, Sql};
use crate::commands::lake::open;
use domain::Error;
use lake::datafusion::arrow::array::RecordBatch;
use lake::datafusion::arrow::util::pretty::pretty_format_batches;
use lake::datafusion::arrow::{csv, json};
use std::io::{Read as _, Write as _};

pub fn run(args: &Sql, output: OutputFormat) -> Result {
    let mut query = args.query.clone();
    if query == "-" {
        query.clear();
        std::io::stdin().read_to_string(&mut query).map_err(|e| Error::stop("cannot read the query", "give it as text").because(e))?;
    }
    let lake = open(&args.place)?;
    let versions = args.versions.iter().map(|(table, version)| Ok((table.parse()?, *version))).collect::<domain::Result<Vec<_>>>()?;
    let rows = small_runtime()?.block_on(async {
        let session = lake.session().await?;
        crate::models::register(&session).await?;
        for (table, version) in &versions {
            session.register_version(table, *version, table).await?;
        }
        session.query(&query).await
    })?;
    let format = if output == OutputFormat::Json { RowFormat::Json } else { args.format };
    let text = written(&rows, format).map_err(|e| Error::bug("the rows cannot be printed").because(e))?;
    match std::io::stdout().write_all(&text) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::stop("cannot write to standard output", "check where it is redirected to").because(e))
        }
        _ => Ok(Outcome::Fine),
    }
}

fn written(rows: &[RecordBatch], format: RowFormat) -> std::result::Result<Vec<u8>, lake::datafusion::arrow::error::ArrowError> {
    let mut out = Vec::new();
    match format {
        RowFormat::Table => out.extend_from_slice(format!("{}\n", pretty_format_batches(rows)?).as_bytes()),
        RowFormat::Csv => {
            let mut writer = csv::WriterBuilder::new().with_header(true).build(&mut out);
            rows.iter().try_for_each(|batch| writer.write(batch))?;
        }
        RowFormat::Json => {
            let mut writer = json::WriterBuilder::new().with_explicit_nulls(true).build::<_, json::writer::LineDelimited>(&mut out);
            rows.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
        }
    }
    Ok(out)
}
