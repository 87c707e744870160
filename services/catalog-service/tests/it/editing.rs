//! Edits of products that were made offline, over HTTP.

use http::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

async fn edit(shop: &Shop, lines: &[Value]) -> Vec<Value> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let headers = [("content-type", "application/x-ndjson")];
    let (status, _, answer) = shop.operator(Method::POST, "/v1/products/edits", &headers, text.as_str()).await;
    assert_eq!(status, 200, "{answer}");
    match answer {
        Value::String(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        Value::Null => vec![],
        single => vec![single],
    }
}

#[expect(clippy::needless_pass_by_value, reason = "each line is made where it is used")]
fn line(version: u64, changes: Value) -> Value {
    json!({"productId": "tea", "version": version, "changes": changes})
}

async fn shop_with_tea() -> Shop {
    let shop = Shop::new().await;
    shop.create_from(
        json!({"productId": "tea", "name": "Tea", "description": "A tea from the north of Italy, dried slowly.",
        "tags": ["tea"], "brand": "Rossi", "price": {"amount": 500, "currency": "EUR"}}),
    )
    .await;
    shop
}

/// Changes the product in the shop.
async fn change(shop: &Shop, version: u64, patch: Value) -> String {
    let headers = [("content-type", "application/merge-patch+json"), ("if-match", &*format!("\"{version}\""))];
    let (status, headers, answer) = shop.operator(Method::PATCH, "/v1/products/tea", &headers, patch).await;
    assert_eq!(status, 200, "{answer}");
    headers["madrigal-position"].to_str().unwrap().to_owned()
}

async fn tea(shop: &Shop) -> Value {
    let position = shop.caught_up().await;
    shop.read("/v1/products/tea", &position).await.2
}

fn outcomes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_edit_of_the_current_version_is_applied_and_sending_it_again_changes_nothing() {
    let shop = shop_with_tea().await;
    let edits = [line(1, json!({"price": {"amount": 450}, "brand": null, "tags": ["tea", "new"]}))];
    let results = edit(&shop, &edits).await;
    assert_eq!(
        (outcomes(&results), &results[0]["version"], &results[0]["line"]),
        (vec!["applied"], &json!(3), &json!(1))
    );
    let end = shop.service.store().end();
    let results = edit(&shop, &edits).await;
    assert_eq!((outcomes(&results), &results[0]["version"]), (vec!["unchanged"], &json!(3)));
    assert_eq!(shop.service.store().end(), end);
    let tea = tea(&shop).await;
    assert_eq!((&tea["price"], tea.get("brand")), (&json!({"amount": 450, "currency": "EUR", "discount": 0}), None));
}

#[tokio::test]
async fn an_edit_from_an_old_version_is_merged_field_by_field_and_the_losers_are_named() {
    let shop = shop_with_tea().await;
    let patch = json!({"name": "Green tea", "description": "A tea from the south of Italy, dried slowly.", "tags": ["tea", "green"],
        "price": {"amount": 600}});
    change(&shop, 1, patch).await;
    let changes = json!({"name": "Fine tea", "description": "Fine! A tea from the north of Italy, dried slowly.",
        "tags": ["fine"], "brand": "Bianchi"});
    let results = edit(&shop, &[line(1, changes)]).await;
    assert_eq!(outcomes(&results), ["merged"]);
    let losers = results[0]["losers"].as_array().unwrap();
    assert_eq!(losers.len(), 1, "{losers:?}");
    assert_eq!(
        (&losers[0]["field"], &losers[0]["current"], &losers[0]["proposed"], &losers[0]["taken"]),
        (&json!("/name"), &json!("Green tea"), &json!("Fine tea"), &json!("proposed"))
    );
    assert_eq!(losers[0]["currentOrigin"]["by"], "operator:anna");
    let tea = tea(&shop).await;
    assert_eq!(
        (&tea["name"], &tea["brand"], &tea["price"]["amount"]),
        (&json!("Fine tea"), &json!("Bianchi"), &json!(600))
    );
    assert_eq!(tea["description"], "Fine! A tea from the south of Italy, dried slowly.");
    assert_eq!(tea["tags"], json!(["fine", "green"]));
}

#[tokio::test]
async fn an_edit_that_was_made_before_the_shops_change_does_not_win_over_it() {
    let shop = shop_with_tea().await;
    change(&shop, 1, json!({"name": "Green tea"})).await;
    let mut edit_of_yesterday = line(1, json!({"name": "Fine tea"}));
    edit_of_yesterday["editedAt"] = json!("2020-01-01T00:00:00Z");
    let results = edit(&shop, &[edit_of_yesterday.clone(), edit_of_yesterday]).await;
    assert_eq!(outcomes(&results), ["merged", "merged"]);
    assert_eq!((&results[0]["version"], &results[0]["losers"][0]["taken"]), (&json!(2), &json!("current")));
    assert_eq!(tea(&shop).await["name"], "Green tea");
}

#[tokio::test]
async fn a_price_that_both_changed_is_a_conflict_with_both_values_and_nothing_of_the_line_is_changed() {
    let shop = shop_with_tea().await;
    change(&shop, 1, json!({"price": {"amount": 600}})).await;
    let results = edit(
        &shop,
        &[line(1, json!({"name": "Fine tea", "price": {"discount": 1000}})), line(2, json!({"name": "Teas"}))],
    )
    .await;
    assert_eq!(outcomes(&results), ["conflict", "applied"]);
    let conflict = &results[0]["conflicts"][0];
    assert_eq!((&conflict["field"], &conflict["base"]["amount"]), (&json!("/price"), &json!(500)));
    assert_eq!((&conflict["current"]["amount"], &conflict["proposed"]["discount"]), (&json!(600), &json!(1000)));
    assert_eq!(
        (&results[0]["problem"]["code"], &results[0]["problem"]["errors"][0]["pointer"]),
        (&json!("merge-conflict"), &json!("/price"))
    );
    assert_eq!(tea(&shop).await["name"], "Teas");
}

#[tokio::test]
async fn two_edits_of_one_product_in_a_file_are_made_in_turn() {
    let shop = shop_with_tea().await;
    let edits: Vec<Value> =
        (0..20).map(|n| line(1, json!({"tags": ["tea", format!("t{n}")], "name": format!("Tea {n}")}))).collect();
    let results = edit(&shop, &edits).await;
    assert_eq!(results.iter().filter(|result| result["outcome"] == "merged").count(), 19);
    let tea = tea(&shop).await;
    assert_eq!((&tea["name"], tea["tags"].as_array().unwrap().len()), (&json!("Tea 19"), 21));
}

#[tokio::test]
async fn every_line_has_its_answer_and_a_bad_one_spoils_no_other() {
    let shop = shop_with_tea().await;
    let tags: Vec<String> = (0..50).map(|n| format!("a{n}")).collect();
    change(&shop, 1, json!({ "tags": tags })).await;
    let mut tomorrow = line(2, json!({"name": "x"}));
    tomorrow["editedAt"] = json!("2999-01-01T00:00:00Z");
    let mut unknown = line(2, json!({"name": "x"}));
    unknown["productId"] = json!("coffee");
    let mut dots = line(2, json!({"name": "x"}));
    dots["productId"] = json!("..");
    let lines = [
        json!("no object"),
        line(9, json!({"name": "x"})),
        line(2, json!({"name": "", "colour": "red", "price": null})),
        tomorrow,
        unknown,
        line(1, json!({"tags": ["tea", "one more", "and more"]})),
        json!({"productId": "tea", "version": 2, "changes": {"name": "x"}, "force": true}),
        dots,
        line(2, json!({"name": "Tea at last"})),
    ];
    let results = edit(&shop, &lines).await;
    let codes: Vec<Value> = results.iter().map(|result| result["problem"]["code"].clone()).collect();
    let refused = [
        "invalid-body",
        "base-unknown",
        "invalid-body",
        "invalid-body",
        "not-found",
        "invalid-body",
        "invalid-body",
        "invalid-body",
    ];
    assert_eq!(codes, refused.iter().map(|code| json!(code)).chain([Value::Null]).collect::<Vec<_>>());
    let pointers: Vec<&str> =
        results[2]["problem"]["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/changes/colour", "/changes/name", "/changes/price"]);
    assert_eq!(results[5]["problem"]["errors"][0]["pointer"], "/tags");
    let error = &results[7]["problem"]["errors"][0];
    assert_eq!(error["pointer"], "/productId");
    assert!(error["detail"].as_str().unwrap().starts_with("has nothing but dots"), "{error}");
    assert_eq!(outcomes(&results)[8], "applied");
}

#[tokio::test]
async fn only_operators_edit_and_a_withdrawn_product_stays_so() {
    let shop = shop_with_tea().await;
    let (status, _, _) = shop.customer(Method::POST, "/v1/products/edits", ()).await;
    assert_eq!(status, 403);
    shop.operator(Method::DELETE, "/v1/products/tea", &[("if-match", "\"1\"")], ()).await;
    let results = edit(&shop, &[line(1, json!({"name": "x"}))]).await;
    assert_eq!((outcomes(&results), &results[0]["problem"]["code"]), (vec!["refused"], &json!("not-found")));
}
