//! What a batch of the topic `orders` does: facts and rollups, in one transaction.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use madrigal_bus::Message;
use madrigal_core::StreamVersion;
use madrigal_core::money::Totals;
use madrigal_sqlite::sql::{self, Transaction};

use super::follow::{Effect, Lane, Stuck};
use crate::aggregators::Changes;
use crate::facts::{Folding, Line, MessageError, OrderFact, Told};
use crate::store::{Dictionary, load_order};

/// Reads that name no position are at most so much older, under load.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Folds messages about orders into facts and rollups.
#[derive(Debug, Default)]
pub struct OrdersEffect {
    dictionary: Mutex<Dictionary>,
}

impl OrdersEffect {
    /// Nothing remembered yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Effect for OrdersEffect {
    fn apply(&self, tx: &Transaction<'_>, lanes: &[Lane]) -> sql::Result<Vec<Stuck>> {
        let mut dictionary = self.dictionary.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch { tx, dictionary: &mut dictionary, changes: Changes::default() };
        let mut stuck = Vec::new();
        for (place, lane) in lanes.iter().enumerate() {
            if let Some((message, error)) = batch.order(&lane.key, &lane.messages)? {
                stuck.push(Stuck { lane: place, message, cause: error.to_string() });
            }
        }
        batch.changes.write(tx)?;
        Ok(stuck)
    }

    fn undone(&self) {
        self.dictionary.lock().unwrap_or_else(PoisonError::into_inner).forget();
    }

    fn longest_rest(&self) -> Duration {
        LONGEST_REST
    }
}

struct Batch<'a> {
    tx: &'a Transaction<'a>,
    dictionary: &'a mut Dictionary,
    changes: Changes,
}

impl Batch<'_> {
    /// Folds one order's messages; the place and the error of the first that cannot be.
    fn order(&mut self, order_id: &str, messages: &[Message]) -> sql::Result<Failed> {
        // Most orders come whole and are new: their row is not looked for first.
        let begins = messages.first().is_some_and(begins);
        let before = if begins { None } else { load_order(self.tx, order_id)? };
        let (mut after, mut failed) = self.fold(before.clone(), messages)?;
        match (&before, &after) {
            (None, Some(fact)) => {
                if let Some(there) = self.changes.begin(self.tx, order_id, fact)? {
                    // It was here before: what is new in these messages is what the versions say.
                    (after, failed) = self.fold(Some(there.clone()), messages)?;
                    self.put(order_id, &there, after.as_ref())?;
                }
            }
            (Some(before), after) => self.put(order_id, before, after.as_ref())?,
            (None, None) => {}
        }
        Ok(failed)
    }

    fn put(&mut self, order_id: &str, before: &OrderFact<i64>, after: Option<&OrderFact<i64>>) -> sql::Result<()> {
        if Some(before) == after {
            return Ok(());
        }
        self.changes.put(self.tx, order_id, Some(before), after)
    }

    fn fold(
        &mut self,
        mut fact: Option<OrderFact<i64>>,
        messages: &[Message],
    ) -> sql::Result<(Option<OrderFact<i64>>, Failed)> {
        for (place, message) in messages.iter().enumerate() {
            let known = fact.as_ref().map_or(0, |fact| fact.version);
            let StreamVersion(version) = message.version.unwrap_or(StreamVersion(known + 1));
            if version <= known {
                continue;
            }
            let folding = match Folding::of(message) {
                Ok(folding) => folding,
                Err(error) => return Ok((fact, Some((place, error)))),
            };
            match (&mut fact, folding) {
                (None, Folding::Begins(begun)) => {
                    let mut begun = *begun;
                    let told = std::mem::take(&mut begun.lines);
                    let lines = self.numbered(&told)?;
                    fact = Some(begun.with_lines(lines));
                }
                // Before its beginning nothing is known of an order: an operator skipped that.
                (None, _) => continue,
                (Some(fact), folding) => self.step(fact, folding, message)?,
            }
            if let Some(fact) = &mut fact {
                fact.version = version;
            }
        }
        Ok((fact, None))
    }

    fn step(&mut self, fact: &mut OrderFact<i64>, folding: Folding<'_>, message: &Message) -> sql::Result<()> {
        let mut totals: Option<Totals> = None;
        match folding {
            Folding::Adds(line, comes_to) => {
                let line = self.line(&line)?;
                fact.lines.retain(|there| there.product != line.product);
                fact.lines.push(line);
                totals = Some(comes_to);
            }
            Folding::Removes(product_id, comes_to) => {
                let product = self.dictionary.number(self.tx, &product_id, &product_id)?;
                fact.lines.retain(|there| there.product != product);
                totals = Some(comes_to);
            }
            Folding::Places(lines, comes_to) => {
                fact.lines = self.numbered(&lines)?;
                fact.placed_at = fact.placed_at.or(Some(message.time));
                totals = Some(comes_to);
            }
            Folding::Moves(state) => fact.state = state,
            Folding::Begins(_) | Folding::Nothing => {}
        }
        fact.totals = totals.unwrap_or(fact.totals);
        Ok(())
    }

    fn numbered(&mut self, lines: &[Told<'_>]) -> sql::Result<Vec<Line<i64>>> {
        lines.iter().map(|line| self.line(line)).collect()
    }

    fn line(&mut self, line: &Told<'_>) -> sql::Result<Line<i64>> {
        let product = self.dictionary.number(self.tx, &line.product.product_id, &line.product.name)?;
        Ok(Line { product, quantity: line.quantity, amount: line.amount })
    }
}

/// The place and the error of the first message that cannot be folded.
type Failed = Option<(usize, MessageError)>;

/// Whether a message is an order's first.
fn begins(message: &Message) -> bool {
    matches!(message.kind.as_str(), "OrderCreated" | "OrderImported")
}
