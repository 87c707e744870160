//! Money: the provider's ledger, payments and orders.

use std::collections::BTreeMap;

use crate::books::{Books, data};
use crate::shop::Role;

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Moved {
    charged: i64,
    refunded: i64,
}

/// What moved under each key at the provider.
fn ledger(books: &Books) -> BTreeMap<String, Moved> {
    let mut moved: BTreeMap<String, Moved> = BTreeMap::new();
    for event in books.log(Role::Provider) {
        let amount = data(event)["amount"]["amount"].as_i64().unwrap_or_default();
        let entry = moved.entry(event.stream.id().to_owned()).or_default();
        match event.event_type.as_str() {
            "Charged" => entry.charged += amount,
            "Refunded" => entry.refunded += amount,
            _ => {}
        }
    }
    moved
}

/// What each saga's order that stands comes to.
fn owed(books: &Books) -> BTreeMap<String, i64> {
    let standing = books.orders.values().filter(|order| order.stands());
    standing.map(|order| (order.saga().to_owned(), order.row.summary.final_amount)).collect()
}

/// The provider never charged twice for one saga.
pub(super) fn charged_once(books: &Books) -> Vec<String> {
    let mut charges: BTreeMap<String, u32> = BTreeMap::new();
    for event in books.log(Role::Provider).iter().filter(|event| event.event_type.as_str() == "Charged") {
        // A client that spoils its keys appends to them: the saga is what stands before.
        let key = event.stream.id();
        let saga = key.split_once('.').map_or(key, |(saga, _)| saga);
        *charges.entry(saga.to_owned()).or_default() += 1;
    }
    let twice = charges.into_iter().filter(|(_, times)| *times > 1);
    twice.map(|(saga, times)| format!("saga {saga} was charged {times} times")).collect()
}

/// What is charged and not given back is what the orders that stand come to, order by order, and payments say the same.
pub(super) fn money_agrees(books: &Books) -> Vec<String> {
    let (ledger, owed) = (ledger(books), owed(books));
    let mut found = Vec::new();
    for (key, moved) in &ledger {
        let wanted = owed.get(key).copied().unwrap_or_default();
        if moved.charged - moved.refunded != wanted {
            found.push(format!("saga {key}: {moved:?}, its order comes to {wanted}"));
        }
    }
    for (saga, amount) in owed.iter().filter(|(saga, amount)| **amount > 0 && !ledger.contains_key(*saga)) {
        found.push(format!("saga {saga}: its order comes to {amount}, and nothing was charged"));
    }
    for (stream, events) in books.streams(Role::Payment, "payment") {
        // A charge that was undone before its outcome was known is recorded as given back alone.
        let mut kept = 0;
        for event in events {
            match event.event_type.as_str() {
                "PaymentSucceeded" => kept = data(event)["amount"]["amount"].as_i64().unwrap_or_default(),
                "PaymentRefunded" | "PaymentVoided" => kept = 0,
                _ => {}
            }
        }
        let real = ledger.get(stream.id()).copied().unwrap_or_default();
        if kept != real.charged - real.refunded {
            found.push(format!("saga {}: payments keep {kept}, the provider says {real:?}", stream.id()));
        }
    }
    found
}
