//! Injections: a step's work, wrapped so that it goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::json;

use crate::action::{Action, LocalAction, LocalDecision, StepContext, StepOutcome, Undo, UndoOutcome};
use crate::definition::{SagaDefinition, Step, StepKind, Work};

/// What is done to one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// It is rejected once, without reaching its participant.
    Rejected,
    /// It is rejected whenever it is tried.
    RejectedAlways,
    /// It has its effect and then says that it failed, once.
    Failed,
    /// Its first message is lost on the way.
    LostOnTheWay,
    /// Its first answer is lost on the way back: the effect is there.
    LostOnTheWayBack,
    /// Every answer is lost; the effect is there.
    AlwaysLost,
    /// It panics once.
    Panics,
    /// Every message reaches the participant twice.
    Repeated,
    /// A later step is rejected, and every undo of this one reaches the participant twice.
    RepeatedUndo,
    /// A later step is rejected, and the first answer of this one's undo is lost.
    LostUndo,
    /// Every message is lost, the saga compensates, and then the message arrives after all.
    LateForward,
}

impl Injection {
    /// Those that make sense for a step.
    pub(super) fn all(definition: &SagaDefinition, step: &str, kind: StepKind) -> Vec<Self> {
        let local = definition.graph().iter().any(|known| &*known.name == step && known.is_local());
        if local {
            return match kind {
                StepKind::Pivot => vec![Self::Rejected, Self::LostOnTheWay, Self::Panics],
                StepKind::Compensatable | StepKind::Retriable => vec![Self::LostOnTheWay, Self::Panics],
            };
        }
        let mut all = vec![
            Self::Rejected,
            Self::Failed,
            Self::LostOnTheWay,
            Self::LostOnTheWayBack,
            Self::Panics,
            Self::Repeated,
        ];
        if kind == StepKind::Compensatable {
            all.extend([Self::AlwaysLost, Self::RepeatedUndo, Self::LostUndo, Self::LateForward]);
        }
        all
    }

    /// Whether the saga must be compensated.
    pub(super) fn turns_back(self, kind: StepKind, local: bool) -> bool {
        match self {
            Self::Rejected | Self::RejectedAlways => kind != StepKind::Retriable,
            Self::Failed => kind == StepKind::Compensatable && !local,
            Self::AlwaysLost | Self::RepeatedUndo | Self::LostUndo | Self::LateForward => true,
            Self::LostOnTheWay | Self::LostOnTheWayBack | Self::Panics | Self::Repeated => false,
        }
    }
}

/// Counts how often an injection struck.
#[derive(Debug, Clone, Default)]
pub(super) struct Strikes(Arc<AtomicU32>);

impl Strikes {
    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts; true the first time.
    fn first(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst) == 0
    }

    /// The definition with the injection at `step`.
    #[expect(clippy::needless_pass_by_value, reason = "reads as a transformation of the definition")]
    pub(super) fn wrap(&self, definition: SagaDefinition, step: &str, injection: Injection) -> SagaDefinition {
        // Undos run only if something after the step goes wrong: reject the next one that can be.
        let undone = matches!(injection, Injection::RepeatedUndo | Injection::LostUndo);
        let later = undone.then(|| rejected_after(&definition, step)).flatten();
        if undone && later.is_none() {
            // Nothing later can be rejected: let the step itself fail after its effect.
            return definition.map_steps(|known| {
                if &*known.name == step {
                    wrap_undo(known, injection, self);
                    wrap_forward(known, Injection::Failed, &Self::default());
                }
            });
        }
        definition.map_steps(|known| {
            if &*known.name == step {
                if undone {
                    wrap_undo(known, injection, self);
                } else {
                    wrap_forward(known, injection, self);
                }
            } else if later.as_deref() == Some(&*known.name) {
                wrap_forward(known, Injection::RejectedAlways, &Self::default());
            }
        })
    }
}

/// The last step after `step` that can be rejected, so that there is most to undo.
fn rejected_after(definition: &SagaDefinition, step: &str) -> Option<String> {
    let steps = definition.graph();
    let from = steps.iter().position(|known| &*known.name == step)?;
    let mut reached = vec![from];
    let mut found = None;
    while let Some(at) = reached.pop() {
        for &next in &steps[at].before {
            if steps[next].kind != StepKind::Retriable {
                found = Some(steps[next].name.to_string());
                reached.push(next);
            }
        }
    }
    found
}

fn wrap_forward(step: &mut Step, injection: Injection, strikes: &Strikes) {
    match &mut step.work {
        Work::Remote { action, .. } => {
            *action = Arc::new(BadAction { inner: Arc::clone(action), injection, strikes: strikes.clone() });
        }
        Work::Local(action) => {
            *action = Arc::new(BadDecision { inner: Arc::clone(action), injection, strikes: strikes.clone() });
        }
    }
}

fn wrap_undo(step: &mut Step, injection: Injection, strikes: &Strikes) {
    if let Work::Remote { undo: Some(undo), .. } = &mut step.work {
        *undo = Arc::new(BadUndo { inner: Arc::clone(undo), injection, strikes: strikes.clone() });
    }
}

struct BadAction {
    inner: Arc<dyn Action>,
    injection: Injection,
    strikes: Strikes,
}

#[async_trait]
impl Action for BadAction {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        let first = self.strikes.first();
        let reason = json!({"injected": true});
        match self.injection {
            Injection::Rejected if first => StepOutcome::Rejected { reason },
            Injection::RejectedAlways => StepOutcome::Rejected { reason },
            Injection::LostOnTheWay if first => StepOutcome::unknown("injected"),
            Injection::LateForward => StepOutcome::unknown("injected"),
            #[expect(clippy::panic, reason = "that is the injection")]
            Injection::Panics if first => panic!("injected"),
            Injection::Failed if first => {
                self.inner.run(step).await;
                StepOutcome::Failed { reason }
            }
            Injection::LostOnTheWayBack if first => {
                self.inner.run(step).await;
                StepOutcome::unknown("injected")
            }
            Injection::AlwaysLost => {
                self.inner.run(step).await;
                StepOutcome::unknown("injected")
            }
            Injection::Repeated => {
                let (one, _other) = futures::join!(self.inner.run(step), self.inner.run(step));
                one
            }
            _ => self.inner.run(step).await,
        }
    }
}

struct BadUndo {
    inner: Arc<dyn Undo>,
    injection: Injection,
    strikes: Strikes,
}

#[async_trait]
impl Undo for BadUndo {
    async fn undo(&self, step: &StepContext) -> UndoOutcome {
        let first = self.strikes.first();
        match self.injection {
            Injection::RepeatedUndo => {
                let (one, _other) = futures::join!(self.inner.undo(step), self.inner.undo(step));
                one
            }
            Injection::LostUndo if first => {
                self.inner.undo(step).await;
                UndoOutcome::Unknown { detail: "injected".to_owned(), retry_after: None }
            }
            _ => self.inner.undo(step).await,
        }
    }
}

struct BadDecision {
    inner: Arc<dyn LocalAction>,
    injection: Injection,
    strikes: Strikes,
}

#[async_trait]
impl LocalAction for BadDecision {
    async fn decide(&self, step: &StepContext) -> LocalDecision {
        let first = self.strikes.first();
        match self.injection {
            Injection::RejectedAlways => LocalDecision::Rejected { reason: json!({"injected": true}) },
            Injection::Rejected if first => LocalDecision::Rejected { reason: json!({"injected": true}) },
            Injection::LostOnTheWay if first => LocalDecision::Unknown { detail: "injected".to_owned() },
            #[expect(clippy::panic, reason = "that is the injection")]
            Injection::Panics if first => panic!("injected"),
            _ => self.inner.decide(step).await,
        }
    }
}
