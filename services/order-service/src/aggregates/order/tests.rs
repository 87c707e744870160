use madrigal_core::{Host, Money, PersonKey};

use super::*;
use crate::events::{ImportedItem, OrderImported, past_totals};

const EUR: Currency = Currency::EUR;

fn customer() -> Sealed<Customer> {
    let host = Host::seeded(1);
    let key = PersonKey::generate(&host);
    let anna = Customer { name: "Anna".into(), email: "anna@example.org".into(), shipping_address: None };
    Sealed::seal(&host, PersonId(7), &key, &anna).unwrap()
}

fn line(product_id: &str, amount: i64, quantity: u32) -> OrderItem {
    item(product_id.into(), product_id.to_uppercase(), Money { amount, currency: EUR }, BasisPoints::ZERO, quantity)
}

fn given(status: OrderStatus) -> Order {
    Order {
        user_id: PersonId(7),
        customer: customer(),
        items: vec![line("a", 100, 2)],
        currency: EUR,
        status,
        saga_id: None,
        version: StreamVersion(3),
    }
}

fn cancel() -> OrderCommand {
    OrderCommand::Cancel { reason: "changed my mind".into() }
}

fn ship() -> OrderCommand {
    OrderCommand::Ship { carrier: "DHL".into(), tracking_number: "1".into(), estimated_delivery: None }
}

#[test]
fn each_status_allows_exactly_its_own_verbs() {
    use OrderStatus::{Cancelled, Confirmed, Delivered, Draft, Shipped};
    for (command, allowed) in [
        (cancel(), &[Draft, Confirmed][..]),
        (ship(), &[Confirmed]),
        (OrderCommand::Deliver, &[Shipped]),
        (OrderCommand::AddItem(line("b", 5, 1)), &[Draft]),
        (OrderCommand::RemoveItem { product_id: "a".into() }, &[Draft]),
    ] {
        for status in [Draft, Confirmed, Shipped, Delivered, Cancelled] {
            let decided = given(status).decide(command.clone());
            assert_eq!(decided.is_ok(), allowed.contains(&status), "{command:?} when {status:?}: {decided:?}");
        }
    }
}

#[test]
fn adding_a_known_product_raises_its_quantity() {
    let events = given(OrderStatus::Draft).decide(OrderCommand::AddItem(line("a", 100, 3))).unwrap();
    let order = Order::evolve(Some(given(OrderStatus::Draft)), &events[0]).unwrap();
    assert_eq!(order.items, vec![line("a", 100, 5)]);
}

#[test]
fn too_many_lines_or_pieces_are_refused() {
    let mut draft = given(OrderStatus::Draft);
    assert_eq!(draft.decide(OrderCommand::AddItem(line("a", 1, MAX_QUANTITY))), Err(OrderRejection::TooLarge));
    draft.items = (0..MAX_LINES).map(|number| line(&number.to_string(), 1, 1)).collect();
    assert_eq!(draft.decide(OrderCommand::AddItem(line("new", 1, 1))), Err(OrderRejection::TooLarge));
}

#[test]
fn a_product_of_another_currency_is_refused() {
    let mut dollars = line("b", 5, 1);
    dollars.price.currency = Currency::parse("USD").unwrap();
    let refused = given(OrderStatus::Draft).decide(OrderCommand::AddItem(dollars));
    assert!(matches!(refused, Err(OrderRejection::OtherCurrency { .. })), "{refused:?}");
}

#[test]
fn cancelling_leads_to_cancelled() {
    let mut order = Some(given(OrderStatus::Confirmed));
    for event in given(OrderStatus::Confirmed).decide(cancel()).unwrap() {
        order = Order::evolve(order, &event);
    }
    assert_eq!(order.unwrap().status, OrderStatus::Cancelled);
}

fn past(line_totals: &[i64]) -> OrderImported {
    let item = |line_total: &i64| ImportedItem {
        product_id: "a".into(),
        name: "A".into(),
        quantity: 3,
        line_total: *line_total,
    };
    let items: Vec<ImportedItem> = line_totals.iter().map(item).collect();
    OrderImported {
        order_id: "x".into(),
        user_id: PersonId(7),
        customer: customer(),
        summary: past_totals(&items, 2).unwrap(),
        items,
        currency: EUR,
        ordered_at: Timestamp::from_micros(1),
        import_key: None,
    }
}

#[test]
fn an_imported_order_is_delivered_and_refuses_everything() {
    let order = Order::evolve(None, &OrderEvent::Imported(past(&[500, 0]))).unwrap();
    assert_eq!((order.status, order.version, order.saga_id.clone()), (OrderStatus::Delivered, StreamVersion(1), None));
    let remove = OrderCommand::RemoveItem { product_id: "a".into() };
    for command in [cancel(), ship(), OrderCommand::Deliver, OrderCommand::AddItem(line("b", 5, 1)), remove] {
        let refused = order.decide(command);
        assert!(matches!(refused, Err(OrderRejection::Status { status: OrderStatus::Delivered, .. })), "{refused:?}");
    }
}

#[test]
fn past_totals_are_what_was_paid_and_sums_that_do_not_fit_are_refused() {
    let summary = past(&[500, 0, 1]).summary;
    assert_eq!((summary.item_count, summary.total_amount, summary.tax_amount, summary.final_amount), (9, 501, 2, 503));
    let items = past(&[i64::MAX - 2]).items;
    assert_eq!(past_totals(&[items.clone(), items.clone()].concat(), 0), Err(MoneyError::Overflow));
    assert_eq!(past_totals(&items, 3), Err(MoneyError::Overflow));
    assert_eq!(past_totals(&items, -1), Err(MoneyError::Negative));
}

#[test]
fn an_import_says_the_same_whatever_its_seal_and_another_whatever_else_differs() {
    let order = past(&[500]);
    assert!(order.says_the_same_as(&OrderImported { customer: customer(), ..order.clone() }));
    for other in [
        OrderImported { ordered_at: Timestamp::from_micros(2), ..order.clone() },
        OrderImported { user_id: PersonId(8), ..order.clone() },
        OrderImported { import_key: Some("k".into()), ..order.clone() },
        past(&[501]),
        past(&[500, 0]),
    ] {
        assert!(!order.says_the_same_as(&other), "{other:?}");
    }
}
