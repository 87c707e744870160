//! The saga engine's rules on an event store: one function for each, run on empty stores.
//!
//! [`saga_suite!`](crate::saga_suite) makes a test of each for an implementation of the event store. An engine is only as safe as the
//! fences of the store below it; these cases show that they hold together.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a case fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Fingerprint, Host, JsonBytes, NewEvent, StreamName,
    StreamVersion, tasks,
};
use madrigal_event_store::{DynEventStore, StreamAppend, StreamRead};
use madrigal_saga::testkit::{Effect, Ledger, StandIns, World, torture};
use madrigal_saga::{
    LocalAction, LocalDecision, MemoryDirectory, SagaDefinition, SagaEngine, SagaId, SagaOptions, SagaProgress,
    SagaState, StartError, StartSaga, StepContext,
};
use serde_json::{Value, json};

/// Makes one test for each case. `$make` is a function that returns an empty store and whatever keeps it alive.
#[macro_export]
macro_rules! saga_suite {
    ($make:path) => {
        $crate::saga_suite!(@cases $make:
            a_saga_survives_every_trouble_at_every_node
            many_starts_by_two_engines_make_one_saga
            a_runner_that_lost_its_saga_cannot_write
            a_local_pivot_is_all_or_nothing_and_decided_again
            an_answer_is_the_same_when_it_is_read_back
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::saga::$case($make).await;
            }
        )+
    };
}

const LONG: Duration = Duration::from_secs(60);

/// Appends one event to `order-{saga}`; the first time with an expectation that is wrong, if told so.
struct CreateOrder {
    stale_at_first: bool,
    was_stale: AtomicBool,
}

impl CreateOrder {
    fn new(stale_at_first: bool) -> Arc<Self> {
        Arc::new(Self { stale_at_first, was_stale: AtomicBool::new(false) })
    }
}

fn order(saga: SagaId) -> StreamName {
    StreamName::new("order", saga).unwrap()
}

#[async_trait]
impl LocalAction for CreateOrder {
    async fn decide(&self, step: &StepContext) -> LocalDecision {
        let stale = self.stale_at_first && !self.was_stale.swap(true, Ordering::SeqCst);
        let expected = if stale { ExpectedVersion::Exact(StreamVersion(7)) } else { ExpectedVersion::NoStream };
        let created = EventType::parse("OrderCreated").unwrap();
        let data = JsonBytes::of(&json!({"saga": step.saga_id})).unwrap();
        let events = vec![NewEvent::new(step.event_id(1), created, 1, data, &step.call)];
        let append = StreamAppend { stream: order(step.saga_id), expected, events };
        LocalDecision::Commit { appends: vec![append], output: json!({"order": step.saga_id}) }
    }
}

fn definition(ledger: &Arc<Ledger>, stale_at_first: bool) -> SagaDefinition {
    SagaDefinition::new("place-order", 1)
        .compensatable("reserve", Arc::clone(ledger) as _, Arc::clone(ledger) as _)
        .compensatable("pay", Arc::clone(ledger) as _, Arc::clone(ledger) as _)
        .local_pivot("create", CreateOrder::new(stale_at_first))
        .retriable("confirm", Arc::clone(ledger) as _)
        .retriable("mail", Arc::clone(ledger) as _)
        .after("mail", &["create"])
        .build()
        .unwrap()
}

fn engine(store: &DynEventStore, definition: SagaDefinition, exclusive: bool) -> SagaEngine {
    let directory = Arc::new(MemoryDirectory::new(Arc::clone(store)));
    let options = SagaOptions { exclusive, ..SagaOptions::default() };
    SagaEngine::new(Arc::clone(store), vec![definition], directory, Host::system(), options)
}

fn request(id: SagaId, body: &[u8]) -> StartSaga<'static> {
    StartSaga {
        id,
        definition: "place-order",
        input: json!({}),
        fingerprint: Fingerprint::of(body),
        owner: None,
        call: CallContext::new(&Host::system()),
    }
}

async fn orders(store: &DynEventStore, id: SagaId) -> usize {
    store.read_stream(&order(id), StreamRead::START).await.unwrap().events.len()
}

/// A world that keeps its store alive.
struct Kept<A>(StandIns, A);

#[async_trait]
impl<A: Send + Sync + 'static> World for Kept<A> {
    fn definition(&self) -> SagaDefinition {
        self.0.definition()
    }

    fn store(&self) -> DynEventStore {
        self.0.store()
    }

    fn input(&self) -> Value {
        self.0.input()
    }

    async fn effect(&self, saga: SagaId, step: &str) -> Effect {
        let counted = self.0.effect(saga, step).await;
        if step == "create" {
            // The order's event and the saga's record of it are there together, or neither is.
            let events = u32::try_from(orders(&self.0.store(), saga).await).unwrap();
            assert_eq!(events, counted.done, "the order and the saga's record of it differ");
        }
        counted
    }
}

/// Every trouble of the test kit at every node of an order's saga.
pub async fn a_saga_survives_every_trouble_at_every_node<A: Send + Sync + 'static>(
    make: impl Fn() -> (DynEventStore, A),
) {
    let shape = definition(&Arc::default(), false);
    let report = torture(|| {
        let (store, alive) = make();
        Kept(StandIns::new(&shape, store, json!({})), alive)
    })
    .await;
    assert!(report.trials.len() > 40, "{}", report.trials.len());
}

/// Many starts with one id by two engines on one store make one saga; another request with its id is refused.
pub async fn many_starts_by_two_engines_make_one_saga<A>(make: impl Fn() -> (DynEventStore, A)) {
    let (store, _alive) = make();
    let ledger = Arc::default();
    let engines =
        [engine(&store, definition(&ledger, false), false), engine(&store, definition(&ledger, false), false)];
    let id = SagaId::derive("conformance", "place-order", "hot");
    let starts = (0..200).map(|number| {
        let engine = engines[number % 2].clone();
        tasks::spawn("start", async move { engine.start(request(id, b"body")).await.unwrap().already })
    });
    let mut fresh = 0;
    for start in starts.collect::<Vec<_>>() {
        fresh += usize::from(!start.await.unwrap());
    }
    assert_eq!(fresh, 1);
    for engine in &engines {
        assert_eq!(engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
        assert!(matches!(engine.start(request(id, b"other")).await, Err(StartError::OtherRequest)));
    }
    for step in ["reserve", "pay", "confirm", "mail"] {
        assert_eq!(ledger.effect(id, step), Effect { done: 1, undone: 0 }, "{step}");
    }
    assert_eq!(orders(&store, id).await, 1);
}

/// A record of another epoch in a saga's stream stops the runner that had it: it writes nothing after it.
pub async fn a_runner_that_lost_its_saga_cannot_write<A>(make: impl Fn() -> (DynEventStore, A)) {
    let (store, _alive) = make();
    let (reached, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let waiting = Arc::new(Waiting { reached: Arc::clone(&reached), go: Arc::clone(&go) });
    let ledger: Arc<Ledger> = Arc::default();
    let shape = SagaDefinition::new("place-order", 1)
        .compensatable("reserve", waiting, ledger)
        .local_pivot("create", CreateOrder::new(false))
        .build()
        .unwrap();
    let engine = engine(&store, shape, true);
    let id = SagaId::derive("conformance", "place-order", "lost");
    engine.start(request(id, b"body")).await.unwrap();
    reached.notified().await;
    let data = JsonBytes::of(&json!({"epoch": 2, "runner": "another"})).unwrap();
    let claimed = EventType::parse("SagaEpochClaimed").unwrap();
    let context = CallContext::new(&Host::system());
    let claim = NewEvent::new(EventId::derived("conformance claim"), claimed, 1, data, &context);
    let appended = store.append(id.stream(), ExpectedVersion::Exists, vec![claim]).await.unwrap();
    go.notify_one();
    while engine.in_flight() > 0 {
        tasks::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.read_stream(&id.stream(), StreamRead::START).await.unwrap().version, appended.version);
    assert_eq!(orders(&store, id).await, 0, "its pivot came too late and left nothing");
}

struct Waiting {
    reached: Arc<tokio::sync::Notify>,
    go: Arc<tokio::sync::Notify>,
}

#[async_trait]
impl madrigal_saga::Action for Waiting {
    async fn run(&self, _step: &StepContext) -> madrigal_saga::StepOutcome {
        self.reached.notify_one();
        self.go.notified().await;
        madrigal_saga::StepOutcome::done(json!({}))
    }
}

/// A pivot whose stream stands elsewhere writes neither its events nor its record, and is decided again.
pub async fn a_local_pivot_is_all_or_nothing_and_decided_again<A>(make: impl Fn() -> (DynEventStore, A)) {
    let (store, _alive) = make();
    let ledger = Arc::default();
    let engine = engine(&store, definition(&ledger, true), true);
    let id = SagaId::derive("conformance", "place-order", "moved");
    engine.start(request(id, b"body")).await.unwrap();
    assert_eq!(engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    assert_eq!(orders(&store, id).await, 1);
    let events = store.read_stream(&id.stream(), StreamRead::START).await.unwrap().events;
    let done = events.iter().filter(|event| event.event_type == *"SagaStepDone").count();
    assert_eq!(done, 5, "each step is recorded once");
}

/// What a caller was told is what another engine reads from the log; the position covers the order's event.
pub async fn an_answer_is_the_same_when_it_is_read_back<A>(make: impl Fn() -> (DynEventStore, A)) {
    let (store, _alive) = make();
    let ledger = Arc::default();
    let first = engine(&store, definition(&ledger, false), true);
    let id = SagaId::derive("conformance", "place-order", "answer");
    first.start(request(id, b"body")).await.unwrap();
    first.settled(&id, LONG).await.unwrap();
    let told = first.outcome(&id, LONG).await.unwrap();
    first.halt();
    let second = engine(&store, definition(&ledger, false), true);
    let read = second.outcome(&id, LONG).await.unwrap();
    let event = store.read_stream(&order(id), StreamRead::START).await.unwrap().events.remove(0);
    for progress in [told, read] {
        let SagaProgress::Committed { outputs, position } = progress else { panic!("not committed: {progress:?}") };
        assert_eq!(outputs.get("create"), Some(&json!({"order": id})));
        let (epoch, through) = position.component(store.log()).unwrap();
        assert_eq!(epoch, store.epoch());
        assert!(through >= event.position);
    }
}
