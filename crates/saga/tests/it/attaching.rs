//! Attaching to the saga of an earlier request: finds it, and never starts one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use madrigal_core::tasks;
use madrigal_core::{Fault, Fingerprint, Host, LogEpoch, LogName, Position, StreamName};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, MemoryEventStore, ReadError, StreamAppend, StreamRead,
    StreamSlice, WaitError,
};
use madrigal_saga::{SagaId, SagaOptions, StartError};
use tokio::sync::Semaphore;

use crate::shop::{LONG, Shop};

#[tokio::test]
async fn a_request_finds_its_saga_and_no_other_request_s() {
    let mut shop = Shop::new();
    let (same, other) = (Fingerprint::of(b"body"), Fingerprint::of(b"other"));
    let id = SagaId::derive("42", "place-order", "a");
    assert!(!shop.engine.attach(&id, &same).await.unwrap(), "nothing was started");
    shop.start("a").await;
    for place in ["running", "ended", "in the log only"] {
        assert!(shop.engine.attach(&id, &same).await.unwrap(), "{place}");
        assert!(matches!(shop.engine.attach(&id, &other).await, Err(StartError::OtherRequest)), "{place}");
        shop.engine.settled(&id, LONG).await.unwrap();
        if place == "ended" {
            shop.restart(SagaOptions::default());
        }
    }
}

#[tokio::test]
async fn attaching_to_a_start_that_fails_starts_nothing() {
    let host = Host::seeded(7);
    let inner: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
    let store = Arc::new(Refusing { inner, turn: Semaphore::new(0), waiting: AtomicBool::new(false) });
    let shop = Arc::new(Shop::on(store.clone(), host, SagaOptions::default()));
    let id = SagaId::derive("42", "place-order", "a");
    let starting = Arc::clone(&shop);
    let starting = tasks::spawn("start", async move { starting.engine.start(starting.request(id)).await });
    while !store.waiting.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    let same = Fingerprint::of(b"body");
    let mut attaching = std::pin::pin!(shop.engine.attach(&id, &same));
    assert!(futures::poll!(attaching.as_mut()).is_pending(), "whether it is there is not known yet");
    store.turn.add_permits(1);
    assert!(matches!(starting.await.unwrap(), Err(StartError::Fault(_))));
    assert!(attaching.await.is_err());
    assert_eq!((shop.engine.in_flight(), shop.record_types(id).await.len()), (0, 0));
    assert!(!shop.engine.attach(&id, &same).await.unwrap(), "the key is free again");
}

/// A store that refuses its first append, when it is told to, and takes the others.
struct Refusing {
    inner: DynEventStore,
    turn: Semaphore,
    waiting: AtomicBool,
}

#[async_trait]
impl EventStore for Refusing {
    fn log(&self) -> &LogName {
        self.inner.log()
    }

    fn epoch(&self) -> LogEpoch {
        self.inner.epoch()
    }

    fn end(&self) -> Position {
        self.inner.end()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        if !self.waiting.swap(true, Ordering::SeqCst) {
            self.turn.acquire().await.unwrap().forget();
            return Err(Fault::permanent("refusing", "append", "no room").into());
        }
        self.inner.append_many(appends).await
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        self.inner.read_stream(stream, read).await
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.inner.read_log(after, limit).await
    }

    async fn wait_beyond(&self, position: Position, limit: std::time::Duration) -> Result<Position, WaitError> {
        self.inner.wait_beyond(position, limit).await
    }
}
