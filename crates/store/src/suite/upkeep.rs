//! What an operator asks of a store.

use super::made::{Decisions, decision};
use super::{TOPIC, page};
use crate::*;
use domain::TopicPartition;

pub(super) fn what_is_too_old_goes_in_batches<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..100).apply(&store, 0);
    let letter = |n: i64| DeadLetter {
        topic: "transactions".into(),
        partition: 0,
        offset: n,
        errors: vec![],
        raw: vec![n as u8],
        at: decision(n as u64).taken_at,
    };
    let letters: Vec<_> = (0..100).map(letter).collect();
    let records: Vec<_> = letters.iter().zip(0..).map(|(letter, offset)| DeadLetterRecord { offset, letter }).collect();
    store
        .apply(&[Batch { topic: "dead-letters", partition: 0, from: 0, next_offset: 100, decisions: &[], dead_letters: &records }])
        .unwrap();
    // A time itself is not before it.
    let before = decision(60).taken_at;
    let mut removed = Vec::new();
    while removed.last().is_none_or(|r: &Removed| r.most() > 0) {
        removed.push(store.remove_before(before, 25).unwrap());
    }
    assert_eq!(removed.iter().map(|r| (r.decisions, r.dead_letters)).collect::<Vec<_>>(), [(25, 25), (25, 25), (10, 10), (0, 0)]);
    assert_eq!(removed.iter().map(|r| r.alerts).sum::<u64>(), 18);
    let totals = store.totals().unwrap();
    assert_eq!((totals.transactions, totals.allow, totals.review, totals.block), (40, 32, 4, 4));
    assert_eq!((totals.alerts, totals.dead_letters, totals.last_sequence), (12, 40, Some(99)));
    assert!(store.transaction(&decision(59).transaction_id).unwrap().is_none());
    assert!(store.transaction(&decision(60).transaction_id).unwrap().is_some());
    assert_eq!(store.predictions(&PredictionFilter::default(), &page(100, None)).unwrap().items.len(), 40);
    assert_eq!(store.alerts(&AlertFilter::default(), &page(100, None)).unwrap().items.len(), 12);
    assert_eq!(store.dead_letters(&page(100, None)).unwrap().items.len(), 40);
    // It stays away: the position did not move.
    assert_eq!(Decisions::range(0..100).apply(&store, 0).skipped, 100);
    store.vacuum().unwrap();
    assert_eq!(store.totals().unwrap(), totals);
}

pub(super) fn a_store_at_a_glance<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    assert_eq!(store.describe().unwrap().oldest_prediction, None);
    Decisions::range(0..20).apply(&store, 0);
    let found = store.describe().unwrap();
    assert_eq!((found.totals, found.schema_version), (store.totals().unwrap(), found.known_version));
    assert_eq!(found.oldest_prediction.as_deref(), Some("2026-11-21T09:30:00.001500Z"));
    assert_eq!(found.positions, [(TopicPartition::new(TOPIC, 0), 20)]);
    assert!(found.size_bytes > 0 && !found.backend.is_empty() && !found.place.is_empty());
}
