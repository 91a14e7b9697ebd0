//! `sluice topics`: what stands in a log and what is made or deleted there, over Kafka's protocol, so the same for our own broker and for
//! a cluster.

mod change;
mod tail;

use super::{Outcome, Result, print_json, reach};
use crate::cli::{OutputFormat, Topics};
use comfy_table::{Table, presets};
use domain::Error;
use kafka::admin::TopicView;
use serde_json::json;

pub fn run(args: &Topics, output: OutputFormat) -> Result {
    match args {
        Topics::List(broker) => list(&reach::cluster(broker)?.admin()?.topics(None)?, output),
        Topics::Describe(args) => {
            let admin = reach::cluster(&args.broker)?.admin()?;
            describe(&find(&admin, &args.topic)?, &admin.topic_config(&args.topic)?, output)
        }
        Topics::Tail(args) => tail::run(args, output),
        Topics::Create(args) => change::create(args, output),
        Topics::Delete(args) => change::delete(args, output),
        Topics::Reset(args) => change::reset(args, output),
    }
}

fn find(admin: &kafka::Admin, name: &str) -> domain::Result<TopicView> {
    let mut topics = admin.topics(None)?;
    match topics.iter().position(|t| t.name == name) {
        Some(at) => Ok(topics.swap_remove(at)),
        None => {
            let known: Vec<_> = topics.into_iter().map(|t| t.name).collect();
            Err(Error::stop(format!("there is no topic `{}`", reach::shown(name)), reach::nearest(name, &known, "sluice topics list")))
        }
    }
}

fn list(topics: &[TopicView], output: OutputFormat) -> Result {
    if output == OutputFormat::Json {
        let rows: Vec<_> =
            topics.iter().map(|t| json!({ "topic": t.name, "partitions": t.partitions.len(), "records": t.records() })).collect();
        print_json(&rows)?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["topic", "partitions", "records"]);
    for topic in topics {
        table.add_row([reach::shown(&topic.name), topic.partitions.len().to_string(), topic.records().to_string()]);
    }
    println!("{table}");
    Ok(Outcome::Fine)
}

fn describe(topic: &TopicView, config: &[kafka::admin::ConfigView], output: OutputFormat) -> Result {
    if output == OutputFormat::Json {
        let partitions: Vec<_> = topic
            .partitions
            .iter()
            .map(|p| json!({ "partition": p.id, "start": p.start, "end": p.end, "leader": p.leader, "replicas": p.replicas, "in_sync": p.in_sync }))
            .collect();
        let config: Vec<_> = config.iter().map(|c| json!({ "name": c.name, "value": c.value, "own": c.own })).collect();
        print_json(&json!({ "topic": topic.name, "records": topic.records(), "partitions": partitions, "config": config }))?;
        return Ok(Outcome::Fine);
    }
    println!("{}: {} records", reach::shown(&topic.name), topic.records());
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["partition", "start", "end", "leader", "in sync"]);
    for p in &topic.partitions {
        table.add_row([
            p.id.to_string(),
            p.start.to_string(),
            p.end.to_string(),
            p.leader.to_string(),
            format!("{} of {}", p.in_sync, p.replicas),
        ]);
    }
    println!("{table}");
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["setting", "value", ""]);
    for c in config {
        table.add_row([c.name.as_str(), c.value.as_deref().unwrap_or("(secret)"), if c.own { "set for this topic" } else { "" }]);
    }
    println!("{table}");
    Ok(Outcome::Fine)
}
