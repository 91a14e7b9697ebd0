//! How fast the broker appends and reads in process: `cargo run --release -p broker --example throughput`.
//! Small records (100 bytes) in batches of 500, 4 partitions, durable; then reading them all back, one thread.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use broker::{BatchBuilder, Broker, Compression, Config, Isolation, TopicConfig};

const RECORDS: usize = 4_000_000;
const BATCH: usize = 500;
const PARTITIONS: i32 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let value = [b'v'; 80];
    for compression in [Compression::None, Compression::Lz4] {
        let dir = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or_else(|| ".".into()))?;
        let broker = Broker::open(Config::new(dir.path())).await?;
        broker.create_topic("t", TopicConfig::partitions(PARTITIONS))?;
        let started = Instant::now();
        let mut builder = BatchBuilder::new(compression);
        let mut waiting = Vec::new();
        for batch in 0..RECORDS / BATCH {
            for n in 0..BATCH {
                builder.push((batch * BATCH + n) as i64, Some(b"account-0000042"), Some(&value));
            }
            let appended = broker.append("t", (batch % PARTITIONS as usize) as i32, &builder.build()?)?;
            waiting.push(appended.durable);
            if waiting.len() == 64 {
                for durable in waiting.drain(..) {
                    durable.await?;
                }
            }
        }
        for durable in waiting {
            durable.await?;
        }
        report(compression, "produced, durable", started);

        let started = Instant::now();
        let (mut records, mut bytes) = (0, 0);
        for partition in 0..PARTITIONS {
            let mut offset = 0;
            loop {
                let fetched = broker.read("t", partition, offset, 1 << 20, Isolation::ReadCommitted)?;
                for batch in &fetched.batches {
                    for record in &batch.records()? {
                        bytes += record?.value.map_or(0, <[u8]>::len);
                        records += 1;
                    }
                }
                if fetched.next_offset == offset {
                    break;
                }
                offset = fetched.next_offset;
            }
        }
        assert_eq!((records, bytes), (RECORDS, RECORDS * value.len()));
        report(compression, "read", started);

        let started = Instant::now();
        let rounds = 300;
        let mut slowest = 0.0f64;
        for n in 0..rounds {
            builder.push(n, None, Some(&value));
            let one = Instant::now();
            broker.append("t", 0, &builder.build()?)?.durable.await?;
            slowest = slowest.max(one.elapsed().as_secs_f64());
        }
        let mean = started.elapsed().as_secs_f64() / rounds as f64;
        println!("{compression:?}: one record durable: mean {:.2} ms, slowest {:.2} ms", mean * 1e3, slowest * 1e3);
        broker.shutdown().await;
    }
    Ok(())
}

fn report(compression: Compression, what: &str, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{compression:?}: {what}: {:.2} M records/s", RECORDS as f64 / seconds / 1e6);
}
