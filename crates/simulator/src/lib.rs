//! A seeded e-commerce world that makes the events of the shipped project's twelve streams: customers, merchants and products with
//! their histories, visits to the shop with their clicks, orders, payments and balances, fraud by scenario, and the truth about it
//! days later.
//!
//! ```text
//! config -> world (clock, queues) -+- genuine     what customers do        \
//!                                  +- fraud/      one file a scenario       } visits, made of the pieces in counter
//!                                  +- orders      what becomes of an order /
//!                                  +- labels      what becomes known, and when
//!                                  +- totals      the world's own books
//!                                  +- json/       an event as bytes -> faults (late, duplicate, malformed)
//! who and what: places, names, customers, merchants, products (fixed by seed and number); people, recent (what changes)
//! ```
//!
//! The same seed and start give the same bytes: chance comes from one ChaCha8 generator ([`dice`]), maths from `libm`, and there
//! is neither a wall clock nor a hash map. Accounts, merchants and products are computed from their numbers whenever they are
//! needed, so a world of a million accounts costs little more than their balances.

pub mod config;
pub mod faults;
pub mod fraud;
pub mod money;
pub mod totals;
pub mod world;

mod counter;
mod customers;
mod dice;
mod exact;
mod genuine;
mod json;
mod labels;
mod merchants;
mod names;
mod orders;
mod people;
mod places;
mod products;
mod queue;
mod recent;
mod rhythm;
mod visits;

pub use config::WorldConfig;
pub use faults::{Fault, FaultRates, Faulty};
pub use totals::Totals;
pub use world::World;

use domain::{Micros, Text};

/// The streams that a world writes, by their names in the shipped project.
pub const STREAMS: [&str; 12] = [
    TRANSACTIONS,
    USER_PROFILES,
    MERCHANT_INFO,
    ACCOUNT_BALANCES,
    CUSTOMERS,
    PRODUCTS,
    ORDERS,
    ORDER_ITEMS,
    PAYMENTS,
    CLICKSTREAM,
    REVIEWS,
    LABELS,
];

pub const TRANSACTIONS: &str = "transactions";
pub const USER_PROFILES: &str = "user_profiles";
pub const MERCHANT_INFO: &str = "merchant_info";
pub const ACCOUNT_BALANCES: &str = "account_balances";
pub const CUSTOMERS: &str = "customers";
pub const PRODUCTS: &str = "products";
pub const ORDERS: &str = "orders";
pub const ORDER_ITEMS: &str = "order_items";
pub const PAYMENTS: &str = "payments";
pub const CLICKSTREAM: &str = "clickstream";
pub const REVIEWS: &str = "reviews";
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
