//! What collectors do with checkpoints, and where things count.

use madrigal_analytics_service::collectors::NotYet;
use madrigal_core::Position;
use serde_json::json;

use crate::support::{Desk, at, message, moved, placed};

#[tokio::test]
async fn a_restarted_service_goes_on_where_it_was() {
    let desk = Desk::open().await;
    let time = at("2026-11-23T10:15:00Z");
    desk.orders.tell_all(placed("o-1", 1, time, "EUR", &[("tea", 300, 2)]));
    desk.catch_up().await;
    let before = desk.rollups().await;
    let desk = desk.reopened().await;
    desk.catch_up().await;
    assert_eq!(desk.rollups().await, before, "nothing is counted twice");
    let position = desk.orders.tell(moved("o-1", 4, time, "cancelled"));
    desk.catch_up().await;
    let at = desk.service.orders().following().applied_through().unwrap();
    assert_eq!((at.position, position), (Position(4), Position(4)));
    assert_ne!(desk.rollups().await, before);
    assert_eq!(desk.rollups().await["product_days"].len(), 0, "what is cancelled was not sold");
}

#[tokio::test]
async fn a_reader_waits_for_its_position_and_a_token_of_another_history_is_refused() {
    let desk = Desk::open().await;
    let following = desk.service.orders().following();
    let stop = madrigal_core::tasks::StopSignal::new();
    let running = madrigal_core::tasks::spawn("collect", {
        let (service, stop) = (desk.service.clone(), stop.clone());
        async move { service.run(stop).await }
    });
    let mut position = Position::START;
    for message in placed("o-1", 1, at("2026-11-23T10:15:00Z"), "EUR", &[("tea", 300, 2)]) {
        position = desk.orders.tell(message);
    }
    let token = desk.orders.token("order", position);
    desk.service.figures().wait_for(&token).await.unwrap();
    assert!(following.applied_through().unwrap().position >= position);
    assert_eq!(desk.service.figures().lag_events().await, 0);
    let beyond = desk.orders.token("order", Position(99));
    assert_eq!(desk.service.figures().wait_for(&beyond).await, Err(NotYet::OtherHistory));
    let other = madrigal_core::PositionToken::of(
        madrigal_core::LogName::parse("order").unwrap(),
        madrigal_core::LogEpoch::new(&madrigal_core::Host::seeded(99)),
        position,
    );
    assert_eq!(desk.service.figures().wait_for(&other).await, Err(NotYet::OtherHistory));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn the_newest_name_and_category_count_whichever_topic_is_ahead() {
    let desk = Desk::open().await;
    let time = at("2026-11-23T10:15:00Z");
    desk.orders.tell_all(placed("o-1", 1, time, "EUR", &[("tea", 300, 2)]));
    desk.service.orders().catch_up().await.unwrap();
    let details = |name: &str, category: &str| {
        let category = json!([{ "id": category, "name": format!("All {category}"), "path": category }]);
        json!({ "name": name, "description": "", "category": category, "attributes": [], "tags": [], "status": "active" })
    };
    desk.products.tell(message("ProductChanged", "tea", 2, time, &details("Green tea", "drinks")));
    desk.products.tell(message("StockReserved", "tea", 9, time, &json!({ "anything": 1 })));
    desk.products.tell(message("ProductCreated", "tea", 1, time, &details("Tea", "food")));
    desk.catch_up().await;
    let found = desk.service.database().read("product", |connection| {
        connection.query_row(
            "SELECT name, category_id, category_name FROM products WHERE product_id = 'tea'",
            [],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
        )
    });
    let expected = ("Green tea".to_owned(), "drinks".to_owned(), "All drinks".to_owned());
    assert_eq!(found.await.unwrap(), expected);
}

#[tokio::test]
async fn sums_that_do_not_fit_stay_at_the_highest_number() {
    let desk = Desk::open().await;
    for order in ["o-1", "o-2", "o-3"] {
        let messages = placed(order, 1, at("2026-11-23T10:15:00Z"), "EUR", &[("gold", i64::MAX / 2, 1)]);
        desk.orders.tell_all(messages);
        desk.catch_up().await;
    }
    let revenue = desk.service.database().read("revenue", |connection| {
        connection.query_row("SELECT total_revenue FROM daily", [], |row| row.get::<_, i64>(0))
    });
    assert_eq!(revenue.await.unwrap(), i64::MAX);
    assert_eq!(desk.service.refresh().once().await.unwrap().mended, 0);
}
