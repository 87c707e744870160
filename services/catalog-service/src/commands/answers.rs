//! The calls that other services make, put to the desk and to the quotes.

use std::collections::HashSet;

use async_trait::async_trait;
use madrigal_contracts::catalog::{
    ConfirmReservation, Confirmation, Quote, QuoteProducts, ReleaseReservation, Reservation, ReserveStock,
    ReservedLine, ReturnStock, ShortLine, Undone,
};
use madrigal_core::{CallContext, Fault, Position, PositionToken};
use madrigal_event_store::DynEventStore;
use madrigal_http::Answer;

use super::command::{Command, Reply};
use super::desk::StockDesk;
use crate::domain::{ReleaseCause, ReservationLine, SagaKey, Short};
use crate::queries::Quotes;

/// The most lines of a reservation: with its own event they fit into one append.
pub const MAX_LINES: usize = 500;
/// The longest id of an order, in bytes.
const MAX_ORDER_ID_BYTES: usize = 128;

/// Answers the catalogue's calls.
#[derive(Clone)]
pub struct CatalogAnswers {
    desk: StockDesk,
    quotes: Quotes,
    store: DynEventStore,
}

impl CatalogAnswers {
    /// Answers from these.
    pub fn new(desk: StockDesk, quotes: Quotes, store: DynEventStore) -> Self {
        Self { desk, quotes, store }
    }

    fn token(&self, position: Position) -> PositionToken {
        self.store.token(position)
    }

    async fn undo(&self, context: CallContext, command: Command) -> Result<Undone, Fault> {
        match self.desk.ask(context, command).await? {
            Reply::Undone { nothing_to_undo, position } => {
                Ok(Undone { nothing_to_undo, position: self.token(position) })
            }
            Reply::AlreadySold => {
                Err(Fault::permanent("catalog", "release", "the reservation is sold: only a return undoes it"))
            }
            other => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl Answer<QuoteProducts> for CatalogAnswers {
    async fn answer(&self, _context: CallContext, call: QuoteProducts) -> Result<Vec<Quote>, Fault> {
        self.quotes.quote(&call.product_ids).await
    }
}

#[async_trait]
impl Answer<ReserveStock> for CatalogAnswers {
    async fn answer(&self, context: CallContext, call: ReserveStock) -> Result<Reservation, Fault> {
        match self.desk.ask(context, reserve(call)?).await? {
            Reply::Reserved { lines, position } => Ok(Reservation::Reserved {
                lines: lines.into_iter().map(reserved).collect(),
                position: self.token(position),
            }),
            Reply::OutOfStock { lines } => {
                Ok(Reservation::OutOfStock { lines: lines.into_iter().map(short).collect() })
            }
            Reply::ReservationGone => Ok(Reservation::Released),
            Reply::OtherContent => Err(invalid("this saga reserved something else before")),
            other => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl Answer<ReleaseReservation> for CatalogAnswers {
    async fn answer(&self, context: CallContext, call: ReleaseReservation) -> Result<Undone, Fault> {
        self.undo(context, Command::Release { saga: saga(&call.saga_id)?, cause: ReleaseCause::Undone }).await
    }
}

#[async_trait]
impl Answer<ReturnStock> for CatalogAnswers {
    async fn answer(&self, context: CallContext, call: ReturnStock) -> Result<Undone, Fault> {
        self.undo(context, Command::TakeBack { saga: saga(&call.saga_id)? }).await
    }
}

#[async_trait]
impl Answer<ConfirmReservation> for CatalogAnswers {
    async fn answer(&self, context: CallContext, call: ConfirmReservation) -> Result<Confirmation, Fault> {
        match self.desk.ask(context, Command::Confirm { saga: saga(&call.saga_id)? }).await? {
            Reply::Sold { position } => Ok(Confirmation::Sold { position: self.token(position) }),
            Reply::SoldAfterRelease { position } => Ok(Confirmation::AfterRelease { position: self.token(position) }),
            Reply::NoReservation => Ok(Confirmation::Unknown),
            other => Err(unexpected(&other)),
        }
    }
}

impl std::fmt::Debug for CatalogAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogAnswers").field("desk", &self.desk).finish_non_exhaustive()
    }
}

/// The command of a well-formed call.
fn reserve(call: ReserveStock) -> Result<Command, Fault> {
    let saga = saga(&call.saga_id)?;
    if call.order_id.is_empty() || call.order_id.len() > MAX_ORDER_ID_BYTES {
        return Err(invalid("an order's id has 1 to 128 bytes"));
    }
    if call.lines.is_empty() || call.lines.len() > MAX_LINES {
        return Err(invalid("a reservation has 1 to 500 lines"));
    }
    let mut seen = HashSet::with_capacity(call.lines.len());
    if !call.lines.iter().all(|line| line.quantity >= 1 && seen.insert(line.product_id.as_str())) {
        return Err(invalid("each product stands once, with a quantity of at least 1"));
    }
    let lines = call.lines.into_iter().map(|line| (line.product_id, line.quantity)).collect();
    Ok(Command::Reserve { saga, order_id: call.order_id, lines })
}

fn saga(text: &str) -> Result<SagaKey, Fault> {
    SagaKey::parse(text).ok_or_else(|| invalid("a saga's id has 1 to 100 visible ASCII characters"))
}

fn reserved(line: ReservationLine) -> ReservedLine {
    let quote = Quote {
        product_id: line.product_id.as_str().to_owned(),
        name: line.name,
        price: line.price,
        discount: line.discount,
        orderable: true,
    };
    ReservedLine { quote, quantity: line.quantity }
}

fn short(line: Short) -> ShortLine {
    ShortLine { product_id: line.product_id, requested: line.requested, available: line.available }
}

/// A mistake of the caller: repeating it changes nothing.
fn invalid(why: &'static str) -> Fault {
    Fault::permanent("catalog", "check", why)
}

pub(crate) fn unexpected(reply: &Reply) -> Fault {
    Fault::unknown("catalog", "decide", format!("the desk answered another question: {reply:?}"))
}
