//! The store alone: ids, their expiry and filter, meta, clean-up on disk, and one process at a time.

use crate::bloom::Bloom;
use crate::{IdHash, Store};
use domain::Kind;
use features::Snapshot;
use std::time::{Duration, Instant};

fn hash(n: u64) -> IdHash {
    // Spreads counters over all bits (SplitMix64's last step).
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&mix(n + 1).to_be_bytes());
    hash[8..].copy_from_slice(&mix(n + 0x9e37_79b9_7f4a_7c15).to_be_bytes());
    hash
}

fn snapshot(sequence: u64, greatest: i64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.sequence = sequence;
    snapshot.meta = b"transactions\t7\n".to_vec();
    snapshot.greatest = Some(greatest);
    snapshot.floor = Some(greatest);
    snapshot
}

#[test]
fn a_filter_forgets_nothing_and_is_rarely_wrong() {
    let mut bloom = Bloom::default();
    for n in 0..100_000 {
        bloom.insert(&hash(n), 10);
    }
    assert!((0..100_000).all(|n| bloom.may_hold(&hash(n))));
    let wrong = (100_000..200_000).filter(|n| bloom.may_hold(&hash(*n))).count();
    assert!(wrong < 5_000, "{wrong} of 100,000 absent ids would be asked for on disk");
    bloom.expire(11);
    let left = (0..100_000).filter(|n| bloom.may_hold(&hash(*n))).count();
    assert!(left < 60_000, "full layers go when all in them expired, {left} ids are left");
}

#[test]
fn ids_are_found_before_while_and_after_they_are_committed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path()).expect("a new store opens");
    let mut ids = store.ids().expect("ids open");
    let mut found = Vec::new();
    ids.put(hash(1), 100, b"one").expect("fits");
    assert!(ids.get(&hash(1), 100, &mut found).expect("reads"));
    let batch = ids.begin();
    ids.put(hash(2), 100, b"two").expect("fits");
    assert!(ids.get(&hash(1), 100, &mut found).expect("reads"), "in flight");
    store.commit(&snapshot(9, 50), &batch, b"extra").expect("commits");
    ids.done(&batch, 50);
    assert!(ids.get(&hash(1), 100, &mut found).expect("reads"), "from disk");
    assert!(!ids.get(&hash(1), 101, &mut found).expect("reads"), "expired by event time, though still on disk");
    assert!(!ids.get(&hash(3), 0, &mut found).expect("reads"));
    assert_eq!(found, b"oneoneone");
    assert_eq!(ids.put(hash(4), 0, &[0; 65]).expect_err("too long").kind, Kind::Bug);
    drop((ids, store));

    let store = Store::open(folder.path()).expect("opens again");
    let meta = store.meta().expect("reads").expect("there was a commit");
    assert_eq!((meta.sequence, &meta.engine[..], &meta.extra[..]), (9, &b"transactions\t7\n"[..], &b"extra"[..]));
    let mut ids = store.ids().expect("ids open");
    assert!(ids.get(&hash(1), 100, &mut found).expect("reads"));
    assert!(!ids.get(&hash(2), 100, &mut found).expect("reads"), "it was put after the commit began");
}

#[test]
fn a_filter_is_filled_again_after_a_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    {
        let store = Store::open(folder.path()).expect("a new store opens");
        let mut ids = store.ids().expect("ids open");
        (0..2_000).for_each(|n| ids.put(hash(n), 100, &n.to_le_bytes()).expect("fits"));
        let batch = ids.begin();
        store.commit(&snapshot(1, 0), &batch, b"").expect("commits");
    }
    let store = Store::open(folder.path()).expect("opens again");
    let mut ids = store.ids().expect("ids open");
    ids.put(hash(5_000), 100, b"new").expect("fits");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut found = Vec::new();
    // Right before and after the filter is there; it is there when the bytes of a layer are.
    while ids.bytes() < 16_384 {
        assert!(Instant::now() < deadline, "the filter is never filled");
        found.clear();
        assert!(ids.get(&hash(7), 0, &mut found).expect("reads"));
        assert_eq!(found, 7u64.to_le_bytes());
    }
    assert!((0..2_000).all(|n| ids.get(&hash(n), 0, &mut found).expect("reads")));
    assert!(ids.get(&hash(5_000), 0, &mut found).expect("reads"));
    assert!(!ids.get(&hash(6_000), 0, &mut found).expect("reads"));
}

#[test]
fn expired_ids_leave_the_disk_when_it_is_compacted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path()).expect("a new store opens");
    let mut ids = store.ids().expect("ids open");
    for n in 0..1_000 {
        ids.put(hash(n), if n < 900 { 10 } else { 1_000 }, b"v").expect("fits");
    }
    let batch = ids.begin();
    store.commit(&snapshot(1, 5), &batch, b"").expect("commits");
    store.compact().expect("compacts");
    assert_eq!(store.count_ids(), 1_000, "nothing expired yet");
    let batch = ids.begin();
    store.commit(&snapshot(2, 20), &batch, b"").expect("commits");
    store.compact().expect("compacts");
    assert_eq!(store.count_ids(), 100);
}

#[test]
fn a_second_opener_is_told_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path()).expect("a new store opens");
    let refused = Store::open(folder.path()).expect_err("in use");
    assert_eq!(refused.kind, Kind::Stop);
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    drop(store);
    Store::open(folder.path()).expect("opens once the other is gone");
}
