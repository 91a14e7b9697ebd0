//! `sluice down`: stops the instance of a data folder, gracefully.

use super::{Outcome, Result};
use crate::cli::DataDir;
use domain::Error;
use std::time::{Duration, Instant};

/// The file that holds the process number of the instance that runs.
pub const PID_FILE: &str = "sluice.pid";

pub fn run(args: &DataDir) -> Result {
    let path = args.data.join(PID_FILE);
    let Some(pid) = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u32>().ok()) else {
        println!("nothing runs on {}", args.data.display());
        return Ok(Outcome::Fine);
    };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if !name.starts_with("sluice") {
        println!("nothing runs on {} any more (process {pid} is gone)", args.data.display());
        let _ = std::fs::remove_file(&path);
        return Ok(Outcome::Fine);
    }
    let killed = std::process::Command::new("kill").arg(pid.to_string()).status();
    if !killed.is_ok_and(|s| s.success()) {
        return Err(Error::stop(format!("could not signal process {pid}"), "stop it as the user who started it"));
    }
    let until = Instant::now() + Duration::from_secs(30);
    while runs(pid) {
        if Instant::now() > until {
            return Err(Error::retry(format!("process {pid} is still stopping after 30 seconds")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("stopped process {pid}");
    Ok(Outcome::Fine)
}

/// Whether a process still runs. One that has ended and that nobody has waited for yet runs no more.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name stands in parentheses and may hold any of them; the state follows the last one.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
