//! A desk on a store of the test's choice.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_catalog_service::commands::{Command, DeskOptions, ProductChange, ProductListener, Reply, StockDesk};
use madrigal_catalog_service::domain::{
    Details, Price, Product, ProductId, ProductStatus, ReleaseCause, SagaKey, Stock,
};
use madrigal_catalog_service::store::Loader;
use madrigal_core::{
    BasisPoints, CallContext, Currency, Fault, Host, LogEpoch, LogName, Position, StreamName, StreamVersion,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, LogRead, MemoryEventStore, ReadError, SnapshotStore,
    StreamAppend, StreamRead, StreamSlice, WaitError,
};

pub(crate) fn memory_store(host: &Host) -> Arc<MemoryEventStore> {
    Arc::new(MemoryEventStore::new(LogName::parse("catalog").unwrap(), host))
}

pub(crate) fn id(text: &str) -> ProductId {
    ProductId::parse(text).unwrap()
}

pub(crate) fn saga(text: &str) -> SagaKey {
    SagaKey::parse(text).unwrap()
}

pub(crate) fn details(name: &str) -> Details {
    Details {
        name: name.into(),
        description: String::new(),
        category: vec![],
        attributes: vec![],
        tags: vec![],
        brand: None,
        status: ProductStatus::Active,
    }
}

pub(crate) fn price(amount: i64) -> Price {
    Price { amount, currency: Currency::EUR, discount: BasisPoints::ZERO }
}

struct Deaf;

impl ProductListener for Deaf {
    fn changed(&self, _: &ProductId, _: &Arc<Product>, _: StreamVersion, _: Position) {}
}

#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) desk: StockDesk,
    pub(crate) loader: Loader,
    host: Host,
}

impl Desk {
    pub(crate) fn on(store: DynEventStore, host: &Host) -> Self {
        Self::with(store, host, DeskOptions::default())
    }

    pub(crate) fn with(store: DynEventStore, host: &Host, options: DeskOptions) -> Self {
        Self::with_snapshots(store, host, options, None)
    }

    pub(crate) fn with_snapshots(
        store: DynEventStore,
        host: &Host,
        options: DeskOptions,
        snapshots: Option<Arc<dyn SnapshotStore>>,
    ) -> Self {
        let loader = Loader::new(Arc::clone(&store), snapshots);
        let desk = StockDesk::start(store, loader.clone(), Arc::new(Deaf), host.clone(), options);
        Self { desk, loader, host: host.clone() }
    }

    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Fault> {
        self.desk.ask(CallContext::new(&self.host), command).await
    }

    pub(crate) async fn create(&self, product: &str, stock: i64) -> Reply {
        let change = ProductChange::Create { details: details(product), price: price(100), initial_stock: stock };
        self.ask(Command::ChangeProduct { product: id(product), change }).await.unwrap()
    }

    pub(crate) async fn reserve(&self, saga_id: &str, lines: &[(&str, u32)]) -> Reply {
        self.ask(reserve(saga_id, lines)).await.unwrap()
    }

    pub(crate) async fn release(&self, saga_id: &str) -> Reply {
        self.ask(Command::Release { saga: saga(saga_id), cause: ReleaseCause::Undone }).await.unwrap()
    }

    pub(crate) async fn confirm(&self, saga_id: &str) -> Reply {
        self.ask(Command::Confirm { saga: saga(saga_id) }).await.unwrap()
    }

    pub(crate) async fn take_back(&self, saga_id: &str) -> Reply {
        self.ask(Command::TakeBack { saga: saga(saga_id) }).await.unwrap()
    }

    pub(crate) async fn change(&self, product: &str, change: i64) -> Reply {
        let command = Command::ChangeStock { product: id(product), change, reason: "test".into() };
        self.ask(command).await.unwrap()
    }

    /// The stock as its stream tells it.
    pub(crate) async fn stock(&self, product: &str) -> Stock {
        self.loader.shelf(&id(product)).await.unwrap().stock
    }
}

pub(crate) fn reserve(saga_id: &str, lines: &[(&str, u32)]) -> Command {
    Command::Reserve {
        saga: saga(saga_id),
        order_id: format!("order-of-{saga_id}"),
        lines: lines.iter().map(|(product, quantity)| ((*product).to_owned(), *quantity)).collect(),
    }
}

/// What the next append of a [`Troubled`] store does.
pub(crate) const FINE: u8 = 0;
/// Fails without effect.
pub(crate) const REFUSES: u8 = 1;
/// Has its effect, and its answer is lost.
pub(crate) const LOSES_ANSWER: u8 = 2;
/// Has its effect at [`Troubled::land`] at the earliest; nobody knows.
pub(crate) const IS_LATE: u8 = 3;
/// Arrives twice; the answer is that of the second time.
pub(crate) const ARRIVES_TWICE: u8 = 4;

/// A store whose next append goes wrong on demand.
pub(crate) struct Troubled {
    inner: Arc<MemoryEventStore>,
    next: AtomicU8,
    late: Mutex<Vec<Vec<StreamAppend>>>,
    blind: AtomicBool,
    events_read: AtomicUsize,
}

impl Troubled {
    pub(crate) fn new(host: &Host) -> Arc<Self> {
        Arc::new(Self {
            inner: memory_store(host),
            next: AtomicU8::new(FINE),
            late: Mutex::default(),
            blind: AtomicBool::new(false),
            events_read: AtomicUsize::new(0),
        })
    }

    /// What was late arrives; whether the store takes it is its own affair.
    pub(crate) async fn land(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for appends in late {
            let _ = self.inner.append_many(appends).await;
        }
    }

    /// Whether streams cannot be read from now on.
    pub(crate) fn be_blind(&self, blind: bool) {
        self.blind.store(blind, Ordering::SeqCst);
    }

    /// How many events of streams were read since this was last asked.
    pub(crate) fn events_read(&self) -> usize {
        self.events_read.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn next_append(&self, what: u8) {
        self.next.store(what, Ordering::SeqCst);
    }
}

#[async_trait]
impl EventStore for Troubled {
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
        match self.next.swap(FINE, Ordering::SeqCst) {
            REFUSES => Err(Fault::not_applied("test", "append", "refused").into()),
            LOSES_ANSWER => {
                self.inner.append_many(appends).await?;
                Err(Fault::unknown("test", "append", "lost").into())
            }
            IS_LATE => {
                self.late.lock().unwrap().push(appends);
                Err(Fault::unknown("test", "append", "late").into())
            }
            ARRIVES_TWICE => {
                self.inner.append_many(appends.clone()).await?;
                self.inner.append_many(appends).await
            }
            _ => self.inner.append_many(appends).await,
        }
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        if self.blind.load(Ordering::SeqCst) {
            return Err(Fault::not_applied("test", "read", "blind"));
        }
        let slice = self.inner.read_stream(stream, read).await?;
        self.events_read.fetch_add(slice.events.len(), Ordering::SeqCst);
        Ok(slice)
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.inner.read_log(after, limit).await
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        self.inner.wait_beyond(position, limit).await
    }
}
