//! A payment-service in a temporary directory, and what the tests ask of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use madrigal_contracts::catalog::Undone;
use madrigal_contracts::payment::{ChargePayment, Payment, RefundPayment};
use madrigal_core::{CallContext, Currency, Fault, Host, LogName, Money};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_http::calls::Neighbour;
use madrigal_payment_service::provider::{LedgerEntry, LedgerKind, LedgerPage};
use madrigal_payment_service::{
    Charge, GivenBack, PaymentConfig, PaymentProvider, PaymentService, ProviderError, Sandbox, SandboxOptions,
};
use tempfile::TempDir;

/// A service that can be closed and opened again.
pub(crate) struct Shop {
    pub(crate) service: PaymentService,
    pub(crate) host: Host,
    dir: TempDir,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (dir, host) = (tempfile::tempdir().unwrap(), Host::system());
        let service = PaymentService::open(PaymentConfig::in_dir(dir.path()), host.clone()).await.unwrap();
        Self { service, host, dir }
    }

    /// Closes the service and opens it again on what is on disk.
    pub(crate) async fn reopen(self) -> Self {
        let Self { service, host, dir } = self;
        drop(service);
        let service = PaymentService::open(PaymentConfig::in_dir(dir.path()), host.clone()).await.unwrap();
        Self { service, host, dir }
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) async fn charge(&self, saga: &str, amount: i64, token: &str) -> Result<Payment, Fault> {
        charge(&self.service, saga, amount, token).await
    }

    pub(crate) async fn refund(&self, saga: &str) -> Result<Undone, Fault> {
        refund(&self.service, saga).await
    }

    /// The provider's ledger, as the books see it.
    pub(crate) async fn ledger(&self) -> LedgerPage {
        self.service.queries().ledger(0, 1_000).await.unwrap()
    }
}

pub(crate) async fn charge(service: &PaymentService, saga: &str, amount: i64, token: &str) -> Result<Payment, Fault> {
    let call = ChargePayment {
        saga_id: saga.to_owned(),
        order_id: format!("order-of-{saga}"),
        amount: euros(amount),
        token: token.to_owned(),
    };
    let context = CallContext::new(&Host::system());
    Neighbour::in_process(service.calls()).call(&context, call).await
}

pub(crate) async fn refund(service: &PaymentService, saga: &str) -> Result<Undone, Fault> {
    let context = CallContext::new(&Host::system());
    Neighbour::in_process(service.calls()).call(&context, RefundPayment { saga_id: saga.to_owned() }).await
}

pub(crate) fn euros(amount: i64) -> Money {
    Money { amount, currency: Currency::EUR }
}

pub(crate) fn kinds(entries: &[LedgerEntry]) -> Vec<LedgerKind> {
    entries.iter().map(|entry| entry.kind).collect()
}

/// Charged and refunded, in minor units.
pub(crate) fn sums(page: &LedgerPage) -> (i128, i128) {
    page.totals.iter().fold((0, 0), |(charged, refunded), sum| (charged + sum.charged, refunded + sum.refunded))
}

/// A sandbox on memory that counts its calls, and breaks where it is told to.
pub(crate) struct Watched {
    sandbox: Sandbox,
    pub(crate) calls: AtomicUsize,
    at_once: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    /// So many answers are lost on the way back, after the effect.
    pub(crate) lose_answers: AtomicUsize,
    /// So many calls are refused before the effect.
    pub(crate) refuse: AtomicUsize,
}

impl Watched {
    pub(crate) fn new() -> Arc<Self> {
        let host = Host::system();
        let sandbox = Sandbox::new(memory("provider"), host, SandboxOptions::default());
        Arc::new(Self {
            sandbox,
            calls: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            lose_answers: AtomicUsize::new(0),
            refuse: AtomicUsize::new(0),
        })
    }

    async fn watch<T>(&self, work: impl Future<Output = Result<T, ProviderError>>) -> Result<T, ProviderError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        // Room for somebody else to come in between, if anything lets them.
        tokio::task::yield_now().await;
        let answer = if take(&self.refuse) { Err(ProviderError::Unavailable) } else { work.await };
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if answer.is_ok() && take(&self.lose_answers) { Err(ProviderError::TimedOut) } else { answer }
    }
}

fn take(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl PaymentProvider for Watched {
    async fn charge(&self, key: &str, amount: Money, token: &str) -> Result<Charge, ProviderError> {
        self.watch(self.sandbox.charge(key, amount, token)).await
    }

    async fn refund(&self, key: &str) -> Result<GivenBack, ProviderError> {
        self.watch(self.sandbox.refund(key)).await
    }

    async fn ledger(&self, after: u64, limit: usize) -> Result<LedgerPage, ProviderError> {
        self.sandbox.ledger(after, limit).await
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        self.sandbox.ping().await
    }
}

pub(crate) fn memory(log: &str) -> DynEventStore {
    Arc::new(MemoryEventStore::new(LogName::parse(log).unwrap(), &Host::system()))
}
