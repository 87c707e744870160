//! What customers were told, and what they asked for without ever hearing.

use std::collections::BTreeMap;

use madrigal_invariants::Violation;
use serde_json::{Value, json};

/// How many surprises a customer keeps; more of them say nothing new.
const SURPRISES: usize = 100;

/// An order that somebody asked for under a key.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The `Idempotency-Key`; the order carries it in its shipping address too, so that it can be recognised.
    pub key: String,
    /// Whose it is.
    pub user: i64,
    /// Products and how many; each product once.
    pub lines: BTreeMap<String, i64>,
    /// The payment token.
    pub payment: String,
    /// What is known of it.
    pub outcome: Outcome,
    /// How many requests got no answer, or one that says no more than that.
    pub unanswered: u32,
}

/// What is known of an order that was asked for.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing: no answer ever said what became of it.
    Unknown,
    /// Acknowledged with 201.
    Placed(Placed),
    /// Refused for good, with this code.
    Refused(String),
}

/// An order that was acknowledged.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its id.
    pub order: String,
    /// What it comes to, in minor units.
    pub amount: i64,
    /// Whether it is cancelled.
    pub cancelled: Wish,
    /// Whether it is shipped.
    pub shipped: Wish,
}

/// What became of something that was asked for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Never asked for.
    Never,
    /// Asked for; what came of it is not known.
    Asked,
    /// Acknowledged with 200.
    Granted,
    /// Refused for the order's status, and no earlier request may have had its effect.
    Refused,
    /// Refused after a request without an answer: it was granted to that one, or never.
    RefusedLate,
}

/// Everything that customers know.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By whom and when does not matter; one per key.
    pub wanted: Vec<Wanted>,
    /// Answers that nobody may ever get, whatever dies; each customer keeps some.
    pub surprises: Vec<Violation>,
    /// Reads that presented a position and were answered with what it promises.
    pub reads: u64,
    /// Requests without an answer (or with one that says no more) whose outcome a repetition told.
    pub resolved: u64,
}

impl Facts {
    /// Adds what another customer knows.
    pub fn merge(&mut self, other: Self) {
        self.wanted.extend(other.wanted);
        self.surprises.extend(other.surprises);
        self.reads += other.reads;
        self.resolved += other.resolved;
    }

    /// Keeps a surprise.
    pub fn surprise(&mut self, violation: Violation) {
        if self.surprises.len() < SURPRISES {
            self.surprises.push(violation);
        }
    }

    /// The orders that were acknowledged.
    pub fn placed(&self) -> impl Iterator<Item = (&Wanted, &Placed)> {
        self.wanted.iter().filter_map(|wanted| match &wanted.outcome {
            Outcome::Placed(placed) => Some((wanted, placed)),
            Outcome::Unknown | Outcome::Refused(_) => None,
        })
    }

    /// Everything, for whoever wants to look a violation up.
    pub fn json(&self) -> Value {
        let wish = |wish: Wish| format!("{wish:?}");
        let wanted: Vec<Value> = self
            .wanted
            .iter()
            .map(|wanted| {
                let mut known = json!({
                    "key": wanted.key, "user": wanted.user, "lines": wanted.lines, "payment": wanted.payment,
                    "unanswered": wanted.unanswered,
                });
                match &wanted.outcome {
                    Outcome::Unknown => known["outcome"] = json!("unknown"),
                    Outcome::Refused(code) => known["refused"] = json!(code),
                    Outcome::Placed(placed) => {
                        known["order"] = json!(placed.order);
                        known["amount"] = json!(placed.amount);
                        known["cancelled"] = json!(wish(placed.cancelled));
                        known["shipped"] = json!(wish(placed.shipped));
                    }
                }
                known
            })
            .collect();
        json!({ "wanted": wanted })
    }
}
