//! A crash after every step: the same call again ends it, once.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_contracts::payment::Payment;
use madrigal_core::{Fault, Host, LogEpoch, LogName, Position, StreamName};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
use madrigal_payment_service::provider::LedgerKind;
use madrigal_payment_service::{PaymentService, Sandbox, SandboxOptions};
use tokio::sync::Semaphore;

use crate::shop::{charge, kinds, memory, refund, sums};

/// A store that hangs at an append, before or after its effect: the process dies there.
struct Hanging {
    inner: DynEventStore,
    /// Appends that still pass.
    left: Semaphore,
    after_effect: bool,
}

impl Hanging {
    fn over(inner: DynEventStore, appends: usize, after_effect: bool) -> Arc<Self> {
        Arc::new(Self { inner, left: Semaphore::new(appends), after_effect })
    }
}

#[async_trait]
impl EventStore for Hanging {
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
        let passes = self.left.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok();
        if passes {
            return self.inner.append_many(appends).await;
        }
        if self.after_effect {
            self.inner.append_many(appends).await?;
        }
        std::future::pending().await
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

/// Where the process dies.
#[derive(Debug, Clone, Copy)]
struct Crash {
    /// Appends that pass in the service's store, and in the provider's.
    here: usize,
    there: usize,
    after_effect: bool,
}

/// Every place where a charge, or a charge and its refund, can be cut off.
fn crashes(appends: usize) -> impl Iterator<Item = Crash> {
    let ends = [false, true];
    let here = (0..appends).flat_map(move |here| ends.map(|after_effect| Crash { here, there: 99, after_effect }));
    let there =
        (0..appends / 2).flat_map(move |there| ends.map(|after_effect| Crash { here: 99, there, after_effect }));
    here.chain(there)
}

fn service(events: DynEventStore, ledger: DynEventStore) -> PaymentService {
    let sandbox = Sandbox::new(ledger, Host::system(), SandboxOptions::default());
    PaymentService::with(events, Arc::new(sandbox))
}

/// Runs `work` on stores that hang at the crash until it can go no further, and gives up on it there.
async fn until_it_hangs<F, W>(events: &DynEventStore, ledger: &DynEventStore, crash: Crash, work: F)
where
    F: FnOnce(PaymentService) -> W,
    W: Future<Output = ()>,
{
    let events = Hanging::over(Arc::clone(events), crash.here, crash.after_effect);
    let ledger = Hanging::over(Arc::clone(ledger), crash.there, crash.after_effect);
    let mut work = std::pin::pin!(work(service(events, ledger)));
    // Stores in memory never wait for anything else, so a few polls bring it to where it hangs.
    for _ in 0..100 {
        assert!(futures::poll!(work.as_mut()).is_pending(), "{crash:?} did not strike");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_charge_cut_off_anywhere_is_ended_by_the_same_call_again() {
    for crash in crashes(2) {
        let (events, ledger) = (memory("payment"), memory("provider"));
        until_it_hangs(&events, &ledger, crash, |service| async move {
            let _ = charge(&service, "s-1", 100, "tok_visa").await;
        })
        .await;
        let reopened = service(events, ledger);
        let paid = charge(&reopened, "s-1", 100, "tok_visa").await.unwrap();
        assert!(matches!(paid, Payment::Paid { .. }), "{crash:?}: {paid:?}");
        let books = reopened.queries().ledger(0, 10).await.unwrap();
        assert_eq!(kinds(&books.entries), [LedgerKind::Charged], "{crash:?}");
    }
}

#[tokio::test]
async fn a_charge_cut_off_anywhere_can_be_undone() {
    for crash in crashes(2) {
        let (events, ledger) = (memory("payment"), memory("provider"));
        until_it_hangs(&events, &ledger, crash, |service| async move {
            let _ = charge(&service, "s-1", 100, "tok_visa").await;
        })
        .await;
        let reopened = service(events, ledger);
        let undone = refund(&reopened, "s-1").await.unwrap();
        assert_eq!(refund(&reopened, "s-1").await.unwrap(), undone);
        assert_eq!(charge(&reopened, "s-1", 100, "tok_visa").await.unwrap(), Payment::Voided);
        let books = reopened.queries().ledger(0, 10).await.unwrap();
        let (charged, refunded) = sums(&books);
        assert_eq!((charged, undone.nothing_to_undo), (refunded, charged == 0), "{crash:?}");
    }
}

#[tokio::test]
async fn a_refund_cut_off_anywhere_is_ended_by_the_same_call_again() {
    for crash in crashes(4).filter(|crash| crash.here >= 2 && crash.there >= 1) {
        let (events, ledger) = (memory("payment"), memory("provider"));
        until_it_hangs(&events, &ledger, crash, |service| async move {
            charge(&service, "s-1", 100, "tok_visa").await.unwrap();
            let _ = refund(&service, "s-1").await;
        })
        .await;
        let reopened = service(events, ledger);
        assert!(!refund(&reopened, "s-1").await.unwrap().nothing_to_undo, "{crash:?}");
        let books = reopened.queries().ledger(0, 10).await.unwrap();
        assert_eq!(kinds(&books.entries), [LedgerKind::Charged, LedgerKind::Refunded], "{crash:?}");
    }
}

#[tokio::test]
async fn a_dropped_caller_leaves_nothing_that_the_next_one_cannot_end() {
    // On real journals: the append that the dropped caller began may become durable while the next one decides.
    let shop = crate::shop::Shop::open().await;
    for polls in 0..12 {
        let saga = format!("s-{polls}");
        {
            let mut dropped = std::pin::pin!(shop.charge(&saga, 100, "tok_visa"));
            for _ in 0..polls {
                if futures::poll!(dropped.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        if polls % 2 == 0 {
            let paid = shop.charge(&saga, 100, "tok_visa").await.unwrap();
            assert!(matches!(paid, Payment::Paid { .. }), "{paid:?}");
        } else {
            shop.refund(&saga).await.unwrap();
            assert_eq!(shop.charge(&saga, 100, "tok_visa").await.unwrap(), Payment::Voided);
        }
    }
    let (charged, refunded) = sums(&shop.ledger().await);
    assert_eq!(charged - refunded, 600);
}
