//! `sluice init`: the shipped project, written into a folder.

use super::{Outcome, Result, print_json};
use crate::cli::{Init, OutputFormat};
use crate::shipped;

pub fn run(args: &Init, output: OutputFormat) -> Result {
    let files = shipped::write(&args.dir)?;
    let dir = args.dir.display();
    match output {
        OutputFormat::Json => print_json(&serde_json::json!({"dir": args.dir, "files": files}))?,
        OutputFormat::Human => println!(
            "wrote {files} files into {dir}\n\nnext:\n  cd {dir}\n  sluice check               every mistake at once\n  sluice test                the cases of rules and features\n  sluice up --simulate 50    start it, with payments to watch"
        ),
    }
    Ok(Outcome::Fine)
}
