//! By key, by tag, by pattern; with a version, without one, for good; all at once.

use std::time::Duration;

use madrigal_cache::{Cache, Change, Loaded, Pattern, Source, Which};

use crate::owner::{Owner, host, to, version};

const TTL: Duration = Duration::from_secs(60);

async fn put(cache: &Cache<u64>, key: &str, value: u64, tags: &[&str]) {
    let mut loaded = Loaded::versioned(version(value), value);
    for tag in tags {
        loaded = loaded.tagged(*tag);
    }
    cache.get(key, move || async move { Ok(loaded) }, TTL).await.unwrap();
}

fn keys(cache: &Cache<u64>) -> Vec<String> {
    cache.list(None, 100).0.into_iter().map(|listed| listed.key.to_string()).collect()
}

#[tokio::test]
async fn an_owners_late_copy_is_handed_on_and_not_kept() {
    let (host, _) = host(1);
    let (cache, replica) = (Cache::builder("late", host).open(), Owner::default());
    // The owner is at 1; the copy that is asked has not heard of it.
    cache.invalidate("row", to(1)).await.unwrap();
    let late = replica.clone();
    let answer = cache.get("row", move || async move { Ok(late.fetch()) }, TTL).await.unwrap();
    assert_eq!((answer.value.as_deref(), answer.behind), (Some(&0), true));
    assert!(cache.peek("row").is_none());
    replica.commit();
    assert_eq!(replica.ask(&cache, TTL).await, Some(1));
    assert!(cache.peek("row").is_some());
}

#[tokio::test]
async fn an_invalidation_that_is_told_again_costs_nothing() {
    let (host, _) = host(1);
    let (cache, owner) = (Cache::builder("again", host).open(), Owner::default());
    let version = owner.commit();
    cache.invalidate("row", to(version)).await.unwrap();
    owner.ask(&cache, TTL).await;
    // The event stream tells what the writer told before.
    cache.invalidate("row", to(version)).await.unwrap();
    assert_eq!((owner.ask(&cache, TTL).await, owner.asked()), (Some(1), 1));
}

#[tokio::test]
async fn a_tag_and_a_pattern_reach_all_their_entries_and_no_others() {
    let (host, _) = host(1);
    let cache = Cache::builder("many", host).open();
    put(&cache, "page:1", 1, &["shoes"]).await;
    put(&cache, "page:2", 2, &["shoes", "hats"]).await;
    put(&cache, "page:3", 3, &["hats"]).await;
    put(&cache, "user:1", 4, &[]).await;
    cache.invalidate(Which::Tag("shoes"), Change::Unknown).await.unwrap();
    assert_eq!(keys(&cache), ["page:3", "user:1"]);
    put(&cache, "page:1", 1, &["hats"]).await;
    cache.invalidate(Which::Tag("hats"), to(2)).await.unwrap();
    assert_eq!(keys(&cache), ["page:3", "user:1"], "newer ones stay");
    cache.invalidate(&Pattern::new("page:*"), Change::Unknown).await.unwrap();
    assert_eq!(keys(&cache), ["user:1"]);
}

#[tokio::test]
async fn what_is_deleted_vanishes_at_once_and_for_good() {
    let (host, _) = host(1);
    let (cache, owner) = (Cache::builder("gone", host).open(), Owner::default());
    let old = owner.clone();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let waits = std::sync::Arc::clone(&gate);
    let mut under_way = Box::pin(cache.get(
        "row",
        move || async move {
            let loaded = old.fetch();
            waits.acquire().await.unwrap().forget();
            Ok(loaded)
        },
        TTL,
    ));
    assert!(futures::poll!(under_way.as_mut()).is_pending());
    cache.invalidate("row", Change::Deleted).await.unwrap();
    assert_eq!(owner.ask(&cache, TTL).await, None, "nobody is asked");
    gate.add_permits(1);
    assert!(under_way.await.unwrap().value.is_none(), "a load from before brings nothing back");
    owner.commit();
    assert_eq!((owner.ask(&cache, TTL).await, owner.asked()), (None, 1));
}

#[tokio::test]
async fn after_a_gap_every_entry_proves_itself_anew() {
    let (host, _) = host(1);
    let (cache, owner) = (Cache::builder("gap", host).open(), Owner::default());
    owner.ask(&cache, TTL).await;
    owner.commit();
    assert_eq!(owner.ask(&cache, TTL).await, Some(0), "it was not told");
    let mut asking = Box::pin({
        let (slow, cache) = (owner.clone(), cache.clone());
        async move {
            cache
                .get(
                    "other",
                    move || async move {
                        let loaded = slow.fetch();
                        tokio::task::yield_now().await;
                        Ok(loaded)
                    },
                    TTL,
                )
                .await
        }
    });
    assert!(futures::poll!(asking.as_mut()).is_pending());
    cache.age_all();
    assert_eq!(owner.ask(&cache, TTL).await, Some(1));
    asking.await.unwrap();
    assert!(cache.peek("other").is_none(), "a load from before the gap is aged too");
    // What the owner cannot confirm is served as expired.
    cache.age_all();
    let found = cache.get("row", || async { Err(crate::owner::broken()) }, TTL).await.unwrap();
    assert_eq!(found.from, Source::Stale);
}

#[tokio::test]
async fn who_has_seen_a_version_gets_nothing_older() {
    let (host, clock) = host(1);
    let (cache, owner) = (Cache::builder("seen", host).open(), Owner::default());
    owner.ask(&cache, TTL).await;
    // Committed, and nobody told the cache.
    let seen = owner.commit();
    let fetch = owner.clone();
    let found = cache.get_since("row", version(seen), move || async move { Ok(fetch.fetch()) }, TTL).await.unwrap();
    assert_eq!((found.value.as_deref(), found.from), (Some(&1), Source::Owner));
    assert_eq!(owner.ask(&cache, TTL).await, Some(1), "and who asks after gets it too");
    clock.advance(TTL);
    let failing = || async { Err(crate::owner::broken()) };
    assert!(cache.get_since("row", version(seen), failing, TTL).await.is_err(), "nor an expired one on failure");
}
