//! The story of an order, whatever became of it.

use madrigal::client::Shop;
use madrigal::compose::Wiring;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};
use madrigal_http::Switch;
use reqwest::Method;
use serde_json::{Value, json};

async fn shop_and_customer(wiring: Wiring) -> (OneProcess, Customer) {
    let shop = OneProcess::start_with(wiring).await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    (shop, anna)
}

async fn story(shop: &Shop, id: &str) -> Value {
    shop.get(&format!("/v1/orders/{id}/story")).await.unwrap()
}

/// The id of the only saga that this customer has.
async fn only_saga(anna: &Customer) -> String {
    let sagas = anna.shop.get("/v1/sagas").await.unwrap();
    let [saga] = sagas["items"].as_array().unwrap().as_slice() else { panic!("{sagas}") };
    saga["sagaId"].as_str().unwrap().to_owned()
}

fn kinds(story: &Value) -> Vec<&str> {
    story["timeline"].as_array().unwrap().iter().map(|moment| moment["kind"].as_str().unwrap()).collect()
}

fn in_order_of_time(story: &Value) {
    let times: Vec<_> =
        story["timeline"].as_array().unwrap().iter().map(|moment| moment["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let mut ids: Vec<_> =
        story["timeline"].as_array().unwrap().iter().map(|moment| moment["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "nothing is told twice: {ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_order_tells_everything_and_never_a_token() {
    let (shop, anna) = shop_and_customer(Wiring::round_trip()).await;
    let order = anna.must_place(&[("lute", 2)]).await.unwrap();
    let id = order["orderId"].as_str().unwrap();
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();

    let told = story(&shop.shop, id).await;
    in_order_of_time(&told);
    for kind in ["saga", "ReservationMade", "PaymentSucceeded", "OrderCreated", "ReservationConfirmed", "MailRequested"]
    {
        assert!(kinds(&told).contains(&kind), "{kind}: {:?}", kinds(&told));
    }
    assert_eq!(told["order"]["currentStatus"], "confirmed");
    assert_eq!((&told["payment"]["state"], &told["payment"]["amount"]["amount"]), (&json!("paid"), &json!(2_160)));
    let [line] = told["stock"].as_array().unwrap().as_slice() else { panic!("{}", told["stock"]) };
    assert_eq!((&line["productId"], &line["quantity"], &line["state"]), (&json!("lute"), &json!(2), &json!("sold")));
    assert_eq!((&told["saga"]["state"], &told["cancellation"]), (&json!("completed"), &Value::Null));
    assert_eq!(told["missing"], json!([]));
    assert_eq!(told["asOf"].as_object().unwrap().len(), 4);
    assert!(told["traceId"].as_str().is_some_and(|trace| trace.len() == 32), "{}", told["traceId"]);

    let own = story(&anna.shop, id).await;
    assert_eq!(own["mails"][0]["kind"], "order-confirmation");
    assert_eq!((&own["payment"]["events"], &own["stock"][0]["events"]), (&json!([]), &json!([])));
    for text in [told.to_string(), own.to_string()] {
        assert!(!text.contains("tok_visa"), "{text}");
    }

    let bob = Customer::register(&shop.anonymous().unwrap(), "bob").await.unwrap();
    let request = bob.shop.request(Method::GET, &format!("/v1/orders/{id}/story"));
    assert_eq!(bob.shop.send(request).await.unwrap().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_order_never_came_to_be_and_has_a_story_all_the_same() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    assert_eq!(anna.place(&[("lute", 1)], "tok_declined", &fresh_key()).await.unwrap().status, 402);
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let saga = only_saga(&anna).await;
    let by_saga = story(&anna.shop, &saga).await;
    let id = by_saga["orderId"].as_str().unwrap();
    assert_ne!(id, saga);
    let told = story(&anna.shop, id).await;
    in_order_of_time(&told);
    assert_eq!((&told["order"], &told["events"]), (&Value::Null, &json!([])));
    assert_eq!((&told["saga"]["sagaId"], &told["saga"]["state"]), (&json!(saga), &json!("compensated")));
    assert_eq!((&told["payment"]["state"], &told["stock"][0]["state"]), (&json!("declined"), &json!("released")));
    assert_eq!(told["mails"], json!([]));
    assert!(kinds(&told).contains(&"undo"), "{:?}", kinds(&told));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_out_of_stock_reserved_and_charged_nothing() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    assert_eq!(anna.place(&[("lute", 11)], "tok_visa", &fresh_key()).await.unwrap().status, 409);
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let told = story(&anna.shop, &only_saga(&anna).await).await;
    assert_eq!((&told["order"], &told["payment"], &told["stock"]), (&Value::Null, &Value::Null, &json!([])));
    let refused = told["timeline"].as_array().unwrap().iter().find(|moment| moment["outcome"] == "rejected").unwrap();
    assert_eq!((&refused["voice"], &refused["step"]), (&json!("catalog"), &json!("reserve-inventory")));
    assert!(refused["text"].as_str().unwrap().contains("out-of-stock"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_tells_how_everything_went_back() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let order = anna.must_place(&[("lute", 1)]).await.unwrap();
    let id = order["orderId"].as_str().unwrap();
    anna.shop.post(&format!("/v1/orders/{id}/cancel"), &json!({ "reason": "too loud" })).await.unwrap().ok().unwrap();
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let told = story(&shop.shop, id).await;
    in_order_of_time(&told);
    assert_eq!((&told["saga"]["state"], &told["cancellation"]["state"]), (&json!("completed"), &json!("completed")));
    assert_eq!((&told["payment"]["state"], &told["stock"][0]["state"]), (&json!("refunded"), &json!("returned")));
    assert_eq!(told["mails"].as_array().unwrap().len(), 2);
    let cancelled =
        told["timeline"].as_array().unwrap().iter().find(|moment| moment["kind"] == "OrderCancelled").unwrap();
    assert_eq!(cancelled["text"], "Cancelled: too loud");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_under_way_is_pending_until_its_pivot() {
    let (shop, anna) = shop_and_customer(Wiring::direct().switchable()).await;
    shop.switches().each("payment-service", Switch::down);
    let body = json!({ "items": [{ "productId": "lute", "quantity": 2 }], "paymentMethod": { "token": "tok_visa" } });
    let request = anna.shop.request(Method::POST, "/v1/orders").json(&body).header("Idempotency-Key", fresh_key());
    let answer = anna.shop.send(request.header("Prefer", "respond-async")).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.problem());
    let saga = answer.body["sagaId"].as_str().unwrap();
    // It waits for the payment with its stock held: prices are known from then on.
    let mut told = story(&anna.shop, saga).await;
    while told["order"]["items"][0]["price"].is_null() {
        told = story(&anna.shop, saga).await;
    }
    assert_eq!((&told["order"]["currentStatus"], &told["events"]), (&json!("pending"), &json!([])));
    assert_eq!(told["order"]["summary"]["finalAmount"], 2_160);
    assert_eq!(told["missing"].as_array().unwrap().len(), 1, "payment-service is down");
    let id = told["orderId"].as_str().unwrap().to_owned();
    let bob = Customer::register(&shop.anonymous().unwrap(), "bob").await.unwrap();
    let request = bob.shop.request(Method::GET, &format!("/v1/orders/{id}/story"));
    assert_eq!(bob.shop.send(request).await.unwrap().status, 404);

    shop.switches().each("payment-service", Switch::up);
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let told = story(&anna.shop, &id).await;
    assert_eq!((&told["order"]["currentStatus"], &told["payment"]["state"]), (&json!("confirmed"), &json!("paid")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_was_declined_first_tells_both_tries() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let body = json!({ "draft": true, "items": [{ "productId": "lute", "quantity": 1 }] });
    let draft = anna.place_body(&body, &fresh_key()).await.unwrap().ok().unwrap();
    let id = draft["orderId"].as_str().unwrap();
    let untouched = story(&anna.shop, id).await;
    assert_eq!((&untouched["order"]["currentStatus"], &untouched["saga"]), (&json!("draft"), &Value::Null));
    for (token, status) in [("tok_declined", 402), ("tok_visa", 201)] {
        let body = json!({ "paymentMethod": { "token": token } });
        let request = anna.shop.request(Method::POST, &format!("/v1/orders/{id}/place")).json(&body);
        let answer = anna.shop.send(request.header("Idempotency-Key", fresh_key())).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.problem());
    }
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let told = story(&anna.shop, id).await;
    assert_eq!((&told["saga"]["state"], &told["payment"]["state"]), (&json!("completed"), &json!("paid")));
    let [earlier] = told["earlierSagas"].as_array().unwrap().as_slice() else { panic!("{}", told["earlierSagas"]) };
    assert_eq!(earlier["state"], "compensated");
    assert!(kinds(&told).contains(&"PaymentDeclined") && kinds(&told).contains(&"PaymentSucceeded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_appended_once_beside_a_services_own_events_and_never_among_them() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let path = "/v1/logs/order-service/events";
    let append = async |shop: &Shop, key: &str, stream: &str, text: &str| {
        let body = json!({ "stream": stream, "eventType": "NoteTaken", "eventData": { "text": text } });
        shop.send(shop.request(Method::POST, path).json(&body).header("Idempotency-Key", key)).await.unwrap()
    };
    let first = append(&shop.shop, "a", "note-1", "so").await;
    let again = append(&shop.shop, "a", "note-1", "so").await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!((&first.body["repeated"], &again.body["repeated"]), (&json!(false), &json!(true)));
    assert_eq!((&first.body["eventId"], &first.body["version"]), (&again.body["eventId"], &json!(1)));
    let other = append(&shop.shop, "a", "note-1", "else").await;
    assert_eq!((other.status.as_u16(), &other.body["code"]), (422, &json!("idempotency-key-reused")));
    for stream in ["order-1", "saga-1", "stock-lute", "notes-1"] {
        let refused = append(&shop.shop, "b", stream, "so").await;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (409, &json!("reserved-stream")), "{stream}");
    }
    assert_eq!(append(&anna.shop, "c", "note-1", "so").await.status, 403);
    // Views and sagas pass over it.
    anna.must_place(&[("lute", 1)]).await.unwrap();
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let noted = shop.shop.get(&format!("{path}?stream=note-1")).await.unwrap();
    assert_eq!((&noted["streamVersion"], noted["items"].as_array().unwrap().len()), (&json!(1), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_order_has_a_story_of_its_own_part_only() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let line = json!({
        "userId": anna.id, "importKey": "basket-1", "createdAt": "2024-05-01T10:00:00Z", "currency": "USD",
        "items": [{ "productId": "gone", "quantity": 3, "lineTotal": 500, "name": "Gone" }],
    });
    let import = shop.shop.request(Method::POST, "/v1/orders/import").header("content-type", "application/x-ndjson");
    let answer = import.body(format!("{line}\n")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    let told: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let id = told["orderId"].as_str().unwrap_or_else(|| panic!("{text}"));
    let told = story(&shop.shop, id).await;
    assert_eq!(kinds(&told), ["OrderImported"]);
    assert_eq!((&told["saga"], &told["payment"], &told["stock"]), (&Value::Null, &Value::Null, &json!([])));
    assert_eq!((&told["missing"], &told["order"]["currentStatus"]), (&json!([]), &json!("delivered")));
}
