//! Which broker a command speaks to: the one named, the project's cluster, the instance on the data folder, or where one would be.

use crate::cli::{Broker, KafkaAccess};
use crate::opened;
use crate::running::Running;
use domain::{Error, Kind, Result};
use kafka::Cluster;
use project::{Diagnostic, LogSettings};

const USUAL: &str = "127.0.0.1:9092";

/// # Errors
/// Stop where the project or the file with settings cannot be read.
pub fn cluster(args: &Broker) -> Result<Cluster> {
    if args.kafka.is_some() || args.access.kafka_settings.is_some() {
        return named(args.kafka.as_deref(), &args.access);
    }
    if opened::folder(&args.project).is_some()
        && let LogSettings::Kafka { bootstrap, properties } = &opened::open(&args.project)?.project.settings.log
    {
        return Ok(Cluster::with(bootstrap, properties.clone()));
    }
    let running = Running::find(&args.data.data).map(|r| Running::callable(&r.kafka));
    Ok(Cluster::at(running.unwrap_or_else(|| USUAL.into())))
}

/// The brokers that the command line names, itself or in its file.
///
/// # Errors
/// Stop where the file cannot be read.
pub fn named(kafka: Option<&str>, access: &KafkaAccess) -> Result<Cluster> {
    let (bootstrap, properties) = match &access.kafka_settings {
        None => Default::default(),
        Some(path) => {
            let shown = path.display().to_string();
            let wrong = |why: String| Error::stop(why, "write it as under `kafka:` in sluice.yml");
            let bytes = std::fs::read(path).map_err(|e| wrong(format!("cannot read {shown}")).because(e))?;
            let all = |found: Vec<Diagnostic>| wrong(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
            project::read_kafka(&shown, &bytes, &|name| std::env::var(name).ok()).map_err(all)?
        }
    };
    let bootstrap = kafka.map(str::to_owned).or(bootstrap).unwrap_or_else(|| USUAL.into());
    Ok(Cluster::with(bootstrap, properties))
}

/// What to do where no broker answers; other errors have hints of their own.
pub fn unreached(e: Error) -> Error {
    match e.kind {
        Kind::Retry => Error::stop(e.to_string(), "start a broker (`sluice up`), or give its address with --kafka"),
        _ => e,
    }
}

/// The name nearest to one that is not known, as a hint.
pub fn nearest(name: &str, known: &[String], list: &str) -> String {
    match project::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`{list}` names them all"),
    }
}

/// Text of strangers as it may be shown on a terminal: control characters are escaped.
pub fn shown(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
