//! Customers that order until they are told to stop, and count how they were refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_harness::{Customer, fresh_key};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::load::PRODUCTS;

/// How long a test waits for anything: a participant of sagas that was down is probed every 30 s at the latest.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was answered so far.
#[derive(Default)]
pub(crate) struct Answers {
    /// Orders that were answered 201.
    pub(crate) orders: Mutex<Vec<String>>,
    /// Keys that were answered 202: the order is under way.
    pub(crate) pending: Mutex<Vec<String>>,
    /// Refusals, by code, the last one's document with them.
    pub(crate) refusals: Mutex<BTreeMap<String, (usize, String)>>,
}

impl Answers {
    pub(crate) fn orders(&self) -> usize {
        self.orders.lock().unwrap().len()
    }

    fn refuse(&self, code: String, document: &Value) {
        let mut refusals = self.refusals.lock().unwrap();
        let (count, last) = refusals.entry(code).or_default();
        (*count, *last) = (*count + 1, document.to_string());
    }

    pub(crate) fn refused(&self, code: &str) -> usize {
        self.refusals.lock().unwrap().get(code).map_or(0, |(count, _)| *count)
    }

    /// Waits until so many more orders were taken than now.
    pub(crate) async fn more_orders(&self, more: usize) {
        let from = self.orders();
        let taken = wait_for(|| async { self.orders() >= from + more }).await;
        assert!(taken, "orders do not go on: {:?}", self.refusals.lock().unwrap());
    }

    /// Waits until so many more refusals with this code came than now.
    pub(crate) async fn more_refusals(&self, code: &str, more: usize) {
        let from = self.refused(code);
        let refused = wait_for(|| async { self.refused(code) >= from + more }).await;
        assert!(refused, "{} orders, {:?}", self.orders(), self.refusals.lock().unwrap());
    }
}

/// Asks again and again until it is so; whether it was, in time.
pub(crate) async fn wait_for<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) -> bool {
    let waited = tasks::within(PATIENCE, async {
        while !is_so().await {
            tasks::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.is_some()
}

/// Customers at work.
pub(crate) struct Load {
    stop: StopSignal,
    running: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start(customers: &[Customer], answers: &Arc<Answers>) -> Self {
        let stop = StopSignal::new();
        let (customers, answers, told) = (customers.to_vec(), Arc::clone(answers), stop.clone());
        let running = tasks::spawn("load", async move {
            join_all(customers.iter().enumerate().map(|(index, customer)| order(customer, index, &answers, &told)))
                .await;
        });
        Self { stop, running }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn order(customer: &Customer, index: usize, answers: &Answers, stop: &StopSignal) {
    let mut round = index;
    while !stop.is_cancelled() {
        round += 1;
        let (key, product) = (fresh_key(), PRODUCTS[round % PRODUCTS.len()]);
        let body =
            json!({ "items": [{ "productId": product, "quantity": 1 }], "paymentMethod": { "token": "tok_visa" } });
        let request = customer.shop.request(Method::POST, "/v1/orders").json(&body).header("Idempotency-Key", &key);
        let answer = customer.shop.send(request.header("Prefer", "wait=3")).await.unwrap();
        match answer.status.as_u16() {
            201 => answers.orders.lock().unwrap().push(answer.body["orderId"].as_str().unwrap().to_owned()),
            202 => answers.pending.lock().unwrap().push(key),
            status => {
                let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
                assert!(status != 500 && !code.is_empty(), "{status} {}", answer.body);
                answers.refuse(code, &answer.body);
                // As a client would that reads Retry-After, only less patient.
                tasks::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
