//! What the engine, its runners and the recovery share: definitions, the map of what runs, what is set aside, the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_core::tasks::{self, Instant};
use madrigal_core::{Fault, Host, RecordedEvent};
use madrigal_event_store::{DynEventStore, StreamRead, WaitError};

use super::gate::Gate;
use super::live::{Lives, Published, Stage};
use super::options::SagaOptions;
use crate::definition::SagaDefinition;
use crate::directory::{SagaDirectory, SagaSummary};
use crate::id::SagaId;
use crate::progress::SagaProgress;
use crate::state::{Folded, SagaState};

/// The most sagas that are kept as set aside; the directory shows further ones too.
const MAX_PARKED: usize = 10_000;

/// A definition that this engine can run, with the budgets of its steps' dependencies.
pub(crate) struct Known {
    pub(crate) definition: SagaDefinition,
    pub(crate) gates: Vec<Arc<Gate>>,
}

pub(crate) struct Shared {
    pub(crate) store: DynEventStore,
    pub(crate) directory: Arc<dyn SagaDirectory>,
    pub(crate) host: Host,
    pub(crate) options: SagaOptions,
    pub(crate) runner: Arc<str>,
    pub(crate) lives: Lives,
    /// The budgets, by the steps' names.
    pub(crate) gates: HashMap<Arc<str>, Arc<Gate>>,
    pub(super) known: HashMap<Arc<str>, Arc<Known>>,
    pub(super) current: HashMap<Arc<str>, Arc<Known>>,
    pub(super) parked: Mutex<BTreeMap<SagaId, Arc<str>>>,
    pub(super) draining: AtomicBool,
    pub(super) halted: AtomicBool,
}

impl Shared {
    pub(crate) fn by_hash(&self, hash: &str) -> Option<SagaDefinition> {
        self.known.get(hash).map(|known| known.definition.clone())
    }

    pub(crate) fn known(&self, hash: &str) -> Option<&Arc<Known>> {
        self.known.get(hash)
    }

    pub(crate) fn park(&self, id: SagaId, cause: &Arc<str>) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if parked.len() < MAX_PARKED && parked.insert(id, Arc::clone(cause)).is_none() {
            tracing::error!(saga = %id, %cause, "a saga is set aside");
        }
    }

    pub(crate) fn parked_cause(&self, id: &SagaId) -> Option<Arc<str>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn show_parked(&self, row: &mut SagaSummary) {
        if row.state.is_ended() {
            return;
        }
        if let Some(cause) = self.parked_cause(&row.saga_id) {
            row.state = SagaState::Parked;
            row.reason = Some(cause.to_string());
        } else if !self.known.contains_key(&row.definition_hash) {
            row.state = SagaState::Parked;
            row.reason = Some("no definition of this binary has its hash".to_owned());
        }
    }

    /// Every event of a saga's stream.
    pub(crate) async fn read(&self, id: &SagaId) -> Result<Vec<RecordedEvent>, Fault> {
        let stream = id.stream();
        let mut slice = self.store.read_stream(&stream, StreamRead::START).await?;
        let mut events = std::mem::take(&mut slice.events);
        while events.last().is_some_and(|last| last.version() < slice.version) {
            let Some(last) = events.last() else { break };
            slice = self.store.read_stream(&stream, StreamRead::after(last.version())).await?;
            if slice.events.is_empty() {
                break;
            }
            events.append(&mut slice.events);
        }
        Ok(events)
    }

    /// What the log says about a saga that does not run here.
    pub(super) async fn look(&self, id: &SagaId) -> Result<Option<Published>, Fault> {
        let events = self.read(id).await?;
        if events.is_empty() {
            return Ok(None);
        }
        let since = events[0].metadata.timestamp;
        let parked = Published {
            stage: Stage::Left,
            state: SagaState::Parked,
            answer: None,
            fingerprint: None,
            fresh: false,
            since,
        };
        let Ok(state) = Folded::read(&events, |started| self.by_hash(&started.hash)) else { return Ok(Some(parked)) };
        Ok(Some(Published {
            state: state.state(),
            answer: SagaProgress::of(&state, self.store.log(), self.store.epoch()),
            fingerprint: Some(Arc::clone(&state.started.fingerprint)),
            ..parked
        }))
    }

    /// Waits until the log grows, at most until `until`.
    pub(super) async fn wait_for_news(&self, until: Instant) -> Result<(), Fault> {
        let wait = until.saturating_duration_since(tasks::instant());
        match self.store.wait_beyond(self.store.end(), wait).await {
            Ok(_) | Err(WaitError::TimedOut { .. }) => Ok(()),
            Err(WaitError::Fault(fault)) => Err(fault),
        }
    }
}
