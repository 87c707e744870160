//! Which generations of a projection there are in this process: the one that serves, a candidate.

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use madrigal_core::{Fault, FaultRetry};
use madrigal_event_store::DynEventStore;
use tokio::sync::watch;

use super::engine::{Engine, Parts};
use crate::generations::Generations;
use crate::projection::Projection;
use crate::view::{Query, ViewId};

/// A projection with its generations.
pub(crate) struct Managed<P: Projection> {
    pub(super) parts: Parts<P>,
    first: ViewId,
    /// What the store has, once it was read. Held by each change, so that they take turns.
    pub(super) registry: tokio::sync::Mutex<Option<Generations>>,
    active: RwLock<Option<Active<P>>>,
    /// Engines that are not followed any more. Reads that began with one of them end with it.
    retired: Mutex<Vec<Weak<Engine<P>>>>,
    /// The latest revision, for whoever follows generations.
    pub(super) arranged: watch::Sender<u64>,
    pub(super) comparing: tokio::sync::Mutex<()>,
}

/// The generations that are followed.
pub(crate) struct Active<P: Projection> {
    pub(crate) serving: Arc<Engine<P>>,
    pub(crate) candidate: Option<Arc<Engine<P>>>,
    pub(crate) generations: Arc<Generations>,
}

impl<P: Projection> Clone for Active<P> {
    fn clone(&self) -> Self {
        Self {
            serving: Arc::clone(&self.serving),
            candidate: self.candidate.clone(),
            generations: Arc::clone(&self.generations),
        }
    }
}

impl<P: Projection> Managed<P> {
    pub(super) fn new(parts: Parts<P>, first: ViewId) -> Self {
        Self {
            parts,
            first,
            registry: tokio::sync::Mutex::new(None),
            active: RwLock::new(None),
            retired: Mutex::default(),
            arranged: watch::channel(0).0,
            comparing: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.first.name()
    }

    pub(crate) const fn log(&self) -> &DynEventStore {
        &self.parts.log
    }

    /// Changes with every change of the generations.
    pub(crate) fn arrangements(&self) -> watch::Receiver<u64> {
        self.arranged.subscribe()
    }

    pub(super) fn id(&self, generation: u32) -> ViewId {
        self.first.sibling(generation)
    }

    /// The view that serves; the first generation's before the store was asked.
    pub(crate) fn view(&self) -> ViewId {
        self.serving_now().map_or_else(|| self.first.clone(), |serving| serving.view.clone())
    }

    /// What serves, if the store was asked already.
    pub(crate) fn serving_now(&self) -> Option<Arc<Engine<P>>> {
        let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
        active.as_ref().map(|active| Arc::clone(&active.serving))
    }

    /// What serves. A read that has begun with it ends with it.
    pub(crate) async fn serving(&self) -> Result<Arc<Engine<P>>, Fault> {
        match self.serving_now() {
            Some(serving) => Ok(serving),
            None => Ok(self.active().await?.serving),
        }
    }

    /// The generations that are followed, if the store was asked already.
    pub(crate) fn active_now(&self) -> Option<Active<P>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn active(&self) -> Result<Active<P>, Fault> {
        if let Some(active) = self.active_now() {
            return Ok(active);
        }
        let mut registry = self.registry.lock().await;
        self.known(&mut registry).await?;
        self.active_now().ok_or_else(|| Fault::not_applied("projection", "open", "the generations are not known yet"))
    }

    /// The generations, as the store has them: asked for at the start, and after a change of unknown outcome.
    pub(super) async fn known(&self, registry: &mut Option<Generations>) -> Result<Generations, Fault> {
        if let Some(known) = registry {
            return Ok(known.clone());
        }
        let (views, version) = (&self.parts.views, self.parts.projection.version());
        let now = self.parts.host.now();
        let generations = match views.generations(self.name()).await? {
            Some(stored) => match stored.for_version(version, now) {
                None => stored,
                Some(next) => {
                    if let Some(candidate) = &next.candidate {
                        let (from, to) = (stored.serving.version, candidate.version);
                        tracing::info!(
                            view = self.name(),
                            from,
                            to,
                            "the code's version is another: building a candidate"
                        );
                    }
                    views.arrange(self.name(), &next).await?;
                    next
                }
            },
            None => {
                let first = Generations::first(version, now);
                views.arrange(self.name(), &first).await?;
                first
            }
        };
        self.adopt(&generations);
        if generations.serving.version != version
            && let Some(serving) = self.serving_now()
            && let Some(why) = self.why_unreadable(&serving).await?
        {
            tracing::warn!(view = %serving.view, why, "what serves cannot be read until its candidate is built");
            // Only set here, once for each engine.
            let _ = serving.unreadable.set(why);
        }
        *registry = Some(generations.clone());
        Ok(generations)
    }

    /// Stores the next revision, and goes by it. The caller holds the registry.
    pub(super) async fn arrange(&self, registry: &mut Option<Generations>, next: Generations) -> Result<(), Fault> {
        let (views, name) = (&self.parts.views, self.name());
        // Should this be dropped half-way, the store is asked again.
        let before = registry.take();
        if let Err(fault) = views.arrange(name, &next).await {
            // The answer may be lost, not the change.
            let stored = views.generations(name).await;
            match stored {
                Ok(Some(stored)) if stored == next => {}
                Ok(stored) if stored == before => {
                    *registry = before;
                    return Err(fault);
                }
                Ok(_) | Err(_) => return Err(fault),
            }
        }
        self.adopt(&next);
        *registry = Some(next);
        Ok(())
    }

    fn adopt(&self, generations: &Generations) {
        {
            let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
            let known: Vec<Arc<Engine<P>>> = active
                .iter()
                .flat_map(|active| [Some(&active.serving), active.candidate.as_ref()])
                .flatten()
                .cloned()
                .collect();
            let engine = |number: u32, version: u32, building: bool| {
                let view = self.id(number);
                let found = known.iter().find(|engine| engine.view == view).cloned();
                found.unwrap_or_else(|| Arc::new(Engine::new(&self.parts, view, version, building)))
            };
            *active = Some(Active {
                serving: engine(generations.serving.number, generations.serving.version, false),
                candidate: generations
                    .candidate
                    .as_ref()
                    .map(|candidate| engine(candidate.number, candidate.version, true)),
                generations: Arc::new(generations.clone()),
            });
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            retired.retain(|engine| engine.strong_count() > 0);
            retired.extend(known.iter().map(Arc::downgrade));
        }
        self.arranged.send_replace(generations.revision);
    }

    /// Whether somebody still reads from, or writes to, a generation that was dropped.
    pub(super) fn is_held(&self, generation: u32) -> bool {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|engine| engine.strong_count() > 0);
        // Upgraded for a moment only; nobody else can: what is not followed is not handed out any more.
        retired.iter().filter_map(Weak::upgrade).any(|engine| engine.view.generation() == generation)
    }

    /// Why this code cannot serve rows that another version wrote; looks at the first and the last ones.
    async fn why_unreadable(&self, serving: &Engine<P>) -> Result<Option<String>, Fault> {
        let version = self.parts.projection.version();
        let told = |why: &str| format!("what version {} wrote, version {version} cannot read: {why}", serving.version);
        match serving.prepared().await {
            Ok(()) => {}
            Err(fault) if fault.retry == FaultRetry::Never => return Ok(Some(told(&fault.chain()))),
            Err(fault) => return Err(fault),
        }
        for query in [Query::oldest(PROBED), Query::newest(PROBED)] {
            for (key, row) in self.parts.views.query(&serving.view, query).await? {
                if let Err(error) = serving.decoded(&key, &row) {
                    return Ok(Some(told(&error.to_string())));
                }
            }
        }
        Ok(None)
    }
}

/// Rows at each end that are looked at to tell whether they can be read.
const PROBED: usize = 100;
