//! Source and Sink of the pipeline on a log: [`embedded`] reads and writes the broker in this process without a socket, [`cluster`]
//! is a Kafka client. Both pass the pipeline's shared suite. Knows no fraud.

pub mod admin;
pub mod cluster;
pub mod embedded;
pub mod tail;

pub use admin::Admin;
pub use cluster::{Appender, Cluster, Sender};
pub use embedded::Embedded;
pub use tail::{Start, Tail};
