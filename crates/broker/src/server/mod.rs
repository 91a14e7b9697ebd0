//! The wire: a listener, a task pair a connection, and a handler a request kind. A request is decoded and its
//! handler polled once in order of arrival, so appends keep the order in which a client sent them; what then waits
//! (for the disk, for data, for a rebalance) goes on in a task of its own. Answers leave in request order.

mod api;
mod configs;
mod connection;
mod fetch;
mod group_offsets;
mod groups;
mod guard;
mod memory;
mod metadata;
mod offsets;
mod produce;
#[cfg(test)]
mod tests;
mod topic_admin;
mod transaction_info;
mod transactions;

use std::net::SocketAddr;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::memory::Memory;
use crate::broker::Broker;
use crate::error::{Error, Result};

/// The id of the one node.
pub(super) const NODE_ID: BrokerId = BrokerId(1);

/// What handlers know of the connection their request came over.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) broker: Broker,
    /// Where clients are told to connect to.
    pub(crate) host: StrBytes,
    pub(crate) port: u16,
    pub(crate) peer: SocketAddr,
    /// What all connections share.
    pub(crate) memory: Memory,
    /// Fetches of a connection are read one after the other, each when the one before is on its way: answers leave in
    /// order, so a later one that took its room in memory first would wait for an earlier one that waits for room.
    pub(crate) fetch_turn: Arc<Semaphore>,
    /// Cancelled when the connection ends.
    pub(crate) closed: tokio_util::sync::CancellationToken,
}

/// Starts listening; returns the real address.
pub(crate) async fn listen(broker: &Broker) -> Result<SocketAddr> {
    let shared = &broker.shared;
    let Some(address) = shared.config.listen else {
        return Err(Error::InvalidArgument("the broker has no address to listen on; set `listen`".into()));
    };
    let io = |source: std::io::Error| Error::Io { action: "listen on", path: address.to_string().into(), source: Arc::new(source) };
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let local = listener.local_addr().map_err(io)?;
    if shared.address.set(local).is_err() {
        return Err(Error::InvalidArgument("the broker listens already".into()));
    }
    broker.spawn(accept(broker.clone(), listener));
    Ok(local)
}

async fn accept(broker: Broker, listener: TcpListener) {
    let limits = &broker.shared.config.limits;
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let memory = Memory::new(limits);
    let stop = broker.shared.stop.clone();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most likely out of file descriptors: give connections a moment to end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections; closing the newest");
            continue;
        };
        let serving = connection::serve(broker.clone(), memory.clone(), stream, peer);
        tokio::spawn(async move {
            serving.await;
            drop(slot);
        });
    }
}

/// Text for a response.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Code and message of an error, for responses that carry both.
pub(super) fn failure(error: &Error) -> (i16, Option<StrBytes>) {
    (error.response().code(), Some(StrBytes::from_string(error.to_string())))
}

pub(super) fn code_of(result: std::result::Result<(), ResponseError>) -> i16 {
    result.err().map_or(0, |error| error.code())
}
