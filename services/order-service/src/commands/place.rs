//! Placing orders: everything that can be checked is checked, then one append starts the saga.

use std::collections::{HashMap, HashSet};

use madrigal_contracts::catalog::{ProductQuantity, Quote, QuoteProducts};
use madrigal_contracts::user::{Buyer, GetBuyer};
use madrigal_core::{
    CallContext, Currency, EventId, ExpectedVersion, Fault, Fingerprint, Host, PersonId, Sealed, StreamName,
    StreamVersion,
};
use madrigal_event_store::{AppendError, DynEventStore, StreamRead};
use madrigal_saga::{SagaEngine, SagaId, StartError, StartSaga};
use serde_json::{Map, Value};

use super::load_order;
use crate::aggregates::order::{self, OrderRejection};
use crate::events::{Customer, OrderCreated, OrderEvent, OrderItem, OrderStatus};
use crate::neighbours::OrderNeighbours;
use crate::sagas::place_order::{PLACE_ORDER, PlaceOrder};

/// An order as it is asked for.
#[derive(Debug, Clone)]
pub struct OrderRequest {
    /// Whose it will be.
    pub user_id: PersonId,
    /// What is ordered.
    pub lines: Vec<ProductQuantity>,
    /// Where it goes.
    pub shipping_address: Option<Map<String, Value>>,
    /// What the buyer expects to pay in; else the currency of the first product.
    pub currency: Option<Currency>,
}

/// The placing of a draft as it is asked for.
#[derive(Debug, Clone)]
pub struct DraftRequest {
    /// The draft.
    pub order_id: String,
    /// Its owner.
    pub user_id: PersonId,
    /// Replaces the draft's address, if given.
    pub shipping_address: Option<Map<String, Value>>,
}

/// Why nothing was placed. Nothing was begun either: the key is free again, but for [`PlaceError::OtherRequest`].
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is no such user.
    #[error("there is no user {0}")]
    UnknownUser(PersonId),
    /// Lines that cannot be ordered; by their index.
    #[error("some lines cannot be ordered")]
    Lines(Vec<(usize, String)>),
    /// The amounts do not fit or do not belong together.
    #[error(transparent)]
    Refused(#[from] OrderRejection),
    /// There is no such draft of this user.
    #[error("there is no such draft")]
    NoSuchDraft,
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    OtherRequest,
    /// New orders are not taken now.
    #[error("the service is draining")]
    Draining,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Places orders.
#[derive(Clone)]
pub struct Placements {
    store: DynEventStore,
    engine: SagaEngine,
    neighbours: OrderNeighbours,
    host: Host,
}

impl Placements {
    /// Placements over this store and engine.
    pub fn new(store: DynEventStore, engine: SagaEngine, neighbours: OrderNeighbours, host: Host) -> Self {
        Self { store, engine, neighbours, host }
    }

    /// Starts the saga that places an order, or attaches to the one that this caller's key started before.
    ///
    /// # Errors
    /// [`PlaceError`].
    ///
    /// # Cancellation
    /// The saga may have been started: repeat with the same key.
    pub async fn place(
        &self,
        caller: &str,
        key: &str,
        fingerprint: Fingerprint,
        request: OrderRequest,
        payment_token: String,
        context: &CallContext,
    ) -> Result<SagaId, PlaceError> {
        let saga_id = SagaId::derive(caller, "place-order", key);
        if self.engine.attach(&saga_id, &fingerprint).await.map_err(start_error)? {
            return Ok(saga_id);
        }
        let buyer = self.buyer(request.user_id, context).await?;
        let priced = self.priced(&request.lines, request.currency, context).await?;
        let input = PlaceOrder {
            order_id: self.host.uuid_v7().to_string(),
            user_id: request.user_id,
            customer: self.sealed(request.user_id, &buyer, request.shipping_address)?,
            lines: request.lines,
            currency: priced.currency,
            payment_token,
            draft_version: None,
        };
        self.start(saga_id, fingerprint, &input, context).await
    }

    /// Starts the saga that places a draft, or attaches to the one that this caller's key started before.
    ///
    /// # Errors
    /// [`PlaceError`].
    ///
    /// # Cancellation
    /// The saga may have been started: repeat with the same key.
    pub async fn place_draft(
        &self,
        caller: &str,
        key: &str,
        fingerprint: Fingerprint,
        request: DraftRequest,
        payment_token: String,
        context: &CallContext,
    ) -> Result<SagaId, PlaceError> {
        let saga_id = SagaId::derive(caller, &format!("place-draft {}", request.order_id), key);
        if self.engine.attach(&saga_id, &fingerprint).await.map_err(start_error)? {
            return Ok(saga_id);
        }
        let stream = order_stream(&request.order_id)?;
        let draft = load_order(&*self.store, &stream).await?.ok_or(PlaceError::NoSuchDraft)?;
        if draft.user_id != request.user_id {
            return Err(PlaceError::NoSuchDraft);
        }
        if draft.status != OrderStatus::Draft {
            return Err(OrderRejection::Status { status: draft.status, wanted: "placed" }.into());
        }
        if draft.items.is_empty() {
            return Err(OrderRejection::Empty.into());
        }
        let buyer = self.buyer(draft.user_id, context).await?;
        let lines: Vec<ProductQuantity> = draft
            .items
            .iter()
            .map(|item| ProductQuantity { product_id: item.product_id.clone(), quantity: item.quantity })
            .collect();
        let priced = self.priced(&lines, Some(draft.currency), context).await?;
        let kept = || draft.customer.open(Some(&buyer.key.0)).ok().and_then(madrigal_core::Opened::value);
        let address = request.shipping_address.or_else(|| kept().and_then(|customer| customer.shipping_address));
        let input = PlaceOrder {
            order_id: request.order_id,
            user_id: draft.user_id,
            customer: self.sealed(draft.user_id, &buyer, address)?,
            lines,
            currency: priced.currency,
            payment_token,
            draft_version: Some(draft.version),
        };
        self.start(saga_id, fingerprint, &input, context).await
    }

    /// Makes a draft, or finds the one that this caller's key made before; returns the order's id.
    ///
    /// # Errors
    /// [`PlaceError`].
    ///
    /// # Cancellation
    /// The draft may be there: repeat with the same key.
    pub async fn draft(
        &self,
        caller: &str,
        key: &str,
        fingerprint: Fingerprint,
        request: OrderRequest,
        context: &CallContext,
    ) -> Result<String, PlaceError> {
        let event_id = EventId::derived(&format!("draft\u{0}{caller}\u{0}{key}"));
        let order_id = event_id.to_string();
        let stream = order_stream(&order_id)?;
        if let Some(known) = self.drafted(&stream).await? {
            return if known == Some(fingerprint) { Ok(order_id) } else { Err(PlaceError::OtherRequest) };
        }
        let buyer = self.buyer(request.user_id, context).await?;
        let priced = self.priced(&request.lines, request.currency, context).await?;
        let created = OrderCreated {
            order_id: order_id.clone(),
            user_id: request.user_id,
            customer: self.sealed(request.user_id, &buyer, request.shipping_address)?,
            summary: order::totals(&priced.items, priced.currency)?,
            items: priced.items,
            currency: priced.currency,
            draft: true,
            saga_id: None,
            fingerprint: Some(fingerprint.clone()),
        };
        let event = OrderEvent::Created(created)
            .encode(event_id, context)
            .map_err(|error| Fault::permanent("order-service", "draft", error))?;
        match self.store.append(stream.clone(), ExpectedVersion::NoStream, vec![event]).await {
            Ok(_) => Ok(order_id),
            // Somebody was faster with the same key; sealing is random, so even the same request differs in bytes.
            Err(AppendError::EventIdReused { .. } | AppendError::WrongVersion { .. }) => {
                match self.drafted(&stream).await? {
                    Some(known) if known == Some(fingerprint) => Ok(order_id),
                    _ => Err(PlaceError::OtherRequest),
                }
            }
            Err(AppendError::Fault(fault)) => Err(fault.into()),
            Err(other) => Err(Fault::permanent("order-service", "draft", other).into()),
        }
    }

    /// The line of a product at today's price, for a draft.
    ///
    /// # Errors
    /// [`PlaceError::Lines`] with index 0 if it cannot be ordered.
    pub async fn priced_line(&self, line: ProductQuantity, context: &CallContext) -> Result<OrderItem, PlaceError> {
        let mut priced = self.priced(&[line], None, context).await?;
        priced.items.pop().ok_or_else(|| PlaceError::Lines(vec![(0, "there is no such product".to_owned())]))
    }

    async fn start(
        &self,
        id: SagaId,
        fingerprint: Fingerprint,
        input: &PlaceOrder,
        context: &CallContext,
    ) -> Result<SagaId, PlaceError> {
        let start = StartSaga {
            id,
            definition: PLACE_ORDER,
            owner: Some(input.user_id),
            input: serde_json::to_value(input).map_err(|error| Fault::permanent("order-service", "place", error))?,
            fingerprint,
            call: context.clone(),
        };
        // Nothing is begun that those whom it needs have no room for: it would be pending until they have.
        if let Some(fault) =
            [&self.neighbours.catalog, &self.neighbours.payments].iter().find_map(|n| n.refuses_for_room())
        {
            return Err(fault.into());
        }
        let started = self.engine.start(start).await.map_err(start_error)?;
        Ok(started.id)
    }

    async fn buyer(&self, user_id: PersonId, context: &CallContext) -> Result<Buyer, PlaceError> {
        let buyer = self.neighbours.users.call(context, GetBuyer { user_id }).await?;
        buyer.ok_or(PlaceError::UnknownUser(user_id))
    }

    fn sealed(
        &self,
        person: PersonId,
        buyer: &Buyer,
        shipping_address: Option<Map<String, Value>>,
    ) -> Result<Sealed<Customer>, Fault> {
        let customer = Customer { name: buyer.name.clone(), email: buyer.email.clone(), shipping_address };
        Sealed::seal(&self.host, person, &buyer.key.0, &customer)
            .map_err(|error| Fault::permanent("order-service", "seal", error))
    }

    async fn priced(
        &self,
        lines: &[ProductQuantity],
        currency: Option<Currency>,
        context: &CallContext,
    ) -> Result<PricedLines, PlaceError> {
        let product_ids = lines.iter().map(|line| line.product_id.clone()).collect();
        let quotes = self.neighbours.catalog.call(context, QuoteProducts { product_ids }).await?;
        let quotes: HashMap<&str, &Quote> = quotes.iter().map(|quote| (quote.product_id.as_str(), quote)).collect();
        let (mut items, mut problems, mut seen) = (Vec::with_capacity(lines.len()), Vec::new(), HashSet::new());
        for (index, line) in lines.iter().enumerate() {
            match quotes.get(line.product_id.as_str()) {
                None => problems.push((index, "there is no such product".to_owned())),
                Some(quote) if !quote.orderable => problems.push((index, "this product is not for sale".to_owned())),
                Some(_) if !seen.insert(&line.product_id) => {
                    problems.push((index, "this product stands in an earlier line already".to_owned()));
                }
                Some(quote) => items.push(order::item(
                    quote.product_id.clone(),
                    quote.name.clone(),
                    quote.price,
                    quote.discount,
                    line.quantity,
                )),
            }
        }
        if !problems.is_empty() {
            return Err(PlaceError::Lines(problems));
        }
        let currency = currency.or_else(|| items.first().map(|item| item.price.currency)).unwrap_or(Currency::EUR);
        order::totals(&items, currency)?;
        Ok(PricedLines { items, currency })
    }

    /// `None`: no such stream; `Some(None)`: a stream that no draft request made.
    async fn drafted(&self, stream: &StreamName) -> Result<Option<Option<Fingerprint>>, Fault> {
        let read = StreamRead { after: StreamVersion::NONE, limit: 1 };
        let slice = self.store.read_stream(stream, read).await?;
        let Some(first) = slice.events.first() else { return Ok(None) };
        match OrderEvent::decode(first) {
            Ok(OrderEvent::Created(created)) => Ok(Some(created.fingerprint)),
            _ => Ok(Some(None)),
        }
    }
}

impl std::fmt::Debug for Placements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Placements").finish_non_exhaustive()
    }
}

struct PricedLines {
    items: Vec<OrderItem>,
    currency: Currency,
}

/// The stream of an order.
pub(crate) fn order_stream(order_id: &str) -> Result<StreamName, PlaceError> {
    StreamName::new(OrderEvent::CATEGORY, order_id).map_err(|_| PlaceError::NoSuchDraft)
}

fn start_error(error: StartError) -> PlaceError {
    match error {
        StartError::OtherRequest => PlaceError::OtherRequest,
        StartError::Draining => PlaceError::Draining,
        StartError::Fault(fault) => PlaceError::Fault(fault),
    }
}
