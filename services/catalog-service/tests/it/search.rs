//! Search over HTTP.

use http::Method;
use madrigal_contracts::catalog::{ProductQuantity, ReserveStock};
use serde_json::{Value, json};

use crate::shop::Shop;

async fn filled() -> (Shop, String) {
    let shop = Shop::new().await;
    let product = |id: &str, name: &str, category: &str, brand: &str, amount: i64, stock: i64| {
        json!({"productId": id, "name": name, "description": format!("{name} <of> the house"),
            "category": [{"id": format!("id-{category}"), "name": category, "path": format!("All/{category}")}],
            "brand": brand, "tags": ["fine"], "price": {"amount": amount, "currency": "EUR"}, "initialStock": stock})
    };
    shop.create_from(product("p1", "Green tea", "Tea", "Sencha", 500, 5)).await;
    shop.create_from(product("p2", "Black tea", "Tea", "Assam", 300, 0)).await;
    let position = shop.create_from(product("p3", "Crème brûlée", "Sweets", "Assam", 900, 5)).await;
    (shop, position)
}

async fn search(shop: &Shop, position: &str, query: &str) -> Value {
    let path = format!("/v1/products/search?{query}");
    let (status, _, found) = shop.anonymous(Method::GET, &path, &[("madrigal-position", position)], ()).await;
    assert_eq!(status, 200, "{query}: {found}");
    found
}

async fn ids(shop: &Shop, position: &str, query: &str) -> Vec<String> {
    let found = search(shop, position, query).await;
    found["items"].as_array().unwrap().iter().map(|item| item["productId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn products_are_found_by_words_and_filters() {
    let (shop, position) = filled().await;
    for (query, expected) in [
        ("q=green+tea", vec!["p1"]),
        ("q=creme%20BRULEE", vec!["p3"]),
        ("q=tea&sort=price", vec!["p2", "p1"]),
        ("q=tea&sort=-price", vec!["p1", "p2"]),
        ("sort=name", vec!["p2", "p3", "p1"]),
        ("sort=newest&limit=1", vec!["p3"]),
        ("category=Tea&sort=price", vec!["p2", "p1"]),
        ("category=id-Sweets", vec!["p3"]),
        ("category=All/Tea&inStock=true", vec!["p1"]),
        ("inStock=false", vec!["p2"]),
        ("brand=Assam&minPrice=301", vec!["p3"]),
        ("minPrice=300&maxPrice=500&sort=price", vec!["p2", "p1"]),
        ("tag=fine&q=assam&sort=price", vec!["p2", "p3"]),
        ("tag=fin", vec![]),
        ("q=coffee", vec![]),
        ("minPrice=5&maxPrice=1", vec![]),
    ] {
        assert_eq!(ids(&shop, &position, query).await, expected, "{query}");
    }
    let found = search(&shop, &position, "q=tea").await;
    assert_eq!(found["items"][0]["highlight"]["name"].as_str().unwrap().matches("<b>tea</b>").count(), 1);
    assert!(found["items"][0]["highlight"]["description"].as_str().unwrap().contains("&lt;of&gt;"));
    assert_eq!(found["facets"]["category"], json!([{"value": "Tea", "count": 2}]));
    assert_eq!(found["items"][0]["inventory"]["reserved"], 0);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (shop, position) = filled().await;
    let first = search(&shop, &position, "sort=price&limit=2").await;
    let next = first["next"].as_str().unwrap();
    let second = search(&shop, &position, &format!("sort=price&limit=2&cursor={next}")).await;
    assert_eq!((second["items"][0]["productId"].as_str(), second.get("next")), (Some("p3"), None));
}

#[tokio::test]
async fn what_changes_is_found_as_it_is_now() {
    let (shop, position) = filled().await;
    assert_eq!(ids(&shop, &position, "q=green").await, ["p1"]);
    let lines = vec![ProductQuantity { product_id: "p1".into(), quantity: 5 }];
    let reserved = shop.call(ReserveStock { saga_id: "s".into(), order_id: "o".into(), lines }).await;
    let madrigal_contracts::catalog::Reservation::Reserved { position, .. } = reserved else { panic!("{reserved:?}") };
    let position = position.to_string();
    assert!(ids(&shop, &position, "q=green&inStock=true").await.is_empty());
    assert_eq!(search(&shop, &position, "q=green").await["items"][0]["inventory"]["reserved"], 5);
    let (status, headers, _) =
        shop.operator(Method::PATCH, "/v1/products/p1", &[("if-match", "\"1\"")], json!({"name": "White tea"})).await;
    assert_eq!(status, 200);
    let position = headers["madrigal-position"].to_str().unwrap().to_owned();
    assert_eq!(ids(&shop, &position, "q=white").await, ["p1"]);
    let (_, headers, _) = shop.operator(Method::DELETE, "/v1/products/p1", &[("if-match", "\"2\"")], ()).await;
    let position = headers["madrigal-position"].to_str().unwrap().to_owned();
    assert!(ids(&shop, &position, "q=white").await.is_empty());
    let shop = shop.restarted(|dir| std::fs::remove_dir_all(dir.join("search")).unwrap()).await;
    assert_eq!(ids(&shop, &position, "sort=price").await, ["p2", "p3"]);
}

#[tokio::test]
async fn odd_searches_are_never_an_error_of_ours() {
    let (shop, position) = filled().await;
    for odd in
        ["%22", "name%3Atea", "%28%28", "tea%5E%2A~", "%2B-%21%7B%7D", "AND+OR+NOT", "*", "%3Cimg+src%3Dx%3E", "🍵", ""]
    {
        search(&shop, &position, &format!("q={odd}")).await;
    }
    for (query, code) in [
        ("q=%00", "invalid-query"),
        ("q=%FF", "invalid-query"),
        ("unknown=1", "invalid-query"),
        ("minPrice=-1", "invalid-query"),
        ("minPrice=abc", "invalid-query"),
        ("maxPrice=9223372036854775808", "invalid-query"),
        ("inStock=maybe", "invalid-query"),
        ("sort=best", "invalid-query"),
        ("limit=0", "invalid-query"),
        ("limit=101", "invalid-query"),
        ("limit=-1", "invalid-query"),
        ("q=a&q=b", "invalid-query"),
        (&format!("q={}", "x".repeat(501)), "invalid-query"),
        ("cursor=nonsense", "bad-cursor"),
        ("cursor=eyJ2IjoxLCJhdCI6eyJvZmZzZXQiOjk5OTk5fX0", "bad-cursor"),
    ] {
        let path = format!("/v1/products/search?{query}");
        let (status, _, problem) = shop.anonymous(Method::GET, &path, &[], ()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!(code)), "{query}");
    }
}
