//! Accepting connections, and letting go of them. On hyper itself rather than `axum::serve`, because slow and idle connections must
//! be bounded in time and number, and a stop must not wait for them.

use crate::config::Config;
use crate::patient::Patient;
use crate::platform::Platform;
use crate::routes;
use axum::extract::Request;
use domain::Result;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::Service as _;

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Answers requests until `shutdown` is done, then takes no more and gives open ones `config.grace` to end. When it returns, nothing holds
/// the platform any more.
///
/// # Errors
/// `Stop` for a wrong setting. Failures of single connections are logged.
pub async fn serve(
    listener: TcpListener,
    platform: Arc<dyn Platform>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<()> {
    let (stop, stopping) = watch::channel(false);
    let app = routes::router(platform, &config, stopping)?;
    let connections = Arc::new(Semaphore::new(config.connections));
    let graceful = GracefulShutdown::new();
    let (cut, _) = watch::channel(false);
    let mut protocol = http1::Builder::new();
    // The timer also runs while a connection waits for its next request.
    protocol.timer(TokioTimer::new()).header_read_timeout(config.idle_timeout).keep_alive(true).max_headers(64);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accept = async {
            let place = Arc::clone(&connections).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept => accepted,
        };
        let (Ok(place), Ok((stream, peer))) = (place, accepted) else {
            // Out of file descriptors, most often: connections that end will free some.
            tracing::warn!("a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are small and whole, so nothing is won by waiting to fill a packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before its first request");
            continue;
        }
        let app = app.clone();
        let peer = Peer(peer.ip());
        let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            // A router is always ready.
            app.clone().call(request)
        });
        let connection = graceful.watch(protocol.serve_connection(TokioIo::new(Patient::new(stream, config.write_timeout)), service));
        let mut cut_off = cut.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                _ = cut_off.wait_for(|cut| *cut) => {}
            }
            drop(place);
        });
    }
    drop(listener);
    // Streams end by themselves alone; nobody may be left to hear.
    let _ = stop.send(true);
    let open = graceful.count();
    if tokio::time::timeout(config.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(open, "requests were cut off, because they took longer than the time to stop");
    }
    // Also what never ends by itself: a peer that went in the middle of its request.
    let _ = cut.send(true);
    let _ = connections.acquire_many(u32::try_from(config.connections).unwrap_or(u32::MAX)).await;
    Ok(())
}
