//! Loading state from this service's own event store.

use std::sync::Arc;

use futures::StreamExt;
use madrigal_core::{Fault, JsonBytes, StreamName, StreamVersion};
use madrigal_event_store::{DynEventStore, Snapshot, SnapshotStore, StreamRead};

use crate::commands::{Fulfilled, Shelf, Slip};
use crate::domain::{
    Product, ProductEvent, ProductId, Request, RequestKey, Reservation, ReservationEvent, SagaKey, Stock, StockEvent,
};

/// Identifies the form of a stock's snapshot: change it whenever [`Stock`] changes.
const STOCK_FORM: u64 = 0x7374_6f63_6b00_0001;
/// How many streams are read at the same time.
const READS_AT_ONCE: usize = 32;

/// Reads products, stocks and reservations from their streams; stocks by way of snapshots, where there are any.
#[derive(Clone)]
pub struct Loader {
    store: DynEventStore,
    snapshots: Option<Arc<dyn SnapshotStore>>,
}

impl Loader {
    /// A loader on these.
    pub fn new(store: DynEventStore, snapshots: Option<Arc<dyn SnapshotStore>>) -> Self {
        Self { store, snapshots }
    }

    /// A product alone; `None` where there never was one.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or an event cannot be read.
    pub async fn product(&self, id: &ProductId) -> Result<(Option<Product>, StreamVersion), Fault> {
        let mut product = None;
        let version = self
            .fold(&id.product_stream(), StreamVersion::NONE, |event| {
                product = Product::evolve(product.take(), &ProductEvent::read(event)?);
                Ok(())
            })
            .await?;
        Ok((product, version))
    }

    /// A product and its stock.
    ///
    /// # Errors
    /// As [`Loader::product`]; also if the history of the stock does not balance.
    pub async fn shelf(&self, id: &ProductId) -> Result<Shelf, Fault> {
        let (product, product_version) = self.product(id).await?;
        let stream = id.stock_stream();
        let (mut stock, start) = self.stock_snapshot(&stream).await.unwrap_or_default();
        let stock_version = self
            .fold(&stream, start, |event| {
                stock = stock.after(&StockEvent::read(event)?)?;
                Ok(())
            })
            .await?;
        Ok(Shelf { product: product.map(Arc::new), product_version, stock, stock_version })
    }

    /// A saga's reservation.
    ///
    /// # Errors
    /// As [`Loader::product`].
    pub async fn slip(&self, saga: &SagaKey) -> Result<Slip, Fault> {
        let mut slip = Slip::default();
        let (mut reservation, mut position) = (None, slip.position);
        slip.version = self
            .fold(&saga.stream(), StreamVersion::NONE, |event| {
                reservation = Reservation::evolve(reservation.take(), &ReservationEvent::read(event)?);
                position = event.position;
                Ok(())
            })
            .await?;
        Ok(Slip { reservation, position, ..slip })
    }

    /// What a request's key was used for, if it was.
    ///
    /// # Errors
    /// As [`Loader::product`].
    pub async fn request(&self, key: &RequestKey) -> Result<Option<Fulfilled>, Fault> {
        let mut found = None;
        self.fold(&key.stream(), StreamVersion::NONE, |event| {
            found = Some((Request::read(event)?, event.position));
            Ok(())
        })
        .await?;
        let Some((record, position)) = found else { return Ok(None) };
        let mut product = None;
        self.fold(&record.product_id.product_stream(), StreamVersion::NONE, |event| {
            if event.version() <= record.product_version {
                product = Product::evolve(product.take(), &ProductEvent::read(event)?);
            }
            Ok(())
        })
        .await?;
        let missing = || Fault::permanent("catalog", "load", "a request's record names a product that is not there");
        let product = Arc::new(product.ok_or_else(missing)?);
        Ok(Some(Fulfilled { record, product, position }))
    }

    /// Several shelves at once, in no particular order.
    pub async fn shelves(&self, ids: Vec<ProductId>) -> Vec<(ProductId, Result<Shelf, Fault>)> {
        let loads = ids.into_iter().map(|id| async move {
            let loaded = self.shelf(&id).await;
            (id, loaded)
        });
        futures::stream::iter(loads).buffer_unordered(READS_AT_ONCE).collect().await
    }

    /// Several reservations at once, in no particular order.
    pub async fn slips(&self, sagas: Vec<SagaKey>) -> Vec<(SagaKey, Result<Slip, Fault>)> {
        let loads = sagas.into_iter().map(|saga| async move {
            let loaded = self.slip(&saga).await;
            (saga, loaded)
        });
        futures::stream::iter(loads).buffer_unordered(READS_AT_ONCE).collect().await
    }

    /// Keeps a snapshot of a stock. Failing to is logged and changes no answer.
    pub async fn keep_stock(&self, id: &ProductId, stock: Stock, version: StreamVersion) {
        let Some(snapshots) = &self.snapshots else { return };
        let Ok(state) = JsonBytes::of(&stock) else { return };
        let snapshot = Snapshot { version, schema_hash: STOCK_FORM, state };
        if let Err(fault) = snapshots.save(&id.stock_stream(), snapshot).await {
            tracing::warn!(product_id = %id, error = %fault.chain(), "a snapshot of a stock was not kept");
        }
    }

    async fn stock_snapshot(&self, stream: &StreamName) -> Option<(Stock, StreamVersion)> {
        let snapshot = match self.snapshots.as_ref()?.load(stream).await {
            Ok(snapshot) => snapshot?,
            Err(fault) => {
                tracing::warn!(%stream, error = %fault.chain(), "a snapshot of a stock was not read; folding its events");
                return None;
            }
        };
        let stock: Stock = (snapshot.schema_hash == STOCK_FORM).then(|| snapshot.state.decode().ok()).flatten()?;
        stock.balances().then_some((stock, snapshot.version))
    }

    /// Hands every event of a stream after `start` to `fold`; returns the stream's version.
    async fn fold(
        &self,
        stream: &StreamName,
        start: StreamVersion,
        mut fold: impl FnMut(&madrigal_core::RecordedEvent) -> Result<(), FoldError> + Send,
    ) -> Result<StreamVersion, Fault> {
        let mut after = start;
        loop {
            let slice = self.store.read_stream(stream, StreamRead::after(after)).await?;
            for event in &slice.events {
                fold(event).map_err(|error| Fault::permanent("catalog", "load", error))?;
            }
            match slice.events.last() {
                Some(last) if slice.has_more() => after = last.version(),
                Some(last) => return Ok(last.version()),
                None => return Ok(after),
            }
        }
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("log", self.store.log()).finish_non_exhaustive()
    }
}

/// Why a stream's events do not make a state.
#[derive(Debug, thiserror::Error)]
enum FoldError {
    #[error(transparent)]
    Unreadable(#[from] crate::domain::UnreadableEvent),
    #[error(transparent)]
    Books(#[from] crate::domain::BooksBroken),
}
