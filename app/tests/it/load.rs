//! Customers that order and cancel until they are told to stop, and remember what they were answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use madrigal::client::Shop;
use madrigal_core::tasks::StopSignal;
use madrigal_harness::{Customer, fresh_key};
use reqwest::Method;
use serde_json::json;

/// What was acknowledged.
#[derive(Default)]
pub(crate) struct Acknowledged {
    /// Orders that were answered 201, with their keys.
    pub(crate) orders: Mutex<Vec<(String, String)>>,
    /// Orders whose cancellation was answered 200.
    pub(crate) cancelled: Mutex<Vec<String>>,
    /// Keys of requests whose answers never came.
    pub(crate) unanswered: Mutex<Vec<String>>,
    count: AtomicU64,
}

impl Acknowledged {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The products that the customers order.
pub(crate) const PRODUCTS: [&str; 3] = ["lute", "viola", "candle"];
/// How payments go, in turn.
const PAYMENTS: [&str; 5] = ["tok_visa", "tok_visa", "tok_declined", "tok_timeout_paid", "tok_flaky"];

/// Orders with `customers` at the same time until `stop`; every fourth order is cancelled.
pub(crate) async fn order_until(stop: &StopSignal, customers: &[Customer], acknowledged: &Arc<Acknowledged>) {
    join_all(customers.iter().enumerate().map(|(index, customer)| async move {
        let mut round = index;
        while !stop.is_cancelled() {
            round += 1;
            let key = fresh_key();
            let product = PRODUCTS[round % PRODUCTS.len()];
            let answer = customer.place(&[(product, 1)], PAYMENTS[round % PAYMENTS.len()], &key).await;
            let Ok(answer) = answer else {
                acknowledged.unanswered.lock().unwrap().push(key);
                continue;
            };
            if answer.status != 201 {
                continue;
            }
            acknowledged.count.fetch_add(1, Ordering::Relaxed);
            let order = answer.body["orderId"].as_str().unwrap().to_owned();
            acknowledged.orders.lock().unwrap().push((order.clone(), key));
            if round.is_multiple_of(4) {
                let path = format!("/v1/orders/{order}/cancel");
                if let Ok(answer) = customer.shop.post(&path, &json!({})).await
                    && answer.status == 200
                {
                    acknowledged.cancelled.lock().unwrap().push(order);
                }
            }
        }
    }))
    .await;
}

/// Everything acknowledged is there, as acknowledged.
pub(crate) async fn check(shop: &Shop, acknowledged: &Acknowledged) {
    let books = madrigal_invariants::check_at_rest(shop).await.unwrap();
    let status = |id: &str| {
        books
            .orders
            .iter()
            .find(|order| order["orderId"] == id)
            .map(|order| order["currentStatus"].as_str().unwrap().to_owned())
    };
    for (order, _) in acknowledged.orders.lock().unwrap().iter() {
        assert!(status(order).is_some(), "order {order} was acknowledged and is not there");
    }
    for order in acknowledged.cancelled.lock().unwrap().iter() {
        assert_eq!(status(order).as_deref(), Some("cancelled"), "order {order}");
    }
}

/// Products and customers for the load.
pub(crate) async fn prepare(shop: &Shop, customers: usize) -> Vec<Customer> {
    for product in PRODUCTS {
        madrigal_harness::product(shop, product, 1_999, 1_000_000).await.unwrap();
    }
    let mut registered = Vec::new();
    for number in 0..customers {
        registered.push(Customer::register(shop, &format!("customer-{number}")).await.unwrap());
    }
    registered
}

/// The customers again, at a shop that may listen elsewhere now.
pub(crate) fn at(shop: &Shop, customers: &[Customer], data: &std::path::Path) -> Vec<Customer> {
    customers
        .iter()
        .map(|customer| {
            let subject = customer.id.to_string();
            let args = ["token", "issue", "--role", "customer", "--minutes", "600", "--subject", &subject];
            let token = crate::process::output(crate::process::madrigal(data).args(args));
            let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
            Customer { shop: shop.with_token(token), ..customer.clone() }
        })
        .collect()
}

/// Sends the unanswered requests again, with their keys; whatever is answered, it is one order or none.
pub(crate) async fn ask_again(customer: &Customer, acknowledged: &Acknowledged) {
    let keys = std::mem::take(&mut *acknowledged.unanswered.lock().unwrap());
    for key in keys {
        let body =
            json!({ "items": [{ "productId": "lute", "quantity": 1 }], "paymentMethod": { "token": "tok_visa" } });
        let request = customer.shop.request(Method::POST, "/v1/orders").json(&body).header("Idempotency-Key", &key);
        let answer = customer.shop.send(request).await.unwrap();
        assert!(answer.status.as_u16() < 500, "{}", answer.problem());
    }
}
