//! The share of what is cached that is right.

use std::time::Duration;

use madrigal_cache::{Cache, Inspection, Loaded};

use crate::owner::{broken, host, to, version};

const TTL: Duration = Duration::from_secs(60);

async fn filled() -> Cache<u64> {
    let cache = Cache::builder("inspected", host(1).0).open();
    for row in 0..100u64 {
        let fetch = move || async move { Ok(Loaded::versioned(version(row), row)) };
        cache.get(&format!("row:{row:03}"), fetch, TTL).await.unwrap();
    }
    cache
}

fn number(key: &str) -> u64 {
    key.trim_start_matches("row:").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn wrong_entries_are_named_and_the_share_of_right_ones_is_told() {
    let cache = filled().await;
    let changed = |row: u64| if row % 25 == 7 { row + 1_000 } else { row };
    let found = cache
        .inspect(1_000, TTL / 1_000, |key| async move {
            let row = changed(number(&key));
            Ok(Loaded::versioned(version(row), row))
        })
        .await;
    let mut wrong: Vec<_> = found.wrong.iter().map(|wrong| (wrong.key.to_string(), wrong.owner)).collect();
    wrong.sort();
    let named = |row: u64| (format!("row:{row:03}"), Some(version(row + 1_000)));
    assert_eq!(wrong, [7, 32, 57, 82].map(named));
    assert_eq!((found.compared, found.right, found.share_right()), (100, 96, 0.96));
    assert_eq!(cache.stats().loads, 100, "looking loads nothing");
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_is_under_way_is_no_error() {
    let cache = filled().await;
    let telling = cache.clone();
    let found = cache
        .inspect(100, TTL / 1_000, move |key| {
            let telling = telling.clone();
            async move {
                let row = number(&key);
                if row != 7 {
                    return Ok(Loaded::value(row));
                }
                // The owner has committed; the writer tells the cache a moment later.
                let answer = Loaded::value(1_007);
                telling.invalidate(&*key, to(1_007)).await.unwrap();
                Ok(answer)
            }
        })
        .await;
    assert_eq!(found, Inspection { compared: 99, right: 99, moved: 1, ..Inspection::default() });
}

#[tokio::test(start_paused = true)]
async fn a_sample_is_no_larger_than_asked_for_and_an_owner_that_fails_proves_nothing() {
    let cache = filled().await;
    let found = cache.inspect(10, TTL / 1_000, |_| async { Err(broken()) }).await;
    assert_eq!(found, Inspection { unanswered: 10, ..Inspection::default() });
    assert!((found.share_right() - 1.0).abs() < f64::EPSILON);
}
