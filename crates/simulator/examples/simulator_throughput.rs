//! How fast a world runs on one core, and how closely a million payments hold the fraud rate:
//! `cargo run --release -p simulator --example simulator_throughput`.

use simulator::{World, WorldConfig};
use std::io::Write as _;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for clicks in [true, false] {
        let config = WorldConfig { clicks, ..WorldConfig::at_rate(1000.0) };
        let fraud_rate = config.fraud_rate;
        let mut world = World::new(config).map_err(std::io::Error::other)?;
        let started = Instant::now();
        let bytes: usize = world.payments(1_000_000).map(|event| event.json.len()).sum();
        let seconds = started.elapsed().as_secs_f64();
        let totals = world.totals();
        writeln!(
            out,
            "clicks {clicks}: {:.0} events/s, {:.0} payments/s, {:.0} MB/s; fraud rate {:.5} for {fraud_rate}; saved in {} bytes",
            totals.events() as f64 / seconds,
            totals.payments as f64 / seconds,
            bytes as f64 / seconds / 1e6,
            totals.fraud as f64 / totals.payments as f64,
            world.save().len(),
        )?;
    }
    Ok(())
}
