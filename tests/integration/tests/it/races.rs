//! Many at once.

use futures::future::join_all;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_a_thousand_times_at_once_is_one_order_one_charge_one_mail() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let answers = join_all((0..1_000).map(|_| anna.place(&[("lute", 1)], "tok_visa", "once"))).await;
    let mut orders: Vec<String> = answers
        .into_iter()
        .map(|answer| {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 201, "{}", answer.problem());
            answer.body["orderId"].as_str().unwrap().to_owned()
        })
        .collect();
    orders.dedup();
    assert_eq!(orders.len(), 1);
    let other = anna.place(&[("lute", 2)], "tok_visa", "once").await.unwrap();
    assert_eq!((other.status.as_u16(), other.body["code"].as_str()), (422, Some("idempotency-key-reused")));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.orders.len(), books.charged, books.stock["lute"]["sold"].as_i64()), (1, 1_080, Some(1)));
    assert_eq!(books.mails.values().sum::<usize>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_unit_ordered_by_two_hundred_buyers_at_once_is_sold_once() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "ticket", 4_200, 1).await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    let mut buyers = Vec::new();
    for number in 0..200 {
        buyers.push(Customer::register(&anonymous, &format!("buyer-{number}")).await.unwrap());
    }
    let answers = join_all(buyers.iter().map(|buyer| async {
        let key = fresh_key();
        buyer.place(&[("ticket", 1)], "tok_visa", &key).await.unwrap()
    }))
    .await;
    let sold = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409 && answer.body["code"] == "out-of-stock").count();
    assert_eq!((sold, refused), (1, 199));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.charged, books.stock["ticket"]["available"].as_i64()), (4_536, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_and_shipping_at_once_one_wins_and_the_books_balance() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let mut wins = [0, 0];
    for _ in 0..20 {
        let order = anna.must_place(&[("lute", 1)]).await.unwrap();
        let path = format!("/v1/orders/{}", order["orderId"].as_str().unwrap());
        let (cancel_path, ship_path) = (format!("{path}/cancel"), format!("{path}/ship"));
        let (no_reason, carrier) = (json!({}), json!({ "carrier": "Staffetta", "trackingNumber": "7" }));
        let cancel = anna.shop.post(&cancel_path, &no_reason);
        let ship = shop.shop.post(&ship_path, &carrier);
        let (cancelled, shipped) = futures::join!(cancel, ship);
        let statuses = [cancelled.unwrap().status.as_u16(), shipped.unwrap().status.as_u16()];
        match statuses {
            [200, 409] => wins[0] += 1,
            [409, 200] => wins[1] += 1,
            other => panic!("one of cancelling and shipping wins, the other is 409: {other:?}"),
        }
    }
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(books.in_status("cancelled").count(), wins[0]);
    assert_eq!(books.in_status("shipped").count(), wins[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_fifty_registrations_with_the_same_address_wins() {
    let shop = OneProcess::start().await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    let answers = join_all((0..50).map(|number| {
        let body = json!({
            "email": "Anna@Example.org", "username": format!("anna-{number}"), "password": madrigal_harness::PASSWORD,
            "profile": {},
        });
        let anonymous = anonymous.clone();
        async move { anonymous.post("/v1/users", &body).await.unwrap() }
    }))
    .await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 49, "{statuses:?}");
}
