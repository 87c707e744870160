//! The keys of the first level by prefix and by tag.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::pattern::Pattern;

/// Which keys there are. As large as the first level: every entry is in it, and is removed when that goes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Arc<str>, Indexed>,
    tags: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

#[derive(Debug)]
struct Indexed {
    id: u64,
    tags: Box<[Arc<str>]>,
}

impl Index {
    /// Adds an entry in place of what there is under its key.
    pub(crate) fn add(&mut self, key: &Arc<str>, id: u64, tags: &[Arc<str>]) {
        self.remove(key);
        for tag in tags {
            self.tags.entry(Arc::clone(tag)).or_default().insert(Arc::clone(key));
        }
        self.keys.insert(Arc::clone(key), Indexed { id, tags: tags.into() });
    }

    pub(crate) fn remove(&mut self, key: &str) {
        let Some((key, Indexed { tags, .. })) = self.keys.remove_entry(key) else { return };
        for tag in tags {
            if let Some(tagged) = self.tags.get_mut(&tag) {
                tagged.remove(&key);
                if tagged.is_empty() {
                    self.tags.remove(&tag);
                }
            }
        }
    }

    /// Removes an entry, unless another one has its key by now.
    pub(crate) fn remove_entry(&mut self, key: &str, id: u64) {
        if self.keys.get(key).is_some_and(|indexed| indexed.id == id) {
            self.remove(key);
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    pub(crate) fn tagged(&self, tag: &str) -> Vec<Arc<str>> {
        self.tags.get(tag).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn matching(&self, pattern: &Pattern) -> Vec<Arc<str>> {
        let prefix = pattern.prefix();
        let from = self.keys.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).map(|(key, _)| key);
        from.take_while(|key| key.starts_with(prefix)).filter(|key| pattern.matches(key)).cloned().collect()
    }

    pub(crate) fn after(&self, after: Option<&str>, limit: usize) -> Vec<Arc<str>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.keys.range::<str, _>((from, Bound::Unbounded)).take(limit).map(|(key, _)| Arc::clone(key)).collect()
    }

    pub(crate) fn keys(&self) -> Vec<Arc<str>> {
        self.keys.keys().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    #[cfg(test)]
    fn tags_known(&self) -> usize {
        self.tags.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_was_replaced_is_not_removed_with_the_old_one() {
        let (mut index, key): (Index, Arc<str>) = (Index::default(), "a:1".into());
        index.add(&key, 1, &["x".into()]);
        index.add(&key, 2, &["y".into()]);
        index.remove_entry(&key, 1);
        assert!(index.has("a:1") && index.tagged("x").is_empty());
        assert_eq!(index.tagged("y"), vec![Arc::clone(&key)]);
        assert_eq!(index.matching(&Pattern::new("a:*")), vec![Arc::clone(&key)]);
        assert!(index.matching(&Pattern::new("b*")).is_empty());
        index.remove_entry(&key, 2);
        assert_eq!((index.len(), index.tags_known()), (0, 0));
    }
}
