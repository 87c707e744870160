//! What operators see, and what nobody sees.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::{Method, StatusCode};
use madrigal_bus::{PollFrom, Start};
use madrigal_http::testing::send;
use madrigal_http::{Edge, Role, TokenSigner};
use serde_json::{Value, json};

use crate::shop::Shop;

struct Desk {
    router: Router,
    operator: String,
    customer: String,
}

impl Desk {
    fn of(shop: &Shop) -> Self {
        let signer = TokenSigner::generate(&shop.host);
        let edge = Edge::new(Arc::new(signer.verifier()), shop.host.clone());
        let bearer = |sub, role| format!("Bearer {}", signer.issue(&shop.host, sub, role, Duration::from_secs(600)).0);
        Self {
            router: edge.wrap(shop.service.router()),
            operator: bearer("anna", Role::Operator),
            customer: bearer("42", Role::Customer),
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let headers = [("authorization", self.operator.as_str())];
        let (status, _, body) = send(&self.router, Method::GET, path, &headers, ()).await;
        (status, body)
    }
}

#[tokio::test]
async fn a_payment_is_shown_with_its_events_and_without_its_token() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "tok_visa").await.unwrap();
    shop.refund("s-1").await.unwrap();
    let (status, body) = Desk::of(&shop).get("/v1/payments/s-1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["state"], "refunded");
    assert_eq!((&body["orderId"], &body["lastFour"]), (&json!("order-of-s-1"), &json!("4242")));
    assert_eq!(body["amount"], json!({"amount": 300, "currency": "EUR"}));
    let types: Vec<&str> =
        body["events"].as_array().unwrap().iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(types, ["PaymentRequested", "PaymentSucceeded", "RefundRequested", "PaymentRefunded"]);
    assert!(!body.to_string().contains("tok_"), "{body}");
}

#[tokio::test]
async fn the_ledger_is_paged_and_its_sums_are_of_all_of_it() {
    let shop = Shop::open().await;
    for saga in ["s-1", "s-2", "s-3"] {
        shop.charge(saga, 100, "tok_visa").await.unwrap();
    }
    shop.refund("s-2").await.unwrap();
    let desk = Desk::of(&shop);
    let (mut path, mut keys) = ("/v1/payments/ledger?limit=2".to_owned(), Vec::new());
    for _ in 0..10 {
        let (status, page) = desk.get(&path).await;
        assert_eq!(status, StatusCode::OK);
        let sums = &page["totals"][0];
        assert_eq!((&sums["charged"], &sums["refunded"], &sums["charges"]), (&json!(300), &json!(100), &json!(3)));
        keys.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/payments/ledger?limit=2&cursor={next}");
    }
    assert_eq!(keys, ["s-1", "s-2", "s-3", "s-2"]);
}

#[tokio::test]
async fn only_operators_and_services_see_payments() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "tok_visa").await.unwrap();
    let desk = Desk::of(&shop);
    for path in ["/v1/payments/s-1", "/v1/payments/ledger"] {
        let (status, _, body) =
            send(&desk.router, Method::GET, path, &[("authorization", desk.customer.as_str())], ()).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
        let (status, ..) = send(&desk.router, Method::GET, path, &[], ()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn bad_questions_are_answered_with_problems() {
    let shop = Shop::open().await;
    let desk = Desk::of(&shop);
    let long = format!("/v1/payments/{}", "a".repeat(500));
    for (path, status, code) in [
        ("/v1/payments/nobody", 404, "not-found"),
        ("/v1/payments/a%20b", 404, "not-found"),
        (long.as_str(), 404, "not-found"),
        ("/v1/payments/ledger?cursor=x", 400, "bad-cursor"),
        ("/v1/payments/ledger?limit=0", 400, "invalid-query"),
        ("/v1/payments/ledger?limit=1001", 400, "invalid-query"),
        ("/v1/payments/ledger?what=1", 400, "invalid-query"),
    ] {
        let (got, body) = desk.get(path).await;
        assert_eq!((got.as_u16(), &body["code"]), (status, &json!(code)), "{path}");
    }
}

#[tokio::test]
async fn the_topic_tells_outcomes_and_never_a_token() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "tok_visa").await.unwrap();
    shop.charge("s-2", 300, "tok_declined").await.unwrap();
    shop.refund("s-1").await.unwrap();
    shop.refund("s-3").await.unwrap();
    let topics = shop.service.topics();
    let polled = topics[0].poll(PollFrom::Start(Start::Earliest), 100, Duration::ZERO).await.unwrap();
    let told: Vec<(&str, &str)> =
        polled.items.iter().map(|message| (message.kind.as_str(), message.key.as_str())).collect();
    let expected = [
        ("payment.succeeded", "s-1"),
        ("payment.declined", "s-2"),
        ("payment.refunded", "s-1"),
        ("payment.voided", "s-3"),
    ];
    assert_eq!((topics[0].topic(), told), ("payments", expected.to_vec()));
    assert!(polled.items.iter().all(|message| !format!("{message:?}").contains("tok_")));
    assert!(shop.service.health().await.iter().all(|check| check.status == madrigal_telemetry::Status::Healthy));
}

#[tokio::test]
async fn no_card_data_is_in_any_file() {
    let shop = Shop::open().await;
    shop.charge("s-1", 300, "4242424242424242").await.unwrap();
    shop.charge("s-2", 300, "tok_visa").await.unwrap();
    let (mut pending, mut found_token) = (vec![shop.dir().to_path_buf()], false);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!has("4242424242424242"), "{}", path.display());
            found_token |= has("tok_visa");
        }
    }
    assert!(found_token, "the search looked at the wrong files");
}
