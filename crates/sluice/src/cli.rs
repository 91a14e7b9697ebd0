//! The command line: what can be said, with its defaults and examples. What is done about it stands in `commands`, a file each.

mod broker;
mod changes;
mod lake;
mod models;
mod operate;
mod store;
mod users;

pub use broker::{Broker, GroupName, GroupReset, Groups, KafkaAccess, TopicConsent, TopicCreate, TopicTail, Topics};
pub use changes::{Deploy, ListsCommand, Target, Versions};
pub use lake::{LakeCommand, LakePlace, LakeTable, RowFormat, Sql};
pub use models::{ModelKind, ModelsChoice, ModelsCommand, ModelsRun};
pub use operate::{Completions, Doctor, Shell, Status};
pub use store::{StoreCommand, StorePlace, StoreVacuum};
pub use users::{Authentication, Listener, UserGrants, Users};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Judges every payment in milliseconds, with exact history.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    max_term_width = 110,
    after_help = "Start here:
  sluice up --simulate 50          the shipped project, with payments to watch
  sluice init shop && cd shop      a project of your own; then: sluice check, sluice test, sluice up"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Human)]
    pub output: OutputFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people; where there are tables to keep, in Markdown.
    #[default]
    #[value(alias = "markdown")]
    Human,
    /// For programs: one JSON document, or one a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts everything: log, scoring, store, HTTP.
    Up(Up),
    /// Stops the instance that runs on a data folder.
    #[command(after_help = "Examples:
  sluice down
  sluice down --data /var/lib/sluice")]
    Down(DataDir),
    /// Says how a running instance is; ends with 1 if it cannot judge.
    Status(Status),
    /// What is in the store, and its upkeep.
    #[command(subcommand)]
    Store(StoreCommand),
    /// The tables that everything lands in, and their upkeep.
    #[command(subcommand)]
    Lake(LakeCommand),
    /// Runs a query over the lake.
    Sql(Sql),
    /// Looks for what would keep an instance from running well, each with its remedy.
    Doctor(Doctor),
    /// Writes the shipped project into a folder, to be changed.
    Init(Init),
    /// Reports every mistake in a project, with its place and what to write instead.
    #[command(after_help = "Examples:
  sluice check
  sluice check --project shop --output json")]
    Check(ProjectDir),
    /// Runs the cases of all rules and features.
    Test(Test),
    /// Prints what a project defines, rendered and resolved.
    Show(Show),
    /// Judges files of events without any service: one decision a line.
    Score(Score),
    /// Judges files of events and says, by their labels, what every rule catches and costs.
    Backtest(Backtest),
    /// Shows what is on a list, and changes it while the instance runs.
    #[command(subcommand)]
    Lists(ListsCommand),
    /// Makes another version of the project judge, without a restart.
    Deploy(Deploy),
    /// Lists the versions that have judged, the latest first.
    Versions(Versions),
    /// Scores a stopped instance's log again in its written order and reports every difference.
    Replay(Replay),
    /// Makes payments, clicks, balances, merchants and labels of a world of its own.
    Simulate(Simulate),
    /// Turns a CSV, JSON lines or Parquet file into events of a stream.
    Import(Import),
    /// Builds, tests and documents the lake's tables by SQL models in dbt's dialect.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// The topics of an instance or a cluster: what stands in them, making, emptying and deleting them.
    #[command(subcommand)]
    Topics(Topics),
    /// Who reads from an instance or a cluster, how far they are, and moving them elsewhere.
    #[command(subcommand)]
    Groups(Groups),
    /// Who may speak to the embedded broker, and what each may do.
    #[command(subcommand)]
    Users(Users),
    /// Serves the embedded broker alone, on this machine only: for benches and tests.
    #[command(hide = true)]
    Broker(BrokerAlone),
    /// Measures this machine, each figure beside a baseline of the same run.
    Bench(Bench),
    /// Prints what a shell needs to complete this command line.
    Completions(Completions),
}

#[derive(Clone, Debug, Args)]
pub struct ProjectDir {
    /// The project folder; without it the present one if it holds a sluice.yml, else the shipped project.
    #[arg(long, env = "SLUICE_PROJECT")]
    pub project: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct DataDir {
    /// Where log, state and store are kept.
    #[arg(long, env = "SLUICE_DATA", default_value = "data")]
    pub data: PathBuf,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice up                                  the project of this folder, or the shipped one
  sluice up --simulate 200                   with 200 simulated payments a second
  sluice up --lake data/lake                 everything lands in Delta tables, for sluice sql and others
  sluice up --project shop --watch           rules, lists and policy change as their files do
  sluice up --http 0.0.0.0:80 --data /var/lib/sluice
  kcat -b 127.0.0.1:9092 -t decisions        watch decisions with any Kafka client")]
pub struct Up {
    #[command(flatten)]
    pub project: ProjectDir,
    #[command(flatten)]
    pub data: DataDir,
    /// HTTP: API, documentation, metrics. Port 0 takes a free one.
    #[arg(long, env = "SLUICE_HTTP", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Kafka's protocol. Port 0 takes a free one.
    #[arg(long, env = "SLUICE_KAFKA", default_value = "127.0.0.1:9092")]
    pub kafka: SocketAddr,
    #[command(flatten)]
    pub listener: Listener,
    /// Runs the simulator beside it, with this many payments a second.
    #[arg(long, value_name = "RATE")]
    pub simulate: Option<f64>,
    /// Looks after the project's folder: a change that is right judges at once, one with mistakes is told and the version before goes on.
    #[arg(long)]
    pub watch: bool,
    /// Does not write decisions into the store.
    #[arg(long)]
    pub no_store: bool,
    /// Where everything lands as Delta tables; without it as sluice.yml says, which may be nowhere.
    #[arg(long, env = "SLUICE_LAKE", value_name = "DIR", conflicts_with = "no_lake")]
    pub lake: Option<PathBuf>,
    /// Lands nothing in a lake, whatever sluice.yml says.
    #[arg(long)]
    pub no_lake: bool,
    /// Seconds between versions of the lake's tables. Shorter ones let a test see many.
    #[arg(long, env = "SLUICE_LAKE_SECONDS", hide = true, default_value_t = 0.7, value_parser = parse_seconds)]
    pub lake_seconds: f64,
    /// Bytes of feature state kept in memory, such as 512MB; the rest waits on disk.
    #[arg(long, env = "SLUICE_STATE_MEMORY", value_parser = parse_bytes)]
    pub state_memory: Option<u64>,
    /// Seconds between snapshots of the state. Shorter ones let a test see many; they change nothing else.
    #[arg(long, env = "SLUICE_SNAPSHOT_SECONDS", hide = true, default_value_t = 10.0, value_parser = parse_seconds)]
    pub snapshot_seconds: f64,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice init shop && cd shop && sluice up")]
pub struct Init {
    /// The folder to write; must not exist, or be empty.
    pub dir: PathBuf,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice test
  sluice test card_testing --project shop           only cases of what is called so")]
pub struct Test {
    #[command(flatten)]
    pub project: ProjectDir,
    /// Only cases whose rule, feature or name contains this.
    pub filter: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice show rules
  sluice show features --sql                 as-of SQL, which gives the same values over recorded streams
  sluice show streams --output json")]
pub struct Show {
    #[arg(value_enum)]
    pub what: What,
    #[command(flatten)]
    pub project: ProjectDir,
    /// Prints features as as-of SQL.
    #[arg(long)]
    pub sql: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    Features,
    Rules,
    Streams,
    Lists,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice score --events transactions=payments.jsonl
  sluice score --events history --features
  sluice score --project shop --events transactions=t.jsonl --events clickstream=c.jsonl --features")]
pub struct Score {
    #[command(flatten)]
    pub project: ProjectDir,
    /// STREAM=FILE with one JSON record a line, or a folder of STREAM.jsonl files; may be given several times. Streams are merged by event time.
    #[arg(long, required = true, value_name = "STREAM=FILE|DIR")]
    pub events: Vec<String>,
    /// Adds every feature's value under "features".
    #[arg(long)]
    pub features: bool,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice simulate --count 200000 --over 60d --seed 7 --to history
  sluice backtest --events history --labels history/labels.jsonl
  sluice backtest --project shop --events transactions=t.jsonl --events clickstream=c.jsonl --labels chargebacks.jsonl --output json
  sluice backtest --events history --labels history/labels.jsonl --from 2026-02-01

A label is a line {\"transaction_id\": ..., \"label\": \"fraud\" or \"genuine\", \"scenario\": ...}; what has none counts as genuine.
Amounts are those of the field that a stream fills by rates of exchange, where it has one.")]
pub struct Backtest {
    #[command(flatten)]
    pub project: ProjectDir,
    /// STREAM=FILE with one JSON record a line, or a folder of STREAM.jsonl files; may be given several times.
    #[arg(long, required = true, value_name = "STREAM=FILE|DIR")]
    pub events: Vec<String>,
    /// What transactions turned out to be: JSON lines. The last line about a transaction counts.
    #[arg(long)]
    pub labels: PathBuf,
    /// Counts transactions from this time on; those before only fill the windows.
    #[arg(long, value_parser = parse_time)]
    pub from: Option<i64>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice replay                              of ./data; the instance must be stopped
  sluice replay --data /var/lib/sluice --show 100 --output json")]
pub struct Replay {
    #[command(flatten)]
    pub data: DataDir,
    /// Where the log is a cluster, the project names it.
    #[command(flatten)]
    pub project: ProjectDir,
    /// Prints at most this many differences; all are counted.
    #[arg(long, default_value_t = 20)]
    pub show: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimulateMode {
    /// A number of payments, then the end.
    Batch,
    /// Payments at a rate.
    Stream,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice simulate --mode batch --count 50 --fraud-rate 0.05
  sluice simulate --count 100000 --seed 7 --start 2026-01-01T00:00:00Z --to history
  sluice simulate --count 200000 --over 60d --seed 7 --to history --totals totals.json
  sluice simulate --mode stream --rate 1000 --duration 60s --to kafka
  sluice simulate --count 10 --to - --stream clickstream")]
pub struct Simulate {
    #[arg(long, value_enum, default_value_t = SimulateMode::Batch)]
    pub mode: SimulateMode,
    /// Payments to make (batch).
    #[arg(long, default_value_t = 50)]
    pub count: u64,
    /// How long the payments are spread over (batch), such as 60d: as many accounts as fit, and the rhythm of days, weeks and
    /// seasons. Without it they come at some ten a second.
    #[arg(long, value_parser = parse_span)]
    pub over: Option<i64>,
    /// Payments a second (stream).
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// How long to go on (stream), such as 60s or 10m; without it until stopped.
    #[arg(long, value_parser = parse_span)]
    pub duration: Option<i64>,
    /// Share of payments that are fraud.
    #[arg(long, default_value_t = 0.01)]
    pub fraud_rate: f64,
    /// With --start, the same bytes each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Event time of the world's beginning.
    #[arg(long, value_parser = parse_time)]
    pub start: Option<i64>,
    /// `kafka`, a folder (one file a stream), or - for standard output (one stream).
    #[arg(long, default_value = "-")]
    pub to: String,
    /// The stream printed with --to -.
    #[arg(long, default_value = "transactions")]
    pub stream: String,
    /// Where `--to kafka` sends; 127.0.0.1:9092 if not given.
    #[arg(long, env = "SLUICE_KAFKA")]
    pub kafka: Option<String>,
    #[command(flatten)]
    pub access: KafkaAccess,
    /// Share of events that come late, twice, or broken.
    #[arg(long, default_value_t = 0.0)]
    pub late: f64,
    #[arg(long, default_value_t = 0.0)]
    pub duplicate: f64,
    #[arg(long, default_value_t = 0.0)]
    pub malformed: f64,
    /// Writes the world's own books as JSON, for others to check against: orders, revenue, refunds, fraud by scenario. A file, or -
    /// for standard output.
    #[arg(long, value_name = "FILE")]
    pub totals: Option<PathBuf>,
    /// Where a run without --seed and --start keeps its world, so that the next one goes on with it.
    #[arg(long, default_value = "data/simulator.cursor")]
    pub cursor: PathBuf,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice import payments.csv --stream transactions
  sluice import online_retail --project examples/online-retail       as imports/online_retail.yml says")]
pub struct Import {
    /// A .csv, .jsonl or .parquet file, or the name of an import of the project (imports/NAME.yml).
    pub what: String,
    #[command(flatten)]
    pub project: ProjectDir,
    /// The stream its rows are events of.
    #[arg(long)]
    pub stream: Option<String>,
    /// The field that gets file name and row number as its value, where no column identifies a row.
    #[arg(long, value_name = "FIELD")]
    pub id: Option<String>,
    /// FIELD=COLUMN where they have other names; may be given several times.
    #[arg(long = "column", value_parser = parse_names)]
    pub columns: Vec<(String, String)>,
    /// The broker to send to; 127.0.0.1:9092 if not given.
    #[arg(long, env = "SLUICE_KAFKA")]
    pub kafka: Option<String>,
    #[command(flatten)]
    pub access: KafkaAccess,
    /// Starts over instead of going on behind the last row sent.
    #[arg(long)]
    pub restart: bool,
    /// Where the place in the file is kept; without it under data/imports.
    #[arg(long)]
    pub cursor: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice broker --data /tmp/log
  sluice broker --data /tmp/log --kafka 127.0.0.1:19092 --output json")]
pub struct BrokerAlone {
    #[command(flatten)]
    pub data: DataDir,
    /// Where it listens. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9092")]
    pub kafka: SocketAddr,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice bench                     all of them
  sluice bench scoring predict --output json
  sluice bench broker --kafka localhost:9092,pid=4711
  sluice bench store --postgres postgres://sluice:$PASSWORD@localhost/sluice")]
pub struct Bench {
    /// Which; all without one.
    #[arg(value_enum)]
    pub which: Vec<BenchName>,
    /// Shrinks or grows every count.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// A PostgreSQL for `store`, which works in a schema of its own there: postgres://user:password@host/database.
    #[arg(long, env = "SLUICE_BENCH_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub postgres: Option<String>,
    /// An Apache Kafka for `broker` and `cluster`, which make topics of their own there; with its process, folder of data and seconds of
    /// start if `broker` is to compare them as well.
    #[arg(long, env = "SLUICE_BENCH_KAFKA", value_name = "HOST:PORT[,pid=N][,data=DIR][,start=SECONDS]")]
    pub kafka: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchName {
    /// 100 generated features and 25 rules in process, one core.
    Scoring,
    /// Kafka in, three windows a user, five rules, decisions out.
    Stream,
    /// Latency at 10,000 a second, open loop, from the scheduled send to the decision in a client's hand.
    Latency,
    /// `predict` over HTTP, open loop.
    Predict,
    /// Start, idle memory, restart with a million entities.
    Start,
    /// Cost of an event against the length of its window.
    Windows,
    /// The broker by itself: speed, latency, processor time and memory; with --kafka beside an Apache Kafka.
    Broker,
    /// The small job and predict with the log on a cluster: --kafka names an empty one. Not among `all`.
    Cluster,
    /// Decisions into SQLite and, with --postgres, into PostgreSQL beside plain COPY.
    Store,
    /// The shipped project on a simulated month: in process, through the log with the store on, and live.
    Shipped,
}

fn parse_names(text: &str) -> Result<(String, String), String> {
    let (field, column) = text.split_once('=').ok_or("write FIELD=COLUMN")?;
    Ok((field.to_owned(), column.to_owned()))
}

fn parse_span(text: &str) -> Result<i64, String> {
    domain::time::parse_span(text)
}

fn parse_time(text: &str) -> Result<i64, String> {
    domain::time::parse(text).ok_or_else(|| "write a time such as 2026-01-01T00:00:00Z".into())
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s: &f64| *s > 0.0 && *s <= 86_400.0).ok_or_else(|| "write seconds above 0, such as 10 or 0.5".into())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err("write a number of bytes such as 512MB".into()),
    };
    digits.trim().parse::<u64>().map(|n| n * unit).map_err(|_| "write a number of bytes such as 512MB".into())
}

#[cfg(test)]
mod tests;
