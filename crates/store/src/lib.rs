//! Decisions, alerts, users in embedded SQLite. Knows no scoring and no lake.
