//! `sluice store`: what an operator does with the store, whether it is a file or a server.

use super::{Outcome, Result, print_json, status};
use crate::cli::{OutputFormat, StoreCommand, StorePlace, StoreVacuum};
use crate::running::Running;
use crate::{opened, retention, stores};
use pipeline::{Clock as _, SystemClock};
use serde_json::json;
use std::sync::atomic::AtomicBool;
use store::{Description, Place};

pub fn run(command: &StoreCommand, output: OutputFormat) -> Result {
    match command {
        StoreCommand::Status(args) => show(args, output),
        StoreCommand::Migrate(args) => migrate(args, output),
        StoreCommand::Vacuum(args) => vacuum(args, output),
    }
}

fn place(args: &StorePlace) -> domain::Result<(Place, Option<i64>)> {
    let settings = &opened::open(&args.project)?.project.settings;
    Ok((stores::place(&settings.store, &args.data.data), settings.store_keep))
}

/// Records that the running instance has not stored yet; none where none runs.
fn lag(args: &StorePlace) -> Option<i64> {
    let running = Running::find(&args.data.data)?;
    let status = status::ask(&Running::callable(&running.http)).ok()?;
    status.readers.iter().find(|r| r.name == "store").map(|r| r.lag)
}

fn show(args: &StorePlace, output: OutputFormat) -> Result {
    let (place, keep) = place(args)?;
    let description = place.look()?.describe()?;
    let lag = lag(args);
    if output == OutputFormat::Json {
        let mut document = serde_json::to_value(&description).map_err(|e| domain::Error::bug("a store does not serialise").because(e))?;
        document["lag"] = json!(lag);
        document["keep"] = json!(keep.map(domain::time::format_span));
        print_json(&document)?;
    } else {
        print!("{}", text(&description, lag, keep));
    }
    Ok(if description.schema_version == description.known_version { Outcome::Fine } else { Outcome::Found })
}

fn text(d: &Description, lag: Option<i64>, keep: Option<i64>) -> String {
    let t = &d.totals;
    let count = status::count;
    let schema = match d.known_version - d.schema_version {
        0 => format!("version {}", d.schema_version),
        missing => format!("version {}, {missing} behind this release; run `sluice store migrate`", d.schema_version),
    };
    let span = match (&d.oldest_prediction, &t.last_prediction) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "no decisions yet".into(),
    };
    let positions: Vec<_> = d.positions.iter().map(|(at, next)| format!("{at} {next}")).collect();
    let rows = [
        ("store", format!("{}, {}", d.backend, d.place)),
        ("schema", schema),
        ("decisions", format!("{}: {} allow, {} review, {} block", count(t.transactions), count(t.allow), count(t.review), count(t.block))),
        ("alerts", count(t.alerts)),
        ("dead letters", count(t.dead_letters)),
        ("from", span),
        ("kept", keep.map_or_else(|| "everything".into(), domain::time::format_span)),
        ("size", status::bytes(d.size_bytes)),
        ("position", if positions.is_empty() { "nothing read yet".into() } else { positions.join(", ") }),
        (
            "lag",
            match lag {
                Some(0) => "up to date".into(),
                Some(lag) => format!("{} decisions behind", count(lag.unsigned_abs())),
                None => "not known: no instance runs on the data folder".into(),
            },
        ),
    ];
    rows.iter().map(|(name, text)| format!("  {name:<14} {text}\n")).collect()
}

fn migrate(args: &StorePlace, output: OutputFormat) -> Result {
    let migrated = place(args)?.0.migrate()?;
    if output == OutputFormat::Json {
        print_json(&migrated)?;
    } else if migrated.before == migrated.after {
        println!("the store's tables are up to date, at version {}", migrated.after);
    } else {
        println!("the store's tables went from version {} to {}", migrated.before, migrated.after);
    }
    Ok(Outcome::Fine)
}

fn vacuum(args: &StoreVacuum, output: OutputFormat) -> Result {
    let (place, keep) = place(&args.place)?;
    let store = place.look()?;
    let before = store.describe()?.size_bytes;
    let removed = match args.older_than.or(keep) {
        Some(span) => retention::forget(&*store, SystemClock.now() - span, &AtomicBool::new(false))?,
        None => store::Removed::default(),
    };
    store.vacuum()?;
    let after = store.describe()?.size_bytes;
    if output == OutputFormat::Json {
        print_json(&json!({ "removed": removed, "size_bytes_before": before, "size_bytes": after }))?;
    } else {
        println!(
            "removed {} decisions, {} alerts, {} dead letters; {} before, {} now",
            status::count(removed.decisions),
            status::count(removed.alerts),
            status::count(removed.dead_letters),
            status::bytes(before),
            status::bytes(after)
        );
    }
    Ok(Outcome::Fine)
}
