//! `sluice completions`: what a shell needs to complete the command line.

use super::{Outcome, Result};
use crate::cli::{Cli, Completions, Shell};
use clap::CommandFactory as _;

pub fn run(args: &Completions) -> Result {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
    };
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut out);
    let mut stdout = super::Out::new();
    stdout.line(out.trim_ascii_end())?;
    stdout.flush()?;
    Ok(Outcome::Fine)
}
