//! What each command does, a file each.

pub mod backtest;
pub mod bench;
pub mod check;
pub mod completions;
pub mod doctor;
pub mod down;
pub mod groups;
pub mod import;
pub mod init;
mod reach;
pub mod replay;
pub mod score;
pub mod show;
pub mod simulate;
pub mod status;
pub mod test;
pub mod topics;
pub mod up;

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
    let text = serde_json::to_string(value).map_err(|e| domain::Error::bug("a result does not serialise").because(e))?;
    println!("{text}");
    Ok(())
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

fn closed(e: std::io::Error) -> domain::Error {
    if e.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    domain::Error::stop("cannot write to standard output", "check where it is redirected to").because(e)
}
