//! How long a cluster takes for each thing that a decision over HTTP waits for: an append, its arrival at a reader, and a transaction.
//! `cargo run --release -p kafka --example latency -- BOOTSTRAP [COUNT]`. Prints milliseconds at the median, p99 and at most.
#![allow(clippy::print_stdout)]

use domain::{Result, TopicPartition};
use kafka::Cluster;
use pipeline::{Entry, Outgoing, Output, Sink as _, Source as _};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into());
    let count: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(300);
    let cluster = Cluster::at(bootstrap);
    let names = ["latency-in", "latency-out", "latency-sequence"];
    cluster.create_topics(&names.map(|name| (name.to_owned(), 1)))?;
    let (mut source, mut sink, mut appender) =
        (cluster.source()?, cluster.sink("latency", "latency-sequence", &["latency-out"])?, cluster.appender("latency-in")?);
    sink.recover(None)?;
    let at = TopicPartition::new("latency-in", 0);
    let mut from = source.bounds(&at)?.1;
    let (mut appends, mut arrivals, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    let mut found = Vec::new();
    for n in 0..count {
        let begin = Instant::now();
        from = from.max(appender.append(&[("key".into(), "value".into())], 1)?[0]);
        appends.push(begin.elapsed());
        found.clear();
        while found.is_empty() {
            source.wait(&[(at.clone(), from)], Duration::from_millis(100))?;
            source.fetch(&at, from, 1 << 20, &mut found)?;
        }
        from = found[found.len() - 1].offset + 1;
        arrivals.push(begin.elapsed() - appends[n]);
        let begin = Instant::now();
        let output = Output { topic: 0, records: vec![Outgoing { key: None, value: "decision".into() }] };
        sink.commit(&Entry { first: n as u64, taken_at: 1, runs: Vec::new() }, vec![output])?.wait()?;
        commits.push(begin.elapsed());
    }
    for (what, mut took) in [("append", appends), ("arrival after it", arrivals), ("transaction", commits)] {
        took.sort_unstable();
        let ms = |part: f64| took[(part * (took.len() - 1) as f64) as usize].as_secs_f64() * 1e3;
        println!("{what:>20}: {:7.2} {:7.2} {:7.2}", ms(0.5), ms(0.99), ms(1.0));
    }
    Ok(())
}
