//! `sluice models`: what can be said.

use super::LakePlace;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// SQL models over the lake, in dbt's dialect.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelsCommand {
    /// Builds seeds, models and snapshots and tests each before what reads it.
    #[command(after_help = "Examples:
  sluice models build
  sluice models build --select +gold.* --exclude tag:slow --threads 4
  sluice models build --full-refresh --vars '{\"since\": \"2026-01-01\"}'")]
    Build(ModelsRun),
    /// Builds models alone.
    #[command(after_help = "Examples:
  sluice models run --select silver
  sluice models run --full-refresh")]
    Run(ModelsRun),
    /// Runs tests and unit tests on what stands.
    #[command(after_help = "Examples:
  sluice models test
  sluice models test --select fct_orders --store-failures")]
    Test(ModelsRun),
    /// Writes seeds into their tables.
    #[command(after_help = "Examples:
  sluice models seed")]
    Seed(ModelsRun),
    /// Takes snapshots.
    #[command(after_help = "Examples:
  sluice models snapshot --select dim_customers")]
    Snapshot(ModelsRun),
    /// Lists what there is, or what a selection chooses.
    #[command(after_help = "Examples:
  sluice models ls --select tag:daily+
  sluice models ls --resource-type model --output json")]
    Ls(ModelsList),
    /// Writes each model's SQL into target/compiled, and manifest.json.
    #[command(after_help = "Examples:
  sluice models compile --select fraud_daily")]
    Compile(ModelsRun),
    /// Writes manifest.json and catalog.json, which documentation tools read.
    #[command(after_help = "Examples:
  sluice models docs --target public")]
    Docs(ModelsRun),
    /// Compares the newest row of each source with what was promised.
    #[command(after_help = "Examples:
  sluice models freshness
  sluice models freshness --select source:bronze.transactions")]
    Freshness(ModelsRun),
}

/// What to work on, and where.
#[derive(Clone, Debug, Args)]
pub struct ModelsChoice {
    #[command(flatten)]
    pub place: LakePlace,
    /// Which nodes: a name, tag:T, path:P, source:S, resource_type:K; + before or after takes what it needs or what needs it.
    #[arg(long, short, num_args = 1.., value_name = "SELECTOR")]
    pub select: Vec<String>,
    /// Which of them not.
    #[arg(long, num_args = 1.., value_name = "SELECTOR")]
    pub exclude: Vec<String>,
    /// Values for var('name'), as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = parse_vars)]
    pub vars: Option<serde_json::Map<String, serde_json::Value>>,
    /// Where manifest.json and the others are written.
    #[arg(long, value_name = "DIR", default_value = "target")]
    pub target: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ModelsRun {
    #[command(flatten)]
    pub choice: ModelsChoice,
    /// Nodes worked on at the same time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Begins nothing more after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Makes incremental models anew.
    #[arg(long)]
    pub full_refresh: bool,
    /// Keeps the rows that fail a test in tables.
    #[arg(long)]
    pub store_failures: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ModelsList {
    #[command(flatten)]
    pub choice: ModelsChoice,
    /// Only of these kinds.
    #[arg(long, value_enum, num_args = 1..)]
    pub resource_type: Vec<ModelKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ModelKind {
    Model,
    Seed,
    Snapshot,
    Test,
    UnitTest,
    Source,
}

fn parse_vars(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    serde_json::from_str(text).map_err(|e| format!("write a JSON object, such as '{{\"since\": \"2026-01-01\"}}': {e}"))
}
