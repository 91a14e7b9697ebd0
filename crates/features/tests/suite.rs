//! Features from the outside: the engine against the plain reference and against DuckDB, and what files may say.

#[path = "suite/mistakes.rs"]
mod mistakes;
#[path = "suite/oracle.rs"]
mod oracle;
#[path = "suite/property.rs"]
mod property;
#[path = "suite/support.rs"]
mod support;
