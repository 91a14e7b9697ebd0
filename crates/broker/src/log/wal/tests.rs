//! The write-ahead log under loss of power: see `power.rs` for the disk that can be stopped at any point. Here what is
//! asked of it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use self::power::{Disk, Image};
use super::format::{self, BLOCK_BYTES, HALVES_FROM, Header};
use super::{FILE, Wal};
use crate::error::{Error, Result};
use crate::files::{DiskFiles, Files};
use crate::log::{CompactionRules, GroupPart, Isolation, Origin, Partition, PartitionOptions, Syncer, append_group};
use crate::records::{Batch, BatchBuilder};
use crate::settings::LogSettings;

mod power;

/// Room for four records a half: each takes a block.
const SMALL: u64 = HALVES_FROM + 8 * BLOCK_BYTES as u64;

/// A broker's worth of log: partitions that share a write-ahead log.
struct Running {
    wal: Arc<Wal>,
    syncer: Arc<Syncer>,
    partitions: Vec<Arc<Partition>>,
}

fn topic_id(name: &str) -> Uuid {
    Uuid::from_u128(u128::from(name.as_bytes()[0]))
}

fn open(dir: &Path, files: Arc<dyn Files>, names: &[&str], segment_bytes: u64) -> Result<Running> {
    let wal = Wal::open(files.clone(), dir, SMALL)?;
    let syncer = Syncer::new(4, Some(wal.clone()), Arc::default());
    let partition = |name: &&str| {
        let settings = LogSettings::plain(segment_bytes, u64::MAX, 1 << 20);
        let options = PartitionOptions { sync: true, settings, topic_id: topic_id(name) };
        Partition::open((*name).into(), 0, dir.join(name), files.clone(), options, syncer.clone())
    };
    let partitions = names.iter().map(partition).collect::<Result<Vec<_>>>()?;
    wal.begin()?;
    Ok(Running { wal, syncer, partitions })
}

/// One record that says which it is.
fn numbered(partition: usize, n: usize) -> Batch {
    let mut builder = BatchBuilder::default();
    builder.push(0, None, Some(format!("{partition}:{n}").as_bytes()));
    builder.build().unwrap()
}

fn values(partition: &Arc<Partition>) -> Vec<String> {
    let mut next = partition.watermarks().log_start;
    let mut values = Vec::new();
    loop {
        let fetched = partition.read(next, 1 << 20, Isolation::ReadUncommitted).unwrap();
        for batch in &fetched.batches {
            for record in &batch.records().unwrap() {
                values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
        if fetched.next_offset == next {
            return values;
        }
        next = fetched.next_offset;
    }
}

/// Starts from what a loss of power left: each partition holds what it was given, in order, and at least what was
/// acknowledged.
fn check(image: &Image, names: &[&str], segment_bytes: u64, what: &str) {
    let dir = tempfile::tempdir().unwrap();
    image.write(dir.path());
    let running = open(dir.path(), Disk::unrecorded(), names, segment_bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    for (n, partition) in running.partitions.iter().enumerate() {
        let values = values(partition);
        let expected: Vec<String> = (0..values.len()).map(|at| format!("{n}:{at}")).collect();
        assert_eq!(values, expected, "{what}, partition {n}");
        let acked = image.acked.get(n).copied().unwrap_or_default();
        assert!(values.len() >= acked, "{what}, partition {n}: {acked} were acknowledged, {} are there", values.len());
    }
    running.syncer.close();
}

/// Rounds of one and of two partitions, acknowledged one after the other.
fn run(running: &Running, disk: &Disk, rounds: usize) {
    let [a, b] = &running.partitions[..] else { panic!("two partitions") };
    let mut counts = [0, 0];
    for round in 0..rounds {
        if round % 3 == 1 {
            let part = |n: usize, partition: &Arc<Partition>, count: &mut usize| {
                let batches = vec![numbered(n, *count), numbered(n, *count + 1)];
                *count += 2;
                GroupPart { partition: partition.clone(), batches }
            };
            let parts = [part(0, a, &mut counts[0]), part(1, b, &mut counts[1])];
            append_group(&parts, &[]).unwrap().1.wait().unwrap();
        } else {
            a.append(&numbered(0, counts[0]), Origin::Local).unwrap().durable.wait().unwrap();
            counts[0] += 1;
        }
        disk.acknowledge(&counts);
        if round % 6 == 5 {
            running.wal.settle();
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_a_loss_of_power_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    let from = disk.events();
    run(&running, &disk, 3);
    let (hasher, mut seen) = (RandomState::new(), HashSet::new());
    let mut restored = 0;
    for event in from..=disk.events() {
        for image in disk.images(event) {
            if seen.insert(hasher.hash_one(&image)) {
                restored += usize::from(image.least);
                check(&image, &["a", "b"], 1 << 20, &format!("event {event}"));
            }
        }
    }
    assert!(seen.len() > 300 && restored > 4, "{} images, {restored} without anything that was not synced", seen.len());
    running.syncer.close();
}

#[test]
fn halves_are_used_again_and_nothing_is_lost_over_it() {
    for segment_bytes in [1 << 20, 600] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path());
        let running = open(dir.path(), disk.clone(), &["a", "b"], segment_bytes).unwrap();
        running.wal.wait_open();
        let from = disk.events();
        run(&running, &disk, 30);
        let written = running.wal.state.lock().next - 1;
        assert!(written > 8, "{written} records in a log of two times four");
        for event in from..=disk.events() {
            for image in disk.extremes(event) {
                check(&image, &["a", "b"], segment_bytes, &format!("segments of {segment_bytes}, event {event}"));
            }
        }
        running.syncer.close();
    }
}

#[test]
fn a_start_that_is_cut_short_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    run(&running, &disk, 10);
    let image = disk.extremes(disk.events()).into_iter().find(|image| image.least).unwrap();
    running.syncer.close();
    let again = tempfile::tempdir().unwrap();
    image.write(again.path());
    let disk = Disk::new(again.path());
    disk.acknowledge(&image.acked);
    let running = open(again.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    for event in 0..=disk.events() {
        for mut image in disk.images(event) {
            image.acked = vec![13, 6];
            check(&image, &["a", "b"], 1 << 20, &format!("event {event} of the second start"));
        }
    }
    assert_eq!(running.partitions.iter().map(|p| values(p).len()).collect::<Vec<_>>(), [13, 6]);
    running.syncer.close();
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    let a = &running.partitions[0];
    let put = |n: usize| drop(a.append(&numbered(0, n), Origin::Local).unwrap().durable.wait());
    (0..3).for_each(put);
    a.append(&numbered(9, 9), Origin::Local).unwrap().durable.wait().unwrap();
    a.truncate(3).unwrap();
    let cut = disk.events();
    (3..5).for_each(put);
    disk.acknowledge(&[5, 0]);
    for event in cut..=disk.events() {
        for image in disk.images(event) {
            check(&image, &["a", "b"], 1 << 20, &format!("event {event}"));
        }
    }
    running.syncer.close();
}

#[test]
fn a_topic_of_the_same_name_gets_nothing_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    run(&running, &disk, 2);
    let image = disk.extremes(disk.events()).into_iter().find(|image| image.least).unwrap();
    running.syncer.close();
    let again = tempfile::tempdir().unwrap();
    image.write(again.path());
    std::fs::rename(again.path().join("a"), again.path().join("c")).unwrap();
    let running = open(again.path(), Disk::unrecorded(), &["c", "b"], 1 << 20).unwrap();
    assert_eq!(running.partitions.iter().map(|p| values(p).len()).collect::<Vec<_>>(), [0, 2]);
    running.syncer.close();
}

#[test]
fn a_compaction_leaves_nothing_to_be_put_back_into_what_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path(), Arc::new(DiskFiles), &["a"], 1 << 20).unwrap();
    running.wal.wait_open();
    let a = &running.partitions[0];
    for value in ["old", "new"] {
        let mut builder = BatchBuilder::default();
        builder.push(0, Some(b"key"), Some(value.as_bytes()));
        a.append(&builder.build().unwrap(), Origin::Local).unwrap().durable.wait().unwrap();
    }
    a.roll_now().unwrap();
    a.sync_soon().unwrap().wait().unwrap();
    let live = || super::read(&std::fs::File::open(dir.path().join(FILE)).unwrap()).unwrap().unwrap().2;
    assert_eq!(live().len(), 2);
    let rules = CompactionRules { dirty_ratio: 0.0, delete_retention_ms: 0, min_lag_ms: 0, max_lag_ms: u64::MAX };
    assert!(a.compact(&rules).unwrap());
    assert_eq!(live(), []);
    assert_eq!(values(a), ["new"]);
    running.syncer.close();
}

#[test]
fn a_write_that_fails_fails_its_round_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    run(&running, &disk, 2);
    let [a, b] = &running.partitions[..] else { panic!("two partitions") };
    disk.fixed_fails.store(true, Ordering::SeqCst);
    let failed = a.append(&numbered(0, 3), Origin::Local).unwrap().durable.wait();
    assert!(matches!(failed, Err(Error::PartitionFailed { .. })));
    assert!(a.append(&numbered(0, 4), Origin::Local).is_err());
    assert_eq!(values(a).len(), 3, "what was acknowledged is read on");
    b.append(&numbered(1, 2), Origin::Local).unwrap().durable.wait().unwrap();
    disk.acknowledge(&[3, 3]);
    for image in disk.extremes(disk.events()) {
        check(&image, &["a", "b"], 1 << 20, "after the failed write");
    }
    running.syncer.close();
}

#[test]
fn a_full_disk_is_gone_around() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    let from = disk.events();
    for n in 0..9 {
        disk.fixed_full.store(n % 3 == 1, Ordering::SeqCst);
        running.partitions[0].append(&numbered(0, n), Origin::Local).unwrap().durable.wait().unwrap();
        disk.acknowledge(&[n + 1, 0]);
    }
    assert_eq!(running.wal.state.lock().next, 7, "six rounds of nine were written to it");
    for event in from..=disk.events() {
        for image in disk.extremes(event) {
            check(&image, &["a", "b"], 1 << 20, &format!("event {event}"));
        }
    }
    running.syncer.close();
}

#[test]
fn records_stay_in_the_log_while_their_segment_cannot_be_synced() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    disk.sync_fails.store(true, Ordering::SeqCst);
    let a = &running.partitions[0];
    let mut acked = 0;
    // More than the log holds: sooner or later the segment would have to be synced.
    while acked < 40 {
        let Ok(appended) = a.append(&numbered(0, acked), Origin::Local) else { break };
        if appended.durable.wait().is_err() {
            break;
        }
        acked += 1;
        disk.acknowledge(&[acked, 0]);
    }
    assert!((4..=8).contains(&acked), "{acked}");
    // What others append does not overwrite them.
    for n in 0..20 {
        running.partitions[1].append(&numbered(1, n), Origin::Local).unwrap().durable.wait().unwrap();
        disk.acknowledge(&[acked, n + 1]);
    }
    for image in disk.extremes(disk.events()) {
        check(&image, &["a", "b"], 1 << 20, "with a segment that cannot be synced");
    }
    running.syncer.close();
    for image in disk.extremes(disk.events()) {
        check(&image, &["a", "b"], 1 << 20, "after the end");
    }
}

#[test]
fn a_large_round_is_synced_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let running = open(dir.path(), Arc::new(DiskFiles), &["a"], 1 << 20).unwrap();
    running.wal.wait_open();
    let mut builder = BatchBuilder::default();
    builder.push(0, None, Some(&[7; 40_000]));
    running.partitions[0].append(&builder.build().unwrap(), Origin::Local).unwrap().durable.wait().unwrap();
    assert_eq!(running.wal.state.lock().next, 1);
    running.partitions[0].append(&numbered(0, 0), Origin::Local).unwrap().durable.wait().unwrap();
    assert_eq!(running.wal.state.lock().next, 2);
    running.syncer.close();
}

#[test]
fn a_segment_from_a_copy_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let running = open(dir.path(), disk.clone(), &["a", "b"], 1 << 20).unwrap();
    running.wal.wait_open();
    run(&running, &disk, 2);
    let mut image = disk.extremes(disk.events()).into_iter().find(|image| !image.least).unwrap();
    running.syncer.close();
    let again = tempfile::tempdir().unwrap();
    let (_, segment) = image.files.iter_mut().find(|(path, _)| path.starts_with("a")).unwrap();
    let mut other = Vec::new();
    let batch = numbered(7, 7);
    other.extend_from_slice(batch.bytes());
    segment[..other.len()].copy_from_slice(&other);
    image.write(again.path());
    let error = open(again.path(), Disk::unrecorded(), &["a", "b"], 1 << 20).err().expect("the segment is another's");
    assert!(error.to_string().contains("another batch"), "{error}");
}

#[test]
fn a_damaged_record_ends_the_log_and_a_damaged_header_has_a_copy() {
    let mut buffer = Vec::new();
    let mut half = Vec::new();
    let place = |position| format::Place { topic: Uuid::from_u128(7), partition: 3, segment: 100, position };
    for number in 5..8_u64 {
        let mut record = format::RecordBuilder::new(&mut buffer, number, 2);
        for part in 0..2 {
            record.part(&place(number * 10 + part), 20).fill(number as u8);
        }
        record.finish();
        assert_eq!(buffer.len() as u64, format::record_bytes([20, 20].into_iter()));
        half.extend_from_slice(&buffer);
    }
    let numbers = |half: &[u8]| format::records(half.to_vec().into()).0.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(&half), [5, 6, 7]);
    assert_eq!(format::records(half.clone().into()).0[1].1[1].place, place(61));
    let overwritten = [&half[BLOCK_BYTES..], &half[..BLOCK_BYTES]].concat();
    assert_eq!(numbers(&overwritten), [6, 7], "what follows is from before");
    for at in 0..144 {
        let mut damaged = half.clone();
        damaged[BLOCK_BYTES + at] ^= 4;
        assert_eq!(numbers(&damaged), [5], "byte {at}");
        assert_eq!(numbers(&half[..BLOCK_BYTES + at]), [5], "cut at {at}");
    }
    let mut file = [Header { half_bytes: 8192, valid_from: 9 }.encode(), Header { half_bytes: 8192, valid_from: 12 }.encode()].concat();
    assert_eq!(Header::find(&file).map(|(header, copy)| (header.valid_from, copy)), Some((12, 1)));
    for at in 0..28 {
        file[BLOCK_BYTES + at] ^= 1;
        assert_eq!(Header::find(&file).map(|(header, copy)| (header.valid_from, copy)), Some((9, 0)));
        file[BLOCK_BYTES + at] ^= 1;
    }
    assert_eq!(Header::find(&[0; 8192]), None);
}
