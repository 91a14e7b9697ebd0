//! Every metric in one list, and the form of the logs. Other crates take handles from [`Metrics`]; nobody else names a metric.

mod logs;
mod metrics;
mod process;

pub use logs::{InitError, LogFormat, init_logs};
pub use metrics::{
    Broker, BytesDirection, CONTENT_TYPE, Decisions, Http, HttpRequest, HttpRoute, Lake, Metrics, Partition, Queue, Simulator, Stages,
    State, Store, Webhook,
};
pub use process::resident_bytes;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
