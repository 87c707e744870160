//! The contract of [`Neighbour`](madrigal_http::Neighbour): every transport gives the same answers and the same faults.
//!
//! [`calls_suite!`](crate::calls_suite) makes a test of each case for a transport, which is made over given calls.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::tasks;
use madrigal_core::{CallContext, EventId, Fault, FaultOutcome, FaultRetry, Host};
use madrigal_http::{Answer, Call, Calls, Neighbour};
use serde::{Deserialize, Serialize};

/// Makes one test for each case. `$make` is an async function from calls to a neighbour and whatever keeps it alive.
#[macro_export]
macro_rules! calls_suite {
    ($make:path) => {
        $crate::calls_suite!(@cases $make:
            an_answer_comes_back_as_it_was_given
            a_business_refusal_is_an_answer
            a_fault_keeps_its_outcome_and_its_advice
            a_panic_is_a_fault_with_an_unknown_outcome
            a_call_that_nobody_answers_certainly_had_no_effect
            the_context_reaches_the_handler
            a_handler_that_is_too_slow_is_given_up
            the_earlier_deadline_of_the_context_counts
            a_call_past_its_deadline_is_not_made
            many_calls_at_once_each_get_their_own_answer
            a_neighbour_that_is_down_certainly_did_nothing
            a_lost_answer_is_an_unknown_outcome_of_a_call_that_was_made
            a_slow_neighbour_answers_late_or_not_at_all
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let kitchen = $crate::calls::Kitchen::new();
                let (neighbour, _alive) = $make(kitchen.calls()).await;
                $crate::calls::$case(kitchen, neighbour).await;
            }
        )+
    };
}

/// The service that answers.
pub const SERVICE: &str = "kitchen-service";

/// Cooks a dish; the answer repeats what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cook {
    /// The dish.
    pub dish: String,
    /// How many.
    pub portions: u64,
    /// Every kind of number and text.
    pub extras: Vec<(i64, Option<f64>, String)>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Cooked {
    /// It is done.
    Done {
        /// The order as it was understood.
        order: Cook,
    },
    /// There is nothing left of it: a refusal, not a fault.
    SoldOut {
        /// The dish.
        dish: String,
    },
}

impl Call for Cook {
    type Answer = Cooked;
    const NAME: &'static str = "cook";
}

/// Breaks in the way that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Break {
    /// Nothing was done; at once again.
    NotApplied,
    /// Nothing was done; later again.
    NotAppliedAfter(u64),
    /// Unknown; at once again.
    Unknown,
    /// Nothing was done, and it will not get better.
    Permanent,
    /// Unknown, and it will not get better.
    UnknownForGood,
    /// By a panic.
    Panic,
}

impl Call for Break {
    type Answer = ();
    const NAME: &'static str = "break";
}

/// Tells the context that the handler saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct TellContext;

/// What the handler saw.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenContext {
    correlation_id: String,
    causation_id: Option<EventId>,
    user_id: Option<String>,
    trace_id: Option<String>,
    remaining_ms: Option<u64>,
}

impl Call for TellContext {
    type Answer = SeenContext;
    const NAME: &'static str = "tell-context";
    const LIMIT: Duration = Duration::from_secs(60);
}

/// Never answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dawdle;

impl Call for Dawdle {
    type Answer = ();
    const NAME: &'static str = "dawdle";
    const LIMIT: Duration = Duration::from_millis(200);
}

/// Never answers, and has all the time in the world to do so.
#[derive(Debug, Serialize, Deserialize)]
pub struct DawdleLong;

impl Call for DawdleLong {
    type Answer = ();
    const NAME: &'static str = "dawdle-long";
    const LIMIT: Duration = Duration::from_secs(3_600);
}

/// Answered by nobody.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unheard;

impl Call for Unheard {
    type Answer = ();
    const NAME: &'static str = "unheard";
}

/// Answers the calls of this suite, and counts.
#[derive(Debug, Clone, Default)]
pub struct Kitchen {
    cooked: Arc<AtomicU32>,
    dawdled: Arc<Mutex<Vec<Option<Duration>>>>,
}

impl Kitchen {
    /// A kitchen where nothing has been cooked.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it answers.
    pub fn calls(&self) -> Arc<Calls> {
        let kitchen = Arc::new(self.clone());
        let calls = Calls::new(SERVICE).on::<Cook>(Arc::clone(&kitchen)).on::<Break>(Arc::clone(&kitchen));
        let calls = calls.on::<TellContext>(Arc::clone(&kitchen)).on::<Dawdle>(Arc::clone(&kitchen));
        Arc::new(calls.on::<DawdleLong>(kitchen))
    }

    fn cooked(&self) -> u32 {
        self.cooked.load(Ordering::SeqCst)
    }

    fn dawdled(&self) -> Vec<Option<Duration>> {
        self.dawdled.lock().unwrap().clone()
    }

    async fn dawdle(&self, context: &CallContext) {
        self.dawdled.lock().unwrap().push(remaining(context));
        std::future::pending::<()>().await;
    }
}

fn remaining(context: &CallContext) -> Option<Duration> {
    context.deadline.map(|deadline| deadline.saturating_duration_since(tasks::instant()))
}

#[async_trait]
impl Answer<Cook> for Kitchen {
    async fn answer(&self, _context: CallContext, call: Cook) -> Result<Cooked, Fault> {
        self.cooked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if call.dish == "soup" { Ok(Cooked::SoldOut { dish: call.dish }) } else { Ok(Cooked::Done { order: call }) }
    }
}

#[async_trait]
impl Answer<Break> for Kitchen {
    async fn answer(&self, _context: CallContext, call: Break) -> Result<(), Fault> {
        let inner = std::io::Error::other("the stove is cold");
        Err(match call {
            Break::NotApplied => Fault::not_applied("stove", "heat", inner),
            Break::NotAppliedAfter(millis) => {
                Fault::not_applied("stove", "heat", inner).with_retry(FaultRetry::After(Duration::from_millis(millis)))
            }
            Break::Unknown => Fault::unknown("stove", "heat", inner),
            Break::Permanent => Fault::permanent("stove", "heat", inner),
            Break::UnknownForGood => Fault::unknown("stove", "heat", inner).with_retry(FaultRetry::Never),
            Break::Panic => panic!("the kitchen is on fire"),
        })
    }
}

#[async_trait]
impl Answer<TellContext> for Kitchen {
    async fn answer(&self, context: CallContext, _call: TellContext) -> Result<SeenContext, Fault> {
        let remaining_ms = remaining(&context).map(|remaining| u64::try_from(remaining.as_millis()).unwrap());
        Ok(SeenContext {
            correlation_id: context.correlation_id.to_string(),
            causation_id: context.causation_id,
            user_id: context.user_id.as_deref().map(str::to_owned),
            // Over HTTP the callee's span is its own; the trace is the same.
            trace_id: context.traceparent.as_deref().map(|traceparent| traceparent[3..35].to_owned()),
            remaining_ms,
        })
    }
}

#[async_trait]
impl Answer<Dawdle> for Kitchen {
    async fn answer(&self, context: CallContext, _call: Dawdle) -> Result<(), Fault> {
        self.dawdle(&context).await;
        Ok(())
    }
}

#[async_trait]
impl Answer<DawdleLong> for Kitchen {
    async fn answer(&self, context: CallContext, _call: DawdleLong) -> Result<(), Fault> {
        self.dawdle(&context).await;
        Ok(())
    }
}

fn context() -> CallContext {
    CallContext::new(&Host::system())
}

fn with_deadline(limit: Duration) -> CallContext {
    CallContext { deadline: Some(tasks::instant() + limit), ..context() }
}

fn dish(dish: &str) -> Cook {
    let extras = vec![(i64::MIN, Some(0.1), "ü\"\\\n".to_owned()), (i64::MAX, None, String::new())];
    Cook { dish: dish.into(), portions: u64::MAX, extras }
}

fn told(fault: &Fault) -> (&'static str, &'static str, FaultOutcome, FaultRetry) {
    (fault.engine, fault.operation, fault.outcome, fault.retry)
}

/// Rule 1.
pub async fn an_answer_comes_back_as_it_was_given(_: Kitchen, neighbour: Neighbour) {
    assert_eq!(neighbour.service(), SERVICE);
    for _ in 0..3 {
        let answer = neighbour.call(&context(), dish("cake")).await.unwrap();
        assert_eq!(answer, Cooked::Done { order: dish("cake") });
    }
}

/// Rule 2.
pub async fn a_business_refusal_is_an_answer(_: Kitchen, neighbour: Neighbour) {
    let answer = neighbour.call(&context(), dish("soup")).await.unwrap();
    assert_eq!(answer, Cooked::SoldOut { dish: "soup".into() });
}

/// Rule 3: the fault names the called service and the call; its causes are told in the same words.
pub async fn a_fault_keeps_its_outcome_and_its_advice(_: Kitchen, neighbour: Neighbour) {
    use FaultOutcome::{NotApplied, Unknown};
    let cases = [
        (Break::NotApplied, NotApplied, FaultRetry::Now),
        (Break::NotAppliedAfter(1_234), NotApplied, FaultRetry::After(Duration::from_millis(1_234))),
        (Break::Unknown, Unknown, FaultRetry::Now),
        (Break::Permanent, NotApplied, FaultRetry::Never),
        (Break::UnknownForGood, Unknown, FaultRetry::Never),
    ];
    for (how, outcome, retry) in cases {
        let fault = neighbour.call(&context(), how).await.unwrap_err();
        assert_eq!(told(&fault), (SERVICE, "break", outcome, retry), "{how:?}");
        let effect = if outcome == Unknown { "its effect is unknown" } else { "nothing was changed" };
        let cause = format!("{SERVICE} failed in break; {effect}: stove failed in heat; {effect}: the stove is cold");
        assert_eq!(fault.chain(), cause);
    }
}

/// Rule 4: and what the panic said stays in the service's log.
pub async fn a_panic_is_a_fault_with_an_unknown_outcome(_: Kitchen, neighbour: Neighbour) {
    let fault = neighbour.call(&context(), Break::Panic).await.unwrap_err();
    assert_eq!(told(&fault), (SERVICE, "break", FaultOutcome::Unknown, FaultRetry::Now));
    assert!(fault.chain().ends_with(": the handler panicked"), "{}", fault.chain());
    assert!(neighbour.call(&context(), dish("cake")).await.is_ok());
}

/// Rule 5.
pub async fn a_call_that_nobody_answers_certainly_had_no_effect(_: Kitchen, neighbour: Neighbour) {
    let fault = neighbour.call(&context(), Unheard).await.unwrap_err();
    assert_eq!(told(&fault), (SERVICE, "unheard", FaultOutcome::NotApplied, FaultRetry::Never));
}

/// Rule 6: correlation, causation, user and trace; and a deadline, even if the caller has none.
pub async fn the_context_reaches_the_handler(_: Kitchen, neighbour: Neighbour) {
    let host = Host::system();
    let cause = EventId::new(&host);
    let full = CallContext {
        user_id: Some("operator:änna".into()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        ..context().caused_by(cause)
    };
    let seen = neighbour.call(&full, TellContext).await.unwrap();
    assert_eq!(seen.correlation_id, full.correlation_id.as_str());
    assert_eq!((seen.causation_id, seen.user_id.as_deref()), (Some(cause), Some("operator:änna")));
    assert_eq!(seen.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert!(seen.remaining_ms.unwrap() <= 60_000);

    let seen = neighbour.call(&with_deadline(Duration::from_secs(30)), TellContext).await.unwrap();
    assert!(seen.remaining_ms.unwrap() <= 30_000);
    assert_eq!((seen.causation_id, seen.user_id), (None, None));
}

/// Rule 7: whether it did something meanwhile is unknown.
pub async fn a_handler_that_is_too_slow_is_given_up(kitchen: Kitchen, neighbour: Neighbour) {
    let fault = neighbour.call(&context(), Dawdle).await.unwrap_err();
    assert_eq!(told(&fault), (SERVICE, "dawdle", FaultOutcome::Unknown, FaultRetry::Now));
    assert_eq!(kitchen.dawdled().len(), 1);
    assert!(kitchen.dawdled()[0].unwrap() <= Dawdle::LIMIT);
}

/// Rule 8.
pub async fn the_earlier_deadline_of_the_context_counts(kitchen: Kitchen, neighbour: Neighbour) {
    let limit = Duration::from_millis(200);
    let fault = neighbour.call(&with_deadline(limit), DawdleLong).await.unwrap_err();
    assert_eq!(told(&fault), (SERVICE, "dawdle-long", FaultOutcome::Unknown, FaultRetry::Now));
    assert!(kitchen.dawdled()[0].unwrap() <= limit);
}

/// Rule 9.
pub async fn a_call_past_its_deadline_is_not_made(kitchen: Kitchen, neighbour: Neighbour) {
    let fault = neighbour.call(&with_deadline(Duration::ZERO), dish("cake")).await.unwrap_err();
    assert_eq!((fault.outcome, kitchen.cooked()), (FaultOutcome::NotApplied, 0));
}

/// Rule 10.
pub async fn many_calls_at_once_each_get_their_own_answer(kitchen: Kitchen, neighbour: Neighbour) {
    let calls = (0..200u64).map(|number| {
        let neighbour = neighbour.clone();
        let call = Cook { dish: format!("dish {number}"), portions: number, extras: vec![] };
        tasks::spawn("a call", async move { (call.clone(), neighbour.call(&context(), call).await.unwrap()) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (order, answer) = call.await.unwrap();
        assert_eq!(answer, Cooked::Done { order });
    }
    assert_eq!(kitchen.cooked(), 200);
}

/// Rule 11.
pub async fn a_neighbour_that_is_down_certainly_did_nothing(kitchen: Kitchen, neighbour: Neighbour) {
    let (neighbour, switch) = neighbour.switchable();
    switch.down();
    let fault = neighbour.call(&context(), dish("cake")).await.unwrap_err();
    assert_eq!(told(&fault), (SERVICE, "cook", FaultOutcome::NotApplied, FaultRetry::Now));
    assert_eq!(kitchen.cooked(), 0);
    switch.up();
    assert!(neighbour.call(&context(), dish("cake")).await.is_ok());
}

/// Rule 12.
pub async fn a_lost_answer_is_an_unknown_outcome_of_a_call_that_was_made(kitchen: Kitchen, neighbour: Neighbour) {
    let (neighbour, switch) = neighbour.switchable();
    switch.lose_answers();
    let fault = neighbour.clone().call(&context(), dish("cake")).await.unwrap_err();
    assert_eq!(told(&fault), (SERVICE, "cook", FaultOutcome::Unknown, FaultRetry::Now));
    assert_eq!(kitchen.cooked(), 1);
}

/// Rule 13.
pub async fn a_slow_neighbour_answers_late_or_not_at_all(kitchen: Kitchen, neighbour: Neighbour) {
    let (neighbour, switch) = neighbour.switchable();
    switch.slow(Duration::from_millis(20));
    let before = tasks::instant();
    assert!(neighbour.call(&context(), dish("cake")).await.is_ok());
    assert!(before.elapsed() >= Duration::from_millis(20));
    switch.slow(Duration::from_secs(3_600));
    let fault = neighbour.call(&with_deadline(Duration::from_millis(50)), dish("cake")).await.unwrap_err();
    assert_eq!((fault.outcome, kitchen.cooked()), (FaultOutcome::Unknown, 1));
}
