//! `sluice groups reset-offsets`: where a group would go on, and with `--execute` that it does.

use crate::cli::{GroupReset, OutputFormat};
use crate::commands::{Outcome, Result, print_json, reach};
use comfy_table::{Table, presets};
use domain::Error;
use kafka::Admin;
use kafka::admin::ResetTo;
use serde_json::json;
use std::collections::BTreeMap;

pub fn run(args: &GroupReset, output: OutputFormat) -> Result {
    let admin = reach::cluster(&args.broker)?.admin()?;
    let plan = admin.plan_reset(&args.group, &meant(&admin, args)?, to(args))?;
    if args.execute {
        admin.reset(&args.group, &plan)?;
    }
    if output == OutputFormat::Json {
        let partitions: Vec<_> =
            plan.iter().map(|r| json!({ "topic": r.topic, "partition": r.partition, "before": r.before, "after": r.after })).collect();
        print_json(&json!({ "group": args.group, "written": args.execute, "partitions": partitions }))?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["topic", "partition", "before", "after"]);
    for r in &plan {
        let before = r.before.map_or_else(|| "-".into(), |n| n.to_string());
        table.add_row([reach::shown(&r.topic), r.partition.to_string(), before, r.after.to_string()]);
    }
    println!("{table}");
    println!("{}", if args.execute { "written" } else { "nothing is written yet; say --execute to do it" });
    Ok(Outcome::Fine)
}

fn to(args: &GroupReset) -> ResetTo {
    // The command line lets exactly one of them through.
    if let Some(offset) = args.to_offset {
        ResetTo::Offset(offset)
    } else if let Some(records) = args.shift_by {
        ResetTo::By(records)
    } else if let Some(micros) = args.to_datetime {
        // The first at or after it, so up.
        ResetTo::Time(micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) > 0))
    } else if args.to_latest {
        ResetTo::Latest
    } else {
        ResetTo::Earliest
    }
}

/// Topics, with the partitions that are meant; all where none is named.
fn meant(admin: &Admin, args: &GroupReset) -> domain::Result<BTreeMap<String, Vec<i32>>> {
    if args.all_topics {
        let found: BTreeMap<_, _> = admin.committed(&args.group)?.into_iter().map(|c| (c.topic, Vec::new())).collect();
        if found.is_empty() {
            let why = format!("group `{}` has committed nothing", reach::shown(&args.group));
            return Err(Error::stop(why, "name the topics that it is to read with --topic"));
        }
        return Ok(found);
    }
    let mut found: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for text in &args.topic {
        let (topic, ids) = named(text)?;
        let whole = ids.is_empty() || found.get(&topic).is_some_and(Vec::is_empty);
        let known = found.entry(topic).or_default();
        if whole { known.clear() } else { known.extend(ids) }
    }
    Ok(found)
}

/// `decisions`, or `decisions:0,2`.
fn named(text: &str) -> domain::Result<(String, Vec<i32>)> {
    let Some((topic, partitions)) = text.split_once(':') else { return Ok((text.to_owned(), Vec::new())) };
    let ids: std::result::Result<Vec<i32>, _> = partitions.split(',').map(str::parse).collect();
    let wrong = |e| Error::stop(format!("`{}` names no partitions", reach::shown(text)), "write for example decisions:0,2").because(e);
    Ok((topic.to_owned(), ids.map_err(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn partitions_are_named_behind_the_topic() {
        assert_eq!(named("decisions").unwrap(), ("decisions".to_owned(), vec![]));
        assert_eq!(named("decisions:0,2").unwrap(), ("decisions".to_owned(), vec![0, 2]));
        assert!(named("decisions:").is_err());
        assert!(named("decisions:a").is_err());
    }
}
