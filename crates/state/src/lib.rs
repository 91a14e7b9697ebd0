//! The feature state's local LSM store: where entities wait that memory does not hold, what a restart begins from, and the
//! memory of transaction ids. Everything of one snapshot becomes visible in one synced batch.
//!
//! It is a cache: removed, it is filled from the log again. It knows no scoring rules; meta and id values are opaque bytes.

mod bloom;
mod expiry;
mod handle;
mod ids;
mod store;
#[cfg(test)]
mod tests;

pub use ids::{IdBatch, IdHash, Ids, MAX_ID_VALUE};
pub use store::{Meta, Store};
