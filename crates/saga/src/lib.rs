//! Sagas: one effect over several services, each with its own store, that either happens as a whole or is taken back.
//!
//! A saga is declared, not replayed: a named, versioned graph of steps ([`definition`]), each with an action and an undo
//! ([`action`]). The [`engine`] runs instances of it, writes every step's intent and outcome into the stream `saga-{id}` of the
//! service's own event store (the records are described in `FORMAT.md`), answers the caller as soon as the pivot is durable, and
//! takes up what a crash interrupted. Modules in reading order:
//!
//! * [`definition`]: steps, kinds, edges, limits, the hash that pins an instance; [`action`]: what users write;
//! * [`id`]: a saga's identity, derived from the request; [`state`]: where it stands; [`progress`]: what its caller is told;
//! * [`engine`]: starting, waiting, recovering; [`engine::operate`]: the operator's verbs;
//! * [`story`] and [`directory`]: what people and the recovery see; [`testkit`]: every way to fail, for every node of a saga.

pub mod action;
pub mod definition;
pub mod directory;
pub mod engine;
pub mod id;
pub mod progress;
mod record;
pub mod state;
pub mod story;
pub mod testkit;

pub use action::{Action, LocalAction, LocalDecision, Outputs, StepContext, StepOutcome, Undo, UndoOutcome};
pub use definition::{DefinitionBuilder, DefinitionError, SagaDefinition, StepKind, StepLimits};
pub use directory::view::{SagaSummaries, ViewDirectory};
pub use directory::{MemoryDirectory, SagaDirectory, SagaFilter, SagaPage, SagaSummary};
pub use engine::SagaEngine;
pub use engine::operate::{OperateError, Verb};
pub use engine::options::SagaOptions;
pub use engine::start::{StartError, StartSaga, Started};
pub use id::SagaId;
pub use progress::SagaProgress;
pub use state::{CompensationCause, SagaState};
pub use story::{AttemptStory, OperatorStory, SagaStory, StepStory};
