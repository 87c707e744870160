//! The search index in its generations: one serves; a candidate is built beside it and takes its place at once.
//!
//! Nothing is ever served by half: where no generation is whole (a new data directory, an index that was lost or cannot be
//! read by this binary) a candidate is built first, and searches are answered with 503 until it has caught up. Where what
//! serves was made by another version of the code and can be read, it goes on serving meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::tasks::{self, Instant, StopSignal};
use madrigal_core::{Fault, Host, Position, Timestamp};
use madrigal_event_store::DynEventStore;
use madrigal_projection::ViewReader;
use madrigal_tantivy::generations::{Generation, Registry};
use madrigal_tantivy::{Generations, SearchIndex};
use tokio::sync::{Notify, watch};

use super::products::ProductIndexer;
use crate::projections::ProductView;
use crate::queries::ProductCache;
use crate::search::fields::{self, INDEX_VERSION};

/// How long a switch waits for the candidate to have all that is served.
const SWITCH_WAIT: Duration = Duration::from_secs(5);

/// The search index. Cheap to clone.
#[derive(Clone)]
pub struct ProductIndex {
    pub(super) parts: Arc<Parts>,
}

pub(super) struct Parts {
    pub(super) store: DynEventStore,
    pub(super) view: ViewReader<ProductView>,
    pub(super) host: Host,
    pub(super) generations: Generations,
    /// What is followed: what serves, and the candidate.
    followed: Mutex<Vec<Arc<Followed>>>,
    serving: watch::Sender<Option<Arc<Followed>>>,
    /// Wakes the supervisor: something is to be followed, or has caught up.
    changed: Notify,
    /// Held by the verb that is under way.
    pub(super) verb: tokio::sync::Mutex<()>,
    /// Told of what the log brings.
    cache: OnceLock<ProductCache>,
}

/// A generation that follows the log.
pub(crate) struct Followed {
    pub(crate) generation: Generation,
    pub(crate) index: SearchIndex,
    /// Everything up to here is in it.
    pub(crate) reached: watch::Sender<Position>,
    /// Held around each commit: who holds it keeps the generation where it is.
    pub(crate) gate: tokio::sync::Mutex<()>,
    pub(crate) trouble: Mutex<Option<(String, Timestamp)>>,
    stop: StopSignal,
    /// When this process took it up, and where it was then: for its pace.
    pub(crate) taken_up: (Instant, Position),
}

impl ProductIndex {
    /// Opens the generations in this directory. They follow the log while [`ProductIndex::run`] runs.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be used.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(
        dir: PathBuf,
        store: DynEventStore,
        view: ViewReader<ProductView>,
        host: Host,
    ) -> Result<Self, Fault> {
        let generations = Generations::open(dir).await?;
        let registry = generations.registry();
        let mut followed = Vec::new();
        let serving = match registry.serving {
            Some(generation) => open_serving(&generations, generation, &store).await?,
            None => None,
        };
        followed.extend(serving.clone());
        let current = serving.as_ref().is_some_and(|serving| serving.generation.version == INDEX_VERSION);
        let candidate = registry.candidate.filter(|candidate| candidate.generation.version == INDEX_VERSION);
        let candidate = match candidate {
            Some(candidate) => Some(candidate.generation),
            None if current => None,
            None => Some(begin(&generations, serving.is_some(), &host).await?),
        };
        if let Some(generation) = candidate {
            let index = SearchIndex::open(generations.directory(generation), &fields::schema()).await?;
            followed.push(Arc::new(Followed::new(generation, index)?));
        }
        let parts = Parts {
            store,
            view,
            host,
            generations,
            followed: Mutex::new(followed),
            serving: watch::Sender::new(serving),
            changed: Notify::new(),
            verb: tokio::sync::Mutex::new(()),
            cache: OnceLock::new(),
        };
        let index = Self { parts: Arc::new(parts) };
        if index.parts.store.end() == Position::START {
            index.switch_automatically().await?;
        }
        Ok(index)
    }

    /// Tells this cache of what the log brings, from now on; the first one that is given counts.
    pub fn tell(&self, cache: ProductCache) {
        let _ = self.parts.cache.set(cache);
    }

    /// What serves; `None` where nothing is whole yet.
    pub(crate) fn serving(&self) -> Option<Arc<Followed>> {
        self.parts.serving.borrow().clone()
    }

    /// The position of the log up to which everything is searchable.
    pub fn reflects(&self) -> Position {
        self.serving().map_or(Position::START, |serving| *serving.reached.borrow())
    }

    /// Whether searches are answered: not where the first generation is still being built.
    pub fn serves(&self) -> bool {
        self.parts.serving.borrow().is_some()
    }

    /// Whether something keeps what serves from following the log; it is tried again and again.
    pub fn is_held_up(&self) -> bool {
        self.serving().is_some_and(|serving| serving.trouble().is_some())
    }

    /// Waits until everything up to `position` is searchable, at most `limit`; whether it is.
    pub async fn wait_beyond(&self, position: Position, limit: Duration) -> bool {
        tasks::within(limit, self.reach(position)).await == Some(true)
    }

    async fn reach(&self, position: Position) -> bool {
        let mut changes = self.parts.serving.subscribe();
        loop {
            let serving = changes.borrow_and_update().clone();
            let Some(serving) = serving else {
                if changes.changed().await.is_err() {
                    return false;
                }
                continue;
            };
            let mut reached = serving.reached.subscribe();
            tokio::select! {
                reached = reached.wait_for(|reached| *reached >= position) => {
                    if reached.is_ok() {
                        return true;
                    }
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                }
            }
        }
    }

    /// Keeps the generations in step until `stop`.
    ///
    /// # Cancellation
    /// Safe: what was not committed is done again.
    pub async fn run(&self, stop: StopSignal) {
        let mut running: Vec<(u32, tokio::task::JoinHandle<()>)> = Vec::new();
        loop {
            for followed in self.followed() {
                if running.iter().all(|(number, _)| *number != followed.generation.number) {
                    let (number, index) = (followed.generation.number, self.clone());
                    let indexer = self.indexer(&followed);
                    let (ended, stop) = (followed.stop.clone(), stop.child_token());
                    running.push((
                        number,
                        tasks::spawn("product-indexer", async move {
                            tokio::select! {
                                biased;
                                () = ended.cancelled() => {}
                                () = indexer.run(stop.clone(), || index.parts.changed.notify_one()) => {}
                            }
                        }),
                    ));
                }
            }
            running.retain(|(_, task)| !task.is_finished());
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.parts.changed.notified() => {}
            }
            if self.has_caught_up_automatically()
                && let Err(fault) = self.switch_automatically().await
            {
                tracing::warn!(error = %fault.chain(), "the new search index could not take over yet");
            }
        }
        join_all(running.into_iter().map(|(_, task)| task)).await;
    }

    fn indexer(&self, followed: &Arc<Followed>) -> ProductIndexer {
        let parts = &self.parts;
        let (store, view, cache) = (Arc::clone(&parts.store), parts.view.clone(), parts.cache.get().cloned());
        ProductIndexer::new(store, view, parts.host.clone(), Arc::clone(followed)).telling(cache)
    }

    pub(super) fn followed(&self) -> Vec<Arc<Followed>> {
        self.parts.followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The candidate, if there is one.
    pub(super) fn candidate(&self) -> Option<Arc<Followed>> {
        let number = self.parts.generations.registry().candidate?.generation.number;
        self.followed().into_iter().find(|followed| followed.generation.number == number)
    }

    /// Begins a candidate, and has it followed.
    pub(super) async fn begin_candidate(&self) -> Result<(), Fault> {
        let generation = begin(&self.parts.generations, true, &self.parts.host).await?;
        self.parts
            .generations
            .change(|registry| {
                if let Some(candidate) = &mut registry.candidate {
                    candidate.automatic = false;
                }
            })
            .await?;
        let index = SearchIndex::open(self.parts.generations.directory(generation), &fields::schema()).await?;
        let followed = Arc::new(Followed::new(generation, index)?);
        self.parts.followed.lock().unwrap_or_else(PoisonError::into_inner).push(followed);
        self.parts.changed.notify_one();
        Ok(())
    }

    /// No longer follows a generation, and removes it if it is not to be kept.
    pub(super) async fn drop_followed(&self, generation: Generation, keep: bool) -> Result<(), Fault> {
        let dropped = {
            let mut followed = self.parts.followed.lock().unwrap_or_else(PoisonError::into_inner);
            let at = followed.iter().position(|followed| followed.generation == generation);
            at.map(|at| followed.swap_remove(at))
        };
        if let Some(dropped) = dropped {
            // Once the gate is ours no commit is under way, and stopped there will be no other.
            let gate = dropped.gate.lock().await;
            dropped.stop.cancel();
            drop(gate);
        }
        if keep { Ok(()) } else { self.parts.generations.remove(generation).await }
    }

    fn has_caught_up_automatically(&self) -> bool {
        let automatic = self.parts.generations.registry().candidate.is_some_and(|candidate| candidate.automatic);
        automatic && self.candidate().is_some_and(|candidate| *candidate.reached.borrow() >= self.parts.store.end())
    }

    async fn switch_automatically(&self) -> Result<(), Fault> {
        let _verb = self.parts.verb.lock().await;
        if !self.parts.generations.registry().candidate.is_some_and(|candidate| candidate.automatic) {
            return Ok(());
        }
        self.take_over().await?;
        if let Some(previous) = self.parts.generations.registry().previous {
            self.parts.generations.change(|registry| registry.previous = None).await?;
            self.parts.generations.remove(previous.generation).await?;
        }
        Ok(())
    }

    /// Lets the candidate serve, once it has all that is served now; whether it has.
    ///
    /// What serves stands still meanwhile: no search sees less than one before it.
    pub(super) async fn take_over(&self) -> Result<bool, Fault> {
        let Some(candidate) = self.candidate() else { return Ok(false) };
        let before = self.serving();
        let held = match &before {
            Some(before) => Some(before.gate.lock().await),
            None => None,
        };
        let served = self.reflects();
        let mut reached = candidate.reached.subscribe();
        let caught_up = {
            let caught_up = tasks::within(SWITCH_WAIT, reached.wait_for(|reached| *reached >= served)).await;
            matches!(caught_up, Some(Ok(_)))
        };
        if !caught_up {
            return Ok(false);
        }
        let now = self.parts.host.now();
        let replaced = self.parts.generations.registry().previous;
        let registry: Registry = self.parts.generations.change(|registry| registry.switch(now)).await?;
        self.parts.serving.send_replace(Some(Arc::clone(&candidate)));
        drop(held);
        tracing::info!(generation = candidate.generation.number, "another search index serves");
        if let Some(previous) = registry.previous {
            self.drop_followed(previous.generation, true).await?;
        }
        // One that was kept and never confirmed is replaced by the one that served until now.
        if let Some(replaced) = replaced {
            self.parts.generations.remove(replaced.generation).await?;
        }
        Ok(true)
    }
}

impl Followed {
    fn new(generation: Generation, index: SearchIndex) -> Result<Self, Fault> {
        let position = index.checkpoint()?.map_or(Position::START, |checkpoint| checkpoint.position);
        Ok(Self {
            generation,
            index,
            reached: watch::Sender::new(position),
            gate: tokio::sync::Mutex::new(()),
            trouble: Mutex::new(None),
            stop: StopSignal::new(),
            taken_up: (tasks::instant(), position),
        })
    }

    pub(crate) fn reached(&self) -> Position {
        *self.reached.borrow()
    }

    pub(crate) fn trouble(&self) -> Option<(String, Timestamp)> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_trouble(&self, trouble: Option<(String, Timestamp)>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl std::fmt::Debug for ProductIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductIndex").field("reflects", &self.reflects()).finish_non_exhaustive()
    }
}

/// The generation that serves, if this binary can read it and it is of this history of the log.
async fn open_serving(
    generations: &Generations,
    generation: Generation,
    store: &DynEventStore,
) -> Result<Option<Arc<Followed>>, Fault> {
    let Some(index) = SearchIndex::open_existing(generations.directory(generation), &fields::schema()).await? else {
        tracing::warn!(
            generation = generation.number,
            "the search index cannot be read by this binary; building it anew"
        );
        return Ok(None);
    };
    let whole = match index.checkpoint()? {
        Some(checkpoint) => checkpoint.epoch == store.epoch() && checkpoint.position <= store.end(),
        // Nothing was ever committed: whole where there was nothing to commit.
        None => store.end() == Position::START,
    };
    if !whole {
        tracing::warn!(
            generation = generation.number,
            "the search index is of another history of the log; building it anew"
        );
        return Ok(None);
    }
    Ok(Some(Arc::new(Followed::new(generation, index)?)))
}

/// Begins an automatic candidate in place of what there may be; what serves stays if it can.
async fn begin(generations: &Generations, keep_serving: bool, host: &Host) -> Result<Generation, Fault> {
    let before = generations.registry();
    let now = host.now();
    let after = generations
        .change(|registry| {
            registry.begin(INDEX_VERSION, now, true);
            if !keep_serving {
                registry.serving = None;
            }
        })
        .await?;
    let left = before.candidate.map(|candidate| candidate.generation);
    for generation in left.into_iter().chain(before.serving.filter(|_| !keep_serving)) {
        generations.remove(generation).await?;
    }
    let candidate = after.candidate.map(|candidate| candidate.generation);
    candidate.ok_or_else(|| Fault::permanent("catalog", "begin-index", "a candidate that was begun is not there"))
}
