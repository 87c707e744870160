//! `Idempotency-Key` on products and stock.

use http::Method;
use serde_json::json;

use crate::shop::Shop;

fn key(key: &str) -> [(&str, &str); 1] {
    [("idempotency-key", key)]
}

#[tokio::test]
async fn a_product_is_created_once_for_each_key() {
    let shop = Shop::new().await;
    let body = json!({"name": "Tea", "price": {"amount": 500, "currency": "EUR"}, "initialStock": 3});
    let (status, headers, first) = shop.operator(Method::POST, "/v1/products", &key("k1"), &body).await;
    assert_eq!(status, 201);
    let location = headers["location"].to_str().unwrap().to_owned();
    // Whatever happens to it meanwhile, the answer is the same.
    shop.operator(Method::PATCH, &location, &[("if-match", "\"1\"")], json!({"name": "Other"})).await;
    shop.operator(Method::POST, &format!("{location}/stock"), &[], json!({"change": 9, "reason": "more"})).await;
    let end = shop.service.store().end();
    let (status, again_headers, again) = shop.operator(Method::POST, "/v1/products", &key("k1"), &body).await;
    assert_eq!((status.as_u16(), &again), (201, &first));
    for name in ["location", "etag", "madrigal-position"] {
        assert_eq!(again_headers[name], headers[name], "{name}");
    }
    let other = json!({"name": "Tea", "price": {"amount": 501, "currency": "EUR"}, "initialStock": 3});
    let (status, _, problem) = shop.operator(Method::POST, "/v1/products", &key("k1"), &other).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("idempotency-key-reused")));
    assert_eq!(shop.service.store().end(), end, "a repetition wrote something");

    let shop = shop.restarted(|_| ()).await;
    let (status, _, again) = shop.operator(Method::POST, "/v1/products", &key("k1"), &body).await;
    assert_eq!((status.as_u16(), &again), (201, &first));
    let (status, _, another) = shop.operator(Method::POST, "/v1/products", &key("k2"), &body).await;
    assert_eq!(status, 201);
    assert_ne!(another["productId"], first["productId"]);
    let (status, ..) = shop.operator(Method::POST, "/v1/products", &key("with space"), &body).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn requests_at_the_same_time_with_one_key_have_one_effect() {
    let shop = Shop::new().await;
    let body = json!({"name": "Tea", "price": {"amount": 500, "currency": "EUR"}});
    let headers = key("k");
    let create = || shop.operator(Method::POST, "/v1/products", &headers, &body);
    let answers = futures::future::join_all([create(), create(), create(), create()]).await;
    assert!(answers.iter().all(|(status, _, answer)| *status == 201 && answer == &answers[0].2), "{answers:?}");
    // The product and the record of the key.
    assert_eq!(shop.service.store().end().0, 2);
}

#[tokio::test]
async fn a_refusal_leaves_the_key_free() {
    let shop = Shop::new().await;
    let body = |id: &str| json!({"productId": id, "name": "Tea", "price": {"amount": 500, "currency": "EUR"}});
    shop.create("taken", 1, 1).await;
    let (status, ..) = shop.operator(Method::POST, "/v1/products", &key("k"), body("taken")).await;
    assert_eq!(status, 409);
    let (status, ..) = shop.operator(Method::POST, "/v1/products", &key("k"), body("free")).await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn a_stock_is_changed_once_for_each_key() {
    let shop = Shop::new().await;
    shop.create("tea", 1, 1).await;
    shop.create("milk", 1, 1).await;
    let change = json!({"change": 50, "reason": "delivery 4711"});
    let (status, _, first) = shop.operator(Method::POST, "/v1/products/tea/stock", &key("k"), &change).await;
    assert_eq!((status.as_u16(), &first["onHand"]), (200, &json!(51)));
    shop.operator(Method::POST, "/v1/products/tea/stock", &[], &change).await;
    let (status, _, again) = shop.operator(Method::POST, "/v1/products/tea/stock", &key("k"), &change).await;
    assert_eq!((status.as_u16(), &again), (200, &first));
    let (status, _, problem) = shop.operator(Method::POST, "/v1/products/milk/stock", &key("k"), &change).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("idempotency-key-reused")));
    let position = shop.create("last", 1, 1).await;
    let (_, _, stock) = shop.read("/v1/products/tea/stock", &position).await;
    assert_eq!(stock["onHand"], 101);
}
