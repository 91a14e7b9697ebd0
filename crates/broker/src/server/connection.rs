//! One connection: a reader that takes frames off the socket and starts their handlers in order, and a writer that
//! sends the answers in the same order. A frame that cannot be understood closes its connection and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::poll;
use kafka_protocol::protocol::StrBytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::api;
use crate::broker::Broker;

/// A connection without a request for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A peer that takes nothing for this long is closed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Room made for a frame at first; it grows with what really arrives.
const READ_BYTES: usize = 64 << 10;
/// Fetch responses of one connection that may be in memory at a time.
const FETCH_SLOTS: usize = 4;

/// An answer, framed. Empty bytes are not sent (a produce without acknowledgement).
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    /// Held until the answer has been written.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

enum Answer {
    Ready(Reply),
    Pending(JoinHandle<Option<Reply>>),
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(broker: Broker, stream: TcpStream, peer: SocketAddr) {
    let stop = broker.shared.stop.clone();
    let closed = stop.child_token();
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let (host, port) = match &broker.shared.config.advertised {
        Some((host, port)) => (host.clone(), *port),
        None => (local.ip().to_string(), local.port()),
    };
    let limits = broker.shared.config.limits.clone();
    let context = Arc::new(Context {
        broker,
        host: StrBytes::from_string(host),
        port,
        peer,
        fetch_slots: Arc::new(Semaphore::new(FETCH_SLOTS)),
        closed: closed.clone(),
    });
    let (read_half, write_half) = stream.into_split();
    let (answers, queue) = mpsc::channel(limits.max_inflight_requests.max(1));
    let writer = tokio::spawn(write(write_half, queue, closed.clone()));
    let reading = read(context, read_half, answers, limits.max_request_bytes);
    if let Some(Err(error)) = closed.run_until_cancelled(reading).await {
        tracing::debug!(%peer, error, "closing a connection");
    }
    // A peer that has only closed its sending side still gets the answers to what it asked.
    if !closed.is_cancelled() {
        let _ = tokio::time::timeout(WRITE_TIMEOUT, writer).await;
    }
    closed.cancel();
}

async fn read(
    context: Arc<Context>,
    mut from: OwnedReadHalf,
    answers: mpsc::Sender<Answer>,
    max_request_bytes: usize,
) -> Result<(), String> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        while let Some(frame) = take_frame(&mut buffer, max_request_bytes)? {
            let request = api::Request::decode(frame)?;
            let mut handling = Box::pin(api::handle(context.clone(), request));
            let answer = match poll!(&mut handling) {
                std::task::Poll::Ready(reply) => Answer::Ready(reply.ok_or("the request cannot be answered")?),
                std::task::Poll::Pending => Answer::Pending(tokio::spawn(handling)),
            };
            if answers.send(answer).await.is_err() {
                return Ok(());
            }
        }
        let missing = wanted(&buffer).saturating_sub(buffer.len());
        buffer.reserve(missing.min(buffer.len().max(READ_BYTES)));
        match tokio::time::timeout(IDLE_TIMEOUT, from.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("idle for too long".into()),
        }
    }
}

/// Bytes of the frame at the start of the buffer with its length field, as far as known.
fn wanted(buffer: &[u8]) -> usize {
    match buffer.first_chunk::<4>() {
        Some(length) => 4 + i32::from_be_bytes(*length).max(0) as usize,
        None => 4,
    }
}

/// Splits a whole frame off the buffer, without its length field.
fn take_frame(buffer: &mut BytesMut, max_request_bytes: usize) -> Result<Option<Bytes>, String> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if (1..=max_request_bytes).contains(&length) => {
            if buffer.len() < 4 + length {
                return Ok(None);
            }
            buffer.advance(4);
            Ok(Some(buffer.split_to(length).freeze()))
        }
        _ => Err(format!("a frame of {length} bytes, over the limit of {max_request_bytes}")),
    }
}

async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<Answer>, closed: CancellationToken) {
    let writing = async {
        while let Some(answer) = queue.recv().await {
            let reply = match answer {
                Answer::Ready(reply) => reply,
                Answer::Pending(task) => match task.await {
                    Ok(Some(reply)) => reply,
                    _ => return,
                },
            };
            if reply.bytes.is_empty() {
                continue;
            }
            match tokio::time::timeout(WRITE_TIMEOUT, to.write_all(&reply.bytes)).await {
                Ok(Ok(())) => drop(reply.permit),
                _ => return,
            }
        }
    };
    closed.run_until_cancelled(writing).await;
    closed.cancel();
}
