//! Structured logs to standard error: lines for a person on a terminal, JSON objects for a machine otherwise.

use std::fmt;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Our own events, and of the storage engines of state and lake only what is wrong: they tell of every file they make or read,
/// and a merge warns of a figure it has to work out.
const DEFAULT_LEVELS: &str = "info,lsm_tree=warn,fjall=warn,buoyant_kernel=warn,deltalake=warn,deltalake_core=warn,datafusion=warn,\
     deltalake_core::operations::merge=error";

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    Human,
    Json,
}

/// Why logging could not be set up.
#[derive(Debug)]
pub enum InitError {
    /// The environment variable `SLUICE_LOG` is not a list of levels.
    Filter(String),
    /// Logging was set up before in this process.
    Twice,
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(why) => write!(f, "SLUICE_LOG is not a list of levels ({why}); write for example `info` or `warn,broker=debug`"),
            Self::Twice => f.write_str("logging was set up before in this process"),
        }
    }
}

impl std::error::Error for InitError {}

/// Sends this process's log lines to standard error. The level comes from `SLUICE_LOG` (`info`, less of the storage engine, if it is not set), in the syntax of
/// `tracing`'s `EnvFilter`: `warn,broker=debug`.
pub fn init_logs(format: LogFormat) -> Result<(), InitError> {
    let filter = filter(std::env::var("SLUICE_LOG").ok().as_deref())?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let outcome = if json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().try_init()
    } else {
        lines.with_ansi(terminal && std::env::var_os("NO_COLOR").is_none()).with_target(false).finish().try_init()
    };
    outcome.map_err(|_| InitError::Twice)
}

fn filter(levels: Option<&str>) -> Result<EnvFilter, InitError> {
    match levels.map(str::trim).filter(|l| !l.is_empty()) {
        None => Ok(EnvFilter::new(DEFAULT_LEVELS)),
        Some(levels) => EnvFilter::try_new(levels).map_err(|e| InitError::Filter(e.to_string())),
    }
}

#[cfg(test)]
mod tests;
