//! `sluice lake` and `sluice sql`: what can be said.

use super::{DataDir, ProjectDir};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where the lake is.
#[derive(Clone, Debug, Args)]
pub struct LakePlace {
    #[command(flatten)]
    pub project: ProjectDir,
    #[command(flatten)]
    pub data: DataDir,
    /// The lake's folder; without it as sluice.yml says, or `lake` in the data folder.
    #[arg(long, env = "SLUICE_LAKE", value_name = "DIR")]
    pub lake: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum LakeCommand {
    /// Lists the tables, with rows, files and size.
    #[command(after_help = "Examples:
  sluice lake status
  sluice lake status --data /var/lib/sluice --output json")]
    Status(LakePlace),
    /// Shows a table's columns and how it stands.
    #[command(after_help = "Examples:
  sluice lake describe bronze.transactions")]
    Describe(LakeTable),
    /// Lists a table's latest versions.
    #[command(after_help = "Examples:
  sluice lake history gold.fct_orders --limit 100")]
    History(LakeHistory),
    /// Makes few large files out of many small ones; an instance does it by itself for what lands.
    #[command(after_help = "Examples:
  sluice lake optimize bronze.transactions
  sluice lake optimize gold.fct_orders --order-by customer_id,order_date")]
    Optimize(LakeOptimize),
    /// Deletes the files that no version within the table's retention needs.
    #[command(after_help = "Examples:
  sluice lake vacuum bronze.transactions --dry-run")]
    Vacuum(LakeVacuum),
    /// Makes an older version of a table the newest again.
    #[command(after_help = "Examples:
  sluice lake history gold.fct_orders && sluice lake restore gold.fct_orders 41")]
    Restore(LakeRestore),
}

#[derive(Clone, Debug, Args)]
pub struct LakeTable {
    /// SCHEMA.TABLE
    pub table: String,
    #[command(flatten)]
    pub place: LakePlace,
}

#[derive(Clone, Debug, Args)]
pub struct LakeHistory {
    #[command(flatten)]
    pub table: LakeTable,
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
}

#[derive(Clone, Debug, Args)]
pub struct LakeOptimize {
    #[command(flatten)]
    pub table: LakeTable,
    /// Writes all of it anew in Z-order of these columns.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,...")]
    pub order_by: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct LakeVacuum {
    #[command(flatten)]
    pub table: LakeTable,
    /// Only says what would be deleted.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LakeRestore {
    #[command(flatten)]
    pub table: LakeTable,
    /// As `sluice lake history` shows it.
    pub version: u64,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice sql \"select decision, count(*) from bronze.decisions group by 1\"
  sluice sql \"select * from bronze.transactions limit 5\" --format csv
  sluice sql \"select count(*) from bronze.transactions\" --version bronze.transactions=41
  sluice sql - < query.sql")]
pub struct Sql {
    /// One query, in DataFusion's SQL; - reads it from standard input.
    pub query: String,
    #[command(flatten)]
    pub place: LakePlace,
    /// How rows are printed; with --output json, one JSON document a row.
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub format: RowFormat,
    /// SCHEMA.TABLE=VERSION reads an older version of a table; may be given several times.
    #[arg(long = "version", value_name = "TABLE=VERSION", value_parser = parse_version)]
    pub versions: Vec<(String, u64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RowFormat {
    #[default]
    Table,
    Csv,
    /// One document a line.
    Json,
}

fn parse_version(text: &str) -> Result<(String, u64), String> {
    let wrong = || "write TABLE=VERSION, such as bronze.transactions=41".to_owned();
    let (table, version) = text.split_once('=').ok_or_else(wrong)?;
    Ok((table.to_owned(), version.parse().map_err(|_| wrong())?))
}
