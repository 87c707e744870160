//! Serving a router on a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use madrigal_core::tasks::{self, StopSignal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a client may take to send the head of a request, and how long an idle connection is kept.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long connections may go on after the stop signal.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// The most connections at the same time; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 8_192;
/// How long accepting pauses when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` over HTTP/1.1 until `stop`, then lets running requests end for at most 10 s.
///
/// Handlers see the peer's address as `ConnectInfo<SocketAddr>`. Bounds: 8,192 connections, 30 s for the head of a request
/// (which also closes idle connections), 64 KiB for its size; the rest is the edge's.
///
/// # Cancellation
/// Dropping the future stops accepting at once; running connections go on until their clients close them.
pub async fn serve(listener: TcpListener, router: Router, stop: StopSignal) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Draining has its own signal, so that connections are told to finish only when no new ones come any more.
    let drain = StopSignal::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&connections).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, router.clone(), drain.clone(), permit);
                drop(tasks::spawn("http connection", connection));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tasks::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain.cancel();
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    if tasks::within(DRAIN_TIME, connections.acquire_many(all)).await.is_none() {
        let open = MAX_CONNECTIONS - connections.available_permits();
        tracing::warn!(open, "connections were still busy when the time to drain was over");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    drain: StopSignal,
    permit: OwnedSemaphorePermit,
) {
    let _permit = permit;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is served without TCP_NODELAY");
    }
    let service = tower::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        tower::ServiceExt::oneshot(router.clone(), request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(64 * 1024);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients that go away are everyday life.
        tracing::debug!(%error, "a connection ended with an error");
    }
}
