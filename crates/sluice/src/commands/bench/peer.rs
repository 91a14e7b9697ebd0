//! The baselines in Python. They travel in the binary and run with the interpreter that `SLUICE_TEST_PYTHON` names, the tests' own
//! environment, or `python3`; one that cannot run is left out of the report, with the reason.

use super::scratch::Scratch;
use serde::Deserialize;
use std::process::{Command, Stdio};

pub const DICT_FEATURES: (&str, &str) = ("dict_features.py", include_str!("../../../../../bench/peers/dict_features.py"));
pub const KAFKA_WINDOWS: (&str, &str) = ("kafka_windows.py", include_str!("../../../../../bench/peers/kafka_windows.py"));

/// What a script prints.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Outcome {
    pub events_per_second: f64,
    pub cpu_seconds: f64,
    pub peak_memory_mb: f64,
}

fn python() -> String {
    let own = "target/test-venv/bin/python";
    std::env::var("SLUICE_TEST_PYTHON").unwrap_or_else(|_| if std::path::Path::new(own).exists() { own.into() } else { "python3".into() })
}

/// Runs a script to its end. The error is a note for the report.
pub fn run((name, text): (&str, &str), scratch: &Scratch, args: &[&str]) -> Result<Outcome, String> {
    let path = scratch.join(name);
    let python = python();
    let left_out = |why: String| format!("the baseline {name} is left out: {why} (SLUICE_TEST_PYTHON names another interpreter)");
    std::fs::write(&path, text).map_err(|e| left_out(e.to_string()))?;
    let done = Command::new(&python)
        .arg(&path)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| left_out(format!("{python} does not start: {e}")))?;
    let printed = String::from_utf8_lossy(&done.stdout);
    match printed.lines().last().map(serde_json::from_str) {
        Some(Ok(outcome)) if done.status.success() => Ok(outcome),
        _ => {
            let said = String::from_utf8_lossy(&done.stderr);
            Err(left_out(said.lines().last().unwrap_or("it printed no result").to_owned()))
        }
    }
}
