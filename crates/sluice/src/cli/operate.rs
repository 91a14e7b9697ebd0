//! What operators say: how an instance is, what is wrong with a machine, what a shell completes.

use super::{DataDir, Listener, ProjectDir};
use clap::Args;
use std::net::SocketAddr;

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice status                              the instance that runs on ./data
  sluice status --http 10.0.0.5:8080         one somewhere else
  sluice status --output json | jq .rates
  sluice status > /dev/null || systemctl restart sluice")]
pub struct Status {
    #[command(flatten)]
    pub data: DataDir,
    /// Asks the instance at this address instead of the one on the data folder.
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice doctor                              before the first start, or when something is odd
  sluice doctor --project shop --data /var/lib/sluice --http 0.0.0.0:80
  sluice doctor --output json")]
pub struct Doctor {
    #[command(flatten)]
    pub project: ProjectDir,
    #[command(flatten)]
    pub data: DataDir,
    /// The address that HTTP will have.
    #[arg(long, env = "SLUICE_HTTP", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// The address that Kafka's protocol will have.
    #[arg(long, env = "SLUICE_KAFKA", default_value = "127.0.0.1:9092")]
    pub kafka: SocketAddr,
    #[command(flatten)]
    pub listener: Listener,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  source <(sluice completions bash)                          for this shell
  sluice completions bash > /etc/bash_completion.d/sluice    for all of them
  sluice completions zsh > ~/.zfunc/_sluice
  sluice completions fish > ~/.config/fish/completions/sluice.fish
  sluice completions powershell >> $PROFILE")]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}
