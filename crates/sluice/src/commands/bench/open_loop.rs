//! Load that does not wait for answers: each request has its time, and its latency counts from there, whether or not the client was
//! able to send it then. So a server that falls behind is charged for the queue it makes (no coordinated omission).

use std::time::{Duration, Instant};

/// When each request is due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub start: Instant,
    pub rate: f64,
}

impl Schedule {
    /// Begins a moment from now, so that clients are ready.
    pub fn at_rate(rate: f64) -> Self {
        Self { start: Instant::now() + Duration::from_millis(50), rate }
    }

    pub fn due(&self, n: u64) -> Instant {
        self.start + Duration::from_secs_f64(n as f64 / self.rate)
    }

    /// Sleeps until the request is due; at once if it is late.
    pub fn wait(&self, n: u64) {
        let left = self.due(n).saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }
}

/// Latencies of one run.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Milliseconds at the quantiles, by the nearest rank; nothing without a latency.
    pub fn quantiles_ms(&mut self, quantiles: &[f64]) -> Option<Vec<f64>> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1)?;
        let at = |q: f64| ((q * self.0.len() as f64).ceil() as usize).saturating_sub(1).min(last);
        Some(quantiles.iter().map(|q| self.0[at(*q)].as_secs_f64() * 1e3).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles_ms(&[0.5]), None);
        (1..=100).rev().for_each(|ms| latencies.push(Duration::from_millis(ms)));
        assert_eq!(latencies.quantiles_ms(&[0.5, 0.99, 1.0, 0.0]), Some(vec![50.0, 99.0, 100.0, 1.0]));
    }

    #[test]
    fn a_schedule_keeps_its_rate() {
        let schedule = Schedule::at_rate(1000.0);
        assert_eq!(schedule.due(2500) - schedule.due(0), Duration::from_millis(2500));
    }
}
