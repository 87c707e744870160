//! Products over HTTP.

use http::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

fn tea() -> Value {
    json!({
        "productId": "tea-1", "name": "Green tea", "description": "leaves",
        "category": [{"id": "c1", "name": "Tea", "path": "Drinks/Tea"}],
        "price": {"amount": 1999, "currency": "EUR", "discount": 250},
        "attributes": [{"name": "weight", "value": "500", "unit": "g"}],
        "tags": ["green"], "brand": "Sencha", "status": "active", "initialStock": 100
    })
}

/// A product as answers to writes have it.
fn without_times(read: &Value) -> Value {
    let mut product = read.clone();
    product.as_object_mut().unwrap().retain(|field, _| !matches!(field.as_str(), "createdAt" | "updatedAt"));
    product
}

#[tokio::test]
async fn a_product_is_created_and_read_with_its_position() {
    let shop = Shop::new().await;
    let (status, headers, created) = shop.operator(Method::POST, "/v1/products", &[], tea()).await;
    assert_eq!(
        (status.as_u16(), &headers["location"], &headers["etag"]),
        (201, &"/v1/products/tea-1".parse().unwrap(), &"\"1\"".parse().unwrap())
    );
    let position = headers["madrigal-position"].to_str().unwrap();
    let (status, headers, read) =
        shop.anonymous(Method::GET, "/v1/products/tea-1", &[("madrigal-position", position)], ()).await;
    assert_eq!((status.as_u16(), &headers["etag"]), (200, &"\"1\"".parse().unwrap()));
    assert_eq!(without_times(&read), created);
    assert_eq!(read["effectivePrice"], 1949);
    assert!(read["createdAt"].is_string() && read["updatedAt"] == read["createdAt"], "{read}");
    assert_eq!(read["inventory"], json!({"quantity": 100, "reserved": 0, "available": 100}));
    assert_eq!(read["ratings"], json!({"average": 0.0, "count": 0, "distribution": [0, 0, 0, 0, 0]}));
    for field in ["name", "description", "category", "price", "attributes", "tags", "brand", "status"] {
        assert_eq!(read[field], tea()[field], "{field}");
    }
    let (status, _, problem) = shop.operator(Method::POST, "/v1/products", &[], tea()).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("product-exists")));
}

#[tokio::test]
async fn an_id_is_made_up_where_none_is_given() {
    let shop = Shop::new().await;
    let body = json!({"name": "x", "price": {"amount": 0, "currency": "EUR"}});
    let (_, _, first) = shop.operator(Method::POST, "/v1/products", &[], &body).await;
    let (_, _, second) = shop.operator(Method::POST, "/v1/products", &[], &body).await;
    assert!(first["productId"].as_str().unwrap() < second["productId"].as_str().unwrap());
}

#[tokio::test]
async fn bad_products_are_refused_with_every_error_named() {
    let shop = Shop::new().await;
    let with = |field: &str, value: Value| {
        let mut body = tea();
        body[field] = value;
        body
    };
    let price = |amount: Value| json!({"amount": amount, "currency": "EUR"});
    for (body, pointer) in [
        (with("price", price(json!(-1))), "/price/amount"),
        (with("price", price(json!(1.5))), "/price/amount"),
        (with("price", price(json!(9_223_372_036_854_775_808_u64))), "/price/amount"),
        (with("price", price(json!(1_000_000_000_001_i64))), "/price/amount"),
        (with("price", json!({"amount": 1, "currency": "euro"})), "/price/currency"),
        (with("price", json!({"amount": 1, "currency": "EUR", "discount": 10001})), "/price/discount"),
        (with("price", json!({"amount": 1, "currency": "EUR", "vat": 1})), "/price/vat"),
        (with("name", json!("")), "/name"),
        (with("name", json!("a\u{0}b")), "/name"),
        (with("name", json!(null)), "/name"),
        (with("name", json!("x".repeat(201))), "/name"),
        (with("initialStock", json!(-1)), "/initialStock"),
        (with("initialStock", json!(i64::MAX)), "/initialStock"),
        (with("productId", json!("a b")), "/productId"),
        (with("productId", json!("x".repeat(65))), "/productId"),
        (with("productId", json!(null)), "/productId"),
        (with("status", json!("withdrawn")), "/status"),
        (with("tags", json!([""])), "/tags/0"),
        (with("tags", json!(["x".repeat(101)])), "/tags/0"),
        (with("category", json!([{"id": "1"}])), "/category/0"),
        (with("ratings", json!({})), "/ratings"),
    ] {
        let (status, _, problem) = shop.operator(Method::POST, "/v1/products", &[], &body).await;
        assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("invalid-body")), "{body} {problem}");
        let pointers: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert!(pointers.iter().any(|found| found.starts_with(pointer)), "{pointer} {pointers:?}");
    }
    let (status, ..) = shop.anonymous(Method::POST, "/v1/products", &[], tea()).await;
    assert_eq!(status, 401);
    let (status, ..) = shop.customer(Method::POST, "/v1/products", tea()).await;
    assert_eq!(status, 403);
    assert_eq!(shop.service.store().end().0, 0, "a refused product left something behind");
}

#[tokio::test]
async fn an_id_of_dots_only_which_no_url_carries_is_refused_in_words() {
    let shop = Shop::new().await;
    for dots in [".", "..", "..."] {
        let mut body = tea();
        body["productId"] = json!(dots);
        let (status, _, problem) = shop.operator(Method::POST, "/v1/products", &[], &body).await;
        assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("invalid-body")), "{dots} {problem}");
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], "/productId");
        assert!(error["detail"].as_str().unwrap().starts_with("has nothing but dots"), "{error}");
    }
    for good in ["..a", "-", "a."] {
        let mut body = tea();
        body["productId"] = json!(good);
        let (status, headers, answer) = shop.operator(Method::POST, "/v1/products", &[], &body).await;
        assert_eq!(status, 201, "{good} {answer}");
        let (path, position) = (headers["location"].to_str().unwrap(), headers["madrigal-position"].to_str().unwrap());
        assert_eq!(shop.read(path, position).await.2["productId"], good);
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_it_is_based_on() {
    let shop = Shop::new().await;
    shop.create_from(tea()).await;
    let patch = json!({"name": "White tea", "price": {"amount": 5}, "brand": null, "tags": null});
    let path = "/v1/products/tea-1";
    let (status, ..) = shop.operator(Method::PATCH, path, &[], &patch).await;
    assert_eq!(status, 428);
    let (status, _, problem) = shop.operator(Method::PATCH, path, &[("if-match", "\"9\"")], &patch).await;
    assert_eq!((status.as_u16(), &problem["currentVersion"]), (412, &json!(1)));
    let (status, headers, changed) = shop.operator(Method::PATCH, path, &[("if-match", "\"1\"")], &patch).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["price"], json!({"amount": 5, "currency": "EUR", "discount": 250}));
    assert_eq!(
        (&changed["name"], &changed["brand"], &changed["tags"]),
        (&json!("White tea"), &Value::Null, &json!([]))
    );
    assert_eq!((&changed["description"], &changed["version"]), (&json!("leaves"), &json!(3)));
    let position = headers["madrigal-position"].to_str().unwrap();
    let read = shop.read(path, position).await.2;
    assert_eq!(without_times(&read), changed);
    assert!(read["updatedAt"].as_str() > read["createdAt"].as_str(), "{read}");
    let (status, headers, same) = shop.operator(Method::PATCH, path, &[("if-match", "\"3\"")], &patch).await;
    assert_eq!((status.as_u16(), &same, headers.get("madrigal-position")), (200, &changed, None));
    for (bad, pointer) in [
        (json!({"name": null}), "/name"),
        (json!({"price": null}), "/price"),
        (json!({"price": {"amount": null}}), "/price/amount"),
        (json!({"inventory": {}}), "/inventory"),
        (json!({"price": {"amount": -5}}), "/price/amount"),
        (json!([]), ""),
    ] {
        let (status, _, problem) = shop.operator(Method::PATCH, path, &[("if-match", "\"3\"")], &bad).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{bad} {problem}");
    }
    let (status, ..) = shop.operator(Method::PATCH, "/v1/products/none", &[("if-match", "\"1\"")], json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_withdrawn_product_is_gone_and_its_id_taken() {
    let shop = Shop::new().await;
    shop.create_from(tea()).await;
    let path = "/v1/products/tea-1";
    let (status, ..) = shop.operator(Method::DELETE, path, &[("if-match", "\"4\"")], ()).await;
    assert_eq!(status, 412);
    let (status, headers, _) = shop.operator(Method::DELETE, path, &[("if-match", "\"1\"")], ()).await;
    assert_eq!(status, 204);
    let position = headers["madrigal-position"].to_str().unwrap();
    assert_eq!(shop.read(path, position).await.0, 404);
    let (status, ..) = shop.operator(Method::DELETE, path, &[("if-match", "\"2\"")], ()).await;
    assert_eq!(status, 404);
    let (status, ..) = shop.operator(Method::POST, "/v1/products", &[], tea()).await;
    assert_eq!(status, 409);
    let (_, _, stock) = shop.read("/v1/products/tea-1/stock", position).await;
    assert_eq!(stock["onHand"], 100);
}

#[tokio::test]
async fn odd_ids_name_no_product() {
    let shop = Shop::new().await;
    for odd in ["none", "a%20b", "%3Cscript%3E", "..%2F..", &"x".repeat(200)] {
        let (status, ..) = shop.anonymous(Method::GET, &format!("/v1/products/{odd}"), &[], ()).await;
        assert_eq!(status, 404, "{odd}");
    }
    let (status, ..) = shop.anonymous(Method::GET, "/v1/products/x", &[("madrigal-position", "nonsense")], ()).await;
    assert_eq!(status, 400);
}

#[test]
fn every_route_is_described() {
    let document = madrigal_catalog_service::CatalogService::openapi();
    let paths: Vec<&String> = document.paths.paths.keys().collect();
    assert_eq!(paths.len(), 10, "{paths:?}");
}
