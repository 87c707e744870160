//! Both levels together, also where the second one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cache::{Cache, Change, MemoryLevel, SecondLevel, Seen, Source, Stored, Which};
use madrigal_core::{Fault, Host};

use crate::owner::{HandClock, Owner, broken, host, to};

const TTL: Duration = Duration::from_secs(60);

/// A level that fails when it is told to.
#[derive(Clone)]
struct Fragile(MemoryLevel, Arc<AtomicBool>);

impl Fragile {
    fn check(&self) -> Result<(), Fault> {
        if self.1.load(Ordering::SeqCst) { Err(broken()) } else { Ok(()) }
    }

    fn fails(&self, fails: bool) {
        self.1.store(fails, Ordering::SeqCst);
    }
}

#[async_trait]
impl SecondLevel for Fragile {
    async fn get(&self, key: &str) -> Result<Seen, Fault> {
        self.check()?;
        self.0.get(key).await
    }

    async fn put(&self, key: &str, number: u64, stored: Stored) -> Result<bool, Fault> {
        self.check()?;
        self.0.put(key, number, stored).await
    }

    async fn invalidate(&self, which: Which<'_>, change: Change) -> Result<(), Fault> {
        self.check()?;
        self.0.invalidate(which, change).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        self.0.scan(prefix, after, limit).await
    }
}

struct Two {
    host: Host,
    clock: HandClock,
    level: Fragile,
}

impl Two {
    fn new() -> Self {
        let (host, clock) = host(1);
        let level = Fragile(MemoryLevel::new(host.clone(), 1_000_000, 100), Arc::default());
        Self { host, clock, level }
    }

    /// A cache as another process would have it.
    fn process(&self) -> Cache<u64> {
        Cache::builder("together", self.host.clone()).second(Arc::new(self.level.clone())).open()
    }
}

#[tokio::test]
async fn what_one_process_loaded_another_finds() {
    let (two, owner) = (Two::new(), Owner::default());
    let (one, other) = (two.process(), two.process());
    owner.ask(&one, TTL).await;
    assert_eq!((owner.ask(&other, TTL).await, owner.asked()), (Some(0), 1));
    assert_eq!((other.stats().second_hits, other.stats().loads), (1, 0));
    two.clock.advance(TTL);
    owner.ask(&other, TTL).await;
    assert_eq!(owner.asked(), 2, "not beyond its time");
}

#[tokio::test]
async fn an_expired_value_of_the_second_level_is_served_where_the_owner_fails() {
    let (two, owner) = (Two::new(), Owner::default());
    owner.ask(&two.process(), TTL).await;
    two.clock.advance(TTL);
    let found = two.process().get("row", || async { Err(broken()) }, TTL).await.unwrap();
    assert_eq!((found.from, found.value.as_deref()), (Source::Stale, Some(&0)));
}

#[tokio::test]
async fn without_the_second_level_everything_goes_on() {
    let (two, owner) = (Two::new(), Owner::default());
    let cache = two.process();
    two.level.fails(true);
    assert_eq!(owner.ask(&cache, TTL).await, Some(0));
    assert_eq!(owner.ask(&cache, TTL).await, Some(0));
    assert_eq!((owner.asked(), cache.stats().second_failures), (1, 1));
}

#[tokio::test]
async fn a_second_level_that_was_not_told_is_not_believed_until_it_is() {
    let (two, owner) = (Two::new(), Owner::default());
    let cache = two.process();
    owner.ask(&cache, TTL).await;
    let version = owner.commit();
    two.level.fails(true);
    assert!(cache.invalidate("row", to(version)).await.is_err());
    assert!(cache.peek("row").is_none(), "the first level is done at once");
    two.level.fails(false);
    // The old value lies there still.
    assert_eq!(two.level.get("row").await.unwrap().stored.unwrap().value.as_deref(), Some(b"0".as_slice()));
    assert_eq!(owner.ask(&cache, TTL).await, Some(1));
    assert_eq!(cache.settle().await, 0);
    assert!(two.level.get("row").await.unwrap().stored.is_none());
    cache.invalidate("row", Change::Unknown).await.unwrap();
    owner.ask(&cache, TTL).await;
    assert_eq!(owner.ask(&two.process(), TTL).await, Some(1));
    assert_eq!(owner.asked(), 3, "it is believed again");
}

#[tokio::test]
async fn an_invalidation_that_is_dropped_half_way_is_told_later() {
    let (two, owner) = (Two::new(), Owner::default());
    let cache = two.process();
    owner.ask(&cache, TTL).await;
    let version = owner.commit();
    cache.invalidate_now("row", to(version));
    assert_eq!(owner.ask(&cache, TTL).await, Some(1));
    cache.settle().await;
    assert_eq!(owner.ask(&two.process(), TTL).await, Some(1));
}
