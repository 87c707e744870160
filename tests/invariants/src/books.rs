//! The books, read whole.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use madrigal_client::Shop;
use serde_json::Value;

use crate::read::{all_pages, each_event, ends, seen};

/// What a shop says of itself, read whole: for test shops, not for large ones.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Orders as the view shows them.
    pub orders: Vec<Value>,
    /// The status that each order's events end in.
    pub statuses: BTreeMap<String, String>,
    /// Stock by product, as catalog-service answers it.
    pub stock: BTreeMap<String, Value>,
    /// Where each reservation stands by catalog-service's events, by saga: `made`, `confirmed`, `released`, `returned` or
    /// `tombstoned`.
    pub reservations: BTreeMap<String, String>,
    /// What payment-service believes, by saga.
    pub payments: BTreeMap<String, Account>,
    /// What the provider did, by the key that it was asked with: the saga.
    pub ledger: BTreeMap<String, Account>,
    /// What the provider charged, in minor units.
    pub charged: i64,
    /// What the provider gave back.
    pub refunded: i64,
    /// How often each mail was requested, by order and kind.
    pub mails: BTreeMap<(String, String), usize>,
}

/// Money that moved under one key, each movement in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Taken.
    pub charges: Vec<i64>,
    /// Given back.
    pub refunds: Vec<i64>,
}

impl Account {
    /// What stays taken.
    pub fn net(&self) -> i64 {
        self.charges.iter().sum::<i64>() - self.refunds.iter().sum::<i64>()
    }
}

impl Books {
    /// Reads the books.
    ///
    /// # Errors
    /// Where the shop cannot be read.
    pub async fn read(shop: &Shop) -> anyhow::Result<Self> {
        let now = ends(shop).await?;
        let mut books = Self { orders: all_pages(shop, "/v1/orders", &now).await?, ..Self::default() };
        let mut products = BTreeSet::new();
        let see = |event: &Value| match event["aggregateType"].as_str() {
            Some("Stock") => drop(products.insert(id(event))),
            Some("Reservation") => books.reserved(event),
            _ => {}
        };
        each_event(shop, "catalog-service", see).await?;
        for product in products {
            let levels = seen(shop, &format!("/v1/products/{product}/stock"), &now).await?;
            books.stock.insert(product, levels);
        }
        each_event(shop, "payment-service", |event| books.paid(event)).await?;
        let see = |event: &Value| {
            if event["eventType"] == "MailRequested" {
                let part = |name: &str| event["eventData"][name].as_str().unwrap_or_default().to_owned();
                *books.mails.entry((part("orderId"), part("kind"))).or_default() += 1;
            }
        };
        each_event(shop, "notification-service", see).await?;
        let see = |event: &Value| {
            if event["eventType"] == "OrderStatusChanged" {
                let status = event["eventData"]["status"].as_str().unwrap_or_default();
                books.statuses.insert(id(event), status.to_owned());
            } else if event["eventType"] == "OrderImported" {
                books.statuses.insert(id(event), "delivered".to_owned());
            }
        };
        each_event(shop, "order-service", see).await?;
        books.read_ledger(shop).await?;
        Ok(books)
    }

    async fn read_ledger(&mut self, shop: &Shop) -> anyhow::Result<()> {
        let mut cursor = String::new();
        loop {
            let page = shop.get(&format!("/v1/payments/ledger?limit=1000{cursor}")).await?;
            for entry in page["items"].as_array().context("the ledger has no items")? {
                let account = self.ledger.entry(entry["key"].as_str().unwrap_or_default().to_owned()).or_default();
                let amount = entry["amount"]["amount"].as_i64();
                match entry["kind"].as_str() {
                    Some("charged") => account.charges.push(amount.context("a charge has an amount")?),
                    Some("refunded") => account.refunds.push(amount.context("a refund has an amount")?),
                    _ => {}
                }
            }
            // By currency; test shops have one, and no total before the first charge.
            let totals = page["totals"].as_array().context("the ledger has no totals")?;
            let total = |name: &str| totals.iter().map(|total| total[name].as_i64().unwrap_or(i64::MIN)).sum();
            (self.charged, self.refunded) = (total("charged"), total("refunded"));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(()),
            }
        }
    }

    fn reserved(&mut self, event: &Value) {
        let stands = match event["eventType"].as_str() {
            Some("ReservationMade") => "made",
            Some("ReservationConfirmed") => "confirmed",
            Some("ReservationReleased") => "released",
            Some("ReservationReturned") => "returned",
            Some("ReservationTombstoned") => "tombstoned",
            _ => return,
        };
        self.reservations.insert(id(event), stands.to_owned());
    }

    fn paid(&mut self, event: &Value) {
        let account = self.payments.entry(id(event)).or_default();
        let amount = || event["eventData"]["amount"]["amount"].as_i64().unwrap_or(i64::MIN);
        match event["eventType"].as_str() {
            Some("PaymentSucceeded") => account.charges.push(amount()),
            Some("PaymentRefunded") => account.refunds.push(amount()),
            _ => {}
        }
    }

    /// Orders in this status.
    pub fn in_status(&self, status: &str) -> impl Iterator<Item = &Value> {
        self.orders.iter().filter(move |order| order["currentStatus"] == status)
    }

    /// Everything that does not balance, in words.
    pub fn problems(&self) -> Vec<String> {
        self.violations().iter().map(ToString::to_string).collect()
    }
}

fn id(event: &Value) -> String {
    event["aggregateId"].as_str().unwrap_or_default().to_owned()
}
