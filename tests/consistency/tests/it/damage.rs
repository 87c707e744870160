//! Damage that is planted in each copy in turn, while the shop runs: found by name, repaired, and nothing else touched.

use std::collections::BTreeSet;

use madrigal::client::Shop;
use madrigal_harness::{Customer, OneProcess, product};
use serde_json::{Value, json};

use crate::checks::{check, not_consistent, pair, verdict};

/// Whether a sweep by versions sees it too.
const KINDS: [(&str, bool); 5] = [("change", false), ("delete", true), ("add", true), ("older", true), ("newer", true)];

async fn damage(shop: &Shop, copy: &str, key: &str, kind: &str) -> bool {
    let body = json!({ "copy": copy, "key": key, "damage": kind });
    let answer = shop.post("/v1/consistency/damage", &body).await.unwrap();
    assert!([200, 403].contains(&answer.status.as_u16()), "{copy} {key} {kind}: {}", answer.problem());
    // What a copy cannot be made to say is refused, with the reason.
    answer.status == 200
}

fn keys(report: &Value, name: &str) -> BTreeSet<String> {
    let rows = pair(report, name)["inconsistencies"].as_array().unwrap().iter();
    rows.map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

/// Rows that are there, and keys of rows that never were.
struct Rows {
    users: Vec<String>,
    orders: Vec<String>,
    products: Vec<String>,
}

async fn filled(shop: &OneProcess) -> Rows {
    let products: Vec<String> = (0..6).map(|number| format!("product-{number}")).collect();
    for id in &products {
        product(&shop.shop, id, 1_000, 100).await.unwrap();
    }
    let (mut users, mut orders) = (Vec::new(), Vec::new());
    let anonymous = shop.anonymous().unwrap();
    for (number, product) in products.iter().enumerate() {
        let customer = Customer::register(&anonymous, &format!("customer-{number}")).await.unwrap();
        let order = customer.must_place(&[(product, 1)]).await.unwrap();
        users.push(format!("{:020}", customer.id));
        orders.push(order["orderId"].as_str().unwrap().to_owned());
        shop.shop.get(&format!("/v1/products/{product}")).await.unwrap();
    }
    Rows { users, orders, products }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_damage_is_named_exactly_and_repaired_in_every_copy() {
    let shop = OneProcess::start_configured(|config| {
        config.consistency.allow_damage = true;
        // Nothing is repaired or found unless it is asked for here.
        config.consistency.repairs_per_hour = 0;
        config.consistency.versions_every_seconds = 86_400;
        config.consistency.content_every_seconds = 86_400;
    });
    let shop = shop.await.unwrap();
    let rows = filled(&shop).await;
    let clean = verdict(&shop.shop).await;
    assert_eq!(clean["overallStatus"], "consistent", "{clean:#}");
    let names: Vec<String> =
        clean["checks"].as_array().unwrap().iter().map(|pair| pair["name"].as_str().unwrap().to_owned()).collect();
    for needed in
        ["users.key-value", "users.index", "users.analytics", "orders.view", "orders.analytics", "products.search"]
    {
        assert!(names.iter().any(|name| name == needed), "{needed} is not compared: {names:?}");
    }
    let mut planted = 0;
    for copy in names.iter().filter(|name| !name.starts_with("books.")) {
        let known = match copy.split('.').next().unwrap() {
            "users" => &rows.users,
            "orders" => &rows.orders,
            _ => &rows.products,
        };
        let (mut damaged, mut by_version) = (BTreeSet::new(), BTreeSet::new());
        for ((kind, versions_tell), key) in KINDS.into_iter().zip(known) {
            let never = format!("{}{}", &key[..key.len() - 1], if key.ends_with('9') { '8' } else { '9' });
            // Ratings have streams by customer: a row of the view that is not there cannot be made by itself, and says so. A
            // product that the index does not have is missed as a product (`products.search`), not once more as a stock.
            if kind == "delete" && ["products.view", "stock.view", "stock.search"].contains(&copy.as_str()) {
                continue;
            }
            let key = if kind == "add" { &never } else { key };
            if damage(&shop.shop, copy, key, kind).await {
                damaged.insert(key.clone());
                if versions_tell {
                    by_version.insert(key.clone());
                }
            }
        }
        planted += damaged.len();
        let light = check(&shop.shop, false, Some(copy)).await;
        assert_eq!(keys(&light, copy), by_version, "{copy} by versions: {light:#}");
        let deep = check(&shop.shop, true, Some(copy)).await;
        assert_eq!(keys(&deep, copy), damaged, "{copy} by contents: {deep:#}");
        // The books of stock are kept over the view: they differ where it does.
        let also = |name: &str| copy == "stock.view" && name == "books.stock";
        let others = not_consistent(&deep).into_iter().filter(|name| name != copy && !also(name)).collect::<Vec<_>>();
        assert_eq!(others, Vec::<&str>::new(), "damage of {copy} is found there alone");
        let body = json!({ "deep": true, "pair": copy, "repair": true });
        let repaired = shop.shop.post("/v1/consistency/checks", &body).await.unwrap();
        assert_eq!(repaired.status, 200, "{}", repaired.problem());
        assert_eq!(keys(&repaired.body, copy), BTreeSet::new(), "{copy} is repaired: {:#}", repaired.body);
    }
    assert!(planted >= 20, "only {planted} rows were damaged");
    let after = verdict(&shop.shop).await;
    assert_eq!(after["overallStatus"], "consistent", "{after:#}");
    let total = |report: &Value| report["metrics"]["totalEntities"].clone();
    assert_eq!(total(&after), total(&clean), "nothing came or went");
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
