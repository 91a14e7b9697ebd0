//! `sluice check`: every mistake in a project at once.

use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, ProjectDir};
use crate::opened::Opened;
use crate::{models, opened};
use project::Diagnostic;
use transform::spec::Kind;
use transform::{Models, Options};

pub fn run(args: &ProjectDir, output: OutputFormat) -> Result {
    let from = opened::name(args);
    match (everything(args), output) {
        (Ok((opened, models)), OutputFormat::Human) => {
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
            if let Some(models) = models {
                let count = |kinds: &[Kind]| models.nodes.values().filter(|n| kinds.contains(&n.kind)).count();
                println!(
                    "{}: {} SQL models, {} snapshots, {} seeds, {} tests of them (build and run them with `sluice models build`)",
                    project.settings.name,
                    count(&[Kind::Model]),
                    count(&[Kind::Snapshot]),
                    count(&[Kind::Seed]),
                    count(&[Kind::Test, Kind::UnitTest]),
                );
            }
            Ok(Outcome::Fine)
        }
        (Ok((opened, _)), OutputFormat::Json) => {
            print_json(&serde_json::json!({"ok": true, "digest": opened.project.digest, "mistakes": []}))?;
            Ok(Outcome::Fine)
        }
        (Err(mistakes), output) => {
            super::mistakes(&mistakes, &from, output)?;
            Ok(Outcome::Found)
        }
    }
}

/// The project, and its SQL models where it has any; or the mistakes in both.
fn everything(args: &ProjectDir) -> std::result::Result<(Opened, Option<Models>), Vec<Diagnostic>> {
    let models = models::any(args).then(|| models::open(args, &Options::default())).transpose();
    match (opened::try_open(args), models) {
        (Ok(opened), Ok(models)) => Ok((opened, models)),
        (opened, models) => Err(opened.err().into_iter().chain(models.err()).flatten().collect()),
    }
}
