//! Clerks: they register persons, change and erase them, and change prices, so that copies have something to follow.

mod persons;
mod prices;

use std::sync::Arc;

use madrigal_client::Shop;
use madrigal_core::tasks::{self, StopSignal};

use crate::draw::Draw;
use crate::facts::{Facts, Person};
use crate::watch::Watched;

/// Longest rest between two turns of one clerk.
const THINK_MILLIS: (u64, u64) = (1, 120);
/// A clerk who looks after more persons than this rather erases one than registers another.
const PERSONS: usize = 25;

/// A clerk, who is an operator.
#[derive(Debug, Clone)]
pub struct Clerk {
    number: usize,
    seed: u64,
    /// The shop, asked as an operator.
    shop: Shop,
    watched: Arc<Watched>,
}

impl Clerk {
    /// Clerk `number`, who tells whom there is to watch.
    pub const fn new(number: usize, seed: u64, shop: Shop, watched: Arc<Watched>) -> Self {
        Self { number, seed, shop, watched }
    }

    /// Works until `stop`, and returns what it knows then. What was under way stays pending.
    pub async fn work_until(self, stop: StopSignal) -> Facts {
        let draw = Draw::new(self.seed, &format!("clerk {}", self.number));
        let mut facts = Facts::default();
        let mut turn = 0usize;
        while !stop.is_cancelled() {
            turn += 1;
            let alive: Vec<usize> = (0..facts.persons.len()).filter(|at| facts.persons[*at].can_be_changed()).collect();
            let mut person = match draw.below(100) {
                0..10 => {
                    self.change_a_price(&draw, &mut facts, &stop).await;
                    continue;
                }
                10..28 if alive.len() < PERSONS => Person::new(&format!("p{}-{}-{turn}", self.seed, self.number)),
                chance => match alive.as_slice() {
                    [] => Person::new(&format!("p{}-{}-{turn}", self.seed, self.number)),
                    alive => {
                        let mut person = facts.persons.swap_remove(*draw.one_of(alive));
                        let erase = if alive.len() < PERSONS { 40 } else { 60 };
                        if chance < erase {
                            person.erase()
                        } else {
                            person.rename(&format!("Ottavia {turn}"))
                        }
                        person
                    }
                },
            };
            self.settle(&mut person, Some(&draw), &mut facts, &stop).await;
            facts.persons.push(person);
            tasks::sleep_or_stopped(draw.pause(THINK_MILLIS.0, THINK_MILLIS.1), &stop).await;
        }
        facts
    }

    /// Asks again for everything of its own that is pending, until that is known or `stop`.
    pub async fn resolve(&self, facts: &mut Facts, stop: &StopSignal) {
        let mut persons = std::mem::take(&mut facts.persons);
        for person in persons.iter_mut().filter(|person| person.pending.is_some()) {
            self.settle(person, None, facts, stop).await;
        }
        facts.persons.append(&mut persons);
    }
}
