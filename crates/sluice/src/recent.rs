//! What happened lately: rates over ten seconds and latencies over a minute, for the status document. The metrics only ever grow, and
//! whoever keeps no history cannot tell from them what happens now.

use crate::log::Log;
use crate::topics;
use domain::{Error, Micros, Result, TopicPartition};
use parking_lot::Mutex;
use pipeline::{Clock as _, SystemClock};
use server::status::{Counts, Quantiles, Rates};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use telemetry::Metrics;
use tokio::sync::watch;

const EVERY: Duration = Duration::from_millis(500);
const RATES_OVER: Duration = Duration::from_secs(10);

pub struct Recent {
    pub predict: Latency,
    pub commit: Latency,
    pub began: Instant,
    pub started_at: Micros,
    metrics: Arc<Metrics>,
    samples: Mutex<VecDeque<(Instant, Sample)>>,
    ends: [AtomicI64; 3],
    /// The end of the dead letters at the start.
    dead_letters_before: i64,
}

#[derive(Clone, Copy)]
struct Sample {
    decisions: u64,
    alerts: u64,
    rejected: u64,
}

/// The topics whose ends are told.
const TOPICS: [&str; 3] = [topics::DECISIONS, topics::ALERTS, topics::DEAD_LETTERS];

impl Recent {
    pub fn start(
        log: &Log,
        metrics: Arc<Metrics>,
        stopping: watch::Receiver<bool>,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<Arc<Self>> {
        let mut source = log.source()?;
        let mut ends = [const { AtomicI64::new(0) }; 3];
        for (topic, end) in TOPICS.iter().zip(&mut ends) {
            *end.get_mut() = source.bounds(&TopicPartition::new(*topic, 0))?.1;
        }
        let recent = Arc::new(Self {
            predict: Latency::default(),
            commit: Latency::default(),
            began: Instant::now(),
            started_at: SystemClock.now(),
            metrics,
            samples: Mutex::default(),
            dead_letters_before: ends[2].load(Ordering::Relaxed),
            ends,
        });
        let told = recent.clone();
        let thread = std::thread::Builder::new().name("recent".into()).spawn(move || {
            while !*stopping.borrow() {
                for (topic, end) in TOPICS.iter().zip(&told.ends) {
                    if let Ok((_, now)) = source.bounds(&TopicPartition::new(*topic, 0)) {
                        end.store(now, Ordering::Relaxed);
                    }
                }
                told.sample(Instant::now());
                std::thread::sleep(EVERY);
            }
        });
        threads.push(thread.map_err(|e| Error::stop("could not start a thread", "raise the limit on threads").because(e))?);
        Ok(recent)
    }

    /// The offset that the next record of one of our topics gets.
    pub fn end(&self, topic: &str) -> i64 {
        TOPICS.iter().position(|t| *t == topic).map_or(0, |n| self.ends[n].load(Ordering::Relaxed))
    }

    fn now(&self) -> Sample {
        let d = &self.metrics.decisions;
        Sample {
            decisions: d.allow.get() + d.review.get() + d.block.get(),
            alerts: self.metrics.alerts.get(),
            rejected: (self.end(topics::DEAD_LETTERS) - self.dead_letters_before).unsigned_abs(),
        }
    }

    fn sample(&self, at: Instant) {
        let mut samples = self.samples.lock();
        samples.push_back((at, self.now()));
        while samples.front().is_some_and(|(then, _)| at.duration_since(*then) > RATES_OVER) {
            samples.pop_front();
        }
    }

    /// How many were counted since the start.
    pub fn counts(&self) -> Counts {
        let (d, now) = (&self.metrics.decisions, self.now());
        Counts {
            allow: d.allow.get(),
            review: d.review.get(),
            block: d.block.get(),
            alerts: now.alerts,
            rejected: now.rejected,
            repeated: self.metrics.records_repeated.get(),
        }
    }

    pub fn rates(&self) -> Rates {
        let now = (Instant::now(), self.now());
        let first = self.samples.lock().front().copied().unwrap_or(now);
        let seconds = now.0.duration_since(first.0).as_secs_f64().max(0.1);
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        Rates {
            decisions: rate(first.1.decisions, now.1.decisions),
            alerts: rate(first.1.alerts, now.1.alerts),
            rejected: rate(first.1.rejected, now.1.rejected),
        }
    }
}

/// Slots of ten seconds; the present one and six before it are told.
const SLOTS: usize = 7;
const SLOT_SECONDS: u64 = 10;

/// Eight buckets to an octave from a microsecond to a minute: a quantile is right within nine per cent.
const TO_AN_OCTAVE: f64 = 8.0;
const BUCKETS: usize = 26 * TO_AN_OCTAVE as usize;

/// Durations of the last minute, counted in buckets.
pub struct Latency {
    began: Instant,
    slots: Mutex<[Slot; SLOTS]>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// Which ten seconds since the beginning it holds.
    number: u64,
    counts: [u32; BUCKETS],
}

impl Default for Latency {
    fn default() -> Self {
        Self { began: Instant::now(), slots: Mutex::new([Slot { number: 0, counts: [0; BUCKETS] }; SLOTS]) }
    }
}

impl Latency {
    pub fn observe(&self, took: Duration) {
        self.observe_at(Instant::now(), took);
    }

    pub fn quantiles(&self) -> Quantiles {
        self.quantiles_at(Instant::now())
    }

    fn number(&self, at: Instant) -> u64 {
        at.duration_since(self.began).as_secs() / SLOT_SECONDS
    }

    fn observe_at(&self, at: Instant, took: Duration) {
        let number = self.number(at);
        let micros = took.as_secs_f64() * 1e6;
        let bucket = ((micros.max(1.0).log2() * TO_AN_OCTAVE) as usize).min(BUCKETS - 1);
        let mut slots = self.slots.lock();
        let slot = &mut slots[number as usize % SLOTS];
        if slot.number != number {
            *slot = Slot { number, counts: [0; BUCKETS] };
        }
        slot.counts[bucket] += 1;
    }

    fn quantiles_at(&self, at: Instant) -> Quantiles {
        let number = self.number(at);
        let mut counts = [0u64; BUCKETS];
        for slot in self.slots.lock().iter().filter(|s| s.number + SLOTS as u64 > number) {
            counts.iter_mut().zip(slot.counts).for_each(|(sum, n)| *sum += u64::from(n));
        }
        let count: u64 = counts.iter().sum();
        let quantile = |q: f64| {
            let rank = (count as f64 * q).ceil().max(1.0) as u64;
            let mut seen = 0;
            let bucket = counts.iter().position(|n| {
                seen += n;
                seen >= rank
            });
            // The middle of the bucket.
            bucket.map_or(0.0, |b| ((b as f64 + 0.5) / TO_AN_OCTAVE).exp2() / 1e3)
        };
        Quantiles { count, p50_ms: quantile(0.5), p99_ms: quantile(0.99) }
    }
}

#[cfg(test)]
mod tests;
