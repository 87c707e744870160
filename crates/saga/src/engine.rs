//! The engine: starts sagas, runs them, answers for them, recovers them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::tasks::{self, Instant, StopSignal};
use madrigal_core::{Fault, FaultRetry, Fingerprint, Host, RecordedEvent};
use madrigal_event_store::{DynEventStore, StreamRead};
use tokio::sync::oneshot;

use crate::definition::SagaDefinition;
use crate::directory::{SagaDirectory, SagaSummary};
use crate::id::SagaId;
use crate::progress::SagaProgress;
use crate::state::{Folded, SagaState};
use crate::story::SagaStory;

pub(crate) mod gate;
mod list;
pub(crate) mod live;
pub mod operate;
pub mod options;
mod recovery;
mod runner;
pub mod start;

use gate::Gate;
use live::{Entered, Live, Lives, Message, PostError, Published, Stage};
use operate::{OperateError, Verb};
use options::SagaOptions;
use runner::Origin;
use start::{StartError, StartSaga, Started};

/// The most sagas that are kept as set aside; the directory shows further ones too.
const MAX_PARKED: usize = 10_000;

/// Runs sagas on an event store; cheap to clone.
#[derive(Clone)]
pub struct SagaEngine {
    shared: Arc<Shared>,
}

/// A definition that this engine can run, with the budgets of its steps' dependencies.
pub(crate) struct Known {
    pub(crate) definition: SagaDefinition,
    pub(crate) gates: Vec<Arc<Gate>>,
}

pub(crate) struct Shared {
    pub(crate) store: DynEventStore,
    pub(crate) directory: Arc<dyn SagaDirectory>,
    pub(crate) host: Host,
    pub(crate) options: SagaOptions,
    pub(crate) runner: Arc<str>,
    pub(crate) lives: Lives,
    /// The budgets, by the steps' names.
    pub(crate) gates: HashMap<Arc<str>, Arc<Gate>>,
    known: HashMap<Arc<str>, Arc<Known>>,
    current: HashMap<Arc<str>, Arc<Known>>,
    parked: Mutex<BTreeMap<SagaId, Arc<str>>>,
    draining: AtomicBool,
    halted: AtomicBool,
}

impl SagaEngine {
    /// An engine of these definitions; several versions of one may stand side by side. Nothing runs until something is started, or
    /// [`SagaEngine::run`] takes up what is open.
    pub fn new(
        store: DynEventStore,
        definitions: Vec<SagaDefinition>,
        directory: Arc<dyn SagaDirectory>,
        host: Host,
        options: SagaOptions,
    ) -> Self {
        let mut gates: HashMap<Arc<str>, Arc<Gate>> = HashMap::new();
        let mut known = HashMap::new();
        let mut current: HashMap<Arc<str>, Arc<Known>> = HashMap::new();
        for definition in definitions {
            let of_step = |step: &crate::definition::Step| {
                Arc::clone(gates.entry(Arc::clone(&step.name)).or_insert_with(|| Arc::new(Gate::new(host.clone()))))
            };
            let entry = Arc::new(Known { gates: definition.graph().iter().map(of_step).collect(), definition });
            let name = Arc::clone(entry.definition.shared_name());
            if current.get(&name).is_none_or(|other| other.definition.version() < entry.definition.version()) {
                current.insert(name, Arc::clone(&entry));
            }
            known.insert(Arc::clone(entry.definition.shared_hash()), entry);
        }
        let runner = host.uuid_v7().simple().to_string().into();
        let lives = Lives::new(options.max_live, options.keep_ended);
        Self {
            shared: Arc::new(Shared {
                store,
                directory,
                host,
                options,
                runner,
                lives,
                gates,
                known,
                current,
                parked: Mutex::default(),
                draining: AtomicBool::new(false),
                halted: AtomicBool::new(false),
            }),
        }
    }

    /// Starts a saga, or finds the one that the same request started. Returns when its first records are durable.
    ///
    /// # Errors
    /// [`StartError`]. Only an error whose fault's outcome is unknown leaves open whether the saga was started.
    ///
    /// # Cancellation
    /// Safe: the start goes on; repeat it with the same id to learn its outcome.
    pub async fn start(&self, request: StartSaga<'_>) -> Result<Started, StartError> {
        let fingerprint: Arc<str> = request.fingerprint.as_str().into();
        let id = request.id;
        let mut request = Some(request);
        // A second round is needed where the saga found in the map was leaving it; further ones where that happens again.
        for _ in 0..8 {
            let live = match self.enter(id)? {
                Entered::Known(live) => live,
                Entered::Full => return Err(self.full().into()),
                Entered::New(live) => match request.take() {
                    Some(request) => {
                        self.launch_fresh(&live, request, &fingerprint)?;
                        live
                    }
                    None => {
                        self.launch(&live, Origin::Taken { lost: false });
                        live
                    }
                },
            };
            let begun = live.begun().await;
            match begun.stage {
                Stage::Failed(fault) if request.is_none() => return Err(fault.fault().into()),
                Stage::Parked(_) | Stage::Open | Stage::Ended | Stage::Left => {
                    let Some(known) = begun.fingerprint else { continue };
                    if known != fingerprint {
                        return Err(StartError::OtherRequest);
                    }
                    return Ok(Started { id, already: !(begun.fresh && request.is_none()) });
                }
                Stage::Absent | Stage::Failed(_) | Stage::Starting => {}
            }
        }
        Err(Fault::unknown("saga", "start", "the saga kept changing hands").into())
    }

    /// Whether the same request started this saga before. Starts nothing, whatever becomes of a start that is under way; waits for
    /// that one's first records.
    ///
    /// # Errors
    /// [`StartError::OtherRequest`], or a fault: the start under way failed, or the saga cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn attach(&self, id: &SagaId, fingerprint: &Fingerprint) -> Result<bool, StartError> {
        let mut known = None;
        if let Some(live) = self.shared.lives.get(*id) {
            let begun = live.begun().await;
            if let Stage::Failed(fault) = begun.stage {
                return Err(fault.fault().into());
            }
            known = begun.fingerprint;
        }
        if known.is_none() {
            let Some(found) = self.shared.look(id).await? else { return Ok(false) };
            known = found.fingerprint;
        }
        match known {
            Some(known) if *known == *fingerprint.as_str() => Ok(true),
            Some(_) => Err(StartError::OtherRequest),
            None => Err(Fault::unknown("saga", "attach", "the saga's records cannot be read").into()),
        }
    }

    /// Waits until the saga is decided, at most `wait`: returns as soon as the pivot or the refusal is durable.
    ///
    /// # Errors
    /// A fault if the store broke.
    ///
    /// # Cancellation
    /// Safe: waits only.
    pub async fn outcome(&self, id: &SagaId, wait: Duration) -> Result<SagaProgress, Fault> {
        let published = self.watch(id, wait, |now| now.answer.is_some()).await?;
        Ok(match published {
            Some(published) => published.answer.unwrap_or(SagaProgress::Running),
            None => SagaProgress::Unknown,
        })
    }

    /// Waits until nothing more will happen to the saga, at most `wait`, and returns where it stands then; `None` if there is no
    /// such saga.
    ///
    /// # Errors
    /// A fault if the store broke.
    ///
    /// # Cancellation
    /// Safe: waits only.
    pub async fn settled(&self, id: &SagaId, wait: Duration) -> Result<Option<SagaState>, Fault> {
        let published = self.watch(id, wait, |now| now.state.is_ended()).await?;
        Ok(published.map(|published| published.state))
    }

    /// Asks the saga to compensate, on behalf of a caller (`by`, as in `42`). Returns when the wish is durable; a saga that
    /// compensates already is left alone.
    ///
    /// # Errors
    /// [`OperateError::AlreadyCommitted`], [`OperateError::PivotUnderWay`], [`OperateError::NoSuchSaga`], or why it cannot be run.
    ///
    /// # Cancellation
    /// The wish may be recorded later; repeating it is safe.
    pub async fn cancel(&self, id: &SagaId, by: &str) -> Result<(), OperateError> {
        self.send(*id, |reply| Message::Cancel { by: by.to_owned(), reply }).await
    }

    /// Carries out an operator's verb. Returns when it is durable.
    ///
    /// # Errors
    /// [`OperateError`]: the saga's state does not allow it, or it could not be written.
    ///
    /// # Cancellation
    /// The verb may be recorded later.
    pub async fn operate(&self, id: &SagaId, verb: Verb, who: &str, why: &str) -> Result<(), OperateError> {
        for (field, text) in [("who", who), ("why", why)] {
            if text.trim().is_empty() || text.chars().count() > 1_000 {
                return Err(OperateError::Text { field });
            }
        }
        let message = |reply| Message::Operate { verb: verb.clone(), who: who.to_owned(), why: why.to_owned(), reply };
        self.send(*id, message).await
    }

    /// Everything that happened to a saga, for people; `None` if there is no such saga. Its input is not part of it.
    ///
    /// # Errors
    /// A fault if the store broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn show(&self, id: &SagaId) -> Result<Option<SagaStory>, Fault> {
        let events = self.shared.read(id).await?;
        let Some(mut story) = SagaStory::of(*id, &events, |hash| self.shared.by_hash(hash)) else { return Ok(None) };
        if let Some(cause) = self.shared.parked_cause(id).filter(|_| !story.state.is_ended()) {
            story.state = SagaState::Parked;
            story.reason = Some(cause.to_string());
        }
        Ok(Some(story))
    }

    /// Stops admitting new sagas, waits at most `limit` for those under way, and returns how many are left. They are durable: the
    /// next engine takes them up.
    ///
    /// # Cancellation
    /// Safe; the engine stays closed.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.shared.draining.store(true, Ordering::Relaxed);
        let empty = async {
            loop {
                let emptied = self.shared.lives.emptied.notified();
                tokio::pin!(emptied);
                emptied.as_mut().enable();
                if self.shared.lives.running() == 0 {
                    return;
                }
                emptied.await;
            }
        };
        let _ = tasks::within(limit, empty).await;
        self.shared.lives.running()
    }

    /// Drops everything at once, as a crash would: attempts under way are abandoned where they stand. Every saga is safe in its
    /// log, and the next engine on the store takes it up. The engine is of no use afterwards.
    pub fn halt(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.halted.store(true, Ordering::Relaxed);
        for live in self.shared.lives.all() {
            live.abort();
        }
    }

    /// Takes up open sagas at start and from then on regularly, and keeps the metrics, until `stop`; then drains.
    ///
    /// # Errors
    /// None that end it: what breaks is logged and tried again.
    ///
    /// # Cancellation
    /// Sagas under way go on in their own tasks; use `stop`.
    pub async fn run(&self, stop: StopSignal) {
        recovery::run(self, &stop).await;
        let left = self.drain(self.shared.options.drain).await;
        if left > 0 {
            tracing::info!(left, "sagas are left for the next start");
        }
        self.halt();
    }

    /// Open sagas without progress for longer than their steps' objective, and those that are set aside, the oldest first; at most
    /// 1,000.
    ///
    /// # Errors
    /// A fault if the directory broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn stuck(&self) -> Result<Vec<SagaSummary>, Fault> {
        recovery::stuck(&self.shared).await
    }

    /// How many sagas run in this process.
    pub fn in_flight(&self) -> usize {
        self.shared.lives.running()
    }

    fn enter(&self, id: SagaId) -> Result<Entered, StartError> {
        if self.shared.draining.load(Ordering::Relaxed) {
            // What runs here can still be joined and operated.
            return self.shared.lives.get(id).map(Entered::Known).ok_or(StartError::Draining);
        }
        Ok(self.shared.lives.enter(id, self.shared.host.now()))
    }

    fn full(&self) -> Fault {
        let wait = FaultRetry::After(Duration::from_secs(1));
        Fault::not_applied("saga", "start", "too many sagas are under way").with_retry(wait)
    }

    fn launch_fresh(&self, live: &Arc<Live>, request: StartSaga<'_>, fingerprint: &Arc<str>) -> Result<(), StartError> {
        let Some(known) = self.shared.current.get(request.definition) else {
            let fault = Fault::permanent("saga", "start", format!("no definition is named {}", request.definition));
            live.publish(|now| now.stage = Stage::Absent);
            self.shared.lives.leave(live);
            return Err(fault.into());
        };
        let origin = Origin::Fresh {
            known: Arc::clone(known),
            input: Arc::new(request.input),
            fingerprint: Arc::clone(fingerprint),
            owner: request.owner,
            call: request.call,
        };
        self.launch(live, origin);
        Ok(())
    }

    fn launch(&self, live: &Arc<Live>, origin: Origin) {
        let task = tasks::spawn("saga", runner::run(Arc::clone(&self.shared), Arc::clone(live), origin));
        live.runs_as(task.abort_handle());
        if self.shared.halted.load(Ordering::Relaxed) {
            task.abort();
        }
    }

    /// The saga in this process, taken up if it is not yet; `None` where the map is full or the engine is stopping.
    fn take_up(&self, id: SagaId) -> Option<Arc<Live>> {
        match self.enter(id) {
            Ok(Entered::Known(live)) => Some(live),
            Ok(Entered::New(live)) => {
                self.launch(&live, Origin::Taken { lost: false });
                Some(live)
            }
            Ok(Entered::Full) | Err(_) => None,
        }
    }

    /// Waits until `enough`, at most `wait`; returns what was known last, `None` if there is no such saga.
    async fn watch(
        &self,
        id: &SagaId,
        wait: Duration,
        enough: impl Fn(&Published) -> bool + Send + Sync,
    ) -> Result<Option<Published>, Fault> {
        let until = tasks::instant() + wait;
        let mut taken_up = false;
        loop {
            if let Some(live) = self.shared.lives.get(*id) {
                let mut published = live.published.subscribe();
                let over = |now: &Published| enough(now) || !matches!(now.stage, Stage::Starting | Stage::Open);
                let waited = tasks::within(until.saturating_duration_since(tasks::instant()), published.wait_for(over));
                let now = match waited.await {
                    Some(Ok(now)) => now.clone(),
                    Some(Err(_)) | None => live.published.borrow().clone(),
                };
                match &now.stage {
                    Stage::Failed(fault) => return Err(fault.fault()),
                    Stage::Absent => return Ok(None),
                    Stage::Starting | Stage::Open | Stage::Ended => return Ok(Some(now)),
                    Stage::Parked(_) | Stage::Left => {}
                }
            }
            let Some(now) = self.shared.look(id).await? else { return Ok(None) };
            let resting = matches!(now.state, SagaState::Paused | SagaState::Parked) || now.state.is_ended();
            if enough(&now) || resting || tasks::instant() >= until {
                return Ok(Some(now));
            }
            // Once only: a saga that leaves again does so for a reason.
            if self.shared.options.exclusive && !taken_up && self.take_up(*id).is_some() {
                taken_up = true;
                continue;
            }
            self.shared.wait_for_news(until).await?;
        }
    }

    async fn send(
        &self,
        id: SagaId,
        message: impl Fn(oneshot::Sender<Result<(), OperateError>>) -> Message,
    ) -> Result<(), OperateError> {
        for _ in 0..1_000 {
            let (reply, answer) = oneshot::channel();
            let (live, new) = match self.enter(id) {
                Ok(Entered::Known(live)) => (live, false),
                Ok(Entered::New(live)) => (live, true),
                Ok(Entered::Full) => return Err(self.full().into()),
                Err(_) => return Err(Fault::not_applied("saga", "operate", "the service is stopping").into()),
            };
            match live.post(message(reply)) {
                Ok(()) => {}
                Err(PostError::Full) => {
                    return Err(Fault::not_applied("saga", "operate", "too many wishes wait for this saga").into());
                }
                Err(PostError::Closed) => {
                    let ended = live.published.borrow().state;
                    if ended.is_ended() {
                        return after_the_end(message(oneshot::channel().0), ended);
                    }
                    // It is just leaving; it is out of the map in a moment.
                    tokio::task::yield_now().await;
                    continue;
                }
            }
            if new {
                self.launch(&live, Origin::Taken { lost: false });
            }
            if let Ok(answer) = answer.await {
                return answer;
            }
            // The runner left with the message unread: say why, or look for the saga anew.
            match live.published.borrow().stage.clone() {
                Stage::Absent => return Err(OperateError::NoSuchSaga),
                Stage::Parked(cause) => return Err(OperateError::Parked { cause: cause.to_string() }),
                Stage::Failed(fault) => return Err(fault.fault().into()),
                Stage::Starting | Stage::Open | Stage::Ended | Stage::Left => {}
            }
        }
        Err(Fault::unknown("saga", "operate", "the saga kept changing hands").into())
    }
}

impl Shared {
    pub(crate) fn by_hash(&self, hash: &str) -> Option<SagaDefinition> {
        self.known.get(hash).map(|known| known.definition.clone())
    }

    pub(crate) fn known(&self, hash: &str) -> Option<&Arc<Known>> {
        self.known.get(hash)
    }

    pub(crate) fn park(&self, id: SagaId, cause: &Arc<str>) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if parked.len() < MAX_PARKED && parked.insert(id, Arc::clone(cause)).is_none() {
            tracing::error!(saga = %id, %cause, "a saga is set aside");
        }
    }

    pub(crate) fn parked_cause(&self, id: &SagaId) -> Option<Arc<str>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn show_parked(&self, row: &mut SagaSummary) {
        if row.state.is_ended() {
            return;
        }
        if let Some(cause) = self.parked_cause(&row.saga_id) {
            row.state = SagaState::Parked;
            row.reason = Some(cause.to_string());
        } else if !self.known.contains_key(&row.definition_hash) {
            row.state = SagaState::Parked;
            row.reason = Some("no definition of this binary has its hash".to_owned());
        }
    }

    /// Every event of a saga's stream.
    pub(crate) async fn read(&self, id: &SagaId) -> Result<Vec<RecordedEvent>, Fault> {
        let stream = id.stream();
        let mut slice = self.store.read_stream(&stream, StreamRead::START).await?;
        let mut events = std::mem::take(&mut slice.events);
        while events.last().is_some_and(|last| last.version() < slice.version) {
            let Some(last) = events.last() else { break };
            slice = self.store.read_stream(&stream, StreamRead::after(last.version())).await?;
            if slice.events.is_empty() {
                break;
            }
            events.append(&mut slice.events);
        }
        Ok(events)
    }

    /// What the log says about a saga that does not run here.
    async fn look(&self, id: &SagaId) -> Result<Option<Published>, Fault> {
        let events = self.read(id).await?;
        if events.is_empty() {
            return Ok(None);
        }
        let since = events[0].metadata.timestamp;
        let parked = Published {
            stage: Stage::Left,
            state: SagaState::Parked,
            answer: None,
            fingerprint: None,
            fresh: false,
            since,
        };
        let Ok(state) = Folded::read(&events, |started| self.by_hash(&started.hash)) else { return Ok(Some(parked)) };
        Ok(Some(Published {
            state: state.state(),
            answer: SagaProgress::of(&state, self.store.log(), self.store.epoch()),
            fingerprint: Some(Arc::clone(&state.started.fingerprint)),
            ..parked
        }))
    }

    /// Waits until the log grows, at most until `until`.
    async fn wait_for_news(&self, until: Instant) -> Result<(), Fault> {
        let wait = until.saturating_duration_since(tasks::instant());
        match self.store.wait_beyond(self.store.end(), wait).await {
            Ok(_) | Err(madrigal_event_store::WaitError::TimedOut { .. }) => Ok(()),
            Err(madrigal_event_store::WaitError::Fault(fault)) => Err(fault),
        }
    }
}

/// The answer to a wish about a saga that has ended.
fn after_the_end(message: Message, state: SagaState) -> Result<(), OperateError> {
    match message {
        Message::Cancel { .. } if state == SagaState::Completed => Err(OperateError::AlreadyCommitted),
        Message::Cancel { .. } => Ok(()),
        Message::Operate { verb, .. } => Err(OperateError::NotInThisState { verb: verb.name(), state }),
    }
}

/// A wait before the next attempt: exponential with full jitter, `first` doubled per attempt, at most `cap`.
///
/// # Source
/// Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter spreads competing clients best.
pub(crate) fn backoff(host: &Host, first: Duration, cap: Duration, attempt: u32) -> Duration {
    let ceiling = first.saturating_mul(1u32 << attempt.saturating_sub(1).min(20)).min(cap);
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(host.random_u64() % micros + 1)
}
