//! What is said about the store.

use super::{DataDir, ProjectDir, parse_span};
use clap::{Args, Subcommand};

#[derive(Clone, Debug, Subcommand)]
pub enum StoreCommand {
    /// Shows where the store is, how much is in it, and how far it is behind.
    #[command(after_help = "Examples:
  sluice store status                        of this folder's project, or the shipped one
  sluice store status --project shop --data /var/lib/sluice
  sluice store status --output json | jq .lag")]
    Status(StorePlace),
    /// Brings the store's tables up to date; `up` does so too when it starts.
    #[command(after_help = "Examples:
  sluice store migrate --project shop        with the address that shop/sluice.yml names
  sluice store migrate --output json")]
    Migrate(StorePlace),
    /// Removes what is too old, makes the space free, and refreshes what queries are planned by. An instance may run meanwhile.
    #[command(after_help = "Examples:
  sluice store vacuum                        what `keep` under `store` in sluice.yml says is too old
  sluice store vacuum --older-than 90d")]
    Vacuum(StoreVacuum),
}

#[derive(Clone, Debug, Args)]
pub struct StorePlace {
    #[command(flatten)]
    pub project: ProjectDir,
    #[command(flatten)]
    pub data: DataDir,
}

#[derive(Clone, Debug, Args)]
pub struct StoreVacuum {
    #[command(flatten)]
    pub place: StorePlace,
    /// Removes decisions, alerts and dead letters older than this, such as 90d, instead of what the project says.
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pub older_than: Option<i64>,
}
