//! `sluice test`: the cases of all rules and features.

use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, Test};
use crate::opened;
use scoring::cases;

pub fn run(args: &Test, output: OutputFormat) -> Result {
    let opened = opened::open(&args.project)?;
    let mut results = cases::run(&opened.project, &opened.plan)?;
    if let Some(filter) = &args.filter {
        results.retain(|r| r.name.contains(filter) || r.rule.as_ref().is_some_and(|rule| rule.contains(filter)));
    }
    let failed = results.iter().filter(|r| !r.passed()).count();
    match output {
        OutputFormat::Json => {
            let listed: Vec<_> = results
                .iter()
                .map(
                    |r| serde_json::json!({"rule": r.rule, "case": r.name, "place": r.place, "passed": r.passed(), "failures": r.failures}),
                )
                .collect();
            print_json(&serde_json::json!({"passed": results.len() - failed, "failed": failed, "cases": listed}))?;
        }
        OutputFormat::Human => {
            for result in &results {
                let subject = result.rule.as_deref().unwrap_or("features");
                println!("{} {subject}: {}", if result.passed() { "ok    " } else { "FAILED" }, result.name);
                for failure in &result.failures {
                    println!("         {}: {failure}", result.place);
                }
            }
            println!("\n{} passed, {failed} failed", results.len() - failed);
        }
    }
    // Rules without cases are allowed, but a run that tried nothing is no success.
    if results.is_empty() {
        eprintln!("no case matches");
    }
    Ok(if failed > 0 || results.is_empty() { Outcome::Found } else { Outcome::Fine })
}
