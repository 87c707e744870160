//! The engine: starts sagas, runs them, answers for them, recovers them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, FaultRetry, Fingerprint, Host};
use madrigal_event_store::DynEventStore;

use crate::definition::SagaDefinition;
use crate::directory::{SagaDirectory, SagaSummary};
use crate::id::SagaId;
use crate::state::SagaState;
use crate::story::SagaStory;

mod backoff;
pub(crate) mod gate;
mod list;
pub(crate) mod live;
pub mod operate;
pub mod options;
mod recovery;
mod runner;
mod shared;
pub mod start;
mod waiting;
mod wishes;

pub(crate) use backoff::backoff;
pub(crate) use shared::{Known, Shared};

use gate::Gate;
use live::{Entered, Live, Lives, Stage};
use options::SagaOptions;
use runner::Origin;
use start::{StartError, StartSaga, Started};

/// Runs sagas on an event store; cheap to clone.
#[derive(Clone)]
pub struct SagaEngine {
    shared: Arc<Shared>,
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
}
