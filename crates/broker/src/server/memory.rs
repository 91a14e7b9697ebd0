//! What the requests and answers of all connections together may take in memory. A request waits for room before its
//! bytes are read off the socket, so a sender feels it as a slow network; an answer to a fetch is made as large as there
//! is room, and is empty if there is none in time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::Limits;

/// A single answer takes at most this share of the room.
const SHARES: usize = 8;
/// An answer is not made smaller than this for want of room (or than one batch).
const LEAST_ANSWER_BYTES: usize = 1 << 20;

/// The room there is, and who has taken it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    requests: Arc<Semaphore>,
    request_bytes: usize,
    answers: Arc<Semaphore>,
    answer_bytes: usize,
}

/// Room taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room(OwnedSemaphorePermit);

impl Room {
    pub(crate) fn bytes(&self) -> usize {
        self.0.num_permits()
    }

    /// Makes it `bytes`, if there is that much; tells whether it is.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let have = self.bytes();
        if bytes <= have {
            drop(self.0.split(have - bytes));
            return true;
        }
        let more = u32::try_from(bytes - have).ok().and_then(|more| self.0.semaphore().clone().try_acquire_many_owned(more).ok());
        more.map(|more| self.0.merge(more)).is_some()
    }
}

fn semaphore(bytes: usize) -> (Arc<Semaphore>, usize) {
    let bytes = bytes.clamp(1, (u32::MAX as usize).min(Semaphore::MAX_PERMITS));
    (Arc::new(Semaphore::new(bytes)), bytes)
}

impl Memory {
    pub(crate) fn new(limits: &Limits) -> Memory {
        let (requests, request_bytes) = semaphore(limits.request_memory_bytes);
        let (answers, answer_bytes) = semaphore(limits.fetch_memory_bytes);
        Memory { requests, request_bytes, answers, answer_bytes }
    }

    /// Room for a request, as soon as there is; one that is larger than all the room gets it alone.
    pub(crate) async fn request(&self, bytes: usize) -> Option<Room> {
        let bytes = bytes.min(self.request_bytes) as u32;
        self.requests.clone().acquire_many_owned(bytes).await.ok().map(Room)
    }

    /// All the room for answers.
    pub(crate) fn largest_answer(&self) -> usize {
        self.answer_bytes
    }

    /// Room for an answer of at most `most` bytes, or less if room is short, but at least `least` (as far as there is
    /// that much at all); None if there is none before `until`.
    pub(crate) async fn answer(&self, least: usize, most: usize, until: Instant) -> Option<Room> {
        let least = least.max(LEAST_ANSWER_BYTES.min(most)).min(self.answer_bytes);
        let mut bytes = most.min(self.answer_bytes / SHARES).max(least);
        loop {
            if let Ok(permit) = self.answers.clone().try_acquire_many_owned(bytes as u32) {
                return Some(Room(permit));
            }
            if bytes == least {
                break;
            }
            bytes = (bytes / 2).max(least);
        }
        let waiting = self.answers.clone().acquire_many_owned(least as u32);
        tokio::time::timeout_at(until, waiting).await.ok()?.ok().map(Room)
    }
}
