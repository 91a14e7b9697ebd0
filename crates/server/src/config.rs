//! What the server is told at its start. Limits bound the memory that strangers can make it use.

use domain::Stream;
use std::time::Duration;

/// Settings with sane values; the two without a sane value are arguments of [`Config::new`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Shown in the API's description.
    pub version: String,
    /// Signs tokens (HMAC-SHA256); at least 32 random bytes, kept over restarts.
    pub token_key: Vec<u8>,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// How long a caller of `predict` waits for a decision.
    pub predict_deadline: Duration,
    /// Bytes of one transaction.
    pub predict_body_limit: usize,
    /// Bytes of one batch.
    pub batch_body_limit: usize,
    /// Bytes of a project to deploy.
    pub deploy_body_limit: usize,
    /// Transactions in one batch.
    pub batch_transactions: usize,
    /// Bytes of all bodies that are being read or judged at once; more get 429.
    pub bodies_in_flight: usize,
    /// API requests being answered at once; more get 429.
    pub requests_in_flight: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the head of a request may take to arrive; an idle connection is closed after the same time.
    pub idle_timeout: Duration,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// How long open requests may take once the server is told to stop.
    pub grace: Duration,
    /// How long a peer may leave what is written to it unread.
    pub write_timeout: Duration,
    /// Clients that follow the stream of alerts; more get 429.
    pub stream_clients: usize,
    /// Alerts that a client of the stream may fall behind once it was up to date.
    pub stream_behind: i64,
    /// Between signs of life of the stream.
    pub stream_heartbeat: Duration,
    /// How long a ticket opens the stream.
    pub ticket_lifetime: Duration,
    /// The judged stream: with it the API's description names its fields.
    pub transactions: Option<Stream>,
}

impl Config {
    pub fn new(version: impl Into<String>, token_key: Vec<u8>) -> Self {
        Self {
            version: version.into(),
            token_key,
            token_lifetime: Duration::from_secs(3600),
            predict_deadline: Duration::from_secs(2),
            predict_body_limit: 1 << 20,
            batch_body_limit: 16 << 20,
            deploy_body_limit: 64 << 20,
            batch_transactions: 1000,
            bodies_in_flight: 128 << 20,
            requests_in_flight: 1024,
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            connections: 4096,
            grace: Duration::from_secs(3),
            write_timeout: Duration::from_secs(30),
            stream_clients: 256,
            stream_behind: 10_000,
            stream_heartbeat: Duration::from_secs(15),
            ticket_lifetime: Duration::from_secs(60),
            transactions: None,
        }
    }
}
