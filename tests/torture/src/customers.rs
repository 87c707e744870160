//! Customers, and operators who ship: they ask, repeat what got no answer, read back, and remember.

mod changing;
mod placing;
mod wares;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use madrigal_client::Shop;
use madrigal_core::tasks::{self, StopSignal};
use serde_json::json;

use crate::draw::Draw;
use crate::facts::{Facts, Outcome};
use crate::shop::ShopProcesses;
use crate::watch::Watched;

pub use wares::stock_up;
pub(crate) use wares::{any_ware, wares};

/// Longest rest between two orders of one customer.
const THINK_MILLIS: (u64, u64) = (1, 150);
/// The password of every customer.
const PASSWORD: &str = "correct horse battery";

/// What goes on, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Orders acknowledged so far.
    pub placed: AtomicU64,
    /// What the watcher looks at.
    pub watched: Arc<Watched>,
}

/// A customer with an account, who also knows an operator.
#[derive(Debug, Clone)]
pub struct Customer {
    number: usize,
    user: i64,
    /// The shop, asked as this customer.
    shop: Shop,
    /// The shop, asked as an operator: customers cannot ship.
    operator: Shop,
}

impl Customer {
    /// Registers customer `number`.
    ///
    /// # Errors
    /// Where the shop refuses.
    pub async fn register(processes: &ShopProcesses, operator: &Shop, number: usize) -> anyhow::Result<Self> {
        let name = format!("customer-{number}");
        let body = json!({
            "email": format!("{name}@customers.example"), "username": name, "password": PASSWORD,
            "profile": { "firstName": "Ottavia", "lastName": "Quintavalle" },
        });
        let user = operator.post("/v1/users", &body).await?.ok()?["id"].as_i64().context("a user without an id")?;
        // A session would end after an hour; a run may take longer.
        let token = processes.token(&user.to_string(), "customer").await?;
        Ok(Self::new(number, user, operator.with_token(token), operator.clone()))
    }

    /// Customer `number` of a shop that knows it as `user`.
    pub const fn new(number: usize, user: i64, shop: Shop, operator: Shop) -> Self {
        Self { number, user, shop, operator }
    }

    /// Orders until `stop`, and returns what it knows then. Orders whose outcome is unknown stay so.
    pub async fn order_until(self, seed: u64, stop: StopSignal, progress: Arc<Progress>) -> Facts {
        let draw = Draw::new(seed, &format!("customer {}", self.number));
        let mut facts = Facts::default();
        let mut turn = 0usize;
        while !stop.is_cancelled() {
            turn += 1;
            let mut wanted = wares::choose(&draw, seed, self.user, self.number, turn);
            self.place(&draw, &mut wanted, &mut facts, &stop).await;
            if let Outcome::Placed(placed) = &mut wanted.outcome {
                progress.placed.fetch_add(1, Ordering::Relaxed);
                progress.watched.order(&placed.order);
                self.change(&draw, placed, &mut facts, &stop).await;
            }
            facts.wanted.push(wanted);
            tasks::sleep_or_stopped(draw.pause(THINK_MILLIS.0, THINK_MILLIS.1), &stop).await;
        }
        facts
    }

    /// Asks again about everything of its own whose outcome is unknown, until it is known or `stop`.
    pub async fn resolve(&self, facts: &mut Facts, stop: &StopSignal) {
        let mut wanted = std::mem::take(&mut facts.wanted);
        for one in wanted.iter_mut().filter(|one| one.user == self.user) {
            if let Outcome::Unknown = one.outcome {
                self.ask_again(one, facts, stop).await;
            }
            if let Outcome::Placed(placed) = &mut one.outcome {
                self.change_again(placed, facts, stop).await;
            }
        }
        facts.wanted.append(&mut wanted);
    }
}
