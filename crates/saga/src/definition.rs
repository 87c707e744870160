//! Definitions: a saga as data, checked when it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::action::{Action, LocalAction, Undo};

mod graph;

pub use graph::DefinitionError;

/// The most steps of one definition.
pub const MAX_STEPS: usize = 64;

/// What may be done about a step once it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// It can be undone; before the pivot.
    Compensatable,
    /// The point of no return: once done, the saga only goes forward.
    Pivot,
    /// It cannot be undone and must succeed in the end; after the pivot.
    Retriable,
}

/// How long and how often a step is tried. Not part of the definition's hash: limits may be tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepLimits {
    /// The longest that one attempt may take. Default 5 s.
    pub attempt: Duration,
    /// The longest from the step's first attempt (in this process) until it is given up; `None` for no limit of its own.
    /// Compensatable steps only. Default none.
    pub deadline: Option<Duration>,
    /// Attempts until a compensatable step is given up, a round of a pivot ends, a rejected retriable step pauses the saga, or a
    /// failing undo makes it stuck. Default 6.
    pub attempts: u32,
    /// The first backoff; doubles with each attempt, with full jitter. Default 100 ms.
    pub backoff: Duration,
    /// The longest backoff. Default 30 s.
    pub backoff_cap: Duration,
    /// How long the step may stay without progress before the saga counts as stuck. Default 1 min.
    pub objective: Duration,
}

impl Default for StepLimits {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(5),
            deadline: None,
            attempts: 6,
            backoff: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(30),
            objective: Duration::from_mins(1),
        }
    }
}

#[derive(Clone)]
pub(crate) enum Work {
    Remote { action: Arc<dyn Action>, undo: Option<Arc<dyn Undo>> },
    Local(Arc<dyn LocalAction>),
}

#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) name: Arc<str>,
    pub(crate) kind: StepKind,
    pub(crate) work: Work,
    /// The steps that must be done before this one, by index.
    pub(crate) after: Vec<usize>,
    /// The steps that wait for this one, by index.
    pub(crate) before: Vec<usize>,
    pub(crate) limits: StepLimits,
}

impl Step {
    pub(crate) const fn is_local(&self) -> bool {
        matches!(self.work, Work::Local(_))
    }
}

/// A named, versioned graph of steps; cheap to clone.
#[derive(Clone)]
pub struct SagaDefinition(Arc<Graph>);

pub(crate) struct Graph {
    name: Arc<str>,
    version: u32,
    hash: Arc<str>,
    json: String,
    steps: Vec<Step>,
    deadline_before_pivot: Option<Duration>,
}

impl SagaDefinition {
    /// Begins a definition. Names are kebab-case; the version rises whenever a released graph changes.
    #[expect(clippy::new_ret_no_self, reason = "a definition exists only when it is built and checked")]
    pub fn new(name: &str, version: u32) -> DefinitionBuilder {
        DefinitionBuilder {
            name: name.to_owned(),
            version,
            steps: Vec::new(),
            deadline_before_pivot: None,
            unknown: Vec::new(),
        }
    }

    /// The definition's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The definition's version.
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// SHA-256 over the graph's canonical JSON (names, kinds, edges), in hexadecimal. Every instance is pinned to it.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }

    /// The graph as stable, readable JSON with its hash: compare it with the golden file of each released version.
    pub fn to_json(&self) -> &str {
        &self.0.json
    }

    /// The steps' names and kinds, in the order of their declaration.
    pub fn steps(&self) -> impl Iterator<Item = (&str, StepKind)> {
        self.0.steps.iter().map(|step| (&*step.name, step.kind))
    }

    /// The kind of a step.
    pub fn kind(&self, step: &str) -> Option<StepKind> {
        self.0.steps.iter().find(|known| &*known.name == step).map(|known| known.kind)
    }

    /// The limits of a step.
    pub fn step_limits(&self, step: &str) -> Option<StepLimits> {
        self.0.steps.iter().find(|known| &*known.name == step).map(|known| known.limits)
    }

    /// How long after its start a saga may still be before its pivot.
    pub fn deadline_before_pivot(&self) -> Option<Duration> {
        self.0.deadline_before_pivot
    }

    /// The graph as a Mermaid flowchart: boxes are compensatable, the hexagon is the pivot, rounded ones are retriable.
    pub fn drawing(&self) -> String {
        graph::drawing(&self.0.steps)
    }

    /// Whether there is neither a pivot nor anything to undo: such a saga is committed by its start.
    pub(crate) fn commits_at_once(&self) -> bool {
        self.0.steps.iter().all(|step| step.kind == StepKind::Retriable)
    }

    /// The same definition, of the same hash, with other work and limits: for test kits, which wrap the actions.
    pub(crate) fn map_steps(&self, change: impl Fn(&mut Step)) -> Self {
        let graph = &*self.0;
        let mut steps = graph.steps.clone();
        steps.iter_mut().for_each(change);
        Self(Arc::new(Graph {
            name: Arc::clone(&graph.name),
            version: graph.version,
            hash: Arc::clone(&graph.hash),
            json: graph.json.clone(),
            steps,
            deadline_before_pivot: graph.deadline_before_pivot,
        }))
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.0.name
    }

    pub(crate) fn shared_hash(&self) -> &Arc<str> {
        &self.0.hash
    }

    pub(crate) fn graph(&self) -> &[Step] {
        &self.0.steps
    }
}

impl fmt::Debug for SagaDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SagaDefinition({} v{} {:.12})", self.0.name, self.0.version, self.0.hash)
    }
}

struct Draft {
    name: String,
    kind: StepKind,
    work: Work,
    after: Option<Vec<String>>,
    limits: StepLimits,
}

/// A definition being written. Mistakes are reported by [`DefinitionBuilder::build`].
#[must_use = "a definition exists only when it is built"]
pub struct DefinitionBuilder {
    name: String,
    version: u32,
    steps: Vec<Draft>,
    deadline_before_pivot: Option<Duration>,
    unknown: Vec<String>,
}

impl DefinitionBuilder {
    /// Adds a step that can be undone. It follows the step declared before it unless [`DefinitionBuilder::after`] says
    /// otherwise.
    pub fn compensatable(self, name: &str, action: Arc<dyn Action>, undo: Arc<dyn Undo>) -> Self {
        self.step(name, StepKind::Compensatable, Work::Remote { action, undo: Some(undo) })
    }

    /// Adds the pivot, at a participant. It follows all steps declared before it that nothing follows yet.
    pub fn pivot(self, name: &str, action: Arc<dyn Action>) -> Self {
        self.step(name, StepKind::Pivot, Work::Remote { action, undo: None })
    }

    /// Adds the pivot, in the saga's own store: its events and the saga's record are one append.
    pub fn local_pivot(self, name: &str, action: Arc<dyn LocalAction>) -> Self {
        self.step(name, StepKind::Pivot, Work::Local(action))
    }

    /// Adds a step that is retried until it succeeds. It follows the step declared before it unless
    /// [`DefinitionBuilder::after`] says otherwise.
    pub fn retriable(self, name: &str, action: Arc<dyn Action>) -> Self {
        self.step(name, StepKind::Retriable, Work::Remote { action, undo: None })
    }

    /// Adds a retriable step in the saga's own store.
    pub fn local_retriable(self, name: &str, action: Arc<dyn LocalAction>) -> Self {
        self.step(name, StepKind::Retriable, Work::Local(action))
    }

    /// Says which steps must be done before `step`; none: it starts with the saga. Steps that do not depend on each other run
    /// in parallel.
    pub fn after(mut self, step: &str, before: &[&str]) -> Self {
        match self.steps.iter_mut().find(|draft| draft.name == step) {
            Some(draft) => draft.after = Some(before.iter().map(|&name| name.to_owned()).collect()),
            None => self.unknown.push(step.to_owned()),
        }
        self
    }

    /// Sets a step's limits.
    pub fn limits(mut self, step: &str, limits: StepLimits) -> Self {
        match self.steps.iter_mut().find(|draft| draft.name == step) {
            Some(draft) => draft.limits = limits,
            None => self.unknown.push(step.to_owned()),
        }
        self
    }

    /// Sets how long after its start a saga may still be before its pivot; past it, it compensates.
    pub fn deadline_before_pivot(mut self, limit: Duration) -> Self {
        self.deadline_before_pivot = Some(limit);
        self
    }

    /// Checks the graph and freezes it.
    ///
    /// # Errors
    /// The first rule that it breaks, see [`DefinitionError`].
    pub fn build(self) -> Result<SagaDefinition, DefinitionError> {
        if let Some(step) = self.unknown.into_iter().next() {
            return Err(DefinitionError::UnknownStep { step });
        }
        if !graph::is_name(&self.name) || self.version == 0 {
            return Err(DefinitionError::Name { name: self.name });
        }
        let steps = graph::check(self.steps)?;
        let canonical = graph::canonical(&self.name, self.version, &steps);
        let hash = Fingerprint::of(canonical.as_bytes());
        let json = graph::readable(&canonical, hash.as_str());
        Ok(SagaDefinition(Arc::new(Graph {
            name: self.name.into(),
            version: self.version,
            hash: hash.as_str().into(),
            json,
            steps,
            deadline_before_pivot: self.deadline_before_pivot,
        })))
    }

    fn step(mut self, name: &str, kind: StepKind, work: Work) -> Self {
        self.steps.push(Draft { name: name.to_owned(), kind, work, after: None, limits: StepLimits::default() });
        self
    }
}
