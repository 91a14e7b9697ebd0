//! Bits that flip while nobody looks: in any file of a partition they are found, or make no difference.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const RULES: CompactionRules = CompactionRules { dirty_ratio: 0.0, delete_retention_ms: 0, min_lag_ms: 0, max_lag_ms: u64::MAX };

/// Offset, time, key and value of every record.
type Seen = Vec<(i64, i64, Vec<u8>, Vec<u8>)>;

fn read(partition: &Arc<Partition>) -> crate::Result<Seen> {
    let mut seen = Vec::new();
    let mut offset = partition.watermarks().log_start;
    loop {
        let fetched = partition.read(offset, 4_000, Isolation::ReadUncommitted)?;
        for batch in &fetched.batches {
            for record in &batch.records()? {
                let record = record?;
                seen.push((
                    record.offset,
                    record.timestamp,
                    record.key.unwrap_or_default().to_vec(),
                    record.value.unwrap_or_default().to_vec(),
                ));
            }
        }
        if fetched.next_offset == offset {
            return Ok(seen);
        }
        offset = fetched.next_offset;
    }
}

fn fill(partition: &Arc<Partition>, batches: i64) {
    for n in 0..batches {
        let mut builder = BatchBuilder::default();
        for key in 0..5 {
            builder.push(n, Some(&[key, (n % 40) as u8]), Some(b"some value that is long enough to matter"));
        }
        append(partition, &builder.build().unwrap());
    }
}

fn closed(partition: &Arc<Partition>) {
    partition.roll_now().unwrap();
    partition.sync_soon().unwrap().wait().unwrap();
}

#[test]
fn a_flipped_bit_in_any_file_is_found_or_makes_no_difference() {
    let bench = Bench { segment_bytes: 8_000, ..Bench::new() };
    let partition = bench.open("t");
    fill(&partition, 60);
    closed(&partition);
    fill(&partition, 30);
    closed(&partition);
    partition.delete_before(7).unwrap();
    let expected = read(&partition).unwrap();
    drop(partition);
    let dir = bench.dir.path().join("t");
    let good: Vec<_> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).map(|p| (p.clone(), std::fs::read(p).unwrap())).collect();
    assert!(good.iter().any(|(path, _)| path.ends_with("log-start")));
    let mut random = SmallRng::seed_from_u64(5);
    let mut found = 0;
    for (path, content) in good.iter().filter(|(_, content)| !content.is_empty()) {
        let mut places: Vec<usize> = (0..content.len().min(24)).collect();
        places.extend((0..16).map(|_| random.random_range(0..content.len())));
        for at in places {
            let mut flipped = content.clone();
            flipped[at] ^= 1 << random.random_range(0..8);
            std::fs::write(path, flipped).unwrap();
            match bench.try_open("t").and_then(|partition| read(&partition)) {
                Ok(seen) => assert_eq!(seen, expected, "byte {at} of {}", path.display()),
                Err(_) => found += 1,
            }
            // A start may have written an index file anew.
            for (path, content) in &good {
                std::fs::write(path, content).unwrap();
            }
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn a_compacted_log_serves_no_damaged_record() {
    let bench = Bench { segment_bytes: 8_000, ..Bench::new() };
    let partition = bench.open("t");
    fill(&partition, 90);
    closed(&partition);
    assert!(partition.compact(&RULES).unwrap());
    let expected = read(&partition).unwrap();
    drop(partition);
    let state = bench.dir.path().join("t/compaction.json");
    let good = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, good.replacen("450", "451", 1)).unwrap();
    assert_ne!(std::fs::read_to_string(&state).unwrap(), good);
    assert!(bench.try_open("t").is_err());
    std::fs::write(&state, &good).unwrap();
    assert_eq!(read(&bench.open("t")).unwrap(), expected);
}
