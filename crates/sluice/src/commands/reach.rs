//! Which broker a command speaks to: the one named, the project's cluster, the instance on the data folder, or where one would be.

use crate::cli::Broker;
use crate::opened;
use crate::running::Running;
use domain::Result;
use kafka::Cluster;
use project::LogSettings;

const USUAL: &str = "127.0.0.1:9092";

/// # Errors
/// Stop where the project cannot be read.
pub fn cluster(args: &Broker) -> Result<Cluster> {
    if let Some(bootstrap) = &args.kafka {
        return Ok(Cluster::at(bootstrap));
    }
    if opened::folder(&args.project).is_some()
        && let LogSettings::Kafka { bootstrap, properties } = &opened::open(&args.project)?.project.settings.log
    {
        return Ok(Cluster { bootstrap: bootstrap.clone(), properties: properties.clone(), ..Cluster::default() });
    }
    let running = Running::find(&args.data.data).map(|r| Running::callable(&r.kafka));
    Ok(Cluster::at(running.unwrap_or_else(|| USUAL.into())))
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
