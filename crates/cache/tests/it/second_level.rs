//! What the port of the second level promises, held by the one in memory.

use std::time::Duration;

use bytes::Bytes;
use madrigal_cache::{Change, MemoryLevel, Pattern, SecondLevel, Stored, Which};
use madrigal_core::{Host, RowVersion};

use crate::owner::{host, to, version};

fn stored(host: &Host, version: Option<RowVersion>, tags: &[&str]) -> Stored {
    let now = host.now();
    Stored {
        version,
        value: Some(Bytes::from_static(b"value")),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        loaded_at: now,
        fresh_until: now.plus(Duration::from_secs(10)),
        keep_until: now.plus(Duration::from_secs(20)),
    }
}

fn level(host: &Host) -> MemoryLevel {
    MemoryLevel::new(host.clone(), 1_000_000, 1_000)
}

#[tokio::test]
async fn an_older_value_never_replaces_a_newer_one() {
    let (host, _) = host(1);
    let level = level(&host);
    let number = level.get("a").await.unwrap().number;
    assert!(level.put("a", number, stored(&host, Some(version(5)), &[])).await.unwrap());
    assert!(!level.put("a", number, stored(&host, Some(version(4)), &[])).await.unwrap());
    assert!(level.put("a", number, stored(&host, Some(version(5)), &[])).await.unwrap(), "the same again is fresher");
    assert_eq!(level.get("a").await.unwrap().stored.unwrap().version, Some(version(5)));
}

#[tokio::test]
async fn an_invalidation_speaks_against_what_was_loaded_before_it_and_against_older_versions() {
    let (host, _) = host(1);
    let level = level(&host);
    let before = level.get("a").await.unwrap().number;
    level.invalidate("a".into(), to(5)).await.unwrap();
    let after = level.get("a").await.unwrap().number;
    assert!(!level.put("a", after, stored(&host, Some(version(4)), &[])).await.unwrap());
    assert!(!level.put("a", before, stored(&host, None, &[])).await.unwrap());
    assert!(level.put("a", before, stored(&host, Some(version(5)), &[])).await.unwrap());
    level.invalidate(Which::Tag("t"), Change::Unknown).await.unwrap();
    assert!(!level.put("b", after, stored(&host, Some(version(9)), &["t"])).await.unwrap());
    level.invalidate(Which::Pattern(&Pattern::new("c*")), Change::Unknown).await.unwrap();
    assert!(!level.put("cd", after, stored(&host, Some(version(9)), &[])).await.unwrap());
    level.invalidate("e".into(), Change::Deleted).await.unwrap();
    let now = level.get("e").await.unwrap().number;
    assert!(!level.put("e", now, stored(&host, Some(version(9)), &[])).await.unwrap());
}

#[tokio::test]
async fn tags_and_patterns_remove_what_they_are_about() {
    let (host, _) = host(1);
    let level = level(&host);
    for (key, tags) in [("a:1", vec!["x"]), ("a:2", vec!["x", "y"]), ("a:3", vec!["y"]), ("b:1", vec![])] {
        assert!(level.put(key, 0, stored(&host, Some(version(3)), &tags)).await.unwrap());
    }
    level.invalidate(Which::Tag("x"), to(3)).await.unwrap();
    assert_eq!(level.scan("", None, 10).await.unwrap(), ["a:1", "a:2", "a:3", "b:1"], "the change is in them");
    level.invalidate(Which::Tag("x"), to(4)).await.unwrap();
    assert_eq!(level.scan("", None, 10).await.unwrap(), ["a:3", "b:1"]);
    level.invalidate(Which::Pattern(&Pattern::new("a:*")), Change::Unknown).await.unwrap();
    assert_eq!(level.scan("", None, 10).await.unwrap(), ["b:1"]);
}

#[tokio::test]
async fn keys_are_found_by_prefix_in_pages() {
    let (host, _) = host(1);
    let level = level(&host);
    for key in ["a", "b:1", "b:2", "b:3", "c"] {
        level.put(key, 0, stored(&host, None, &[])).await.unwrap();
    }
    assert_eq!(level.scan("b:", None, 2).await.unwrap(), ["b:1", "b:2"]);
    assert_eq!(level.scan("b:", Some("b:2"), 2).await.unwrap(), ["b:3"]);
}

#[tokio::test]
async fn it_keeps_nothing_longer_than_said_and_no_more_than_fits() {
    let (host, clock) = host(1);
    let level = MemoryLevel::new(host.clone(), 10_000, 10);
    level.put("a", 0, stored(&host, None, &[])).await.unwrap();
    clock.advance(Duration::from_secs(20));
    assert!(level.get("a").await.unwrap().stored.is_none());
    for key in 0..1_000 {
        level.put(&key.to_string(), 0, stored(&host, None, &["t"])).await.unwrap();
        level.put("again", 0, stored(&host, None, &[])).await.unwrap();
    }
    assert!(level.bytes() <= 10_000);
    assert!(level.get("999").await.unwrap().stored.is_some() && level.get("1").await.unwrap().stored.is_none());
}
