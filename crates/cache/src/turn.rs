//! Whose turn it is to load a key.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use madrigal_core::{Fault, RowVersion};
use tokio::sync::watch;

use crate::cache::Inner;
use crate::entry::{Cached, Source, Standing};
use crate::index::Index;
use crate::load::Lead;
use crate::marks::Marks;

/// How a load ended, for everybody who waited.
pub(crate) type Outcome<V> = Result<Cached<V>, Arc<Fault>>;

/// What changes under one lock: marks, loads under way, the index.
pub(crate) struct Core<V> {
    pub(crate) marks: Marks,
    /// One load per key, as many as there are questions under way.
    pub(crate) loads: HashMap<Arc<str>, UnderWay<V>>,
    pub(crate) index: Index,
}

/// A load under way.
pub(crate) struct UnderWay<V> {
    pub(crate) id: u64,
    began: u64,
    done: watch::Receiver<Option<Outcome<V>>>,
}

/// What to do about a key that is not fresh in the first level.
pub(crate) enum Turn<V: Send + Sync + 'static> {
    /// Nothing: this is the answer.
    Known(Cached<V>),
    /// Wait for somebody else's load.
    Wait(watch::Receiver<Option<Outcome<V>>>),
    /// Load.
    Lead(Lead<V>),
}

impl<V> Core<V> {
    pub(crate) fn new(remembered: usize) -> Self {
        Self { marks: Marks::new(remembered), loads: HashMap::new(), index: Index::default() }
    }
}

impl<V: Send + Sync + 'static> Inner<V> {
    pub(crate) fn turn(inner: &Arc<Self>, key: &str, need: Option<RowVersion>) -> Turn<V> {
        let mut core = inner.core();
        if core.marks.is_deleted(key) {
            return Turn::Known(Cached::deleted());
        }
        // Somebody may have loaded it since it was looked for.
        let now = inner.host.now();
        if let Some(entry) = inner.entry(key) {
            match entry.standing(now, &inner.age) {
                Standing::Fresh => {
                    let found = entry.answer(Source::First);
                    if found.meets(need) {
                        return Turn::Known(found);
                    }
                }
                Standing::Stale if entry.is_resting(now) && need.is_none() => {
                    inner.measured.stale.one();
                    return Turn::Known(entry.answer(Source::Stale));
                }
                Standing::Stale | Standing::Over => {}
            }
        }
        // A load that began before an invalidation is not for who asks after it.
        if let Some(under_way) = core.loads.get(key)
            && core.marks.joinable(key, under_way.began)
        {
            return Turn::Wait(under_way.done.clone());
        }
        let (id, key) = (inner.ids.fetch_add(1, Ordering::Relaxed), Arc::<str>::from(key));
        let (done, waiting) = watch::channel(None);
        let began = core.marks.now();
        core.loads.insert(Arc::clone(&key), UnderWay { id, began, done: waiting });
        let age = inner.age.load(Ordering::Acquire);
        Turn::Lead(Lead::new(Arc::clone(inner), key, id, (began, age), done))
    }
}
