//! `madrigal order …`.

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::OrderCommand;
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

/// The largest page of orders.
const MAX_PAGE: usize = 200;
/// The largest quantity of a product in an order.
const MAX_QUANTITY: u32 = 1_000_000;
const COLUMNS: &[&str] = &["orderId", "userId", "currentStatus", "summary/finalAmount", "currency", "lastUpdated"];

pub(super) async fn run(shop: &Shop, format: Format, command: OrderCommand) -> anyhow::Result<()> {
    let order = match command {
        OrderCommand::Place { user, items, payment, key } => {
            let items = items.iter().map(|item| parse_item(item)).collect::<anyhow::Result<Vec<Value>>>()?;
            let body = json!({ "userId": user, "items": items, "paymentMethod": { "token": payment } });
            place(shop, &body, key).await?
        }
        OrderCommand::List { user, status, limit } => return list(shop, format, user, status, limit as usize).await,
        OrderCommand::Deliver { order } => shop.post(&path(&order, "/deliver")?, &json!({})).await?.ok()?,
        OrderCommand::Story { order } => return story(shop, format, &order).await,
        OrderCommand::Show { order } => shop.get(&path(&order, "")?).await?,
        OrderCommand::Cancel { order, reason } => {
            shop.post(&path(&order, "/cancel")?, &json!({ "reason": reason })).await?.ok()?
        }
        OrderCommand::Ship { order, carrier, tracking } => {
            let body = json!({ "carrier": carrier, "trackingNumber": tracking });
            shop.post(&path(&order, "/ship")?, &body).await?.ok()?
        }
    };
    output::document(format, &order)?;
    Ok(())
}

/// The story: its timeline as a table or lines, or the whole of it as a document. What is missing is said either way.
async fn story(shop: &Shop, format: Format, order: &str) -> anyhow::Result<()> {
    let story = shop.get(&path(order, "/story")?).await?;
    for missing in story["missing"].as_array().into_iter().flatten() {
        let part = |key: &str| missing[key].as_str().unwrap_or_default();
        output::message(&format!("{} is not told: {}", part("part"), part("detail")));
    }
    match format {
        Format::Json => output::document(format, &story)?,
        _ => {
            let moments = story["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
            output::items(format, moments, &["at", "voice", "kind", "text"])?;
        }
    }
    Ok(())
}

/// Lists page by page until there are as many as asked for.
async fn list(
    shop: &Shop,
    format: Format,
    user: Option<i64>,
    status: Option<String>,
    limit: usize,
) -> anyhow::Result<()> {
    let mut orders: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while orders.len() < limit {
        let page = (limit - orders.len()).min(MAX_PAGE).to_string();
        let mut request = shop.request(Method::GET, "/v1/orders").query(&[("limit", page)]);
        for (name, value) in [("userId", user.map(|id| id.to_string())), ("status", status.clone()), ("cursor", cursor)]
        {
            request = value.iter().fold(request, |request, value| request.query(&[(name, value)]));
        }
        let mut page = shop.send(request).await?.ok()?;
        if let Value::Array(items) = page["items"].take() {
            orders.extend(items);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    output::items(format, &orders, COLUMNS)?;
    Ok(())
}

async fn place(shop: &Shop, body: &Value, key: Option<String>) -> anyhow::Result<Value> {
    let key = key.unwrap_or_else(|| madrigal_core::Host::system().uuid_v7().to_string());
    let request = || shop.request(Method::POST, "/v1/orders").header("Idempotency-Key", &key).json(body);
    let answer = shop.send(request()).await.with_context(|| {
        format!("it is not known whether the order was placed: say the same again with --key {key}")
    })?;
    Ok(answer.ok()?)
}

/// `mug=2` or `mug`.
fn parse_item(text: &str) -> anyhow::Result<Value> {
    let (product, quantity) = text.split_once('=').unwrap_or((text, "1"));
    let parsed = quantity.parse().ok().filter(|quantity: &u32| (1..=MAX_QUANTITY).contains(quantity));
    let quantity = parsed.ok_or_else(|| {
        Ended::Usage(format!(
            "--item {text}: the quantity is a whole number from 1 to {MAX_QUANTITY}, not {quantity:?}"
        ))
    })?;
    Ok(json!({ "productId": product, "quantity": quantity }))
}

/// The path of an order; ids are UUIDs, so that nothing else gets into the path.
fn path(order: &str, rest: &str) -> anyhow::Result<String> {
    let id: uuid::Uuid = order.parse().map_err(|_| Ended::Usage(format!("{order:?} is no order's id")))?;
    Ok(format!("/v1/orders/{id}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_that_no_order_has_is_refused_with_the_bounds() {
        assert_eq!(parse_item("mug").unwrap(), json!({"productId": "mug", "quantity": 1}));
        assert_eq!(parse_item("mug=1000000").unwrap()["quantity"], 1_000_000);
        for wrong in ["0", "-1", "1000001", "99999999999", "1.5", "two", ""] {
            let error = parse_item(&format!("mug={wrong}")).unwrap_err();
            assert!(matches!(error.downcast_ref(), Some(Ended::Usage(_))), "{error}");
            let said = format!("--item mug={wrong}: the quantity is a whole number from 1 to 1000000, not {wrong:?}");
            assert_eq!(error.to_string(), said);
        }
    }
}
