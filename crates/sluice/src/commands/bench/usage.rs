//! Memory and processor time of a process, as Linux tells them under `/proc`; nothing where there is none.

use std::fs;

/// Ticks a second in `/proc/PID/stat`: fixed by Linux for what programs see (`USER_HZ`).
const TICKS: f64 = 100.0;

/// What a process has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system, all threads.
    pub cpu_seconds: f64,
    pub memory_mb: f64,
    pub peak_memory_mb: f64,
}

/// Of the process with this id.
pub fn of(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // The name in brackets may hold anything, so the fields are counted from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    let mb = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0 / 1e6)
    };
    Some(Usage { cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS, memory_mb: mb("VmRSS")?, peak_memory_mb: mb("VmHWM")? })
}

/// Of this process.
pub fn own() -> Option<Usage> {
    of(std::process::id())
}

/// Processes that wanted a core in the last minute, on average.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_ascii_whitespace().next()?.parse().ok()
}
