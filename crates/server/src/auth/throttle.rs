//! Slows down guessing: after a few wrong passwords an address has to wait. Counted per address and name, and per address alone;
//! never per name alone, which would let a stranger lock out its owner.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The span in which failures are counted, and the longest wait.
const WINDOW: Duration = Duration::from_secs(60);
const FAILURES_PER_NAME: u32 = 5;
const FAILURES_PER_ADDRESS: u32 = 30;

/// Keys remembered at most. Beyond it all are forgotten: memory matters more, and password checks are few at a time anyway.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: Mutex<HashMap<(IpAddr, Option<String>), Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Throttle {
    /// How long this address has to wait before it may try this name; none if it may now.
    pub(crate) fn wait(&self, address: IpAddr, name: &str, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock();
        let wait = |key: &(IpAddr, Option<String>), most| {
            let f = failures.get(key).filter(|f| f.count >= most)?;
            WINDOW.checked_sub(now.saturating_duration_since(f.since)).filter(|left| !left.is_zero())
        };
        let address = network(address);
        wait(&(address, Some(name.to_owned())), FAILURES_PER_NAME).max(wait(&(address, None), FAILURES_PER_ADDRESS))
    }

    pub(crate) fn failed(&self, address: IpAddr, name: &str, now: Instant) {
        let mut failures = self.failures.lock();
        if failures.len() + 2 > REMEMBERED {
            failures.retain(|_, f| now.saturating_duration_since(f.since) < WINDOW);
            if failures.len() + 2 > REMEMBERED {
                failures.clear();
            }
        }
        let address = network(address);
        for key in [(address, Some(name.to_owned())), (address, None)] {
            let f = failures.entry(key).or_insert(Failures { count: 0, since: now });
            if now.saturating_duration_since(f.since) >= WINDOW {
                *f = Failures { count: 0, since: now };
            }
            f.count += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.failures.lock().len()
    }

    /// The right password makes up for the wrong ones before it.
    pub(crate) fn succeeded(&self, address: IpAddr, name: &str) {
        self.failures.lock().remove(&(network(address), Some(name.to_owned())));
    }
}

/// An IPv6 subscriber has 2^64 addresses, which count as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        other => other.to_canonical(),
    }
}
