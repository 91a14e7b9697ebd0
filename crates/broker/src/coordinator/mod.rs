//! Being built: the in-process broker works without it.
use std::sync::Arc;
use crate::{Broker, Config, Result, journal::Journal};
#[derive(Debug)]
pub(crate) struct Coordinator {}
impl Coordinator {
    pub(crate) fn open(_j: Arc<Journal>, _c: &Config) -> Result<Coordinator> { Ok(Coordinator {}) }
    pub(crate) async fn run(broker: Broker) { broker.shared.stop.cancelled().await }
    pub(crate) fn topic_deleted(&self, _n: &str) -> Result<()> { Ok(()) }
}
impl Coordinator {
    pub(crate) fn check_transaction(&self, _t: &str, _id: i64, _e: i16, _topic: &str, _p: i32) -> Result<()> { Ok(()) }
}
