//! Compaction: what stays, what holds it back, tombstones, aborted transactions, and crashes in the middle.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::log::swap;

const RULES: CompactionRules = CompactionRules { dirty_ratio: 0.0, delete_retention_ms: 3_600_000, min_lag_ms: 0, max_lag_ms: u64::MAX };

/// Offset, key, value.
type Seen = (i64, String, Option<String>);

fn read(partition: &Arc<Partition>) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut offset = partition.watermarks().log_start;
    loop {
        let fetched = partition.read(offset, 5_000, Isolation::ReadCommitted).unwrap();
        for batch in &fetched.batches {
            for record in &batch.records().unwrap() {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                assert_eq!(record.timestamp, record.offset * 10, "times stay");
                seen.push((record.offset, record.key.map(text).unwrap_or_default(), record.value.map(text)));
            }
        }
        if fetched.next_offset == offset {
            return seen;
        }
        offset = fetched.next_offset;
    }
}

/// Appends records as one batch; their times tell their offsets.
fn put(partition: &Arc<Partition>, records: &[(&str, Option<&str>)]) {
    let mut builder = BatchBuilder::new(crate::Compression::Lz4);
    let first = partition.watermarks().log_end;
    for (n, (key, value)) in records.iter().enumerate() {
        builder.push((first + n as i64) * 10, Some(key.as_bytes()), value.map(str::as_bytes));
    }
    append(partition, &builder.build().unwrap());
}

/// Closes the active segment and waits until its index file is there.
fn close_segment(partition: &Arc<Partition>) {
    partition.roll_now().unwrap();
    partition.sync_soon().unwrap().wait().unwrap();
}

/// Random writes and removals of a few keys in small segments; returns what was written, by offset.
fn churn(partition: &Arc<Partition>, seed: u64, batches: usize) -> Vec<Seen> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut written = Vec::new();
    for _ in 0..batches {
        let mut records = Vec::new();
        for _ in 0..random.random_range(1..20) {
            let key = format!("key-{}", random.random_range(0..60));
            let value = (random.random_range(0..10) > 0).then(|| format!("value-{}", random.random_range(0..1_000_000)));
            records.push((key, value));
        }
        let first = partition.watermarks().log_end;
        let given: Vec<_> = records.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        put(partition, &given);
        written.extend(records.into_iter().enumerate().map(|(n, (key, value))| (first + n as i64, key, value)));
    }
    written
}

/// What must be there of the records before `to`, and everything after it.
fn compacted(written: &[Seen], to: i64) -> Vec<Seen> {
    let latest: BTreeMap<&str, i64> = written.iter().filter(|seen| seen.0 < to).map(|seen| (seen.1.as_str(), seen.0)).collect();
    written.iter().filter(|seen| seen.0 >= to || latest[seen.1.as_str()] == seen.0).cloned().collect()
}

fn files(bench: &Bench, extension: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(bench.dir.path().join("t")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

#[test]
fn the_last_record_of_each_key_stays_where_it_was() {
    for seed in 0..8 {
        let bench = Bench { segment_bytes: 3_000, ..Bench::new() };
        let partition = bench.open("t");
        let mut written = churn(&partition, seed, 200);
        close_segment(&partition);
        let first_pass = partition.watermarks().log_end;
        assert!(partition.compact(&RULES).unwrap());
        assert!(!partition.compact(&RULES).unwrap(), "nothing is new");
        assert_eq!(read(&partition), compacted(&written, first_pass), "seed {seed}");
        written.extend(churn(&partition, seed + 100, 50));
        let active = partition.inner.lock().active().base_offset;
        partition.sync_soon().unwrap().wait().unwrap();
        assert!(partition.compact(&RULES).unwrap());
        let expected = compacted(&written, active);
        assert_eq!(read(&partition), expected, "what is being written to is left alone, seed {seed}");
        let end = partition.watermarks();
        drop(partition);
        let partition = bench.open("t");
        assert_eq!((read(&partition), partition.watermarks()), (expected.clone(), end));
        drop(partition);
        for index in files(&bench, "index") {
            std::fs::remove_file(index).unwrap();
        }
        let partition = bench.open("t");
        assert_eq!((read(&partition), partition.watermarks()), (expected, end), "without index files, seed {seed}");
        for (offset, ..) in &written {
            assert!(partition.read(*offset, 1, Isolation::ReadCommitted).is_ok(), "every offset can be read from");
        }
    }
}

#[test]
fn an_interrupted_pass_is_finished_at_the_next_start() {
    let bench = Bench { segment_bytes: 3_000, ..Bench::new() };
    let partition = bench.open("t");
    let written = churn(&partition, 1, 100);
    close_segment(&partition);
    // A later pass finds the small segments that the first has left, and merges them.
    partition.compact(&RULES).unwrap();
    put(&partition, &[("another", Some("value"))]);
    close_segment(&partition);
    let before: BTreeMap<_, _> = files(&bench, "log").into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(partition.compact(&RULES).unwrap());
    let expected = read(&partition);
    let after = files(&bench, "log");
    assert!(after.len() < before.len(), "{} of {}", after.len(), before.len());
    assert!(expected.len() > 10 && expected.len() < written.len());
    drop(partition);
    let first = after[0].clone();
    let base = |path: &std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<i64>().unwrap();
    let merged: Vec<_> = before.keys().filter(|path| **path > first && **path < after[1]).collect();
    assert!(!merged.is_empty());
    let new = std::fs::read(&first).unwrap();
    let end = base(after.last().unwrap());
    let note = |swap: &str| format!(r#"{{"compacted_to":0,"gaps_to":{end},"swap":{swap}}}"#);
    let swapping = format!(r#"{{"base":{},"merged":{:?}}}"#, base(&first), merged.iter().map(|path| base(path)).collect::<Vec<_>>());
    let cleaned = swap::cleaned_path(&first);
    for (stage, swap, renamed) in [("written down", swapping.as_str(), false), ("renamed", &swapping, true), ("only begun", "null", false)]
    {
        for path in &merged {
            std::fs::write(path, &before[*path]).unwrap();
        }
        std::fs::write(&first, if renamed { &new } else { &before[&first] }).unwrap();
        if !renamed {
            // Before it is written down the new file may be torn.
            std::fs::write(&cleaned, if swap == "null" { &new[..new.len() / 2] } else { &new }).unwrap();
        }
        crate::files::replace_checked(&bench.dir.path().join("t/compaction.json"), &note(swap)).unwrap();
        let partition = bench.open("t");
        let seen = read(&partition);
        assert_eq!(seen, expected, "{stage}");
        assert!(!cleaned.exists());
        assert_eq!(files(&bench, "log").len(), if swap == "null" { before.len() + after.len() - 2 } else { after.len() }, "{stage}");
    }
}

#[test]
fn readers_transactions_and_young_records_hold_it_back() {
    let bench = Bench::new();
    let partition = bench.open("t");
    let mut expected = Vec::new();
    for round in ["a", "b", "c"] {
        put(&partition, &[("key", Some(round))]);
        close_segment(&partition);
        expected.push((expected.len() as i64, "key".to_string(), Some(round.to_string())));
    }
    assert!(!partition.compact(&CompactionRules { min_lag_ms: 3_600_000, ..RULES }).unwrap(), "too young");
    partition.set_floor("reader", Some(0));
    assert!(!partition.compact(&RULES).unwrap(), "not read yet");
    partition.set_floor("reader", Some(2));
    assert!(partition.compact(&RULES).unwrap());
    assert_eq!(read(&partition), expected[1..]);
    partition.set_floor("reader", None);
    assert!(!partition.compact(&CompactionRules { dirty_ratio: 0.9, ..RULES }).unwrap(), "too little is new");
    assert!(partition.compact(&CompactionRules { dirty_ratio: 0.9, max_lag_ms: 0, ..RULES }).unwrap(), "too old to wait");
    assert_eq!(read(&partition), expected[2..]);
}

#[test]
fn tombstones_go_after_their_time() {
    let bench = Bench::new();
    let partition = bench.open("t");
    put(&partition, &[("gone", Some("a")), ("stays", Some("b"))]);
    put(&partition, &[("gone", None), ("other", Some("c"))]);
    close_segment(&partition);
    let rules = CompactionRules { delete_retention_ms: 30, ..RULES };
    assert!(partition.compact(&rules).unwrap());
    let stays = (1, "stays".to_string(), Some("b".to_string()));
    let other = (3, "other".to_string(), Some("c".to_string()));
    assert_eq!(read(&partition), [stays.clone(), (2, "gone".to_string(), None), other.clone()], "a reader can still learn of it");
    // Due by the clock alone, without anything new.
    while !partition.compact(&rules).unwrap() {
        std::thread::yield_now();
    }
    assert_eq!(read(&partition), [stays, other]);
    assert!(!partition.compact(&rules).unwrap());
}

#[test]
fn aborted_records_go_and_supersede_nothing() {
    let bench = Bench::new();
    let partition = bench.open("t");
    let write = |producer: (i64, i16), sequence: i32, value: &str| {
        let mut builder = BatchBuilder::default().producer(producer.0, producer.1, sequence).transactional();
        builder.push(partition.watermarks().log_end * 10, Some(b"key"), Some(value.as_bytes()));
        append(&partition, &builder.build().unwrap());
    };
    write((7, 0), 0, "committed");
    partition.append_marker(7, 0, true).unwrap().wait().unwrap();
    write((7, 0), 1, "aborted");
    partition.append_marker(7, 0, false).unwrap().wait().unwrap();
    close_segment(&partition);
    write((8, 0), 0, "open");
    close_segment(&partition);
    let before = partition.bytes();
    assert!(partition.compact(&RULES).unwrap());
    assert!(partition.bytes() < before);
    let committed = [(0, "key".to_string(), Some("committed".to_string()))];
    assert_eq!(read(&partition), committed);
    drop(partition);
    let partition = bench.open("t");
    assert_eq!(read(&partition), committed);
    partition.append_marker(8, 0, true).unwrap().wait().unwrap();
    close_segment(&partition);
    assert!(partition.compact(&RULES).unwrap());
    assert_eq!(read(&partition), [(4, "key".to_string(), Some("open".to_string()))]);
}

#[test]
fn a_full_disk_ends_a_pass_without_harm() {
    let bench = Bench { segment_bytes: 3_000, ..Bench::new() };
    let partition = bench.open("t");
    let written = churn(&partition, 3, 100);
    close_segment(&partition);
    bench.faults.room.store(100, Ordering::SeqCst);
    assert!(matches!(partition.compact(&RULES), Err(Error::DiskFull(_))));
    let end = partition.watermarks().log_end;
    assert_eq!(compacted(&read(&partition), end), compacted(&written, end), "some segments may be done, none is lost");
    bench.faults.room.store(-1, Ordering::SeqCst);
    assert!(partition.compact(&RULES).unwrap());
    assert_eq!(read(&partition), compacted(&written, end));
}
