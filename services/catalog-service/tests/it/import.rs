//! Importing products over HTTP.

use http::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

async fn import(shop: &Shop, lines: &str) -> Vec<Value> {
    let headers = [("content-type", "application/x-ndjson")];
    let (status, _, answer) = shop.operator(Method::POST, "/v1/products/import", &headers, lines).await;
    assert_eq!(status, 200, "{answer}");
    match answer {
        Value::String(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        Value::Null => vec![],
        single => vec![single],
    }
}

fn line(id: &str, amount: i64) -> String {
    let body = json!({"productId": id, "name": id, "price": {"amount": amount, "currency": "EUR"}, "initialStock": 7});
    format!("{body}\n")
}

fn outcomes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn importing_again_changes_nothing() {
    let shop = Shop::new().await;
    let file: String = (0..1_000).map(|n| line(&format!("p{n}"), n)).collect();
    let results = import(&shop, &file).await;
    assert!(results.iter().enumerate().all(|(n, result)| result["line"] == n + 1 && result["outcome"] == "created"));
    let end = shop.service.store().end();
    assert_eq!(end.0, 2_000);
    let again = import(&shop, &file).await;
    assert!(again.iter().all(|result| result["outcome"] == "unchanged"));
    assert_eq!(shop.service.store().end(), end);
    let changed = import(&shop, &line("p5", 4_711)).await;
    assert_eq!((outcomes(&changed), &changed[0]["version"]), (vec!["changed"], &json!(2)));
    let position = shop.create("last", 1, 1).await;
    let (_, _, product) = shop.read("/v1/products/p5", &position).await;
    assert_eq!((&product["price"]["amount"], &product["inventory"]["quantity"]), (&json!(4_711), &json!(7)));
}

#[tokio::test]
async fn every_line_has_its_answer_and_a_bad_one_spoils_no_other() {
    let shop = Shop::new().await;
    let long = format!("{{\"productId\":\"long\",\"name\":\"{}\"}}\n", "x".repeat(300 * 1024));
    let file = [
        &line("p1", 1),
        "\n",
        "not json\n",
        r#"{"productId":"p2","name":"x","price":{"amount":-1,"currency":"EUR"}}"#,
        "\n",
        &long,
        r#"{"name":"without id","price":{"amount":1,"currency":"EUR"}}"#,
        "\n",
        &line("p1", 1),
        line("p3", 3).trim_end(),
    ]
    .concat();
    let results = import(&shop, &file).await;
    assert_eq!(
        outcomes(&results),
        ["created", "refused", "refused", "refused", "refused", "refused", "unchanged", "created"]
    );
    let codes: Vec<&str> = results[1..6].iter().map(|result| result["problem"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["blank-line", "malformed-json", "invalid-body", "line-too-long", "invalid-body"]);
    assert_eq!(results[3]["problem"]["errors"][0]["pointer"], "/price/amount");
    assert_eq!(results[5]["problem"]["errors"][0]["pointer"], "/productId");
    assert!(import(&shop, "").await.is_empty());
}

#[tokio::test]
async fn a_line_with_an_id_of_dots_only_is_refused() {
    let shop = Shop::new().await;
    let results = import(&shop, &[line("..", 1), line(".", 1), line("..a", 1)].concat()).await;
    assert_eq!(outcomes(&results), ["refused", "refused", "created"]);
    for refused in &results[..2] {
        let error = &refused["problem"]["errors"][0];
        assert_eq!(error["pointer"], "/productId", "{refused}");
        assert!(error["detail"].as_str().unwrap().starts_with("has nothing but dots"), "{refused}");
    }
}

#[tokio::test]
async fn an_import_does_not_bring_back_what_was_withdrawn() {
    let shop = Shop::new().await;
    shop.create("p1", 1, 1).await;
    shop.operator(Method::DELETE, "/v1/products/p1", &[("if-match", "\"1\"")], ()).await;
    let results = import(&shop, &line("p1", 1)).await;
    assert_eq!((outcomes(&results), &results[0]["problem"]["code"]), (vec!["refused"], &json!("product-withdrawn")));
}

#[tokio::test]
async fn only_operators_import_and_only_lines() {
    let shop = Shop::new().await;
    let (status, ..) = shop.customer(Method::POST, "/v1/products/import", ()).await;
    assert_eq!(status, 403);
    let (status, ..) = shop.anonymous(Method::POST, "/v1/products/import", &[], ()).await;
    assert_eq!(status, 401);
    let (status, ..) = shop.operator(Method::POST, "/v1/products/import", &[], json!({})).await;
    assert_eq!(status, 415);
}
