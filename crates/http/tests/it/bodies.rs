//! Strict bodies.

use axum::http::{Method, StatusCode};
use futures::StreamExt;
use madrigal_http::testing;
use serde_json::{Value, json};

use crate::shop::{Shop, assert_problem};

const KEY: (&str, &str) = ("idempotency-key", "k-1");
const JSON: (&str, &str) = ("content-type", "application/json");

fn order() -> Value {
    json!({"items": [{"productId": 1, "quantity": 2}], "payment": {"kind": "card", "token": "tok_visa"}})
}

async fn errors(body: Value) -> Vec<(String, String)> {
    let answer = Shop::new().send(Method::POST, "/v1/orders", &[KEY], body).await;
    pairs(&assert_problem(answer, 422, "invalid-body"))
}

fn pairs(problem: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(&error["pointer"]), text(&error["detail"])))
        .collect()
}

async fn pointers(body: Value) -> Vec<String> {
    errors(body).await.into_iter().map(|(pointer, _)| pointer).collect()
}

fn with(pointer: &str, value: Value) -> Value {
    let mut order = order();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    order.pointer_mut(parent).unwrap()[name] = value;
    order
}

#[tokio::test]
async fn a_valid_body_reaches_its_handler_with_a_fingerprint_of_its_contents() {
    let shop = Shop::new();
    let full = json!({
        "items": [{"productId": -9223372036854775808i64, "quantity": 100, "weight": 1.5, "small": 255}],
        "shippingAddress": {"street": "ü", "country": "DE"}, "payment": {"kind": "invoice", "days": 30}, "note": "äöüßx",
        "labels": {"a": "b"}, "draft": false, "placedAt": "2026-11-22T10:15:00Z", "speed": "fast"
    });
    let (status, _, body) = shop.send(Method::POST, "/v1/orders", &[KEY], full).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["key"], "k-1");
    let nulls = json!({"items": [{"productId": 1, "quantity": 1}], "payment": {"kind": "card", "token": ""},
        "shippingAddress": null, "note": null, "speed": null, "placedAt": null});
    assert_eq!(shop.send(Method::POST, "/v1/orders", &[KEY], nulls).await.0, StatusCode::OK);

    let written_otherwise =
        r#" {"payment":{"token":"tok_visa","kind":"card"}, "items":[ {"quantity":2,"productId":1} ]}"#;
    let (_, _, first) = shop.send(Method::POST, "/v1/orders", &[KEY], order()).await;
    let (_, _, second) = shop.send(Method::POST, "/v1/orders", &[KEY, JSON], written_otherwise).await;
    let (_, _, other) = shop.send(Method::POST, "/v1/orders", &[KEY], with("/items/0/quantity", json!(3))).await;
    assert_eq!(first["fingerprint"], second["fingerprint"]);
    assert_ne!(first["fingerprint"], other["fingerprint"]);
}

#[tokio::test]
async fn all_errors_of_a_body_are_told_at_once() {
    let body = json!({
        "items": [{"productId": "1", "quantity": 0, "extra": 1}, {"quantity": 101}],
        "shippingAddress": {"street": "x", "country": "de"}, "payment": {"kind": "card"}, "note": "longer than five",
        "colour": "red", "placedAt": "yesterday", "speed": "warp", "labels": {"a": 1}, "draft": "yes"
    });
    let mut found = pointers(body).await;
    found.sort();
    let expected = [
        "/colour",
        "/draft",
        "/items/0/extra",
        "/items/0/productId",
        "/items/0/quantity",
        "/items/1/productId",
        "/items/1/quantity",
        "/labels/a",
        "/note",
        "/payment/token",
        "/placedAt",
        "/shippingAddress/country",
        "/speed",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn numbers_that_the_type_cannot_hold_are_refused_by_name() {
    let shop = Shop::new();
    for odd in [
        "9223372036854775808",
        "-9223372036854775809",
        "1.5",
        "1e3",
        "1e400",
        "-1e400",
        "18446744073709551616",
        "null",
        "\"1\"",
    ] {
        let body =
            format!(r#"{{"items":[{{"productId":{odd},"quantity":1}}],"payment":{{"kind":"card","token":"t"}}}}"#);
        let answer = shop.send(Method::POST, "/v1/orders", &[KEY, JSON], body.as_str()).await;
        let found = pairs(&assert_problem(answer, 422, "invalid-body"));
        assert_eq!(
            found.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(),
            ["/items/0/productId"],
            "{odd}: {found:?}"
        );
    }
    for (odd, _) in [(json!(-1), ""), (json!(0), ""), (json!(101), ""), (json!(1.5), ""), (json!(u64::MAX), "")] {
        assert_eq!(pointers(with("/items/0/quantity", odd)).await, ["/items/0/quantity"]);
    }
    // What the schema allows and the type does not is found by reading it.
    assert_eq!(pointers(with("/items/0/small", json!(256))).await, ["/items/0/small"]);
}

#[tokio::test]
async fn texts_with_nul_and_overlong_texts_and_lists_are_refused() {
    assert_eq!(pointers(with("/payment/token", json!("a\0b"))).await, ["/payment/token"]);
    assert_eq!(pointers(with("/payment/token", json!("x".repeat(10_001)))).await, ["/payment/token"]);
    assert_eq!(pointers(with("/labels", json!({"a": "x".repeat(10_001)}))).await, ["/labels/a"]);
    assert_eq!(pointers(with("/items", json!([]))).await, ["/items"]);
    let many = json!([order()["items"][0], order()["items"][0], order()["items"][0], order()["items"][0]]);
    assert_eq!(pointers(with("/items", many)).await, ["/items"]);
    assert_eq!(pointers(json!([])).await, [""]);
    assert_eq!(pointers(json!(null)).await, [""]);
}

#[tokio::test]
async fn an_alternative_is_judged_by_its_tag() {
    assert_eq!(pointers(with("/payment", json!({"kind": "invoice", "days": -1}))).await, ["/payment/days"]);
    assert_eq!(
        pointers(with("/payment", json!({"kind": "invoice", "days": 1, "token": "t"}))).await,
        ["/payment/token"]
    );
    assert_eq!(pointers(with("/payment", json!({"kind": "gold"}))).await, ["/payment"]);
    assert_eq!(pointers(with("/payment", json!("card"))).await, ["/payment"]);
}

#[tokio::test]
async fn at_most_fifty_errors_are_told() {
    let many: serde_json::Map<String, Value> = (0..200).map(|index| (format!("f{index}"), json!(1))).collect();
    assert_eq!(pointers(Value::Object(many)).await.len(), 50);
}

#[tokio::test]
async fn repeated_members_are_refused() {
    let shop = Shop::new();
    let body = r#"{"items":[{"productId":1,"quantity":1,"quantity":2}],"payment":{"kind":"card","token":"t"}}"#;
    let problem = assert_problem(shop.send(Method::POST, "/v1/orders", &[KEY, JSON], body).await, 422, "invalid-body");
    assert_eq!(pairs(&problem), [("/items/0/quantity".to_owned(), "given more than once".to_owned())]);
}

#[tokio::test]
async fn what_is_not_json_is_told_with_line_and_column() {
    let shop = Shop::new();
    let answer = shop.send(Method::POST, "/v1/orders", &[KEY, JSON], "{\n  \"items\": [,]\n}").await;
    let problem = assert_problem(answer, 400, "malformed-json");
    assert_eq!(problem["detail"], "expected a value at line 2, column 13");
    for odd in [&b""[..], b"{", b"\xff\xfe", b"{}{}", &b"[".repeat(100_000)] {
        let answer = shop.send(Method::POST, "/v1/orders", &[KEY, JSON], odd.to_vec()).await;
        assert_problem(answer, 400, "malformed-json");
    }
}

#[tokio::test]
async fn only_json_in_utf_8_is_taken() {
    let shop = Shop::new();
    let text = order().to_string();
    for fine in [
        "application/json",
        "Application/JSON; Charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json; v=1;",
    ] {
        let (status, ..) = shop.send(Method::POST, "/v1/orders", &[KEY, ("content-type", fine)], text.as_str()).await;
        assert_eq!(status, StatusCode::OK, "{fine}");
    }
    for odd in [
        "text/plain",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "",
        "application/jsonx",
        "application/merge-patch+json",
    ] {
        let answer = shop.send(Method::POST, "/v1/orders", &[KEY, ("content-type", odd)], text.as_str()).await;
        assert_problem(answer, 415, "unsupported-media-type");
    }
    assert_problem(shop.send(Method::POST, "/v1/orders", &[KEY], text.as_str()).await, 415, "unsupported-media-type");
    assert_problem(
        shop.send(Method::POST, "/v1/orders", &[KEY, JSON, JSON], text.as_str()).await,
        415,
        "unsupported-media-type",
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_announced_or_not() {
    let shop = Shop::with(|edge| edge.limits.body_bytes = 100);
    let long = format!("{}{}", " ".repeat(100), order());
    let announced = [KEY, JSON, ("content-length", "1000000")];
    assert_problem(shop.send(Method::POST, "/v1/orders", &announced, long.as_str()).await, 413, "body-too-large");
    assert_problem(shop.send(Method::POST, "/v1/orders", &[KEY, JSON], long.as_str()).await, 413, "body-too-large");
    // The limit holds for axum's own extractors, too.
    assert_problem(shop.send(Method::POST, "/v1/plain", &[JSON], long.as_str()).await, 413, "bad-request");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_is_given_up() {
    let shop = Shop::new();
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("{ ")).then(|piece| async move {
        madrigal_core::tasks::sleep(std::time::Duration::from_secs(1)).await;
        piece
    });
    let request = axum::http::Request::post("/v1/orders")
        .header(JSON.0, JSON.1)
        .header(KEY.0, KEY.1)
        .body(axum::body::Body::from_stream(endless))
        .unwrap();
    let before = madrigal_core::tasks::instant();
    let problem = assert_problem(testing::send_request(&shop.router, request).await, 408, "body-too-slow");
    assert_eq!(problem["retryable"], true);
    assert_eq!(before.elapsed(), std::time::Duration::from_secs(10));
}

#[tokio::test]
async fn a_merge_patch_is_an_object_of_either_media_type() {
    let shop = Shop::new();
    let version = ("if-match", "\"7\"");
    for media_type in ["application/merge-patch+json", "application/json"] {
        let headers = [version, ("content-type", media_type)];
        let (status, _, body) = shop.send(Method::PATCH, "/v1/orders/1", &headers, r#"{"note":null}"#).await;
        assert_eq!((status, body), (StatusCode::OK, json!({"note": null})));
    }
    assert_problem(shop.send(Method::PATCH, "/v1/orders/1", &[version], json!([1])).await, 422, "invalid-body");
    let twice = shop.send(Method::PATCH, "/v1/orders/1", &[version, JSON], r#"{"a":1,"a":2}"#).await;
    assert_problem(twice, 422, "invalid-body");
}
