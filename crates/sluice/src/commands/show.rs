//! `sluice show`: what a project defines, rendered and resolved.

use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, Show, What};
use crate::opened::{self, Opened};
use comfy_table::{ContentArrangement, Table, presets};
use domain::time::format_span;
use domain::{StreamMode, Text};
use serde_json::json;

pub fn run(args: &Show, output: OutputFormat) -> Result {
    let opened = opened::open(&args.project)?;
    match args.what {
        What::Features if args.sql => sql(&opened, output)?,
        What::Features => features(&opened, output)?,
        What::Rules => rules(&opened, output)?,
        What::Streams => streams(&opened, output)?,
        What::Lists => lists(&opened, output)?,
    }
    Ok(Outcome::Fine)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_header(header.to_vec());
    table
}

fn sql(opened: &Opened, output: OutputFormat) -> domain::Result<()> {
    let sql = opened.plan.features.as_of_sql();
    match output {
        OutputFormat::Json => print_json(&json!({"sql": sql})),
        OutputFormat::Human => {
            println!("{sql}");
            Ok(())
        }
    }
}

fn features(opened: &Opened, output: OutputFormat) -> domain::Result<()> {
    let docs = |name: &Text| opened.project.feature_docs.get(name.as_str());
    let features = &opened.plan.features.features;
    if output == OutputFormat::Json {
        let listed: Vec<_> = features
            .iter()
            .map(|f| {
                let doc = docs(&f.name);
                json!({"name": f.name, "type": f.ty.to_string(), "file": f.file, "sql": f.sql,
                       "description": doc.map(|d| &d.description), "unit": doc.and_then(|d| d.unit.as_ref())})
            })
            .collect();
        return print_json(&listed);
    }
    let mut table = table(&["feature", "type", "unit", "what it says", "file"]);
    for f in features {
        let doc = docs(&f.name);
        let (unit, description) = doc.map_or(("", ""), |d| (d.unit.as_deref().unwrap_or(""), d.description.as_str()));
        table.add_row([f.name.as_str(), &f.ty.to_string(), unit, description, &f.file]);
    }
    println!("{table}");
    Ok(())
}

fn rules(opened: &Opened, output: OutputFormat) -> domain::Result<()> {
    let rules = opened.plan.rules.rules();
    if output == OutputFormat::Json {
        return print_json(&rules);
    }
    let mut table = table(&["rule", "action", "severity", "weight", "when", "why"]);
    for r in rules {
        let action = format!("{}{}", word(&r.action), if r.mode == domain::RuleMode::Shadow { " (shadow)" } else { "" });
        table.add_row([r.name.as_str(), &action, &word(&r.severity), &r.weight.to_string(), &r.when, &r.description]);
    }
    println!("{table}");
    Ok(())
}

/// The word that JSON has for an enum's value.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn streams(opened: &Opened, output: OutputFormat) -> domain::Result<()> {
    if output == OutputFormat::Json {
        let listed: Vec<_> = opened
            .project
            .streams
            .iter()
            .map(|spec| {
                let s = &spec.stream;
                let fields: Vec<_> = s
                    .fields
                    .iter()
                    .map(|f| json!({"name": f.name, "type": f.kind.name(), "required": f.required, "min": f.min, "max": f.max, "description": f.description}))
                    .collect();
                json!({"name": s.name, "topic": s.topic, "mode": if s.mode == StreamMode::Append { "append" } else { "upsert" },
                       "key": s.fields[s.key].name, "event_time": s.fields[s.event_time].name, "lateness": format_span(s.lateness),
                       "skew": format_span(s.skew), "judged": s.judged.is_some(), "description": s.description, "fields": fields})
            })
            .collect();
        return print_json(&listed);
    }
    for spec in &opened.project.streams {
        let s = &spec.stream;
        let mode = if s.mode == StreamMode::Append { "append" } else { "upsert: the latest row per key" };
        println!(
            "{} (topic {}, {mode}, late by up to {}){}",
            s.name,
            s.topic,
            format_span(s.lateness),
            if s.judged.is_some() { ", judged" } else { "" }
        );
        let mut table = table(&["field", "type", "required", "what it is"]);
        for (slot, f) in s.fields.iter().enumerate() {
            let part = if slot == s.key {
                " (key)"
            } else if slot == s.event_time {
                " (event time)"
            } else {
                ""
            };
            table.add_row([format!("{}{part}", f.name).as_str(), &f.kind.name(), if f.required { "yes" } else { "" }, &f.description]);
        }
        println!("{table}\n");
    }
    Ok(())
}

fn lists(opened: &Opened, output: OutputFormat) -> domain::Result<()> {
    if output == OutputFormat::Json {
        let listed: Vec<_> = opened
            .project
            .lists
            .iter()
            .map(|l| {
                let entries: Vec<_> = l
                    .entries
                    .iter()
                    .map(|e| json!({"key": e.key, "who": e.who, "why": e.why, "until": e.until.map(domain::time::format)}))
                    .collect();
                json!({"name": l.name, "columns": l.columns, "entries": entries})
            })
            .collect();
        return print_json(&listed);
    }
    for list in &opened.project.lists {
        println!("{} ({})", list.name, list.columns.join(", "));
        let mut table = table(&["entry", "who", "why", "until"]);
        for e in &list.entries {
            table.add_row([&e.key.join(", "), &e.who, &e.why, &e.until.map(domain::time::format).unwrap_or_default()]);
        }
        println!("{table}\n");
    }
    Ok(())
}
