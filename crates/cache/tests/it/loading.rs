//! One load at a time; limits of time; failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use madrigal_cache::{Cache, CacheOptions, Change, Loaded, Source, Ttl};
use madrigal_core::tasks;
use tokio::sync::Semaphore;

use crate::owner::{Owner, broken, host, to};

const TTL: Duration = Duration::from_secs(60);

/// A fetcher that waits for a permit, and counts how many run.
fn gated(
    owner: &Owner,
    gate: &Arc<Semaphore>,
) -> impl FnOnce() -> futures::future::BoxFuture<'static, Result<Loaded<u64>, madrigal_core::Fault>> + Send + 'static {
    let (owner, gate) = (owner.clone(), Arc::clone(gate));
    move || {
        Box::pin(async move {
            let loaded = owner.fetch();
            gate.acquire().await.unwrap().forget();
            Ok(loaded)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_loaded_once_for_all_who_ask() {
    let (host, _) = host(1);
    let (cache, owner, gate) = (Cache::builder("once", host).open(), Owner::default(), Arc::new(Semaphore::new(0)));
    let mut asking: Vec<_> = (0..50).map(|_| Box::pin(cache.get("row", gated(&owner, &gate), TTL))).collect();
    for ask in &mut asking {
        assert!(futures::poll!(ask.as_mut()).is_pending());
    }
    gate.add_permits(1);
    for answer in futures::future::join_all(asking).await {
        assert_eq!(answer.unwrap().value.as_deref(), Some(&0));
    }
    assert_eq!((owner.asked(), cache.stats().loads, cache.stats().joined), (1, 1, 49));
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_is_cancelled_hands_over() {
    let (host, _) = host(1);
    let (cache, owner, gate) = (Cache::builder("handed", host).open(), Owner::default(), Arc::new(Semaphore::new(0)));
    let mut first = Box::pin(cache.get("row", gated(&owner, &gate), TTL));
    assert!(futures::poll!(first.as_mut()).is_pending());
    let mut second = Box::pin(cache.get("row", gated(&owner, &gate), TTL));
    assert!(futures::poll!(second.as_mut()).is_pending());
    assert_eq!(owner.asked(), 1);
    drop(first);
    gate.add_permits(1);
    assert_eq!(second.await.unwrap().from, Source::Owner);
    assert_eq!(owner.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_an_invalidation_does_not_wait_for_a_load_from_before() {
    let (host, _) = host(1);
    let (cache, owner, gate) = (Cache::builder("before", host).open(), Owner::default(), Arc::new(Semaphore::new(0)));
    let mut before = Box::pin(cache.get("row", gated(&owner, &gate), TTL));
    assert!(futures::poll!(before.as_mut()).is_pending());
    let version = owner.commit();
    cache.invalidate("row", to(version)).await.unwrap();
    let after = owner.ask(&cache, TTL).await;
    assert_eq!(after, Some(1));
    gate.add_permits(1);
    assert_eq!(before.await.unwrap().value.as_deref(), Some(&0), "who asked before may see before");
    assert_eq!(cache.peek("row").unwrap().value.as_deref(), Some(&1));
}

#[tokio::test]
async fn on_failure_an_expired_value_is_served_within_its_hard_limit_and_the_owner_is_left_alone_for_a_while() {
    let (host, clock) = host(1);
    let (cache, owner) = (Cache::builder("failing", host).open(), Owner::default());
    let ttl = Ttl::of(TTL).stale(Duration::from_secs(100));
    let tries = Arc::new(AtomicU64::new(0));
    let failing = || {
        let tries = Arc::clone(&tries);
        move || async move {
            tries.fetch_add(1, Ordering::SeqCst);
            Err(broken())
        }
    };
    owner.ask(&cache, TTL).await;
    cache.invalidate("row", Change::Unknown).await.unwrap();
    assert!(cache.get("row", failing(), ttl).await.is_err(), "what was invalidated is never served");
    let fetch = owner.clone();
    cache.get("row", move || async move { Ok(fetch.fetch()) }, ttl).await.unwrap();
    clock.advance(TTL);
    assert_eq!(cache.get("row", failing(), ttl).await.unwrap().from, Source::Stale);
    let tried = tries.load(Ordering::SeqCst);
    assert_eq!(cache.get("row", failing(), ttl).await.unwrap().from, Source::Stale);
    assert_eq!(tries.load(Ordering::SeqCst), tried, "not asked again at once");
    clock.advance(Duration::from_secs(2));
    assert_eq!(cache.get("row", failing(), ttl).await.unwrap().from, Source::Stale);
    assert_eq!((tries.load(Ordering::SeqCst), cache.stats().stale), (tried + 1, 3));
    clock.advance(Duration::from_secs(100));
    assert_eq!(cache.get("row", failing(), ttl).await.unwrap_err().engine, "owner", "the hard limit");
    assert_eq!(cache.stats().stale, 3);
}

#[tokio::test(start_paused = true)]
async fn a_load_beyond_the_soft_limit_serves_the_expired_value_and_goes_on() {
    let (host, clock) = host(1);
    let (cache, owner, gate) = (Cache::builder("soft", host).open(), Owner::default(), Arc::new(Semaphore::new(0)));
    owner.ask(&cache, TTL).await;
    clock.advance(TTL);
    owner.commit();
    let (one, two) =
        futures::join!(cache.get("row", gated(&owner, &gate), TTL), cache.get("row", gated(&owner, &gate), TTL));
    for answer in [one, two] {
        let answer = answer.unwrap();
        assert_eq!((answer.from, answer.value.as_deref()), (Source::Stale, Some(&0)));
    }
    gate.add_permits(1);
    while cache.peek("row").is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!((cache.peek("row").unwrap().value.as_deref(), owner.asked()), (Some(&1), 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_of_what_is_invalidated_meanwhile_serves_nothing_old() {
    let (host, clock) = host(1);
    let (cache, owner, gate) = (Cache::builder("slow", host).open(), Owner::default(), Arc::new(Semaphore::new(0)));
    owner.ask(&cache, TTL).await;
    clock.advance(TTL);
    let mut asking = Box::pin(cache.get("row", gated(&owner, &gate), TTL));
    assert!(futures::poll!(asking.as_mut()).is_pending());
    cache.invalidate("row", Change::Unknown).await.unwrap();
    tasks::sleep(CacheOptions::default().soft * 2).await;
    assert!(futures::poll!(asking.as_mut()).is_pending(), "there is nothing that may be served");
    gate.add_permits(1);
    assert_eq!(asking.await.unwrap().from, Source::Owner);
}

#[tokio::test(start_paused = true)]
async fn a_load_beyond_the_hard_limit_is_given_up() {
    let (host, _) = host(1);
    let (cache, owner, gate) = (Cache::builder("hard", host).open(), Owner::default(), Arc::new(Semaphore::new(0)));
    let (one, two) =
        futures::join!(cache.get("row", gated(&owner, &gate), TTL), cache.get("row", gated(&owner, &gate), TTL));
    assert_eq!((one.unwrap_err().engine, two.unwrap_err().operation), ("cache", "load"));
    assert_eq!((owner.asked(), cache.stats().failed_loads), (1, 1));
    assert_eq!(owner.ask(&cache, TTL).await, Some(0), "the next one begins anew");
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_waited_and_kept_for_nobody() {
    let (host, _) = host(1);
    let (cache, gate) = (Cache::<u64>::builder("shared", host).open(), Arc::new(Semaphore::new(0)));
    let tries = Arc::new(AtomicU64::new(0));
    let failing = || {
        let (tries, gate) = (Arc::clone(&tries), Arc::clone(&gate));
        move || async move {
            tries.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
            Err(broken())
        }
    };
    let release = async { gate.add_permits(1) };
    let (one, two, ()) = futures::join!(cache.get("row", failing(), TTL), cache.get("row", failing(), TTL), release);
    assert_eq!((one.unwrap_err().chain(), two.unwrap_err().engine), (broken().chain(), "owner"));
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    gate.add_permits(1);
    assert!(cache.get("row", failing(), TTL).await.is_err());
    assert_eq!(tries.load(Ordering::SeqCst), 2);
}
