//! Recomputing finds and mends what increments would never touch again.

use madrigal_telemetry::{Check, Status};

use crate::support::{Desk, at, moved, placed};

#[tokio::test]
async fn whatever_is_changed_in_a_rollup_is_found_counted_and_mended() {
    let desk = Desk::open().await;
    for (n, time) in ["2026-11-21T10:15:00Z", "2026-11-23T10:15:00Z", "2026-11-23T23:59:59Z"].into_iter().enumerate() {
        let messages = placed(&format!("o-{n}"), 1 + n as i64 % 2, at(time), "EUR", &[("tea", 300, 2), ("cup", 5, 1)]);
        desk.orders.tell_all(messages);
    }
    desk.orders.tell(moved("o-2", 4, at("2026-11-24T10:00:00Z"), "cancelled"));
    desk.catch_up().await;
    let right = desk.rollups().await;
    assert_eq!(desk.service.refresh().once().await.unwrap().mended, 0);
    for damage in [
        "UPDATE hourly SET total_revenue = total_revenue + 1",
        "UPDATE daily SET unique_customers = 7 WHERE day = (SELECT max(day) FROM daily)",
        "DELETE FROM daily",
        "DELETE FROM product_days",
        "INSERT INTO hourly SELECT hour + 1000, currency, 1, 1, 1, 1, 1, 1, 1 FROM hourly LIMIT 1",
        "INSERT INTO daily SELECT day - 1000, 'CHF', 1, 1, 1, 1, 1, 1, 1 FROM daily LIMIT 1",
        "UPDATE product_days SET units = 0",
        "UPDATE customer_days SET kept = kept + 1",
        "UPDATE customers SET revenue = 0",
        "DELETE FROM customers",
        "INSERT INTO customers VALUES (77, 'EUR', 1, 1, 1)",
    ] {
        let damaged = desk.service.database().write("damage", move |tx| tx.execute(damage, []));
        let rows = damaged.await.unwrap() as u64;
        let before = desk.service.refresh().standing();
        let report = desk.service.refresh().once().await.unwrap();
        assert_eq!(report.mended, rows, "{damage}");
        let standing = desk.service.refresh().standing();
        assert_eq!((standing.mended - before.mended, standing.last.unwrap().1), (rows, report), "{damage}");
        assert_eq!(rollups(&desk).await.status, Status::Degraded, "{damage}");
        assert_eq!(desk.rollups().await, right, "{damage}");
    }
    assert_eq!(desk.service.refresh().once().await.unwrap().mended, 0);
    assert_eq!(rollups(&desk).await.status, Status::Healthy, "the last time found nothing");
    let standing = desk.service.refresh().standing();
    let newest = standing.differences.front().unwrap();
    assert_eq!((newest.rollup, newest.of.as_str(), newest.mended), ("customers", "1 and above", 1), "{standing:?}");
    let days: Vec<&str> = standing.differences.iter().filter(|it| it.rollup == "days").map(|it| &*it.of).collect();
    assert!(days.contains(&"2026-11-21") && days.contains(&"2026-11-23"), "{days:?}");
}

async fn rollups(desk: &Desk) -> Check {
    desk.service.health().await.into_iter().find(|check| check.name == "rollups").unwrap()
}
