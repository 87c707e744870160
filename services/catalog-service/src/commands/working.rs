//! The state that one group of commands works on: loaded before, changed by decisions, kept only if it became durable.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use madrigal_core::{CallContext, EventId, ExpectedVersion, NewEvent, Position, StreamName, StreamVersion};
use madrigal_event_store::StreamAppend;

use super::command::{Command, Effect, IN_THIS_GROUP, ProductSaved, Reply};
use crate::domain::event::{SCHEMA_VERSION, Written};
use crate::domain::{
    BooksBroken, Product, ProductEvent, ProductId, Request, RequestKey, Reservation, ReservationEvent, SagaKey, Stock,
    StockEvent,
};

/// A product and its stock, as of their streams' versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shelf {
    /// The product; `None` where there never was one.
    pub product: Option<Arc<Product>>,
    /// The version of its stream.
    pub product_version: StreamVersion,
    /// Its stock.
    pub stock: Stock,
    /// The version of the stock's stream.
    pub stock_version: StreamVersion,
}

/// A reservation as of its stream's version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slip {
    /// The reservation; `None` where the saga is not known.
    pub reservation: Option<Reservation>,
    /// The version of its stream.
    pub version: StreamVersion,
    /// The position of its last event.
    pub position: Position,
}

/// A request that had its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfilled {
    /// What its stream has.
    pub record: Request,
    /// The product as it was then.
    pub product: Arc<Product>,
    /// Where that is recorded.
    pub position: Position,
}

impl Fulfilled {
    /// The answer that the request had.
    pub(super) fn reply(&self, command: &Command) -> Reply {
        let Request { product_id, product_version, stock, stock_version, .. } = self.record.clone();
        match command {
            Command::ChangeStock { .. } => {
                Reply::StockChanged { stock, version: stock_version, position: self.position }
            }
            _ => Reply::ProductSaved(ProductSaved {
                id: product_id,
                product: Arc::clone(&self.product),
                version: product_version,
                stock,
                effect: Effect::Created,
                position: self.position,
            }),
        }
    }
}

/// Why something could not be loaded: told to every command that needs it, and to no other.
#[derive(Debug, Clone)]
pub(super) struct LoadFailure(pub(super) Arc<madrigal_core::Fault>);

#[derive(Debug)]
struct ShelfDraft {
    shelf: Shelf,
    product_events: Vec<NewEvent>,
    stock_events: Vec<NewEvent>,
    /// Versions before this group.
    loaded_at: (StreamVersion, StreamVersion),
    /// Whether it was not read for this group.
    remembered: bool,
}

#[derive(Debug)]
struct RequestDraft {
    loaded: Result<Option<Fulfilled>, LoadFailure>,
    events: Vec<NewEvent>,
}

#[derive(Debug)]
struct SlipDraft {
    slip: Slip,
    events: Vec<NewEvent>,
    /// Whether it was not read for this group.
    remembered: bool,
}

/// The working set of one group.
#[derive(Debug, Default)]
pub(super) struct Working {
    shelves: HashMap<ProductId, ShelfDraft>,
    slips: HashMap<SagaKey, SlipDraft>,
    broken_shelves: HashMap<ProductId, LoadFailure>,
    broken_slips: HashMap<SagaKey, LoadFailure>,
    touched_shelves: Vec<ProductId>,
    touched_slips: Vec<SagaKey>,
    requests: HashMap<StreamName, RequestDraft>,
    touched_requests: Vec<StreamName>,
    recorded: usize,
    unbalanced: Vec<ProductId>,
}

impl Working {
    pub(super) fn has_shelf(&self, id: &ProductId) -> bool {
        self.shelves.contains_key(id) || self.broken_shelves.contains_key(id)
    }

    pub(super) fn has_slip(&self, saga: &SagaKey) -> bool {
        self.slips.contains_key(saga) || self.broken_slips.contains_key(saga)
    }

    pub(super) fn put_shelf(&mut self, id: ProductId, loaded: Result<Shelf, LoadFailure>) {
        match loaded {
            Ok(shelf) => {
                self.shelves.insert(id, ShelfDraft::of(shelf, false));
            }
            Err(failure) => {
                self.broken_shelves.insert(id, failure);
            }
        }
    }

    pub(super) fn put_remembered_shelf(&mut self, id: ProductId, shelf: Shelf) {
        self.shelves.insert(id, ShelfDraft::of(shelf, true));
    }

    pub(super) fn put_slip(&mut self, saga: SagaKey, loaded: Result<Slip, LoadFailure>) {
        match loaded {
            Ok(slip) => {
                self.slips.insert(saga, SlipDraft { slip, events: Vec::new(), remembered: false });
            }
            Err(failure) => {
                self.broken_slips.insert(saga, failure);
            }
        }
    }

    pub(super) fn put_remembered_slip(&mut self, saga: SagaKey, slip: Slip) {
        self.slips.insert(saga, SlipDraft { slip, events: Vec::new(), remembered: true });
    }

    /// The streams of these that were not read for this group, and which its append will not check; with their versions.
    pub(super) fn remembered(&self, saga: Option<&SagaKey>, shelves: &[ProductId]) -> Vec<(StreamName, StreamVersion)> {
        let mut streams = Vec::with_capacity(1 + 2 * shelves.len());
        let slip = saga.and_then(|saga| Some((saga, self.slips.get(saga)?)));
        if let Some((saga, draft)) = slip.filter(|(_, draft)| draft.remembered && draft.events.is_empty()) {
            streams.push((saga.stream(), draft.slip.version));
        }
        for (id, draft) in shelves.iter().filter_map(|id| Some((id, self.shelves.get(id)?))) {
            if draft.remembered && draft.product_events.is_empty() {
                streams.push((id.product_stream(), draft.shelf.product_version));
            }
            if draft.remembered && draft.stock_events.is_empty() {
                streams.push((id.stock_stream(), draft.shelf.stock_version));
            }
        }
        streams
    }

    /// How many events were recorded.
    pub(super) const fn recorded(&self) -> usize {
        self.recorded
    }

    /// The products of which something was asked that their books cannot take.
    pub(super) fn unbalanced(&self) -> impl Iterator<Item = &ProductId> {
        self.unbalanced.iter()
    }

    pub(super) fn has_request(&self, key: &RequestKey) -> bool {
        self.requests.contains_key(&key.stream())
    }

    pub(super) fn put_request(&mut self, key: &RequestKey, loaded: Result<Option<Fulfilled>, LoadFailure>) {
        self.requests.insert(key.stream(), RequestDraft { loaded, events: Vec::new() });
    }

    /// What a key was used for, if it was.
    pub(super) fn request(&self, key: &RequestKey) -> Result<Option<&Fulfilled>, LoadFailure> {
        match self.requests.get(&key.stream()) {
            Some(draft) => draft.loaded.as_ref().map(Option::as_ref).map_err(Clone::clone),
            None => Err(not_loaded()),
        }
    }

    /// Records that a key was used for what the product and its stock are now.
    pub(super) fn record_request(&mut self, key: &RequestKey, id: &ProductId, context: &CallContext) {
        let Some(ShelfDraft { shelf, .. }) = self.shelves.get(id) else { return };
        let Some(product) = shelf.product.clone() else { return };
        let record = key.record(id, shelf.product_version, shelf.stock, shelf.stock_version);
        let Some(draft) = self.requests.get_mut(&key.stream()) else { return };
        draft.events.push(new_event(key.event_id(), record.written(), context));
        draft.loaded = Ok(Some(Fulfilled { record, product, position: IN_THIS_GROUP }));
        self.touched_requests.push(key.stream());
        self.recorded += 1;
    }

    /// The shelf of a product that a command named.
    pub(super) fn shelf(&self, id: &ProductId) -> Result<&Shelf, LoadFailure> {
        match self.shelves.get(id) {
            Some(draft) => Ok(&draft.shelf),
            None => Err(self.broken_shelves.get(id).cloned().unwrap_or_else(not_loaded)),
        }
    }

    /// The slip of a saga that a command named.
    pub(super) fn slip(&self, saga: &SagaKey) -> Result<&Slip, LoadFailure> {
        match self.slips.get(saga) {
            Some(draft) => Ok(&draft.slip),
            None => Err(self.broken_slips.get(saga).cloned().unwrap_or_else(not_loaded)),
        }
    }

    /// Records events of a product.
    pub(super) fn record_product(&mut self, id: &ProductId, events: &[(EventId, ProductEvent)], context: &CallContext) {
        let Entry::Occupied(mut draft) = self.shelves.entry(id.clone()) else { return };
        let draft = draft.get_mut();
        if draft.is_clean() {
            self.touched_shelves.push(id.clone());
        }
        self.recorded += events.len();
        for (event_id, event) in events {
            let product = draft.shelf.product.take().map(Arc::unwrap_or_clone);
            draft.shelf.product = Product::evolve(product, event).map(Arc::new);
            draft.shelf.product_version = draft.shelf.product_version.plus(1);
            draft.product_events.push(new_event(*event_id, event.written(), context));
        }
    }

    /// Records an event of each of these stocks: all of them, or none where one of the books would break.
    pub(super) fn record_stock(
        &mut self,
        moves: Vec<(ProductId, EventId, StockEvent)>,
        context: &CallContext,
    ) -> Result<(), BooksBroken> {
        let mut after = Vec::with_capacity(moves.len());
        for (id, _, event) in &moves {
            let draft = self.shelves.get(id).ok_or(BooksBroken)?;
            match draft.shelf.stock.after(event) {
                Ok(stock) => after.push(stock),
                Err(broken) => {
                    self.unbalanced.push(id.clone());
                    return Err(broken);
                }
            }
        }
        self.recorded += moves.len();
        for ((id, event_id, event), stock) in moves.into_iter().zip(after) {
            let Some(draft) = self.shelves.get_mut(&id) else { continue };
            if draft.is_clean() {
                self.touched_shelves.push(id);
            }
            draft.shelf.stock = stock;
            draft.shelf.stock_version = draft.shelf.stock_version.plus(1);
            draft.stock_events.push(new_event(event_id, event.written(), context));
        }
        Ok(())
    }

    /// Records an event of a reservation.
    pub(super) fn record_slip(
        &mut self,
        saga: &SagaKey,
        event_id: EventId,
        event: &ReservationEvent,
        context: &CallContext,
    ) {
        let Some(draft) = self.slips.get_mut(saga) else { return };
        if draft.events.is_empty() {
            self.touched_slips.push(saga.clone());
        }
        draft.slip.reservation = Reservation::evolve(draft.slip.reservation.take(), event);
        draft.slip.version = draft.slip.version.plus(1);
        draft.slip.position = IN_THIS_GROUP;
        draft.events.push(new_event(event_id, event.written(), context));
        self.recorded += 1;
    }

    /// Everything that was recorded, one append per stream: products first, then stocks, then reservations, so that a
    /// reservation's position is beyond all that belongs to it; records of requests last.
    pub(super) fn appends(&mut self) -> Vec<StreamAppend> {
        let mut appends = Vec::with_capacity(self.touched_shelves.len() + self.touched_slips.len());
        for id in &self.touched_shelves {
            let Some(draft) = self.shelves.get_mut(id) else { continue };
            let events = std::mem::take(&mut draft.product_events);
            push(&mut appends, || id.product_stream(), draft.shelf.product_version, events);
        }
        for id in &self.touched_shelves {
            let Some(draft) = self.shelves.get_mut(id) else { continue };
            let events = std::mem::take(&mut draft.stock_events);
            push(&mut appends, || id.stock_stream(), draft.shelf.stock_version, events);
        }
        for saga in &self.touched_slips {
            let Some(draft) = self.slips.get_mut(saga) else { continue };
            let events = std::mem::take(&mut draft.events);
            push(&mut appends, || saga.stream(), draft.slip.version, events);
        }
        for stream in &self.touched_requests {
            let Some(draft) = self.requests.get_mut(stream) else { continue };
            let events = std::mem::take(&mut draft.events);
            push(&mut appends, || stream.clone(), StreamVersion(1), events);
        }
        appends
    }

    /// The shelves that were touched, in order: whether the product changed, and by how many events the stock's stream grew.
    pub(super) fn touched(&self) -> impl Iterator<Item = (&ProductId, &Shelf, bool, u64)> {
        self.touched_shelves.iter().filter_map(|id| {
            let ShelfDraft { shelf, loaded_at: (product_version, stock_version), .. } = self.shelves.get(id)?;
            let product_changed = shelf.product_version != *product_version;
            Some((id, shelf, product_changed, shelf.stock_version.0 - stock_version.0))
        })
    }

    /// What was loaded and is durable as it stands now, for the caches.
    pub(super) fn into_durable(
        self,
        group: Position,
    ) -> (impl Iterator<Item = (ProductId, Shelf)>, impl Iterator<Item = (SagaKey, Slip)>) {
        let shelves = self.shelves.into_iter().map(|(id, draft)| (id, draft.shelf));
        let slips = self.slips.into_iter().map(move |(saga, draft)| {
            let mut slip = draft.slip;
            if slip.position == IN_THIS_GROUP {
                slip.position = group;
            }
            (saga, slip)
        });
        (shelves, slips)
    }
}

impl ShelfDraft {
    fn of(shelf: Shelf, remembered: bool) -> Self {
        let loaded_at = (shelf.product_version, shelf.stock_version);
        Self { shelf, product_events: Vec::new(), stock_events: Vec::new(), loaded_at, remembered }
    }

    fn is_clean(&self) -> bool {
        self.product_events.is_empty() && self.stock_events.is_empty()
    }
}

fn push(
    appends: &mut Vec<StreamAppend>,
    stream: impl FnOnce() -> madrigal_core::StreamName,
    version_after: StreamVersion,
    events: Vec<NewEvent>,
) {
    if events.is_empty() {
        return;
    }
    let before = StreamVersion(version_after.0 - events.len() as u64);
    appends.push(StreamAppend { stream: stream(), expected: ExpectedVersion::Exact(before), events });
}

fn new_event(id: EventId, written: Written, context: &CallContext) -> NewEvent {
    NewEvent::new(id, written.event_type, SCHEMA_VERSION, written.data, context)
}

fn not_loaded() -> LoadFailure {
    let fault = madrigal_core::Fault::permanent("catalog", "decide", "a command needs what was not loaded for it");
    LoadFailure(Arc::new(fault))
}
