//! Importing orders of the past.

use std::collections::HashSet;

use futures::future::join_all;
use madrigal::client::Shop;
use madrigal_harness::{Customer, OneProcess, product};
use reqwest::Method;
use serde_json::{Value, json};

async fn import(shop: &Shop, lines: &str) -> Vec<Value> {
    let request = shop.request(Method::POST, "/v1/orders/import").header("Content-Type", "application/x-ndjson");
    let (status, text) = shop.send_for_text(request.body(lines.to_owned())).await.unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&text));
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn past(key: &str, username: &str, created_at: &str) -> Value {
    json!({ "importKey": key, "customer": { "username": username }, "createdAt": created_at, "currency": "USD",
        "items": [
            { "productId": "lute", "name": "A lute of long ago", "quantity": 3, "lineTotal": 500 },
            { "productId": "gone", "quantity": 1, "lineTotal": 0 },
        ] })
}

fn lines(bodies: &[Value]) -> String {
    bodies.iter().map(|body| format!("{body}\n")).collect()
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

fn outcomes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

/// What the view says once it has seen everything.
async fn orders(shop: &OneProcess) -> Vec<Value> {
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap().orders
}

#[tokio::test(flavor = "multi_thread")]
async fn past_orders_keep_what_they_were_and_the_books_hold_beside_new_ones() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let placed = anna.must_place(&[("lute", 2)]).await.unwrap();
    let bodies = [
        past("b1", "ANNA", "2017-03-04T05:06:07Z"),
        with(past("b2", "anna", "2017-03-04T05:06:06+01:00"), "taxAmount", json!(40)),
    ];
    let results = import(&shop.shop, &lines(&bodies)).await;
    assert_eq!(outcomes(&results), ["imported", "imported"], "{results:?}");
    let listed = orders(&shop).await;
    let (first, second) = (results[0]["orderId"].clone(), results[1]["orderId"].clone());
    let ids: Vec<&Value> = listed.iter().map(|order| &order["orderId"]).collect();
    assert_eq!(ids, [&placed["orderId"], &first, &second], "newest first, by their own dates");

    let order = anna.shop.get(&format!("/v1/orders/{}", first.as_str().unwrap())).await.unwrap();
    let expected = json!({
        "createdAt": "2017-03-04T05:06:07Z", "currentStatus": "delivered", "currency": "USD", "imported": true, "version": 1,
        "summary": { "itemCount": 4, "totalAmount": 500, "discountAmount": 0, "taxAmount": 0, "finalAmount": 500 },
        "customerInfo": { "name": "Ottavia Quintavalle", "email": "anna@customers.example" },
        "items": [
            { "productId": "lute", "name": "A lute of long ago", "discount": 0, "quantity": 3,
                "lineTotal": { "amount": 500, "currency": "USD" } },
            { "productId": "gone", "name": "gone", "discount": 0, "quantity": 1, "lineTotal": { "amount": 0, "currency": "USD" } },
        ],
        "sagaId": null, "payment": null,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&order[field], value, "{field}");
    }
    let stamps: Vec<&Value> = order["timeline"].as_array().unwrap().iter().map(|entry| &entry["timestamp"]).collect();
    assert!(stamps.iter().all(|stamp| **stamp == json!("2017-03-04T05:06:07Z")), "{stamps:?}");
    assert_eq!(listed[2]["summary"]["finalAmount"], 540);
    assert_eq!(listed[2]["createdAt"], "2017-03-04T04:06:06Z");

    let events = anna.shop.get(&format!("/v1/orders/{}/events", first.as_str().unwrap())).await.unwrap();
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
    assert_eq!(events["items"][0]["eventType"], "OrderImported");
    assert_eq!(events["items"][0]["eventData"]["customer"]["email"], "anna@customers.example", "opened");
    let own = anna.shop.get("/v1/orders?status=delivered").await.unwrap();
    assert_eq!(own["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_order_stays_as_it_is() {
    let shop = OneProcess::start().await.unwrap();
    Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let body = past("b1", "anna", "2017-03-04T05:06:07Z");
    let results = import(&shop.shop, &lines(std::slice::from_ref(&body))).await;
    let path = format!("/v1/orders/{}", results[0]["orderId"].as_str().unwrap());
    let ship = json!({ "carrier": "x", "trackingNumber": "1" });
    for (verb, body) in [("cancel", json!({})), ("ship", ship), ("deliver", Value::Null)] {
        let answer = shop.shop.post(&format!("{path}/{verb}"), &body).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (409, Some("order-status")), "{verb}");
    }
    let shop = shop.restart().await.unwrap();
    let again = import(&shop.shop, &lines(std::slice::from_ref(&body))).await;
    assert_eq!(outcomes(&again), ["known"]);
    for (field, value) in [
        ("taxAmount", json!(1)),
        ("currency", json!("EUR")),
        ("items", json!([{ "productId": "lute", "quantity": 3, "lineTotal": 501 }])),
    ] {
        let other = import(&shop.shop, &lines(&[with(body.clone(), field, value)])).await;
        assert_eq!(
            (outcomes(&other), &other[0]["problem"]["code"]),
            (vec!["refused"], &json!("order-exists")),
            "{field}"
        );
    }
    let books = orders(&shop).await;
    assert_eq!((books.len(), &books[0]["summary"]["finalAmount"]), (1, &json!(500)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_placed_here_is_never_overwritten() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let placed = anna.must_place(&[("lute", 2)]).await.unwrap();
    let body = with(past("b1", "anna", "2017-03-04T05:06:07Z"), "orderId", placed["orderId"].clone());
    let results = import(&shop.shop, &lines(&[body])).await;
    assert_eq!(results[0]["problem"]["code"], "order-exists");
    let books = orders(&shop).await;
    assert_eq!((books.len(), &books[0]["currentStatus"]), (1, &json!("confirmed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_line_is_refused_with_its_reason_and_spoils_no_other() {
    let shop = OneProcess::start().await.unwrap();
    Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let good = |key: &str| past(key, "anna", "2017-03-04T05:06:07Z");
    let huge = json!([
        { "productId": "a", "quantity": 1, "lineTotal": i64::MAX }, { "productId": "b", "quantity": 1, "lineTotal": 1 },
    ]);
    let line = json!({ "productId": "a", "quantity": 1, "lineTotal": 1 });
    let many = Value::from(vec![line.clone(); 501]);
    let item = |field: &str, value: Value| json!([with(line.clone(), field, value)]);
    let without = |field: &str| {
        let mut body = good("x");
        body.as_object_mut().unwrap().remove(field);
        body.to_string()
    };
    let wrong = |field: &str, value: Value| with(good("x"), field, value).to_string();
    let both = with(good("x"), "userId", json!(1)).to_string();
    let cases: Vec<(String, &str, &str)> = vec![
        ("{\"importKey\":".to_owned(), "malformed-json", ""),
        (String::new(), "blank-line", ""),
        ("[]".to_owned(), "invalid-body", ""),
        (format!("{{\"x\":\"{}\"}}", "x".repeat(300 * 1024)), "line-too-long", ""),
        (wrong("items", json!([])), "invalid-body", "/items"),
        (wrong("items", many), "invalid-body", "/items"),
        (wrong("items", huge), "order-refused", "/items"),
        (wrong("items", item("quantity", json!(0))), "invalid-body", "/items/0/quantity"),
        (wrong("items", item("quantity", json!(1.5))), "invalid-body", "/items/0/quantity"),
        (wrong("items", item("quantity", json!(5_000_000_000_u64))), "invalid-body", "/items/0/quantity"),
        (wrong("items", item("lineTotal", json!(-1))), "invalid-body", "/items/0/lineTotal"),
        (wrong("items", item("lineTotal", json!(1e30))), "invalid-body", "/items/0/lineTotal"),
        (wrong("items", item("productId", json!(""))), "invalid-body", "/items/0/productId"),
        (wrong("items", item("price", json!(1))), "invalid-body", "/items/0/price"),
        (wrong("createdAt", json!("2999-01-01T00:00:00Z")), "invalid-body", "/createdAt"),
        (wrong("createdAt", json!("1969-12-31T23:59:59Z")), "invalid-body", "/createdAt"),
        (wrong("createdAt", json!("yesterday")), "invalid-body", "/createdAt"),
        (without("createdAt"), "invalid-body", "/createdAt"),
        (wrong("currency", json!("usd")), "invalid-body", "/currency"),
        (wrong("taxAmount", json!(-1)), "invalid-body", "/taxAmount"),
        (wrong("taxAmount", json!(i64::MAX)), "order-refused", "/items"),
        (without("importKey"), "invalid-body", "/importKey"),
        (without("customer"), "invalid-body", "/userId"),
        (both, "invalid-body", "/userId"),
        (wrong("orderId", json!("../x")), "invalid-body", "/orderId"),
        (wrong("customer", json!({ "username": "nobody" })), "unknown-user", "/customer/username"),
        (
            with(serde_json::from_str(&without("customer")).unwrap(), "userId", json!(4711)).to_string(),
            "unknown-user",
            "/userId",
        ),
        (wrong("shippingAddress", json!({ "x": "x".repeat(9_000) })), "invalid-body", "/shippingAddress"),
        (wrong("draft", json!(true)), "invalid-body", "/draft"),
    ];
    let mut file = String::new();
    for (index, (text, ..)) in cases.iter().enumerate() {
        file.push_str(&format!("{}\n{text}\n", good(&format!("good-{index}"))));
    }
    let results = import(&shop.shop, &file).await;
    assert_eq!(results.len(), cases.len() * 2);
    assert!(results.iter().enumerate().all(|(index, result)| result["line"] == index + 1));
    for (pair, (text, code, pointer)) in results.chunks(2).zip(&cases) {
        let text: String = text.chars().take(200).collect();
        assert_eq!(pair[0]["outcome"], "imported", "before {text}: {}", pair[0]);
        assert_eq!((&pair[1]["outcome"], &pair[1]["problem"]["code"]), (&json!("refused"), &json!(code)), "{text}");
        let pointers: Vec<&Value> =
            pair[1]["problem"]["errors"].as_array().into_iter().flatten().map(|error| &error["pointer"]).collect();
        assert!(*code != "invalid-body" || pointers == [&json!(pointer)], "{text}: {}", pair[1]);
    }
    assert_eq!(orders(&shop).await.len(), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_and_at_once_a_file_comes_its_orders_are_there_once() {
    const ORDERS: usize = 600;
    let shop = OneProcess::start().await.unwrap();
    Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let mut bodies: Vec<Value> =
        (0..ORDERS).map(|number| past(&format!("b{number}"), "anna", "2017-03-04T05:06:07Z")).collect();
    bodies.insert(1, bodies[0].clone());
    bodies.insert(2, with(bodies[0].clone(), "taxAmount", json!(7)));
    let file = lines(&bodies);
    let rounds = join_all((0..4).map(|_| import(&shop.shop, &file))).await;
    let count = |outcome: &str| rounds.iter().flatten().filter(|result| result["outcome"] == outcome).count();
    assert_eq!((count("imported"), count("known"), count("refused")), (ORDERS, 3 * ORDERS + 4, 4));
    let ids: HashSet<String> = orders(&shop).await.iter().map(|order| order["orderId"].to_string()).collect();
    assert_eq!(ids.len(), ORDERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_and_services_import_and_only_lines() {
    let shop = OneProcess::start().await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let answer = |shop: Shop, media_type: &'static str| async move {
        let request = shop.request(Method::POST, "/v1/orders/import").header("Content-Type", media_type).body("{}\n");
        shop.send_for_text(request).await.unwrap().0.as_u16()
    };
    assert_eq!(answer(anna.shop.clone(), "application/x-ndjson").await, 403);
    assert_eq!(answer(shop.anonymous().unwrap(), "application/x-ndjson").await, 401);
    assert_eq!(answer(shop.shop.clone(), "application/json").await, 415);
    let service = shop.shop.with_token(shop.token("seeder", madrigal_http::Role::Service));
    assert_eq!(answer(service, "application/x-ndjson").await, 200);
}
