//! The first level, and the way through both.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, RowVersion};
use moka::sync::Cache as Moka;

use crate::builder::{CacheBuilder, KeyHasher, Weigh};
use crate::change::{Change, Which};
use crate::entry::{Cached, Entry, Loaded, Source, Standing, Ttl};
use crate::load::{Lead, share};
use crate::measure::{CacheStats, Measured};
use crate::options::CacheOptions;
use crate::shared::Shared;
use crate::turn::{Core, Turn};

/// How often changes are told again that the second level could not be told.
const SETTLE_EVERY: Duration = Duration::from_secs(1);
/// How often a question waits for loads that turn out to be too old for it, before it loads by itself.
const JOINS: u32 = 2;

/// A cache of values of one kind. Cheap to clone; clones share what is cached.
pub struct Cache<V> {
    pub(crate) inner: Arc<Inner<V>>,
}

/// Keys and numbers of entries that were let go.
pub(crate) type Evicted = Mutex<Vec<(Arc<str>, u64)>>;

pub(crate) struct Inner<V> {
    pub(crate) name: &'static str,
    pub(crate) host: Host,
    pub(crate) options: CacheOptions,
    pub(crate) first: Moka<Arc<str>, Arc<Entry<V>>, KeyHasher>,
    pub(crate) core: Mutex<Core<V>>,
    /// What the first level let go for want of room; taken out of the index with the next look at it.
    pub(crate) evicted: Arc<Evicted>,
    /// Raised by [`Cache::age_all`].
    pub(crate) age: AtomicU64,
    /// When that was; microseconds.
    pub(crate) aged_at: AtomicI64,
    pub(crate) ids: AtomicU64,
    pub(crate) weigh: Arc<Weigh<V>>,
    pub(crate) measured: Measured,
    pub(crate) second: Option<Shared<V>>,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// A cache under this name, which stands in its metrics; one level of 16 MiB unless the builder is told otherwise.
    pub fn builder(name: &'static str, host: Host) -> CacheBuilder<V> {
        CacheBuilder::new(name, host)
    }

    /// The value under a key: from the first level, the second one, or the owner by way of `fetcher`, whose answer is kept
    /// for `ttl`.
    ///
    /// One `fetcher` per key runs at a time; who else asks meanwhile waits for its answer, a failure included. It reads
    /// the owner, or a copy that says how new it is.
    ///
    /// # Errors
    /// What the fetcher failed with, or that it took longer than [`CacheOptions::hard`]; not where an expired value can be
    /// served instead.
    ///
    /// # Cancellation
    /// Safe. A load under way is dropped, and one who waits for it begins anew.
    pub async fn get<F, L>(&self, key: &str, fetcher: F, ttl: impl Into<Ttl>) -> Result<Cached<V>, Fault>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, Fault>> + Send + 'static,
    {
        match self.inner.look(key, None) {
            Some(found) => Ok(found),
            None => self.ask(key, None, fetcher, ttl.into()).await,
        }
    }

    /// As [`Cache::get`], for who has seen a version: nothing older is served from a level, and none on failure. The
    /// fetcher's own answer is handed on as it is.
    ///
    /// # Errors
    /// As [`Cache::get`].
    ///
    /// # Cancellation
    /// As [`Cache::get`].
    pub async fn get_since<F, L>(
        &self,
        key: &str,
        seen: RowVersion,
        fetcher: F,
        ttl: impl Into<Ttl>,
    ) -> Result<Cached<V>, Fault>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, Fault>> + Send + 'static,
    {
        match self.inner.look(key, Some(seen)) {
            Some(found) => Ok(found),
            None => self.ask(key, Some(seen), fetcher, ttl.into()).await,
        }
    }

    /// What is fresh in the first level, without asking anybody.
    pub fn peek(&self, key: &str) -> Option<Cached<V>> {
        self.inner.look(key, None)
    }

    /// What is fresh in the first level and no older than `seen`, without asking anybody: for who has more to wait for than
    /// a load otherwise.
    pub fn peek_since(&self, key: &str, seen: RowVersion) -> Option<Cached<V>> {
        self.inner.look(key, Some(seen))
    }

    /// Makes entries out of date in both levels: call it after the commit and before the answer that tells of it.
    ///
    /// The first level is done at once, whatever becomes of the second: while that could not be told, this process does not
    /// believe it about these keys, and [`Cache::run`] goes on trying.
    ///
    /// # Errors
    /// A [`Fault`] where the second level was not told, or not certainly.
    ///
    /// # Cancellation
    /// Safe: the second level is told by [`Cache::run`] then.
    pub async fn invalidate<'a>(&self, which: impl Into<Which<'a>>, change: Change) -> Result<(), Fault> {
        let which = which.into();
        let Some(second) = &self.inner.second else {
            self.inner.invalidate(which, change);
            return Ok(());
        };
        let ticket = second.note(which, change);
        self.inner.invalidate(which, change);
        second.tell(ticket, &self.inner.measured).await
    }

    /// As [`Cache::invalidate`] without waiting: the first level at once, the second by [`Cache::run`] (until when this
    /// process does not believe it about these keys).
    pub fn invalidate_now<'a>(&self, which: impl Into<Which<'a>>, change: Change) {
        let which = which.into();
        if let Some(second) = &self.inner.second {
            second.note(which, change);
        }
        self.inner.invalidate(which, change);
    }

    /// Makes every entry of the first level prove itself anew: after a gap in the events that it is told by. Nothing is
    /// dropped; what the owner cannot confirm is served as expired, if at all. Takes no longer however full it is. This
    /// process believes no longer what the second level has from before either, as far as clocks of processes agree.
    pub fn age_all(&self) {
        self.inner.aged_at.fetch_max(self.inner.host.now().as_micros(), Ordering::AcqRel);
        self.inner.age.fetch_add(1, Ordering::AcqRel);
    }

    /// Tells the second level of the changes that it was not told of yet; how many are left.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn settle(&self) -> usize {
        let Some(second) = &self.inner.second else { return 0 };
        for ticket in second.waiting() {
            if let Err(fault) = second.tell(ticket, &self.inner.measured).await {
                tracing::warn!(cache = self.inner.name, error = %fault.chain(), "the second level of a cache cannot be told of changes");
                break;
            }
        }
        second.waiting().len()
    }

    /// Settles every second, until `stop`. Not needed without a second level.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn run(&self, stop: StopSignal) {
        while !tasks::sleep_or_stopped(SETTLE_EVERY, &stop).await {
            self.settle().await;
        }
    }

    /// What it did since it was opened.
    pub fn stats(&self) -> CacheStats {
        self.inner.measured.stats()
    }

    /// How many entries the first level has, expired ones included.
    pub fn len(&self) -> usize {
        self.inner.core().index.len()
    }

    /// Whether the first level is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the first level weighs, in bytes. Brings what is due in it to its end first.
    pub fn weight(&self) -> u64 {
        self.inner.first.run_pending_tasks();
        self.inner.first.weighted_size()
    }

    async fn ask<F, L>(&self, key: &str, need: Option<RowVersion>, fetcher: F, ttl: Ttl) -> Result<Cached<V>, Fault>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Loaded<V>, Fault>> + Send + 'static,
    {
        let inner = &self.inner;
        inner.measured.first_miss.one();
        let mut joins = 0;
        let lead = loop {
            if joins > JOINS || key.len() > CacheOptions::MAX_KEY {
                break Lead::alone(Arc::clone(inner), key);
            }
            match Inner::turn(inner, key, need) {
                Turn::Known(found) => return Ok(found),
                Turn::Lead(lead) => break lead,
                Turn::Wait(mut done) => {
                    inner.measured.joined.one();
                    let finished =
                        async move { done.wait_for(Option::is_some).await.ok().and_then(|done| done.clone()) };
                    match inner.with_patience(key, need, finished).await {
                        Ok(Some(Ok(found))) if found.meets(need) => return Ok(found),
                        Ok(Some(Ok(_))) => joins += 1,
                        Ok(Some(Err(fault))) => return inner.rescue(key, need).ok_or_else(|| share(&fault)),
                        // Who loaded went away.
                        Ok(None) => {}
                        Err(stale) => return Ok(stale),
                    }
                }
            }
        };
        let mut load = Box::pin(lead.load(need, fetcher, ttl));
        match inner.with_patience(key, need, &mut load).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(fault)) => inner.rescue(key, need).ok_or_else(|| share(&fault)),
            Err(stale) => {
                tasks::spawn("cache-load", load);
                Ok(stale)
            }
        }
    }
}

impl<V: Send + Sync + 'static> Inner<V> {
    /// What is fresh in the first level.
    fn look(&self, key: &str, need: Option<RowVersion>) -> Option<Cached<V>> {
        let entry = self.first.get(key)?;
        if entry.standing(self.host.now(), &self.age) != Standing::Fresh {
            return None;
        }
        let found = entry.answer(Source::First);
        if !found.meets(need) {
            return None;
        }
        self.measured.first_hit.one();
        Some(found)
    }

    /// The entry under a key, however old.
    pub(crate) fn entry(&self, key: &str) -> Option<Arc<Entry<V>>> {
        self.first.get(key)
    }

    /// Adds an entry. The core is the caller's: keys change their entries one at a time.
    pub(crate) fn insert(&self, core: &mut Core<V>, key: &Arc<str>, entry: Entry<V>) {
        core.index.add(key, entry.id, &entry.tags);
        self.first.insert(Arc::clone(key), Arc::new(entry));
    }

    /// The work until it is done, or the expired value that is served because it takes longer than the soft limit.
    async fn with_patience<T>(
        &self,
        key: &str,
        need: Option<RowVersion>,
        work: impl Future<Output = T>,
    ) -> Result<T, Cached<V>> {
        let mut work = std::pin::pin!(work);
        // Only who has something else to serve looks at the clock.
        if self.expired(key, need).is_none() {
            return Ok(work.await);
        }
        match tasks::within(self.options.soft, &mut work).await {
            Some(done) => Ok(done),
            // It may have been invalidated meanwhile.
            None => match self.rescue(key, need) {
                Some(stale) => Err(stale),
                None => Ok(work.await),
            },
        }
    }

    /// An expired value that may be served, counted.
    fn rescue(&self, key: &str, need: Option<RowVersion>) -> Option<Cached<V>> {
        let found = self.expired(key, need)?;
        self.measured.stale.one();
        Some(found)
    }

    /// An expired value that may be served: nothing that was invalidated, since that is not there any more.
    fn expired(&self, key: &str, need: Option<RowVersion>) -> Option<Cached<V>> {
        let entry = self.first.get(key)?;
        let found = entry.answer(Source::Stale);
        let usable = need.is_none() && entry.standing(self.host.now(), &self.age) != Standing::Over;
        usable.then_some(found)
    }

    fn invalidate(&self, which: Which<'_>, change: Change) {
        self.measured.invalidated.one();
        let mut core = self.core();
        core.marks.invalidate(which, change);
        match which {
            Which::Key(key) => self.drop_older(&mut core, key, change),
            Which::Tag(tag) => {
                for key in core.index.tagged(tag) {
                    self.drop_older(&mut core, &key, change);
                }
            }
            Which::Pattern(pattern) => {
                for key in core.index.matching(pattern) {
                    self.drop_older(&mut core, &key, change);
                }
            }
        }
    }

    /// Drops the entry under a key, unless the change is in it.
    fn drop_older(&self, core: &mut Core<V>, key: &str, change: Change) {
        if !core.index.has(key) {
            return;
        }
        if let Change::To(version) = change
            && self.first.get(key).is_some_and(|entry| entry.version >= Some(version))
        {
            return;
        }
        core.index.remove(key);
        self.first.invalidate(key);
    }

    /// Marks, loads and index, with what was evicted taken out.
    pub(crate) fn core(&self) -> MutexGuard<'_, Core<V>> {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let evicted = std::mem::take(&mut *self.evicted.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, id) in evicted {
            core.index.remove_entry(&key, id);
        }
        core
    }

    /// What an entry weighs.
    pub(crate) fn weigh(&self, key: &str, value: Option<&V>, tags: &[Arc<str>]) -> u32 {
        // The key stands in the map and the index, each with their nodes; a tag's own index names the key again.
        const OVERHEAD: usize = 320;
        let tags: usize = tags.iter().map(|tag| tag.len() + 64).sum();
        let value = value.map_or(0, |value| (self.weigh)(value));
        u32::try_from(OVERHEAD + key.len() + tags + value).unwrap_or(u32::MAX)
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
