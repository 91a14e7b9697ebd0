//! The feature state's local LSM store. Knows no scoring rules.
