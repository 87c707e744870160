//! Bad input: each its own clear problem, and no trace left.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};
use madrigal_http::Role;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn order(items: Value) -> Value {
    json!({ "items": items, "paymentMethod": { "token": "tok_visa" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_orders_that_are_wrong_are_refused_by_name_and_leave_nothing() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let line = |quantity: Value| json!([{ "productId": "lute", "quantity": quantity }]);
    let with = |name: &str, value: Value| {
        let mut body = order(line(json!(1)));
        body[name] = value;
        body
    };
    let many: Vec<Value> =
        (0..10_000).map(|number| json!({ "productId": format!("p{number}"), "quantity": 1 })).collect();
    for (what, body, status, code, pointer) in [
        ("quantity 0", order(line(json!(0))), 422, "invalid-body", "/items/0/quantity"),
        ("quantity -1", order(line(json!(-1))), 422, "invalid-body", "/items/0/quantity"),
        ("quantity 1.5", order(line(json!(1.5))), 422, "invalid-body", "/items/0/quantity"),
        ("quantity 2^63", order(line(json!(9_223_372_036_854_775_808_u64))), 422, "invalid-body", "/items/0/quantity"),
        ("quantity as a text", order(line(json!("1"))), 422, "invalid-body", "/items/0/quantity"),
        ("10,000 lines", order(Value::from(many)), 422, "invalid-body", "/items"),
        ("no lines", order(json!([])), 422, "invalid-body", "/items"),
        (
            "a stated price",
            order(json!([{ "productId": "lute", "quantity": 1, "price": 1 }])),
            422,
            "invalid-body",
            "/items/0/price",
        ),
        ("an unknown field", with("coupon", json!("x")), 422, "invalid-body", "/coupon"),
        (
            "an unknown product",
            order(json!([{ "productId": "nothing", "quantity": 1 }])),
            422,
            "unorderable-lines",
            "/items/0/productId",
        ),
        (
            "a product twice",
            order(json!([{ "productId": "lute", "quantity": 1 }, { "productId": "lute", "quantity": 1 }])),
            422,
            "unorderable-lines",
            "/items/1/productId",
        ),
        ("no payment", json!({ "items": line(json!(1)) }), 422, "invalid-body", "/paymentMethod"),
        (
            "card data",
            with("paymentMethod", json!({ "token": "tok_visa", "cardNumber": "4242" })),
            422,
            "invalid-body",
            "/paymentMethod/cardNumber",
        ),
        (
            "a card number as a token",
            with("paymentMethod", json!({ "token": "4242-4242-4242-4242" })),
            422,
            "invalid-body",
            "/paymentMethod/token",
        ),
        ("another currency", with("currency", json!("USD")), 422, "order-refused", "/items"),
        ("a currency that is none", with("currency", json!("euro")), 422, "invalid-body", "/currency"),
        ("not an object", json!([1]), 422, "invalid-body", ""),
    ] {
        let answer = anna.place_body(&body, &fresh_key()).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.body["code"].as_str()),
            (status, Some(code)),
            "{what}: {}",
            answer.body
        );
        let pointers: Vec<&str> =
            answer.body["errors"].as_array().unwrap().iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert!(pointers.contains(&pointer), "{what}: {pointers:?}");
    }
    let all = json!({ "items": [{ "quantity": 0 }], "paymentMethod": {}, "x": 1 });
    let answer = anna.place_body(&all, &fresh_key()).await.unwrap();
    assert!(answer.body["errors"].as_array().unwrap().len() >= 4, "all problems at once: {}", answer.body);
    assert_nothing_happened(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_wrong_are_refused_before_their_bodies() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let post = || anna.shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", fresh_key());
    let body = order(json!([{ "productId": "lute", "quantity": 1 }]));
    let json_type = ("Content-Type", "application/json");
    for (what, request, status, code) in [
        ("no key", anna.shop.request(Method::POST, "/v1/orders").json(&body), 400, "idempotency-key-required"),
        (
            "an odd key",
            anna.shop.request(Method::POST, "/v1/orders").json(&body).header("Idempotency-Key", "ä"),
            400,
            "invalid-header",
        ),
        ("broken JSON", post().header(json_type.0, json_type.1).body("{\"items\": ["), 400, "malformed-json"),
        (
            "not UTF-8",
            post().header(json_type.0, json_type.1).body(b"{\"a\":\"\xff\"}".to_vec()),
            400,
            "malformed-json",
        ),
        (
            "a key twice",
            post().header(json_type.0, json_type.1).body("{\"draft\":true,\"draft\":false}"),
            422,
            "invalid-body",
        ),
        (
            "another media type",
            post().header(json_type.0, "text/plain").body(body.to_string()),
            415,
            "unsupported-media-type",
        ),
        ("20 MiB", post().header(json_type.0, json_type.1).body(vec![b' '; 20 << 20]), 413, "body-too-large"),
        ("a bad cursor", anna.shop.request(Method::GET, "/v1/orders?cursor=zzz"), 400, "bad-cursor"),
        ("an unknown parameter", anna.shop.request(Method::GET, "/v1/orders?sort=x"), 400, "invalid-query"),
        (
            "two users' orders at once",
            anna.shop.request(Method::GET, &format!("/v1/users/{}/orders?userId=1", anna.id)),
            400,
            "invalid-query",
        ),
        ("a user that is no number", anna.shop.request(Method::GET, "/v1/users/abc"), 400, "invalid-path"),
        (
            "a bad position",
            anna.shop.request(Method::GET, "/v1/orders").header("Madrigal-Position", "x"),
            400,
            "invalid-header",
        ),
        ("not UTF-8 in the path", anna.shop.request(Method::GET, "/v1/orders/%ff"), 400, "invalid-path"),
        ("an unknown path", anna.shop.request(Method::GET, "/v1/nothing"), 404, "unknown-path"),
        (
            "an inner path",
            anna.shop.request(Method::POST, "/internal/calls/payment-service/payment.charge"),
            404,
            "unknown-path",
        ),
        ("another method", anna.shop.request(Method::PUT, "/v1/orders"), 405, "method-not-allowed"),
        ("an unknown order", anna.shop.request(Method::GET, "/v1/orders/0198"), 404, "not-found"),
        ("another's orders", anna.shop.request(Method::GET, "/v1/orders?userId=999"), 403, "forbidden"),
        ("the log, as a customer", anna.shop.request(Method::GET, "/v1/logs/order-service/events"), 403, "forbidden"),
    ] {
        let answer = anna.shop.send(request).await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert_eq!(
            (answer.status.as_u16(), answer.body["code"].as_str()),
            (status, Some(code)),
            "{what}: {}",
            answer.body
        );
    }
    assert_nothing_happened(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_or_of_somebody_else_is_refused() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    let anna = Customer::register(&anonymous, "anna").await.unwrap();
    let berta = Customer::register(&anonymous, "berta").await.unwrap();
    let mut body = order(json!([{ "productId": "lute", "quantity": 1 }]));
    body["userId"] = json!(anna.id);
    assert_eq!(berta.place_body(&body, &fresh_key()).await.unwrap().status, 403);
    let annas = anna.must_place(&[("lute", 1)]).await.unwrap();
    let path = format!("/v1/orders/{}", annas["orderId"].as_str().unwrap());
    for request in [
        berta.shop.request(Method::GET, &path),
        berta.shop.request(Method::GET, &format!("{path}/events")),
        berta.shop.request(Method::POST, &format!("{path}/cancel")).json(&json!({})),
        berta.shop.request(Method::GET, &format!("/v1/sagas/{}", annas["sagaId"].as_str().unwrap())),
    ] {
        assert_eq!(berta.shop.send(request).await.unwrap().status, 404);
    }
    body["userId"] = json!(999);
    let request = shop.shop.request(Method::POST, "/v1/orders").json(&body).header("Idempotency-Key", fresh_key());
    let unknown = shop.shop.send(request).await.unwrap();
    assert_eq!((unknown.status.as_u16(), unknown.body["code"].as_str()), (422, Some("unknown-user")));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(books.orders.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_do_not_count_are_401() {
    let shop = OneProcess::start().await.unwrap();
    let good = shop.token("1", Role::Customer);
    let parts: Vec<&str> = good.split('.').collect();
    let claims =
        json!({ "sub": "cli", "role": "operator", "iat": 0, "exp": 4_102_444_800_i64, "jti": "x" }).to_string();
    let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}");
    let forged = URL_SAFE_NO_PAD.encode(claims);
    let stranger = madrigal_http::TokenSigner::generate(&madrigal_core::Host::system());
    let host = madrigal_core::Host::system();
    let foreign = stranger.issue(&host, "cli", Role::Operator, std::time::Duration::from_secs(60)).0;
    for (what, token) in [
        ("alg none", format!("{none}.{forged}.")),
        ("other claims under a good signature", format!("{}.{forged}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another signer", foreign),
        ("garbage", "x.y.z".to_owned()),
    ] {
        let asked = shop.shop.with_token(token);
        let answer = asked.send(asked.request(Method::GET, "/v1/orders")).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (401, Some("invalid-token")), "{what}");
    }
    let anonymous = shop.anonymous().unwrap();
    let answer = anonymous.send(anonymous.request(Method::GET, "/v1/orders")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (401, Some("unauthorized")));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_texts_are_texts_or_refused_and_never_commands() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    for odd in [
        "\"",
        "AND OR NOT",
        "name:*",
        "(((((",
        "a\\",
        "[1 TO 2}",
        "lute~99^1e9",
        "%",
        "'; DROP TABLE users; --",
        "\u{202e}",
        "*",
    ] {
        let request = anonymous.request(Method::GET, "/v1/products/search").query(&[("q", odd)]);
        let answer = anonymous.send(request).await.unwrap();
        assert_eq!(answer.status, 200, "{odd:?}: {}", answer.problem());
    }
    let nul = json!({ "email": "a@example.org", "username": "nul", "password": madrigal_harness::PASSWORD,
        "profile": { "firstName": "a\u{0}b" } });
    let answer = anonymous.post("/v1/users", &nul).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
        (422, Some("/profile/firstName"))
    );
    let login = json!({ "login": "' OR 1=1 --", "password": "' OR 1=1 --" });
    assert_eq!(anonymous.post("/v1/sessions", &login).await.unwrap().status, 401);
}

/// The edge gives a body ten seconds; the test sends its first half and then waits for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_408() {
    let shop = OneProcess::start().await.unwrap();
    let token = shop.token("1", Role::Customer);
    let address: SocketAddr = shop.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: slow\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"items\":"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

async fn assert_nothing_happened(shop: &OneProcess) {
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.orders.len(), books.charged, books.mails.len()), (0, 0, 0));
    let sagas = shop.shop.get("/v1/sagas").await.unwrap();
    assert_eq!(sagas["items"], json!([]), "nothing was begun");
}
