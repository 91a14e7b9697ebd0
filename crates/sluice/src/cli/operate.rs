//! What operators say: how an instance is, what is wrong with a machine, what stands in topics and groups.

use super::{DataDir, ProjectDir};
use clap::{Args, Subcommand};
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

/// Which log is asked.
#[derive(Clone, Debug, Args)]
pub struct Broker {
    /// Brokers to ask; without it the project's cluster, else the instance on the data folder, else 127.0.0.1:9092.
    #[arg(long, value_name = "ADDR:PORT,...")]
    pub kafka: Option<String>,
    #[command(flatten)]
    pub project: ProjectDir,
    #[command(flatten)]
    pub data: DataDir,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Topics {
    /// All topics, with how much they hold.
    #[command(after_help = "Examples:
  sluice topics list
  sluice topics list --kafka kafka-1:9092,kafka-2:9092 --output json")]
    List(Broker),
    /// Prints a topic's last records, and what comes.
    #[command(after_help = "Examples:
  sluice topics tail decisions                               the last ten, then what comes, until Ctrl-C
  sluice topics tail alerts --from-beginning --count 100
  sluice topics tail decisions --output json | jq .value.decision")]
    Tail(TopicTail),
    /// One topic: its partitions and settings.
    #[command(after_help = "Examples:
  sluice topics describe decisions
  sluice topics describe decisions --output json")]
    Describe(TopicName),
}

#[derive(Clone, Debug, Args)]
pub struct TopicName {
    pub topic: String,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Clone, Debug, Args)]
pub struct TopicTail {
    pub topic: String,
    /// Begins with the first record that is held.
    #[arg(long, conflicts_with = "last")]
    pub from_beginning: bool,
    /// Begins this many records before the end of each partition.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub last: u32,
    /// Ends after this many records.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Groups {
    /// All consumer groups.
    #[command(after_help = "Examples:
  sluice groups list
  sluice groups list --kafka kafka-1:9092 --output json")]
    List(Broker),
    /// One group: its members, and how far it is in each partition.
    #[command(after_help = "Examples:
  sluice groups describe billing
  sluice groups describe billing --output json | jq '[.partitions[].lag] | add'")]
    Describe(GroupName),
}

#[derive(Clone, Debug, Args)]
pub struct GroupName {
    pub group: String,
    #[command(flatten)]
    pub broker: Broker,
}
