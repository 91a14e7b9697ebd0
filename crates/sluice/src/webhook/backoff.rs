//! How long to wait before trying again: twice as long each time, up to five minutes, and never for all at the same moment.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
pub const LONGEST: Duration = Duration::from_secs(300);

/// The wait after a failed attempt, counted from 1. `chance` lies in [0, 1): the wait is the full one less up to half of it.
pub fn wait(attempt: u32, chance: f64) -> Duration {
    let full = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(LONGEST);
    full.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}
