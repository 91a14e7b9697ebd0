//! The threads that sync: a partition with unsynced appends queues itself once, so there is at most one sync a
//! partition under way, and everything appended meanwhile shares the next one. With a write-ahead log whatever is queued
//! goes into one round of it, if that is small; otherwise the partitions' files are synced side by side. Threads start
//! as they are needed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::Partition;
use super::wal::{Unsynced, Wal};
use crate::error::Result;
use crate::traffic::Counters;

/// The pool.
#[derive(Debug)]
pub(crate) struct Syncer {
    most_threads: usize,
    wal: Option<Arc<Wal>>,
    counters: Arc<Counters>,
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// For the next round of the write-ahead log.
    queue: VecDeque<Arc<Partition>>,
    /// A round is under way.
    round: bool,
    /// To be synced each on its own.
    direct: VecDeque<Arc<Partition>>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl State {
    /// How many threads could do something now.
    fn work(&self) -> usize {
        self.direct.len() + usize::from(!self.round && !self.queue.is_empty())
    }
}

impl Syncer {
    pub(crate) fn new(most_threads: usize, wal: Option<Arc<Wal>>, counters: Arc<Counters>) -> Arc<Syncer> {
        let (state, work, ended) = (Mutex::default(), Condvar::new(), Condvar::new());
        Arc::new(Syncer { most_threads: most_threads.max(1), wal, counters, state, work, ended })
    }

    pub(super) fn wal(&self) -> Option<&Arc<Wal>> {
        self.wal.as_ref()
    }

    /// Before a segment is cut or replaced: what the write-ahead log holds of it will not come back. Must be called
    /// without any partition's lock. Blocks on the disk.
    pub(super) fn retire_wal(&self) -> Result<()> {
        self.wal.as_ref().map_or(Ok(()), |wal| wal.retire())
    }

    /// Queues a partition for one sync.
    pub(super) fn submit(self: &Arc<Syncer>, partition: Arc<Partition>) {
        self.submit_all([partition]);
    }

    /// Queues partitions for one sync, all of them in the same round.
    pub(super) fn submit_all(self: &Arc<Syncer>, partitions: impl IntoIterator<Item = Arc<Partition>>) {
        let mut state = self.state.lock();
        let queue = if self.wal.is_some() { &mut state.queue } else { &mut state.direct };
        queue.extend(partitions);
        self.rouse(state);
    }

    /// Sees to it that there are threads for the work there is.
    fn rouse(self: &Arc<Syncer>, mut state: MutexGuard<'_, State>) {
        let work = state.work();
        for _ in 0..work.min(state.idle) {
            self.work.notify_one();
        }
        let most = self.most_threads.saturating_sub(state.threads);
        for _ in 0..work.saturating_sub(state.idle).min(most) {
            let syncer = self.clone();
            let started = std::thread::Builder::new().name("broker-sync".into()).stack_size(256 << 10).spawn(move || syncer.run());
            match started {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    let State { queue, direct, .. } = &mut *state;
                    let partitions: Vec<_> = queue.drain(..).chain(direct.drain(..)).collect();
                    drop(state);
                    for partition in partitions {
                        partition.fail_io("start a sync thread for", error.to_string());
                    }
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn run(self: Arc<Syncer>) {
        let mut state = self.state.lock();
        loop {
            if let Some(partition) = state.direct.pop_front() {
                drop(state);
                let begun = Instant::now();
                let more = partition.sync_once();
                self.counters.synced(begun);
                state = self.state.lock();
                if more {
                    let queue = if self.wal.is_some() { &mut state.queue } else { &mut state.direct };
                    queue.push_back(partition);
                }
            } else if let Some(wal) = self.wal.as_ref().filter(|_| !state.round && !state.queue.is_empty()) {
                state.round = true;
                let partitions = std::mem::take(&mut state.queue);
                drop(state);
                let (again, direct) = round(wal, partitions, &self.counters);
                state = self.state.lock();
                state.round = false;
                state.queue.extend(again);
                if !direct.is_empty() {
                    state.direct.extend(direct);
                    // This thread takes one of them itself.
                    self.rouse(state);
                    state = self.state.lock();
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
        drop(state);
        if let Some(wal) = &self.wal {
            wal.close();
        }
    }
}

/// One round: the partitions that have more to sync meanwhile, and those that are to be synced on their own.
fn round(wal: &Wal, partitions: VecDeque<Arc<Partition>>, counters: &Counters) -> (Vec<Arc<Partition>>, Vec<Arc<Partition>>) {
    let mut direct = Vec::new();
    let mut unsynced: Vec<Unsynced> = Vec::with_capacity(partitions.len());
    for partition in partitions {
        match partition.unsynced() {
            Some(part) => unsynced.push(part),
            None => direct.push(partition),
        }
    }
    let mut again = Vec::new();
    let begun = Instant::now();
    match wal.write(&unsynced) {
        Some(Ok(())) => {
            counters.synced(begun);
            for Unsynced { partition, segment, to, log_end, .. } in unsynced {
                if partition.synced(&segment, to, log_end) {
                    again.push(partition);
                }
            }
        }
        Some(Err(error)) => unsynced.iter().for_each(|part| part.partition.fail(&error)),
        None => direct.extend(unsynced.into_iter().map(|part| part.partition)),
    }
    (again, direct)
}
