//! Participants that keep the rules, and count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_event_store::{DynEventStore, StreamRead};
use serde_json::{Value, json};

use super::{Effect, World};
use crate::action::{Action, StepContext, StepOutcome, Undo, UndoOutcome};
use crate::definition::{SagaDefinition, Work};
use crate::id::SagaId;
use crate::record::Record;

#[derive(Default, Clone, Copy)]
struct Entry {
    effect: Effect,
    /// It was undone before it was seen: nothing will come of it any more.
    tombstone: bool,
}

/// A participant as it must be: a repeated action is answered and not done again, an undo of something never seen leaves a tombstone,
/// a forward message after it is refused. Counts what happened, per saga and step.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<(SagaId, Arc<str>), Entry>>);

impl Ledger {
    /// What happened.
    pub fn effect(&self, saga: SagaId, step: &str) -> Effect {
        self.entries().get(&(saga, Arc::from(step))).map_or(Effect::default(), |entry| entry.effect)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<(SagaId, Arc<str>), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Action for Ledger {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let mut entries = self.entries();
        let entry = entries.entry((step.saga_id, Arc::clone(&step.step))).or_default();
        if entry.tombstone || entry.effect.undone > 0 {
            return StepOutcome::Rejected { reason: json!({"undone": true}) };
        }
        entry.effect.done = 1;
        StepOutcome::done(json!({"step": &*step.step}))
    }
}

#[async_trait]
impl Undo for Ledger {
    async fn undo(&self, step: &StepContext) -> UndoOutcome {
        let mut entries = self.entries();
        let entry = entries.entry((step.saga_id, Arc::clone(&step.step))).or_default();
        if entry.effect.done == 0 {
            entry.tombstone = true;
            return UndoOutcome::NothingToUndo;
        }
        entry.effect.undone = 1;
        UndoOutcome::done()
    }
}

/// A world whose remote participants are one [`Ledger`]; local steps keep their own action, on the store.
pub struct StandIns {
    definition: SagaDefinition,
    store: DynEventStore,
    input: Value,
    ledger: Arc<Ledger>,
}

impl StandIns {
    /// The world of a definition of this shape.
    pub fn new(definition: &SagaDefinition, store: DynEventStore, input: Value) -> Self {
        let ledger = Arc::new(Ledger::default());
        let definition = definition.map_steps(|step| {
            if let Work::Remote { action, undo } = &mut step.work {
                *action = Arc::clone(&ledger) as Arc<dyn Action>;
                if let Some(undo) = undo {
                    *undo = Arc::clone(&ledger) as Arc<dyn Undo>;
                }
            }
        });
        Self { definition, store, input, ledger }
    }
}

#[async_trait]
impl World for StandIns {
    fn definition(&self) -> SagaDefinition {
        self.definition.clone()
    }

    fn store(&self) -> DynEventStore {
        Arc::clone(&self.store)
    }

    fn input(&self) -> Value {
        self.input.clone()
    }

    async fn effect(&self, saga: SagaId, step: &str) -> Effect {
        let local = self.definition.graph().iter().any(|known| &*known.name == step && known.is_local());
        if !local {
            return self.ledger.effect(saga, step);
        }
        // What a local step does is in the same append as its record, so the record counts.
        let slice = self.store.read_stream(&saga.stream(), StreamRead::START).await;
        let events = slice.map_or_else(|_| Vec::new(), |slice| slice.events);
        let records = events.iter().filter_map(|event| Record::read(event).ok());
        let done = records.filter(|record| matches!(record, Record::StepDone(done) if &*done.step == step)).count();
        Effect { done: u32::try_from(done).unwrap_or(u32::MAX), undone: 0 }
    }
}
