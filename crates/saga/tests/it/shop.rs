//! A small shop to run sagas in: participants that remember what happened to them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Fingerprint, Host, JsonBytes, LogName, NewEvent, PersonId, StreamName,
};
use madrigal_event_store::{DynEventStore, MemoryEventStore, StreamAppend};
use madrigal_saga::{
    Action, LocalAction, LocalDecision, MemoryDirectory, SagaDefinition, SagaEngine, SagaId, SagaOptions, StartSaga,
    StepContext, StepLimits, StepOutcome, Undo, UndoOutcome,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A participant that answers what it was told to, and otherwise that it is done.
pub(crate) struct Participant {
    pub(crate) forward: Mutex<VecDeque<StepOutcome>>,
    pub(crate) backward: Mutex<VecDeque<UndoOutcome>>,
    /// What happened, in order: `run:reserve`, `undo:reserve`.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    /// Attempts wait for a permit if there are any to wait for.
    pub(crate) gate: Semaphore,
}

impl Participant {
    pub(crate) fn new(log: &Arc<Mutex<Vec<String>>>) -> Arc<Self> {
        Arc::new(Self {
            forward: Mutex::default(),
            backward: Mutex::default(),
            log: Arc::clone(log),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    pub(crate) fn answers(&self, outcomes: impl IntoIterator<Item = StepOutcome>) {
        self.forward.lock().unwrap().extend(outcomes);
    }

    pub(crate) fn undoes(&self, outcomes: impl IntoIterator<Item = UndoOutcome>) {
        self.backward.lock().unwrap().extend(outcomes);
    }

    /// Makes further attempts wait until [`Participant::let_in`].
    pub(crate) fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn let_in(&self, attempts: usize) {
        self.gate.add_permits(attempts);
    }
}

#[async_trait]
impl Action for Participant {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        self.log.lock().unwrap().push(format!("run:{}", step.step));
        self.gate.acquire().await.unwrap().forget();
        let told = self.forward.lock().unwrap().pop_front();
        told.unwrap_or_else(|| StepOutcome::done(json!({"step": &*step.step, "attempt": step.attempt})))
    }
}

#[async_trait]
impl Undo for Participant {
    async fn undo(&self, step: &StepContext) -> UndoOutcome {
        self.log.lock().unwrap().push(format!("undo:{}", step.step));
        let told = self.backward.lock().unwrap().pop_front();
        told.unwrap_or(UndoOutcome::done())
    }
}

/// Creates the order in the saga's own store.
pub(crate) struct CreateOrder {
    pub(crate) host: Host,
    pub(crate) told: Mutex<VecDeque<LocalDecision>>,
    /// Called before each decision is returned, with its number.
    pub(crate) decisions: Mutex<u32>,
}

pub(crate) fn order_stream(id: SagaId) -> StreamName {
    StreamName::new("order", id).unwrap()
}

pub(crate) fn order_event(host: &Host, step: &StepContext, number: u32) -> NewEvent {
    let _ = host;
    let data = JsonBytes::of(&json!({"number": number})).unwrap();
    NewEvent::new(step.event_id(number), EventType::parse("OrderCreated").unwrap(), 1, data, &step.call)
}

#[async_trait]
impl LocalAction for CreateOrder {
    async fn decide(&self, step: &StepContext) -> LocalDecision {
        *self.decisions.lock().unwrap() += 1;
        if let Some(told) = self.told.lock().unwrap().pop_front() {
            return told;
        }
        let stream = order_stream(step.saga_id);
        let events = vec![order_event(&self.host, step, 1)];
        let append = StreamAppend { stream, expected: ExpectedVersion::NoStream, events };
        LocalDecision::Commit { appends: vec![append], output: json!({"orderId": step.saga_id}) }
    }
}

/// The shop: a store, participants, an engine.
pub(crate) struct Shop {
    pub(crate) host: Host,
    pub(crate) store: DynEventStore,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) stock: Arc<Participant>,
    pub(crate) payment: Arc<Participant>,
    pub(crate) order: Arc<CreateOrder>,
    pub(crate) confirm: Arc<Participant>,
    pub(crate) mail: Arc<Participant>,
    pub(crate) engine: SagaEngine,
}

pub(crate) fn quick() -> StepLimits {
    StepLimits { backoff: Duration::from_millis(1), backoff_cap: Duration::from_millis(5), ..StepLimits::default() }
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(SagaOptions::default())
    }

    pub(crate) fn with(options: SagaOptions) -> Self {
        let host = Host::seeded(7);
        let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
        Self::on(store, host, options)
    }

    pub(crate) fn on(store: DynEventStore, host: Host, options: SagaOptions) -> Self {
        let log = Arc::default();
        let order = CreateOrder { host: host.clone(), told: Mutex::default(), decisions: Mutex::default() };
        let (stock, payment) = (Participant::new(&log), Participant::new(&log));
        let (confirm, mail, order) = (Participant::new(&log), Participant::new(&log), Arc::new(order));
        let mut shop = Self {
            engine: engine(&store, Vec::new(), &host, options),
            host,
            store,
            log,
            stock,
            payment,
            order,
            confirm,
            mail,
        };
        shop.engine = engine(&shop.store, vec![shop.definition()], &shop.host, options);
        shop
    }

    pub(crate) fn definition(&self) -> SagaDefinition {
        let (stock, payment) = (Arc::clone(&self.stock), Arc::clone(&self.payment));
        let definition = SagaDefinition::new("place-order", 1)
            .compensatable("reserve", Arc::clone(&stock) as _, stock)
            .compensatable("pay", Arc::clone(&payment) as _, payment)
            .local_pivot("create", Arc::clone(&self.order) as _)
            .retriable("confirm", Arc::clone(&self.confirm) as _)
            .retriable("mail", Arc::clone(&self.mail) as _)
            .after("mail", &["create"]);
        let steps = ["reserve", "pay", "create", "confirm", "mail"];
        steps.iter().fold(definition, |definition, step| definition.limits(step, quick())).build().unwrap()
    }

    /// Another engine on the same store with the same participants, as after a crash.
    pub(crate) fn restart(&mut self, options: SagaOptions) {
        self.engine.halt();
        self.engine = engine(&self.store, vec![self.definition()], &self.host, options);
    }

    pub(crate) async fn start(&self, key: &str) -> SagaId {
        let id = SagaId::derive("42", "place-order", key);
        self.engine.start(self.request(id)).await.unwrap();
        id
    }

    pub(crate) fn request(&self, id: SagaId) -> StartSaga<'static> {
        StartSaga {
            id,
            definition: "place-order",
            input: json!({"items": [1, 2]}),
            fingerprint: Fingerprint::of(b"body"),
            owner: Some(PersonId(42)),
            call: CallContext::new(&self.host),
        }
    }

    pub(crate) fn happened(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| *line == what).count()
    }

    pub(crate) async fn records(&self, id: SagaId) -> Vec<(String, Value)> {
        let slice = self.store.read_stream(&id.stream(), madrigal_event_store::StreamRead::START).await.unwrap();
        slice.events.iter().map(|event| (event.event_type.to_string(), event.decode().unwrap())).collect()
    }

    pub(crate) async fn record_types(&self, id: SagaId) -> Vec<String> {
        self.records(id).await.into_iter().map(|(name, _)| name).collect()
    }
}

pub(crate) fn engine(
    store: &DynEventStore,
    definitions: Vec<SagaDefinition>,
    host: &Host,
    options: SagaOptions,
) -> SagaEngine {
    let directory = Arc::new(MemoryDirectory::new(Arc::clone(store)));
    SagaEngine::new(Arc::clone(store), definitions, directory, host.clone(), options)
}

/// Long against anything that a test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(60);
