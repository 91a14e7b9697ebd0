//! Clean-up on disk: while fjall compacts, values that expired before the last durable snapshot's horizon are left out. Nothing
//! is scanned for it, and nothing that could still be asked for goes, because every value opens with the time it expires at.

use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The time before which values have expired; moves forward with each commit.
#[derive(Clone, Debug)]
pub(crate) struct Horizon(Arc<AtomicI64>);

impl Horizon {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }

    pub(crate) fn move_to(&self, time: i64) {
        self.0.fetch_max(time, Ordering::Relaxed);
    }

    pub(crate) fn factory(&self) -> Arc<dyn Factory> {
        Arc::new(DropExpired(self.clone()))
    }
}

struct DropExpired(Horizon);

impl Factory for DropExpired {
    fn name(&self) -> &str {
        "drop expired"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(DropBefore(self.0.0.load(Ordering::Relaxed)))
    }
}

struct DropBefore(i64);

impl CompactionFilter for DropBefore {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let expired = features::expires(&item.value()?).is_some_and(|time| time < self.0);
        Ok(if expired { Verdict::Remove } else { Verdict::Keep })
    }
}
