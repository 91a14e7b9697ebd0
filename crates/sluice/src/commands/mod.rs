//! What each command does, a file each.

pub mod backtest;
pub mod bench;
pub mod broker;
pub mod check;
pub mod completions;
pub mod deploy;
pub mod doctor;
pub mod down;
pub mod groups;
pub mod import;
pub mod init;
pub mod lake;
pub mod lists;
pub mod models;
mod reach;
pub mod replay;
pub mod score;
pub mod show;
pub mod simulate;
pub mod sql;
pub mod status;
pub mod store;
pub mod test;
pub mod topics;
pub mod up;
pub mod users;

use crate::cli::OutputFormat;
use crate::client;
use domain::Error;
use project::Diagnostic;
use server::changes::Refused;
use std::io::Write;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Fine,
    /// It found mistakes, failures or differences, and has printed them.
    Found,
}

pub type Result = domain::Result<Outcome>;

/// Prints one JSON document on a line.
pub fn print_json(value: &impl serde::Serialize) -> domain::Result<()> {
    let text = serde_json::to_string(value).map_err(|e| Error::bug("a result does not serialise").because(e))?;
    println!("{text}");
    Ok(())
}

/// A runtime for a command that only asks and tells.
pub fn small_runtime() -> domain::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))
}

/// Prints the mistakes of a project, or of a file for one.
pub fn mistakes(found: &[Diagnostic], of: &str, output: OutputFormat) -> domain::Result<()> {
    if output == OutputFormat::Json {
        return print_json(&serde_json::json!({ "ok": false, "mistakes": found }));
    }
    for mistake in found {
        println!("{mistake}\n");
    }
    println!("{} mistake{} in {of}", found.len(), if found.len() == 1 { "" } else { "s" });
    Ok(())
}

/// Prints why a change was refused.
pub fn refused(why: &Refused, output: OutputFormat) -> Result {
    if output == OutputFormat::Json {
        let errors = if let Refused::Invalid(wrong) = why { wrong.as_slice() } else { &[] };
        print_json(&serde_json::json!({ "ok": false, "refused": client::told(why), "errors": errors }))?;
    } else {
        eprintln!("sluice: {}", client::told(why));
    }
    Ok(Outcome::Found)
}

/// Standard output in large writes; a closed pipe (as of `head`) ends the program quietly.
pub struct Out(std::io::BufWriter<std::io::Stdout>);

impl Out {
    pub fn new() -> Self {
        Self(std::io::BufWriter::with_capacity(1 << 16, std::io::stdout()))
    }

    pub fn line(&mut self, bytes: &[u8]) -> domain::Result<()> {
        self.0.write_all(bytes).and_then(|()| self.0.write_all(b"\n")).map_err(closed)
    }

    pub fn flush(&mut self) -> domain::Result<()> {
        self.0.flush().map_err(closed)
    }
}

fn closed(e: std::io::Error) -> Error {
    if e.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Error::stop("cannot write to standard output", "check where it is redirected to").because(e)
}
