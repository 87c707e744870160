//! The calls of other services, and what the catalogue asks itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_catalog_service::CatalogNeighbours;
use madrigal_contracts::catalog::{
    ConfirmReservation, Confirmation, ProductQuantity, QuoteProducts, ReleaseReservation, Reservation, ReserveStock,
    ReturnStock,
};
use madrigal_contracts::order::{GetSagaStanding, SagaStanding};
use madrigal_core::{CallContext, Fault, FaultRetry};
use madrigal_http::{Answer, Calls, Neighbour};
use serde_json::json;

use crate::shop::Shop;

fn lines(lines: &[(&str, u32)]) -> Vec<ProductQuantity> {
    lines.iter().map(|(id, quantity)| ProductQuantity { product_id: (*id).to_owned(), quantity: *quantity }).collect()
}

fn reserve(saga: &str, asked: &[(&str, u32)]) -> ReserveStock {
    ReserveStock { saga_id: saga.to_owned(), order_id: "o1".to_owned(), lines: lines(asked) }
}

#[tokio::test]
async fn a_reservation_is_made_at_the_prices_of_its_moment() {
    let shop = Shop::new().await;
    shop.create("tea", 500, 10).await;
    let first = shop.call(reserve("s1", &[("tea", 2)])).await;
    let (status, ..) = shop
        .operator(http::Method::PATCH, "/v1/products/tea", &[("if-match", "\"1\"")], json!({"price": {"amount": 700}}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(shop.call(reserve("s1", &[("tea", 2)])).await, first);
    let Reservation::Reserved { lines, .. } = first else { panic!("{first:?}") };
    assert_eq!((lines[0].quote.price.amount, lines[0].quantity), (500, 2));
    let Reservation::Reserved { lines, .. } = shop.call(reserve("s2", &[("tea", 1)])).await else { panic!() };
    assert_eq!(lines[0].quote.price.amount, 700);
    let quotes = shop.call(QuoteProducts { product_ids: vec!["none".into(), "tea".into()] }).await;
    assert_eq!((quotes.len(), quotes[0].price.amount, quotes[0].orderable), (1, 700, true));
}

#[tokio::test]
async fn a_saga_reserves_confirms_and_returns_through_calls() {
    let shop = Shop::new().await;
    shop.create("tea", 500, 3).await;
    assert!(matches!(shop.call(reserve("s1", &[("tea", 3)])).await, Reservation::Reserved { .. }));
    let Reservation::OutOfStock { lines } = shop.call(reserve("s2", &[("tea", 1), ("none", 2)])).await else {
        panic!()
    };
    assert_eq!((lines[0].available, lines[1].available, lines[1].requested), (0, 0, 2));
    let confirmed = shop.call(ConfirmReservation { saga_id: "s1".into() }).await;
    assert!(matches!(confirmed, Confirmation::Sold { .. }));
    assert!(!shop.call(ReturnStock { saga_id: "s1".into() }).await.nothing_to_undo);
    let twice = shop.call(ReturnStock { saga_id: "s1".into() }).await;
    assert!(twice.nothing_to_undo);
    let (_, _, stock) = shop.read("/v1/products/tea/stock", &twice.position.to_string()).await;
    assert_eq!((&stock["onHand"], &stock["sold"], &stock["available"]), (&json!(3), &json!(0), &json!(3)));
    assert!(shop.call(ReleaseReservation { saga_id: "s9".into() }).await.nothing_to_undo);
    assert_eq!(shop.call(reserve("s9", &[("tea", 1)])).await, Reservation::Released);
    assert_eq!(shop.call(ConfirmReservation { saga_id: "s8".into() }).await, Confirmation::Unknown);
}

#[tokio::test]
async fn malformed_calls_are_mistakes_that_no_retry_mends() {
    let shop = Shop::new().await;
    shop.create("tea", 500, 3).await;
    let many: Vec<(String, u32)> = (0..501).map(|n| (format!("p{n}"), 1)).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|(id, quantity)| (id.as_str(), *quantity)).collect();
    for odd in [
        reserve("", &[("tea", 1)]),
        reserve("a b", &[("tea", 1)]),
        reserve("s", &[]),
        reserve("s", &[("tea", 0)]),
        reserve("s", &[("tea", 1), ("tea", 1)]),
        reserve("s", &many),
        ReserveStock { order_id: String::new(), ..reserve("s", &[("tea", 1)]) },
    ] {
        let neighbour = Neighbour::in_process(shop.service.calls());
        let fault = neighbour.call(&CallContext::new(&shop.host), odd).await.unwrap_err();
        assert_eq!(fault.retry, FaultRetry::Never, "{}", fault.chain());
    }
}

/// Answers what the test says; about one saga it cannot.
struct Orders(Mutex<SagaStanding>);

#[async_trait]
impl Answer<GetSagaStanding> for Orders {
    async fn answer(&self, _: CallContext, call: GetSagaStanding) -> Result<SagaStanding, Fault> {
        match call.saga_id.as_str() {
            "s0" => Err(Fault::permanent("test", "read", "unreadable")),
            _ => Ok(*self.0.lock().unwrap()),
        }
    }
}

#[tokio::test]
async fn an_old_reservation_is_released_only_when_its_saga_is_over() {
    let orders = Arc::new(Orders(Mutex::new(SagaStanding::Live)));
    let calls = Arc::new(Calls::new("order-service").on::<GetSagaStanding>(Arc::clone(&orders)));
    let neighbours = CatalogNeighbours { orders: Some(Neighbour::in_process(calls)) };
    let shop = Shop::with(neighbours, Duration::ZERO).await;
    shop.create("tea", 500, 9).await;
    for saga in ["s0", "s1", "s2"] {
        let made = shop.call(reserve(saga, &[("tea", 3)])).await;
        let Reservation::Reserved { position, .. } = made else { panic!("{made:?}") };
        for control in shop.service.projections() {
            let (_, position) = position.component(shop.service.store().log()).unwrap();
            while control.applied_through().is_none_or(|checkpoint| checkpoint.position < position) {
                tokio::task::yield_now().await;
            }
        }
    }
    for keeps in [SagaStanding::Live, SagaStanding::Committed] {
        *orders.0.lock().unwrap() = keeps;
        assert_eq!(shop.service.expiry().round().await.unwrap(), 0, "{keeps:?}");
    }
    *orders.0.lock().unwrap() = SagaStanding::Undone;
    assert_eq!(shop.service.expiry().round().await.unwrap(), 2);
    assert!(matches!(shop.call(reserve("s3", &[("tea", 6)])).await, Reservation::Reserved { .. }));
    let late = shop.call(ConfirmReservation { saga_id: "s1".into() }).await;
    assert!(matches!(late, Confirmation::AfterRelease { .. }));
}

#[tokio::test]
async fn a_young_reservation_is_never_asked_about() {
    let orders = Arc::new(Orders(Mutex::new(SagaStanding::Unknown)));
    let calls = Arc::new(Calls::new("order-service").on::<GetSagaStanding>(orders));
    let neighbours = CatalogNeighbours { orders: Some(Neighbour::in_process(calls)) };
    let shop = Shop::with(neighbours, Duration::from_secs(60)).await;
    shop.create("tea", 500, 9).await;
    let made = shop.call(reserve("s1", &[("tea", 3)])).await;
    let Reservation::Reserved { position, .. } = made else { panic!("{made:?}") };
    shop.read("/v1/products/tea", &position.to_string()).await;
    assert_eq!(shop.service.expiry().round().await.unwrap(), 0);
}

#[tokio::test]
async fn everything_is_there_after_a_restart_with_or_without_snapshots_and_views() {
    let shop = Shop::new().await;
    shop.create("tea", 500, 5_000).await;
    // More events than a snapshot takes.
    for round in 0..600 {
        shop.call(reserve(&format!("s{round}"), &[("tea", 1)])).await;
    }
    shop.call(ConfirmReservation { saga_id: "s7".into() }).await;
    let first = shop.call(reserve("s7", &[("tea", 1)])).await;
    let shop = shop.restarted(|_| {}).await;
    assert_eq!(shop.call(reserve("s7", &[("tea", 1)])).await, first);
    let expected = json!([5000, 4999, 599, 1, 4400]);
    let books = |stock: &serde_json::Value| {
        json!([stock["received"], stock["onHand"], stock["reserved"], stock["sold"], stock["available"]])
    };
    let last = shop.call(ReleaseReservation { saga_id: "never".into() }).await;
    let (_, _, stock) = shop.read("/v1/products/tea/stock", &last.position.to_string()).await;
    assert_eq!(books(&stock), expected);
    shop.service.snapshots().clear().await.unwrap();
    let shop = shop
        .restarted(|dir| {
            for name in ["views.sqlite", "views.sqlite-wal", "views.sqlite-shm"] {
                let _ = std::fs::remove_file(dir.join(name));
            }
            std::fs::remove_dir_all(dir.join("search")).unwrap();
        })
        .await;
    let last = shop.call(ReleaseReservation { saga_id: "s8".into() }).await;
    let (_, _, stock) = shop.read("/v1/products/tea/stock", &last.position.to_string()).await;
    assert_eq!(books(&stock), json!([5000, 4999, 598, 1, 4401]));
}
