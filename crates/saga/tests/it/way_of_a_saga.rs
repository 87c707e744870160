//! From the start to the answer and to the end.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{CallContext, Fingerprint};
use madrigal_saga::{CompensationCause, SagaId, SagaProgress, SagaState, StartError, StartSaga, StepOutcome};
use serde_json::{Value, json};

use crate::shop::{LONG, Shop, order_stream};

#[tokio::test]
async fn a_saga_runs_its_steps_in_order_and_writes_five_appends() {
    let shop = Shop::new();
    let id = shop.start("a").await;
    let SagaProgress::Committed { outputs, position } = shop.engine.outcome(&id, LONG).await.unwrap() else {
        panic!("not committed");
    };
    assert_eq!(outputs.get("create"), Some(&json!({"orderId": id})));
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    assert_eq!(shop.happened()[..2], ["run:reserve", "run:pay"]);
    assert_eq!(shop.happened().len(), 4);
    let order = shop.store.read_stream(&order_stream(id), madrigal_event_store::StreamRead::START).await.unwrap();
    let (epoch, through) = position.component(shop.store.log()).unwrap();
    assert_eq!(epoch, shop.store.epoch());
    assert!(order.events[0].position < through, "the order's event is before the saga's record of it");
    assert_eq!(
        shop.record_types(id).await,
        [
            "SagaStarted",
            "SagaStepIntended",
            "SagaStepDone",
            "SagaStepIntended",
            "SagaStepDone",
            "SagaStepDone",
            "SagaStepIntended",
            "SagaStepIntended",
            "SagaStepDone",
            "SagaStepDone",
            "SagaEnded",
        ]
    );
}

#[tokio::test]
async fn a_rejection_answers_at_once_and_undoes_what_was_done_before_it() {
    let shop = Shop::new();
    shop.payment.answers([StepOutcome::Rejected { reason: json!({"declined": true}) }]);
    let id = shop.start("a").await;
    let refused = shop.engine.outcome(&id, LONG).await.unwrap();
    assert_eq!(refused, SagaProgress::Refused { step: "pay".into(), reason: Arc::new(json!({"declined": true})) });
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!(shop.happened(), ["run:reserve", "run:pay", "undo:reserve"], "only a rejection skips its own undo");
}

#[tokio::test]
async fn a_failure_undoes_its_own_step_too_in_reverse_order() {
    let shop = Shop::new();
    shop.payment.answers([StepOutcome::Failed { reason: json!("half") }]);
    let id = shop.start("a").await;
    let failed = shop.engine.outcome(&id, LONG).await.unwrap();
    assert!(matches!(failed, SagaProgress::Failed { cause: CompensationCause::Failed, .. }), "{failed:?}");
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!(shop.happened(), ["run:reserve", "run:pay", "undo:pay", "undo:reserve"]);
}

#[tokio::test]
async fn a_rejection_after_an_unknown_attempt_does_not_skip_the_undo() {
    let shop = Shop::new();
    shop.stock.answers([StepOutcome::unknown("lost"), StepOutcome::Rejected { reason: json!("out of stock") }]);
    let id = shop.start("a").await;
    let refused = shop.engine.outcome(&id, LONG).await.unwrap();
    assert_eq!(refused, SagaProgress::Refused { step: "reserve".into(), reason: Arc::new(json!("out of stock")) });
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!(shop.happened(), ["run:reserve", "run:reserve", "undo:reserve"], "the lost attempt may come late");
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_repeating() {
    let shop = Shop::new();
    shop.payment.answers([StepOutcome::unknown("lost"), StepOutcome::unknown("lost again")]);
    let id = shop.start("a").await;
    let SagaProgress::Committed { outputs, .. } = shop.engine.outcome(&id, LONG).await.unwrap() else {
        panic!("not committed");
    };
    assert_eq!(outputs.get("pay").unwrap()["attempt"], 3);
    assert_eq!(shop.count("run:pay"), 3);
    assert_eq!(shop.count("undo:reserve"), 0);
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_is_undone_with_its_own_step() {
    let shop = Shop::new();
    shop.payment.answers((0..6).map(|_| StepOutcome::unknown("lost")));
    let id = shop.start("a").await;
    let failed = shop.engine.outcome(&id, LONG).await.unwrap();
    assert!(matches!(failed, SagaProgress::Failed { cause: CompensationCause::Lost, .. }), "{failed:?}");
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Compensated));
    assert_eq!((shop.count("run:pay"), shop.count("undo:pay"), shop.count("undo:reserve")), (6, 1, 1));
}

#[tokio::test]
async fn the_same_request_finds_its_saga_and_another_is_refused() {
    let shop = Shop::new();
    let id = shop.start("a").await;
    let again = shop.engine.start(shop.request(id)).await.unwrap();
    assert!(again.already);
    let other = StartSaga { fingerprint: Fingerprint::of(b"other"), ..shop.request(id) };
    assert!(matches!(shop.engine.start(other.clone()).await, Err(StartError::OtherRequest)));
    shop.engine.settled(&id, LONG).await.unwrap();
    assert!(shop.engine.start(shop.request(id)).await.unwrap().already, "also when it is over");
    assert!(matches!(shop.engine.start(other).await, Err(StartError::OtherRequest)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_starts_with_one_id_make_one_saga() {
    let shop = Arc::new(Shop::new());
    let id = SagaId::derive("42", "place-order", "hot");
    let starts = (0..1_000).map(|_| {
        let shop = Arc::clone(&shop);
        madrigal_core::tasks::spawn("start", async move { shop.engine.start(shop.request(id)).await.unwrap().already })
    });
    let mut fresh = 0;
    for start in starts.collect::<Vec<_>>() {
        fresh += usize::from(!start.await.unwrap());
    }
    assert_eq!(fresh, 1);
    assert_eq!(shop.engine.settled(&id, LONG).await.unwrap(), Some(SagaState::Completed));
    assert_eq!(shop.happened().len(), 4);
}

#[tokio::test]
async fn a_start_of_an_unknown_definition_is_refused_and_leaves_the_key_free() {
    let shop = Shop::new();
    let id = SagaId::derive("42", "place-order", "a");
    let odd = StartSaga { definition: "odd", ..shop.request(id) };
    assert!(matches!(shop.engine.start(odd).await, Err(StartError::Fault(_))));
    assert_eq!(shop.engine.outcome(&id, Duration::ZERO).await.unwrap(), SagaProgress::Unknown);
    assert!(!shop.engine.start(shop.request(id)).await.unwrap().already);
}

#[tokio::test]
async fn a_caller_is_told_running_when_its_time_is_over() {
    let shop = Shop::new();
    shop.payment.shut();
    let id = shop.start("a").await;
    assert_eq!(shop.engine.outcome(&id, Duration::from_millis(1)).await.unwrap(), SagaProgress::Running);
    shop.payment.let_in(1);
    assert!(shop.engine.outcome(&id, LONG).await.unwrap().is_settled());
}

#[tokio::test]
async fn an_answer_read_from_the_log_is_the_answer_given_before() {
    let mut shop = Shop::new();
    shop.payment.answers([StepOutcome::done(json!(1)), StepOutcome::Rejected { reason: json!("no") }]);
    let (paid, declined) = (shop.start("a").await, shop.start("b").await);
    let options = madrigal_saga::SagaOptions::default();
    for id in [paid, declined] {
        shop.engine.settled(&id, LONG).await.unwrap();
    }
    let before = [shop.engine.outcome(&paid, LONG).await.unwrap(), shop.engine.outcome(&declined, LONG).await.unwrap()];
    shop.restart(options);
    let after = [shop.engine.outcome(&paid, LONG).await.unwrap(), shop.engine.outcome(&declined, LONG).await.unwrap()];
    assert_eq!(before[1], after[1]);
    let outputs = |progress: &SagaProgress| match progress {
        SagaProgress::Committed { outputs, .. } => outputs.get("create").cloned(),
        _ => None,
    };
    assert_eq!(outputs(&before[0]), Some(json!({"orderId": paid})));
    assert_eq!(outputs(&before[0]), outputs(&after[0]));
    let _ = (CallContext::new(&shop.host), Value::Null);
}
