//! Cancelling.

use futures::future::join_all;
use madrigal_harness::{Customer, OneProcess, product};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_fifty_times_at_once_gives_stock_and_money_back_exactly_once() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let order = anna.must_place(&[("lute", 4)]).await.unwrap();
    let path = format!("/v1/orders/{}/cancel", order["orderId"].as_str().unwrap());
    let body = json!({ "reason": "too loud" });
    for answer in join_all((0..50).map(|_| anna.shop.post(&path, &body))).await {
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["currentStatus"].as_str()), (200, Some("cancelled")));
    }
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.charged, books.refunded), (4_320, 4_320));
    assert_eq!((books.stock["lute"]["available"].as_i64(), books.stock["lute"]["sold"].as_i64()), (Some(10), Some(0)));
    assert_eq!(books.mails.len(), 2, "a confirmation and a cancellation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shipped_order_cannot_be_cancelled() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let order = anna.must_place(&[("lute", 1)]).await.unwrap();
    let path = format!("/v1/orders/{}", order["orderId"].as_str().unwrap());
    let by_customer = anna.shop.post(&format!("{path}/ship"), &json!({ "carrier": "x", "trackingNumber": "1" })).await;
    assert_eq!(by_customer.unwrap().status, 403);
    let shipped = shop.shop.post(&format!("{path}/ship"), &json!({ "carrier": "x", "trackingNumber": "1" })).await;
    assert_eq!(shipped.unwrap().ok().unwrap()["trackingNumber"], "1");
    let refused = anna.shop.post(&format!("{path}/cancel"), &json!({})).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.body["code"].as_str()), (409, Some("order-status")));
    let delivered = shop.shop.post(&format!("{path}/deliver"), &serde_json::Value::Null).await.unwrap().ok().unwrap();
    assert_eq!(delivered["currentStatus"], "delivered");
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}
