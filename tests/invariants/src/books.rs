//! The books and what must hold in them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use madrigal_client::Shop;
use serde_json::Value;

use crate::read::{all_pages, ends, seen, whole_log};

/// What a shop says of itself, read whole: for test shops, not for large ones.
#[derive(Debug)]
pub struct Books {
    /// Orders as the view shows them.
    pub orders: Vec<Value>,
    /// Stock by product, as catalog-service answers it.
    pub stock: BTreeMap<String, Value>,
    /// What the provider charged, in minor units.
    pub charged: i64,
    /// What the provider gave back.
    pub refunded: i64,
    /// How often each mail was requested, by order and kind.
    pub mails: BTreeMap<(String, String), usize>,
    /// The status that each order's events end in.
    statuses: BTreeMap<String, String>,
}

impl Books {
    /// Reads the books.
    ///
    /// # Errors
    /// Where the shop cannot be read.
    pub async fn read(shop: &Shop) -> anyhow::Result<Self> {
        let (mut stock, now) = (BTreeMap::new(), ends(shop).await?);
        let products: BTreeSet<String> = whole_log(shop, "catalog-service")
            .await?
            .iter()
            .filter(|event| event["aggregateType"] == "Stock")
            .filter_map(|event| event["aggregateId"].as_str().map(str::to_owned))
            .collect();
        for product in products {
            let levels = seen(shop, &format!("/v1/products/{product}/stock"), &now).await?;
            stock.insert(product, levels);
        }
        let ledger = shop.get("/v1/payments/ledger?limit=1").await?;
        let mut mails = BTreeMap::new();
        for event in whole_log(shop, "notification-service").await? {
            if event["eventType"] == "MailRequested" {
                let part = |name: &str| event["eventData"][name].as_str().unwrap_or_default().to_owned();
                *mails.entry((part("orderId"), part("kind"))).or_default() += 1;
            }
        }
        let mut statuses = BTreeMap::new();
        for event in whole_log(shop, "order-service").await? {
            let id = || event["aggregateId"].as_str().unwrap_or_default().to_owned();
            if event["eventType"] == "OrderStatusChanged" {
                statuses.insert(id(), event["eventData"]["status"].as_str().unwrap_or_default().to_owned());
            } else if event["eventType"] == "OrderImported" {
                statuses.insert(id(), "delivered".to_owned());
            }
        }
        let orders = all_pages(shop, "/v1/orders", &now).await?;
        // By currency; test shops have one, and no total before the first charge.
        let totals = ledger["totals"].as_array().context("the ledger has no totals")?;
        let total = |name: &str| totals.iter().map(|total| total[name].as_i64().unwrap_or(i64::MIN)).sum();
        Ok(Self { orders, stock, charged: total("charged"), refunded: total("refunded"), mails, statuses })
    }

    /// Orders in this status.
    pub fn in_status(&self, status: &str) -> impl Iterator<Item = &Value> {
        self.orders.iter().filter(move |order| order["currentStatus"] == status)
    }

    /// Everything that does not balance, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_stock(&mut problems);
        self.check_money(&mut problems);
        self.check_mails(&mut problems);
        self.check_view(&mut problems);
        problems
    }

    fn check_stock(&self, problems: &mut Vec<String>) {
        let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
        for item in self.standing().flat_map(|order| order["items"].as_array().into_iter().flatten()) {
            let product = item["productId"].as_str().unwrap_or_default();
            *sold.entry(product).or_default() += item["quantity"].as_i64().unwrap_or_default();
        }
        for (product, levels) in &self.stock {
            let level = |name: &str| levels[name].as_i64().unwrap_or(i64::MIN);
            let mut expect = |holds: bool, rule: &str| {
                if !holds {
                    problems.push(format!("stock of {product}: {rule}: {levels}"));
                }
            };
            expect(
                level("received") + level("adjusted") == level("onHand") + level("sold"),
                "received + adjusted = onHand + sold",
            );
            expect(level("available") == level("onHand") - level("reserved"), "available = onHand - reserved");
            expect(level("reserved") == 0, "nothing is reserved at rest");
            expect(level("available") >= 0 && level("onHand") >= 0, "stock is never negative");
            let ordered = sold.get(product.as_str()).copied().unwrap_or(0);
            expect(level("sold") == ordered, &format!("sold = what orders that stand hold ({ordered})"));
        }
    }

    fn check_money(&self, problems: &mut Vec<String>) {
        let owed: i64 = self.standing().map(|order| order["summary"]["finalAmount"].as_i64().unwrap_or(i64::MIN)).sum();
        if self.charged - self.refunded != owed {
            problems.push(format!(
                "money: charged {} - refunded {} is not what the orders that stand come to: {owed}",
                self.charged, self.refunded
            ));
        }
    }

    fn check_mails(&self, problems: &mut Vec<String>) {
        for order in &self.orders {
            let id = order["orderId"].as_str().unwrap_or_default();
            let placed = !order["sagaId"].is_null();
            let cancelled = order["currentStatus"] == "cancelled";
            for (kind, wanted) in
                [("order-confirmation", usize::from(placed)), ("order-cancellation", usize::from(cancelled))]
            {
                let found = self.mails.get(&(id.to_owned(), kind.to_owned())).copied().unwrap_or(0);
                if found != wanted {
                    problems.push(format!("order {id}: {found} mails of kind {kind}, expected {wanted}"));
                }
            }
        }
        let known: BTreeSet<&str> = self.orders.iter().filter_map(|order| order["orderId"].as_str()).collect();
        for (order, kind) in self.mails.keys().filter(|(order, _)| !known.contains(order.as_str())) {
            problems.push(format!("a mail of kind {kind} about order {order}, which does not exist"));
        }
    }

    fn check_view(&self, problems: &mut Vec<String>) {
        for order in &self.orders {
            let id = order["orderId"].as_str().unwrap_or_default();
            let told = self.statuses.get(id).map_or("draft", String::as_str);
            if order["currentStatus"] != told {
                problems.push(format!("order {id}: the view says {}, its events {told}", order["currentStatus"]));
            }
        }
        let shown: BTreeSet<&str> = self.orders.iter().filter_map(|order| order["orderId"].as_str()).collect();
        for id in self.statuses.keys().filter(|id| !shown.contains(id.as_str())) {
            problems.push(format!("order {id} has events and is not in the view"));
        }
    }

    /// Orders that were placed and not cancelled. Imported ones took no stock and no payment of this shop.
    fn standing(&self) -> impl Iterator<Item = &Value> {
        self.orders.iter().filter(|order| order["imported"] != true).filter(|order| {
            ["confirmed", "shipped", "delivered"].iter().any(|status| order["currentStatus"] == *status)
        })
    }
}
