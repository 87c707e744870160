use madrigal_core::{Currency, Money};

use super::*;

const SAGA: &str = "s-1";

fn euros(amount: i64) -> Money {
    Money { amount, currency: Currency::EUR }
}

fn bought() -> Vec<ProductQuantity> {
    vec![ProductQuantity { product_id: "lute".into(), quantity: 2 }]
}

fn placed() -> SagaOrder {
    SagaOrder {
        saga_id: SAGA.into(),
        order_id: "o-1".into(),
        under_way: false,
        status: Some("confirmed".into()),
        stands: true,
        lines: bought(),
        final_amount: Some(euros(100)),
    }
}

fn cancelled() -> SagaOrder {
    SagaOrder { status: Some("cancelled".into()), stands: false, ..placed() }
}

fn undone() -> SagaOrder {
    SagaOrder { status: None, stands: false, lines: Vec::new(), final_amount: None, ..placed() }
}

fn reservation(standing: ReservationStanding) -> SagaReservation {
    let (saga_id, order_id) = (SAGA.into(), "o-1".into());
    SagaReservation { saga_id, order_id, standing, confirmed_late: false, lines: bought() }
}

fn account(charges: &[i64], refunds: &[i64]) -> SagaAccount {
    let money = |amounts: &[i64]| amounts.iter().map(|amount| euros(*amount)).collect();
    SagaAccount { saga_id: SAGA.into(), charges: money(charges), refunds: money(refunds) }
}

/// The books that do not hold, with their issues.
#[expect(clippy::needless_pass_by_value, reason = "cases are written where they are asked about")]
fn wrong(
    order: Option<SagaOrder>,
    reservation: Option<SagaReservation>,
    account: Option<SagaAccount>,
) -> Vec<(&'static str, Issue)> {
    match judge(SAGA, order.as_ref(), reservation.as_ref(), account.as_ref()) {
        Judged::Wrong(wrong) => wrong.iter().map(|it| (OF_SAGAS[it.book].name, it.divergence.issue)).collect(),
        Judged::Holds => Vec::new(),
        Judged::UnderWay => panic!("it is over"),
    }
}

#[test]
fn an_order_that_stands_is_sold_and_paid_and_any_other_has_nothing() {
    use ReservationStanding::{Released, Returned, Sold, Tombstoned};
    let none = Vec::new();
    assert_eq!(wrong(Some(placed()), Some(reservation(Sold)), Some(account(&[100], &[]))), none);
    assert_eq!(wrong(Some(cancelled()), Some(reservation(Returned)), Some(account(&[100], &[100]))), none);
    for standing in [Released, Tombstoned] {
        assert_eq!(wrong(Some(undone()), Some(reservation(standing)), None), none);
    }
    assert_eq!(wrong(Some(undone()), None, Some(account(&[100], &[100]))), none);
    let free = SagaOrder { final_amount: Some(euros(0)), ..placed() };
    assert_eq!(wrong(Some(free), Some(reservation(Sold)), None), none, "what costs nothing is not charged");
    assert_eq!(wrong(None, None, None), none);
}

#[test]
fn only_a_saga_that_is_under_way_holds_stock() {
    let held = || Some(reservation(ReservationStanding::Reserved));
    assert_eq!(wrong(None, held(), None), [("books.reservations", Issue::Extra)]);
    assert_eq!(wrong(Some(undone()), held(), None), [("books.reservations", Issue::Different)]);
    let under_way = SagaOrder { under_way: true, ..undone() };
    assert_eq!(judge(SAGA, Some(&under_way), held().as_ref(), Some(&account(&[1, 1], &[]))), Judged::UnderWay);
}

#[test]
fn what_is_sold_is_what_an_order_holds_that_stands() {
    let sold = || reservation(ReservationStanding::Sold);
    let paid = || Some(account(&[100], &[]));
    for (order, book) in [(None, Issue::Extra), (Some(undone()), Issue::Extra), (Some(cancelled()), Issue::Extra)] {
        assert_eq!(wrong(order, Some(sold()), None), [("books.sold", book)]);
    }
    assert_eq!(wrong(Some(placed()), None, paid()), [("books.sold", Issue::Missing)]);
    let returned = reservation(ReservationStanding::Returned);
    assert_eq!(wrong(Some(placed()), Some(returned), paid()), [("books.sold", Issue::Different)]);
    let mut other = sold();
    other.lines[0].quantity = 3;
    assert_eq!(wrong(Some(placed()), Some(other), paid()), [("books.sold", Issue::Different)]);
}

#[test]
fn the_provider_keeps_what_an_order_comes_to_that_stands_charged_once() {
    let sold = || Some(reservation(ReservationStanding::Sold));
    let money = |charges: &[i64], refunds: &[i64]| wrong(Some(placed()), sold(), Some(account(charges, refunds)));
    assert_eq!(wrong(Some(placed()), sold(), None), [("books.money", Issue::Missing)]);
    for (charges, refunds) in [(&[99][..], &[][..]), (&[100], &[100]), (&[100, 100], &[]), (&[100, 100], &[100])] {
        assert_eq!(money(charges, refunds), [("books.money", Issue::Different)], "{charges:?} {refunds:?}");
    }
    for order in [None, Some(undone()), Some(cancelled())] {
        assert_eq!(wrong(order, None, Some(account(&[100], &[]))), [("books.money", Issue::Extra)]);
    }
    let dollars = Money { amount: 100, currency: Currency::parse("USD").unwrap() };
    let abroad = SagaAccount { charges: vec![dollars], ..account(&[], &[]) };
    assert_eq!(wrong(Some(placed()), sold(), Some(abroad)), [("books.money", Issue::Different)]);
}

#[test]
fn a_confirmation_after_the_release_is_excused_by_a_cancelled_order_alone() {
    let late = || Some(SagaReservation { confirmed_late: true, ..reservation(ReservationStanding::Released) });
    assert_eq!(wrong(Some(cancelled()), late(), None), []);
    assert_eq!(wrong(Some(undone()), late(), None), [("books.late", Issue::Different)]);
    assert_eq!(wrong(None, late(), None), [("books.late", Issue::Different)]);
}
