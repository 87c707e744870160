//! An invalidation during a load wins, however the two are interleaved.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cache::{Cache, CacheOptions, Change, Loaded, MemoryLevel, Pattern, SecondLevel, Seen, Stored, Which};
use madrigal_core::{Fault, Host, tasks};

use crate::owner::{Owner, host, to, version};

const TRIALS: u64 = 10_000;
const TTL: Duration = Duration::from_secs(3_600);

/// Something that is polled again and again.
type Actor = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A cache as these tests know it: the real one, and worse ones.
trait Subject: Clone + Send + Sync + 'static {
    fn get(&self, read: impl FnOnce() -> Reading + Send + 'static) -> impl Future<Output = u64> + Send;
    fn invalidate(&self, how: How, version: u64) -> impl Future<Output = ()> + Send;
}

type Reading = Pin<Box<dyn Future<Output = u64> + Send>>;

/// What the writer says.
#[derive(Debug, Clone, Copy)]
enum How {
    Version,
    Unknown,
    Tag,
    Pattern,
}

#[derive(Clone)]
struct Real(Cache<u64>);

impl Subject for Real {
    async fn get(&self, read: impl FnOnce() -> Reading + Send + 'static) -> u64 {
        let fetch = move || async move {
            let row = read().await;
            Ok(Loaded::versioned(version(row), row).tagged("rows"))
        };
        *self.0.get("row", fetch, TTL).await.unwrap().value.unwrap()
    }

    async fn invalidate(&self, how: How, version: u64) {
        let told = match how {
            How::Version => self.0.invalidate("row", to(version)).await,
            How::Unknown => self.0.invalidate("row", Change::Unknown).await,
            How::Tag => self.0.invalidate(Which::Tag("rows"), Change::Unknown).await,
            How::Pattern => self.0.invalidate(&Pattern::new("r*"), Change::Unknown).await,
        };
        told.unwrap();
    }
}

/// The same without versions.
#[derive(Clone)]
struct Unversioned(Cache<u64>);

impl Subject for Unversioned {
    async fn get(&self, read: impl FnOnce() -> Reading + Send + 'static) -> u64 {
        let fetch = move || async move { Ok(Loaded::value(read().await).tagged("rows")) };
        *self.0.get("row", fetch, TTL).await.unwrap().value.unwrap()
    }

    async fn invalidate(&self, how: How, version: u64) {
        Real(self.0.clone()).invalidate(how, version).await;
    }
}

/// What a cache library gives by itself.
#[derive(Clone)]
struct PlainGetWith(moka::future::Cache<&'static str, u64>);

impl Subject for PlainGetWith {
    async fn get(&self, read: impl FnOnce() -> Reading + Send + 'static) -> u64 {
        self.0.get_with("row", async move { read().await }).await
    }

    async fn invalidate(&self, _: How, _: u64) {
        self.0.invalidate("row").await;
    }
}

/// Looks, loads, and puts what it loaded.
#[derive(Clone)]
struct CacheAside(moka::sync::Cache<&'static str, u64>);

impl Subject for CacheAside {
    async fn get(&self, read: impl FnOnce() -> Reading + Send + 'static) -> u64 {
        if let Some(found) = self.0.get("row") {
            return found;
        }
        let row = read().await;
        self.0.insert("row", row);
        row
    }

    async fn invalidate(&self, _: How, _: u64) {
        self.0.invalidate("row");
    }
}

/// A second level that others get a turn before and after.
#[derive(Clone)]
struct Slow(MemoryLevel);

#[async_trait]
impl SecondLevel for Slow {
    async fn get(&self, key: &str) -> Result<Seen, Fault> {
        step().await;
        let seen = self.0.get(key).await;
        step().await;
        seen
    }

    async fn put(&self, key: &str, number: u64, stored: Stored) -> Result<bool, Fault> {
        step().await;
        let put = self.0.put(key, number, stored).await;
        step().await;
        put
    }

    async fn invalidate(&self, which: Which<'_>, change: Change) -> Result<(), Fault> {
        step().await;
        let told = self.0.invalidate(which, change).await;
        step().await;
        told
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        self.0.scan(prefix, after, limit).await
    }
}

/// Lets others have a turn once.
async fn step() {
    let mut stepped = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut stepped, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Reads the owner with turns for others before and after.
fn reading(owner: &Owner) -> impl FnOnce() -> Reading + Send + 'static {
    let owner = owner.clone();
    move || {
        Box::pin(async move {
            step().await;
            let row = owner.read();
            step().await;
            step().await;
            row
        })
    }
}

/// Polls the actors in an order that the seed decides, until all are done.
async fn interleave(host: &Host, mut actors: Vec<Actor>) {
    let mut context = Context::from_waker(Waker::noop());
    let mut turns = 0;
    while !actors.is_empty() {
        let chosen = usize::try_from(host.random_u64() % actors.len() as u64).unwrap();
        if actors[chosen].as_mut().poll(&mut context).is_ready() {
            drop(actors.swap_remove(chosen));
        }
        turns += 1;
        assert!(turns < 100_000, "nobody gets on");
        if turns % 32 == 0 {
            // The runtime's own patience with one task is bounded.
            tokio::task::yield_now().await;
        }
    }
}

/// Readers, one of whom may go away, against a writer; how many of the later reads were stale.
async fn trial<S: Subject>(subject: &S, owner: &Owner, host: &Host, how: How) -> u64 {
    // Nothing is there at first, so that there is something to load while the writer is at work.
    let mut clearing = Box::pin(subject.invalidate(How::Unknown, owner.read()));
    while futures::poll!(clearing.as_mut()).is_pending() {}
    drop(clearing);
    let told = Arc::new(AtomicBool::new(false));
    let stale = Arc::new(AtomicU64::new(0));
    let mut actors: Vec<Actor> = Vec::new();
    for _ in 0..1 + host.random_u64() % 3 {
        let (subject, owner, told, stale) = (subject.clone(), owner.clone(), Arc::clone(&told), Arc::clone(&stale));
        let late = host.random_u64() % 8;
        actors.push(Box::pin(async move {
            for _ in 0..late {
                step().await;
            }
            let (after_the_writer, current) = (told.load(Ordering::SeqCst), owner.read());
            let row = subject.get(reading(&owner)).await;
            // Who asks after the writer was answered never sees what was before.
            if after_the_writer && row < current {
                stale.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    {
        let (subject, owner, told) = (subject.clone(), owner.clone(), Arc::clone(&told));
        let late = host.random_u64() % 6;
        actors.push(Box::pin(async move {
            for _ in 0..late {
                step().await;
            }
            let version = owner.commit();
            subject.invalidate(how, version).await;
            told.store(true, Ordering::SeqCst);
        }));
    }
    if host.random_u64().is_multiple_of(4) {
        // Somebody who gives up in the middle.
        let (subject, owner, patience) = (subject.clone(), owner.clone(), host.random_u64() % 4);
        actors.push(Box::pin(async move {
            let asking = subject.get(reading(&owner));
            let mut asking = std::pin::pin!(asking);
            for _ in 0..patience {
                if futures::poll!(asking.as_mut()).is_ready() {
                    return;
                }
                step().await;
            }
        }));
    }
    interleave(host, actors).await;
    // Afterwards, whoever asks gets what the owner has.
    let mut asking = Box::pin(subject.get(reading(owner)));
    let row = loop {
        if let Poll::Ready(row) = futures::poll!(asking.as_mut()) {
            break row;
        }
    };
    stale.load(Ordering::SeqCst) + u64::from(row != owner.read())
}

fn how(number: u64) -> How {
    [How::Version, How::Unknown, How::Tag, How::Pattern][usize::try_from(number % 4).unwrap()]
}

#[tokio::test]
async fn ten_thousand_invalidations_during_a_load_leave_nothing_stale() {
    let (host, _) = host(1);
    let (cache, owner) = (Cache::builder("race", host.clone()).open(), Owner::default());
    let bare = Cache::builder("bare", host.clone()).open();
    for number in 0..TRIALS {
        assert_eq!(trial(&Real(cache.clone()), &owner, &host, how(number)).await, 0, "trial {number}");
        assert_eq!(trial(&Unversioned(bare.clone()), &owner, &host, how(number)).await, 0, "unversioned {number}");
    }
    let stats = cache.stats();
    assert!(stats.refused > TRIALS / 10 && stats.joined > TRIALS / 10, "the trials did race: {stats:?}");
}

#[tokio::test]
async fn ten_thousand_more_through_a_second_level_leave_nothing_stale_there_either() {
    let (host, _) = host(2);
    let level = Slow(MemoryLevel::new(host.clone(), 1 << 20, 100));
    let open = |name| Cache::builder(name, host.clone()).second(Arc::new(level.clone())).open();
    let (cache, owner) = (open("race-two"), Owner::default());
    for number in 0..TRIALS {
        assert_eq!(trial(&Real(cache.clone()), &owner, &host, how(number)).await, 0, "trial {number}");
        // Another process has only the second level to go by.
        let other = Real(open("race-other"));
        let mut asking = Box::pin(other.get(reading(&owner)));
        let row = loop {
            if let Poll::Ready(row) = futures::poll!(asking.as_mut()) {
                break row;
            }
        };
        assert_eq!(row, owner.read(), "trial {number}, as another process sees it");
    }
    assert!(cache.stats().refused > TRIALS / 20, "the trials did race: {:?}", cache.stats());
}

#[tokio::test]
async fn what_libraries_give_by_themselves_does_not_hold() {
    let (host, _) = host(3);
    let (plain, aside) = (PlainGetWith(moka::future::Cache::new(10)), CacheAside(moka::sync::Cache::new(10)));
    let (owner, mut stale) = (Owner::default(), (0, 0));
    for number in 0..500 {
        stale.0 += trial(&plain, &owner, &host, how(number)).await;
        stale.1 += trial(&aside, &owner, &host, how(number)).await;
    }
    assert!(stale.0 > 50 && stale.1 > 50, "these tests would find it: {stale:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_invalidations_by_other_threads_leave_nothing_stale() {
    let options = CacheOptions { remembered: 4, ..CacheOptions::default() };
    let (cache, owner) = (Cache::builder("threads", Host::seeded(4)).options(options).open(), Owner::default());
    for number in 0..TRIALS {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (cache, owner) = (Real(cache.clone()), owner.clone());
                tasks::spawn("reader", async move {
                    let read = move || -> Reading {
                        Box::pin(async move {
                            let row = owner.read();
                            tokio::task::yield_now().await;
                            row
                        })
                    };
                    cache.get(read).await
                })
            })
            .collect();
        let (writing, written) = (Real(cache.clone()), owner.clone());
        let writer = tasks::spawn("writer", async move {
            tokio::task::yield_now().await;
            let version = written.commit();
            writing.invalidate(how(number), version).await;
        });
        writer.await.unwrap();
        let (current, read) = (owner.read(), owner.clone());
        // Readers of before may still be at work: what they bring late must not count.
        let row = Real(cache.clone()).get(move || Box::pin(async move { read.read() })).await;
        assert_eq!(row, current, "trial {number}");
        for reader in readers {
            reader.await.unwrap();
        }
        assert!(cache.peek("row").is_none_or(|found| *found.value.unwrap() == current), "trial {number}, afterwards");
    }
}
