//! Loading a key: from the second level or the owner, into both, unless an invalidation speaks against it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use madrigal_core::{Fault, RowVersion, Timestamp, tasks};
use tokio::sync::watch;

use crate::cache::Inner;
use crate::entry::{Cached, Entry, Loaded, Source, Ttl};
use crate::options::CacheOptions;
use crate::second::Stored;
use crate::turn::Outcome;

/// At most this part of the time is taken off: a tenth.
const JITTER: u64 = 10;

/// The right to load a key. Dropped before the end it passes to one who waits.
pub(crate) struct Lead<V: Send + Sync + 'static> {
    inner: Arc<Inner<V>>,
    key: Arc<str>,
    id: u64,
    /// The number of the last invalidation when this began.
    began: u64,
    /// The cache's age when this began.
    age: u64,
    /// Nobody waits for a load that is not among those under way, and its result is not kept.
    done: Option<watch::Sender<Option<Outcome<V>>>>,
}

/// What became of a value.
enum Kept {
    Yes,
    /// An invalidation says that it is older than what the owner has.
    Behind,
    /// An invalidation came while it was loaded, or it does not fit.
    No,
    Deleted,
}

/// When an entry's times are over.
#[derive(Clone, Copy)]
struct Times {
    now: Timestamp,
    fresh: Duration,
    keep: Duration,
}

impl<V: Send + Sync + 'static> Lead<V> {
    pub(crate) const fn new(
        inner: Arc<Inner<V>>,
        key: Arc<str>,
        id: u64,
        (began, age): (u64, u64),
        done: watch::Sender<Option<Outcome<V>>>,
    ) -> Self {
        Self { inner, key, id, began, age, done: Some(done) }
    }

    /// A load beside all others.
    pub(crate) fn alone(inner: Arc<Inner<V>>, key: &str) -> Self {
        Self { inner, key: key.into(), id: u64::MAX, began: 0, age: 0, done: None }
    }

    /// Loads, keeps, and tells everybody who waits.
    pub(crate) async fn load<F, L>(mut self, need: Option<RowVersion>, fetcher: F, ttl: Ttl) -> Outcome<V>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, Fault>> + Send + 'static,
    {
        let outcome = self.find(need, fetcher, ttl).await;
        // Out of those under way first: who comes now looks for what was kept.
        self.leave();
        if let Some(done) = self.done.take() {
            done.send_replace(Some(outcome.clone()));
        }
        outcome
    }

    async fn find<F, L>(&self, need: Option<RowVersion>, fetcher: F, ttl: Ttl) -> Outcome<V>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, Fault>> + Send + 'static,
    {
        let inner = &*self.inner;
        let shared = inner.second.as_ref().filter(|_| self.done.is_some());
        // Times count from here: the value is as old as its reading, which is not before this.
        let asked_at = inner.host.now();
        let mut number = None;
        if let Some(shared) = shared
            && let Some(seen) = shared.get(&self.key, &inner.measured).await
        {
            number = Some(seen.number);
            if let Some(found) = seen.stored.and_then(|stored| self.adopt(need, &stored)) {
                return Ok(found);
            }
        }
        inner.measured.load.one();
        let started = tasks::instant();
        let loaded = tasks::within(inner.options.hard, fetcher()).await;
        inner.measured.took(started.elapsed());
        let loaded = loaded.unwrap_or_else(|| Err(Fault::not_applied("cache", "load", "the owner took too long")));
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(fault) => {
                inner.measured.failed_load.one();
                if let Some(entry) = inner.entry(&self.key) {
                    entry.rest_until(inner.host.now().plus(inner.options.rest));
                }
                return Err(Arc::new(fault));
            }
        };
        let times = self.times(asked_at, loaded.value.is_some(), ttl);
        if let (Some(shared), Some(number)) = (shared, number)
            && let Some(stored) = stored(&loaded, times, shared.encode)
        {
            shared.put(&self.key, number, stored, &inner.measured).await;
        }
        Ok(self.keep(loaded, times, Source::Owner))
    }

    /// What the second level has, if it is fresh and as new as needed. Something expired is kept for the case that the
    /// owner fails.
    fn adopt(&self, need: Option<RowVersion>, stored: &Stored) -> Option<Cached<V>> {
        let inner = &*self.inner;
        let now = inner.host.now();
        let decode = inner.second.as_ref()?.decode;
        let value = match stored.value.as_deref().map(decode).transpose() {
            Ok(value) => value,
            Err(fault) => {
                tracing::debug!(cache = inner.name, error = %fault.chain(), "a value in the second level cannot be read");
                inner.measured.second_miss.one();
                return None;
            }
        };
        // What was loaded before a gap proves itself anew, here as in the first level.
        let aged = stored.loaded_at.as_micros() <= inner.aged_at.load(Ordering::Acquire);
        let fresh = if aged { Duration::ZERO } else { stored.fresh_until.since(now) };
        let tags = stored.tags.iter().map(|tag| tag.as_str().into()).collect();
        let loaded = Loaded { value, version: stored.version, tags };
        let meets = need.is_none_or(|need| loaded.version >= Some(need));
        let times = Times { now, fresh, keep: stored.keep_until.since(now) };
        if times.keep.is_zero() || !meets {
            inner.measured.second_miss.one();
            return None;
        }
        let admitted = self.admits(&loaded);
        let found = self.keep(loaded, times, Source::Second);
        if fresh.is_zero() || !admitted {
            inner.measured.second_miss.one();
            return None;
        }
        inner.measured.second_hit.one();
        Some(found)
    }

    fn admits(&self, loaded: &Loaded<V>) -> bool {
        let tags = loaded.tags.iter().map(|tag| &**tag);
        self.inner.core().marks.admits(&self.key, tags, loaded.version, self.began)
    }

    fn times(&self, now: Timestamp, present: bool, ttl: Ttl) -> Times {
        if !present {
            return Times { now, fresh: ttl.absent, keep: ttl.absent };
        }
        let fresh = u64::try_from(ttl.fresh.as_micros()).unwrap_or(u64::MAX);
        let off = match fresh / JITTER {
            0 => 0,
            most => self.inner.host.random_u64() % most,
        };
        let fresh = Duration::from_micros(fresh - off);
        Times { now, fresh, keep: fresh.saturating_add(ttl.stale) }
    }

    /// Keeps what was loaded in the first level, if the marks let it in.
    fn keep(&self, loaded: Loaded<V>, times: Times, from: Source) -> Cached<V> {
        let inner = &*self.inner;
        let Loaded { value, version, tags } = loaded;
        let value = value.map(Arc::new);
        let answer = |behind| Cached { value: value.clone(), version, from, behind };
        let keeps = self.done.is_some() && tags.len() <= CacheOptions::MAX_TAGS;
        let weight = inner.weigh(&self.key, value.as_deref(), &tags);
        let kept = {
            let mut core = inner.core();
            let names = || tags.iter().map(|tag| &**tag);
            let newer = || {
                let kept = inner.entry(&self.key).and_then(|entry| entry.version);
                kept.zip(version).is_some_and(|(kept, loaded)| kept > loaded)
            };
            if core.marks.is_deleted(&self.key) {
                Kept::Deleted
            } else if !core.marks.admits(&self.key, names(), version, u64::MAX) || newer() {
                Kept::Behind
            } else if !keeps || !core.marks.admits(&self.key, names(), version, self.began) {
                Kept::No
            } else {
                let entry = Entry {
                    id: inner.ids.fetch_add(1, Ordering::Relaxed),
                    version,
                    value: value.clone(),
                    tags: tags.clone().into(),
                    age: self.age,
                    loaded_at: times.now,
                    fresh_micros: u64::try_from(times.fresh.as_micros()).unwrap_or(u64::MAX),
                    keep_micros: u64::try_from(times.keep.as_micros()).unwrap_or(u64::MAX),
                    retry_at: AtomicI64::new(i64::MIN),
                    weight,
                };
                inner.insert(&mut core, &self.key, entry);
                Kept::Yes
            }
        };
        if !matches!(kept, Kept::Yes) {
            inner.measured.refused.one();
        }
        match kept {
            Kept::Yes | Kept::No => answer(false),
            Kept::Behind => answer(true),
            Kept::Deleted => Cached::deleted(),
        }
    }

    /// Out of the loads under way, unless another one took the place.
    fn leave(&self) {
        if self.done.is_some() {
            let mut core = self.inner.core();
            if core.loads.get(&self.key).is_some_and(|under_way| under_way.id == self.id) {
                core.loads.remove(&self.key);
            }
        }
    }
}

impl<V: Send + Sync + 'static> Drop for Lead<V> {
    /// Who waits sees the sender go after the load is no longer under way, and begins anew.
    fn drop(&mut self) {
        self.leave();
    }
}

fn stored<V>(loaded: &Loaded<V>, times: Times, encode: fn(&V) -> Result<bytes::Bytes, Fault>) -> Option<Stored> {
    let value = match loaded.value.as_ref().map(encode).transpose() {
        Ok(value) => value,
        Err(fault) => {
            tracing::debug!(error = %fault.chain(), "a value cannot be written for the second level");
            return None;
        }
    };
    Some(Stored {
        version: loaded.version,
        value,
        tags: loaded.tags.iter().map(|tag| tag.to_string()).collect(),
        loaded_at: times.now,
        fresh_until: times.now.plus(times.fresh),
        keep_until: times.now.plus(times.keep),
    })
}

/// The fault as another caller is told of it.
pub(crate) fn share(fault: &Arc<Fault>) -> Fault {
    Fault {
        engine: fault.engine,
        operation: fault.operation,
        retry: fault.retry,
        outcome: fault.outcome,
        cause: fault.cause,
        source: Box::new(SharedFault(Arc::clone(fault))),
    }
}

/// A fault that several callers are told of.
#[derive(Debug)]
struct SharedFault(Arc<Fault>);

impl std::fmt::Display for SharedFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.source.fmt(f)
    }
}

impl std::error::Error for SharedFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.source()
    }
}
