//! The test kit: every way to fail, at every node of a saga.
//!
//! [`torture`] runs a saga once without trouble and then once for each injection at each of its steps, and for a crash before and
//! after each of its appends. Each run has a world of its own. After each run every step's effect is counted at its participant:
//! once and not taken back where the saga was completed, as often taken back as done where it was compensated. A run whose injection
//! did not strike fails: a test that tests nothing must not pass.
//!
//! ```ignore
//! let report = testkit::torture(|| StandIns::new(&place_order(), empty_store(), json!({}))).await;
//! ```
#![expect(clippy::panic, reason = "a test kit fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{CallContext, Fingerprint, Host};
use madrigal_event_store::DynEventStore;
use serde_json::Value;

use crate::action::{StepContext, StepOutcome};
use crate::definition::{SagaDefinition, StepKind, Work};
use crate::directory::MemoryDirectory;
use crate::engine::SagaEngine;
use crate::engine::options::SagaOptions;
use crate::engine::start::StartSaga;
use crate::id::SagaId;
use crate::state::SagaState;

mod crash;
mod inject;
mod stand_ins;

pub use crash::{CrashPoint, CrashingStore};
pub use inject::Injection;
pub use stand_ins::{Ledger, StandIns};

use inject::Strikes;

/// The longest that one run may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a step had its effect, and how often that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// Times it happened.
    pub done: u32,
    /// Times it was taken back.
    pub undone: u32,
}

/// A saga's surroundings for one run: its participants and its store, in their first state.
#[async_trait]
pub trait World: Send + Sync + 'static {
    /// The definition over this world's participants.
    fn definition(&self) -> SagaDefinition;

    /// The saga's own store.
    fn store(&self) -> DynEventStore;

    /// What the saga is started with; without trouble it must be completed.
    fn input(&self) -> Value;

    /// What happened at the participant of this step, for this saga.
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn effect(&self, saga: SagaId, step: &str) -> Effect;
}

/// One run of [`torture`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What was done to the saga.
    pub trouble: String,
    /// Where it ended.
    pub state: SagaState,
    /// How often the trouble struck.
    pub struck: u32,
}

/// Everything that was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The runs, in order.
    pub trials: Vec<Trial>,
}

/// Runs the saga through every trouble. `make` makes a new world for each run.
///
/// # Panics
/// Where a run does not end as it must, an effect has the wrong count, or an injection did not strike.
pub async fn torture<W: World>(make: impl Fn() -> W) -> Report {
    let mut report = Report::default();
    let plain = calm(&make, None).await;
    let definition = make().definition();
    for (step, kind) in definition.steps() {
        for injection in Injection::all(&definition, step, kind) {
            report.trials.push(disturbed(&make, step, injection).await);
        }
    }
    for point in CrashPoint::up_to(plain) {
        report.trials.extend(crashed(&make, None, point).await);
    }
    // The same on the way back, from where there is most to undo.
    if let Some(last) = definition.steps().filter(|(_, kind)| *kind != StepKind::Retriable).last() {
        let refused = calm(&make, Some(last.0)).await;
        for point in CrashPoint::up_to(refused) {
            report.trials.extend(crashed(&make, Some(last.0), point).await);
        }
    }
    let crashes = report.trials.iter().filter(|trial| trial.trouble.starts_with("crash")).count();
    assert!(crashes >= 4, "only {crashes} crashes struck");
    report
}

/// One run without crashes; with a step's name, that step is rejected. Returns how many appends it took.
async fn calm<W: World>(make: &impl Fn() -> W, refused: Option<&str>) -> u32 {
    let world = make();
    let store = CrashingStore::new(world.store(), None);
    let run = Run::new(&world, "calm", |definition| match refused {
        Some(step) => Strikes::default().wrap(definition, step, Injection::Rejected),
        None => definition,
    });
    let engine = run.engine(Arc::new(store.clone()));
    run.start(&engine).await;
    run.check(&world, &engine, SagaState::Compensated, SagaState::Completed, refused.is_some()).await;
    engine.halt();
    store.appends()
}

async fn disturbed<W: World>(make: &impl Fn() -> W, step: &str, injection: Injection) -> Trial {
    let world = make();
    let strikes = Strikes::default();
    let trouble = format!("{injection:?} at {step}");
    let run = Run::new(&world, &trouble, |definition| strikes.wrap(definition, step, injection));
    let engine = run.engine(world.store());
    run.start(&engine).await;
    let kind = run.definition.kind(step).unwrap_or(StepKind::Retriable);
    let local = run.definition.graph().iter().any(|known| &*known.name == step && known.is_local());
    let state = if injection.turns_back(kind, local) {
        run.check(&world, &engine, SagaState::Compensated, SagaState::Completed, true).await
    } else {
        run.check(&world, &engine, SagaState::Compensated, SagaState::Completed, false).await
    };
    if injection == Injection::LateForward {
        run.send_late(&world, step).await;
        run.check_effects(&world, state).await;
    }
    engine.halt();
    let struck = strikes.count();
    assert!(struck > 0, "{trouble}: the injection did not strike");
    Trial { trouble, state, struck }
}

async fn crashed<W: World>(make: &impl Fn() -> W, refused: Option<&str>, point: CrashPoint) -> Option<Trial> {
    let world = make();
    let back = if refused.is_some() { " on the way back" } else { "" };
    let trouble = format!("crash {point}{back}");
    let run = Run::new(&world, &trouble, |definition| match refused {
        Some(step) => Strikes::default().wrap(definition, step, Injection::RejectedAlways),
        None => definition,
    });
    let store = CrashingStore::new(world.store(), Some(point));
    let first = run.engine(Arc::new(store.clone()));
    tokio::select! {
        biased;
        () = store.crashed() => {}
        () = run.start_and_finish(&first) => {
            // Parallel steps share an append or do not, as it happens: a run may have fewer than the one that was counted.
            assert!(store.appends() < point.number(), "{trouble}: the injection did not strike");
            return None;
        }
    }
    first.halt();
    let second = run.engine(world.store());
    run.start(&second).await;
    let state = run.check(&world, &second, SagaState::Compensated, SagaState::Completed, refused.is_some()).await;
    second.halt();
    Some(Trial { trouble, state, struck: 1 })
}

/// What the runs have in common.
struct Run {
    trouble: String,
    host: Host,
    definition: SagaDefinition,
    id: SagaId,
    input: Value,
}

impl Run {
    fn new(world: &impl World, trouble: &str, wrap: impl FnOnce(SagaDefinition) -> SagaDefinition) -> Self {
        // Backoffs of the real size would only make the runs long.
        let definition = world.definition().map_steps(|step| {
            step.limits.backoff = Duration::from_millis(1);
            step.limits.backoff_cap = Duration::from_millis(4);
        });
        Self {
            trouble: trouble.to_owned(),
            host: Host::seeded(11),
            definition: wrap(definition),
            id: SagaId::derive("testkit", world.definition().name(), trouble),
            input: world.input(),
        }
    }

    fn engine(&self, store: DynEventStore) -> SagaEngine {
        let directory = Arc::new(MemoryDirectory::new(Arc::clone(&store)));
        let definitions = vec![self.definition.clone()];
        SagaEngine::new(store, definitions, directory, self.host.clone(), SagaOptions::default())
    }

    fn request(&self) -> StartSaga<'_> {
        StartSaga {
            id: self.id,
            definition: self.definition.name(),
            input: self.input.clone(),
            fingerprint: Fingerprint::of(self.trouble.as_bytes()),
            owner: None,
            call: CallContext::new(&self.host),
        }
    }

    async fn start(&self, engine: &SagaEngine) {
        if let Err(error) = engine.start(self.request()).await {
            panic!("{}: the saga does not start: {error}", self.trouble);
        }
    }

    async fn start_and_finish(&self, engine: &SagaEngine) {
        self.start(engine).await;
        let _ = engine.settled(&self.id, LIMIT).await;
    }

    async fn check(
        &self,
        world: &impl World,
        engine: &SagaEngine,
        back: SagaState,
        forward: SagaState,
        turns_back: bool,
    ) -> SagaState {
        let state = match engine.settled(&self.id, LIMIT).await {
            Ok(Some(state)) => state,
            other => panic!("{}: the saga is lost: {other:?}", self.trouble),
        };
        let expected = if turns_back { back } else { forward };
        assert_eq!(state, expected, "{}: where the saga ended", self.trouble);
        self.check_effects(world, state).await;
        state
    }

    async fn check_effects(&self, world: &impl World, state: SagaState) {
        for (step, kind) in self.definition.steps() {
            let effect = world.effect(self.id, step).await;
            let fits = match (state, kind) {
                (SagaState::Completed, _) => effect == Effect { done: 1, undone: 0 },
                (_, StepKind::Compensatable) => effect.done <= 1 && effect.undone == effect.done,
                (_, StepKind::Pivot | StepKind::Retriable) => effect.done == 0,
            };
            assert!(fits, "{}: step {step} of a saga that is {} has {effect:?}", self.trouble, state.as_str());
        }
    }

    /// The forward message that was held up on its way until the saga was over.
    async fn send_late(&self, world: &impl World, step: &str) {
        let definition = world.definition();
        let Some(known) = definition.graph().iter().find(|known| &*known.name == step) else { return };
        let Work::Remote { action, .. } = &known.work else { return };
        let context = StepContext {
            saga_id: self.id,
            definition: Arc::clone(definition.shared_name()),
            step: Arc::clone(&known.name),
            input: Arc::new(self.input.clone()),
            outputs: Arc::default(),
            attempt: 1,
            call: CallContext::new(&self.host),
            started_at: self.host.now(),
        };
        let outcome = action.run(&context).await;
        let accepted = matches!(outcome, StepOutcome::Done { .. });
        assert!(!accepted, "{}: a forward message after the undo was accepted", self.trouble);
    }
}
