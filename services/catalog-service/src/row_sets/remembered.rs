//! What reading a stream came to, kept for the next sweep: by key, the most recently read.

use std::sync::{Mutex, PoisonError};

use lru::LruCache;

/// Of how many streams it is kept. A catalogue with more is read from its streams in each sweep, from the first to the last.
const MOST: usize = 131_072;

/// What was read, by key; at most [`MOST`] of them, about 150 bytes each beside the value. Takes memory as they come.
#[derive(Debug)]
pub(super) struct Remembered<T>(Mutex<LruCache<String, T>>);

impl<T: Copy> Remembered<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }

    pub(super) fn get(&self, key: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Keeps what is made of what is kept; that stays where it is `None`.
    pub(super) fn change(&self, key: &str, change: impl FnOnce(Option<T>) -> Option<T>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = change(kept.peek(key).copied()) {
            kept.put(key.to_owned(), value);
            if kept.len() > MOST {
                kept.pop_lru();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_not_read_for_the_longest_time_is_forgotten() {
        let kept = Remembered::new();
        let keep = |key: usize| kept.change(&key.to_string(), |_| Some(key));
        (0..MOST).for_each(keep);
        assert_eq!(kept.get("0"), Some(0));
        keep(MOST);
        assert_eq!((kept.get("0"), kept.get("1"), kept.get("2")), (Some(0), None, Some(2)));
    }
}
