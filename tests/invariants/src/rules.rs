//! What must hold in the books.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::books::{Account, Books};
use crate::violation::Violation;

/// `received + adjusted = onHand + sold`, `available = onHand − reserved`, nothing negative, and sold is what the orders
/// that stand hold.
pub const STOCK_BALANCES: &str = "stock-balances";
/// At rest nothing is reserved, and no reservation waits.
pub const NOTHING_RESERVED: &str = "nothing-reserved";
/// An order that stands has sold its reservation, any other has none.
pub const RESERVATIONS_FOLLOW_ORDERS: &str = "reservations-follow-orders";
/// The provider charged and refunded at most once under one key.
pub const CHARGED_ONCE: &str = "charged-once";
/// What is charged and not given back is what the orders that stand come to, in sum and order by order.
pub const MONEY_AGREES: &str = "money-agrees";
/// payment-service believes of each payment what the provider's ledger says.
pub const PAYMENTS_AGREE: &str = "payments-agree";
/// Every placed order has one confirmation in the outbox, every cancelled one one cancellation, nothing else has any.
pub const ONE_MAIL_EACH: &str = "one-mail-each";
/// The order view says of each order what its events say.
pub const VIEW_EQUALS_EVENTS: &str = "view-equals-events";

impl Books {
    /// Every rule that does not hold.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_stock(&mut found);
        self.check_reservations(&mut found);
        self.check_ledger(&mut found);
        self.check_orders_money(&mut found);
        self.check_mails(&mut found);
        self.check_view(&mut found);
        found
    }

    fn check_stock(&self, found: &mut Vec<Violation>) {
        let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
        for item in self.standing().flat_map(|order| order["items"].as_array().into_iter().flatten()) {
            let product = item["productId"].as_str().unwrap_or_default();
            *sold.entry(product).or_default() += item["quantity"].as_i64().unwrap_or_default();
        }
        for (product, levels) in &self.stock {
            let level = |name: &str| levels[name].as_i64().unwrap_or(i64::MIN);
            let mut expect = |rule: &'static str, holds: bool, words: &str| {
                if !holds {
                    found.push(Violation::new(rule, [product.as_str()], format!("{words}: {levels}")));
                }
            };
            let in_out = level("received").saturating_add(level("adjusted"));
            expect(
                STOCK_BALANCES,
                in_out == level("onHand").saturating_add(level("sold")),
                "received + adjusted = onHand + sold",
            );
            let free = level("onHand").saturating_sub(level("reserved"));
            expect(STOCK_BALANCES, level("available") == free, "available = onHand - reserved");
            expect(STOCK_BALANCES, level("available") >= 0 && level("onHand") >= 0, "stock is never negative");
            let ordered = sold.get(product.as_str()).copied().unwrap_or(0);
            expect(
                STOCK_BALANCES,
                level("sold") == ordered,
                &format!("sold = what orders that stand hold ({ordered})"),
            );
            expect(NOTHING_RESERVED, level("reserved") == 0, "nothing is reserved at rest");
        }
    }

    fn check_reservations(&self, found: &mut Vec<Violation>) {
        let standing: BTreeMap<&str, &str> = self.standing().map(|order| (saga_of(order), id_of(order))).collect();
        let orders = self.orders_by_saga();
        for (saga, stands) in &self.reservations {
            let (rule, words) = match (stands.as_str(), standing.get(saga.as_str())) {
                ("made", _) => (NOTHING_RESERVED, "a reservation still waits"),
                ("confirmed", None) => (RESERVATIONS_FOLLOW_ORDERS, "sold, and no order stands"),
                ("confirmed", Some(_)) | (_, None) => continue,
                (_, Some(_)) => (RESERVATIONS_FOLLOW_ORDERS, "given back, and its order stands"),
            };
            let order = orders.get(saga.as_str()).copied();
            found.push(Violation::new(rule, [saga.as_str()].into_iter().chain(order), format!("{stands}: {words}")));
        }
        for (saga, order) in standing.iter().filter(|(saga, _)| !self.reservations.contains_key(**saga)) {
            found.push(Violation::new(RESERVATIONS_FOLLOW_ORDERS, [*order, *saga], "an order without a reservation"));
        }
    }

    /// The provider's ledger by itself, against its own sums and against payment-service's events.
    fn check_ledger(&self, found: &mut Vec<Violation>) {
        let none = Account::default();
        for (key, account) in &self.ledger {
            if account.charges.len() > 1 || account.refunds.len() > 1 {
                found.push(Violation::new(CHARGED_ONCE, [key.as_str()], format!("the provider's ledger: {account:?}")));
            }
        }
        let keys: BTreeSet<&String> = self.ledger.keys().chain(self.payments.keys()).collect();
        for key in keys {
            let provider = self.ledger.get(key).unwrap_or(&none);
            let payment = self.payments.get(key).unwrap_or(&none);
            // A payment that was undone before its outcome was known has a refund and no charge.
            let believed = if payment.charges.is_empty() { 0 } else { payment.net() };
            if provider.net() != believed || sum(&provider.refunds) != sum(&payment.refunds) {
                let words = format!("payment-service says {payment:?}, the provider {provider:?}");
                found.push(Violation::new(PAYMENTS_AGREE, [key.as_str()], words));
            }
        }
        let (charged, refunded) =
            self.ledger.values().fold((0, 0), |(c, r), account| (c + sum(&account.charges), r + sum(&account.refunds)));
        if (charged, refunded) != (self.charged, self.refunded) {
            let words = format!(
                "the ledger's sums are {} and {}, its entries come to {charged} and {refunded}",
                self.charged, self.refunded
            );
            found.push(Violation::new(PAYMENTS_AGREE, [], words));
        }
    }

    fn check_orders_money(&self, found: &mut Vec<Violation>) {
        let owed: i64 = self.standing().map(amount_of).sum();
        if self.charged - self.refunded != owed {
            let words = format!(
                "charged {} - refunded {} is not what the orders that stand come to: {owed}",
                self.charged, self.refunded
            );
            found.push(Violation::new(MONEY_AGREES, [], words));
        }
        let standing: BTreeMap<&str, &Value> = self.standing().map(|order| (saga_of(order), order)).collect();
        let orders = self.orders_by_saga();
        for (key, account) in &self.ledger {
            let owed = standing.get(key.as_str()).map_or(0, |order| amount_of(order));
            if account.net() != owed {
                let words = format!("the provider keeps {}, what stands comes to {owed}", account.net());
                let order = orders.get(key.as_str()).copied();
                found.push(Violation::new(MONEY_AGREES, order.into_iter().chain([key.as_str()]), words));
            }
        }
        for (saga, order) in standing.iter().filter(|(saga, _)| !self.ledger.contains_key(**saga)) {
            if amount_of(order) != 0 {
                found.push(Violation::new(MONEY_AGREES, [id_of(order), *saga], "an order that was never charged"));
            }
        }
    }

    fn check_mails(&self, found: &mut Vec<Violation>) {
        for order in &self.orders {
            let id = id_of(order);
            let placed = !order["sagaId"].is_null();
            let cancelled = order["currentStatus"] == "cancelled";
            for (kind, wanted) in
                [("order-confirmation", usize::from(placed)), ("order-cancellation", usize::from(cancelled))]
            {
                let there = self.mails.get(&(id.to_owned(), kind.to_owned())).copied().unwrap_or(0);
                if there != wanted {
                    let words = format!("{there} mails of kind {kind}, expected {wanted}");
                    found.push(Violation::new(ONE_MAIL_EACH, [id], words));
                }
            }
        }
        let known: BTreeSet<&str> = self.orders.iter().map(id_of).collect();
        for (order, kind) in self.mails.keys().filter(|(order, _)| !known.contains(order.as_str())) {
            let words = format!("a mail of kind {kind} about an order that does not exist");
            found.push(Violation::new(ONE_MAIL_EACH, [order.as_str()], words));
        }
    }

    fn check_view(&self, found: &mut Vec<Violation>) {
        let mut shown: BTreeSet<&str> = BTreeSet::new();
        for order in &self.orders {
            let id = id_of(order);
            let told = self.statuses.get(id).map_or("draft", String::as_str);
            if order["currentStatus"] != told {
                let words = format!("the view says {}, its events {told}", order["currentStatus"]);
                found.push(Violation::new(VIEW_EQUALS_EVENTS, [id], words));
            }
            if !shown.insert(id) {
                found.push(Violation::new(VIEW_EQUALS_EVENTS, [id], "the order is in the view's list twice"));
            }
        }
        for id in self.statuses.keys().filter(|id| !shown.contains(id.as_str())) {
            found.push(Violation::new(VIEW_EQUALS_EVENTS, [id.as_str()], "it has events and is not in the view"));
        }
    }

    /// The orders' ids by the sagas that placed them, also of cancelled ones.
    fn orders_by_saga(&self) -> BTreeMap<&str, &str> {
        let placed = self.orders.iter().filter(|order| !order["sagaId"].is_null());
        placed.map(|order| (saga_of(order), id_of(order))).collect()
    }

    /// Orders that were placed and not cancelled. Imported ones took no stock and no payment of this shop.
    fn standing(&self) -> impl Iterator<Item = &Value> {
        self.orders.iter().filter(|order| order["imported"] != true).filter(|order| {
            ["confirmed", "shipped", "delivered"].iter().any(|status| order["currentStatus"] == *status)
        })
    }
}

fn id_of(order: &Value) -> &str {
    order["orderId"].as_str().unwrap_or_default()
}

fn saga_of(order: &Value) -> &str {
    order["sagaId"].as_str().unwrap_or_default()
}

fn amount_of(order: &Value) -> i64 {
    order["summary"]["finalAmount"].as_i64().unwrap_or(-1)
}

fn sum(amounts: &[i64]) -> i64 {
    amounts.iter().sum()
}
