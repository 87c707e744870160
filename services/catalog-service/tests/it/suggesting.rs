//! Completion of names.

use http::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

async fn suggested(shop: &Shop, position: &str, query: &str) -> Vec<(String, u64)> {
    let path = format!("/v1/products/suggest?{query}");
    let (status, _, found) = shop.anonymous(Method::GET, &path, &[("madrigal-position", position)], ()).await;
    assert_eq!(status, 200, "{query}: {found}");
    let items = found["items"].as_array().unwrap();
    items.iter().map(|item| (item["text"].as_str().unwrap().to_owned(), item["products"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn names_are_completed_ranked_and_named_once() {
    let shop = Shop::new().await;
    let names = [
        "Green tea",
        "Green Tea",
        "green tea",
        "Grey paint",
        "Tea, green",
        "Crème fraîche",
        "Iced tea",
        "Ice",
        "Ice cream",
    ];
    let mut position = String::new();
    for (number, name) in names.iter().enumerate() {
        let body = json!({"productId": format!("p{number}"), "name": name, "price": {"amount": 1, "currency": "EUR"}});
        position = shop.create_from(body).await;
    }
    let texts = |found: Vec<(String, u64)>| found.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(
        suggested(&shop, &position, "prefix=gre").await,
        [("Green Tea".into(), 3), ("Grey paint".into(), 1), ("Tea, green".into(), 1)]
    );
    assert_eq!(texts(suggested(&shop, &position, "prefix=TEA").await), ["Tea, green", "Green Tea", "Iced tea"]);
    assert_eq!(texts(suggested(&shop, &position, "prefix=cr%C3%A8me+fra").await), ["Crème fraîche"]);
    assert_eq!(texts(suggested(&shop, &position, "prefix=creme").await), ["Crème fraîche"]);
    assert_eq!(texts(suggested(&shop, &position, "prefix=ice").await), ["Ice", "Ice cream", "Iced tea"]);
    assert_eq!(texts(suggested(&shop, &position, "prefix=ice+").await), ["Ice", "Ice cream"]);
    assert_eq!(suggested(&shop, &position, "prefix=gre&limit=1").await.len(), 1);
    for nothing in ["prefix=", "prefix=%21", "prefix=zzz", "prefix=een"] {
        assert!(suggested(&shop, &position, nothing).await.is_empty(), "{nothing}");
    }
    shop.operator(Method::DELETE, "/v1/products/p3", &[("if-match", "\"1\"")], ()).await;
    let position = shop.create("other", 1, 1).await;
    assert!(!texts(suggested(&shop, &position, "prefix=gre").await).contains(&"Grey paint".to_owned()));
}

#[tokio::test]
async fn bad_completions_are_refused() {
    let shop = Shop::new().await;
    let long = format!("prefix={}", "x".repeat(201));
    for query in ["", "prefix=a&limit=0", "prefix=a&limit=51", "prefix=a&other=1", "prefix=%00", &long] {
        let (status, _, problem) = shop.anonymous(Method::GET, &format!("/v1/products/suggest?{query}"), &[], ()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &Value::from("invalid-query")), "{query}");
    }
}
