//! What is fresh and for how long; what fits.

use std::time::Duration;

use madrigal_cache::{Cache, CacheOptions, Loaded, Source, Ttl};

use crate::owner::{Owner, host};

const TTL: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_value_is_fresh_for_its_time_less_a_random_part() {
    let (host, clock) = host(1);
    let cache = Cache::builder("jitter", host).open();
    for key in 0..200u64 {
        cache.get(&key.to_string(), move || async move { Ok(Loaded::value(key)) }, TTL).await.unwrap();
    }
    let fresh = |cache: &Cache<u64>| cache.list(None, 1_000).0.len();
    clock.advance(Duration::from_secs(54));
    assert_eq!(fresh(&cache), 200);
    clock.advance(Duration::from_secs(3));
    let left = fresh(&cache);
    assert!((50..150).contains(&left), "{left} of 200 are left in the middle");
    clock.advance(Duration::from_secs(3));
    assert_eq!(fresh(&cache), 0);
}

#[tokio::test]
async fn that_there_is_nothing_is_believed_for_a_short_time() {
    let (host, clock) = host(1);
    let (cache, owner) = (Cache::<u64>::builder("absent", host).open(), Owner::default());
    let ask = || {
        let owner = owner.clone();
        cache.get(
            "row",
            move || async move {
                owner.fetch();
                Ok(Loaded::absent())
            },
            Ttl::of(TTL).absent(Duration::from_secs(2)),
        )
    };
    assert!(ask().await.unwrap().value.is_none());
    assert!(ask().await.unwrap().value.is_none());
    assert_eq!(owner.asked(), 1);
    clock.advance(Duration::from_secs(2));
    ask().await.unwrap();
    assert_eq!(owner.asked(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_alive() {
    let (host, clock) = host(1);
    let (cache, owner) = (Cache::builder("back", host).open(), Owner::default());
    owner.ask(&cache, TTL).await;
    clock.set_back(Duration::from_secs(3_600));
    owner.commit();
    assert_eq!(owner.ask(&cache, TTL).await, Some(1));
}

#[tokio::test]
async fn the_first_level_is_bounded_by_weight_and_its_index_with_it() {
    let (host, _) = host(1);
    let options = CacheOptions { weight: 1_000_000, ..CacheOptions::default() };
    let cache = Cache::<Vec<u8>>::builder("weight", host).options(options).weigh(Vec::len).open();
    for key in 0..10_000u64 {
        let fetch = || async { Ok(Loaded::value(vec![0; 1_000]).tagged("all")) };
        cache.get(&key.to_string(), fetch, TTL).await.unwrap();
    }
    assert!(cache.weight() <= 1_000_000, "{}", cache.weight());
    assert!((500..=750).contains(&cache.len()), "{}", cache.len());
    let all = madrigal_cache::Which::Tag("all");
    cache.invalidate(all, madrigal_cache::Change::Unknown).await.unwrap();
    assert_eq!((cache.weight(), cache.len()), (0, 0));
}

#[tokio::test]
async fn what_does_not_fit_is_loaded_each_time() {
    let (host, _) = host(1);
    let (cache, owner) = (Cache::builder("misfit", host).open(), Owner::default());
    let key = "k".repeat(CacheOptions::MAX_KEY + 1);
    for _ in 0..2 {
        let fetch = owner.clone();
        assert_eq!(cache.get(&key, move || async move { Ok(fetch.fetch()) }, TTL).await.unwrap().from, Source::Owner);
    }
    for _ in 0..2 {
        let fetch = owner.clone();
        let many = (0..=CacheOptions::MAX_TAGS).map(|tag| tag.to_string().into()).collect();
        let fetch = move || async move { Ok(Loaded { tags: many, ..fetch.fetch() }) };
        assert_eq!(cache.get("tags", fetch, TTL).await.unwrap().from, Source::Owner);
    }
    assert_eq!((owner.asked(), cache.len()), (4, 0));
}
