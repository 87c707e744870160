//! What must hold, of what customers were told and what the shop says afterwards. Nothing is asked here: the same facts and
//! findings have the same verdict.

use std::collections::{BTreeMap, BTreeSet};

use madrigal_invariants::{Violation, rules};
use serde_json::Value;

use crate::facts::{Facts, Outcome, Placed, Wanted, Wish};
use crate::findings::Findings;

/// Every acknowledged order is there.
pub const ACKNOWLEDGED_IS_THERE: &str = "acknowledged-order-is-there";
/// It has the buyer, the lines and the amount that were acknowledged.
pub const AS_ACKNOWLEDGED: &str = "order-as-acknowledged";
/// It is in the state that was acknowledged last, or a later one that somebody asked for.
pub const STATE_STANDS: &str = "acknowledged-state-stands";
/// One order at most per idempotency key, and one answer.
pub const ONE_ORDER_PER_KEY: &str = "one-order-per-key";
/// What was refused did not happen.
pub const REFUSED_IS_NOT_THERE: &str = "refused-is-not-there";
/// There is no order and no change that nobody asked for.
pub const ASKED_FOR: &str = "everything-was-asked-for";
/// No outcome stays unknown.
pub const OUTCOMES_KNOWN: &str = "outcomes-known";
/// Every saga ends.
pub const SAGAS_END: &str = "sagas-end";
/// Every projection equals one that is built anew from its log, and has nothing parked.
pub const EQUALS_REBUILD: &str = "projections-equal-rebuild";
/// A read that presents the position of a write sees it, also after a crash: histories go on.
pub const READS_SEE_WRITES: &str = "reads-see-writes";
/// Every acknowledged registration and change of a person stands.
pub const PERSONS_STAND: &str = "acknowledged-persons-stand";
/// Whoever was erased is in no copy any more, and comes back nowhere, not even for a moment.
pub const ERASED_STAYS_ERASED: &str = "erased-stays-erased";
/// No two persons ever have the same number.
pub const IDS_NEVER_RETURN: &str = "ids-never-return";
/// No row of a copy goes back to an older version, not even for a moment.
pub const COPIES_NEVER_GO_BACK: &str = "copies-never-go-back";
/// At the end every copy has what its owner has, by content, without a repair and with nothing parked.
pub const COPIES_AGREE: &str = "copies-agree";
/// No answer that nobody may ever get: 500, another kind of text, a refusal of what is right.
pub const ANSWERS_ARE_SOUND: &str = "answers-are-sound";
/// Every process starts again after `kill -9`, stays up by itself, and ends in order when asked to.
pub const STARTS_AGAIN: &str = "starts-again";
/// No process ever panicked.
pub const NO_PANIC: &str = "no-panic";
/// `madrigal doctor` finds nothing wrong, neither with the running shop nor with its logs.
pub const DOCTOR_IS_CONTENT: &str = "doctor-is-content";

/// All rules that a run is judged by.
pub const RULES: [&str; 27] = [
    ACKNOWLEDGED_IS_THERE,
    AS_ACKNOWLEDGED,
    STATE_STANDS,
    ONE_ORDER_PER_KEY,
    REFUSED_IS_NOT_THERE,
    ASKED_FOR,
    OUTCOMES_KNOWN,
    SAGAS_END,
    rules::STOCK_BALANCES,
    rules::NOTHING_RESERVED,
    rules::RESERVATIONS_FOLLOW_ORDERS,
    rules::CHARGED_ONCE,
    rules::MONEY_AGREES,
    rules::PAYMENTS_AGREE,
    rules::ONE_MAIL_EACH,
    rules::VIEW_EQUALS_EVENTS,
    EQUALS_REBUILD,
    READS_SEE_WRITES,
    PERSONS_STAND,
    ERASED_STAYS_ERASED,
    IDS_NEVER_RETURN,
    COPIES_NEVER_GO_BACK,
    COPIES_AGREE,
    ANSWERS_ARE_SOUND,
    STARTS_AGAIN,
    NO_PANIC,
    DOCTOR_IS_CONTENT,
];

/// The pairs that the monitor must have compared; what it compares beside them is judged as well.
pub const PAIRS: [&str; 10] = [
    "users.key-value",
    "users.index",
    "users.analytics",
    "orders.view",
    "orders.analytics",
    "products.view",
    "stock.view",
    "products.search",
    "stock.search",
    "products.cache",
];

/// Everything that does not hold.
pub fn judge(facts: &Facts, findings: &Findings) -> Vec<Violation> {
    let mut found = facts.surprises.clone();
    let orders: BTreeMap<&str, &Value> =
        findings.books.orders.iter().map(|order| (text(&order["orderId"]), order)).collect();
    for (wanted, placed) in facts.placed() {
        match orders.get(placed.order.as_str()) {
            Some(order) => acknowledged(wanted, placed, order, &mut found),
            None => found.push(Violation::new(
                ACKNOWLEDGED_IS_THERE,
                [placed.order.as_str(), &wanted.key],
                "it was answered with 201 and is not there",
            )),
        }
    }
    keys(facts, findings, &mut found);
    persons(facts, findings, &mut found);
    copies(findings, &mut found);
    for saga in &findings.open {
        let words = format!("{} {}: {}", text(&saga["definition"]), text(&saga["state"]), saga["reason"]);
        found.push(Violation::new(SAGAS_END, [text(&saga["sagaId"])], words));
    }
    found.extend(findings.books.violations());
    for one in &findings.rebuilt {
        if let Some(trouble) = &one.trouble {
            found.push(Violation::new(EQUALS_REBUILD, [one.name.as_str()], trouble));
        }
        if one.parked > 0 {
            found.push(Violation::new(EQUALS_REBUILD, [one.name.as_str()], format!("{} keys are parked", one.parked)));
        }
    }
    found.extend(findings.doctor.iter().map(|line| Violation::new(DOCTOR_IS_CONTENT, [], line)));
    found.extend(findings.panics.iter().map(|(name, line)| Violation::new(NO_PANIC, [name.as_str()], line)));
    found.extend(findings.processes.iter().cloned());
    found
}

/// An order beside what was acknowledged of it.
fn acknowledged(wanted: &Wanted, placed: &Placed, order: &Value, found: &mut Vec<Violation>) {
    let mut expect = |rule: &'static str, holds: bool, words: String| {
        if !holds {
            found.push(Violation::new(rule, [placed.order.as_str(), &wanted.key], words));
        }
    };
    let lines: BTreeMap<String, i64> = order["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| (text(&item["productId"]).to_owned(), item["quantity"].as_i64().unwrap_or(-1)))
        .collect();
    let (user, amount) = (order["userId"].as_i64(), order["summary"]["finalAmount"].as_i64());
    expect(
        AS_ACKNOWLEDGED,
        user == Some(wanted.user) && amount == Some(placed.amount) && lines == wanted.lines,
        format!(
            "user {user:?} has {lines:?} for {amount:?}; acknowledged: user {}, {:?} for {}",
            wanted.user, wanted.lines, placed.amount
        ),
    );
    let status = text(&order["currentStatus"]);
    let (cancelled, shipped) = (status == "cancelled", matches!(status, "shipped" | "delivered"));
    let stands = match placed.cancelled {
        Wish::Granted => cancelled,
        // Only an order that is on its way cannot be cancelled, and cancelling twice is answered as the first time.
        Wish::Refused | Wish::RefusedLate => shipped,
        Wish::Never | Wish::Asked => true,
    } && match placed.shipped {
        Wish::Granted => shipped,
        Wish::Refused => cancelled,
        Wish::RefusedLate => shipped || cancelled,
        Wish::Never | Wish::Asked => true,
    };
    let words = || format!("it is {status}; cancelling: {:?}, shipping: {:?}", placed.cancelled, placed.shipped);
    expect(STATE_STANDS, stands && (cancelled || shipped || status == "confirmed"), words());
    let by_nobody = (cancelled && placed.cancelled == Wish::Never) || (shipped && placed.shipped == Wish::Never);
    expect(ASKED_FOR, !by_nobody, words());
}

/// Orders beside the keys that they bear.
fn keys(facts: &Facts, findings: &Findings, found: &mut Vec<Violation>) {
    let mut by_key: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for order in &findings.books.orders {
        by_key.entry(text(&order["shippingAddress"]["key"])).or_default().insert(text(&order["orderId"]));
    }
    let ids = |key: &str| by_key.get(key).into_iter().flatten().copied();
    let mut known = BTreeSet::new();
    for wanted in &facts.wanted {
        let key = wanted.key.as_str();
        known.insert(key);
        let count = ids(key).count();
        if count > 1 {
            found.push(Violation::new(ONE_ORDER_PER_KEY, [key].into_iter().chain(ids(key)), format!("{count} orders")));
        }
        match &wanted.outcome {
            Outcome::Placed(placed) if count > 0 && ids(key).all(|order| order != placed.order) => {
                let named = [key, placed.order.as_str()].into_iter().chain(ids(key));
                found.push(Violation::new(
                    ONE_ORDER_PER_KEY,
                    named,
                    "the key's order is another than the acknowledged one",
                ));
            }
            Outcome::Refused(code) if count > 0 => {
                let named = [key].into_iter().chain(ids(key));
                found.push(Violation::new(REFUSED_IS_NOT_THERE, named, format!("refused as {code}")));
            }
            Outcome::Unknown => {
                let named = [key].into_iter().chain(ids(key));
                found.push(Violation::new(OUTCOMES_KNOWN, named, "repeating it never told what became of it"));
            }
            Outcome::Placed(_) | Outcome::Refused(_) => {}
        }
    }
    for (key, orders) in by_key.iter().filter(|(key, _)| !known.contains(*key)) {
        let named = orders.iter().copied().chain([*key]);
        found.push(Violation::new(ASKED_FOR, named, "no customer asked for it"));
    }
}

/// Persons beside the owner's users.
fn persons(facts: &Facts, findings: &Findings, found: &mut Vec<Violation>) {
    let users = &findings.copied.users;
    let mut known: BTreeMap<i64, &str> = BTreeMap::new();
    for person in &facts.persons {
        let name = person.username.as_str();
        if let Some(pending) = &person.pending {
            let words = format!("{pending:?}: repeating it never told what became of it");
            found.push(Violation::new(OUTCOMES_KNOWN, [name], words));
        }
        let Some(user) = person.user else { continue };
        if let Some(other) = known.insert(user, name) {
            found.push(Violation::new(IDS_NEVER_RETURN, [name, other], format!("both were told the number {user}")));
        }
        match users.get(&user) {
            Some(there) if person.erased => {
                let words = format!("her erasure was acknowledged, and user {user} is there: {there:?}");
                found.push(Violation::new(ERASED_STAYS_ERASED, [name], words));
            }
            None if !person.erased && person.pending.is_none() => {
                found.push(Violation::new(
                    PERSONS_STAND,
                    [name],
                    format!("user {user} was acknowledged and is not there"),
                ));
            }
            Some(there) if person.pending.is_none() && *there != (person.version, person.name.clone()) => {
                let words = format!("it is {there:?}; acknowledged: {:?}", (person.version, &person.name));
                found.push(Violation::new(PERSONS_STAND, [name], words));
            }
            _ => {}
        }
    }
}

/// Copies beside their owners, as the monitor sees them.
fn copies(findings: &Findings, found: &mut Vec<Violation>) {
    let copied = &findings.copied;
    found.extend(copied.troubles.iter().map(|(pair, words)| Violation::new(COPIES_AGREE, [pair.as_str()], words)));
    for pair in PAIRS.iter().filter(|pair| !copied.pairs.contains_key(**pair)) {
        found.push(Violation::new(COPIES_AGREE, [*pair], "the monitor did not compare it"));
    }
    for repair in &copied.repairs {
        let words = format!("a row diverged and was repaired: {}", repair["divergence"]);
        found.push(Violation::new(COPIES_AGREE, [text(&repair["pair"])], words));
    }
    for parked in &copied.parked {
        let words = format!("{} is parked: {}", text(&parked["kind"]), text(&parked["cause"]));
        found.push(Violation::new(COPIES_AGREE, [text(&parked["id"])], words));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
