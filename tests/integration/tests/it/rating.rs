//! Rating what one received.

use madrigal::client::Answer;
use madrigal_harness::{Customer, OneProcess, product};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_received_a_product_may_rate_it_once_and_everybody_sees_it() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    product(&shop.shop, "harp", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let bert = Customer::register(&shop.anonymous().unwrap(), "bert").await.unwrap();
    let order = anna.must_place(&[("lute", 1)]).await.unwrap();
    let path = format!("/v1/orders/{}", order["orderId"].as_str().unwrap());
    let stars = json!({ "stars": 5 });
    let code = |answer: Answer| (answer.status.as_u16(), answer.body["code"].as_str().map(ToOwned::to_owned));
    let not_received = (409, Some("product-not-received".to_owned()));

    shop.shop
        .post(&format!("{path}/ship"), &json!({ "carrier": "x", "trackingNumber": "1" }))
        .await
        .unwrap()
        .ok()
        .unwrap();
    assert_eq!(code(anna.shop.post("/v1/products/lute/ratings", &stars).await.unwrap()), not_received, "on its way");
    shop.shop.post(&format!("{path}/deliver"), &Value::Null).await.unwrap().ok().unwrap();
    // The order view follows; until then the answer is the one of before.
    let rated = loop {
        let answer = anna.shop.post("/v1/products/lute/ratings", &stars).await.unwrap();
        if answer.status != 409 {
            break answer;
        }
    };
    assert_eq!(rated.status, 201);
    let again = anna.shop.post("/v1/products/lute/ratings", &stars).await.unwrap();
    assert_eq!(code(again), (409, Some("product-already-rated".to_owned())));
    assert_eq!(code(anna.shop.post("/v1/products/harp/ratings", &stars).await.unwrap()), not_received);
    assert_eq!(code(bert.shop.post("/v1/products/lute/ratings", &stars).await.unwrap()), not_received);
    let anonymous = shop.anonymous().unwrap();
    loop {
        let found = anonymous.get("/v1/products/search?sort=rating&limit=1").await.unwrap();
        if found["items"][0]["ratings"]["count"] == 1 {
            assert_eq!(found["items"][0]["productId"], "lute");
            break;
        }
    }
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}
