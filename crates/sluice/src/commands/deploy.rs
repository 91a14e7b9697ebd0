//! `sluice deploy` and `sluice versions`: another version of the project, without a restart.

use super::{Outcome, Result, print_json};
use crate::cli::{Deploy, OutputFormat, Versions};
use crate::client::{self, Reached};
use crate::opened;
use server::changes::{self, Cause, Deployed, Refused};
use std::collections::BTreeMap;

pub fn run(args: &Deploy, output: OutputFormat) -> Result {
    let deploy = match &args.version {
        Some(version) => changes::Deploy { version: Some(version.clone()), ..changes::Deploy::default() },
        None => {
            // Checked here first: the mistakes are shown with the lines at fault.
            let opened = match opened::try_open(&args.target.project) {
                Ok(opened) => opened,
                Err(mistakes) => {
                    super::mistakes(&mistakes, &opened::name(&args.target.project), output)?;
                    return Ok(Outcome::Found);
                }
            };
            let failing = scoring::cases::failing(&opened.project, &opened.plan)?;
            if !failing.is_empty() {
                super::mistakes(&failing, &opened::name(&args.target.project), output)?;
                return Ok(Outcome::Found);
            }
            let text = |(path, bytes): &(String, Vec<u8>)| (path.clone(), String::from_utf8_lossy(bytes).into_owned());
            let files: BTreeMap<String, String> = opened.project.files.iter().map(text).collect();
            changes::Deploy { files: Some(files), ..changes::Deploy::default() }
        }
    };
    let deploy = changes::Deploy { why: args.why.clone(), dry_run: args.dry_run, ..deploy };
    with(&args.target, output, async |reached| {
        let deployed = reached.changes.deploy(&reached.who, deploy).await?;
        Ok(match output {
            OutputFormat::Json => print_json(&deployed),
            OutputFormat::Human => {
                tell(&deployed, reached.offline.is_some());
                Ok(())
            }
        })
    })
}

pub fn versions(args: &Versions, output: OutputFormat) -> Result {
    with(&args.target, output, async |reached| {
        let versions = reached.changes.versions(args.limit).await?;
        if output == OutputFormat::Json {
            return Ok(print_json(&versions));
        }
        for version in &versions {
            let by = match version.by {
                Cause::Start => "start ",
                Cause::Watch => "watch ",
                Cause::Deploy => "deploy",
            };
            let judges = if version.active { "  <- judges" } else { "" };
            let why = if version.why.is_empty() { String::new() } else { format!(": {}", version.why) };
            println!("{}  {}  {by}  {}{why}{judges}", version.digest, domain::time::format(version.at), version.who);
        }
        Ok(Ok(()))
    })
}

fn with(
    target: &crate::cli::Target,
    output: OutputFormat,
    work: impl AsyncFnOnce(&Reached) -> std::result::Result<domain::Result<()>, Refused>,
) -> Result {
    let runtime = super::small_runtime()?;
    let reached = client::reach(target, || Ok(opened::open(&target.project)?.project.settings.log.clone()), runtime.handle())?;
    let outcome = runtime.block_on(async {
        let outcome = work(&reached).await;
        reached.close().await;
        outcome
    });
    match outcome {
        Ok(done) => done.map(|()| Outcome::Fine),
        Err(refused) => super::refused(&refused, output),
    }
}

/// What became of it, for a person.
pub fn tell(deployed: &Deployed, offline: bool) {
    let short = |digest: &str| digest[..digest.len().min(12)].to_owned();
    let digest = short(&deployed.digest);
    match (deployed.unchanged, deployed.dry_run, deployed.sequence) {
        (true, ..) => println!("version {digest} judges already"),
        (_, true, _) => println!("version {digest} is right and could be deployed ({})", files(&deployed.changed)),
        (_, _, Some(sequence)) => println!("version {digest} judges from {sequence} in the sequence on ({})", files(&deployed.changed)),
        _ if offline => println!("version {digest} judges from the next start on: nothing runs on this folder now"),
        _ => println!("version {digest} judges ({})", files(&deployed.changed)),
    }
    if !deployed.unchanged
        && let Some(previous) = &deployed.previous
    {
        println!("  back with: sluice deploy --version {}", short(previous));
    }
    for entry in &deployed.overruled {
        println!("  {} in {}: the file has the later word; the change made while running is forgotten", entry.key.join(", "), entry.list);
    }
    for later in &deployed.later {
        println!("  {later} takes effect at the next start");
    }
}

fn files(changed: &[String]) -> String {
    match changed {
        [] => "no file differs".into(),
        few if few.len() <= 4 => few.join(", "),
        many => format!("{} and {} more", many[..3].join(", "), many.len() - 3),
    }
}
