//! What an append hands back: the promise that its records are on disk. A group's promise covers all its
//! partitions, whose high watermarks rise only when every one of them is synced.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Partition;
use crate::error::{Error, Result};

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Resolves when an append is on disk: `.await` it in a task, or [`Durable::wait`] in a thread. Dropping it gives
/// up the answer, not the append.
#[derive(Debug)]
#[must_use = "records are durable only when this has resolved"]
pub struct Durable(Option<oneshot::Receiver<Result<()>>>);

impl Durable {
    pub(super) fn already() -> Durable {
        Durable(None)
    }

    /// Blocks until the records are on disk.
    ///
    /// # Panics
    /// In an async task; `.await` there.
    pub fn wait(self) -> Result<()> {
        match self.0 {
            Some(receiver) => receiver.blocking_recv().unwrap_or(Err(Error::Closed)),
            None => Ok(()),
        }
    }
}

impl IntoFuture for Durable {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.0 {
                Some(receiver) => receiver.await.unwrap_or(Err(Error::Closed)),
                None => Ok(()),
            }
        })
    }
}

/// Appends that become durable together. Each partition counts its part off when it is synced.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) id: u64,
    remaining: AtomicUsize,
    /// Partitions whose high watermark this commit holds back, in the order in which they are to rise.
    held: Mutex<Vec<Arc<Partition>>>,
    answer: Mutex<Option<oneshot::Sender<Result<()>>>>,
}

impl Commit {
    /// A commit of `parts` parts.
    pub(super) fn new(parts: usize, held: Vec<Arc<Partition>>) -> (Arc<Commit>, Durable) {
        let (sender, receiver) = oneshot::channel();
        let commit = Commit {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            remaining: AtomicUsize::new(parts),
            held: Mutex::new(held),
            answer: Mutex::new(Some(sender)),
        };
        (Arc::new(commit), Durable(Some(receiver)))
    }

    /// One part is on disk. Must be called without any partition's lock.
    pub(super) fn part_synced(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        for partition in std::mem::take(&mut *self.held.lock()) {
            partition.release(self.id);
        }
        if let Some(answer) = self.answer.lock().take() {
            let _ = answer.send(Ok(()));
        }
    }

    /// One part will never be durable: the others must not become visible. Must be called without any lock.
    pub(super) fn fail(&self, error: &Error) {
        let (answer, held) = {
            let mut answer = self.answer.lock();
            (answer.take(), std::mem::take(&mut *self.held.lock()))
        };
        // The answer comes last: who gets it finds all partitions of the group failed.
        for partition in held {
            partition.fail(error);
        }
        if let Some(answer) = answer {
            let _ = answer.send(Err(error.clone()));
        }
    }
}
