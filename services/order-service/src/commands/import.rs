//! Importing orders of the past: many at once, each once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use madrigal_contracts::user::{Buyer, FindBuyer, FoundBuyer, GetBuyer};
use madrigal_core::{
    CallContext, Currency, EventId, ExpectedVersion, Fault, FaultOutcome, FaultRetry, Host, MoneyError, NewEvent,
    PersonId, Sealed, StreamName, StreamVersion, Timestamp, tasks,
};
use madrigal_event_store::{AppendError, DynEventStore, StreamAppend, StreamRead, until_readable};
use serde_json::{Map, Value};

use crate::events::{Customer, ImportedItem, OrderEvent, OrderImported, past_totals};
use crate::neighbours::OrderNeighbours;

/// How many buyers one import remembers; it forgets them all where there are more.
const BUYERS_REMEMBERED: usize = 10_000;
/// The most bytes of events in one append, well below the store's limit of 8 MiB: one event is at most some 300 KiB.
const APPEND_BYTES: usize = 4 << 20;
/// How often an append is repeated: where others import the same orders, or the store is too busy.
const ATTEMPTS: u32 = 50;

/// An order of the past, as an import brings it.
#[derive(Debug, Clone)]
pub struct PastOrder {
    /// The order.
    pub order_id: String,
    /// What it is called where it comes from.
    pub import_key: Option<String>,
    /// Whose it is.
    pub buyer: BuyerName,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// Of all amounts.
    pub currency: Currency,
    /// What was ordered.
    pub items: Vec<ImportedItem>,
    /// On top of the lines, in minor units.
    pub tax_amount: i64,
    /// Where it went.
    pub shipping_address: Option<Map<String, Value>>,
}

/// How an import names a buyer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BuyerName {
    /// By the user's id.
    Id(PersonId),
    /// By the user name.
    Username(String),
}

/// What became of an order that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// It is there now.
    Imported,
    /// It was there before, the same.
    Known,
}

/// Why an order was not imported; nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownBuyer(BuyerName),
    /// Another order has this id: placed here, or imported with other contents.
    #[error("another order has this id")]
    Exists,
    /// What it came to does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// What is known to one import about the buyers that it met: each is asked for once.
#[derive(Debug, Default)]
pub struct Buyers(Mutex<HashMap<BuyerName, Option<Arc<FoundBuyer>>>>);

/// Imports orders.
#[derive(Clone)]
pub struct OrderImports {
    store: DynEventStore,
    neighbours: OrderNeighbours,
    host: Host,
}

/// An order that is not decided yet: its place among the results, and what would be written.
struct Wanted {
    index: usize,
    stream: StreamName,
    imported: OrderImported,
}

impl OrderImports {
    /// Imports into this store.
    pub fn new(store: DynEventStore, neighbours: OrderNeighbours, host: Host) -> Self {
        Self { store, neighbours, host }
    }

    /// Imports orders, at most 1,000; the results in their order. Repeating it imports nothing twice.
    ///
    /// # Errors
    /// A [`Fault`]: some of the orders may have been imported, each whole or not at all. Repeat.
    ///
    /// # Cancellation
    /// As after a fault.
    pub async fn import(
        &self,
        orders: Vec<PastOrder>,
        buyers: &Buyers,
        context: &CallContext,
    ) -> Result<Vec<Result<Import, ImportRefusal>>, Fault> {
        let mut results: Vec<Option<Result<Import, ImportRefusal>>> = vec![None; orders.len()];
        let mut open = Vec::with_capacity(orders.len());
        for (index, order) in orders.into_iter().enumerate() {
            match self.wanted(index, order, buyers, context).await? {
                Ok(wanted) => open.push(wanted),
                Err(refusal) => results[index] = Some(Err(refusal)),
            }
        }
        let mut attempt = 0;
        while !open.is_empty() {
            open = self.unknown(open, &mut results).await?;
            // A second order of the same id waits until the first is written, and is compared with it.
            let mut streams = HashSet::new();
            let (now, later): (Vec<Wanted>, Vec<Wanted>) =
                open.into_iter().partition(|wanted| streams.insert(wanted.stream.clone()));
            let left = self.append(now, &mut results, context).await?;
            attempt += u32::from(!left.is_empty());
            if attempt >= ATTEMPTS {
                return Err(busy());
            }
            open = left;
            open.extend(later);
        }
        results.into_iter().collect::<Option<Vec<_>>>().ok_or_else(busy)
    }

    async fn wanted(
        &self,
        index: usize,
        order: PastOrder,
        buyers: &Buyers,
        context: &CallContext,
    ) -> Result<Result<Wanted, ImportRefusal>, Fault> {
        let summary = match past_totals(&order.items, order.tax_amount) {
            Ok(summary) => summary,
            Err(error) => return Ok(Err(error.into())),
        };
        let Some(found) = buyers.find(&order.buyer, &self.neighbours, context).await? else {
            return Ok(Err(ImportRefusal::UnknownBuyer(order.buyer)));
        };
        let FoundBuyer { user_id, buyer: Buyer { name, email, key } } = &*found;
        let customer = Customer { name: name.clone(), email: email.clone(), shipping_address: order.shipping_address };
        let broken = |error: &dyn std::fmt::Display| Fault::permanent("order-service", "import", error.to_string());
        let imported = OrderImported {
            customer: Sealed::seal(&self.host, *user_id, &key.0, &customer).map_err(|error| broken(&error))?,
            order_id: order.order_id,
            user_id: *user_id,
            items: order.items,
            currency: order.currency,
            summary,
            ordered_at: order.ordered_at,
            import_key: order.import_key,
        };
        let stream = StreamName::new(OrderEvent::CATEGORY, &imported.order_id).map_err(|error| broken(&error))?;
        Ok(Ok(Wanted { index, stream, imported }))
    }

    /// Those that are not in the store; the results of those that are.
    async fn unknown(
        &self,
        wanted: Vec<Wanted>,
        results: &mut [Option<Result<Import, ImportRefusal>>],
    ) -> Result<Vec<Wanted>, Fault> {
        let mut unknown = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let read = StreamRead { after: StreamVersion::NONE, limit: 1 };
            let slice = self.store.read_stream(&wanted.stream, read).await?;
            results[wanted.index] = match slice.events.first().map(OrderEvent::decode) {
                None => {
                    unknown.push(wanted);
                    continue;
                }
                Some(Ok(OrderEvent::Imported(there))) if there.says_the_same_as(&wanted.imported) => {
                    Some(Ok(Import::Known))
                }
                Some(_) => Some(Err(ImportRefusal::Exists)),
            };
        }
        Ok(unknown)
    }

    /// Writes orders, no two of one stream, and notes those that were written; returns those that others may have written
    /// at the same time.
    async fn append(
        &self,
        wanted: Vec<Wanted>,
        results: &mut [Option<Result<Import, ImportRefusal>>],
        context: &CallContext,
    ) -> Result<Vec<Wanted>, Fault> {
        let mut rest = wanted.into_iter().peekable();
        let mut left = Vec::new();
        while rest.peek().is_some() {
            let (mut batch, mut appends, mut bytes) = (Vec::new(), Vec::new(), 0);
            while bytes < APPEND_BYTES
                && let Some(wanted) = rest.next()
            {
                let (wanted, event) = encoded(wanted, context)?;
                bytes += event.event_data.as_bytes().len();
                let stream = wanted.stream.clone();
                appends.push(StreamAppend { stream, expected: ExpectedVersion::NoStream, events: vec![event] });
                batch.push(wanted);
            }
            if self.written(appends).await? {
                batch.iter().for_each(|wanted| results[wanted.index] = Some(Ok(Import::Imported)));
            } else {
                left.extend(batch);
            }
        }
        Ok(left)
    }

    /// Whether all of it was written; if not, nothing was, as somebody else writes one of the streams.
    async fn written(&self, appends: Vec<StreamAppend>) -> Result<bool, Fault> {
        for _ in 0..ATTEMPTS {
            match self.store.append_many(appends.clone()).await {
                Ok(_) => return Ok(true),
                // A sealed customer differs in bytes each time, so that even the same order is not taken for repeated.
                Err(AppendError::WrongVersion { stream, .. } | AppendError::EventIdReused { stream, .. }) => {
                    until_readable(&*self.store, &stream, StreamVersion(1)).await;
                    return Ok(false);
                }
                Err(AppendError::Fault(fault)) => match (fault.retry, fault.outcome) {
                    (FaultRetry::After(pause), FaultOutcome::NotApplied) => tasks::sleep(pause).await,
                    _ => return Err(fault),
                },
                Err(other) => return Err(Fault::permanent("order-service", "import", other)),
            }
        }
        Err(busy())
    }
}

fn encoded(wanted: Wanted, context: &CallContext) -> Result<(Wanted, NewEvent), Fault> {
    let Wanted { index, stream, imported } = wanted;
    let event_id = EventId::derived(&format!("order-imported\u{0}{}", imported.order_id));
    let event = OrderEvent::Imported(imported);
    let encoded =
        event.encode(event_id, context).map_err(|error| Fault::permanent("order-service", "import", error))?;
    let OrderEvent::Imported(imported) = event else { unreachable!("made two lines above") };
    Ok((Wanted { index, stream, imported }, encoded))
}

fn busy() -> Fault {
    let why = "others import the same orders, or the store is too busy";
    Fault::not_applied("order-service", "import", why).with_retry(FaultRetry::After(std::time::Duration::from_secs(1)))
}

impl Buyers {
    async fn find(
        &self,
        name: &BuyerName,
        neighbours: &OrderNeighbours,
        context: &CallContext,
    ) -> Result<Option<Arc<FoundBuyer>>, Fault> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(known.clone());
        }
        let found = match name {
            BuyerName::Id(user_id) => {
                let buyer = neighbours.users.call(context, GetBuyer { user_id: *user_id }).await?;
                buyer.map(|buyer| FoundBuyer { user_id: *user_id, buyer })
            }
            BuyerName::Username(username) => {
                neighbours.users.call(context, FindBuyer { username: username.clone() }).await?
            }
        };
        let found = found.map(Arc::new);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= BUYERS_REMEMBERED {
            known.clear();
        }
        known.insert(name.clone(), found.clone());
        Ok(found)
    }
}

impl std::fmt::Debug for OrderImports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderImports").finish_non_exhaustive()
    }
}
