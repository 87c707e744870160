//! Stopping and starting again on the same data.

use madrigal_harness::{Customer, OneProcess, fresh_key, product};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart_and_repeated_requests_are_recognised() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let key = fresh_key();
    let before = anna.place(&[("lute", 2)], "tok_visa", &key).await.unwrap();
    assert_eq!(before.status, 201, "{}", before.problem());
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();

    let shop = shop.restart().await.unwrap();
    let session = serde_json::json!({ "login": "anna", "password": madrigal_harness::PASSWORD });
    let session = shop.anonymous().unwrap().post("/v1/sessions", &session).await.unwrap().ok().unwrap();
    let anna = Customer { shop: shop.shop.with_token(session["token"].as_str().unwrap().to_owned()), ..anna };
    let again = anna.place(&[("lute", 2)], "tok_visa", &key).await.unwrap();
    assert_eq!((again.status.as_u16(), &again.body["orderId"]), (201, &before.body["orderId"]));
    let after = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(after.orders, books.orders);
    assert_eq!(after.stock, books.stock);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_shop_on_the_same_data_is_refused() {
    use madrigal::compose::{Wiring, compose_all};
    let shop = OneProcess::start().await.unwrap();
    let config = madrigal::config::Config { data: shop.data().to_owned(), ..Default::default() };
    let data = madrigal::data_dir::DataDir::open(shop.data()).unwrap();
    let host = madrigal_core::Host::system();
    let refused = compose_all(&config, &data, &host, None, &Wiring::direct()).await.unwrap_err();
    assert!(refused.to_string().contains("running already"), "{refused}");
}
