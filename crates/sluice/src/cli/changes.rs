//! What can be said about changing an instance while it runs: which one is meant, its lists, and the version that judges.

use super::{DataDir, ProjectDir};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which instance is spoken to.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The data folder of an instance on this machine. Its owner needs no password; where nothing runs on it, its log is written.
    #[command(flatten)]
    pub data: DataDir,
    /// The address of an instance elsewhere, such as http://10.0.0.7:8080.
    #[arg(long, env = "SLUICE_URL", value_name = "URL")]
    pub http: Option<String>,
    /// A token for it; without one, --user and the password in SLUICE_PASSWORD.
    #[arg(long, env = "SLUICE_TOKEN", hide_env_values = true, requires = "http")]
    pub token: Option<String>,
    #[arg(long, default_value = "admin")]
    pub user: String,
    /// In whose name the folder's owner changes something; the user of the system if not given.
    #[arg(long, value_name = "NAME", conflicts_with = "http")]
    pub who: Option<String>,
    #[command(flatten)]
    pub project: ProjectDir,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ListsCommand {
    /// Shows all lists, or what is on one.
    Show(ListShow),
    /// Puts an entry on a list.
    Add(ListAdd),
    /// Takes an entry off a list, whether it stands in the project's file or was added later.
    Remove(ListRemove),
    /// Puts the entries of a CSV file on a list.
    Import(ListImport),
}

impl ListsCommand {
    pub fn target(&self) -> &Target {
        match self {
            Self::Show(args) => &args.target,
            Self::Add(args) => &args.target,
            Self::Remove(args) => &args.target,
            Self::Import(args) => &args.target,
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice lists show
  sluice lists show suspicious_merchants
  sluice lists show suspicious_merchants --key m-fraud-001 --history     who put it there, and why")]
pub struct ListShow {
    pub list: Option<String>,
    /// Only this entry; several values for a key of several columns.
    #[arg(long, num_args = 1.., requires = "list")]
    pub key: Vec<String>,
    /// What was changed while the instance ran, the latest first.
    #[arg(long, requires = "list")]
    pub history: bool,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    pub limit: usize,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice lists add suspicious_merchants m-4711 --why 'ships empty parcels'
  sluice lists add trusted_accounts acc-9 --why 'large order agreed by phone' --until 2026-12-31")]
pub struct ListAdd {
    pub list: String,
    /// A value for each of the list's key columns.
    #[arg(required = true)]
    pub key: Vec<String>,
    /// For whoever asks later.
    #[arg(long)]
    pub why: String,
    /// The first date or time (of events) at which it no longer counts.
    #[arg(long)]
    pub until: Option<String>,
    /// Replaces an entry that is there already.
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice lists remove suspicious_merchants m-4711 --why 'cleared after a visit'")]
pub struct ListRemove {
    pub list: String,
    /// A value for each of the list's key columns.
    #[arg(required = true)]
    pub key: Vec<String>,
    /// For whoever asks later.
    #[arg(long)]
    pub why: String,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice lists import suspicious_merchants scheme.csv
  sluice lists import suspicious_merchants scheme.csv --why terminated")]
pub struct ListImport {
    pub list: String,
    /// Key columns by name, and as the project's own lists have them: why and until. What is on the list in other words is replaced.
    pub file: PathBuf,
    /// For lines that do not say why.
    #[arg(long)]
    pub why: Option<String>,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice deploy --project shop --dry-run
  sluice deploy --project shop --why tighter-limit
  sluice deploy --version 4f2a91c07d3e       back to a version that judged before
  SLUICE_TOKEN=... sluice deploy --http https://sluice.example.com")]
pub struct Deploy {
    /// The digest, or the beginning of it, of a version that judged here before.
    #[arg(long, value_name = "DIGEST", conflicts_with = "project")]
    pub version: Option<String>,
    /// Only says what would happen.
    #[arg(long)]
    pub dry_run: bool,
    /// For whoever asks later.
    #[arg(long)]
    pub why: Option<String>,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice versions
  sluice versions --limit 3 --output json")]
pub struct Versions {
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    #[command(flatten)]
    pub target: Target,
}
