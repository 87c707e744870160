use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use madrigal_core::{
    BasisPoints, Currency, LogEpoch, LogName, Money, PersonId, PersonKey, Position, Sealed, StreamName,
};
use madrigal_event_store::{
    Appended, EventStore, LogRead, MemoryEventStore, ReadError, StreamAppend, StreamRead, StreamSlice, WaitError,
};
use madrigal_saga::{MemoryDirectory, SagaOptions};

use super::*;
use crate::aggregates::order;
use crate::events::{Customer, OrderCreated, OrderEvent};

/// A store whose last event counts already, and can be read only once somebody has waited for it.
struct NotDurableYet {
    inner: DynEventStore,
    durable: AtomicBool,
}

#[async_trait]
impl EventStore for NotDurableYet {
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
        self.inner.append_many(appends).await
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let mut slice = self.inner.read_stream(stream, read).await?;
        if !self.durable.load(Ordering::SeqCst) {
            slice.version = StreamVersion(slice.version.0 - 1);
            slice.events.retain(|event| event.version() <= slice.version);
        }
        Ok(slice)
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.inner.read_log(after, limit).await
    }

    async fn wait_beyond(&self, _position: Position, _limit: Duration) -> Result<Position, WaitError> {
        self.durable.store(true, Ordering::SeqCst);
        Ok(self.inner.end())
    }
}

fn line(product_id: &str) -> crate::events::OrderItem {
    let price = Money { amount: 100, currency: Currency::EUR };
    order::item(product_id.to_owned(), product_id.to_uppercase(), price, BasisPoints::ZERO, 1)
}

#[tokio::test]
async fn a_change_that_lost_against_one_that_is_not_durable_yet_is_decided_again_on_it() {
    let host = Host::seeded(1);
    let inner: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
    let customer = Customer { name: "Anna".into(), email: "anna@example.org".into(), shipping_address: None };
    let created = OrderEvent::Created(OrderCreated {
        order_id: "o-1".into(),
        user_id: PersonId(7),
        customer: Sealed::seal(&host, PersonId(7), &PersonKey::generate(&host), &customer).unwrap(),
        items: vec![line("a")],
        currency: Currency::EUR,
        summary: order::totals(&[line("a")], Currency::EUR).unwrap(),
        draft: true,
        saga_id: None,
        fingerprint: None,
    });
    let draft = Order::evolve(None, &created).unwrap();
    let context = CallContext::new(&host);
    let history = [created].into_iter().chain(draft.decide(OrderCommand::AddItem(line("b"))).unwrap());
    let events = history.map(|event| event.encode(EventId::new(&host), &context).unwrap()).collect();
    inner.append(order_stream("o-1").unwrap(), ExpectedVersion::NoStream, events).await.unwrap();

    let store: DynEventStore = Arc::new(NotDurableYet { inner, durable: AtomicBool::new(false) });
    let directory = Arc::new(MemoryDirectory::new(store.clone()));
    let engine = SagaEngine::new(store.clone(), Vec::new(), directory, host.clone(), SagaOptions::default());
    let changes = OrderChanges::new(store, engine, host);
    let remove = OrderCommand::RemoveItem { product_id: "b".to_owned() };
    let stale = changes.execute("o-1", Some(StreamVersion(1)), &OrderCommand::AddItem(line("c")), &context).await;
    assert!(matches!(stale, Err(ChangeError::WrongVersion(StreamVersion(2)))), "{stale:?}");
    let (version, _) = changes.execute("o-1", None, &remove, &context).await.unwrap();
    assert_eq!(version, StreamVersion(3));
}
