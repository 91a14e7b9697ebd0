//! The threads that sync: a partition with unsynced appends queues itself once, so there is at most one sync a
//! partition under way, and everything appended meanwhile shares the next one. Threads start as they are needed.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::Partition;

/// The pool.
#[derive(Debug)]
pub(crate) struct Syncer {
    most_threads: usize,
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Partition>>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Syncer {
    pub(crate) fn new(most_threads: usize) -> Arc<Syncer> {
        Arc::new(Syncer { most_threads: most_threads.max(1), state: Mutex::default(), work: Condvar::new(), ended: Condvar::new() })
    }

    /// Queues a partition for one sync.
    pub(super) fn submit(self: &Arc<Syncer>, partition: Arc<Partition>) {
        let mut state = self.state.lock();
        state.queue.push_back(partition);
        if state.idle >= state.queue.len() || state.threads >= self.most_threads {
            self.work.notify_one();
            return;
        }
        let syncer = self.clone();
        let started = std::thread::Builder::new().name("broker-sync".into()).stack_size(256 << 10).spawn(move || syncer.run());
        match started {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                let partitions: Vec<_> = state.queue.drain(..).collect();
                drop(state);
                for partition in partitions {
                    partition.fail_io("start a sync thread for", error.to_string());
                }
            }
            Err(_) => {
                self.work.notify_one();
            }
        }
    }

    fn run(self: Arc<Syncer>) {
        let mut state = self.state.lock();
        loop {
            if let Some(partition) = state.queue.pop_front() {
                drop(state);
                let more = partition.sync_once();
                state = self.state.lock();
                if more {
                    state.queue.push_back(partition);
                }
            } else if state.closed {
                state.threads -= 1;
                self.ended.notify_all();
                return;
            } else {
                state.idle += 1;
                self.work.wait(&mut state);
                state.idle -= 1;
            }
        }
    }

    /// Finishes what is queued and ends the threads. Blocks.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.work.notify_all();
        while state.threads > 0 {
            self.ended.wait(&mut state);
        }
    }
}
