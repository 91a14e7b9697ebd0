//! Exact sliding windows per entity: update, snapshot, restore. Knows no tokio, arrow, wall clock or randomness.
