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

/// Somebody whom a clerk registered, changes and perhaps erases.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user name, which nobody else ever has.
    pub username: String,
    /// Her number; none before the registration was acknowledged.
    pub user: Option<i64>,
    /// The first name that was acknowledged last.
    pub name: String,
    /// The version that was acknowledged last.
    pub version: u64,
    /// Whether the erasure was acknowledged.
    pub erased: bool,
    /// What was asked for and is not known to have happened.
    pub pending: Option<Pending>,
    /// Whether a request for it may have had its effect.
    pub doubt: bool,
}

/// What is asked for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// To be registered.
    Register,
    /// To have this first name.
    Rename(String),
    /// To be erased.
    Erase,
}

impl Person {
    /// Somebody who wants to be registered.
    pub fn new(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            user: None,
            name: "Quirina".to_owned(),
            version: 0,
            erased: false,
            pending: Some(Pending::Register),
            doubt: false,
        }
    }

    /// Whether she is there and nothing is pending.
    pub const fn can_be_changed(&self) -> bool {
        self.user.is_some() && !self.erased && self.pending.is_none()
    }

    /// Wants another first name.
    pub fn rename(&mut self, name: &str) {
        self.pending = Some(Pending::Rename(name.to_owned()));
    }

    /// Wants to be erased.
    pub fn erase(&mut self) {
        self.pending = Some(Pending::Erase);
    }
}

/// Everything that customers know.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By whom and when does not matter; one per key.
    pub wanted: Vec<Wanted>,
    /// Whom clerks registered.
    pub persons: Vec<Person>,
    /// Prices that were changed.
    pub prices: u64,
    /// Versions of rows that the watcher read.
    pub versions_watched: u64,
    /// Deletions among them.
    pub deletions_watched: u64,
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
        self.persons.extend(other.persons);
        self.prices += other.prices;
        self.versions_watched += other.versions_watched;
        self.deletions_watched += other.deletions_watched;
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
        let person = |person: &Person| {
            json!({
                "username": person.username, "user": person.user, "name": person.name, "version": person.version,
                "erased": person.erased, "pending": person.pending.as_ref().map(|pending| format!("{pending:?}")),
            })
        };
        json!({ "wanted": wanted, "persons": self.persons.iter().map(person).collect::<Vec<_>>() })
    }
}
