//! Ratings over HTTP, with an order-service that knows who received what.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use madrigal_catalog_service::CatalogNeighbours;
use madrigal_consistency::{RepairRow, Repaired};
use madrigal_contracts::order::{HasReceived, Receipt};
use madrigal_contracts::rows::RepairCopy;
use madrigal_core::{CallContext, Fault};
use madrigal_http::{Answer, Calls, Neighbour};
use serde_json::json;

use crate::shop::Shop;

struct Orders;

#[async_trait]
impl Answer<HasReceived> for Orders {
    async fn answer(&self, _: CallContext, call: HasReceived) -> Result<Receipt, Fault> {
        Ok(Receipt { received: call.user_id.0 == 42 && call.product_id != "never" })
    }
}

async fn shop() -> Shop {
    let calls = Arc::new(Calls::new("order-service").on::<HasReceived>(Arc::new(Orders)));
    let neighbours = CatalogNeighbours { orders: Some(Neighbour::round_trip(calls)) };
    Shop::with(neighbours, Duration::from_secs(900)).await
}

#[tokio::test]
async fn whoever_received_a_product_rates_it_once() {
    let shop = shop().await;
    shop.create("tea", 500, 10).await;
    shop.create("milk", 500, 10).await;
    shop.create("never", 500, 10).await;
    let path = "/v1/products/tea/ratings";
    for (body, status) in
        [(json!({"stars": 0}), 422), (json!({"stars": 6}), 422), (json!({"stars": 4.5}), 422), (json!({}), 422)]
    {
        assert_eq!(shop.customer(Method::POST, path, &body).await.0, status, "{body}");
    }
    let (status, _, answer) = shop.customer(Method::POST, path, json!({"stars": 4})).await;
    assert_eq!((status.as_u16(), answer), (201, json!({"productId": "tea", "stars": 4})));
    let (status, _, problem) = shop.customer(Method::POST, path, json!({"stars": 5})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("product-already-rated")));
    let (status, _, problem) = shop.customer(Method::POST, "/v1/products/never/ratings", json!({"stars": 5})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("product-not-received")));
    let (status, ..) = shop.customer(Method::POST, "/v1/products/none/ratings", json!({"stars": 5})).await;
    assert_eq!(status, 404);
    assert_eq!(shop.operator(Method::POST, path, &[], json!({"stars": 5})).await.0, 403);
    assert_eq!(shop.anonymous(Method::POST, path, &[], json!({"stars": 5})).await.0, 401);

    let position = shop.create("last", 1, 1).await;
    let (_, headers, product) = shop.read("/v1/products/tea", &position).await;
    assert_eq!(product["ratings"], json!({"average": 4.0, "count": 1, "distribution": [0, 0, 0, 1, 0]}));
    assert_eq!(headers["etag"], "\"1\"", "a rating is no change of the product");
    assert_eq!(shop.ids(&position, "sort=rating&limit=1").await, ["tea"]);
    let (_, _, changed) =
        shop.operator(Method::PATCH, "/v1/products/tea", &[("if-match", "\"1\"")], json!({"name": "Tea"})).await;
    assert_eq!(changed["ratings"]["count"], 1);
}

#[tokio::test]
async fn of_two_ratings_at_the_same_time_one_counts() {
    let shop = shop().await;
    shop.create("tea", 500, 10).await;
    let rate = |stars| shop.customer(Method::POST, "/v1/products/tea/ratings", json!({ "stars": stars }));
    let (one, other) = tokio::join!(rate(1), rate(5));
    let mut statuses = [one.0.as_u16(), other.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_product_that_is_missing_in_the_view_comes_back_with_its_ratings() {
    let shop = shop().await;
    shop.create("tea", 500, 10).await;
    let (status, ..) = shop.customer(Method::POST, "/v1/products/tea/ratings", json!({"stars": 4})).await;
    assert_eq!(status, 201);
    shop.create("tea2", 500, 10).await;
    let position = shop.create("last", 1, 1).await;
    let before = shop.read("/v1/products/tea", &position).await.2;
    assert_eq!(before["ratings"]["count"], 1);
    let shop = shop
        .restarted(|dir| {
            let file = madrigal_sqlite::sql::Connection::open(dir.join("views.sqlite")).unwrap();
            assert_eq!(file.execute("DELETE FROM view_products_1 WHERE key = 'tea'", []).unwrap(), 1);
        })
        .await;
    // Not read before: that there is nothing would be remembered for some seconds.
    let repair = RepairRow { key: "tea".to_owned(), seen: None, fields: Vec::new(), row: None };
    let repaired = shop.call(RepairCopy { set: "products.view".to_owned(), repair }).await;
    assert_eq!(repaired, Repaired::Done);
    assert_eq!(shop.read("/v1/products/tea", &position).await.2, before);
}
