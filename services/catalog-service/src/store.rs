//! Loading state from this service's own event store.

use std::sync::Arc;

use futures::StreamExt;
use madrigal_conflict::Origin;
use madrigal_core::{Fault, JsonBytes, StreamName, StreamVersion};
use madrigal_event_store::{DynEventStore, Snapshot, SnapshotStore, StreamRead};

use crate::commands::{Fulfilled, ProductVersions, Shelf, Slip};
use crate::domain::{
    BooksBroken, Product, ProductEvent, ProductId, Request, RequestKey, Reservation, ReservationEvent, SagaKey, Stock,
    StockEvent,
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

    /// A product as it was at `base`, and as it is; `None` where there never was one.
    ///
    /// # Errors
    /// As [`Loader::product`].
    pub async fn product_versions(
        &self,
        id: &ProductId,
        base: StreamVersion,
    ) -> Result<Option<ProductVersions>, Fault> {
        let (mut product, mut of_base, mut origin) = (None, None, None);
        let version = self
            .fold(&id.product_stream(), StreamVersion::NONE, |event| {
                product = Product::evolve(product.take(), &ProductEvent::read(event)?);
                if event.version() == base {
                    of_base.clone_from(&product);
                }
                let (version, metadata) = (Some(event.version()), &event.metadata);
                origin = Some(Origin { version, at: metadata.timestamp, by: metadata.user_id.clone() });
                Ok(())
            })
            .await?;
        let (Some(current), Some(origin)) = (product, origin) else { return Ok(None) };
        Ok(Some(ProductVersions { base: of_base, current, version, origin }))
    }

    /// A product and its stock.
    ///
    /// # Errors
    /// As [`Loader::product`]; also if the history of the stock does not balance.
    pub async fn shelf(&self, id: &ProductId) -> Result<Shelf, Fault> {
        let stream = id.stock_stream();
        let snapshot = self.stock_snapshot(&stream).await;
        if let Some((stock, start)) = snapshot {
            let (books, version) = self.books(&stream, stock, start, |_, _| {}).await?;
            // A snapshot beyond its stream, or which its next events do not fit, is not of this history.
            if let Some(stock) = books.ok().filter(|_| version >= start) {
                return self.shelf_with(id, stock, version).await;
            }
        }
        let (stock, version) = self.whole_books(&stream, snapshot).await?;
        self.shelf_with(id, stock, version).await
    }

    /// A product and its stock, from their first events on: for who has a reason to doubt the snapshot.
    ///
    /// # Errors
    /// As [`Loader::shelf`].
    pub async fn shelf_anew(&self, id: &ProductId) -> Result<Shelf, Fault> {
        let stream = id.stock_stream();
        let snapshot = self.stock_snapshot(&stream).await;
        let (stock, version) = self.whole_books(&stream, snapshot).await?;
        self.shelf_with(id, stock, version).await
    }

    /// Whether a stream is at this version still.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    pub async fn is_at(&self, stream: &StreamName, version: StreamVersion) -> Result<bool, Fault> {
        let after = self.store.read_stream(stream, StreamRead { after: version, limit: 1 }).await?;
        Ok(after.version == version)
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
            tracing::debug!(product_id = %id, error = %fault.chain(), "a snapshot of a stock was not kept; the next one comes");
        }
    }

    async fn shelf_with(&self, id: &ProductId, stock: Stock, stock_version: StreamVersion) -> Result<Shelf, Fault> {
        let (product, product_version) = self.product(id).await?;
        Ok(Shelf { product: product.map(Arc::new), product_version, stock, stock_version })
    }

    /// The stock that a whole stream makes, and its version. Where that shows the snapshot to be wrong none is trusted
    /// any more: they are all forgotten.
    async fn whole_books(
        &self,
        stream: &StreamName,
        snapshot: Option<(Stock, StreamVersion)>,
    ) -> Result<(Stock, StreamVersion), Fault> {
        let mut confirmed = snapshot.is_none();
        let see = |version, stock| confirmed |= snapshot == Some((stock, version));
        let (books, version) = self.books(stream, Stock::default(), StreamVersion::NONE, see).await?;
        if let (false, Some(snapshots)) = (confirmed, &self.snapshots) {
            tracing::error!(%stream, "a snapshot is not what its stream makes; all snapshots of stocks are forgotten");
            if let Err(fault) = snapshots.clear().await {
                tracing::warn!(error = %fault.chain(), "the snapshots of stocks were not forgotten");
            }
        }
        Ok((books.map_err(|error| Fault::permanent("catalog", "load", error))?, version))
    }

    /// Folds a stock from `start` on; shows every state on the way to `see`.
    async fn books(
        &self,
        stream: &StreamName,
        stock: Stock,
        start: StreamVersion,
        mut see: impl FnMut(StreamVersion, Stock) + Send,
    ) -> Result<(Result<Stock, BooksBroken>, StreamVersion), Fault> {
        let mut books = Ok(stock);
        let version = self
            .fold(stream, start, |event| {
                let moved = StockEvent::read(event)?;
                books = books.and_then(|stock: Stock| stock.after(&moved));
                if let Ok(stock) = books {
                    see(event.version(), stock);
                }
                Ok(())
            })
            .await?;
        Ok((books, version))
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

    /// Hands every event of a stream after `start` to `fold`; returns the stream's version, which is below `start` where
    /// the stream does not go that far.
    async fn fold(
        &self,
        stream: &StreamName,
        start: StreamVersion,
        mut fold: impl FnMut(&madrigal_core::RecordedEvent) -> Result<(), crate::domain::UnreadableEvent> + Send,
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
                None => return Ok(slice.version),
            }
        }
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("log", self.store.log()).finish_non_exhaustive()
    }
}
