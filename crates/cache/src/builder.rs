//! Making a cache: its bounds, what its values weigh, its second level.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use madrigal_core::{Fault, Host};
use moka::sync::Cache as Moka;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::{Cache, Evicted, Inner};
use crate::entry::Entry;
use crate::measure::Measured;
use crate::options::CacheOptions;
use crate::second::SecondLevel;
use crate::shared::Shared;
use crate::turn::Core;

/// Makes a [`Cache`].
pub struct CacheBuilder<V> {
    name: &'static str,
    host: Host,
    options: CacheOptions,
    weigh: Arc<Weigh<V>>,
    second: Option<Shared<V>>,
}

/// What a value weighs, in bytes.
pub(crate) type Weigh<V> = dyn Fn(&V) -> usize + Send + Sync;

impl<V: Send + Sync + 'static> CacheBuilder<V> {
    pub(crate) fn new(name: &'static str, host: Host) -> Self {
        Self { name, host, options: CacheOptions::default(), weigh: Arc::new(|_| size_of::<V>()), second: None }
    }

    /// Its bounds. To be said before the second level.
    #[must_use]
    pub const fn options(mut self, options: CacheOptions) -> Self {
        self.options = options;
        self
    }

    /// What a value weighs, in bytes with everything that it points to; the size of its type unless said.
    #[must_use]
    pub fn weigh(mut self, weigh: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        self.weigh = Arc::new(weigh);
        self
    }

    /// A second level, where values lie as JSON.
    #[must_use]
    pub fn second(mut self, level: Arc<dyn SecondLevel>) -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        let encode = |value: &V| {
            serde_json::to_vec(value).map(Bytes::from).map_err(|error| Fault::permanent("cache", "encode", error))
        };
        let decode =
            |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| Fault::permanent("cache", "decode", error));
        self.second = Some(Shared::new(level, encode, decode, self.options.second));
        self
    }

    /// The cache, empty in its first level.
    pub fn open(self) -> Cache<V> {
        let evicted: Arc<Evicted> = Arc::default();
        let told = Arc::clone(&evicted);
        let first = Moka::builder()
            .max_capacity(self.options.weight)
            .weigher(|_, entry: &Arc<Entry<V>>| entry.weight)
            // May be called while the core is locked: it only takes notes.
            .eviction_listener(move |key: Arc<Arc<str>>, entry: Arc<Entry<V>>, cause| {
                if cause.was_evicted() {
                    told.lock().unwrap_or_else(PoisonError::into_inner).push((Arc::clone(&key), entry.id));
                }
            })
            .build_with_hasher(KeyHasher { seed: self.host.random_u64() });
        let inner = Inner {
            name: self.name,
            measured: Measured::of(self.name),
            core: Mutex::new(Core::new(self.options.remembered)),
            host: self.host,
            options: self.options,
            first,
            evicted,
            age: AtomicU64::new(0),
            aged_at: AtomicI64::new(i64::MIN),
            ids: AtomicU64::new(0),
            weigh: self.weigh,
            second: self.second,
        };
        Cache { inner: Arc::new(inner) }
    }
}

impl<V> fmt::Debug for CacheBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).field("options", &self.options).finish_non_exhaustive()
    }
}

/// Hashes texts by XXH3 with a seed of the process: keys may be a client's choice.
#[derive(Clone)]
pub(crate) struct KeyHasher {
    seed: u64,
}

pub(crate) struct KeyHash(u64);

impl BuildHasher for KeyHasher {
    type Hasher = KeyHash;

    fn build_hasher(&self) -> KeyHash {
        KeyHash(self.seed)
    }
}

impl Hasher for KeyHash {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, _: u8) {
        // The mark after a text: there is nothing after it here.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
