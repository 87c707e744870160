//! Damage that is planted in each copy in turn, while the shop runs: found by name, repaired, and nothing else touched.

use std::collections::BTreeMap;

use madrigal::client::Shop;
use madrigal_harness::{OneProcess, product};
use serde_json::{Value, json};

use crate::checks::{check, not_consistent, verdict};
use crate::world::{Rows, filled, left_alone, named, never, paged, pairs, repaired};

/// What is done to a row, what it is then, and whether a sweep by versions sees it too.
const KINDS: [(&str, &str, bool); 5] = [
    ("change", "different", false),
    ("delete", "missing", true),
    ("add", "extra", true),
    ("older", "stale", true),
    ("newer", "different", true),
];

/// What a copy cannot be made to say, and why.
const MEANINGLESS: [(&str, &str, &str); 5] = [
    (
        "stock.search",
        "delete",
        "a product that the index does not have is missed as a product, not once more as a stock",
    ),
    ("stock.search", "older", "the index keeps no versions of stocks"),
    ("stock.search", "newer", "the index keeps no versions of stocks"),
    ("products.cache", "delete", "nothing is missing in a cache"),
    ("stock.cache", "delete", "nothing is missing in a cache"),
];

async fn damage(shop: &Shop, copy: &str, key: &str, kind: &str) {
    let body = json!({ "copy": copy, "key": key, "damage": kind });
    let answer = shop.post("/v1/consistency/damage", &body).await.unwrap();
    assert_eq!(answer.status, 200, "{copy} {key} {kind}: {}", answer.problem());
}

/// Damages a copy in every way that means something; the rows and their issues by content, and by versions.
async fn damaged(shop: &Shop, copy: &str, rows: &Rows) -> [BTreeMap<String, String>; 2] {
    let (mut by_content, mut by_version) = (BTreeMap::new(), BTreeMap::new());
    for ((kind, issue, versions_tell), key) in KINDS.into_iter().zip(rows.of(copy)) {
        if MEANINGLESS.iter().any(|(of, what, _)| *of == copy && *what == kind) {
            continue;
        }
        let key = if kind == "add" { never(key) } else { key.clone() };
        damage(shop, copy, &key, kind).await;
        if versions_tell {
            by_version.insert(key.clone(), issue.to_owned());
        }
        by_content.insert(key, issue.to_owned());
    }
    [by_content, by_version]
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_damage_is_named_exactly_and_repaired_in_every_copy() {
    let shop = OneProcess::start_configured(left_alone).await.unwrap();
    let rows = filled(&shop).await;
    verdict(&shop.shop).await;
    // Every copy is as far as the log: pages are kept.
    paged(&shop.shop, &rows.products).await;
    let clean = verdict(&shop.shop).await;
    assert_eq!(clean["overallStatus"], "consistent", "{clean:#}");
    let mut names = pairs(&clean);
    assert_eq!(names.len(), 11, "every copy is compared: {names:?}");
    // Pages in memory look after themselves, once a minute.
    names.sort_by_key(|name| !name.ends_with(".cache"));
    for copy in &names {
        paged(&shop.shop, &rows.products).await;
        let [by_content, by_version] = damaged(&shop.shop, copy, &rows).await;
        let light = check(&shop.shop, false, Some(copy)).await;
        assert_eq!(named(&light, copy), by_version, "{copy} by versions: {light:#}");
        let deep = check(&shop.shop, true, Some(copy)).await;
        assert_eq!(named(&deep, copy), by_content, "{copy} by contents: {deep:#}");
        // The books of stock are kept over the view: they differ where it does.
        let also = |name: &str| copy == "stock.view" && name.starts_with("books.");
        let others = not_consistent(&deep).into_iter().filter(|name| name != copy && !also(name)).collect::<Vec<_>>();
        assert_eq!(others, Vec::<&str>::new(), "damage of {copy} is found there alone");
        let after = repaired(&shop.shop, copy).await;
        assert_eq!(named(&after, copy), BTreeMap::new(), "{copy} is repaired: {after:#}");
    }
    paged(&shop.shop, &rows.products).await;
    let after = verdict(&shop.shop).await;
    assert_eq!(after["overallStatus"], "consistent", "{after:#}");
    let total = |report: &Value| report["metrics"]["totalEntities"].clone();
    assert_eq!(total(&after), total(&clean), "nothing came or went");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_whom_a_copy_still_has_is_taken_away_and_stays_away() {
    let shop = OneProcess::start_configured(left_alone).await.unwrap();
    let rows = filled(&shop).await;
    let id: i64 = rows.users[0].parse().unwrap();
    let path = format!("/v1/users/{id}");
    let customer = shop.shop.with_token(shop.token(&id.to_string(), madrigal_http::Role::Customer));
    let deleting = customer.request(reqwest::Method::DELETE, &path).header("If-Match", "\"2\"");
    let deleted = customer.send(deleting).await.unwrap();
    assert_eq!(deleted.status, 204, "{}", deleted.problem());
    verdict(&shop.shop).await;
    for copy in ["users.key-value", "users.index", "users.analytics"] {
        damage(&shop.shop, copy, &rows.users[0], "add").await;
        let deep = check(&shop.shop, true, Some(copy)).await;
        let extra = BTreeMap::from([(rows.users[0].clone(), "extra".to_owned())]);
        assert_eq!(named(&deep, copy), extra, "{copy}: {deep:#}");
        let after = repaired(&shop.shop, copy).await;
        assert_eq!(named(&after, copy), BTreeMap::new(), "{copy}: {after:#}");
        let row = shop.shop.get(&format!("/v1/sync/copies/{copy}/{id}")).await.unwrap();
        assert_eq!(row["row"], Value::Null, "{copy} keeps a tombstone: {row:#}");
        assert!(row["version"].as_u64().is_some_and(|version| version > 1_000), "that beats everything: {row:#}");
    }
}

#[tokio::test]
async fn a_shop_that_was_not_started_for_it_takes_no_damage() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 1).await.unwrap();
    verdict(&shop.shop).await;
    let body = json!({ "copy": "products.search", "key": "lute", "damage": "change" });
    let answer = shop.shop.post("/v1/consistency/damage", &body).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.problem());
}
