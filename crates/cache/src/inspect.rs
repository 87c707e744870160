//! Whether what is cached is right: sampled keys against the owner.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{Fault, RowVersion, tasks};

use crate::cache::Cache;
use crate::entry::{Entry, Loaded, Standing};

/// How many wrong entries an inspection names at most.
const NAMED: usize = 100;

/// An entry of the first level that would be served.
#[derive(Debug, Clone)]
pub struct Listed<V> {
    /// Its key.
    pub key: Arc<str>,
    /// How new it is.
    pub version: Option<RowVersion>,
    /// The value, or nothing where there is none.
    pub value: Option<Arc<V>>,
}

/// What an inspection found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inspection {
    /// Entries that were compared.
    pub compared: usize,
    /// Those that were as the owner says.
    pub right: usize,
    /// Entries that went or changed while they were looked at, and say nothing.
    pub moved: usize,
    /// Keys for which the owner could not be asked.
    pub unanswered: usize,
    /// Entries that were not as the owner says, 100 at most.
    pub wrong: Vec<Wrong>,
}

impl Inspection {
    /// The share of compared entries that were right, 0 to 1; 1 where none was compared.
    #[expect(clippy::cast_precision_loss, reason = "a share; samples are small")]
    pub fn share_right(&self) -> f64 {
        if self.compared == 0 { 1.0 } else { self.right as f64 / self.compared as f64 }
    }
}

/// An entry that is not as the owner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its key.
    pub key: Arc<str>,
    /// The version that is cached.
    pub cached: Option<RowVersion>,
    /// The version that the owner has.
    pub owner: Option<RowVersion>,
    /// Whether the cache has a value.
    pub cached_present: bool,
    /// Whether the owner has one.
    pub owner_present: bool,
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// At most `limit` entries of the first level that would be served, in the order of their keys, those after `after`.
    /// The last key examined comes beside them: where to go on, `None` at the end.
    pub fn list(&self, after: Option<&str>, limit: usize) -> (Vec<Listed<V>>, Option<Arc<str>>) {
        let keys = self.inner.core().index.after(after, limit);
        let next = if keys.len() == limit { keys.last().cloned() } else { None };
        let listed = keys.into_iter().filter_map(|key| {
            let entry = self.served(&key)?;
            Some(Listed { key, version: entry.version, value: entry.value.clone() })
        });
        (listed.collect(), next)
    }

    /// Compares at most `sample` entries, chosen at random, with what the owner says.
    ///
    /// A difference counts only if the same entry still is there `settle` later and the owner, asked again, still says
    /// otherwise: an invalidation that is under way is no error. Looking neither refreshes nor loads anything.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn inspect<F, L>(&self, sample: usize, settle: Duration, owner: F) -> Inspection
    where
        V: PartialEq,
        F: Fn(Arc<str>) -> L + Send + Sync,
        L: Future<Output = Result<Loaded<V>, Fault>> + Send,
    {
        let mut found = Inspection::default();
        let mut suspects = Vec::new();
        for key in self.sample(sample) {
            let Some(entry) = self.served(&key) else { continue };
            match owner(Arc::clone(&key)).await {
                Err(_) => found.unanswered += 1,
                Ok(said) if agrees(&entry, &said) => {
                    found.compared += 1;
                    found.right += 1;
                }
                Ok(_) => suspects.push((key, entry)),
            }
        }
        if !suspects.is_empty() {
            tasks::sleep(settle).await;
        }
        for (key, entry) in suspects {
            let said = owner(Arc::clone(&key)).await;
            if self.served(&key).is_none_or(|now| now.id != entry.id) {
                found.moved += 1;
                continue;
            }
            let Ok(said) = said else {
                found.unanswered += 1;
                continue;
            };
            found.compared += 1;
            if agrees(&entry, &said) {
                found.right += 1;
            } else if found.wrong.len() < NAMED {
                found.wrong.push(Wrong {
                    key,
                    cached: entry.version,
                    owner: said.version,
                    cached_present: entry.value.is_some(),
                    owner_present: said.value.is_some(),
                });
            }
        }
        found
    }

    fn served(&self, key: &str) -> Option<Arc<Entry<V>>> {
        let entry = self.inner.entry(key)?;
        (entry.standing(self.inner.host.now(), &self.inner.age) == Standing::Fresh).then_some(entry)
    }

    fn sample(&self, most: usize) -> Vec<Arc<str>> {
        let mut keys = self.inner.core().index.keys();
        let most = most.min(keys.len());
        for at in 0..most {
            let rest = u64::try_from(keys.len() - at).unwrap_or(u64::MAX);
            let step = usize::try_from(self.inner.host.random_u64() % rest).unwrap_or(0);
            keys.swap(at, at + step);
        }
        keys.truncate(most);
        keys
    }
}

fn agrees<V: PartialEq>(entry: &Entry<V>, said: &Loaded<V>) -> bool {
    entry.value.as_deref() == said.value.as_ref()
}
