//! Metric names, units and help; structured logs.
