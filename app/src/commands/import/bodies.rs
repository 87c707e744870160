//! Lines of order files, as the API takes them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// A past order as the seeders write it; what a live order does not need is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    import_key: Option<String>,
    customer: Customer,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Customer {
    username: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    product_id: String,
    quantity: u64,
}

/// An order to be placed now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LiveOrder {
    /// Makes a repeated import the same order.
    pub(super) key: String,
    /// The buyer.
    pub(super) username: String,
    items: BTreeMap<String, u64>,
}

/// Reads a line; several lines of one product become one.
pub(super) fn live_order(number: u64, line: Value) -> Result<LiveOrder, String> {
    let line: Line = serde_json::from_value(line).map_err(|error| format!("no order: {error}"))?;
    let mut items = BTreeMap::new();
    for item in line.items {
        *items.entry(item.product_id).or_default() += item.quantity;
    }
    let key = line.import_key.unwrap_or_else(|| format!("line-{number}"));
    Ok(LiveOrder { key: format!("import-{key}"), username: line.customer.username, items })
}

impl LiveOrder {
    /// The body of `POST /v1/orders`.
    pub(super) fn body(&self, user_id: i64) -> Value {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|(product_id, quantity)| json!({ "productId": product_id, "quantity": quantity }))
            .collect();
        json!({ "userId": user_id, "items": items, "paymentMethod": { "token": "tok_visa" } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_of_a_product_become_one_and_prices_are_left_out() {
        let line = json!({ "importKey": "basket-7", "customer": { "username": "anna" }, "currency": "USD",
            "items": [{ "productId": "a", "quantity": 1, "lineTotal": 5 }, { "productId": "a", "quantity": 2, "lineTotal": 9 }] });
        let order = live_order(1, line).unwrap();
        assert_eq!(order.key, "import-basket-7");
        assert_eq!(order.body(3)["items"], json!([{ "productId": "a", "quantity": 3 }]));
    }

    #[test]
    fn what_is_no_order_is_refused_with_a_reason() {
        assert!(live_order(1, json!({ "items": [] })).unwrap_err().contains("customer"));
        let halves = json!({ "customer": { "username": "a" }, "items": [{ "productId": "a", "quantity": 0.5 }] });
        assert!(live_order(1, halves).is_err());
    }
}
