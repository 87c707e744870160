//! Crashes, leases, moved streams, operators: what the engine does when something is in its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Fault, Host, JsonBytes, LogEpoch, LogName, NewEvent, Position,
    StreamName,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, MemoryEventStore, ReadError, StreamAppend, StreamRead,
    StreamSlice, WaitError,
};
use madrigal_saga::{
    CompensationCause, LocalDecision, OperateError, SagaDefinition, SagaFilter, SagaId, SagaOptions, SagaProgress,
    SagaState, StepOutcome, UndoOutcome, Verb,
};
use serde_json::json;

use crate::shop::{LONG, Participant, Shop, engine, order_stream, quick};

/// Waits until the participants saw so many calls of one kind.
async fn seen(shop: &Shop, what: &str, times: usize) {
    while shop.count(what) < times {
        tokio::task::yield_now().await;
    }
}

/// Waits until the saga is in this state.
async fn comes_to(shop: &Shop, id: SagaId, state: SagaState) {
    while shop.engine.show(&id).await.unwrap().unwrap().state != state {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn recovery_finds_what_a_crash_left_and_goes_on() {
    let mut shop = Shop::new();
    shop.payment.shut();
    let ids = [shop.start("a").await, shop.start("b").await];
    seen(&shop, "run:pay", 2).await;
    shop.payment.let_in(0);
    shop.restart(SagaOptions::default());
    shop.payment.let_in(2);
    let stop = StopSignal::new();
    let (running, signal) = (shop.engine.clone(), stop.clone());
    let run = tasks::spawn("engine", async move { running.run(signal).await });
    for id in ids {
        comes_to(&shop, id, SagaState::Completed).await;
        let types = shop.record_types(id).await;
        assert_eq!(types.iter().filter(|name| *name == "SagaEpochClaimed").count(), 1);
    }
    assert_eq!(shop.count("run:reserve"), 2, "what was done is not done again");
    stop.cancel();
    run.await.unwrap();
}

#[tokio::test]
async fn a_runner_that_lost_its_saga_cannot_write_and_lets_it_go() {
    let shop = Shop::new();
    shop.payment.shut();
    let id = shop.start("a").await;
    seen(&shop, "run:pay", 1).await;
    // Another process claims the saga.
    let version = shop.store.read_stream(&id.stream(), StreamRead::START).await.unwrap().version;
    let data = JsonBytes::of(&json!({"epoch": 2, "runner": "other"})).unwrap();
    let claim = EventType::parse("SagaEpochClaimed").unwrap();
    let context = CallContext::new(&shop.host);
    let claim = NewEvent::new(EventId::derived("claim"), claim, 1, data, &context);
    shop.store.append(id.stream(), ExpectedVersion::Exact(version), vec![claim]).await.unwrap();
    shop.payment.let_in(10);
    while shop.engine.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    let records = shop.record_types(id).await;
    assert_eq!(records.last().unwrap(), "SagaEpochClaimed", "{records:?}");
}

#[tokio::test]
async fn a_local_pivot_is_decided_again_when_its_stream_moved() {
    let shop = Shop::new();
    let id = SagaId::derive("42", "place-order", "a");
    let stale = NewEvent::new(
        EventId::derived("stale"),
        EventType::parse("OrderCreated").unwrap(),
        1,
        JsonBytes::of(&json!({})).unwrap(),
        &CallContext::new(&shop.host),
    );
    let append = StreamAppend {
        stream: order_stream(id),
        expected: ExpectedVersion::Exact(madrigal_core::StreamVersion(5)),
        events: vec![stale],
    };
    let told = LocalDecision::Commit { appends: vec![append], output: json!("stale") };
    shop.order.told.lock().unwrap().push_back(told);
    shop.engine.start(shop.request(id)).await.unwrap();
    let SagaProgress::Committed { outputs, .. } = shop.engine.outcome(&id, LONG).await.unwrap() else {
        panic!("not committed");
    };
    assert_eq!(outputs.get("create"), Some(&json!({"orderId": id})));
    assert_eq!(*shop.order.decisions.lock().unwrap(), 2);
    shop.engine.settled(&id, LONG).await.unwrap();
    assert_eq!(shop.happened().iter().filter(|line| line.starts_with("run:")).count(), 4);
}

#[tokio::test]
async fn a_rejected_pivot_is_compensated_and_refused() {
    let shop = Shop::new();
    shop.order.told.lock().unwrap().push_back(LocalDecision::Rejected { reason: json!("user erased") });
    let id = shop.start("a").await;
    let refused = shop.engine.outcome(&id, LONG).await.unwrap();
    assert_eq!(refused, SagaProgress::Refused { step: "create".into(), reason: Arc::new(json!("user erased")) });
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!(shop.happened(), ["run:reserve", "run:pay", "undo:pay", "undo:reserve"]);
    assert!(shop.store.read_stream(&order_stream(id), StreamRead::START).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn retriable_steps_never_keep_the_caller_waiting() {
    let shop = Shop::new();
    shop.confirm.shut();
    shop.mail.answers((0..5).map(|_| StepOutcome::unknown("down")));
    let id = shop.start("a").await;
    assert!(matches!(shop.engine.outcome(&id, LONG).await.unwrap(), SagaProgress::Committed { .. }));
    shop.confirm.let_in(1);
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    assert_eq!(shop.count("run:mail"), 6, "retried until it succeeds");
}

#[tokio::test]
async fn cancelling_before_the_pivot_compensates_and_after_it_is_refused() {
    let shop = Shop::new();
    shop.payment.shut();
    let id = shop.start("a").await;
    seen(&shop, "run:pay", 1).await;
    shop.engine.cancel(&id, "42").await.unwrap();
    shop.payment.let_in(100);
    let failed = shop.engine.outcome(&id, LONG).await.unwrap();
    assert!(matches!(failed, SagaProgress::Failed { cause: CompensationCause::Cancelled, .. }), "{failed:?}");
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!((shop.count("undo:pay"), shop.count("undo:reserve")), (1, 1), "the payment came through and went back");
    shop.engine.cancel(&id, "42").await.unwrap();
    let committed = shop.start("b").await;
    shop.engine.settled(&committed, LONG).await.unwrap();
    assert!(matches!(shop.engine.cancel(&committed, "42").await, Err(OperateError::AlreadyCommitted)));
    let nobody = SagaId::derive("42", "place-order", "nobody");
    assert!(matches!(shop.engine.cancel(&nobody, "42").await, Err(OperateError::NoSuchSaga)));
}

#[tokio::test]
async fn a_stuck_undo_is_shown_and_ends_by_hand_with_evidence() {
    let shop = Shop::new();
    shop.payment.answers([StepOutcome::Rejected { reason: json!("no") }]);
    shop.stock.undoes((0..6).map(|_| UndoOutcome::Failed { reason: json!("broken") }));
    let id = shop.start("a").await;
    comes_to(&shop, id, SagaState::Stuck).await;
    let stuck = shop.engine.stuck().await.unwrap();
    assert_eq!(stuck.iter().map(|row| (row.saga_id, row.state)).collect::<Vec<_>>(), [(id, SagaState::Stuck)]);
    let mark = |step: &str, evidence: &str| Verb::MarkUndone { step: step.to_owned(), evidence: evidence.to_owned() };
    let refused = shop.engine.operate(&id, mark("pay", "x"), "anna", "checked").await;
    assert!(matches!(refused, Err(OperateError::NotForThisStep { .. })), "a rejected step has nothing to undo");
    let refused = shop.engine.operate(&id, mark("reserve", " "), "anna", "checked").await;
    assert!(matches!(refused, Err(OperateError::Text { field: "evidence" })));
    let refused = shop.engine.operate(&id, mark("reserve", "x"), "", "checked").await;
    assert!(matches!(refused, Err(OperateError::Text { field: "who" })));
    shop.engine.operate(&id, mark("reserve", "ticket 7"), "anna", "counted the shelf").await.unwrap();
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::CompensatedByHand));
    let story = shop.engine.show(&id).await.unwrap().unwrap();
    assert_eq!(story.operator[0].evidence.as_deref(), Some("ticket 7"));
    assert_eq!(story.steps[0].undo.last().unwrap().outcome.as_deref(), Some("byHand"));
    assert!(!serde_json::to_string(&story).unwrap().contains("items"), "the input is not part of the story");
}

#[tokio::test]
async fn a_stuck_undo_is_tried_again_when_an_operator_asks() {
    let shop = Shop::new();
    shop.payment.answers([StepOutcome::Rejected { reason: json!("no") }]);
    shop.stock.undoes((0..6).map(|_| UndoOutcome::Failed { reason: json!("broken") }));
    let id = shop.start("a").await;
    comes_to(&shop, id, SagaState::Stuck).await;
    shop.engine.operate(&id, Verb::RetryNow, "anna", "repaired").await.unwrap();
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!(shop.count("undo:reserve"), 7);
}

#[tokio::test]
async fn a_paused_saga_rests_until_it_is_resumed_also_over_a_restart() {
    let mut shop = Shop::new();
    shop.payment.shut();
    let id = shop.start("a").await;
    seen(&shop, "run:pay", 1).await;
    shop.engine.operate(&id, Verb::Pause, "anna", "looking").await.unwrap();
    assert!(matches!(
        shop.engine.operate(&id, Verb::Pause, "anna", "again").await,
        Err(OperateError::NotInThisState { state: SagaState::Paused, .. })
    ));
    shop.payment.let_in(1);
    while shop.engine.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*shop.order.decisions.lock().unwrap(), 0, "nothing more was started");
    assert_eq!(shop.engine.outcome(&id, LONG).await.unwrap(), SagaProgress::Running);
    shop.restart(SagaOptions::default());
    shop.engine.operate(&id, Verb::Resume, "anna", "fine").await.unwrap();
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    let verbs: Vec<String> =
        shop.engine.show(&id).await.unwrap().unwrap().operator.into_iter().map(|act| act.verb).collect();
    assert_eq!(verbs, ["pause", "resume"]);
    assert!(matches!(
        shop.engine.operate(&id, Verb::Abandon, "anna", "late").await,
        Err(OperateError::NotInThisState { state: SagaState::Completed, .. })
    ));
}

#[tokio::test]
async fn a_refused_retriable_step_pauses_and_can_be_skipped_with_an_output() {
    let shop = Shop::new();
    shop.confirm.answers((0..100).map(|_| StepOutcome::Rejected { reason: json!("released") }));
    let id = shop.start("a").await;
    comes_to(&shop, id, SagaState::Paused).await;
    assert!(matches!(
        shop.engine.operate(&id, Verb::Compensate, "anna", "?").await,
        Err(OperateError::AlreadyCommitted)
    ));
    let skip = |step: &str| Verb::Skip { step: step.to_owned(), output: json!({"byHand": true}) };
    assert!(matches!(shop.engine.operate(&id, skip("odd"), "anna", "?").await, Err(OperateError::NoSuchStep { .. })));
    shop.engine.operate(&id, skip("confirm"), "anna", "confirmed by telephone").await.unwrap();
    assert_eq!(shop.engine.settled(&id, Duration::ZERO).await.unwrap(), Some(SagaState::Paused), "still paused");
    shop.engine.operate(&id, Verb::Resume, "anna", "go on").await.unwrap();
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
}

#[tokio::test]
async fn an_abandoned_saga_stays_as_it_is() {
    let shop = Shop::new();
    shop.payment.shut();
    let id = shop.start("a").await;
    seen(&shop, "run:pay", 1).await;
    shop.engine.operate(&id, Verb::Abandon, "anna", "test data").await.unwrap();
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Abandoned));
    assert!(matches!(shop.engine.outcome(&id, LONG).await.unwrap(), SagaProgress::Failed { .. }));
    assert_eq!(shop.count("undo:reserve"), 0);
}

#[tokio::test]
async fn an_unknown_remote_pivot_is_asked_again_under_new_epochs_and_then_pauses() {
    let host = Host::seeded(1);
    let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
    let shop = Shop::on(Arc::clone(&store), host.clone(), SagaOptions::default());
    let hold = Participant::new(&shop.log);
    let pay = Participant::new(&shop.log);
    pay.answers((0..6).map(|_| StepOutcome::unknown("lost")));
    let definition = SagaDefinition::new("remote", 1)
        .compensatable("hold", Arc::clone(&hold) as _, hold)
        .pivot("charge", pay)
        .limits("charge", madrigal_saga::StepLimits { attempts: 2, ..quick() })
        .build()
        .unwrap();
    let mut shop = shop;
    shop.engine = engine(&store, vec![definition], &host, SagaOptions::default());
    let id = SagaId::derive("42", "remote", "a");
    shop.engine.start(madrigal_saga::StartSaga { definition: "remote", ..shop.request(id) }).await.unwrap();
    comes_to(&shop, id, SagaState::Paused).await;
    assert_eq!(shop.count("undo:hold"), 0, "never compensated blindly");
    let claims = shop.record_types(id).await.iter().filter(|name| *name == "SagaEpochClaimed").count();
    assert_eq!(claims, 3);
    shop.engine.operate(&id, Verb::Compensate, "anna", "the bank says no").await.unwrap();
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!(shop.count("undo:hold"), 1);
}

#[tokio::test]
async fn past_the_deadline_before_the_pivot_a_saga_compensates() {
    let shop = Shop::new();
    let slow = Participant::new(&shop.log);
    slow.answers((0..1_000).map(|_| StepOutcome::unknown("down")));
    let definition = SagaDefinition::new("slow", 1)
        .compensatable("hold", Arc::clone(&slow) as _, slow)
        .limits("hold", madrigal_saga::StepLimits { attempts: 100_000, ..quick() })
        .deadline_before_pivot(Duration::from_millis(60))
        .build()
        .unwrap();
    let engine = engine(&shop.store, vec![definition], &shop.host, SagaOptions::default());
    let id = SagaId::derive("42", "slow", "a");
    engine.start(madrigal_saga::StartSaga { definition: "slow", ..shop.request(id) }).await.unwrap();
    let failed = engine.outcome(&id, LONG).await.unwrap();
    assert!(matches!(failed, SagaProgress::Failed { cause: CompensationCause::Deadline, .. }), "{failed:?}");
    assert_eq!(engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
}

#[tokio::test]
async fn a_saga_of_an_unknown_definition_is_set_aside_and_the_rest_goes_on() {
    let mut shop = Shop::new();
    shop.payment.shut();
    let (odd, fine) = (shop.start("odd").await, shop.start("fine").await);
    seen(&shop, "run:pay", 2).await;
    shop.engine.halt();
    // The next binary has only another version of the definition, and one saga's stream has a record from the future.
    let data = JsonBytes::of(&json!({"epoch": 1})).unwrap();
    let future = EventType::parse("SagaTeleported").unwrap();
    let future = NewEvent::new(EventId::derived("future"), future, 1, data, &CallContext::new(&shop.host));
    shop.store.append(odd.stream(), ExpectedVersion::Exists, vec![future]).await.unwrap();
    shop.payment.let_in(10);
    shop.restart(SagaOptions::default());
    let stop = StopSignal::new();
    let (running, signal) = (shop.engine.clone(), stop.clone());
    let run = tasks::spawn("engine", async move { running.run(signal).await });
    comes_to(&shop, fine, SagaState::Completed).await;
    comes_to(&shop, odd, SagaState::Parked).await;
    let parked = SagaFilter { state: Some(SagaState::Parked), ..SagaFilter::default() };
    for limit in [1, 10] {
        let page = shop.engine.list(&parked, None, limit).await.unwrap();
        assert_eq!(page.items.iter().map(|row| row.saga_id).collect::<Vec<_>>(), [odd]);
        assert_eq!(page.next, None, "there are no more than {limit}");
    }
    assert!(matches!(shop.engine.operate(&odd, Verb::RetryNow, "anna", "?").await, Err(OperateError::Parked { .. })));
    stop.cancel();
    run.await.unwrap();
}

#[tokio::test]
async fn a_draining_engine_admits_nothing_and_says_what_is_left() {
    let shop = Shop::new();
    shop.payment.shut();
    let id = shop.start("a").await;
    seen(&shop, "run:pay", 1).await;
    assert_eq!(shop.engine.drain(Duration::from_millis(1)).await, 1);
    let other = SagaId::derive("42", "place-order", "b");
    assert!(matches!(shop.engine.start(shop.request(other)).await, Err(madrigal_saga::StartError::Draining)));
    shop.payment.let_in(10);
    assert_eq!(shop.engine.drain(LONG).await, 0);
    assert!(shop.engine.outcome(&id, LONG).await.unwrap().is_settled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_on_one_store_start_a_saga_once() {
    let shared = SagaOptions { exclusive: false, ..SagaOptions::default() };
    let shop = Arc::new(Shop::with(shared));
    let other = engine(&shop.store, vec![shop.definition()], &shop.host, shared);
    let id = SagaId::derive("42", "place-order", "hot");
    let mut starts = Vec::new();
    for number in 0..200 {
        let (shop, engine) = (Arc::clone(&shop), if number % 2 == 0 { shop.engine.clone() } else { other.clone() });
        starts.push(tasks::spawn("start", async move { engine.start(shop.request(id)).await.unwrap().already }));
    }
    let mut fresh = 0;
    for start in starts {
        fresh += usize::from(!start.await.unwrap());
    }
    assert_eq!(fresh, 1);
    for engine in [&shop.engine, &other] {
        assert!(matches!(engine.outcome(&id, LONG).await.unwrap(), SagaProgress::Committed { .. }));
        assert_eq!(engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    }
    assert_eq!(shop.happened().len(), 4, "each step once");
}

/// A store that makes an append and loses its answer, for each second one.
struct Forgetful {
    inner: DynEventStore,
    lose: AtomicBool,
}

#[async_trait]
impl EventStore for Forgetful {
    fn log(&self) -> &LogName {
        self.inner.log()
    }

    fn epoch(&self) -> LogEpoch {
        self.inner.epoch()
    }

    fn end(&self) -> Position {
        self.inner.end()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        let result = self.inner.append_many(appends).await;
        if self.lose.fetch_not(Ordering::SeqCst) {
            return Err(Fault::unknown("forgetful", "append", "the answer is lost").into());
        }
        result
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        self.inner.read_stream(stream, read).await
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.inner.read_log(after, limit).await
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        self.inner.wait_beyond(position, limit).await
    }
}

#[tokio::test]
async fn appends_whose_answers_are_lost_are_repeated_and_write_once() {
    let host = Host::seeded(1);
    let inner: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
    let forgetful = Arc::new(Forgetful { inner, lose: AtomicBool::new(true) });
    let shop = Shop::on(forgetful, host, SagaOptions::default());
    let id = shop.start("a").await;
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    assert_eq!(shop.happened().len(), 4);
    let orders = shop.store.read_stream(&order_stream(id), StreamRead::START).await.unwrap();
    assert_eq!(orders.events.len(), 1);
    let types = shop.record_types(id).await;
    assert_eq!(types.iter().filter(|name| *name == "SagaEnded").count(), 1, "{types:?}");
}

#[tokio::test]
async fn a_dead_dependency_is_probed_by_few_and_the_others_wait() {
    let shop = Shop::new();
    shop.mail.answers((0..60).map(|_| StepOutcome::unknown("down")));
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(shop.start(&number.to_string()).await);
    }
    for id in &ids {
        assert!(matches!(shop.engine.outcome(id, LONG).await.unwrap(), SagaProgress::Committed { .. }));
    }
    let calls = shop.count("run:mail");
    assert!(calls < 60, "{calls} calls of a dead participant by 200 sagas");
}

#[tokio::test(start_paused = true)]
async fn a_participant_that_is_down_after_the_pivot_keeps_no_new_saga_out() {
    let mut shop = Shop::with(SagaOptions { max_live: 8, ..SagaOptions::default() });
    shop.mail.answers((0..100_000).map(|_| StepOutcome::unknown("down")));
    let mut ids = Vec::new();
    for number in 0..60 {
        let id = shop.start(&number.to_string()).await;
        assert!(matches!(shop.engine.outcome(&id, LONG).await.unwrap(), SagaProgress::Committed { .. }), "{number}");
        assert!(shop.engine.in_flight() <= 8);
        ids.push(id);
    }
    shop.mail.forward.lock().unwrap().clear();
    shop.restart(SagaOptions { max_live: 8, ..SagaOptions::default() });
    let stop = StopSignal::new();
    let (engine, signal) = (shop.engine.clone(), stop.clone());
    let running = tasks::spawn("engine", async move { engine.run(signal).await });
    for id in ids {
        while shop.engine.show(&id).await.unwrap().unwrap().state != SagaState::Completed {
            tasks::sleep(Duration::from_secs(1)).await;
        }
    }
    stop.cancel();
    running.await.unwrap();
}
