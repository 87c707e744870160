//! The contract of calls on every transport, and what is particular to HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use madrigal_conformance::calls::{Cook, Kitchen, SERVICE};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{CallContext, Fault, FaultCause, FaultOutcome, FaultRetry, Host};
use madrigal_http::auth::{FixedToken, MintedToken};
use madrigal_http::{Calls, Edge, Neighbour, Role, TokenSigner, serve, testing};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::shop::assert_problem;

mod in_process {
    madrigal_conformance::calls_suite!(super::in_process_neighbour);
}

mod round_trip {
    madrigal_conformance::calls_suite!(super::round_trip_neighbour);
}

mod http {
    madrigal_conformance::calls_suite!(super::http_neighbour);
}

async fn in_process_neighbour(calls: Arc<Calls>) -> (Neighbour, ()) {
    (Neighbour::in_process(calls), ())
}

async fn round_trip_neighbour(calls: Arc<Calls>) -> (Neighbour, ()) {
    (Neighbour::round_trip(calls), ())
}

async fn http_neighbour(calls: Arc<Calls>) -> (Neighbour, Server) {
    let server = Server::start(calls, |_| {}).await;
    (server.neighbour(), server)
}

/// A service on a socket, until dropped.
struct Server {
    host: Host,
    signer: Arc<TokenSigner>,
    address: String,
    stop: StopSignal,
}

impl Server {
    async fn start(calls: Arc<Calls>, change: impl FnOnce(&mut Edge)) -> Self {
        let host = Host::system();
        let (mut edge, signer) = testing::edge(&host);
        change(&mut edge);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = StopSignal::new();
        drop(tasks::spawn("server", serve(listener, edge.wrap_service(SERVICE, calls.router()), stop.clone())));
        Self { host, signer, address, stop }
    }

    fn neighbour(&self) -> Neighbour {
        let token = MintedToken::new(Arc::clone(&self.signer), self.host.clone(), "order-service");
        Neighbour::http(SERVICE, format!("http://{}/", self.address), Arc::new(token))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn context() -> CallContext {
    CallContext::new(&Host::system())
}

fn cake() -> Cook {
    Cook { dish: "cake".into(), portions: 1, extras: vec![] }
}

#[tokio::test]
async fn calls_are_for_services_only() {
    let host = Host::seeded(1);
    let (edge, signer) = testing::edge(&host);
    let router = edge.wrap(Kitchen::new().calls().router());
    let path = "/internal/calls/kitchen-service/cook";
    assert_problem(testing::send(&router, Method::POST, path, &[], json!({})).await, 401, "unauthorized");
    for (role, status, code) in
        [(Role::Customer, 403, "forbidden"), (Role::Operator, 403, "forbidden"), (Role::Service, 500, "call-failed")]
    {
        let bearer = testing::bearer(&signer, &host, "7", role);
        let answer = testing::send(&router, Method::POST, path, &[("authorization", &bearer)], json!({"odd": 1})).await;
        let problem = assert_problem(answer, status, code);
        assert_eq!(problem["outcome"], if status == 500 { json!("not-applied") } else { json!(null) });
    }
    let service = testing::bearer(&signer, &host, "x", Role::Service);
    let unknown = "/internal/calls/kitchen-service/fly";
    let answer = testing::send(&router, Method::POST, unknown, &[("authorization", &service)], json!({})).await;
    assert_problem(answer, 404, "not-found");
}

#[tokio::test]
async fn a_token_that_does_not_count_is_a_fault_that_did_nothing_and_stays() {
    let server = Server::start(Kitchen::new().calls(), |_| {}).await;
    let base = format!("http://{}", server.address);
    let neighbour = Neighbour::http(SERVICE, base, Arc::new(FixedToken::new("not-a-token")));
    let fault = neighbour.call(&context(), cake()).await.unwrap_err();
    assert_eq!((fault.outcome, fault.retry), (FaultOutcome::NotApplied, FaultRetry::Never), "{}", fault.chain());
}

#[tokio::test]
async fn a_refused_connection_certainly_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let fault =
        Neighbour::http(SERVICE, base, Arc::new(FixedToken::new("t"))).call(&context(), cake()).await.unwrap_err();
    assert_eq!((fault.outcome, fault.retry), (FaultOutcome::NotApplied, FaultRetry::Now), "{}", fault.chain());
}

#[tokio::test]
async fn a_cut_connection_leaves_the_outcome_unknown() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"outcome\"", b"nonsense\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(tasks::spawn("cutter", async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
        }));
        let neighbour = Neighbour::http(SERVICE, base, Arc::new(FixedToken::new("t")));
        let fault = neighbour.call(&context(), cake()).await.unwrap_err();
        assert_eq!(fault.outcome, FaultOutcome::Unknown, "{}", fault.chain());
    }
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_unknown_and_not_repeated() {
    let odd = axum::Router::new()
        .route("/internal/calls/kitchen-service/cook", axum::routing::post(|| async { "{\"outcome\":\"eaten\"}" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stop = StopSignal::new();
    drop(tasks::spawn("server", serve(listener, odd, stop.clone())));
    let fault =
        Neighbour::http(SERVICE, base, Arc::new(FixedToken::new("t"))).call(&context(), cake()).await.unwrap_err();
    assert_eq!((fault.outcome, fault.retry), (FaultOutcome::Unknown, FaultRetry::Never), "{}", fault.chain());
    stop.cancel();
}

#[tokio::test]
async fn a_service_that_is_too_busy_certainly_did_nothing() {
    let server = Server::start(Kitchen::new().calls(), |edge| edge.limits.in_flight = 0).await;
    let fault = server.neighbour().call(&context(), cake()).await.unwrap_err();
    let second = FaultRetry::After(Duration::from_secs(1));
    assert_eq!((fault.outcome, fault.retry), (FaultOutcome::NotApplied, second), "{}", fault.chain());
}

#[tokio::test]
async fn several_services_share_one_port() {
    let (edge, _) = testing::edge(&Host::seeded(1));
    let left = Arc::new(Calls::new("left-service")).router();
    drop(edge.wrap(left.merge(Arc::new(Calls::new("right-service")).router())));
}

/// A kitchen without room.
struct Full;

#[async_trait::async_trait]
impl madrigal_http::calls::Answer<Cook> for Full {
    async fn answer(&self, _: CallContext, _: Cook) -> Result<<Cook as madrigal_http::calls::Call>::Answer, Fault> {
        Err(Fault::not_applied("journal", "append", "no room").with_cause(FaultCause::StorageFull))
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_just_said_that_there_is_no_room_is_known_to_have_none_for_a_while() {
    let calls = Arc::new(Calls::new(SERVICE).on::<Cook>(Arc::new(Full)));
    let neighbour = Neighbour::round_trip(calls);
    assert!(neighbour.refuses_for_room().is_none());
    let told = neighbour.clone().call(&context(), cake()).await.unwrap_err();
    assert_eq!((told.cause, told.outcome), (FaultCause::StorageFull, FaultOutcome::NotApplied));
    let refused = neighbour.refuses_for_room().unwrap();
    assert_eq!((refused.cause, refused.outcome), (FaultCause::StorageFull, FaultOutcome::NotApplied));
    assert!(matches!(refused.retry, FaultRetry::After(left) if left <= Duration::from_secs(2)));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert!(neighbour.refuses_for_room().is_none(), "it is asked again");
}
