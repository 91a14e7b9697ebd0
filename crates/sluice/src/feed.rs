//! The alerts topic as a feed for any number of followers: the latest alerts are held once for all of them, older ones are read from the
//! log again when a follower comes back from far behind.

use crate::log::Log;
use crate::topics;
use async_trait::async_trait;
use bytes::Bytes;
use domain::{Error, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Record, Source};
use server::{AlertFeed, FeedAlert};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// The latest alerts that are held: some megabytes.
const HELD: usize = 10_000;

/// Alerts handed to a follower at once.
const AT_ONCE: usize = 256;

/// Bytes read from the log at a time.
const STEP_BYTES: usize = 256 << 10;

/// Followers that are far behind read the log this many at a time.
const FAR_BEHIND: usize = 4;

pub struct Feed {
    at: TopicPartition,
    log: Log,
    latest: Mutex<VecDeque<Arc<FeedAlert>>>,
    /// The offset that the first of the latest alerts got at least: what lies before is read from the log.
    latest_from: AtomicI64,
    /// The first offset that the log holds, as far as is known.
    start: AtomicI64,
    end: watch::Sender<i64>,
    /// For what is not among the latest; kept, as a cluster's reader is dear to make.
    past: Mutex<Option<Box<dyn Source>>>,
    turns: Semaphore,
}

impl Feed {
    /// Begins at the end that the topic has now.
    pub fn start(log: &Log, stopping: watch::Receiver<bool>, threads: &mut Vec<JoinHandle<()>>) -> Result<Arc<Self>> {
        let mut source = log.source()?;
        let at = TopicPartition::new(topics::ALERTS, 0);
        let (start, end) = source.bounds(&at)?;
        let feed = Arc::new(Self {
            at,
            log: log.clone(),
            latest: Mutex::default(),
            latest_from: AtomicI64::new(end),
            start: AtomicI64::new(start),
            end: watch::channel(end).0,
            past: Mutex::default(),
            turns: Semaphore::new(FAR_BEHIND),
        });
        let following = feed.clone();
        let thread = std::thread::Builder::new().name("alerts".into()).spawn(move || following.follow(&mut *source, &stopping));
        threads.push(thread.map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))?);
        Ok(feed)
    }

    fn follow(&self, source: &mut dyn Source, stopping: &watch::Receiver<bool>) {
        let mut next = *self.end.borrow();
        let mut records = Vec::new();
        while !*stopping.borrow() {
            records.clear();
            let read = source
                .wait(&[(self.at.clone(), next)], Duration::from_millis(200))
                .and_then(|()| source.fetch(&self.at, next, STEP_BYTES, &mut records));
            if let Err(e) = read {
                tracing::warn!(error = %e, "alerts cannot be followed now; trying again");
                std::thread::sleep(Duration::from_secs(1));
                continue;
            }
            let Some(last) = records.last() else { continue };
            next = last.offset + 1;
            let mut latest = self.latest.lock();
            latest.extend(records.iter().filter_map(read_alert));
            while latest.len() > HELD {
                latest.pop_front();
            }
            if latest.len() == HELD
                && let Some(first) = latest.front()
            {
                self.latest_from.store(first.offset, Ordering::Release);
            }
            drop(latest);
            self.end.send_replace(next);
        }
    }

    /// From the latest, if `from` is among them.
    fn held(&self, from: i64) -> Option<Vec<Arc<FeedAlert>>> {
        let latest = self.latest.lock();
        if from < self.latest_from.load(Ordering::Acquire) {
            return None;
        }
        let first = latest.partition_point(|a| a.offset < from);
        Some(latest.iter().skip(first).take(AT_ONCE).cloned().collect())
    }

    /// From the log.
    fn read_past(&self, from: i64) -> Result<Vec<Arc<FeedAlert>>> {
        let mut past = self.past.lock();
        let source = match &mut *past {
            Some(source) => source,
            none => none.insert(self.log.source()?),
        };
        let (start, _) = source.bounds(&self.at)?;
        self.start.store(start, Ordering::Release);
        if from < start {
            // The next look at the bounds says so.
            return Err(Error::retry(format!("retention has passed alert {from}")));
        }
        let mut records = Vec::new();
        source.fetch(&self.at, from, STEP_BYTES, &mut records)?;
        Ok(records.iter().take(AT_ONCE).filter_map(read_alert).collect())
    }
}

/// None, and a word in the log, for what is no alert: on a cluster others could write the topic.
fn read_alert(record: &Record) -> Option<Arc<FeedAlert>> {
    match serde_json::from_slice(&record.value) {
        // A copy, so that no whole batch is held for one alert of it.
        Ok(alert) => Some(Arc::new(FeedAlert { offset: record.offset, alert, json: Bytes::copy_from_slice(&record.value) })),
        Err(e) => {
            tracing::warn!(offset = record.offset, error = %e, "a record of the alerts topic is no alert and is passed over");
            None
        }
    }
}

#[async_trait]
impl AlertFeed for Feed {
    fn bounds(&self) -> (i64, i64) {
        (self.start.load(Ordering::Acquire), *self.end.borrow())
    }

    async fn read(&self, from: i64) -> Result<Vec<Arc<FeedAlert>>> {
        if let Some(found) = self.held(from) {
            return Ok(found);
        }
        let _turn = self.turns.acquire().await.map_err(|e| Error::bug("the turns are closed").because(e))?;
        tokio::task::block_in_place(|| self.read_past(from))
    }

    async fn beyond(&self, offset: i64) {
        let mut end = self.end.subscribe();
        // The sender lives as long as the feed.
        let _ = end.wait_for(|end| *end > offset).await;
    }
}

#[cfg(test)]
mod tests;
