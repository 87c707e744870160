//! What one customer's page is told.

use madrigal_contracts::analytics::{CustomerFigures, GetCustomerFigures};
use madrigal_core::{CallContext, Host, PersonId, Timestamp};
use madrigal_http::Neighbour;
use serde_json::json;

use crate::support::{Desk, message, moved, placed};

#[tokio::test]
async fn a_customer_is_told_what_they_spent_what_they_bought_and_what_others_buy() {
    let desk = Desk::open().await;
    let now = Host::system().now();
    let earlier = Timestamp::from_micros(now.as_micros() - 60_000_000);
    for (product, category) in [("tea", "drinks"), ("mate", "drinks"), ("milk", "drinks"), ("saw", "tools")] {
        let category = json!([{ "id": category, "name": category, "path": category }]);
        let details = json!({ "name": format!("Fine {product}"), "category": category });
        desk.products.tell(message("ProductCreated", product, 1, earlier, &details));
    }
    desk.orders.tell_all(placed("o-1", 1, earlier, "EUR", &[("tea", 300, 2)]));
    desk.orders.tell_all(placed("o-2", 1, now, "EUR", &[("saw", 900, 1)]));
    desk.orders.tell(moved("o-2", 4, now, "cancelled"));
    desk.orders.tell_all(placed("o-3", 1, now, "CHF", &[("tea", 400, 1)]));
    desk.orders.tell_all(placed(
        "o-4",
        2,
        now,
        "EUR",
        &[("milk", 1, 1), ("mate", 1, 9), ("tea", 1, 1), ("saw", 1, 99)],
    ));
    desk.catch_up().await;

    let neighbour = Neighbour::round_trip(desk.service.calls());
    let context = CallContext::new(&Host::system());
    let told = neighbour.call(&context, GetCustomerFigures { user_id: PersonId(1), seen: None }).await.unwrap();
    let CustomerFigures { spending, recent, candidates, position } = told;
    let spent: Vec<_> = spending
        .iter()
        .map(|spent| (spent.currency.to_string(), spent.orders, spent.kept_orders, spent.amount))
        .collect();
    assert_eq!(spent, [("CHF".to_owned(), 1, 1, 400), ("EUR".to_owned(), 2, 1, 600)]);
    let recent: Vec<_> = recent.iter().map(|product| (product.name.as_str(), product.ordered_at)).collect();
    assert_eq!(
        recent,
        [("Fine tea", now)],
        "what was cancelled was not bought; each product once, by its latest order"
    );
    assert_eq!(candidates, ["mate", "milk"], "the best of their categories, and nothing that they have");
    assert_eq!(position, desk.service.figures().position());

    let nobody = neighbour.call(&context, GetCustomerFigures { user_id: PersonId(9), seen: None }).await.unwrap();
    assert_eq!((nobody.spending.len(), nobody.recent.len(), nobody.candidates.len()), (0, 0, 0));
}
