//! What the operating system says of this process, read from `/proc` when the metrics are asked for. Where there is no `/proc`
//! these metrics are left out rather than shown as zero.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Linux reports CPU time in hundredths of a second to user space on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct Process {
    started: Instant,
    started_at: f64,
}

/// One reading.
#[derive(Debug, PartialEq)]
pub(crate) struct Usage {
    /// User and system together, all threads.
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
}

impl Process {
    pub(crate) fn start() -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        Self { started: Instant::now(), started_at }
    }
}

/// Memory that the process holds now, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    usage(&read("stat")?, &read("status")?).map(|u| u.resident_bytes)
}

/// Reads `/proc/self/stat` (see proc(5)) and the resident size from `/proc/self/status`.
pub(crate) fn usage(stat: &str, status: &str) -> Option<Usage> {
    // The second field is the command's name in parentheses and may hold anything; what follows the last one is regular.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    // Numbered in proc(5) from 1, of which two are before: utime 14, stime 15, num_threads 20.
    let number = |n: usize| -> Option<u64> { fields.get(n - 3)?.parse().ok() };
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Usage {
        cpu_seconds: (number(14)? + number(15)?) as f64 / TICKS_PER_SECOND,
        resident_bytes: kilobytes * 1024,
        threads: number(20)?,
    })
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: f64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, unit, prometheus_client::metrics::MetricType::Gauge)?)
        };
        gauge("process_start_time", "When the process started, since 1970 in UTC", Some(&Unit::Seconds), self.started_at)?;
        gauge("process_uptime", "Time since the process started", Some(&Unit::Seconds), self.started.elapsed().as_secs_f64())?;
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            gauge("process_open_fds", "Open file descriptors", None, files.count() as f64)?;
        }
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        let Some(usage) = read("stat").zip(read("status")).and_then(|(stat, status)| usage(&stat, &status)) else { return Ok(()) };
        gauge("process_resident_memory", "Memory in use", Some(&Unit::Bytes), usage.resident_bytes as f64)?;
        gauge("process_threads", "Threads of the process", None, usage.threads as f64)?;
        let cpu = ConstCounter::new(usage.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "Time on the processor, user and system together",
            Some(&Unit::Seconds),
            prometheus_client::metrics::MetricType::Counter,
        )?)
    }
}

#[cfg(test)]
mod tests;
