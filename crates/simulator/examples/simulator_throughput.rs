//! How fast a world runs on one core, into a file a stream, and how closely its payments hold the fraud rate:
//! `cargo run --release -p simulator --example simulator_throughput -- [FOLDER [PAYMENTS [DAYS]]]`; without a folder nothing is
//! written.

use simulator::{STREAMS, World, WorldConfig};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().map(std::path::PathBuf::from);
    let number = |place: usize, usual: f64| arguments.get(place).and_then(|a| a.parse().ok()).unwrap_or(usual);
    let (payments, days) = (number(1, 1e6), number(2, 60.0));
    let rate = payments / (days * 86_400.0);
    let config = WorldConfig { seed: 11, start: 1_767_571_200_000_000, fraud_rate: 0.01, daily_rhythm: true, ..WorldConfig::at_rate(rate) };
    let mut world = World::new(config).map_err(std::io::Error::other)?;
    let mut files: BTreeMap<&str, Box<dyn Write>> = BTreeMap::new();
    for stream in STREAMS {
        let file: Box<dyn Write> = match &folder {
            Some(folder) => Box::new(BufWriter::with_capacity(1 << 20, File::create(folder.join(format!("{stream}.jsonl")))?)),
            None => Box::new(std::io::sink()),
        };
        files.insert(stream, file);
    }
    let mut write = |stream: &str, json: &[u8]| -> std::io::Result<usize> {
        if let Some(file) = files.get_mut(stream) {
            file.write_all(json)?;
            file.write_all(b"\n")?;
        }
        Ok(json.len() + 1)
    };
    let started = Instant::now();
    let mut bytes = 0;
    for event in world.payments(payments as u64) {
        bytes += write(event.stream, &event.json)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let events = world.totals().events();
    let saved = world.save().len();
    for event in world.outstanding_labels() {
        write(event.stream, &event.json)?;
    }
    files.values_mut().try_for_each(|f| f.flush())?;
    let totals = world.totals();
    writeln!(
        out,
        "{:.0} events/s, {:.0} payments/s, {:.0} MB/s; fraud rate {:.5} for {}; saved in {saved} bytes",
        events as f64 / seconds,
        totals.payments as f64 / seconds,
        bytes as f64 / seconds / 1e6,
        totals.fraud as f64 / totals.payments as f64,
        world.config().fraud_rate,
    )?;
    if let Some(folder) = folder {
        std::fs::write(folder.join("totals.json"), format!("{:#}\n", totals.report()))?;
    }
    Ok(())
}
