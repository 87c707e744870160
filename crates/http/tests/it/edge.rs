//! The layers.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::routing::get;
use madrigal_core::Host;
use madrigal_http::auth::Role;
use madrigal_http::testing;
use serde_json::{Value, json};

use crate::shop::{Shop, assert_problem};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let shop = Shop::new();
    let problem = assert_problem(shop.send(Method::GET, "/v1/nothing?x=1", &[], ()).await, 404, "unknown-path");
    assert_eq!(problem["instance"], "/v1/nothing");
    let answer = shop.send(Method::DELETE, "/v1/orders/1", &[], ()).await;
    let allow = answer.1["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("PATCH"), "{allow}");
    assert_eq!(answer.1.get_all("allow").iter().count(), 1);
    assert_problem(answer, 405, "method-not-allowed");
}

#[tokio::test]
async fn paths_that_are_not_utf_8_or_hold_nul_are_refused() {
    let shop = Shop::new();
    for odd in ["/v1/orders/%ff", "/v1/orders/%00", "/nowhere/%c3%28"] {
        assert_problem(shop.send(Method::GET, odd, &[], ()).await, 400, "invalid-path");
    }
    assert_problem(shop.send(Method::GET, "/v1/orders/seven", &[], ()).await, 400, "invalid-path");
    assert_problem(shop.send(Method::GET, "/v1/orders/9223372036854775808", &[], ()).await, 400, "invalid-path");
    assert_problem(shop.send(Method::GET, "/v1/orders/101", &[], ()).await, 404, "not-found");
}

#[tokio::test]
async fn a_panic_is_a_500_that_says_nothing() {
    let problem = assert_problem(Shop::new().send(Method::GET, "/v1/panic", &[], ()).await, 500, "internal");
    assert!(!problem.to_string().contains("secret"));
}

#[tokio::test]
async fn refusals_of_axums_own_extractors_become_problems() {
    let shop = Shop::new();
    assert_problem(shop.send(Method::POST, "/v1/plain", &[], "x").await, 415, "bad-request");
    assert_problem(shop.send(Method::POST, "/v1/plain", &[], json!({"a": 1})).await, 422, "bad-request");
}

#[tokio::test]
async fn a_change_needs_the_version_it_is_based_on() {
    let shop = Shop::new();
    let patch = async |headers: &[(&str, &str)]| shop.send(Method::PATCH, "/v1/orders/1", headers, json!({})).await;
    assert_problem(patch(&[]).await, 428, "if-match-required");
    for odd in ["7", "\"7", "*", "W/\"7\"", "\"7\", \"8\"", "\"+7\"", "\"\"", "\"x\"", "\"18446744073709551616\""] {
        assert_problem(patch(&[("if-match", odd)]).await, 400, "invalid-header");
    }
    let answer = patch(&[("if-match", "\"6\"")]).await;
    assert_eq!(answer.1["etag"], "\"7\"");
    assert_eq!(assert_problem(answer, 412, "version-mismatch")["currentVersion"], 7);
    assert_eq!(patch(&[("if-match", "\"7\"")]).await.0, StatusCode::OK);
    assert_eq!(shop.send(Method::GET, "/v1/orders/1", &[], ()).await.1["etag"], "\"7\"");
}

#[tokio::test]
async fn a_key_is_required_and_plain() {
    let shop = Shop::new();
    let place = async |headers: &[(&str, &str)]| shop.send(Method::POST, "/v1/orders", headers, json!({})).await;
    assert_problem(place(&[]).await, 400, "idempotency-key-required");
    let long = "k".repeat(256);
    for odd in ["", "a b", &long] {
        assert_problem(place(&[("idempotency-key", odd)]).await, 400, "invalid-header");
    }
    assert_problem(place(&[("idempotency-key", "a"), ("idempotency-key", "b")]).await, 400, "invalid-header");
    assert_problem(place(&[("idempotency-key", &long[1..])]).await, 422, "invalid-body");
}

#[tokio::test]
async fn positions_and_queries_are_checked() {
    let shop = Shop::new();
    let odd = shop.send(Method::GET, "/v1/orders", &[("madrigal-position", "nonsense")], ()).await;
    assert_problem(odd, 400, "invalid-header");
    for odd in ["/v1/orders?limit=-1", "/v1/orders?limit=1&limit=2", "/v1/orders?colour=red", "/v1/orders?status=%ff"] {
        assert_problem(shop.send(Method::GET, odd, &[], ()).await, 400, "invalid-query");
    }
    assert_eq!(shop.send(Method::GET, "/v1/orders?limit=5", &[], ()).await.2["limit"], 5);
}

#[tokio::test]
async fn a_preference_is_kept_within_bounds_and_odd_ones_are_passed_over() {
    let shop = Shop::new();
    let wait = async |headers: &[(&str, &str)]| {
        let body = shop.send(Method::GET, "/v1/wait", headers, ()).await.2;
        (body["seconds"].as_u64().unwrap(), body["atOnce"].as_bool().unwrap())
    };
    assert_eq!(wait(&[]).await, (5, false));
    assert_eq!(wait(&[("prefer", "wait=1, respond-async")]).await, (1, true));
    assert_eq!(wait(&[("prefer", "handling=lenient"), ("prefer", "Wait=600")]).await, (30, false));
    assert_eq!(wait(&[("prefer", "wait=-1, wait=x, =, respond")]).await, (5, false));
}

#[tokio::test]
async fn the_context_travels_and_only_services_speak_for_others() {
    let shop = Shop::new();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let cause = "0190163d-8694-739b-aea5-966c26f8ad91";
    let given = [
        ("x-correlation-id", "request-7"),
        ("traceparent", trace),
        ("madrigal-causation-id", cause),
        ("madrigal-user", "42"),
        ("madrigal-deadline-ms", "1000"),
    ];
    let seen = async |role: Option<(&str, Role)>| {
        let bearer = role.map(|(sub, role)| shop.bearer(sub, role));
        let mut headers = given.to_vec();
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let (_, told, body) = shop.send(Method::GET, "/v1/context", &headers, ()).await;
        assert_eq!(told["x-correlation-id"], "request-7");
        assert_eq!(body["correlation"], "request-7");
        assert_eq!(body["traceparent"].as_str().unwrap()[..35], trace[..35]);
        (body["causation"].clone(), body["user"].clone(), body["deadline"] == true)
    };
    assert_eq!(seen(Some(("order-service", Role::Service))).await, (json!(cause), json!("42"), true));
    assert_eq!(seen(Some(("43", Role::Customer))).await, (Value::Null, json!("43"), false));
    assert_eq!(seen(Some(("anna", Role::Operator))).await, (Value::Null, json!("operator:anna"), false));
    assert_eq!(seen(None).await, (Value::Null, Value::Null, false));

    let (_, headers, body) = shop.send(Method::GET, "/v1/context", &[("x-correlation-id", "has spaces")], ()).await;
    assert_eq!(headers["x-correlation-id"].to_str().unwrap(), body["correlation"].as_str().unwrap());
    assert_ne!(body["correlation"], "has spaces");
}

#[tokio::test]
async fn a_caller_over_the_rate_is_told_when_to_come_back_and_others_go_on() {
    let shop = Shop::with(|edge| edge.limits.per_caller_per_second = NonZeroU32::new(1).unwrap());
    let call = async |sub: &str, role: Role| {
        shop.send(Method::GET, "/v1/open", &[("authorization", &shop.bearer(sub, role))], ()).await
    };
    assert_eq!(call("1", Role::Customer).await.0, StatusCode::OK);
    let answer = call("1", Role::Customer).await;
    assert_eq!(answer.1["retry-after"], "1");
    assert_eq!(assert_problem(answer, 429, "too-many-requests")["retryable"], true);
    assert_eq!(call("2", Role::Customer).await.0, StatusCode::OK);
    for _ in 0..3 {
        assert_eq!(call("order-service", Role::Service).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn requests_over_the_limit_of_concurrency_are_refused_and_the_place_is_given_back() {
    let (mut edge, _) = testing::edge(&Host::seeded(1));
    edge.limits.in_flight = 1;
    let (entered, go_on) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (inside, release) = (Arc::clone(&entered), Arc::clone(&go_on));
    let handler = move || {
        let (inside, release) = (Arc::clone(&inside), Arc::clone(&release));
        async move {
            inside.notify_one();
            release.notified().await;
            "1"
        }
    };
    let router = edge.wrap(axum::Router::new().route("/", get(handler)));
    let first = {
        let router = router.clone();
        madrigal_core::tasks::spawn("first", async move { testing::send(&router, Method::GET, "/", &[], ()).await.0 })
    };
    entered.notified().await;
    let answer = testing::send(&router, Method::GET, "/", &[], ()).await;
    assert_eq!(answer.1["retry-after"], "1");
    assert_problem(answer, 503, "overloaded");
    go_on.notify_one();
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    go_on.notify_one();
    assert_eq!(testing::send(&router, Method::GET, "/", &[], ()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn wrapped_routers_can_be_merged_and_pages_of_other_kinds_pass() {
    let (edge, _) = testing::edge(&Host::seeded(1));
    let page = || async { (StatusCode::NOT_FOUND, axum::response::Html("<p>gone</p>")) };
    let left = edge.wrap_service("left", axum::Router::new().route("/left", get(page)));
    let right = edge.wrap_service("right", axum::Router::new().route("/right", get(|| async { "1" })));
    let both = left.merge(right);
    let (status, headers, body) = testing::send(&both, Method::GET, "/left", &[], ()).await;
    assert_eq!((status, body), (StatusCode::NOT_FOUND, json!("<p>gone</p>")));
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(testing::send(&both, Method::GET, "/right", &[], ()).await.0, StatusCode::OK);
    assert_problem(testing::send(&both, Method::GET, "/middle", &[], ()).await, 404, "unknown-path");
}
