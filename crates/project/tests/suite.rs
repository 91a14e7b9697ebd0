//! The crate from outside: the shipped projects load, and broken folders give exactly the diagnostics written beside them.

#[path = "suite/broken.rs"]
mod broken;
#[path = "suite/shipped.rs"]
mod shipped;
