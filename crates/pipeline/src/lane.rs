//! A step of the loop with a thread of its own for when there is much to do. While there is little, whoever brings the work does it
//! himself: a hand-over to another thread costs more than a small batch, and its waking more than that.

use domain::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard};

/// What a lane does with each item, in the order in which they come.
pub(crate) trait Work: Send {
    type Item: Send;

    fn run(&mut self, item: Self::Item, small: bool) -> Result<()>;
}

/// The step, shared by its thread and by the one caller that brings work.
pub(crate) struct Lane<W: Work> {
    work: Mutex<W>,
    /// Items handed to the thread and not finished.
    waiting: AtomicUsize,
    failed: Mutex<Option<Error>>,
}

/// Brings work, from one thread.
pub(crate) struct Feed<'a, W: Work> {
    lane: &'a Lane<W>,
    queue: SyncSender<(W::Item, bool)>,
}

impl<W: Work> Lane<W> {
    pub(crate) fn new(work: W) -> Self {
        Self { work: Mutex::new(work), waiting: AtomicUsize::new(0), failed: Mutex::new(None) }
    }

    /// The two ends: at most `ahead` items wait between them.
    pub(crate) fn feed(&self, ahead: usize) -> (Feed<'_, W>, Receiver<(W::Item, bool)>) {
        let (queue, items) = sync_channel(ahead);
        (Feed { lane: self, queue }, items)
    }

    /// The thread's part: returns when the feed is gone and everything it brought is done, or at the first error.
    pub(crate) fn serve(&self, items: &Receiver<(W::Item, bool)>) {
        while let Ok((item, small)) = items.recv() {
            let outcome = self.lock().run(item, small);
            if let Err(e) = outcome {
                *self.failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(e);
                return;
            }
            self.waiting.fetch_sub(1, Ordering::Release);
        }
    }

    /// What ended the thread.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, W> {
        self.work.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn into_inner(self) -> W {
        self.work.into_inner().unwrap_or_else(|e| e.into_inner())
    }
}

impl<W: Work> Feed<'_, W> {
    /// The step itself, if nothing waits before it and nothing is under way: only this feed could change that.
    pub(crate) fn idle(&self) -> Option<MutexGuard<'_, W>> {
        (self.lane.waiting.load(Ordering::Acquire) == 0).then(|| self.lane.lock())
    }

    /// Does a small item here if the lane is idle, else gives it to the thread, waiting for room.
    ///
    /// # Errors
    /// Of the item, if it was done here; Bug if the thread has ended, whose own error is the cause.
    pub(crate) fn bring(&self, item: W::Item, small: bool) -> Result<()> {
        if small && let Some(mut work) = self.idle() {
            return work.run(item, small);
        }
        self.lane.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.send((item, small)).map_err(|_| Error::bug("a thread of the loop ended"))
    }
}
