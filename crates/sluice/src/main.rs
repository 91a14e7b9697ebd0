//! The binary: reads the command line, calls the command, turns its outcome into an exit code (0 done, 1 it found something or failed,
//! 2 the command line was wrong).

// A command line prints: results to standard output, everything else to standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]
// Nothing outside reaches into a binary: here `pub` says what a module offers to the others.
#![allow(unreachable_pub)]

mod audit_sink;
mod cli;
mod client;
mod commands;
mod controller;
mod dead_letter;
mod disk;
mod feed;
mod files;
mod instance;
mod kafka_door;
mod landing;
mod live_changes;
mod live_simulator;
mod log;
mod models;
mod opened;
mod outlets;
mod platform;
mod predictor;
mod recent;
mod results;
mod retention;
mod running;
mod shipped;
mod stage;
mod status;
mod store_sink;
mod stores;
mod topics;
mod vectors;
mod versions;
mod watch;
mod webhook;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

// Scoring allocates on one thread and frees on another, which this allocator does well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = cli.output;
    if let Err(e) = telemetry::init_logs(telemetry::LogFormat::Auto) {
        eprintln!("sluice: {e}");
        return ExitCode::from(2);
    }
    let outcome = match cli.command {
        Command::Up(args) => commands::up::run(&args, output),
        Command::Store(args) => commands::store::run(&args, output),
        Command::Lake(command) => commands::lake::run(&command, output),
        Command::Sql(args) => commands::sql::run(&args, output),
        Command::Down(args) => commands::down::run(&args),
        Command::Init(args) => commands::init::run(&args, output),
        Command::Check(args) => commands::check::run(&args, output),
        Command::Test(args) => commands::test::run(&args, output),
        Command::Show(args) => commands::show::run(&args, output),
        Command::Score(args) => commands::score::run(&args),
        Command::Backtest(args) => commands::backtest::run(&args, output),
        Command::Lists(command) => commands::lists::run(&command, output),
        Command::Deploy(args) => commands::deploy::run(&args, output),
        Command::Versions(args) => commands::deploy::versions(&args, output),
        Command::Replay(args) => commands::replay::run(&args, output),
        Command::Simulate(args) => commands::simulate::run(&args, output),
        Command::Import(args) => commands::import::run(&args, output),
        Command::Status(args) => commands::status::run(&args, output),
        Command::Doctor(args) => commands::doctor::run(&args, output),
        Command::Models(command) => commands::models::run(&command, output),
        Command::Topics(args) => commands::topics::run(&args, output),
        Command::Groups(args) => commands::groups::run(&args, output),
        Command::Users(command) => commands::users::run(&command, output),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Broker(args) => commands::broker::run(&args, output),
        Command::Bench(args) => commands::bench::run(&args, output),
    };
    match outcome {
        Ok(commands::Outcome::Fine) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Found) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("sluice: {e}");
            ExitCode::FAILURE
        }
    }
}
