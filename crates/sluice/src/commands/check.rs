//! `sluice check`: every mistake in a project at once.

use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, ProjectDir};
use crate::opened;

pub fn run(args: &ProjectDir, output: OutputFormat) -> Result {
    let from = opened::name(args);
    match (opened::try_open(args), output) {
        (Ok(opened), OutputFormat::Human) => {
            let (project, plan) = (&opened.project, &opened.plan);
            let cases = project.feature_cases.len() + project.rules.iter().map(|r| r.cases.len()).sum::<usize>();
            println!(
                "{}: {} is right: {} streams, {} features, {} rules, {} lists, {cases} cases (run them with `sluice test`)",
                project.settings.name,
                opened.from,
                project.streams.len(),
                plan.features.features.len(),
                project.rules.len(),
                project.lists.len(),
            );
            Ok(Outcome::Fine)
        }
        (Ok(opened), OutputFormat::Json) => {
            print_json(&serde_json::json!({"ok": true, "digest": opened.project.digest, "mistakes": []}))?;
            Ok(Outcome::Fine)
        }
        (Err(mistakes), output) => {
            super::mistakes(&mistakes, &from, output)?;
            Ok(Outcome::Found)
        }
    }
}
