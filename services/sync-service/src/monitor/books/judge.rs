//! What is wrong with one saga's sides: the rules of the books, the same that `tests/invariants` holds at rest.

use madrigal_consistency::{Content, Divergence, Issue, Row};
use madrigal_contracts::books::{ReservationStanding, SagaAccount, SagaOrder, SagaReservation};
use madrigal_contracts::catalog::ProductQuantity;
use serde_json::{Value, json};

use super::{LATE, MONEY, OF_SAGAS, RESERVATIONS, SOLD};
use crate::monitor::pairs::DeclaredPair;

/// What is said of a saga whose order was read before its participants.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// Every book holds.
    Holds,
    /// The saga, or its order's cancellation, is under way: nothing can be said yet.
    UnderWay,
    /// These books do not hold, if the order is still what it was when the participants were read.
    Wrong(Vec<Wrong>),
}

/// A book that does not hold for a saga.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wrong {
    /// Its number in [`OF_SAGAS`].
    pub(super) book: usize,
    pub(super) divergence: Divergence,
}

/// Judges the three sides of a saga.
pub(super) fn judge(
    saga: &str,
    order: Option<&SagaOrder>,
    reservation: Option<&SagaReservation>,
    account: Option<&SagaAccount>,
) -> Judged {
    if order.is_some_and(|order| order.under_way) {
        return Judged::UnderWay;
    }
    let mut wrong = Vec::new();
    let mut expect = |book: &DeclaredPair, broken: Option<(Issue, &str)>| {
        let Some((issue, why)) = broken else { return };
        let owner = order.map(|order| Row::new(saga, None).with_content(owned(order)));
        let copy = if *book == MONEY {
            account.map(|account| Row::new(saga, None).with_content(ledger(account, why)))
        } else {
            reservation.map(|reservation| Row::new(saga, None).with_content(held(reservation, why)))
        };
        let book = OF_SAGAS.iter().position(|known| known == book).unwrap_or_default();
        wrong.push(Wrong { book, divergence: Divergence { key: saga.to_owned(), issue, owner, copy } });
    };
    expect(&RESERVATIONS, reservations(order, reservation));
    expect(&SOLD, sold(order, reservation));
    expect(&MONEY, money(order, account));
    expect(&LATE, late(order, reservation));
    if wrong.is_empty() { Judged::Holds } else { Judged::Wrong(wrong) }
}

fn reservations(order: Option<&SagaOrder>, reservation: Option<&SagaReservation>) -> Option<(Issue, &'static str)> {
    reservation.filter(|reservation| reservation.standing == ReservationStanding::Reserved)?;
    Some(match order {
        None => (Issue::Extra, "held, and there is no such saga"),
        Some(_) => (Issue::Different, "held, and its saga is over"),
    })
}

fn sold(order: Option<&SagaOrder>, reservation: Option<&SagaReservation>) -> Option<(Issue, &'static str)> {
    let sold = reservation.filter(|reservation| reservation.standing == ReservationStanding::Sold);
    match (order.filter(|order| order.stands), sold) {
        (None, None) => None,
        (None, Some(_)) => Some((Issue::Extra, "sold, and no order stands")),
        (Some(_), None) if reservation.is_none() => Some((Issue::Missing, "an order without a reservation")),
        (Some(_), None) => Some((Issue::Different, "not sold, and its order stands")),
        (Some(order), Some(sold)) => {
            let same = sorted(&order.lines) == sorted(&sold.lines) && sold.order_id == order.order_id;
            (!same).then_some((Issue::Different, "sold is not what the order holds"))
        }
    }
}

fn money(order: Option<&SagaOrder>, account: Option<&SagaAccount>) -> Option<(Issue, &'static str)> {
    let owed = order.filter(|order| order.stands).and_then(|order| order.final_amount);
    let Some(account) = account else {
        return owed.filter(|owed| owed.amount != 0).map(|_| (Issue::Missing, "an order that was never charged"));
    };
    if account.charges.len() > 1 || account.refunds.len() > 1 {
        return Some((Issue::Different, "charged or refunded more than once"));
    }
    let kept = |money: &madrigal_core::Money| {
        let owed = owed.filter(|owed| owed.currency == money.currency).map_or(0, |owed| i128::from(owed.amount));
        account.net(money.currency) == owed
    };
    if account.charges.iter().chain(&account.refunds).chain(owed.as_ref()).all(kept) {
        return None;
    }
    Some(match owed {
        None => (Issue::Extra, "the provider keeps money, and no order stands"),
        Some(_) => (Issue::Different, "the provider keeps another amount"),
    })
}

fn late(order: Option<&SagaOrder>, reservation: Option<&SagaReservation>) -> Option<(Issue, &'static str)> {
    let late = reservation.is_some_and(|reservation| reservation.confirmed_late);
    let excused = order.is_some_and(SagaOrder::is_cancelled);
    (late && !excused).then_some((Issue::Different, "confirmed after its release, and its order is not cancelled"))
}

fn sorted(lines: &[ProductQuantity]) -> Vec<(&str, u32)> {
    let mut lines: Vec<_> = lines.iter().map(|line| (line.product_id.as_str(), line.quantity)).collect();
    lines.sort_unstable();
    lines
}

fn owned(order: &SagaOrder) -> Content {
    Content::new()
        .with("orderId", order.order_id.clone())
        .with("status", order.status.clone())
        .with("lines", lines(&order.lines))
        .with("finalAmount", json!(order.final_amount))
}

fn held(reservation: &SagaReservation, why: &str) -> Content {
    Content::new()
        .with("why", why)
        .with("orderId", reservation.order_id.clone())
        .with("standing", json!(reservation.standing))
        .with("confirmedLate", reservation.confirmed_late)
        .with("lines", lines(&reservation.lines))
}

fn ledger(account: &SagaAccount, why: &str) -> Content {
    Content::new().with("why", why).with("charges", json!(account.charges)).with("refunds", json!(account.refunds))
}

fn lines(lines: &[ProductQuantity]) -> Value {
    json!(lines)
}

#[cfg(test)]
mod tests;
