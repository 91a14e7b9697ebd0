//! A seeded e-commerce world that makes events and labels for the shipped project's streams: payments with their clicks before
//! and their balances after, fraud by scenario, and the truth about it days later.
//!
//! ```text
//! config ─> world (clock, queue) ─┬─ visits      what a genuine customer does
//!                                 ├─ fraud/      one file a scenario, one list
//!                                 ├─ labels      what becomes known, and when
//!                                 └─ json        an event as bytes ─> faults (late, duplicate, malformed)
//! ```
//!
//! The same seed and start give the same bytes: chance comes from one ChaCha8 generator ([`dice`]), maths from `libm`, and there
//! is neither a wall clock nor a hash map. Accounts and merchants are computed from the seed and their number whenever they are
//! needed, so a world of a million accounts costs little more than their balances.

pub mod config;
pub mod faults;
pub mod fraud;
pub mod totals;
pub mod world;

mod accounts;
mod dice;
mod json;
mod labels;
mod merchants;
mod places;
mod queue;
mod visits;

pub use config::WorldConfig;
pub use faults::{Fault, FaultRates, Faulty};
pub use totals::Totals;
pub use world::World;

use domain::{Micros, Text};

/// The streams that a world writes, by their names in the shipped project.
pub const STREAMS: [&str; 5] = [TRANSACTIONS, ACCOUNT_BALANCES, MERCHANT_INFO, CLICKSTREAM, LABELS];

pub const TRANSACTIONS: &str = "transactions";
pub const ACCOUNT_BALANCES: &str = "account_balances";
pub const MERCHANT_INFO: &str = "merchant_info";
pub const CLICKSTREAM: &str = "clickstream";
pub const LABELS: &str = "labels";

/// One record for one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimEvent {
    /// One of [`STREAMS`].
    pub stream: &'static str,
    /// The record's key, which decides its partition.
    pub key: Text,
    /// The same moment that stands in the record.
    pub event_time: Micros,
    /// One JSON object, without a line end.
    pub json: Vec<u8>,
    /// What was done to the record on its way; none straight from the world.
    pub fault: Option<Fault>,
}
