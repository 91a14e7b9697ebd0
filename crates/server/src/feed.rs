//! Alerts as a place to follow: what the stream of alerts stands on. A client asks for what lies behind its own position, so nothing
//! is queued for it and a slow one costs no memory.

use async_trait::async_trait;
use axum::body::Bytes;
use domain::{Alert, Result};
use std::sync::Arc;

/// One durable alert.
#[derive(Clone, Debug)]
pub struct FeedAlert {
    /// Its place in the feed, from 0. It never changes, so that a client can go on behind it after any break.
    pub offset: i64,
    /// Read, for filters.
    pub alert: Alert,
    /// The alert as one line of JSON.
    pub json: Bytes,
}

/// Durable alerts in their order, for any number of readers.
///
/// # Contract
/// - Only alerts that are on disk are seen, each at one offset for ever; offsets rise and may have gaps.
/// - Methods are called concurrently, and their futures may be dropped.
#[async_trait]
pub trait AlertFeed: Send + Sync + 'static {
    /// The first offset still held, and the one that the next alert will get at least.
    fn bounds(&self) -> (i64, i64);

    /// Alerts from `from` on, some hundred at most. None means that there are none before the end that `bounds` gave before the call.
    ///
    /// # Errors
    /// Retry while the log is away; Stop where `from` is not held.
    async fn read(&self, from: i64) -> Result<Vec<Arc<FeedAlert>>>;

    /// Returns when the end lies beyond `offset`.
    async fn beyond(&self, offset: i64);
}
