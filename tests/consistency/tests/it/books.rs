//! The books between services: what does not balance is named by the book that it breaks, and nothing is alarmed about while
//! orders are placed and cancelled.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, tasks};
use madrigal_event_store::open_log;
use madrigal_harness::{Customer, OneProcess, fresh_key, product};
use serde_json::{Value, json};

use crate::checks::{check, not_consistent, pair, verdict};

/// The books that are kept saga by saga.
const BOOKS: [&str; 4] = ["books.late", "books.money", "books.reservations", "books.sold"];

fn named(report: &Value, book: &str) -> BTreeSet<(String, String)> {
    let rows = pair(report, book)["inconsistencies"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.map(|row| (text(&row["key"]), text(&row["issue"]))).collect()
}

fn saga(order: &Value) -> String {
    order["sagaId"].as_str().unwrap().to_owned()
}

/// Writes events into a log behind the back of the service that has it.
async fn append(log: &Path, name: &'static str, stream: &str, events: &[(&str, Value)]) {
    let host = Host::system();
    let store = open_log(log.to_owned(), name, &host).await.unwrap();
    let new = |(event_type, data): &(&str, Value)| {
        let (event_type, data) = (EventType::parse(event_type).unwrap(), JsonBytes::of(data).unwrap());
        NewEvent::fresh(&host, event_type, 1, data, &CallContext::new(&host))
    };
    let events = events.iter().map(new).collect();
    store.append(stream.parse().unwrap(), ExpectedVersion::Any, events).await.unwrap();
    drop(store);
    // The journal is free when its last handle is dropped, by whichever thread.
    let lock = File::options().read(true).write(true).open(log.join("lock")).unwrap();
    let free = tasks::within(Duration::from_secs(10), async {
        while lock.try_lock().is_err() {
            tasks::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(free.await.is_some(), "{} stays in use", log.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_balance_is_named_by_its_book_and_by_no_other() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let customer = Customer::register(&shop.anonymous().unwrap(), "ottavia").await.unwrap();
    let stands = customer.must_place(&[("lute", 1)]).await.unwrap();
    let cancelled = customer.must_place(&[("lute", 2)]).await.unwrap();
    let path = format!("/v1/orders/{}/cancel", cancelled["orderId"].as_str().unwrap());
    customer.shop.post(&path, &json!({ "reason": "a test" })).await.unwrap().ok().unwrap();
    let declined = customer.place(&[("lute", 3)], "tok_declined", &fresh_key()).await.unwrap();
    assert_eq!(declined.status, 402, "{}", declined.problem());
    let report = verdict(&shop.shop).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    for book in BOOKS {
        assert_eq!(pair(&report, book)["totalEntities"], 3, "{book}: each saga");
    }

    let (twice, stays) = (saga(&stands), saga(&cancelled));
    let nobodys = ["a reservation", "a sale", "a charge"].map(|_| Host::system().uuid_v7().to_string());
    let shop = shop.restart_after(async |data| {
        let provider = data.join("payment-service/provider");
        let charged = |amount: i64| {
            let amount = json!({ "amount": amount, "currency": "EUR" });
            ("Charged", json!({ "kind": "charged", "chargeId": "ch_2", "amount": amount, "lastFour": "4242" }))
        };
        for (saga, amount) in [(&twice, 1_000), (&stays, 5), (&nobodys[2], 7)] {
            append(&provider, "provider", &format!("charge-{saga}"), &[charged(amount)]).await;
        }
        let journal = data.join("catalog-service/journal");
        let price = json!({ "amount": 1_000, "currency": "EUR" });
        let line = json!({ "productId": "lute", "name": "Lute", "price": price, "discount": 0, "quantity": 1 });
        let made = ("ReservationMade", json!({ "orderId": "nobody's", "lines": [line] }));
        let (held, sold) = (format!("reservation-{}", nobodys[0]), format!("reservation-{}", nobodys[1]));
        append(&journal, "catalog", &held, std::slice::from_ref(&made)).await;
        append(&journal, "catalog", &sold, &[made, ("ReservationConfirmed", json!({}))]).await;
        append(&journal, "catalog", &format!("reservation-{twice}"), &[("ConfirmedAfterRelease", json!({}))]).await;
        Ok(())
    });
    let shop = shop.await.unwrap();
    let expected: [(&str, &[(&str, &str)]); 4] = [
        ("books.late", &[(&twice, "different")]),
        ("books.money", &[(&twice, "different"), (&stays, "different"), (&nobodys[2], "extra")]),
        ("books.reservations", &[(&nobodys[0], "extra")]),
        ("books.sold", &[(&nobodys[1], "extra")]),
    ];
    for deep in [false, true] {
        let report = check(&shop.shop, deep, None).await;
        for (book, rows) in expected {
            let rows = rows.iter().map(|(key, issue)| ((*key).to_owned(), (*issue).to_owned())).collect();
            assert_eq!(named(&report, book), rows, "{book}, deep: {deep}: {:#}", pair(&report, book));
        }
        let mut others = not_consistent(&report);
        others.retain(|name| !BOOKS.contains(name) && pair(&report, name)["verdict"] == "divergent");
        assert_eq!(others, Vec::<&str>::new());
    }
    let money = check(&shop.shop, false, Some("books.money")).await;
    assert_eq!(money["checks"].as_array().unwrap().len(), 1, "one book by itself");
    let rows = pair(&money, "books.money")["inconsistencies"].as_array().unwrap();
    let row = rows.iter().find(|row| row["key"] == *twice).unwrap();
    assert_eq!(row["owner"]["content"]["finalAmount"]["amount"], 1_080, "both sides stand beside each other: {row:#}");
    assert_eq!(row["copy"]["content"]["charges"].as_array().unwrap().len(), 2);
    let refused = format!("/v1/consistency/divergences/{}/repair", row["id"].as_str().unwrap());
    let refused = shop.shop.post(&refused, &json!({ "apply": true })).await.unwrap();
    assert_eq!(refused.status, 409, "a person must look into it: {}", refused.problem());
    assert_eq!(refused.body["code"], "book-not-repairable");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_book_is_alarmed_while_five_hundred_orders_are_placed_and_cancelled_at_once() {
    let shop = OneProcess::start().await.unwrap();
    let anonymous = shop.anonymous().unwrap();
    for number in 0..10 {
        product(&shop.shop, &format!("product-{number}"), 1_000 + number, 10_000).await.unwrap();
    }
    let mut customers = Vec::new();
    for number in 0..20 {
        customers.push(Customer::register(&anonymous, &format!("customer-{number}")).await.unwrap());
    }
    let orders = (0..500).map(|number| {
        let (customer, product) = (&customers[number % 20], format!("product-{}", number * 7 % 10));
        async move {
            let key = fresh_key();
            let placed = loop {
                let answer = customer.place(&[(&product, 1)], "tok_visa", &key).await.unwrap();
                // What took too long on a slow machine is asked again, under its key, as it says.
                if answer.status != 503 {
                    break answer.ok().unwrap();
                }
            };
            let path = format!("/v1/orders/{}/cancel", placed["orderId"].as_str().unwrap());
            if number % 2 == 1 {
                return;
            }
            loop {
                let answer = customer.shop.post(&path, &json!({ "reason": "a test" })).await.unwrap();
                if answer.status != 503 {
                    answer.ok().unwrap();
                    return;
                }
            }
        }
    });
    let checking = async {
        for deep in [false, true, false, true, false] {
            let report = check(&shop.shop, deep, None).await;
            assert_ne!(report["overallStatus"], "inconsistent", "{report:#}");
        }
    };
    tokio::join!(join_all(orders), checking);
    let report = verdict(&shop.shop).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    for book in BOOKS {
        assert_eq!(pair(&report, book)["totalEntities"], 500, "{book}");
    }
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
}
