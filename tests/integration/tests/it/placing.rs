//! Placing an order: what is answered, what is seen, what is refused.

use madrigal::compose::Wiring;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_answered_with_its_place_and_seen_at_once_by_its_position() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_999, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let answer = anna.place(&[("lute", 3)], "tok_visa", &fresh_key()).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.problem());
    let order = answer.body;
    assert_eq!(order["summary"]["totalAmount"], 5_997);
    assert_eq!(order["summary"]["taxAmount"], 480);
    assert_eq!(order["summary"]["finalAmount"], 6_477);
    assert_eq!(order["currentStatus"], "confirmed");
    assert_eq!(order["customerInfo"]["email"], "anna@customers.example");
    assert_eq!(order["shippingAddress"]["city"], "Cremona");

    let path = format!("/v1/orders/{}", order["orderId"].as_str().unwrap());
    let position = answer.position.expect("a write says how far it reached");
    let read = anna.shop.request(Method::GET, &path).header("Madrigal-Position", &position);
    let read = anna.shop.send(read).await.unwrap();
    assert_eq!(read.status, 200, "{}", read.problem());
    assert_eq!(read.body, order, "the view says what the answer said");
    assert_eq!(read.etag.as_deref(), Some("\"3\""));

    let events = anna.shop.get(&format!("{path}/events")).await.unwrap();
    let types: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(types, ["OrderCreated", "PaymentProcessed", "OrderStatusChanged"]);
    assert_eq!(events["items"][0]["eventData"]["customer"]["name"], "Ottavia Quintavalle", "opened for its owner");
    let saga = anna.shop.get(&format!("/v1/sagas/{}", order["sagaId"].as_str().unwrap())).await.unwrap();
    assert_eq!(saga["definition"], "place-order");
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_speak_json_give_the_same_shop() {
    let shop = OneProcess::start_with(Wiring::round_trip()).await.unwrap();
    product(&shop.shop, "lute", 1_999, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let order = anna.must_place(&[("lute", 3)]).await.unwrap();
    let cancel = format!("/v1/orders/{}/cancel", order["orderId"].as_str().unwrap());
    anna.shop.post(&cancel, &json!({})).await.unwrap().ok().unwrap();
    let declined = anna.place(&[("lute", 3)], "tok_declined", &fresh_key()).await.unwrap();
    assert_eq!(declined.status, 402);
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_is_402_and_leaves_nothing() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_999, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    for token in ["tok_declined", "tok_insufficient", "tok_never_heard_of"] {
        let answer = anna.place(&[("lute", 1)], token, &fresh_key()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (402, Some("payment-declined")), "{token}");
    }
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.orders.len(), books.charged), (0, 0));
    assert_eq!(books.stock["lute"]["available"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_stock_is_409_naming_the_lines_and_charges_nothing() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_999, 2).await.unwrap();
    product(&shop.shop, "candle", 100, 50).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let answer = anna.place(&[("candle", 1), ("lute", 3)], "tok_visa", &fresh_key()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (409, Some("out-of-stock")));
    assert_eq!(answer.body["lines"], json!([{ "productId": "lute", "requested": 3, "available": 2 }]));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.orders.len(), books.charged), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_put_together_and_placed_by_the_saga() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    product(&shop.shop, "candle", 100, 50).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let key = fresh_key();
    let body = json!({ "draft": true, "items": [{ "productId": "lute", "quantity": 1 }] });
    let draft = anna.place_body(&body, &key).await.unwrap();
    assert_eq!(draft.status, 201, "{}", draft.problem());
    assert_eq!(draft.body["currentStatus"], "draft");
    let again = anna.place_body(&body, &key).await.unwrap();
    assert_eq!(again.body["orderId"], draft.body["orderId"], "the key makes it one draft");

    let path = format!("/v1/orders/{}", draft.body["orderId"].as_str().unwrap());
    let add = anna.shop.request(Method::POST, &format!("{path}/items"));
    let line = json!({ "productId": "candle", "quantity": 4 });
    let without_version = anna.shop.send(add.try_clone().unwrap().json(&line)).await.unwrap();
    assert_eq!(without_version.status, 428);
    let added = anna.shop.send(add.json(&line).header("If-Match", draft.etag.unwrap())).await.unwrap();
    assert_eq!(added.status, 200, "{}", added.problem());
    assert_eq!(added.body["summary"]["totalAmount"], 1_400);
    let stale = anna.shop.request(Method::DELETE, &format!("{path}/items/lute")).header("If-Match", "\"1\"");
    assert_eq!(anna.shop.send(stale).await.unwrap().status, 412);

    let place = json!({ "paymentMethod": { "token": "tok_visa" } });
    let request = || anna.shop.request(Method::POST, &format!("{path}/place")).json(&place);
    let placed = anna.shop.send(request().header("Idempotency-Key", "place-it")).await.unwrap();
    assert_eq!(placed.status, 201, "{}", placed.problem());
    assert_eq!(
        (placed.body["currentStatus"].as_str(), &placed.body["orderId"]),
        (Some("confirmed"), &draft.body["orderId"])
    );
    let twice = anna.shop.send(request().header("Idempotency-Key", "another")).await.unwrap();
    assert_eq!(twice.status, 409);
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}
