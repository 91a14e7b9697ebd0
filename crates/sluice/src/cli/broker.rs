//! What operators say of topics and consumer groups, with the flags that Kafka's own tools have.

use super::{DataDir, ProjectDir};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

/// Which log is asked.
#[derive(Clone, Debug, Args)]
pub struct Broker {
    /// Brokers to ask; without it the project's cluster, else the instance on the data folder, else 127.0.0.1:9092.
    #[arg(long, value_name = "ADDR:PORT,...")]
    pub kafka: Option<String>,
    #[command(flatten)]
    pub access: KafkaAccess,
    #[command(flatten)]
    pub project: ProjectDir,
    #[command(flatten)]
    pub data: DataDir,
}

/// How brokers are spoken to that the command line names.
#[derive(Clone, Debug, Default, Args)]
pub struct KafkaAccess {
    /// A file with what stands under `kafka:` in sluice.yml: tls, sasl, and bootstrap where --kafka is not given.
    #[arg(long, env = "SLUICE_KAFKA_SETTINGS", value_name = "FILE")]
    pub kafka_settings: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Topics {
    /// All topics, with how much they hold.
    #[command(after_help = "Examples:
  sluice topics list
  sluice topics list --kafka kafka-1:9092,kafka-2:9092 --output json
  sluice topics list --kafka-settings shop-kafka.yml         with TLS and a password")]
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
    /// Makes a topic.
    #[command(after_help = "Examples:
  sluice topics create returns --partitions 6
  sluice topics create returns --partitions 6 --replication-factor 3 --config retention.ms=604800000 --kafka kafka-1:9092")]
    Create(TopicCreate),
    /// Deletes a topic with everything in it; without --yes it only says what would be deleted.
    #[command(after_help = "Examples:
  sluice topics delete returns
  sluice topics delete returns --yes")]
    Delete(TopicConsent),
    /// Deletes all records that a topic holds now; partitions, settings and the next offsets stay. Without --yes it only says which.
    #[command(after_help = "Examples:
  sluice topics reset returns
  sluice topics reset returns --yes")]
    Reset(TopicConsent),
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

#[derive(Clone, Debug, Args)]
pub struct TopicCreate {
    pub topic: String,
    /// As many as the broker makes by itself if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: Option<i32>,
    /// Brokers that hold each partition; the broker's own number if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub replication_factor: Option<i32>,
    /// A setting; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub config: Vec<(String, String)>,
    /// A topic that is there already is no mistake.
    #[arg(long)]
    pub if_not_exists: bool,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Clone, Debug, Args)]
pub struct TopicConsent {
    pub topic: String,
    /// Does it.
    #[arg(long)]
    pub yes: bool,
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
    /// Moves a group without members to other offsets; without --execute it only says which.
    #[command(after_help = "Examples:
  sluice groups reset-offsets billing --topic decisions --to-earliest
  sluice groups reset-offsets billing --topic decisions:0,1 --to-datetime 2026-03-01T00:00:00Z --execute
  sluice groups reset-offsets billing --all-topics --shift-by -100 --execute")]
    ResetOffsets(GroupReset),
}

#[derive(Clone, Debug, Args)]
pub struct GroupName {
    pub group: String,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("to").required(true), group = ArgGroup::new("of").required(true))]
pub struct GroupReset {
    pub group: String,
    /// A topic, or some of its partitions as in decisions:0,2; may be given several times.
    #[arg(long, value_name = "TOPIC[:N,...]", group = "of")]
    pub topic: Vec<String>,
    /// Every topic that the group has committed offsets of.
    #[arg(long, group = "of", conflicts_with = "topic")]
    pub all_topics: bool,
    /// To the first record held.
    #[arg(long, group = "to")]
    pub to_earliest: bool,
    /// Behind the last record.
    #[arg(long, group = "to")]
    pub to_latest: bool,
    /// To this offset, or the nearest that is held.
    #[arg(long, group = "to", value_name = "N")]
    pub to_offset: Option<i64>,
    /// To the first record at or after a time.
    #[arg(long, group = "to", value_name = "TIME", value_parser = super::parse_time)]
    pub to_datetime: Option<i64>,
    /// By so many records, on or (negative) back.
    #[arg(long, group = "to", value_name = "N", allow_negative_numbers = true)]
    pub shift_by: Option<i64>,
    /// Only says what would be written; so without --execute.
    #[arg(long, conflicts_with = "execute")]
    pub dry_run: bool,
    /// Writes the offsets.
    #[arg(long)]
    pub execute: bool,
    #[command(flatten)]
    pub broker: Broker,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as retention.ms=86400000")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
