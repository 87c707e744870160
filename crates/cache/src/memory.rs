//! A second level in the process: for tests, and for caches of one process that share it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, Host};

use crate::change::{Change, Which};
use crate::marks::Marks;
use crate::second::{SecondLevel, Seen, Stored};

/// A second level in memory, bounded by bytes; what came first goes first. Cheap to clone.
#[derive(Clone)]
pub struct MemoryLevel {
    parts: Arc<Parts>,
}

struct Parts {
    host: Host,
    bytes: usize,
    state: Mutex<State>,
}

struct State {
    marks: Marks,
    kept: BTreeMap<Arc<str>, (u64, Stored)>,
    tags: HashMap<String, HashSet<Arc<str>>>,
    /// Keys as they came; one that was replaced since has another number.
    order: VecDeque<(u64, Arc<str>)>,
    number: u64,
    bytes: usize,
}

impl MemoryLevel {
    /// What an entry costs beside its key, its value and its tags.
    const OVERHEAD: usize = 200;

    /// An empty one that holds so many bytes, and remembers so many invalidations of keys and of tags.
    pub fn new(host: Host, bytes: usize, remembered: usize) -> Self {
        let state = State {
            marks: Marks::new(remembered),
            kept: BTreeMap::new(),
            tags: HashMap::new(),
            order: VecDeque::new(),
            number: 0,
            bytes: 0,
        };
        Self { parts: Arc::new(Parts { host, bytes, state: Mutex::new(state) }) }
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.parts.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn weight(key: &str, stored: &Stored) -> usize {
        let tags: usize = stored.tags.iter().map(|tag| tag.len() + key.len()).sum();
        MemoryLevel::OVERHEAD + 2 * key.len() + tags + stored.value.as_ref().map_or(0, bytes::Bytes::len)
    }

    fn remove(&mut self, key: &str) {
        let Some((_, stored)) = self.kept.remove(key) else { return };
        self.bytes -= Self::weight(key, &stored);
        for tag in &stored.tags {
            if let Some(tagged) = self.tags.get_mut(tag) {
                tagged.remove(key);
                if tagged.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
    }

    fn add(&mut self, key: &str, stored: Stored, most: usize) {
        self.remove(key);
        self.number += 1;
        let key: Arc<str> = key.into();
        for tag in &stored.tags {
            self.tags.entry(tag.clone()).or_default().insert(Arc::clone(&key));
        }
        self.bytes += Self::weight(&key, &stored);
        self.order.push_back((self.number, Arc::clone(&key)));
        self.kept.insert(key, (self.number, stored));
        while self.bytes > most {
            let Some((number, key)) = self.order.pop_front() else { return };
            if self.kept.get(&key).is_some_and(|(known, _)| *known == number) {
                self.remove(&key);
            }
        }
        // What was replaced leaves its place in the order; it must not outgrow what is kept.
        if self.order.len() > 2 * self.kept.len() + 64 {
            let kept = &self.kept;
            self.order.retain(|(number, key)| kept.get(key).is_some_and(|(known, _)| known == number));
        }
    }

    fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = &Arc<str>> {
        let from = self.kept.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).map(|(key, _)| key);
        let prefix = prefix.to_owned();
        from.take_while(move |key| key.starts_with(&prefix))
    }
}

#[async_trait]
impl SecondLevel for MemoryLevel {
    async fn get(&self, key: &str) -> Result<Seen, Fault> {
        let now = self.parts.host.now();
        let mut state = self.state();
        if state.kept.get(key).is_some_and(|(_, stored)| stored.keep_until <= now) {
            state.remove(key);
        }
        Ok(Seen { number: state.marks.now(), stored: state.kept.get(key).map(|(_, stored)| stored.clone()) })
    }

    async fn put(&self, key: &str, number: u64, stored: Stored) -> Result<bool, Fault> {
        let mut state = self.state();
        let tags = stored.tags.iter().map(String::as_str);
        let kept = state.kept.get(key).and_then(|(_, kept)| kept.version);
        let older = kept.zip(stored.version).is_some_and(|(kept, new)| kept > new);
        if older || !state.marks.admits(key, tags, stored.version, number) {
            return Ok(false);
        }
        state.add(key, stored, self.parts.bytes);
        Ok(true)
    }

    async fn invalidate(&self, which: Which<'_>, change: Change) -> Result<(), Fault> {
        let mut state = self.state();
        state.marks.invalidate(which, change);
        let keys: Vec<Arc<str>> = match which {
            Which::Key(key) => vec![key.into()],
            Which::Tag(tag) => state.tags.get(tag).map(|keys| keys.iter().cloned().collect()).unwrap_or_default(),
            Which::Pattern(pattern) => {
                state.with_prefix(pattern.prefix()).filter(|key| pattern.matches(key)).cloned().collect()
            }
        };
        for key in keys {
            let new_enough = match (change, state.kept.get(&key)) {
                (Change::To(version), Some((_, stored))) => stored.version >= Some(version),
                _ => false,
            };
            if !new_enough {
                state.remove(&key);
            }
        }
        Ok(())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        let state = self.state();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let keys = state.kept.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
        Ok(keys.take_while(|key| key.starts_with(prefix)).take(limit).map(|key| key.to_string()).collect())
    }
}

impl std::fmt::Debug for MemoryLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryLevel").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
