//! `sluice groups`: who reads from a log, how far they are, and moving them elsewhere, over Kafka's protocol.

mod reset;

use super::{Outcome, Result, print_json, reach};
use crate::cli::{GroupName, Groups, OutputFormat};
use comfy_table::{Table, presets};
use domain::Error;
use kafka::admin::GroupView;
use serde_json::json;

pub fn run(args: &Groups, output: OutputFormat) -> Result {
    match args {
        Groups::List(broker) => list(&reach::cluster(broker)?.admin()?.groups(None)?, output),
        Groups::Describe(args) => describe(args, output),
        Groups::ResetOffsets(args) => reset::run(args, output),
    }
}

fn list(groups: &[GroupView], output: OutputFormat) -> Result {
    if output == OutputFormat::Json {
        let rows: Vec<_> = groups.iter().map(|g| json!({ "group": g.name, "state": g.state, "members": g.members.len() })).collect();
        print_json(&rows)?;
        return Ok(Outcome::Fine);
    }
    if groups.is_empty() {
        println!("there are no consumer groups");
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["group", "state", "members"]);
    for g in groups {
        table.add_row([reach::shown(&g.name), g.state.clone(), g.members.len().to_string()]);
    }
    println!("{table}");
    Ok(Outcome::Fine)
}

fn describe(args: &GroupName, output: OutputFormat) -> Result {
    let admin = reach::cluster(&args.broker)?.admin()?;
    let mut groups = admin.groups(None)?;
    let Some(at) = groups.iter().position(|g| g.name == args.group) else {
        let known: Vec<_> = groups.into_iter().map(|g| g.name).collect();
        let hint = reach::nearest(&args.group, &known, "sluice groups list");
        return Err(Error::stop(format!("there is no group `{}`", reach::shown(&args.group)), hint));
    };
    let group = groups.swap_remove(at);
    let committed = admin.committed(&args.group)?;
    let reader = |topic: &str, partition: i32| {
        group.members.iter().find(|m| m.partitions.iter().any(|(t, p)| t == topic && *p == partition)).map(|m| m.client.as_str())
    };
    if output == OutputFormat::Json {
        let members: Vec<_> = group
            .members
            .iter()
            .map(|m| {
                let partitions: Vec<_> = m.partitions.iter().map(|(topic, n)| json!({ "topic": topic, "partition": n })).collect();
                json!({ "id": m.id, "client": m.client, "host": m.host, "partitions": partitions })
            })
            .collect();
        let partitions: Vec<_> = committed
            .iter()
            .map(|c| {
                let client = reader(&c.topic, c.partition);
                json!({ "topic": c.topic, "partition": c.partition, "committed": c.committed, "end": c.end, "lag": c.end - c.committed, "client": client })
            })
            .collect();
        print_json(
            &json!({ "group": group.name, "state": group.state, "protocol": group.protocol, "members": members, "partitions": partitions }),
        )?;
        return Ok(Outcome::Fine);
    }
    println!("{}: {}, {} members", reach::shown(&group.name), group.state, group.members.len());
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["topic", "partition", "committed", "end", "lag", "read by"]);
    for c in &committed {
        let client = reader(&c.topic, c.partition).map_or_else(|| "-".into(), reach::shown);
        let [committed, end, lag] = [c.committed, c.end, c.end - c.committed].map(|n| n.to_string());
        table.add_row([reach::shown(&c.topic), c.partition.to_string(), committed, end, lag, client]);
    }
    println!("{table}");
    Ok(Outcome::Fine)
}
