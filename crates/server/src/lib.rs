//! The HTTP door: judging transactions, reading what was decided, health, metrics, and the description of all of it.
//!
//! Everything behind the door is one trait, [`Platform`], which the binary implements; this crate knows no log, no store and no
//! scorer. Every error answer is a problem document (RFC 9457), made in one place ([`problem`]). Nothing queues here: a request is
//! taken or refused with 429 at once.

mod accept;
pub mod auth;
mod body;
pub mod changes;
mod config;
mod feed;
mod observe;
mod openapi;
mod patient;
mod platform;
mod problem;
mod routes;
pub mod status;

pub use accept::serve;
pub use changes::Changes;
pub use config::Config;
pub use feed::{AlertFeed, FeedAlert};
pub use openapi::document as openapi_document;
pub use platform::{AlertQuery, Page, PartState, Platform, PredictionQuery, Readiness, Refusal, Role, Stats, User};
pub use problem::Problem;
pub use status::Status;
