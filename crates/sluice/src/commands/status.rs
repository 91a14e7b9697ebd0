//! `sluice status`: what a running instance says of itself. Ends with 1 where none answers, or one that cannot judge.

use super::{Outcome, Result, print_json};
use crate::cli::{OutputFormat, Status as Args};
use crate::running::Running;
use domain::{Error, Result as Outcomes};
use server::Status;
use server::status::{Quantiles, ReaderStatus};
use std::fmt::Write as _;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

pub fn run(args: &Args, output: OutputFormat) -> Result {
    let address = args.http.clone().or_else(|| Running::find(&args.data.data).map(|r| Running::callable(&r.http)));
    let Some(address) = address else {
        return not_running(
            output,
            &format!("nothing runs on {}; start it with `sluice up`, or name another folder with --data", args.data.data.display()),
        );
    };
    match ask(&address) {
        Ok(status) => {
            match output {
                OutputFormat::Json => print_json(&status)?,
                OutputFormat::Human => print!("{}", text(&status, &address)),
            }
            Ok(if status.ready { Outcome::Fine } else { Outcome::Found })
        }
        Err(e) => not_running(output, &e.to_string()),
    }
}

fn not_running(output: OutputFormat, reason: &str) -> Result {
    match output {
        OutputFormat::Json => print_json(&serde_json::json!({ "ready": false, "reason": reason }))?,
        OutputFormat::Human => eprintln!("sluice: {reason}"),
    }
    Ok(Outcome::Found)
}

/// Asks an instance at `host:port` or an http address.
pub(super) fn ask(address: &str) -> Outcomes<Status> {
    let base = if address.contains("://") { address.trim_end_matches('/').to_owned() } else { format!("http://{address}") };
    let cannot = || Error::retry(format!("no instance answers at {base}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::stop("cannot start", "raise the limit on threads").because(e))?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|e| cannot().because(e))?;
        let answer = client.get(format!("{base}/status")).send().await.map_err(|e| cannot().because(e))?;
        let answer = answer.error_for_status().map_err(|e| cannot().because(e))?;
        answer
            .json()
            .await
            .map_err(|e| Error::stop(format!("what answers at {base} is no Sluice of this release"), "name another address").because(e))
    })
}

fn text(s: &Status, address: &str) -> String {
    let mut out = String::new();
    let digest = s.project.digest.get(..8).unwrap_or(&s.project.digest);
    let c = &s.counts;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "Sluice {}, {} (version {digest}: {} features, {} rules), process {}, up {}",
        s.version,
        s.project.name,
        s.project.features,
        s.project.rules,
        s.pid,
        span(s.uptime_seconds)
    );
    let mut row = |name: &str, text: String| {
        let _ = writeln!(out, "  {name:<18} {text}");
    };
    row(if s.ready { "judging" } else { "NOT READY" }, format!("HTTP {address}, Kafka {}", s.kafka));
    for part in s.parts.iter().filter(|p| p.state != "up") {
        row(&part.name, format!("{}: {}", part.state, part.detail));
    }
    row(
        "decisions",
        format!(
            "{} a second; since the start {} allow, {} review, {} block",
            rate(s.rates.decisions),
            count(c.allow),
            count(c.review),
            count(c.block)
        ),
    );
    row(
        "alerts",
        format!(
            "{} a second; since the start {}, with {} followers of the stream",
            rate(s.rates.alerts),
            count(c.alerts),
            s.stream_clients
        ),
    );
    row(
        "refused",
        format!("{} a second; since the start {}, and {} repeated", rate(s.rates.rejected), count(c.rejected), count(c.repeated)),
    );
    row("latency", format!("to disk {}; over HTTP {}", quantiles(&s.latency.commit), quantiles(&s.latency.predict)));
    row("sequence", format!("{} taken, {} durable", count(s.sequence.taken), count(s.sequence.durable)));
    for reader in &s.readers {
        row(&reader.name, behind(reader));
    }
    row(
        "snapshot",
        match &s.snapshot {
            Some(snapshot) => {
                format!("at {}, {} ago, took {:.2} s", count(snapshot.sequence), span(snapshot.age_seconds), snapshot.seconds)
            }
            None => "none since the start".into(),
        },
    );
    row(
        "memory",
        format!(
            "{}, of it features {} for {} entities",
            bytes(s.memory.resident_bytes),
            bytes(s.memory.state_bytes),
            count(s.memory.state_entities)
        ),
    );
    row("log", format!("{} on disk", bytes(s.log_bytes)));
    out
}

fn behind(reader: &ReaderStatus) -> String {
    let place = match reader.lag {
        0 => format!("up to date with `{}` at {}", reader.topic, count(reader.position.unsigned_abs())),
        lag => format!("{} behind `{}`, at {} of {}", count(lag.unsigned_abs()), reader.topic, reader.position, reader.end),
    };
    if reader.state == "up" { place } else { format!("{place}: {}", reader.state) }
}

fn quantiles(q: &Quantiles) -> String {
    match q.count {
        0 => "nothing in the last minute".into(),
        _ => format!("p50 {:.2} ms, p99 {:.2} ms", q.p50_ms, q.p99_ms),
    }
}

fn rate(n: f64) -> String {
    if n >= 100.0 { count(n as u64) } else { format!("{n:.1}") }
}

/// With a comma between each three digits.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i % 3 == first {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kB", n / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", n / 1_000_000),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

fn span(seconds: f64) -> String {
    let s = seconds as u64;
    match s {
        0..120 => format!("{s} s"),
        120..7200 => format!("{} min", s / 60),
        7200..172_800 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (123_456, "123,456"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), expected);
        }
        assert_eq!([span(5.0), span(600.0), span(7260.0), span(200_000.0)], ["5 s", "10 min", "2 h 1 min", "2 days"]);
    }
}
