//! Turns: calls about one saga run one after the other, calls about different sagas do not touch each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Into how many parts the keys are split, so that looking one up hardly ever waits.
const SHARDS: usize = 64;
/// How many calls may wait or run in one part: 64 × 1,024 calls in all.
const MOST_PER_SHARD: usize = 1_024;

/// Locks by key, held in memory only while somebody has or waits for one.
#[derive(Debug, Clone)]
pub struct Turns {
    shards: Arc<[Mutex<Shard>]>,
    hasher: Arc<RandomState>,
}

#[derive(Debug, Default)]
struct Shard {
    keys: HashMap<String, Waiting>,
    calls: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    lock: Arc<AsyncMutex<()>>,
    calls: usize,
}

/// One call's turn; ends when dropped.
#[derive(Debug)]
pub struct Turn {
    // Fields are dropped in this order: the next call has the lock before this one leaves the queue.
    _guard: OwnedMutexGuard<()>,
    _place: Place,
}

/// A call's place in the queue of its key, also while it waits (and may be dropped).
#[derive(Debug)]
struct Place {
    turns: Turns,
    shard: usize,
    key: String,
}

impl Default for Turns {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: Arc::default() }
    }
}

impl Turns {
    /// Waits for the turn of `key`, in order of asking; `None` where too many calls wait already.
    ///
    /// # Cancellation
    /// Safe: a dropped call leaves the queue.
    pub async fn take(&self, key: &str) -> Option<Turn> {
        let shard = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        let lock = {
            let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
            // Counting calls, not keys: a thousand repeats of one call are a thousand.
            if shard.calls >= MOST_PER_SHARD {
                return None;
            }
            shard.calls += 1;
            let waiting = shard.keys.entry(key.to_owned()).or_default();
            waiting.calls += 1;
            Arc::clone(&waiting.lock)
        };
        let place = Place { turns: self.clone(), shard, key: key.to_owned() };
        let guard = lock.lock_owned().await;
        Some(Turn { _guard: guard, _place: place })
    }

    /// How many keys are held or waited for.
    #[cfg(test)]
    fn keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).keys.len()).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shard = self.turns.shards[self.shard].lock().unwrap_or_else(PoisonError::into_inner);
        shard.calls -= 1;
        if let Some(waiting) = shard.keys.get_mut(&self.key) {
            waiting.calls -= 1;
            if waiting.calls == 0 {
                shard.keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use madrigal_core::tasks;

    use super::*;

    #[tokio::test]
    async fn calls_about_one_key_take_turns_and_leave_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take("a").await.unwrap();
        let _other = turns.take("b").await.unwrap();
        let waiting = {
            let turns = turns.clone();
            tasks::spawn("test-turn", async move { turns.take("a").await.is_some() })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        assert!(waiting.await.unwrap());
        assert_eq!(turns.keys(), 1);
    }

    #[tokio::test]
    async fn a_call_that_stops_waiting_leaves_the_queue() {
        let turns = Turns::default();
        let first = turns.take("a").await.unwrap();
        {
            let mut waiting = std::pin::pin!(turns.take("a"));
            assert!(futures::poll!(waiting.as_mut()).is_pending());
        }
        drop(first);
        assert_eq!(turns.keys(), 0);
        assert!(turns.take("a").await.is_some());
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let turns = Turns::default();
        let _first = turns.take("a").await.unwrap();
        let mut waiting: Vec<_> = (1..MOST_PER_SHARD).map(|_| Box::pin(turns.take("a"))).collect();
        for call in &mut waiting {
            assert!(futures::poll!(call.as_mut()).is_pending());
        }
        assert!(turns.take("a").await.is_none());
        waiting.pop();
        let mut admitted = std::pin::pin!(turns.take("a"));
        assert!(futures::poll!(admitted.as_mut()).is_pending());
    }
}
