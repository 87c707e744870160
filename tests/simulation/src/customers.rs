//! Customers: order, order again where nobody answers, change their minds; and remember every answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_contracts::catalog::ProductQuantity;
use madrigal_core::{CallContext, Host, tasks};
use madrigal_http::calls::{Call, Neighbour};
use madrigal_sim::{Dice, Trace};

use crate::shop::Shop;
use crate::shop::api::{Answered, Cancel, GiveUp, Place, Ship};

/// An answer that somebody got: it must stay true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The order under this key is placed.
    Placed {
        /// The request.
        place: PlacedBy,
        /// The order.
        order_id: String,
    },
    /// The request under this key will never become an order.
    NotPlaced {
        /// The request.
        place: PlacedBy,
    },
    /// The order is cancelled.
    Cancelled {
        /// Which.
        order_id: String,
    },
    /// The order is shipped.
    Shipped {
        /// Which.
        order_id: String,
    },
    /// The customer never got an answer, however often it was asked in good weather.
    Unanswered {
        /// What was asked.
        wish: String,
    },
}

/// A request for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedBy {
    /// Who.
    pub user: i64,
    /// The key.
    pub key: String,
    /// What, by product.
    pub lines: Vec<(String, u32)>,
}

/// Everything that customers were told. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Fact>>>);

impl Heard {
    /// Everything so far.
    pub fn facts(&self) -> Vec<Fact> {
        self.lock().clone()
    }

    /// How many orders were acknowledged; repetitions count.
    pub fn placed(&self) -> usize {
        self.lock().iter().filter(|fact| matches!(fact, Fact::Placed { .. })).count()
    }

    fn note(&self, fact: Fact) {
        self.lock().push(fact);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fact>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer.
pub struct Customer {
    user: i64,
    name: String,
    door: Neighbour,
    host: Host,
    dice: Dice,
    trace: Trace,
    orders: u32,
    heard: Heard,
}

/// Attempts after which a customer gives up for good: far more than the trouble lasts.
const ATTEMPTS: u32 = 400;
/// Means of payment, some several times: most pay.
const TOKENS: &[&str] = &[
    "tok_visa",
    "tok_visa",
    "tok_visa",
    "tok_visa",
    "tok_mastercard",
    "tok_declined",
    "tok_flaky",
    "tok_flaky",
    "tok_timeout_paid",
    "tok_timeout_paid",
    "tok_timeout_unpaid",
];

impl Customer {
    /// Customer number `user` of the shop.
    pub fn new(shop: &Arc<Shop>, user: i64, heard: &Heard) -> Self {
        let name = format!("customer-{user}");
        Self {
            user,
            door: shop.front_door(&name),
            host: shop.world.host(&name),
            dice: shop.world.dice(&name),
            trace: shop.world.trace().clone(),
            orders: shop.plan.orders,
            heard: heard.clone(),
            name,
        }
    }

    /// Orders again and again.
    pub async fn shop(self) {
        for number in 0..self.orders {
            tasks::sleep(self.dice.millis(0..4_000)).await;
            self.order(number).await;
        }
    }

    async fn order(&self, number: u32) {
        let key = format!("key-{}-{number}", self.user);
        let place = Place { user: self.user, key, lines: self.basket(), token: (*self.dice.pick(TOKENS)).to_owned() };
        let (twice, regret) = (self.dice.percent(20), self.dice.percent(15));
        let (wait, regret_after) = (self.dice.millis(0..300), self.dice.millis(0..1_500));
        let again = async {
            if twice {
                tasks::sleep(wait).await;
                self.place(&place).await;
            }
        };
        let give_up = async {
            if regret {
                tasks::sleep(regret_after).await;
                let wish = GiveUp { user: place.user, key: place.key.clone() };
                let told = self.door.call(&CallContext::new(&self.host), wish).await;
                self.trace.say(&self.name, format_args!("gives up {}: {}", place.key, word(&told)));
            }
        };
        let (placed, (), ()) = tokio::join!(self.place(&place), again, give_up);
        let Some(order_id) = placed else { return };
        tasks::sleep(self.dice.millis(0..2_000)).await;
        match self.dice.below(10) {
            0..3 => self.cancel(&order_id).await,
            3..5 => self.ship(&order_id).await,
            5 => drop(tokio::join!(self.cancel(&order_id), self.ship(&order_id))),
            _ => {}
        }
    }

    fn basket(&self) -> Vec<ProductQuantity> {
        let first = self.dice.below(crate::shop::PRODUCTS);
        let lines = 1 + self.dice.below(3);
        let line = |offset: u64| ProductQuantity {
            product_id: crate::shop::product_id((first + offset) % crate::shop::PRODUCTS),
            quantity: 1 + u32::try_from(self.dice.below(3)).unwrap_or_default(),
        };
        (0..lines).map(line).collect()
    }

    /// Asks until it is decided; the order's id if there is one.
    async fn place(&self, place: &Place) -> Option<String> {
        let lines = place.lines.iter().map(|line| (line.product_id.clone(), line.quantity)).collect();
        let by = PlacedBy { user: place.user, key: place.key.clone(), lines };
        match self.insist(&format!("place {}", place.key), || place.clone()).await? {
            Answered::Done(order_id) => {
                self.heard.note(Fact::Placed { place: by, order_id: order_id.clone() });
                Some(order_id)
            }
            Answered::Refused(reason) => {
                // What was refused before the saga began leaves the key free, and a later attempt may be luckier.
                if !reason.starts_with("at once") {
                    self.heard.note(Fact::NotPlaced { place: by });
                }
                None
            }
            Answered::Pending => None,
        }
    }

    async fn cancel(&self, order_id: &str) {
        let wish = || Cancel { order_id: order_id.to_owned() };
        if let Some(Answered::Done(order_id)) = self.insist(&format!("cancel {order_id}"), wish).await {
            self.heard.note(Fact::Cancelled { order_id });
        }
    }

    async fn ship(&self, order_id: &str) {
        let wish = || Ship { order_id: order_id.to_owned() };
        if let Some(Answered::Done(order_id)) = self.insist(&format!("ship {order_id}"), wish).await {
            self.heard.note(Fact::Shipped { order_id });
        }
    }

    /// Asks until there is a decision.
    async fn insist<C: Call<Answer = Answered>>(&self, wish: &str, call: impl Fn() -> C) -> Option<Answered> {
        for _ in 0..ATTEMPTS {
            let told = self.door.call(&CallContext::new(&self.host), call()).await;
            self.trace.say(&self.name, format_args!("{wish}: {}", word(&told)));
            match told {
                Ok(decided @ (Answered::Done(_) | Answered::Refused(_))) => return Some(decided),
                Ok(Answered::Pending) => {}
                // A mistake of the request: repeating it changes nothing.
                Err(fault) if fault.retry == madrigal_core::FaultRetry::Never && is_certain(&fault) => return None,
                Err(_) => {}
            }
            tasks::sleep(self.dice.millis(50..1_500) + Duration::from_millis(1)).await;
        }
        self.heard.note(Fact::Unanswered { wish: wish.to_owned() });
        None
    }
}

fn is_certain(fault: &madrigal_core::Fault) -> bool {
    fault.outcome == madrigal_core::FaultOutcome::NotApplied
}

fn word(told: &Result<Answered, madrigal_core::Fault>) -> String {
    match told {
        Ok(Answered::Done(order_id)) => format!("done {order_id}"),
        Ok(Answered::Refused(reason)) => format!("refused: {reason}"),
        Ok(Answered::Pending) => "pending".to_owned(),
        Err(fault) => format!("fault: {}", fault.chain()),
    }
}
