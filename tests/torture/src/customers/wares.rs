//! What there is to buy, and what is bought.

use std::collections::BTreeMap;

use madrigal_client::Shop;
use serde_json::json;

use crate::draw::Draw;
use crate::facts::{Outcome, Wanted};

/// Products of which there is enough; the first ones are bought most.
const PLENTY: usize = 10;
/// Products that run out.
const SCARCE: usize = 3;
/// How many of a scarce one there are.
const FEW: i64 = 40;

/// How payments go, and how many times in a hundred.
const PAYMENTS: [(&str, usize); 6] = [
    ("tok_visa", 78),
    ("tok_timeout_paid", 7),
    ("tok_flaky", 5),
    ("tok_declined", 6),
    ("tok_insufficient", 2),
    ("tok_timeout_unpaid", 2),
];

/// Fills the shelves.
///
/// # Errors
/// Where the shop refuses.
pub async fn stock_up(operator: &Shop) -> anyhow::Result<()> {
    for number in 0..PLENTY + SCARCE {
        let stock = if number < PLENTY { 10_000_000 } else { FEW };
        let body = json!({
            "productId": product(number), "name": format!("Ware {number}"), "description": "To be ordered in a hurry",
            "category": [{ "id": "wares", "name": "Wares", "path": "wares" }],
            // Odd sums, so that rounding would show.
            "price": { "amount": 199 + 333 * number, "currency": "EUR", "discount": 250 * (number % 4) },
            "attributes": [], "tags": [], "status": "active", "initialStock": stock,
        });
        operator.post("/v1/products", &body).await?.ok()?;
    }
    Ok(())
}

/// What a customer wants in this turn.
pub(super) fn choose(draw: &Draw, seed: u64, user: i64, customer: usize, turn: usize) -> Wanted {
    let mut lines = BTreeMap::new();
    for _ in 0..1 + draw.below(3) {
        let number =
            if draw.percent(4) { PLENTY + draw.below(SCARCE) } else { draw.below(PLENTY).min(draw.below(PLENTY)) };
        lines.insert(product(number), 1 + i64::try_from(draw.below(3)).unwrap_or(0));
    }
    let mut share = draw.below(100);
    let payment = PAYMENTS.iter().find(|(_, chance)| {
        let chosen = share < *chance;
        share = share.saturating_sub(*chance);
        chosen
    });
    Wanted {
        key: format!("torture-{seed}-{customer}-{turn}"),
        user,
        lines,
        payment: payment.map_or("tok_visa", |(token, _)| token).to_owned(),
        outcome: Outcome::Unknown,
        unanswered: 0,
    }
}

/// One of all products.
pub(crate) fn any_ware(draw: &Draw) -> String {
    product(draw.below(PLENTY + SCARCE))
}

/// All products.
pub(crate) fn wares() -> impl Iterator<Item = String> {
    (0..PLENTY + SCARCE).map(product)
}

fn product(number: usize) -> String {
    format!("ware-{number}")
}
