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
mod log_dirs;
mod memory;
mod metadata;
mod offsets;
mod produce;
mod session;
#[cfg(test)]
mod tests;
mod topic_admin;
mod topic_partitions;
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
use self::session::Session;
use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::security::{Authentication, Directory, Security, Tls};

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
    /// Who the client is.
    pub(crate) session: Session,
    /// What all connections share.
    pub(crate) memory: Memory,
    /// Fetches of a connection are read one after the other, each when the one before is on its way: answers leave in
    /// order, so a later one that took its room in memory first would wait for an earlier one that waits for room.
    pub(crate) fetch_turn: Arc<Semaphore>,
    /// Cancelled when the connection ends.
    pub(crate) closed: tokio_util::sync::CancellationToken,
}

/// What all connections of a listener share.
#[derive(Debug, Clone)]
struct Listener {
    broker: Broker,
    memory: Memory,
    tls: Option<Tls>,
    /// Who may come in; everybody without it.
    directory: Option<Arc<Directory>>,
}

/// Starts listening; returns the real address.
pub(crate) async fn listen(broker: &Broker, security: Security) -> Result<SocketAddr> {
    let shared = &broker.shared;
    let Some(address) = shared.config.listen else {
        return Err(Error::InvalidArgument("the broker has no address to listen on; set `listen`".into()));
    };
    let directory = match security.authentication {
        Authentication::Loopback if !address.ip().is_loopback() => return Err(Error::Unprotected(address)),
        Authentication::Loopback | Authentication::None => None,
        Authentication::Sasl(users) => Some(Arc::new(Directory::new(users))),
    };
    let io = |source: std::io::Error| Error::Io { action: "listen on", path: address.to_string().into(), source: Arc::new(source) };
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let local = listener.local_addr().map_err(io)?;
    if shared.address.set(local).is_err() {
        return Err(Error::InvalidArgument("the broker listens already".into()));
    }
    if let Some(directory) = &directory {
        broker.spawn(look_users_up(broker.clone(), directory.clone()));
    }
    let memory = Memory::new(&shared.config.limits);
    broker.spawn(accept(Listener { broker: broker.clone(), memory, tls: security.tls, directory }, listener));
    Ok(local)
}

/// Lets what changes about users count while they are connected.
async fn look_users_up(broker: Broker, directory: Arc<Directory>) {
    let shared = &broker.shared;
    let mut ticks = tokio::time::interval(shared.config.limits.user_refresh);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shared.stop.run_until_cancelled(ticks.tick()).await.is_some() {
        shared.stop.run_until_cancelled(directory.refresh()).await;
    }
}

async fn accept(serving: Listener, listener: TcpListener) {
    let shared = &serving.broker.shared;
    let slots = Arc::new(Semaphore::new(shared.config.limits.max_connections));
    let stop = shared.stop.clone();
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
        let connected = shared.counters.connected();
        let serving = connection::serve(serving.clone(), stream, peer);
        tokio::spawn(async move {
            serving.await;
            drop((slot, connected));
        });
    }
}

/// Decodes a frame of anybody as a connection does.
#[cfg(any(test, fuzzing))]
pub(crate) fn decode_any(frame: bytes::Bytes) {
    if let Ok(request) = api::Request::decode(frame) {
        request.decode_any();
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
