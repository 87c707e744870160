//! Violations that are planted into what was collected.

use std::collections::BTreeSet;

use madrigal_invariants::{Violation, rules};
use madrigal_torture::facts::{Facts, Outcome, Wish};
use madrigal_torture::findings::Findings;
use madrigal_torture::verdict::{self, RULES, judge};
use serde_json::json;

use crate::world::{AMOUNT, ORDERS, facts, findings, order};

/// The rule that must be named, whom it must name, and what breaks it.
type Planted = (&'static str, &'static str, fn(&mut Facts, &mut Findings));

const PLANTED: &[Planted] = &[
    (verdict::ACKNOWLEDGED_IS_THERE, "one", |_, found| {
        found.books.orders.retain(|order| order["orderId"] != "one");
    }),
    (verdict::AS_ACKNOWLEDGED, "one", |_, found| found.books.orders[0]["items"][0]["quantity"] = json!(3)),
    (verdict::AS_ACKNOWLEDGED, "three", |_, found| {
        found.books.orders[2]["summary"]["finalAmount"] = json!(AMOUNT + 1);
    }),
    (verdict::AS_ACKNOWLEDGED, "two", |_, found| found.books.orders[1]["userId"] = json!(8)),
    (verdict::STATE_STANDS, "two", |_, found| found.books.orders[1]["currentStatus"] = json!("confirmed")),
    (verdict::STATE_STANDS, "three", |_, found| found.books.orders[2]["currentStatus"] = json!("cancelled")),
    (verdict::STATE_STANDS, "one", |_, found| found.books.orders[0]["currentStatus"] = json!("draft")),
    // Both were told yes.
    (verdict::STATE_STANDS, "two", |facts, _| {
        let Outcome::Placed(placed) = &mut facts.wanted[1].outcome else { return };
        placed.shipped = Wish::Granted;
    }),
    (verdict::ONE_ORDER_PER_KEY, "key-one", |_, found| {
        let mut second = order("five", "confirmed");
        second["shippingAddress"]["key"] = json!("key-one");
        found.books.orders.push(second);
    }),
    (verdict::ONE_ORDER_PER_KEY, "key-one", |_, found| found.books.orders[0]["orderId"] = json!("five")),
    (verdict::REFUSED_IS_NOT_THERE, "key-four", |_, found| {
        found.books.orders.push(order("four", "confirmed"));
    }),
    (verdict::ASKED_FOR, "six", |_, found| found.books.orders.push(order("six", "confirmed"))),
    (verdict::ASKED_FOR, "one", |_, found| found.books.orders[0]["currentStatus"] = json!("cancelled")),
    (verdict::OUTCOMES_KNOWN, "key-four", |facts, _| facts.wanted[3].outcome = Outcome::Unknown),
    (verdict::SAGAS_END, "saga-one", |_, found| {
        found.open.push(json!({ "sagaId": "saga-one", "definition": "place-order", "state": "stuck", "reason": null }));
    }),
    (rules::STOCK_BALANCES, "lute", |_, found| {
        found.books.stock.entry("lute".to_owned()).and_modify(|levels| levels["onHand"] = json!(7));
    }),
    (rules::STOCK_BALANCES, "lute", |_, found| {
        // A unit more is sold than orders hold, and the levels themselves balance.
        let levels = json!({ "received": 10, "adjusted": 0, "onHand": 5, "sold": 5, "reserved": 0, "available": 5 });
        found.books.stock.insert("lute".to_owned(), levels);
    }),
    (rules::NOTHING_RESERVED, "lute", |_, found| {
        found.books.stock.entry("lute".to_owned()).and_modify(|levels| {
            levels["reserved"] = json!(2);
            levels["available"] = json!(4);
        });
    }),
    (rules::NOTHING_RESERVED, "saga-four", |_, found| {
        found.books.reservations.insert("saga-four".to_owned(), "made".to_owned());
    }),
    (rules::RESERVATIONS_FOLLOW_ORDERS, "saga-two", |_, found| {
        found.books.reservations.insert("saga-two".to_owned(), "confirmed".to_owned());
    }),
    (rules::RESERVATIONS_FOLLOW_ORDERS, "one", |_, found| {
        found.books.reservations.insert("saga-one".to_owned(), "released".to_owned());
    }),
    (rules::RESERVATIONS_FOLLOW_ORDERS, "one", |_, found| drop(found.books.reservations.remove("saga-one"))),
    (rules::CHARGED_ONCE, "saga-one", |_, found| {
        found.books.ledger.entry("saga-one".to_owned()).or_default().charges.push(AMOUNT);
    }),
    (rules::MONEY_AGREES, "two", |_, found| {
        // The refund of a cancelled order never happened.
        found.books.ledger.entry("saga-two".to_owned()).or_default().refunds.clear();
        found.books.payments.entry("saga-two".to_owned()).or_default().refunds.clear();
        found.books.refunded = 0;
    }),
    (rules::MONEY_AGREES, "one", |_, found| {
        found.books.ledger.remove("saga-one");
        found.books.payments.remove("saga-one");
        found.books.charged -= AMOUNT;
    }),
    (rules::MONEY_AGREES, "saga-four", |_, found| {
        // Charged, and there is no order; an order that stands was charged that much too little, so that the sum is right.
        found.books.ledger.entry("saga-four".to_owned()).or_default().charges.push(1);
        found.books.payments.entry("saga-four".to_owned()).or_default().charges.push(1);
        found.books.ledger.entry("saga-one".to_owned()).or_default().charges[0] -= 1;
        found.books.payments.entry("saga-one".to_owned()).or_default().charges[0] -= 1;
    }),
    (rules::PAYMENTS_AGREE, "saga-one", |_, found| drop(found.books.payments.remove("saga-one"))),
    (rules::ONE_MAIL_EACH, "one", |_, found| {
        found.books.mails.insert(("one".to_owned(), "order-confirmation".to_owned()), 2);
    }),
    (rules::ONE_MAIL_EACH, "two", |_, found| {
        found.books.mails.remove(&("two".to_owned(), "order-cancellation".to_owned()));
    }),
    (rules::ONE_MAIL_EACH, "nobody's", |_, found| {
        found.books.mails.insert(("nobody's".to_owned(), "order-confirmation".to_owned()), 1);
    }),
    (rules::VIEW_EQUALS_EVENTS, "one", |_, found| {
        found.books.statuses.insert("one".to_owned(), "shipped".to_owned());
    }),
    (rules::VIEW_EQUALS_EVENTS, "unseen", |_, found| {
        found.books.statuses.insert("unseen".to_owned(), "confirmed".to_owned());
    }),
    (verdict::EQUALS_REBUILD, "order-view", |_, found| found.rebuilt[0].trouble = Some("1 row differs".to_owned())),
    (verdict::EQUALS_REBUILD, "order-view", |_, found| found.rebuilt[0].parked = 1),
    (verdict::READS_SEE_WRITES, "one", |facts, _| {
        facts.surprise(Violation::new(verdict::READS_SEE_WRITES, ["one"], "404 No such order"));
    }),
    (verdict::OUTCOMES_KNOWN, "paola", |facts, _| facts.persons[0].erase()),
    (verdict::PERSONS_STAND, "paola", |_, found| drop(found.copied.users.remove(&71))),
    (verdict::PERSONS_STAND, "paola", |facts, _| facts.persons[0].version = 2),
    (verdict::PERSONS_STAND, "paola", |facts, _| facts.persons[0].name = "Ottavia".to_owned()),
    (verdict::ERASED_STAYS_ERASED, "quirina", |_, found| {
        found.copied.users.insert(72, (3, "Quirina".to_owned()));
    }),
    (verdict::IDS_NEVER_RETURN, "paola", |facts, _| facts.persons[1].user = Some(71)),
    (verdict::COPIES_NEVER_GO_BACK, "users.index/71", |facts, _| {
        facts.surprise(Violation::new(verdict::COPIES_NEVER_GO_BACK, ["users.index/71"], "version 1 after 2"));
    }),
    (verdict::COPIES_AGREE, "users.index", |_, found| {
        found.copied.troubles.push(("users.index".to_owned(), "divergent: 1 row".to_owned()));
    }),
    (verdict::COPIES_AGREE, "orders.analytics", |_, found| {
        found.copied.pairs.remove("orders.analytics");
    }),
    (verdict::COPIES_AGREE, "stock.view", |_, found| {
        found.copied.repairs.push(json!({ "pair": "stock.view", "divergence": { "key": "lute" } }));
    }),
    (verdict::COPIES_AGREE, "users:71", |_, found| {
        found.copied.parked.push(json!({ "id": "users:71", "kind": "users.u", "cause": "no profile" }));
    }),
    (verdict::ANSWERS_ARE_SOUND, "one", |facts, _| {
        facts.surprise(Violation::new(verdict::ANSWERS_ARE_SOUND, ["one"], "500 Internal error"));
    }),
    (verdict::STARTS_AGAIN, "order-service", |_, found| {
        found.processes.push(Violation::new(verdict::STARTS_AGAIN, ["order-service"], "it ended by itself"));
    }),
    (verdict::NO_PANIC, "shop", |_, found| {
        found.panics.push(("shop".to_owned(), "thread 'main' panicked at src/main.rs:1:1:".to_owned()));
    }),
    (verdict::DOCTOR_IS_CONTENT, "", |_, found| found.doctor.push("order-service/journal: damaged".to_owned())),
];

#[test]
fn a_world_in_which_everything_holds_is_not_blamed() {
    assert_eq!(judge(&facts(), &findings()), Vec::<Violation>::new());
    assert_eq!(ORDERS.len(), facts().placed().count());
}

#[test]
fn each_planted_violation_is_named_with_whom_it_is_about() {
    for (index, (rule, whom, plant)) in PLANTED.iter().enumerate() {
        let (mut facts, mut findings) = (facts(), findings());
        plant(&mut facts, &mut findings);
        let found = judge(&facts, &findings);
        let named = found
            .iter()
            .any(|violation| violation.rule == *rule && (whom.is_empty() || violation.ids.iter().any(|id| id == whom)));
        assert!(named, "plant {index}: {rule} about {whom} is not named in {found:?}");
    }
}

#[test]
fn every_rule_was_seen_to_fail() {
    let planted: BTreeSet<&str> = PLANTED.iter().map(|(rule, _, _)| *rule).collect();
    assert_eq!(planted, BTreeSet::from(RULES));
}

#[test]
fn what_is_asked_for_without_an_answer_may_have_happened_or_not() {
    for status in ["confirmed", "cancelled", "shipped"] {
        let (mut facts, mut findings) = (facts(), findings());
        let Outcome::Placed(placed) = &mut facts.wanted[0].outcome else { continue };
        (placed.cancelled, placed.shipped) = (Wish::Asked, Wish::Asked);
        findings.books.orders[0]["currentStatus"] = json!(status);
        let found = judge(&facts, &findings);
        let blamed =
            found.iter().any(|violation| [verdict::STATE_STANDS, verdict::ASKED_FOR].contains(&violation.rule));
        assert!(!blamed, "{status}: {found:?}");
    }
}
