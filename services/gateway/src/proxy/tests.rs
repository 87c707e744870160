use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Json;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use madrigal_core::Host;
use madrigal_core::tasks::StopSignal;
use madrigal_http::{Role, TokenSigner, testing};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;

const SHORT: Duration = Duration::from_millis(50);
const USUAL: [Duration; 2] = [PATIENCE; 2];

/// A gateway with one service at `address`, and the signer that it believes.
fn gateway(address: SocketAddr, patience: [Duration; 2]) -> (Router, Arc<TokenSigner>, Proxy) {
    let (edge, signer) = testing::edge(&Host::seeded(1));
    let limits = Limits { body_bytes: 1_000, ..Limits::default() };
    let proxy = Proxy::with_patience("order-service", &format!("http://{address}/"), &limits, patience).unwrap();
    (edge.wrap_service("gateway", router(&proxy)), signer, proxy)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A service that is a router.
async fn serving(router: Router) -> SocketAddr {
    let (listener, address) = listener().await;
    drop(tasks::spawn("stub", madrigal_http::serve(listener, router, StopSignal::new())));
    address
}

/// A service that does `then` with every connection after it has read some of a request.
async fn raw<F>(then: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listener().await;
    drop(tasks::spawn("stub", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4_096]).await;
            drop(tasks::spawn("stub connection", then(stream)));
        }
    }));
    address
}

fn told(answer: &(StatusCode, HeaderMap, Value)) -> (u16, &str, &str) {
    let text = |name: &str| answer.2[name].as_str().unwrap_or_default();
    (answer.0.as_u16(), text("code"), text("outcome"))
}

#[tokio::test]
async fn without_a_connection_nothing_was_done_and_it_says_so() {
    let (listener, address) = listener().await;
    drop(listener);
    let (gateway, ..) = gateway(address, USUAL);
    for method in [Method::GET, Method::POST] {
        let answer = testing::send(&gateway, method, "/v1/orders", &[], json!({})).await;
        assert_eq!(told(&answer), (503, "upstream-unavailable", "not-applied"));
        assert!(answer.1.contains_key("retry-after"));
        assert!(answer.2["detail"].as_str().unwrap().contains("Nothing was done"));
    }
}

#[tokio::test]
async fn a_change_that_is_cut_off_has_an_unknown_outcome_and_a_read_has_none() {
    let address = raw(async |stream| drop(stream)).await;
    let (gateway, ..) = gateway(address, USUAL);
    for method in [Method::POST, Method::PATCH, Method::DELETE] {
        let answer = testing::send(&gateway, method, "/v1/orders/7", &[], json!({"a": 1})).await;
        assert_eq!(told(&answer), (504, "upstream-unknown", "unknown"));
        assert!(answer.2["detail"].as_str().unwrap().contains("same Idempotency-Key"));
    }
    let answer = testing::send(&gateway, Method::GET, "/v1/orders/7", &[], ()).await;
    assert_eq!(told(&answer), (503, "upstream-unavailable", "not-applied"));
}

#[tokio::test]
async fn a_change_without_an_answer_in_time_has_an_unknown_outcome() {
    let address = raw(async |stream| {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (gateway, ..) = gateway(address, [SHORT, PATIENCE]);
    let answer = testing::send(&gateway, Method::POST, "/v1/orders", &[], json!({})).await;
    assert_eq!(told(&answer), (504, "upstream-unknown", "unknown"));
    let answer = testing::send(&gateway, Method::GET, "/v1/orders", &[], ()).await;
    assert_eq!(told(&answer), (503, "upstream-unavailable", "not-applied"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let cut = raw(async |mut stream| stream.write_all(head).await.unwrap()).await;
    let stalls = raw(async |mut stream| {
        stream.write_all(head).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    for address in [cut, stalls] {
        let (gateway, ..) = gateway(address, [PATIENCE, SHORT]);
        let request = Request::get("/v1/orders").body(Body::empty()).unwrap();
        let response = gateway.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap_err();
    }
}

/// Answers what it was asked.
async fn echo(request: Request) -> (HeaderMap, Json<Value>) {
    let (head, body) = request.into_parts();
    let names = head.headers.keys().map(|name| name.as_str().to_owned());
    let all = |name: &String| {
        head.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join("|")
    };
    let headers: Value =
        names.map(|name| (name.clone(), Value::from(all(&name)))).collect::<serde_json::Map<_, _>>().into();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut answered = HeaderMap::new();
    for (name, value) in [("connection", "x-inner"), ("x-inner", "1"), ("keep-alive", "timeout=9"), ("etag", "\"3\"")] {
        answered.append(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
    }
    let uri = head.uri.to_string();
    (answered, Json(json!({"uri": uri, "headers": headers, "body": String::from_utf8_lossy(&body)})))
}

#[tokio::test]
async fn headers_of_the_connection_and_of_pretenders_end_at_the_gateway() {
    let address = serving(Router::new().fallback(echo)).await;
    let (gateway, signer, _) = gateway(address, USUAL);
    let bearer = testing::bearer(&signer, &Host::seeded(1), "7", Role::Customer);
    let mut request = Request::post("/v1/orders/a%20b/place?x=1&y=%2F").body(Body::from("{}")).unwrap();
    for (name, value) in [
        ("host", "shop.example"),
        ("authorization", &bearer),
        ("idempotency-key", "k-1"),
        ("x-correlation-id", "abc-123"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
    ] {
        request.headers_mut().append(http::HeaderName::from_static(name), value.parse().unwrap());
    }
    request.extensions_mut().insert(axum::extract::ConnectInfo(SocketAddr::from(([10, 0, 0, 9], 4_242))));
    let (status, headers, body) = testing::send_request(&gateway, request).await;
    assert_eq!((status, body["uri"].as_str()), (StatusCode::OK, Some("/v1/orders/a%20b/place?x=1&y=%2F")));
    let got = |name: &str| body["headers"][name].as_str();
    assert_eq!(got("authorization"), Some(bearer.as_str()));
    assert_eq!((got("idempotency-key"), got("x-correlation-id")), (Some("k-1"), Some("abc-123")));
    assert_eq!((got("x-forwarded-for"), got("x-forwarded-host")), (Some("10.0.0.9"), Some("shop.example")));
    assert_eq!(got("host"), Some(address.to_string().as_str()));
    assert!(got("traceparent").is_some());
    for name in ["x-forwarded-proto", "forwarded", "x-real-ip", "connection", "x-hop", "te", "upgrade", "expect"] {
        assert_eq!(got(name), None, "{name}");
    }
    assert_eq!(
        (&headers["etag"], &headers["x-correlation-id"]),
        (&"\"3\"".parse().unwrap(), &"abc-123".parse().unwrap())
    );
    for name in ["x-inner", "keep-alive", "connection"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn bodies_pass_piece_by_piece_in_both_directions() {
    let address = serving(
        Router::new().fallback(async |request: Request| Body::from_stream(request.into_body().into_data_stream())),
    )
    .await;
    let (gateway, ..) = gateway(address, USUAL);
    let (pieces, incoming) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = stream::unfold(incoming, async |mut incoming| Some((incoming.recv().await?, incoming)));
    let request = Request::post("/v1/orders/import").body(Body::from_stream(body)).unwrap();
    pieces.send(Ok(Bytes::from_static(b"one"))).await.unwrap();
    let mut answer = gateway.oneshot(request).await.unwrap().into_body().into_data_stream();
    assert_eq!(answer.next().await.unwrap().unwrap(), "one");
    pieces.send(Ok(Bytes::from_static(b"two"))).await.unwrap();
    assert_eq!(answer.next().await.unwrap().unwrap(), "two");
    drop(pieces);
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let address = serving(Router::new().fallback(echo)).await;
    let (gateway, ..) = gateway(address, USUAL);
    let declared =
        Request::post("/v1/orders").header("content-length", 1_001).body(Body::from(vec![b'x'; 1_001])).unwrap();
    let pieces = stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 100]))));
    let undeclared = Request::post("/v1/orders").body(Body::from_stream(pieces)).unwrap();
    for request in [declared, undeclared] {
        let answer = testing::send_request(&gateway, request).await;
        assert_eq!((answer.0.as_u16(), told(&answer).1), (413, "body-too-large"));
    }
    let import = Request::post("/v1/orders/import").body(Body::from(vec![b'x'; 5_000])).unwrap();
    assert_eq!(testing::send_request(&gateway, import).await.0, StatusCode::OK);
}

#[tokio::test]
async fn bad_tokens_and_dot_segments_do_not_reach_the_service() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = serving(Router::new().fallback(async move || {
        count.fetch_add(1, Ordering::Relaxed);
    }))
    .await;
    let (gateway, signer, _) = gateway(address, USUAL);
    let strangers = TokenSigner::generate(&Host::seeded(2));
    for signer in [&*signer, &strangers] {
        let forged = testing::bearer(signer, &Host::seeded(1), "7", Role::Customer) + "x";
        let (status, _, body) =
            testing::send(&gateway, Method::GET, "/v1/orders", &[("authorization", &forged)], ()).await;
        assert_eq!((status, body["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("invalid-token")));
    }
    for path in ["/v1/orders/../internal/calls/x", "/v1/orders/%2e%2E/internal", "/v1/orders/./7"] {
        let (status, _, body) = testing::send(&gateway, Method::GET, path, &[], ()).await;
        assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid-path")), "{path}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn more_than_a_service_may_have_in_flight_is_refused_and_places_come_back() {
    let address = serving(Router::new().fallback(echo)).await;
    let (gateway, _, proxy) = gateway(address, USUAL);
    let all = Arc::clone(&proxy.0.places).acquire_many_owned(u32::try_from(IN_FLIGHT).unwrap()).await.unwrap();
    let answer = testing::send(&gateway, Method::GET, "/v1/orders", &[], ()).await;
    assert_eq!(told(&answer).1, "overloaded");
    drop(all);
    assert_eq!(testing::send(&gateway, Method::GET, "/v1/orders", &[], ()).await.0, StatusCode::OK);
    assert_eq!(proxy.0.places.available_permits(), IN_FLIGHT);
}

#[test]
fn only_plain_base_urls_are_taken() {
    let limits = Limits::default();
    for url in ["", "127.0.0.1:1", "https://h", "http://h/api", "http://h/?a", "/v1"] {
        let refused = Proxy::new("order-service", url, &limits).err().unwrap();
        assert!(refused.to_string().contains(&format!("{url:?}")), "{refused}");
    }
    assert!(Proxy::new("order-service", "http://127.0.0.1:8083", &limits).is_ok());
}
