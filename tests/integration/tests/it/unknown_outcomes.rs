//! Answers that do not come: they end charged exactly once or not at all, never an order without payment or the reverse.

use madrigal::compose::Wiring;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};

async fn shop_and_customer(wiring: Wiring) -> (OneProcess, Customer) {
    let shop = OneProcess::start_with(wiring).await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    (shop, anna)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_charges_and_answers_too_late_charges_once() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let answer = anna.place(&[("lute", 1)], "tok_timeout_paid", &fresh_key()).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.problem());
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.orders.len(), books.charged, books.refunded), (1, 1_080, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_never_charges_and_answers_too_late_ends_without_order_and_charge() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let answer = anna.place(&[("lute", 1)], "tok_timeout_unpaid", &fresh_key()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (402, Some("payment-unconfirmed")));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!((books.orders.len(), books.charged - books.refunded), (0, 0));
    assert_eq!(books.stock["lute"]["available"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_twice_is_asked_again() {
    let (shop, anna) = shop_and_customer(Wiring::direct()).await;
    let answer = anna.place(&[("lute", 1)], "tok_flaky", &fresh_key()).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.problem());
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_notification_service_down_orders_are_answered_and_mails_follow() {
    let (shop, anna) = shop_and_customer(Wiring::direct().switchable()).await;
    shop.switches().each("notification-service", madrigal_http::Switch::down);
    for _ in 0..5 {
        anna.must_place(&[("lute", 1)]).await.unwrap();
    }
    let waiting = madrigal_invariants::open_sagas(&shop.shop).await.unwrap();
    assert_eq!(waiting.len(), 5, "the sagas wait for their mails: {waiting:?}");
    shop.switches().each("notification-service", madrigal_http::Switch::up);
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(books.mails.values().sum::<usize>(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_whose_answers_are_lost_have_their_effects_once() {
    for service in ["catalog-service", "payment-service"] {
        let (shop, anna) = shop_and_customer(Wiring::direct().switchable()).await;
        shop.switches().each(service, madrigal_http::Switch::lose_answers);
        let key = fresh_key();
        // The catalogue is asked for prices before anything begins: then a lost answer is told, and the key stays free.
        let answer = anna.place(&[("lute", 1)], "tok_visa", &key).await.unwrap();
        shop.switches().each(service, madrigal_http::Switch::up);
        if answer.status == 503 {
            assert_eq!(anna.place(&[("lute", 1)], "tok_visa", &key).await.unwrap().status, 201);
        } else {
            assert!([201, 202, 402].contains(&answer.status.as_u16()), "{}", answer.problem());
        }
        madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    }
}
