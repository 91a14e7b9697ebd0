//! One connection: a reader that takes frames off the socket and starts their handlers in order, and a writer that
//! sends the answers in the same order. A frame that cannot be understood closes its connection and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::poll;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::memory::Room;
use super::session::{self, Session};
use super::{Context, Listener, api};
use crate::config::Limits;

/// Bytes a second that a peer must send and take at least, beyond the stall timeout.
const SLOWEST_BYTES_PER_SECOND: usize = 64 << 10;
/// Largest request that carries no records.
const MOST_BYTES_WITHOUT_RECORDS: usize = 4 << 20;
/// Largest request of a client that is not known yet.
const MOST_BYTES_OF_STRANGERS: usize = 64 << 10;
/// Room made for a frame at first; it grows with what really arrives.
const READ_BYTES: usize = 64 << 10;
/// Bytes of a frame's length field, and of the kind of request behind it.
const LENGTH_BYTES: usize = 4;
const KIND_BYTES: usize = 2;

/// An answer, framed. Empty bytes are not sent (a produce without acknowledgement).
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    /// Held until the answer has been written.
    pub(crate) permit: Option<FetchPermit>,
}

/// A fetch response's turn among those of its connection, and its room in memory, if it holds records.
pub(crate) type FetchPermit = (OwnedSemaphorePermit, Option<Room>);

enum Answer {
    Ready(Reply),
    Pending(JoinHandle<Option<Reply>>),
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(listener: Listener, stream: TcpStream, peer: SocketAddr) {
    let shared = listener.broker.shared.clone();
    let limits = &shared.config.limits;
    let closed = shared.stop.child_token();
    let known_until = Instant::now() + limits.handshake_timeout;
    let _ = stream.set_nodelay(true);
    let Ok(local) = stream.local_addr() else { return };
    let (host, port) = match &shared.config.advertised {
        Some((host, port)) => (host.clone(), *port),
        None => (local.ip().to_string(), local.port()),
    };
    let context = Arc::new(Context {
        broker: listener.broker,
        host: StrBytes::from_string(host),
        port,
        peer,
        session: Session::new(listener.directory, listener.tls.is_some() || peer.ip().is_loopback(), known_until),
        memory: listener.memory,
        fetch_turn: Arc::new(Semaphore::new(1)),
        closed: closed.clone(),
    });
    let Some(tls) = listener.tls else {
        let (from, to) = stream.into_split();
        return converse(context, from, to).await;
    };
    match closed.run_until_cancelled(tokio::time::timeout_at(known_until, tls.0.accept(stream))).await {
        Some(Ok(Ok(stream))) => {
            let (from, to) = tokio::io::split(stream);
            converse(context, from, to).await;
        }
        Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "a peer that does not get through the TLS handshake"),
        Some(Err(_)) => tracing::debug!(%peer, "no TLS handshake in time"),
        None => {}
    }
}

/// Takes requests and answers them, until either side ends.
async fn converse(context: Arc<Context>, from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin + Send + 'static) {
    let (peer, closed) = (context.peer, context.closed.clone());
    let limits = context.broker.shared.config.limits.clone();
    let (answers, queue) = mpsc::channel(limits.max_inflight_requests.max(1));
    let writer = tokio::spawn(write(to, queue, closed.clone(), limits.stall_timeout));
    let reading = read(context, from, answers, &limits);
    if let Some(Err(error)) = closed.run_until_cancelled(reading).await {
        tracing::debug!(%peer, error, "closing a connection");
    }
    // A peer that has only closed its sending side still gets the answers to what it asked.
    if !closed.is_cancelled() {
        let _ = tokio::time::timeout(limits.stall_timeout, writer).await;
    }
    closed.cancel();
}

async fn read(
    context: Arc<Context>,
    mut from: impl AsyncRead + Unpin,
    answers: mpsc::Sender<Answer>,
    limits: &Limits,
) -> Result<(), String> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        let stranger_until = context.session.stranger_until();
        let within = |until: Instant| stranger_until.map_or(until, |known| known.min(until));
        if !fill_to(&mut from, &mut buffer, LENGTH_BYTES, within(Instant::now() + limits.idle_timeout)).await? {
            return Ok(());
        }
        let most = if stranger_until.is_some() { MOST_BYTES_OF_STRANGERS } else { limits.max_request_bytes };
        let length = frame_length(&buffer, most)?;
        let until = within(Instant::now() + allowance(limits.stall_timeout, length));
        if !fill_to(&mut from, &mut buffer, LENGTH_BYTES + length.min(KIND_BYTES), until).await? {
            return Err("the peer is gone in the middle of a request".into());
        }
        if length > MOST_BYTES_WITHOUT_RECORDS && !carries_records(&buffer) {
            return Err(format!("a frame of {length} bytes that carries no records"));
        }
        let Some(room) = context.memory.request(length).await else { return Ok(()) };
        // The wait for room is not the peer's fault.
        let until = within(Instant::now() + allowance(limits.stall_timeout, length));
        if !fill_to(&mut from, &mut buffer, LENGTH_BYTES + length, until).await? {
            return Err("the peer is gone in the middle of a request".into());
        }
        buffer.advance(LENGTH_BYTES);
        let frame = buffer.split_to(length).freeze();
        if context.session.takes_bare_messages() {
            let Some(message) = session::authenticate_bare(&context, &frame).await else { return Ok(()) };
            let mut bytes = BytesMut::with_capacity(LENGTH_BYTES + message.len());
            bytes.put_u32(message.len() as u32);
            bytes.extend_from_slice(&message);
            if answers.send(Answer::Ready(Reply { bytes: bytes.freeze(), permit: None })).await.is_err() {
                return Ok(());
            }
            continue;
        }
        let request = api::Request::decode(frame)?;
        if !context.session.admits(request.key) {
            return Err(format!("a request of kind {:?} before the client is known", request.key));
        }
        let handled = api::handle(context.clone(), request);
        let mut handling = Box::pin(async move {
            let reply = handled.await;
            drop(room);
            reply
        });
        let answer = match poll!(&mut handling) {
            std::task::Poll::Ready(reply) => Answer::Ready(reply.ok_or("the request cannot be answered")?),
            std::task::Poll::Pending if stranger_until.is_none() => Answer::Pending(tokio::spawn(handling)),
            // Nothing of a stranger goes on beside what it is asked.
            std::task::Poll::Pending => Answer::Ready(handling.await.ok_or("the request cannot be answered")?),
        };
        if answers.send(answer).await.is_err() || context.session.is_refused() {
            return Ok(());
        }
    }
}

/// The time that so many bytes may take.
fn allowance(stall_timeout: Duration, bytes: usize) -> Duration {
    stall_timeout + Duration::from_secs((bytes / SLOWEST_BYTES_PER_SECOND) as u64)
}

/// Reads until the buffer holds so many bytes, making room for no more than what has arrived; false at the end.
async fn fill_to(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut, wanted: usize, until: Instant) -> Result<bool, String> {
    while buffer.len() < wanted {
        let missing = wanted - buffer.len();
        buffer.reserve(missing.min(buffer.len().max(READ_BYTES)));
        match tokio::time::timeout_at(until, from.read_buf(buffer)).await {
            Ok(Ok(0)) => return Ok(false),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("no request in time".into()),
        }
    }
    Ok(true)
}

/// Bytes of the frame at the start of the buffer, after its length field.
fn frame_length(buffer: &[u8], max_request_bytes: usize) -> Result<usize, String> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else { return Err("a frame without a length".into()) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if (1..=max_request_bytes).contains(&length) => Ok(length),
        _ => Err(format!("a frame of {length} bytes, over the limit of {max_request_bytes}")),
    }
}

fn carries_records(buffer: &[u8]) -> bool {
    buffer.get(LENGTH_BYTES..LENGTH_BYTES + KIND_BYTES) == Some(&(ApiKey::Produce as i16).to_be_bytes())
}

async fn write(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Answer>, closed: CancellationToken, stall_timeout: Duration) {
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
            let until = Instant::now() + allowance(stall_timeout, reply.bytes.len());
            let mut rest: &[u8] = &reply.bytes;
            while !rest.is_empty() {
                match tokio::time::timeout_at(until.min(Instant::now() + stall_timeout), to.write(rest)).await {
                    Ok(Ok(written)) if written > 0 => rest = &rest[written..],
                    _ => return,
                }
            }
            // TLS keeps what the socket has not taken.
            if !matches!(tokio::time::timeout(stall_timeout, to.flush()).await, Ok(Ok(()))) {
                return;
            }
            drop(reply.permit);
        }
        // With TLS the peer is told that nothing was cut off.
        let _ = tokio::time::timeout(stall_timeout, to.shutdown()).await;
    };
    closed.run_until_cancelled(writing).await;
    closed.cancel();
}
