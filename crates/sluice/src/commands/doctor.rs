//! `sluice doctor`: looks at the machine and the project as `sluice up` would find them, and says of each thing that is not well what to do
//! about it. It changes nothing. Ends with 1 where something would keep an instance from running well.

mod addresses;
mod exposure;
mod machine;
mod ports;

use super::{Outcome, Result, print_json};
use crate::cli::{Doctor, OutputFormat};
use crate::kafka_door;
use crate::opened;
use crate::running::Running;
use project::LogSettings;
use serde::Serialize;
use std::io::IsTerminal as _;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Fine,
    /// It runs, and not as well as it could.
    Warning,
    /// It does not run, or will not for long.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub what: String,
    pub found: String,
    /// What to do; always there where it is not fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn fine(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { level: Level::Fine, what: what.into(), found: found.into(), remedy: None }
    }

    fn warning(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), found: found.into(), remedy: Some(remedy.into()) }
    }

    fn wrong(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Wrong, what: what.into(), found: found.into(), remedy: Some(remedy.into()) }
    }
}

pub fn run(args: &Doctor, output: OutputFormat) -> Result {
    let data = &args.data.data;
    let running = Running::find(data);
    let mut findings = Vec::new();
    let opened = opened::try_open(&args.project);
    match &opened {
        Ok(opened) => {
            let (rules, features) = (opened.project.rules.len(), opened.plan.features.features.len());
            findings.push(Finding::fine("project", format!("{}: {features} features, {rules} rules, no mistakes", opened.from)));
        }
        Err(mistakes) => findings.push(Finding::wrong(
            "project",
            format!("{} has {} mistakes, the first: {}", opened::name(&args.project), mistakes.len(), first_line(mistakes)),
            "`sluice check` lists them all, with what to write instead",
        )),
    }
    if let Some(running) = &running {
        findings.push(Finding::fine("instance", format!("process {} runs on {}", running.pid, data.display())));
    }
    findings.push(ports::free("HTTP port", args.http, "--http", running.as_ref().map(|r| (r.pid, r.http.as_str()))));
    findings.push(ports::free("Kafka port", args.kafka, "--kafka", running.as_ref().map(|r| (r.pid, r.kafka.as_str()))));
    findings.extend(machine::folder(data));
    findings.extend(machine::limits());
    findings.extend(machine::clock(data));
    if let Ok(opened) = &opened {
        if opened.project.settings.log == LogSettings::Embedded {
            findings.push(exposure::of(args.kafka, &kafka_door::settings(&args.listener, &opened.project)));
        }
        findings.push(machine::memory(opened.project.settings.state_memory));
        findings.extend(addresses::reachable(&opened.project.settings));
    }
    match output {
        OutputFormat::Json => print_json(&findings)?,
        OutputFormat::Human => print(&findings),
    }
    let wrong = findings.iter().any(|f| f.level == Level::Wrong);
    Ok(if wrong { Outcome::Found } else { Outcome::Fine })
}

fn first_line(mistakes: &[project::Diagnostic]) -> String {
    mistakes.first().map(|m| format!("{}: {}", m.place, m.message)).unwrap_or_default()
}

fn print(findings: &[Finding]) {
    let colours = std::io::stdout().is_terminal();
    for f in findings {
        let (word, colour) = match f.level {
            Level::Fine => ("fine   ", "32"),
            Level::Warning => ("warning", "33"),
            Level::Wrong => ("WRONG  ", "31"),
        };
        let word = if colours { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() };
        println!("{word}  {:<20} {}", f.what, f.found);
        if let Some(remedy) = &f.remedy {
            println!("         {:<20} do: {remedy}", "");
        }
    }
    let count = |level| findings.iter().filter(|f| f.level == level).count();
    println!("{} fine, {} warnings, {} wrong", count(Level::Fine), count(Level::Warning), count(Level::Wrong));
}

#[cfg(test)]
mod tests;
