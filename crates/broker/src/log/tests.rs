//! One partition on its own: faults of the disk, torn tails, flipped bits, idempotence, transactions, time index.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

use super::*;
use crate::error::Error;
use crate::files::{DiskFiles, Files, FixedFile, SegmentFile};
use crate::records::{Batch, BatchBuilder};
use crate::settings::LogSettings;

mod compaction;
mod damage;

/// Real files with faults on demand.
#[derive(Debug, Default)]
struct FaultyFiles(Arc<Faults>);

#[derive(Debug)]
struct Faults {
    /// Bytes that still fit on the disk; negative for no limit.
    room: AtomicI64,
    sync_fails: AtomicBool,
    /// While set, syncs wait.
    sync_held: Mutex<bool>,
    sync_released: Condvar,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { room: AtomicI64::new(-1), sync_fails: AtomicBool::new(false), sync_held: Mutex::new(false), sync_released: Condvar::new() }
    }
}

impl Faults {
    fn hold_syncs(&self) {
        *self.sync_held.lock() = true;
    }

    fn release_syncs(&self) {
        *self.sync_held.lock() = false;
        self.sync_released.notify_all();
    }
}

#[derive(Debug)]
struct FaultyFile(Arc<dyn SegmentFile>, Arc<Faults>);

impl Files for FaultyFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(FaultyFile(DiskFiles.open(path)?, self.0.clone())))
    }

    fn open_fixed(&self, path: &Path) -> io::Result<Arc<dyn FixedFile>> {
        DiskFiles.open_fixed(path)
    }
}

impl SegmentFile for FaultyFile {
    fn append(&self, parts: &[&[u8]]) -> io::Result<()> {
        let room = self.1.room.load(Ordering::SeqCst);
        let bytes: Vec<u8> = parts.concat();
        if room < 0 || bytes.len() as i64 <= room {
            return self.0.append(parts);
        }
        self.0.append(&[&bytes[..room as usize]])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }

    fn sync(&self) -> io::Result<()> {
        let mut held = self.1.sync_held.lock();
        while *held {
            self.1.sync_released.wait(&mut held);
        }
        if self.1.sync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

struct Bench {
    dir: tempfile::TempDir,
    faults: Arc<Faults>,
    syncer: Arc<Syncer>,
    segment_bytes: u64,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        Bench { dir, faults: Arc::default(), syncer: Syncer::new(4, None, Arc::default()), segment_bytes: 1 << 20 }
    }

    fn open(&self, name: &str) -> Arc<Partition> {
        self.try_open(name).unwrap()
    }

    fn try_open(&self, name: &str) -> crate::Result<Arc<Partition>> {
        let options =
            PartitionOptions { sync: true, settings: LogSettings::plain(self.segment_bytes, u64::MAX, 1 << 20), topic_id: Uuid::nil() };
        let files = Arc::new(FaultyFiles(self.faults.clone()));
        Partition::open(name.into(), 0, self.dir.path().join(name), files, options, self.syncer.clone())
    }

    fn last_segment(&self, name: &str) -> std::path::PathBuf {
        let entries = std::fs::read_dir(self.dir.path().join(name)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap()
    }
}

fn builder(records: i64) -> BatchBuilder {
    let mut builder = BatchBuilder::default();
    for n in 0..records {
        builder.push(n, None, Some(b"some value"));
    }
    builder
}

fn batch(records: i64) -> Batch {
    builder(records).build().unwrap()
}

/// A batch of an idempotent producer.
fn sequenced(records: i64, producer: (i64, i16), sequence: i32) -> Batch {
    let mut with_id = BatchBuilder::default().producer(producer.0, producer.1, sequence);
    for n in 0..records {
        with_id.push(n, None, Some(b"some value"));
    }
    with_id.build().unwrap()
}

fn transactional(records: i64, producer: (i64, i16), sequence: i32) -> Batch {
    let mut with_id = BatchBuilder::default().producer(producer.0, producer.1, sequence).transactional();
    for n in 0..records {
        with_id.push(n, None, Some(b"some value"));
    }
    with_id.build().unwrap()
}

fn append(partition: &Arc<Partition>, batch: &Batch) -> i64 {
    let appended = partition.append(batch, Origin::Client).unwrap();
    appended.durable.wait().unwrap();
    appended.base_offset
}

fn offsets(partition: &Arc<Partition>, isolation: Isolation) -> Vec<i64> {
    let mut next = partition.watermarks().log_start;
    let mut found = Vec::new();
    loop {
        let fetched = partition.read(next, 4 << 10, isolation).unwrap();
        found.extend(fetched.batches.iter().flat_map(|batch| batch.base_offset()..=batch.last_offset()));
        if fetched.next_offset == next {
            return found;
        }
        next = fetched.next_offset;
    }
}

#[test]
fn a_torn_tail_is_cut_at_every_byte_of_the_last_batch() {
    let bench = Bench::new();
    let partition = bench.open("t");
    append(&partition, &batch(3));
    let kept = partition.bytes();
    append(&partition, &batch(4));
    let whole = partition.bytes();
    drop(partition);
    let segment = bench.last_segment("t");
    let content = std::fs::read(&segment).unwrap();
    for size in kept..=whole {
        std::fs::write(&segment, &content[..size as usize]).unwrap();
        let partition = bench.open("t");
        let end = if size == whole { 7 } else { 3 };
        assert_eq!(partition.watermarks().log_end, end, "{size} bytes of {whole}");
        assert_eq!(offsets(&partition, Isolation::ReadUncommitted), (0..end).collect::<Vec<_>>());
        assert_eq!(append(&partition, &batch(1)), end);
    }
}

#[test]
fn a_flipped_bit_in_the_last_segment_cuts_the_log_there() {
    let bench = Bench::new();
    let partition = bench.open("t");
    append(&partition, &batch(3));
    let first = partition.bytes() as usize;
    append(&partition, &batch(4));
    drop(partition);
    let segment = bench.last_segment("t");
    let content = std::fs::read(&segment).unwrap();
    // Of the second batch, all but the leader epoch, which no checksum covers and nobody reads.
    for at in (first..content.len()).filter(|at| !(first + 12..first + 16).contains(at)) {
        let mut flipped = content.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&segment, &flipped).unwrap();
        let partition = bench.open("t");
        assert_eq!(partition.watermarks().log_end, 3, "byte {at}");
    }
}

#[test]
fn after_an_orderly_stop_a_flipped_bit_or_a_missing_end_is_an_error_and_nothing_is_cut() {
    let bench = Bench::new();
    let partition = bench.open("t");
    append(&partition, &batch(3));
    let first = partition.bytes() as usize;
    append(&partition, &batch(4));
    partition.sync_soon().unwrap().wait().unwrap();
    partition.note_stop().unwrap();
    drop(partition);
    let segment = bench.last_segment("t");
    let content = std::fs::read(&segment).unwrap();
    for at in (first..content.len()).filter(|at| !(first + 12..first + 16).contains(at)).step_by(7) {
        let mut flipped = content.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&segment, &flipped).unwrap();
        assert!(matches!(bench.try_open("t"), Err(Error::Corrupt { .. })), "byte {at}");
        assert_eq!(std::fs::read(&segment).unwrap(), flipped, "byte {at}: nothing is changed");
    }
    std::fs::write(&segment, &content[..first]).unwrap();
    assert!(matches!(bench.try_open("t"), Err(Error::Corrupt { .. })));
    // What is written after it may be torn off by a crash; what its owner cuts off is no damage.
    std::fs::write(&segment, &content).unwrap();
    let partition = bench.open("t");
    append(&partition, &batch(2));
    drop(partition);
    let longer = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &longer[..longer.len() - 1]).unwrap();
    let partition = bench.open("t");
    assert_eq!(partition.watermarks().log_end, 7);
    partition.truncate(3).unwrap();
    drop(partition);
    assert_eq!(bench.open("t").watermarks().log_end, 3);
}

#[test]
fn a_flipped_bit_in_an_older_segment_is_an_error_and_never_served() {
    let mut bench = Bench::new();
    bench.segment_bytes = 300;
    let partition = bench.open("t");
    for _ in 0..10 {
        append(&partition, &batch(5));
    }
    // The last sync may still be writing index files.
    partition.sync_soon().unwrap().wait().unwrap();
    drop(partition);
    let first = bench.dir.path().join("t/00000000000000000000.log");
    let mut content = std::fs::read(&first).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    std::fs::write(&first, &content).unwrap();
    let partition = bench.open("t");
    assert_eq!(partition.watermarks().log_end, 50);
    assert!(matches!(partition.read(0, 1 << 20, Isolation::ReadUncommitted), Err(Error::Corrupt { .. })));
    assert!(matches!(partition.read_raw(0, 1 << 20, Isolation::ReadUncommitted), Err(Error::Corrupt { .. })));
    let later = partition.read(45, 1 << 20, Isolation::ReadUncommitted).unwrap();
    assert_eq!(later.batches[0].last_offset(), 49);
}

#[test]
fn segments_without_index_files_are_scanned() {
    let mut bench = Bench::new();
    bench.segment_bytes = 300;
    let partition = bench.open("t");
    for n in 0..10 {
        append(&partition, &sequenced(5, (7, 0), n * 5));
    }
    partition.sync_soon().unwrap().wait().unwrap();
    drop(partition);
    let mut removed = 0;
    for entry in std::fs::read_dir(bench.dir.path().join("t")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "index") {
            std::fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 3, "{removed}");
    let partition = bench.open("t");
    assert_eq!(offsets(&partition, Isolation::ReadUncommitted), (0..50).collect::<Vec<_>>());
    assert_eq!(append(&partition, &sequenced(5, (7, 0), 45)), 45, "the repeat is still known");
    assert_eq!(partition.watermarks().log_end, 50);
}

#[test]
fn a_hole_in_synced_segments_is_an_error_and_nothing_is_cut() {
    let mut bench = Bench::new();
    bench.segment_bytes = 300;
    let partition = bench.open("t");
    for _ in 0..10 {
        append(&partition, &batch(5));
    }
    partition.sync_soon().unwrap().wait().unwrap();
    drop(partition);
    let dir = bench.dir.path().join("t");
    let first = dir.join("00000000000000000000.log");
    let content = std::fs::read(&first).unwrap();
    let listed = || std::fs::read_dir(&dir).unwrap().count();
    let before = listed();
    for without_index in [false, true] {
        if without_index {
            std::fs::remove_file(first.with_extension("index")).unwrap();
        }
        std::fs::write(&first, &content[..content.len() - 1]).unwrap();
        assert!(matches!(bench.try_open("t"), Err(Error::Corrupt { .. })));
        assert_eq!(listed(), before - usize::from(without_index));
    }
    std::fs::write(&first, &content).unwrap();
    assert_eq!(bench.open("t").watermarks().log_end, 50);
}

#[test]
fn nothing_is_visible_or_acknowledged_before_the_sync() {
    let bench = Bench::new();
    let partition = bench.open("t");
    bench.faults.hold_syncs();
    let appended = partition.append(&batch(3), Origin::Client).unwrap();
    assert_eq!(partition.watermarks().high_watermark, 0);
    assert_eq!(partition.watermarks().log_end, 3);
    assert_eq!(offsets(&partition, Isolation::ReadUncommitted), Vec::<i64>::new());
    assert_eq!(offsets(&partition, Isolation::Appended), [0, 1, 2]);
    bench.faults.release_syncs();
    appended.durable.wait().unwrap();
    assert_eq!(offsets(&partition, Isolation::ReadUncommitted), [0, 1, 2]);
}

#[test]
fn segments_behind_one_that_lost_its_end_are_cut_off() {
    let bench = Bench { segment_bytes: 300, ..Bench::new() };
    let partition = bench.open("t");
    for _ in 0..12 {
        append(&partition, &batch(1));
    }
    drop(partition);
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(bench.dir.path().join("t")).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => segments.push(path),
            // As if none of them had been synced yet.
            _ => std::fs::remove_file(path).unwrap(),
        }
    }
    segments.sort();
    assert!(segments.len() > 3);
    let one = std::fs::read(&segments[0]).unwrap();
    let record = one.len() / 3;
    assert_eq!(one.len(), record * 3, "three batches of equal size");
    std::fs::write(&segments[0], &one[..record * 2]).unwrap();
    let partition = bench.open("t");
    assert_eq!(offsets(&partition, Isolation::ReadUncommitted), [0, 1]);
    assert_eq!(append(&partition, &batch(1)), 2);
}

#[test]
fn a_failed_sync_fails_the_partition_until_restart() {
    let bench = Bench::new();
    let partition = bench.open("t");
    append(&partition, &batch(2));
    bench.faults.sync_fails.store(true, Ordering::SeqCst);
    let appended = partition.append(&batch(3), Origin::Client).unwrap();
    assert!(matches!(appended.durable.wait(), Err(Error::PartitionFailed { .. })));
    bench.faults.sync_fails.store(false, Ordering::SeqCst);
    assert!(matches!(partition.append(&batch(1), Origin::Client), Err(Error::PartitionFailed { .. })));
    assert_eq!(offsets(&partition, Isolation::ReadUncommitted), [0, 1], "what was durable stays readable");
    drop(partition);
    let partition = bench.open("t");
    append(&partition, &batch(1));
}

#[test]
fn a_full_disk_refuses_the_write_and_loses_nothing() {
    let bench = Bench::new();
    let partition = bench.open("t");
    append(&partition, &batch(2));
    let bytes = partition.bytes();
    for room in [0, 1, 20, 61, 70] {
        bench.faults.room.store(room, Ordering::SeqCst);
        let error = partition.append(&batch(3), Origin::Client).unwrap_err();
        assert!(matches!(error, Error::DiskFull(_)) && error.is_retriable());
        assert_eq!(std::fs::metadata(bench.last_segment("t")).unwrap().len(), bytes);
        assert_eq!(offsets(&partition, Isolation::ReadUncommitted), [0, 1]);
    }
    bench.faults.room.store(-1, Ordering::SeqCst);
    assert_eq!(append(&partition, &batch(3)), 2);
    assert_eq!(offsets(&partition, Isolation::ReadUncommitted), [0, 1, 2, 3, 4]);
}

fn part(partition: &Arc<Partition>, batches: Vec<Batch>) -> GroupPart {
    GroupPart { partition: partition.clone(), batches }
}

#[test]
fn a_group_that_does_not_fit_is_not_written_at_all() {
    let bench = Bench::new();
    let (a, b) = (bench.open("a"), bench.open("b"));
    bench.faults.room.store(150, Ordering::SeqCst);
    let small = batch(1);
    assert!(small.bytes().len() < 150 && batch(20).bytes().len() > 150);
    let result = append_group(&[part(&a, vec![small.clone()]), part(&b, vec![batch(20)])], &[]);
    assert!(matches!(result, Err(Error::DiskFull(_))));
    bench.faults.room.store(-1, Ordering::SeqCst);
    assert_eq!((a.watermarks().log_end, b.watermarks().log_end), (0, 0));
    assert_eq!((append(&a, &small), append(&b, &small)), (0, 0));
    drop((a, b));
    assert_eq!(offsets(&bench.open("a"), Isolation::ReadUncommitted), [0]);
}

#[test]
fn a_group_waits_for_all_its_partitions_and_what_it_depends_on() {
    let bench = Bench::new();
    let slow = Bench::new();
    let (input, decisions) = (slow.open("input"), bench.open("decisions"));
    slow.faults.hold_syncs();
    let _unsynced = input.append(&batch(5), Origin::Client).unwrap();
    let group = [part(&decisions, vec![batch(2), batch(3)])];
    let (bases, durable) = append_group(&group, &[(input.clone(), 5)]).unwrap();
    assert_eq!(bases, [[0, 2]]);
    // The group's own partition gets on disk, but a later single append shows that it stays hidden.
    append(&decisions, &batch(1));
    assert_eq!(decisions.watermarks().high_watermark, 0);
    slow.faults.release_syncs();
    durable.wait().unwrap();
    assert_eq!(decisions.watermarks().high_watermark, 6);
}

#[test]
fn a_group_whose_dependency_fails_stays_hidden() {
    let bench = Bench::new();
    let slow = Bench::new();
    let (input, decisions) = (slow.open("input"), bench.open("decisions"));
    slow.faults.sync_fails.store(true, Ordering::SeqCst);
    slow.faults.hold_syncs();
    let _unsynced = input.append(&batch(5), Origin::Client).unwrap();
    let (_, durable) = append_group(&[part(&decisions, vec![batch(2)])], &[(input, 5)]).unwrap();
    slow.faults.release_syncs();
    assert!(durable.wait().is_err());
    assert_eq!(decisions.watermarks().high_watermark, 0);
    assert!(matches!(decisions.append(&batch(1), Origin::Local), Err(Error::PartitionFailed { .. })));
}

#[test]
fn repeats_are_answered_and_gaps_refused() {
    let bench = Bench::new();
    let partition = bench.open("t");
    for n in 0..7 {
        assert_eq!(append(&partition, &sequenced(10, (7, 0), n * 10)), i64::from(n) * 10);
    }
    assert_eq!(append(&partition, &sequenced(10, (7, 0), 60)), 60);
    assert_eq!(append(&partition, &sequenced(10, (7, 0), 20)), 20);
    assert_eq!(partition.watermarks().log_end, 70);
    let refused = |batch: &Batch| partition.append(batch, Origin::Client).unwrap_err();
    assert!(matches!(refused(&sequenced(10, (7, 0), 80)), Error::OutOfOrderSequence { expected: 70, found: 80, .. }));
    assert!(matches!(refused(&sequenced(10, (7, 0), 0)), Error::OutOfOrderSequence { .. }), "long forgotten");
    assert_eq!(append(&partition, &sequenced(1, (7, 1), 0)), 70);
    assert!(matches!(refused(&sequenced(10, (7, 0), 70)), Error::ProducerFenced { current: 1, .. }));
    assert!(matches!(refused(&sequenced(1, (7, 2), 5)), Error::OutOfOrderSequence { expected: 0, .. }));
}

#[test]
fn a_repeat_is_acknowledged_only_when_the_first_is_on_disk() {
    let bench = Bench::new();
    let partition = bench.open("t");
    bench.faults.hold_syncs();
    let first = partition.append(&sequenced(1, (7, 0), 0), Origin::Client).unwrap();
    bench.faults.sync_fails.store(true, Ordering::SeqCst);
    let repeat = partition.append(&sequenced(1, (7, 0), 0), Origin::Client).unwrap();
    assert_eq!((repeat.base_offset, repeat.last_offset), (0, 0));
    bench.faults.release_syncs();
    assert!(first.durable.wait().is_err());
    assert!(repeat.durable.wait().is_err());
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let bench = Bench::new();
    let partition = bench.open("t");
    let resealed = |change: &dyn Fn(&mut crate::records::BatchHeader)| {
        let good = batch(3);
        let mut header = *good.header();
        change(&mut header);
        let mut bytes = good.bytes().to_vec();
        header.seal(&mut bytes);
        Batch::parse(bytes.into()).unwrap()
    };
    for bad in [
        resealed(&|header| header.record_count = 4),
        resealed(&|header| header.last_offset_delta = 1 << 30),
        resealed(&|header| header.record_count = 0),
        resealed(&|header| (header.record_count, header.last_offset_delta) = (-1, -2)),
        resealed(&|header| header.attributes = 0x20),
        resealed(&|header| header.attributes = 0x08),
        resealed(&|header| header.attributes = 0x10),
        resealed(&|header| header.producer_id = 5),
    ] {
        let refused = partition.append(&bad, Origin::Client);
        assert!(matches!(refused, Err(Error::InvalidBatch(_))), "{:?}", bad.header());
    }
    let unknown_codec = resealed(&|header| header.attributes = 6);
    assert!(matches!(partition.append(&unknown_codec, Origin::Client), Err(Error::UnsupportedCompression(6))));
    let large = builder(60_000).build().unwrap();
    assert!(matches!(partition.append(&large, Origin::Client), Err(Error::TooLarge { .. })));
    assert_eq!(partition.watermarks().log_end, 0);
}

#[test]
fn readers_see_committed_transactions_only() {
    let bench = Bench::new();
    let mut partition = bench.open("t");
    append(&partition, &batch(1)); // 0
    append(&partition, &transactional(2, (7, 0), 0)); // 1, 2
    append(&partition, &transactional(1, (8, 0), 0)); // 3
    append(&partition, &batch(1)); // 4
    let end = |partition: &Arc<Partition>, producer, commit| {
        partition.append_marker(producer, 0, commit).unwrap().wait().unwrap();
    };
    for restarted in [false, true] {
        if restarted {
            drop(partition);
            partition = bench.open("t");
        }
        assert_eq!(partition.watermarks().last_stable, 1);
        assert_eq!(offsets(&partition, Isolation::ReadCommitted), [0]);
        assert_eq!(offsets(&partition, Isolation::Appended), [0]);
        assert_eq!(offsets(&partition, Isolation::ReadUncommitted), [0, 1, 2, 3, 4]);
    }
    end(&partition, 8, false); // 5
    assert_eq!(partition.watermarks().last_stable, 1);
    end(&partition, 7, true); // 6
    append(&partition, &transactional(1, (8, 0), 1)); // 7
    end(&partition, 8, true); // 8
    for restarted in [false, true] {
        if restarted {
            drop(partition);
            partition = bench.open("t");
        }
        assert_eq!(partition.watermarks().last_stable, 9);
        assert_eq!(offsets(&partition, Isolation::ReadCommitted), [0, 1, 2, 4, 7]);
        assert_eq!(offsets(&partition, Isolation::Appended), [0, 1, 2, 4, 7]);
        let raw = partition.read_raw(0, 1 << 20, Isolation::ReadCommitted).unwrap();
        assert_eq!(raw.aborted, Some(vec![AbortedTransaction { producer_id: 8, first_offset: 3, last_offset: 5 }]));
        assert_eq!(partition.read_raw(6, 1 << 20, Isolation::ReadCommitted).unwrap().aborted, Some(vec![]));
    }
}

#[test]
fn offsets_are_found_by_time() {
    let mut bench = Bench::new();
    bench.segment_bytes = 50_000;
    let partition = bench.open("t");
    // Ten records a batch, a second apart, over several segments and index entries.
    for first in (0..5_000).step_by(10) {
        let mut builder = BatchBuilder::default();
        for n in first..first + 10 {
            builder.push(1_000 * n, None, Some(&[0; 20]));
        }
        append(&partition, &builder.build().unwrap());
    }
    let find = |timestamp| partition.offset_for_timestamp(timestamp, Isolation::ReadUncommitted).unwrap();
    for offset in [0, 1, 9, 10, 1_234, 2_500, 4_999] {
        assert_eq!(find(1_000 * offset), Some((offset, 1_000 * offset)));
        assert_eq!(find(1_000 * offset - 999), Some((offset, 1_000 * offset)));
    }
    assert_eq!(find(4_999_001), None);
    assert_eq!(partition.offset_of_max_timestamp(), Some((4_999, 4_999_000)));
}

#[test]
fn every_offset_is_found_in_a_log_of_many_index_entries() {
    let mut bench = Bench::new();
    bench.segment_bytes = 200_000;
    let partition = bench.open("t");
    for n in 0..600 {
        let mut builder = BatchBuilder::default();
        for _ in 0..1 + n % 7 {
            builder.push(0, None, Some(&[1; 100]));
        }
        append(&partition, &builder.build().unwrap());
    }
    let end = partition.watermarks().log_end;
    for offset in 0..end {
        for max_bytes in [1, 700, 10_000] {
            let fetched = partition.read(offset, max_bytes, Isolation::ReadUncommitted).unwrap();
            let first = fetched.batches.first().unwrap();
            assert!((first.base_offset()..=first.last_offset()).contains(&offset), "{offset}");
            assert!(max_bytes > 1 || fetched.batches.len() == 1);
        }
    }
}
