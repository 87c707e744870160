//! One saga's task: plan, write, act, wait; the only writer of its stream in this epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use madrigal_core::spans::{Doing, Span};
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{CallContext, CorrelationId, Fault, PersonId, StreamName};
use madrigal_event_store::StreamAppend;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::gate::Permit;
use super::live::{FaultCopy, Live, Stage};
use super::operate::OperateError;
use super::{Known, Shared};
use crate::action::{StepOutcome, UndoOutcome};
use crate::progress::SagaProgress;
use crate::record::{EpochClaimed, Record, SagaStarted};
use crate::state::{Folded, SagaState};

mod act;
mod backward;
mod forward;
mod mail;
mod write;

/// How long a record that nobody waits for may wait for company. Short against any objective, long against a group commit.
const HOLD: Duration = Duration::from_millis(20);

/// Where a runner's saga comes from.
pub(super) enum Origin {
    /// A request to start it.
    Fresh { known: Arc<Known>, input: Arc<Value>, fingerprint: Arc<str>, owner: Option<PersonId>, call: CallContext },
    /// The log. Where it was lost to another runner a moment ago, it is left to that one.
    Taken { lost: bool },
}

/// Why a runner stops.
enum Exit {
    /// The saga has ended.
    Ended,
    /// It rests: paused, or another runner's.
    Rest,
    /// The stream is not where this runner believed: read it anew.
    Reread { lost: bool },
    /// It cannot be run by this binary.
    Park(Arc<str>),
    /// There is no such saga.
    Absent,
    /// The store does not take its records.
    Broken(Fault),
}

/// What one of the saga's waits or attempts came to.
enum Happening {
    /// A wait is over; without a permit, because the deadline came first.
    Ready {
        step: usize,
        permit: Option<Permit>,
    },
    Forward {
        step: usize,
        outcome: StepOutcome,
    },
    Backward {
        step: usize,
        outcome: UndoOutcome,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    No,
    /// Waiting for its backoff or its dependency's budget.
    Waiting,
    Acting,
}

/// What this runner knows about a step beyond the records.
struct Transient {
    busy: Busy,
    permit: Option<Permit>,
    attempt: u32,
    undo_attempt: u32,
    /// When this runner first tried it.
    since: Option<Instant>,
    /// Rejections of a retriable step, or rounds of a pivot, since the last pause.
    strikes: u32,
    /// Appends that met another version in a row.
    conflicts: u32,
}

struct Launch {
    step: usize,
    permit: Permit,
    undo: bool,
    cause: madrigal_core::EventId,
}

/// Ends all waits that were begun before it is called, whether or not they were polled yet.
#[derive(Default)]
struct Hurry {
    calls: AtomicU64,
    bell: Notify,
}

impl Hurry {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bell.notify_waiters();
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn called_after(&self, calls: u64) {
        let rung = self.bell.notified();
        if self.calls() == calls {
            rung.await;
        }
    }
}

/// The answer to a wish.
type Answer = Result<(), OperateError>;
type Flight = BoxFuture<'static, Happening>;

pub(super) struct Runner {
    shared: Arc<Shared>,
    live: Arc<Live>,
    known: Arc<Known>,
    stream: StreamName,
    call: CallContext,
    /// As long as this runner has the saga; its steps are part of it.
    span: Span,
    state: Folded,
    steps: Vec<Transient>,
    /// Decided and applied to `state`, not written yet.
    pending: Vec<Record>,
    /// Appends of a local step that belong to the pending records, with the way back if they do not fit.
    local: Option<write::Local>,
    launches: Vec<Launch>,
    replies: Vec<(oneshot::Sender<Answer>, Answer)>,
    flights: FuturesUnordered<Flight>,
    /// Rung to end all waits at once.
    hurry: Arc<Hurry>,
    hold_until: Option<Instant>,
    urgent: bool,
    fresh: bool,
}

/// Runs a saga until it ends, rests or is lost.
pub(super) async fn run(shared: Arc<Shared>, live: Arc<Live>, mut origin: Origin) {
    let mut rereads = 0;
    loop {
        let exit = match Runner::open(&shared, &live, origin).await {
            Ok(mut runner) => match runner.run().await {
                Ok(()) => Exit::Ended,
                Err(exit) => exit,
            },
            Err(exit) => exit,
        };
        match exit {
            Exit::Reread { lost } if rereads < 5 => {
                rereads += 1;
                origin = Origin::Taken { lost };
            }
            exit => return leave(&shared, &live, exit),
        }
    }
}

fn leave(shared: &Shared, live: &Arc<Live>, exit: Exit) {
    live.close_mail();
    let begun = !matches!(live.published.borrow().stage, Stage::Starting);
    let stage = match exit {
        Exit::Ended => {
            live.publish(|now| now.stage = Stage::Ended);
            shared.lives.end(live);
            return;
        }
        Exit::Rest | Exit::Reread { .. } => Stage::Left,
        Exit::Absent => Stage::Absent,
        Exit::Park(cause) => {
            shared.park(live.id, &cause);
            Stage::Parked(cause)
        }
        Exit::Broken(fault) => {
            // The store says once that there is no room, however many sagas meet it.
            if fault.cause.is_storage() {
                tracing::debug!(saga = %live.id, fault = fault.chain(), "a saga was not taken");
            } else {
                tracing::warn!(saga = %live.id, fault = fault.chain(), "a saga waits for its store");
            }
            if begun { Stage::Left } else { Stage::Failed(FaultCopy::of(&fault)) }
        }
    };
    shared.lives.leave(live);
    live.publish(|now| now.stage = stage);
}

impl Runner {
    async fn open(shared: &Arc<Shared>, live: &Arc<Live>, origin: Origin) -> Result<Self, Exit> {
        match origin {
            Origin::Fresh { known, input, fingerprint, owner, call } => {
                Ok(Self::fresh(shared, live, known, input, fingerprint, owner, call))
            }
            Origin::Taken { lost } => Self::taken(shared, live, lost).await,
        }
    }

    fn fresh(
        shared: &Arc<Shared>,
        live: &Arc<Live>,
        known: Arc<Known>,
        input: Arc<Value>,
        fingerprint: Arc<str>,
        owner: Option<PersonId>,
        call: CallContext,
    ) -> Self {
        let definition = &known.definition;
        let now = shared.host.now();
        let started = SagaStarted {
            epoch: 1,
            runner: Arc::clone(&shared.runner),
            definition: Arc::clone(definition.shared_name()),
            definition_version: definition.version(),
            hash: Arc::clone(definition.shared_hash()),
            fingerprint,
            owner,
            deadline: definition.deadline_before_pivot().map(|limit| now.plus(limit)),
            commits: definition.commits_at_once(),
            input,
        };
        let state = Folded::new(Arc::new(started.clone()), now, Some(definition));
        let call = CallContext { deadline: None, ..call };
        let mut runner = Self::new(shared, live, known, state, call, true);
        runner.pending.push(Record::SagaStarted(started));
        runner.urgent = true;
        runner
    }

    async fn taken(shared: &Arc<Shared>, live: &Arc<Live>, lost: bool) -> Result<Self, Exit> {
        let events = shared.read(&live.id).await.map_err(Exit::Broken)?;
        let Some(first) = events.first() else { return Err(Exit::Absent) };
        let state = Folded::read(&events, |started| shared.by_hash(&started.hash));
        let state = state.map_err(|error| Exit::Park(format!("it cannot be read: {error}").into()))?;
        let answer = SagaProgress::of(&state, shared.store.log(), shared.store.epoch());
        live.publish(|now| {
            now.state = state.state();
            now.fingerprint = Some(Arc::clone(&state.started.fingerprint));
            now.fresh = state.started.runner == shared.runner;
            now.since = state.started_at;
            now.answer = answer;
        });
        if state.ended.is_some() {
            return Err(Exit::Ended);
        }
        let Some(known) = shared.known(&state.started.hash) else {
            let cause = format!("no definition of this binary has its hash ({})", state.started.definition);
            return Err(Exit::Park(cause.into()));
        };
        let wanted = live.has_mail();
        if state.paused.is_some() && !wanted {
            return Err(Exit::Rest);
        }
        let silent = events.last().map(|last| shared.host.now().since(last.metadata.timestamp));
        let others = (lost || !shared.options.exclusive) && state.runner != shared.runner;
        if others && !wanted && silent.is_some_and(|silent| silent < shared.options.takeover_after) {
            return Err(Exit::Rest);
        }
        let call = CallContext {
            correlation_id: first.metadata.correlation_id.clone().unwrap_or_else(|| CorrelationId::new(&shared.host)),
            causation_id: None,
            user_id: first.metadata.user_id.clone(),
            traceparent: first.metadata.traceparent.clone(),
            deadline: None,
        };
        let epoch = state.epoch + 1;
        let mut runner = Self::new(shared, live, Arc::clone(known), state, call, false);
        runner.push(EpochClaimed { epoch, runner: Arc::clone(&shared.runner) });
        Ok(runner)
    }

    fn new(
        shared: &Arc<Shared>,
        live: &Arc<Live>,
        known: Arc<Known>,
        state: Folded,
        call: CallContext,
        fresh: bool,
    ) -> Self {
        let steps = state.steps.iter().map(|step| Transient {
            busy: Busy::No,
            permit: None,
            attempt: step.attempt,
            undo_attempt: step.undo_attempt,
            since: None,
            strikes: 0,
            conflicts: 0,
        });
        let definition = known.definition.shared_name();
        let mut span = Span::begin(shared.options.service, Doing::Saga, definition, call.traceparent.as_deref());
        span.note("madrigal.saga.id", || live.id.to_string());
        Self {
            span,
            stream: live.id.stream(),
            steps: steps.collect(),
            shared: Arc::clone(shared),
            live: Arc::clone(live),
            known,
            call,
            state,
            pending: Vec::with_capacity(4),
            local: None,
            launches: Vec::new(),
            replies: Vec::new(),
            flights: FuturesUnordered::new(),
            hurry: Arc::default(),
            hold_until: None,
            urgent: false,
            fresh,
        }
    }

    async fn run(&mut self) -> Result<(), Exit> {
        loop {
            self.read_mail();
            if self.advance().await? {
                return Ok(());
            }
            self.wait().await?;
        }
    }

    /// Plans, writes and launches until there is nothing to do but wait; true if the saga has ended.
    async fn advance(&mut self) -> Result<bool, Exit> {
        loop {
            if self.state.ended.is_some() {
                if !self.flush().await? {
                    continue;
                }
                return Ok(true);
            }
            let planned = if self.state.paused.is_some() {
                false
            } else if self.state.compensation.is_some() {
                self.plan_backward()
            } else {
                self.plan_forward().await?
            };
            if planned {
                continue;
            }
            let resting = (self.state.paused.is_some() && !self.acting()) || self.makes_room();
            if (self.urgent || !self.launches.is_empty() || self.flights.is_empty() || resting) && !self.flush().await?
            {
                continue;
            }
            self.launch_all();
            if resting {
                return Err(Exit::Rest);
            }
            return Ok(false);
        }
    }

    async fn wait(&mut self) -> Result<(), Exit> {
        if self.flights.is_empty() {
            // Nothing is under way and nothing was planned: a mistake in the plan must not become a task that sleeps for ever.
            let cause = "its definition and its records leave nothing to do";
            return Err(Exit::Park(cause.into()));
        }
        if self.pending.is_empty() {
            self.hold_until = None;
        } else if self.hold_until.is_none() {
            self.hold_until = Some(tasks::instant() + HOLD);
        }
        let live = Arc::clone(&self.live);
        tokio::select! {
            biased;
            happening = self.flights.next() => {
                if let Some(happening) = happening {
                    self.absorb(happening);
                }
            }
            () = live.bell.notified() => {}
            () = until(self.hold_until), if self.hold_until.is_some() => {
                self.urgent = true;
            }
        }
        Ok(())
    }

    fn absorb(&mut self, happening: Happening) {
        match happening {
            Happening::Ready { step, permit } => {
                self.steps[step].busy = Busy::No;
                self.steps[step].permit = permit;
            }
            Happening::Forward { step, outcome } => {
                self.steps[step].busy = Busy::No;
                self.take_outcome(step, outcome);
            }
            Happening::Backward { step, outcome } => {
                self.steps[step].busy = Busy::No;
                self.take_undo(step, outcome);
            }
        }
    }

    /// Whether the saga only waits while memory is short: one that has answered its caller must not keep new ones out because a
    /// participant after the pivot, or an undo, is down. The recovery takes it up again.
    fn makes_room(&self) -> bool {
        let answered = self.state.committed || self.state_now() == SagaState::Stuck;
        answered
            && self.launches.is_empty()
            && !self.flights.is_empty()
            && !self.acting()
            && self.shared.lives.room() == 0
    }

    fn acting(&self) -> bool {
        self.steps.iter().any(|step| step.busy == Busy::Acting)
    }

    /// Applies a record and queues it for the next append.
    fn push(&mut self, record: impl Into<Record>) {
        let record = record.into();
        self.state.evolve(&record);
        self.urgent |= !matches!(record, Record::StepDone(_));
        self.pending.push(record);
    }

    /// Tells those who wait what is durable now.
    fn publish(&mut self) {
        let state = self.state.state();
        let settled = self.live.published.borrow().answer.is_some();
        let answer = if settled {
            None
        } else {
            SagaProgress::of(&self.state, self.shared.store.log(), self.shared.store.epoch())
        };
        let news = answer.is_some();
        self.live.published.send_if_modified(|now| {
            let first = matches!(now.stage, Stage::Starting);
            let changed = first || news || now.state != state;
            now.state = state;
            if first {
                now.stage = Stage::Open;
                now.fingerprint = Some(Arc::clone(&self.state.started.fingerprint));
                now.fresh |= self.fresh;
                now.since = self.state.started_at;
            }
            if news {
                now.answer = answer;
            }
            changed
        });
    }

    fn is_before_commitment(&self) -> bool {
        !self.state.committed && self.state.compensation.is_none()
    }

    fn state_now(&self) -> SagaState {
        self.state.state()
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tasks::sleep(moment.saturating_duration_since(tasks::instant())).await;
    }
}

fn appends_in_order(local: Vec<StreamAppend>, own: StreamAppend) -> Vec<StreamAppend> {
    let mut appends = local;
    appends.push(own);
    appends
}
