//! Waking readers when there is more to read. A [`Subscription`] stays registered over many polls and remembers a
//! wake-up that came between two waits, so none is missed; it serves blocking threads and tasks alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::{Isolation, Partition};

/// The part that partitions hold on to.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Whether to be woken by appends that are not durable yet.
    pub(super) on_append: bool,
    fired: Mutex<bool>,
    thread: Condvar,
    task: Notify,
}

impl Listener {
    pub(crate) fn new(isolation: Isolation) -> Arc<Listener> {
        Arc::new(Listener {
            on_append: isolation == Isolation::Appended,
            fired: Mutex::new(false),
            thread: Condvar::new(),
            task: Notify::new(),
        })
    }

    /// Wakes whoever waits, or who waits next.
    pub(crate) fn wake(&self) {
        let mut fired = self.fired.lock();
        if !*fired {
            *fired = true;
            self.thread.notify_all();
            self.task.notify_one();
        }
    }
}

/// A standing registration for news of some partitions. Dropping it ends the registration.
///
/// Use: read until nothing more comes, then wait, then read again. A rise of a watermark between the read and the
/// wait ends the wait at once. One waiter at a time.
#[derive(Debug)]
pub struct Subscription {
    listener: Arc<Listener>,
    partitions: Vec<Arc<Partition>>,
}

impl Subscription {
    pub(crate) fn new(partitions: Vec<Arc<Partition>>, isolation: Isolation) -> Subscription {
        let listener = Listener::new(isolation);
        for partition in &partitions {
            partition.listen(&listener);
        }
        // What was there before the registration counts as news.
        listener.wake();
        Subscription { listener, partitions }
    }

    /// Blocks the thread until there is news or `timeout` has passed; tells whether there was news.
    pub fn wait(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut fired = self.listener.fired.lock();
        while !*fired {
            if self.listener.thread.wait_until(&mut fired, until).timed_out() {
                break;
            }
        }
        std::mem::take(&mut *fired)
    }

    /// Resolves when there is news. Cancel safe.
    pub async fn notified(&self) {
        loop {
            let notified = self.listener.task.notified();
            if std::mem::take(&mut *self.listener.fired.lock()) {
                return;
            }
            notified.await;
        }
    }

    /// Ends the current or the next wait; for shutting a reader down.
    pub fn wake(&self) {
        self.listener.wake();
    }

    /// A handle that wakes this subscription's waiter from elsewhere.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static + use<> {
        let listener = self.listener.clone();
        move || listener.wake()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for partition in &self.partitions {
            partition.unlisten(&self.listener);
        }
    }
}
