//! Three orders and a refusal, as customers know them and as the shop tells them.

use std::collections::BTreeMap;

use madrigal_invariants::{Account, Books};
use madrigal_torture::copies::Copied;
use madrigal_torture::facts::{Facts, Outcome, Person, Placed, Wanted, Wish};
use madrigal_torture::findings::{Findings, Rebuilt};
use madrigal_torture::verdict::PAIRS;
use serde_json::{Value, json};

pub(crate) const AMOUNT: i64 = 1_080;

/// The orders with their status.
pub(crate) const ORDERS: [(&str, &str); 3] = [("one", "confirmed"), ("two", "cancelled"), ("three", "shipped")];

fn placed(order: &str, cancelled: Wish, shipped: Wish) -> Outcome {
    Outcome::Placed(Placed { order: order.to_owned(), amount: AMOUNT, cancelled, shipped })
}

fn wanted(key: &str, outcome: Outcome) -> Wanted {
    Wanted {
        key: key.to_owned(),
        user: 7,
        lines: BTreeMap::from([("lute".to_owned(), 2)]),
        payment: "tok_visa".to_owned(),
        outcome,
        unanswered: 0,
    }
}

/// What customers know.
pub(crate) fn facts() -> Facts {
    let wanted = vec![
        wanted("key-one", placed("one", Wish::Never, Wish::Never)),
        wanted("key-two", placed("two", Wish::Granted, Wish::Refused)),
        wanted("key-three", placed("three", Wish::RefusedLate, Wish::Granted)),
        wanted("key-four", Outcome::Refused("payment-declined".to_owned())),
    ];
    let mut persons = vec![Person::new("paola"), Person::new("quirina")];
    for (number, person) in (71..).zip(&mut persons) {
        (person.user, person.version, person.pending) = (Some(number), 1, None);
    }
    persons[1].erased = true;
    Facts { wanted, persons, ..Facts::default() }
}

/// An order as the view shows it.
pub(crate) fn order(id: &str, status: &str) -> Value {
    json!({
        "orderId": id, "userId": 7, "sagaId": format!("saga-{id}"), "currentStatus": status,
        "items": [{ "productId": "lute", "quantity": 2 }], "summary": { "finalAmount": AMOUNT },
        "shippingAddress": { "key": format!("key-{id}") },
    })
}

/// What the shop says, in which everything holds.
pub(crate) fn findings() -> Findings {
    let mut books = Books { charged: 3 * AMOUNT, refunded: AMOUNT, ..Books::default() };
    for (id, status) in ORDERS {
        books.orders.push(order(id, status));
        books.statuses.insert(id.to_owned(), status.to_owned());
        let cancelled = status == "cancelled";
        let stands = if cancelled { "returned" } else { "confirmed" };
        books.reservations.insert(format!("saga-{id}"), stands.to_owned());
        let account = Account { charges: vec![AMOUNT], refunds: if cancelled { vec![AMOUNT] } else { Vec::new() } };
        books.ledger.insert(format!("saga-{id}"), account.clone());
        books.payments.insert(format!("saga-{id}"), account);
        books.mails.insert((id.to_owned(), "order-confirmation".to_owned()), 1);
        if cancelled {
            books.mails.insert((id.to_owned(), "order-cancellation".to_owned()), 1);
        }
    }
    books.reservations.insert("saga-four".to_owned(), "released".to_owned());
    let stock = json!({ "received": 10, "adjusted": 0, "onHand": 6, "sold": 4, "reserved": 0, "available": 6 });
    books.stock.insert("lute".to_owned(), stock);
    let rebuilt = vec![Rebuilt { name: "order-view".to_owned(), parked: 0, rows: 3, trouble: None }];
    let copied = Copied {
        pairs: PAIRS.iter().map(|pair| ((*pair).to_owned(), 3)).collect(),
        users: BTreeMap::from([(71, (1, "Quirina".to_owned()))]),
        ..Copied::default()
    };
    Findings { books, rebuilt, copied, ..Findings::default() }
}
