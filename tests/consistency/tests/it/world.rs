//! A small shop whose rows have more than one version each, and what its reports say of rows.

use std::collections::BTreeMap;

use madrigal::client::Shop;
use madrigal::config::Config;
use madrigal_harness::{Customer, OneProcess, product};
use reqwest::Method;
use serde_json::{Value, json};

use crate::checks::pair;

/// How many users, products and orders there are.
pub(crate) const ROWS: usize = 8;

/// Keys of rows that are there, in their order.
pub(crate) struct Rows {
    pub(crate) users: Vec<String>,
    pub(crate) orders: Vec<String>,
    pub(crate) products: Vec<String>,
}

impl Rows {
    /// Those of a copy.
    pub(crate) fn of(&self, copy: &str) -> &[String] {
        match copy.split('.').next().unwrap() {
            "users" => &self.users,
            "orders" => &self.orders,
            _ => &self.products,
        }
    }
}

/// Nothing is repaired or looked for unless it is asked for, and damage may be planted.
pub(crate) fn left_alone(config: &mut Config) {
    config.consistency.allow_damage = true;
    config.consistency.repairs_per_hour = 0;
    config.consistency.sampled_rows_per_second = 0;
    config.consistency.versions_every_seconds = 86_400;
    config.consistency.content_every_seconds = 86_400;
}

/// A key of the same kind that no row has.
pub(crate) fn never(key: &str) -> String {
    format!("{}{}", &key[..key.len() - 1], if key.ends_with('9') { '8' } else { '9' })
}

/// Fills a shop: [`ROWS`] products and users who changed once, and an order of each.
pub(crate) async fn filled(shop: &OneProcess) -> Rows {
    let products: Vec<String> = (0..ROWS).map(|number| format!("product-{number}")).collect();
    for id in &products {
        product(&shop.shop, id, 1_000, 100).await.unwrap();
        changed(&shop.shop, &format!("/v1/products/{id}"), &json!({ "price": { "amount": 1_200 } })).await;
    }
    let (mut users, mut orders) = (Vec::new(), Vec::new());
    let anonymous = shop.anonymous().unwrap();
    for (number, product) in products.iter().enumerate() {
        let customer = Customer::register(&anonymous, &format!("customer-{number}")).await.unwrap();
        changed(&customer.shop, &format!("/v1/users/{}", customer.id), &json!({ "profile": { "lastName": "Q" } }))
            .await;
        let order = customer.must_place(&[(product, 1)]).await.unwrap();
        users.push(format!("{:020}", customer.id));
        orders.push(order["orderId"].as_str().unwrap().to_owned());
    }
    // The index commits with it, so that it looks at nothing once more after a start, and heals nothing by that.
    product(&shop.shop, "last", 1_000, 1).await.unwrap();
    Rows { users, orders, products }
}

/// Asks for every product's page, so that it is kept in memory.
pub(crate) async fn paged(shop: &Shop, products: &[String]) {
    for id in products {
        shop.get(&format!("/v1/products/{id}")).await.unwrap();
    }
}

async fn changed(shop: &Shop, path: &str, patch: &Value) {
    let request = shop.request(Method::PATCH, path).header("If-Match", "\"1\"");
    let request = request.header("Content-Type", "application/merge-patch+json").body(patch.to_string());
    let answer = shop.send(request).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.problem());
}

/// The rows that a report names in a pair, each with its issue.
pub(crate) fn named(report: &Value, name: &str) -> BTreeMap<String, String> {
    let rows = pair(report, name)["inconsistencies"].as_array().unwrap().iter();
    rows.map(|row| (row["key"].as_str().unwrap().to_owned(), row["issue"].as_str().unwrap().to_owned())).collect()
}

/// The names of all pairs of rows in a report, in its order; books are not pairs.
pub(crate) fn pairs(report: &Value) -> Vec<String> {
    let names = report["checks"].as_array().unwrap().iter().map(|pair| pair["name"].as_str().unwrap().to_owned());
    names.filter(|name| !name.starts_with("books.")).collect()
}

/// Checks a pair by content and repairs what is found; the report of the look afterwards.
pub(crate) async fn repaired(shop: &Shop, pair: &str) -> Value {
    let body = json!({ "deep": true, "pair": pair, "repair": true });
    let answer = shop.post("/v1/consistency/checks", &body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.problem());
    answer.body
}
