//! `sluice topics create`, `delete` and `reset`. What deletes records says what it would delete unless it is told to; topics that Sluice
//! itself writes are left alone, as decisions already given hang on them.

use super::find;
use crate::cli::{OutputFormat, TopicConsent, TopicCreate};
use crate::commands::{Outcome, Result, print_json, reach};
use crate::topics;
use domain::Error;
use kafka::Admin;
use kafka::admin::{TopicPlan, TopicView};
use serde_json::json;

pub fn create(args: &TopicCreate, output: OutputFormat) -> Result {
    let admin = reach::cluster(&args.broker)?.admin()?;
    let name = &args.topic;
    let plan =
        TopicPlan { name: name.clone(), partitions: args.partitions, replicas: args.replication_factor, config: args.config.clone() };
    let made = admin.create_topic(&plan)?;
    if !made && !args.if_not_exists {
        let hint = format!("`sluice topics describe {name}` shows it; --if-not-exists takes it as it is");
        return Err(Error::stop(format!("there is a topic `{}` already", reach::shown(name)), hint));
    }
    match output {
        OutputFormat::Json => print_json(&json!({ "topic": name, "created": made }))?,
        OutputFormat::Human if made => println!("created topic {}", reach::shown(name)),
        OutputFormat::Human => println!("topic {} was there already", reach::shown(name)),
    }
    Ok(Outcome::Fine)
}

pub fn delete(args: &TopicConsent, output: OutputFormat) -> Result {
    let admin = reach::cluster(&args.broker)?.admin()?;
    let topic = changeable(&admin, &args.topic)?;
    if args.yes {
        admin.delete_topic(&topic.name)?;
    }
    told(args, &topic, "deleted", "delete", output)
}

pub fn reset(args: &TopicConsent, output: OutputFormat) -> Result {
    let admin = reach::cluster(&args.broker)?.admin()?;
    let topic = changeable(&admin, &args.topic)?;
    if args.yes {
        admin.empty_topic(&topic.name)?;
    }
    told(args, &topic, "emptied", "empty", output)
}

/// The topic, if it is not one of Sluice's own.
fn changeable(admin: &Admin, name: &str) -> domain::Result<TopicView> {
    let topic = find(admin, name)?;
    let all = admin.topics(None)?;
    let has = |name: &str| all.iter().any(|t| t.name == name);
    let own = topics::is_own(name) || all.iter().any(|t| topics::predict(&t.name) == name);
    // In a log without a sequence a topic may well be called `features` or `alerts`.
    if !own || !has(topics::SEQUENCE) || !has(topics::CONTROL) {
        return Ok(topic);
    }
    Err(Error::stop(
        format!("topic `{name}` is written by Sluice itself, and every start goes on from what stands there"),
        "to begin anew stop the instance and give it an empty log: another data folder, or on a cluster another one, or without these topics",
    ))
}

/// Says what was done, or would be.
fn told(args: &TopicConsent, topic: &TopicView, done: &str, would: &str, output: OutputFormat) -> Result {
    let (name, records) = (reach::shown(&topic.name), topic.records());
    match output {
        OutputFormat::Json => print_json(&json!({ "topic": topic.name, "records": records, done: args.yes }))?,
        OutputFormat::Human if args.yes => println!("{done} topic {name}, which held {records} records"),
        OutputFormat::Human => println!("would {would} topic {name}, which holds {records} records; say --yes to do it"),
    }
    Ok(if args.yes { Outcome::Fine } else { Outcome::Found })
}
