//! A fact from the owner's row: everything that its events would have made of it.

use std::borrow::Cow;

use madrigal_consistency::Row;
use madrigal_core::money::Totals;
use madrigal_core::{BasisPoints, Currency, Money, Timestamp};
use serde::Deserialize;

use crate::facts::{Line, Named, OrderFact, OrderState};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owned {
    user_id: i64,
    currency: Currency,
    status: String,
    #[serde(default)]
    imported: bool,
    created_at: Timestamp,
    item_count: u64,
    total_amount: i64,
    discount_amount: i64,
    tax_amount: i64,
    final_amount: i64,
    items: Vec<Item>,
    timeline: Vec<Moment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    product_id: String,
    name: String,
    quantity: u32,
    #[serde(default)]
    price: Option<Money>,
    #[serde(default)]
    discount: BasisPoints,
    #[serde(default)]
    line_total: Option<i64>,
}

#[derive(Deserialize)]
struct Moment {
    status: String,
    at: Timestamp,
}

/// The fact of an owner's row.
///
/// # Errors
/// In words, where the row lacks something that a fact is made of.
pub(super) fn fact_of(row: &Row) -> Result<OrderFact<Named<'static>>, String> {
    let content = row.content.as_ref().ok_or("the owner's row has no content")?;
    let content = serde_json::to_value(content).map_err(|error| error.to_string())?;
    let owned: Owned =
        serde_json::from_value(content).map_err(|error| format!("the owner's row is no order: {error}"))?;
    let state = OrderState::parse(&owned.status).ok_or_else(|| format!("the status {} is not known", owned.status))?;
    Ok(OrderFact {
        version: row.version.ok_or("the owner's row has no version")?.count(),
        user_id: owned.user_id,
        currency: owned.currency,
        state,
        imported: owned.imported,
        created_at: owned.created_at,
        placed_at: placed_at(&owned),
        totals: Totals {
            item_count: owned.item_count,
            total_amount: owned.total_amount,
            discount_amount: owned.discount_amount,
            tax_amount: owned.tax_amount,
            final_amount: owned.final_amount,
        },
        lines: owned.items.into_iter().map(line).collect::<Result<_, _>>()?,
    })
}

/// An order that was no draft counts from its first moment; a draft from its confirmation, which is in the append of its
/// placing.
fn placed_at(owned: &Owned) -> Option<Timestamp> {
    let first = owned.timeline.first()?;
    if owned.imported {
        return Some(owned.created_at);
    }
    if first.status == "created" {
        return Some(first.at);
    }
    owned.timeline.iter().find(|moment| moment.status == "confirmed").map(|moment| moment.at)
}

fn line(item: Item) -> Result<Line<Named<'static>>, String> {
    let amount = match (item.line_total, item.price) {
        (Some(amount), _) => Some(amount),
        (None, Some(price)) => price.amount.checked_mul(item.quantity.into()).and_then(|before| {
            let off = item.discount.of(before).ok()?;
            Some(before - off)
        }),
        (None, None) => None,
    };
    let amount = amount.filter(|amount| *amount >= 0).ok_or("a line has no amount")?;
    let product = Named { product_id: Cow::Owned(item.product_id), name: Cow::Owned(item.name) };
    Ok(Line { product, quantity: item.quantity.into(), amount })
}
