//! What can be said about who speaks to the embedded broker: how its door is secured, and its users with their rights.

use super::StorePlace;
use broker::Pattern;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// How the door for Kafka clients is secured, overruling `log: {embedded: ...}` in `sluice.yml`.
#[derive(Clone, Debug, Args)]
pub struct Listener {
    /// Whether Kafka clients must say who they are. Without a word: not on a loopback address, and no other is listened on.
    #[arg(long = "kafka-authentication", env = "SLUICE_KAFKA_AUTHENTICATION", value_enum)]
    pub authentication: Option<Authentication>,
    /// The Kafka door's certificate, in PEM form, with those that lead to its authority: clients must speak TLS.
    #[arg(long = "kafka-certificate", env = "SLUICE_KAFKA_CERTIFICATE", value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM form.
    #[arg(long = "kafka-key", env = "SLUICE_KAFKA_KEY", value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Where Kafka clients are told to connect to, if that is another address than the one that is listened on: behind a proxy, a load
    /// balancer, or in a container.
    #[arg(long = "kafka-advertise", env = "SLUICE_KAFKA_ADVERTISE", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub advertise: Option<(String, u16)>,
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() && port != 0 => Ok((host.to_owned(), port)),
        _ => Err("write HOST:PORT, such as kafka.example.com:9092".into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Authentication {
    /// By name and password: SCRAM, or PLAIN over TLS. `sluice users` makes users.
    Sasl,
    /// Not at all, wherever it listens: everybody may do everything.
    None,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Users {
    /// All users, and what they may do.
    #[command(after_help = "Examples:
  sluice users list
  sluice users list --data /var/lib/sluice --output json")]
    List(StorePlace),
    /// Makes a user; shows its password once, if none is given.
    #[command(after_help = "Examples:
  sluice users add shop --write fraud-detection-transactions --transactional-id shop-1
  sluice users add billing --read decisions,alerts --group billing
  sluice users add ops --superuser
  sluice users add shop --write fraud-detection-transactions --password-stdin     the first line of its input")]
    Add(UserNew),
    /// Says anew what a user may do; counts within seconds, for those that are connected too.
    #[command(after_help = "Examples:
  sluice users grant billing --read decisions,alerts,dead-letters --group billing
  sluice users grant billing                                   nothing any more")]
    Grant(UserChange),
    /// Gives a user another password; who is connected with the old one is closed within seconds.
    #[command(after_help = "Examples:
  sluice users password shop
  sluice users password shop --password-stdin                  the first line of its input")]
    Password(UserPassword),
    /// Removes a user; who is connected as it is closed within seconds.
    #[command(after_help = "Examples:
  sluice users remove shop")]
    Remove(UserName),
}

/// What a user may do. A name that ends with * stands for all that begin so.
#[derive(Clone, Debug, Args)]
pub struct UserGrants {
    /// Topics to read.
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    pub read: Vec<Pattern>,
    /// Topics to write.
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    pub write: Vec<Pattern>,
    /// Topics to create.
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    pub create: Vec<Pattern>,
    /// Topics to change and delete, and whose records may be deleted.
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    pub admin: Vec<Pattern>,
    /// Consumer groups to join, look at, move and delete.
    #[arg(long = "group", value_name = "GROUP,...", value_delimiter = ',')]
    pub groups: Vec<Pattern>,
    /// Transactional ids to use.
    #[arg(long = "transactional-id", value_name = "ID,...", value_delimiter = ',')]
    pub transactional_ids: Vec<Pattern>,
    /// Everything, the broker's own settings included.
    #[arg(long)]
    pub superuser: bool,
}

#[derive(Clone, Debug, Args)]
pub struct UserNew {
    pub name: String,
    #[command(flatten)]
    pub grants: UserGrants,
    /// Reads the password from standard input, up to the end of its line.
    #[arg(long)]
    pub password_stdin: bool,
    #[command(flatten)]
    pub store: StorePlace,
}

#[derive(Clone, Debug, Args)]
pub struct UserChange {
    pub name: String,
    #[command(flatten)]
    pub grants: UserGrants,
    #[command(flatten)]
    pub store: StorePlace,
}

#[derive(Clone, Debug, Args)]
pub struct UserPassword {
    pub name: String,
    /// Reads the password from standard input, up to the end of its line.
    #[arg(long)]
    pub password_stdin: bool,
    #[command(flatten)]
    pub store: StorePlace,
}

#[derive(Clone, Debug, Args)]
pub struct UserName {
    pub name: String,
    #[command(flatten)]
    pub store: StorePlace,
}
