//! Stock over HTTP.

use http::Method;
use serde_json::json;

use crate::shop::Shop;

#[tokio::test]
async fn an_operator_receives_and_corrects_within_what_is_available() {
    let shop = Shop::new().await;
    shop.create("tea", 5, 10).await;
    let path = "/v1/products/tea/stock";
    let change = |change: i64| json!({"change": change, "reason": "delivery 4711"});
    let (status, headers, stock) = shop.operator(Method::POST, path, &[], change(50)).await;
    assert_eq!(status, 200, "{stock}");
    assert_eq!(
        stock,
        json!({"productId": "tea", "received": 60, "adjusted": 0, "onHand": 60, "reserved": 0, "sold": 0,
            "available": 60, "version": 2})
    );
    assert_eq!(shop.read(path, headers["madrigal-position"].to_str().unwrap()).await.2, stock);
    let (_, _, stock) = shop.operator(Method::POST, path, &[], change(-60)).await;
    assert_eq!((&stock["adjusted"], &stock["onHand"]), (&json!(-60), &json!(0)));
    for (odd, code) in [(-1, "stock-overdrawn"), (i64::MIN, "stock-overdrawn"), (i64::MAX, "stock-overflow")] {
        let (status, _, problem) = shop.operator(Method::POST, path, &[], change(odd)).await;
        assert_eq!((status.as_u16(), &problem["code"]), (409, &json!(code)), "{odd}");
    }
}

#[tokio::test]
async fn odd_changes_of_stock_are_refused() {
    let shop = Shop::new().await;
    shop.create("tea", 5, 10).await;
    let path = "/v1/products/tea/stock";
    for odd in [
        json!({"change": 0, "reason": "x"}),
        json!({"change": 1.5, "reason": "x"}),
        json!({"change": "1", "reason": "x"}),
        json!({"change": 9_223_372_036_854_775_808_u64, "reason": "x"}),
        json!({"change": 1}),
        json!({"change": 1, "reason": ""}),
        json!({"change": 1, "reason": "x", "onHand": 5}),
        json!({"change": 1, "reason": "a\u{0}"}),
    ] {
        let (status, _, problem) = shop.operator(Method::POST, path, &[], &odd).await;
        assert_eq!(status, 422, "{odd} {problem}");
    }
    let fine = json!({"change": 1, "reason": "x"});
    assert_eq!(shop.operator(Method::POST, "/v1/products/none/stock", &[], &fine).await.0, 404);
    assert_eq!(shop.anonymous(Method::POST, path, &[], &fine).await.0, 401);
    assert_eq!(shop.customer(Method::POST, path, &fine).await.0, 403);
    assert_eq!(shop.anonymous(Method::GET, path, &[], ()).await.0, 401);
    assert_eq!(shop.customer(Method::GET, path, ()).await.0, 403);
}
