//! Lets the store forget what is older than the project says, a little at a time: a short transaction, then a pause several times as
//! long, so that readers and the writer hardly notice.

use domain::{Kind, Micros, Result};
use pipeline::{Clock as _, SystemClock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::{Removed, Store};

/// Decisions that go in one transaction.
const BATCH: usize = 2_000;

/// How often there is something to forget.
const EVERY: Duration = Duration::from_secs(60);

/// The pause after a batch, in lengths of it: others have most of the disk's time.
const PAUSE: u32 = 4;

/// How soon a stop is noticed.
const GLANCE: Duration = Duration::from_millis(100);

/// Runs until `stop` is set.
pub fn run(store: &dyn Store, keep: Micros, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::SeqCst) {
        match forget(store, SystemClock.now() - keep, stop) {
            Ok(Removed { decisions: 0, dead_letters: 0, .. }) => {}
            Ok(removed) => {
                tracing::info!(
                    decisions = removed.decisions,
                    alerts = removed.alerts,
                    dead_letters = removed.dead_letters,
                    "the store forgot what is too old"
                );
            }
            Err(e) if e.kind == Kind::Retry => {
                tracing::warn!(error = %e, "nothing is removed from the store now; trying again in a minute")
            }
            Err(e) => return Err(e),
        }
        pause(EVERY, stop);
    }
    Ok(())
}

/// Removes all that is from before a time.
pub fn forget(store: &dyn Store, before: Micros, stop: &AtomicBool) -> Result<Removed> {
    let mut all = Removed::default();
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let removed = store.remove_before(before, BATCH)?;
        all += removed;
        if removed.most() < BATCH as u64 {
            break;
        }
        pause(begun.elapsed() * PAUSE, stop);
    }
    Ok(all)
}

fn pause(length: Duration, stop: &AtomicBool) {
    let until = Instant::now() + length;
    while !stop.load(Ordering::SeqCst) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(GLANCE));
    }
}
