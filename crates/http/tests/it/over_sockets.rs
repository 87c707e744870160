//! The server, on real sockets.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::routing::get;
use madrigal_core::Host;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_http::edge::EdgeContext;
use madrigal_http::{serve, testing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

async fn exchange(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_stopped_server_lets_running_requests_end_and_takes_no_more() {
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, release) = (Arc::clone(&entered), Arc::clone(&go_on));
    let slow = move || {
        let (inside, release) = (Arc::clone(&inside), Arc::clone(&release));
        async move {
            inside.notify_one();
            release.notified().await;
            "finished"
        }
    };
    let (listener, address) = listen().await;
    let stop = StopSignal::new();
    let (edge, _) = testing::edge(&Host::seeded(1));
    let router = edge.wrap(axum::Router::new().route("/slow", get(slow)));
    let server = tasks::spawn("server", serve(listener, router, stop.clone()));
    let running = {
        let address = address.clone();
        tasks::spawn("client", async move { exchange(&address, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await })
    };
    entered.notified().await;
    stop.cancel();
    // Refused once the listener is gone; until then the connection is accepted by the system and never answered.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    assert!(running.await.unwrap().ends_with("finished"));
    server.await.unwrap();
}

#[tokio::test]
async fn the_peer_is_known_and_bytes_that_are_no_http_get_a_400() {
    let (listener, address) = listen().await;
    let stop = StopSignal::new();
    let peer = |context: EdgeContext| async move { context.peer().map(|peer| peer.to_string()).unwrap_or_default() };
    let (edge, _) = testing::edge(&Host::seeded(1));
    let router = edge.wrap(axum::Router::new().route("/peer", get(peer)));
    assert_eq!(testing::send(&router, Method::GET, "/peer", &[], ()).await.0, StatusCode::OK);
    let server = tasks::spawn("server", serve(listener, router, stop.clone()));
    let answer = exchange(&address, b"GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
    for odd in [&b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let answer = exchange(&address, odd).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    stop.cancel();
    server.await.unwrap();
}
