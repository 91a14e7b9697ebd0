//! The shipped binary as a bench's server: a child process with data and project of its own, killed when the bench ends.

use super::usage::{self, Usage};
use domain::{Error, Result};
use project::Project;
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The admin's password on a bench's server.
pub const PASSWORD: &str = "bench-on-loopback";

#[derive(Debug, Deserialize)]
struct Ready {
    #[serde(default)]
    http: String,
    kafka: String,
    #[serde(default)]
    caught_up: u64,
}

/// A running `sluice up`, or `sluice broker`, which has no HTTP.
pub struct Server {
    child: Child,
    /// Held open, as the server may print.
    _stdout: BufReader<ChildStdout>,
    pub http: String,
    pub kafka: String,
    /// From the start of the process to the line that says it is ready.
    pub ready_after: Duration,
    /// Records scored again in that time.
    pub caught_up: u64,
}

impl Server {
    /// Starts it on `project` (the shipped one without) and waits until it is ready. `log` gets what it says.
    pub fn start(project: Option<&Path>, data: &Path, store: bool) -> Result<Self> {
        let mut command = own()?;
        command.args(["up", "--http", "127.0.0.1:0"]);
        // Without one named, the shipped project: never one that lies where the bench was started.
        command.env_remove("SLUICE_PROJECT");
        if let Some(project) = project {
            command.arg("--project").arg(project);
        }
        if !store {
            command.arg("--no-store");
        }
        command.env("SLUICE_ADMIN_PASSWORD", PASSWORD);
        Self::ready(command, data)
    }

    /// Starts the broker alone.
    pub fn broker(data: &Path) -> Result<Self> {
        let mut command = own()?;
        command.arg("broker");
        Self::ready(command, data)
    }

    fn ready(mut command: Command, data: &Path) -> Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log")).map_err(cannot)?;
        command.args(["--output", "json", "--kafka", "127.0.0.1:0", "--data"]).arg(data);
        command.current_dir(data.parent().unwrap_or(Path::new("/")));
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().map_err(cannot)?;
        let mut line = String::new();
        let Some(stdout) = child.stdout.take() else { return Err(Error::bug("a child has no output")) };
        let mut stdout = BufReader::new(stdout);
        let read = stdout.read_line(&mut line);
        let ready_after = begun.elapsed();
        let ready: Result<Ready, String> =
            read.map_err(|e| e.to_string()).and_then(|_| serde_json::from_str(&line).map_err(|e| e.to_string()));
        match ready {
            Ok(Ready { http, kafka, caught_up }) => Ok(Self { child, _stdout: stdout, http, kafka, ready_after, caught_up }),
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                let said = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
                Err(Error::stop("the server to be measured did not start", said.lines().last().unwrap_or("it said nothing").to_owned())
                    .because(e))
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn usage(&self) -> Option<Usage> {
        usage::of(self.pid())
    }

    /// kill -9.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// One of its metrics, by its whole name.
    pub fn metric(&self, client: &mut super::http::Client, name: &str) -> Result<f64> {
        let (_, body) = client.request(&super::http::get(&self.http, "/metrics"))?;
        let text = String::from_utf8_lossy(body);
        text.lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')?.split(' ').next()?.parse().ok())
            .ok_or_else(|| Error::bug(format!("the server has no metric {name}")))
    }

    /// Asks for a metric until it is as wanted.
    ///
    /// # Errors
    /// Stop, after `patience`.
    pub fn wait_for(&self, name: &str, patience: Duration, wanted: impl Fn(f64) -> bool) -> Result<()> {
        let mut client = super::http::Client::connect(&self.http)?;
        let until = Instant::now() + patience;
        loop {
            let value = self.metric(&mut client, name)?;
            if wanted(value) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Error::stop(
                    format!("{name} stands at {value} after {} s", patience.as_secs()),
                    "the machine is too slow for this bench; use a smaller --scale",
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of this binary.
fn own() -> Result<Command> {
    Ok(Command::new(std::env::current_exe().map_err(cannot)?))
}

fn cannot(e: std::io::Error) -> Error {
    Error::stop("cannot start a server of its own to measure", "run the bench from an installed binary").because(e)
}

/// Writes a generated project as a folder.
pub fn write(project: &Project, dir: PathBuf) -> Result<PathBuf> {
    for (path, bytes) in &project.files {
        let to = dir.join(path);
        let made = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&to, bytes));
        made.map_err(|e| Error::stop(format!("cannot write {}", to.display()), "set TMPDIR to another folder").because(e))?;
    }
    Ok(dir)
}
