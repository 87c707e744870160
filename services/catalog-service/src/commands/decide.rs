//! One command against the working state: what to record, and what to answer once that is durable.

use std::sync::Arc;

use madrigal_core::{CallContext, EventId, Fault, Host};

use super::command::{Command, Effect, IN_THIS_GROUP, ProductChange, ProductSaved, Reply};
use super::working::{LoadFailure, Shelf, Working};
use crate::domain::reservation::ReservationReleased;
use crate::domain::stock::{StockMoved, StockReceived};
use crate::domain::{
    BooksBroken, ConfirmDecision, Product, ProductEvent, ProductId, ProductRefusal, ReleaseCause, RequestKey,
    Reservation, ReservationEvent, ReserveDecision, SagaKey, StockEvent, StockRefusal, UndoDecision,
};

/// Decides `command`, records its events in `working` and returns the answer to give when they are durable.
///
/// A command that is refused, or that breaks, leaves `working` as it was.
pub(super) fn decide(
    working: &mut Working,
    command: &Command,
    context: &CallContext,
    host: &Host,
) -> Result<Reply, Fault> {
    let reply = match command {
        Command::Reserve { saga, order_id, lines } => reserve(working, saga, order_id, lines, context),
        Command::Release { saga, cause } => {
            let current = working.slip(saga).map(|slip| Reservation::release(slip.reservation.as_ref(), *cause));
            current.and_then(|decision| undo(working, saga, decision, context))
        }
        Command::TakeBack { saga } => {
            let current = working.slip(saga).map(|slip| Reservation::take_back(slip.reservation.as_ref()));
            current.and_then(|decision| undo(working, saga, decision, context))
        }
        Command::Confirm { saga } => confirm(working, saga, context),
        Command::ChangeStock { product, change, reason } => {
            change_stock(working, product, *change, reason, context, host)
        }
        Command::ChangeProduct { product, change } => change_product(working, product, change, context, host),
        Command::Once { key, command } => return once(working, key, command, context, host),
    };
    reply.map_err(|LoadFailure(fault)| share(&fault))
}

/// Decides a command unless its key was used; what it does is recorded under the key.
fn once(
    working: &mut Working,
    key: &RequestKey,
    command: &Command,
    context: &CallContext,
    host: &Host,
) -> Result<Reply, Fault> {
    if let Some(fulfilled) = working.request(key).map_err(|LoadFailure(fault)| share(&fault))? {
        return Ok(if key.is_of(&fulfilled.record) { fulfilled.reply(command) } else { Reply::OtherRequest });
    }
    let reply = decide(working, command, context, host)?;
    let product = match (&reply, command) {
        (Reply::ProductSaved(saved), _) if saved.effect != Effect::Unchanged => Some(saved.id.clone()),
        (Reply::StockChanged { .. }, Command::ChangeStock { product, .. }) => Some(product.clone()),
        _ => None,
    };
    if let Some(product) = product {
        working.record_request(key, &product, context);
    }
    Ok(reply)
}

fn reserve(
    working: &mut Working,
    saga: &SagaKey,
    order_id: &str,
    lines: &[(String, u32)],
    context: &CallContext,
) -> Result<Reply, LoadFailure> {
    let slip = working.slip(saga)?;
    if slip.reservation.is_none() {
        for id in lines.iter().filter_map(|(id, _)| ProductId::parse(id)) {
            working.shelf(&id)?;
        }
    }
    let on_shelf = |asked: &str| {
        let id = ProductId::parse(asked)?;
        let shelf = working.shelf(&id).ok()?;
        shelf.product.as_ref().map(|product| (id, &**product, &shelf.stock))
    };
    match Reservation::reserve(slip.reservation.as_ref(), order_id, lines, on_shelf) {
        ReserveDecision::Make(made) => {
            let moves = made.lines.iter().map(|line| {
                let moved = Reservation::moved(saga.as_str(), order_id, line);
                (line.product_id.clone(), derived(saga, "reserve", Some(&line.product_id)), StockEvent::Reserved(moved))
            });
            working.record_stock(moves.collect(), context).map_err(broken_books)?;
            let reply = Reply::Reserved { lines: made.lines.clone(), position: IN_THIS_GROUP };
            working.record_slip(saga, derived(saga, "reserve", None), &ReservationEvent::Made(made), context);
            Ok(reply)
        }
        ReserveDecision::Stored => {
            let lines = slip.reservation.as_ref().map(|reservation| reservation.lines.clone()).unwrap_or_default();
            Ok(Reply::Reserved { lines, position: slip.position })
        }
        ReserveDecision::Released => Ok(Reply::ReservationGone),
        ReserveDecision::OutOfStock(lines) => Ok(Reply::OutOfStock { lines }),
        ReserveDecision::OtherContent => Ok(Reply::OtherContent),
    }
}

fn undo(
    working: &mut Working,
    saga: &SagaKey,
    decision: UndoDecision,
    context: &CallContext,
) -> Result<Reply, LoadFailure> {
    let done = |nothing_to_undo| Reply::Undone { nothing_to_undo, position: IN_THIS_GROUP };
    match decision {
        UndoDecision::Release(cause) => {
            move_lines(working, saga, "release", StockEvent::ReservationReleased, context)?;
            let event = ReservationEvent::Released(ReservationReleased { cause });
            working.record_slip(saga, derived(saga, "release", None), &event, context);
            if cause == ReleaseCause::Expired {
                tracing::warn!(saga_id = %saga, "released a reservation that nobody needs any more");
            }
            Ok(done(false))
        }
        UndoDecision::Return => {
            move_lines(working, saga, "return", StockEvent::Returned, context)?;
            working.record_slip(saga, derived(saga, "return", None), &ReservationEvent::Returned, context);
            Ok(done(false))
        }
        UndoDecision::Tombstone => {
            working.record_slip(saga, derived(saga, "tombstone", None), &ReservationEvent::Tombstoned, context);
            Ok(done(true))
        }
        UndoDecision::Nothing => {
            let position = working.slip(saga)?.position;
            Ok(Reply::Undone { nothing_to_undo: true, position })
        }
        UndoDecision::Sold => Ok(Reply::AlreadySold),
    }
}

fn confirm(working: &mut Working, saga: &SagaKey, context: &CallContext) -> Result<Reply, LoadFailure> {
    let slip = working.slip(saga)?;
    match Reservation::confirm(slip.reservation.as_ref()) {
        ConfirmDecision::Sell => {
            move_lines(working, saga, "confirm", StockEvent::ReservationConfirmed, context)?;
            working.record_slip(saga, derived(saga, "confirm", None), &ReservationEvent::Confirmed, context);
            Ok(Reply::Sold { position: IN_THIS_GROUP })
        }
        ConfirmDecision::Stored => Ok(Reply::Sold { position: slip.position }),
        ConfirmDecision::LateAgain => Ok(Reply::SoldAfterRelease { position: slip.position }),
        ConfirmDecision::RecordLate { alarm } => {
            if alarm {
                let order_id = slip.reservation.as_ref().map_or("", |reservation| &reservation.order_id);
                tracing::error!(saga_id = %saga, order_id, "a reservation was confirmed after its release: nothing is held for this order");
            }
            let event = ReservationEvent::ConfirmedAfterRelease;
            working.record_slip(saga, derived(saga, "confirm-late", None), &event, context);
            Ok(Reply::SoldAfterRelease { position: IN_THIS_GROUP })
        }
        ConfirmDecision::Unknown => Ok(Reply::NoReservation),
    }
}

/// Moves the stock of every line of a reservation.
fn move_lines(
    working: &mut Working,
    saga: &SagaKey,
    verb: &str,
    event: fn(StockMoved) -> StockEvent,
    context: &CallContext,
) -> Result<(), LoadFailure> {
    let reservation = working.slip(saga)?.reservation.as_ref();
    let mut moves = Vec::new();
    for (reservation, line) in reservation.iter().flat_map(|held| held.lines.iter().map(move |line| (held, line))) {
        working.shelf(&line.product_id)?;
        let moved = Reservation::moved(saga.as_str(), &reservation.order_id, line);
        moves.push((line.product_id.clone(), derived(saga, verb, Some(&line.product_id)), event(moved)));
    }
    working.record_stock(moves, context).map_err(broken_books)
}

fn change_stock(
    working: &mut Working,
    id: &ProductId,
    change: i64,
    reason: &str,
    context: &CallContext,
    host: &Host,
) -> Result<Reply, LoadFailure> {
    let shelf = working.shelf(id)?;
    if shelf.product.is_none() {
        return Ok(Reply::ProductRefused(ProductRefusal::NotFound));
    }
    let event = match shelf.stock.change(change, reason) {
        Ok(event) => event,
        Err(refusal) => return Ok(Reply::StockRefused(refusal)),
    };
    let recorded = working.record_stock(vec![(id.clone(), EventId::new(host), event)], context);
    recorded.map_err(broken_books)?;
    let Shelf { stock, stock_version, .. } = working.shelf(id)?;
    Ok(Reply::StockChanged { stock: *stock, version: *stock_version, position: IN_THIS_GROUP })
}

fn change_product(
    working: &mut Working,
    id: &ProductId,
    change: &ProductChange,
    context: &CallContext,
    host: &Host,
) -> Result<Reply, LoadFailure> {
    let shelf = working.shelf(id)?;
    let current = shelf.product.as_deref();
    if let Some(reply) = version_refusal(shelf, change) {
        return Ok(reply);
    }
    let (decision, initial_stock) = match change {
        ProductChange::Create { details, price, initial_stock } => {
            (Product::create(current, details.clone(), *price), *initial_stock)
        }
        ProductChange::Import { details, price, initial_stock } => match current {
            None => (Product::create(None, details.clone(), *price), *initial_stock),
            Some(product) if product.withdrawn => (Err(ProductRefusal::Withdrawn), 0),
            Some(_) => (Product::revise(current, details.clone(), *price), 0),
        },
        ProductChange::Patch { patch, .. } => match current {
            None => (Err(ProductRefusal::NotFound), 0),
            Some(product) => {
                let (details, price) = patch.applied_to(product);
                (Product::revise(current, details, price), 0)
            }
        },
        ProductChange::Withdraw { .. } => (Product::withdraw(current), 0),
    };
    let events = match decision {
        Ok(events) => events,
        Err(refusal) => return Ok(Reply::ProductRefused(refusal)),
    };
    let effect = match events.first() {
        None => Effect::Unchanged,
        Some(ProductEvent::Created(_)) => Effect::Created,
        Some(_) => Effect::Changed,
    };
    if initial_stock < 0 {
        return Ok(Reply::StockRefused(StockRefusal::Overdrawn { available: 0 }));
    }
    if initial_stock > 0 {
        let received = StockReceived { quantity: initial_stock, reason: "initial stock".to_owned() };
        let moves = vec![(id.clone(), EventId::new(host), StockEvent::Received(received))];
        working.record_stock(moves, context).map_err(broken_books)?;
    }
    if effect != Effect::Unchanged {
        let events: Vec<_> = events.into_iter().map(|event| (EventId::new(host), event)).collect();
        working.record_product(id, &events, context);
    }
    saved(working, id, effect)
}

/// The refusal of a change that expects another version than the product's.
fn version_refusal(shelf: &Shelf, change: &ProductChange) -> Option<Reply> {
    let (ProductChange::Patch { expected, .. } | ProductChange::Withdraw { expected }) = change else { return None };
    let known = shelf.product.as_ref().is_some_and(|product| !product.withdrawn);
    if !known {
        return Some(Reply::ProductRefused(ProductRefusal::NotFound));
    }
    (*expected != shelf.product_version).then_some(Reply::OtherVersion { current: shelf.product_version })
}

fn saved(working: &Working, id: &ProductId, effect: Effect) -> Result<Reply, LoadFailure> {
    let shelf = working.shelf(id)?;
    let Some(product) = &shelf.product else { return Ok(Reply::ProductRefused(ProductRefusal::NotFound)) };
    Ok(Reply::ProductSaved(ProductSaved {
        id: id.clone(),
        product: Arc::clone(product),
        version: shelf.product_version,
        stock: shelf.stock,
        effect,
        position: if effect == Effect::Unchanged { madrigal_core::Position::START } else { IN_THIS_GROUP },
    }))
}

/// The id of the event by which this saga does this: the same on every attempt.
fn derived(saga: &SagaKey, verb: &str, product: Option<&ProductId>) -> EventId {
    let product = product.map_or("", ProductId::as_str);
    EventId::derived(&format!("catalog {verb} {saga} {product}"))
}

fn broken_books(error: BooksBroken) -> LoadFailure {
    LoadFailure(Arc::new(Fault::permanent("catalog", "decide", error)))
}

/// The same fault for one more caller.
pub(super) fn share(fault: &Arc<Fault>) -> Fault {
    Fault {
        engine: fault.engine,
        operation: fault.operation,
        retry: fault.retry,
        outcome: fault.outcome,
        cause: fault.cause,
        source: Box::new(Shared(Arc::clone(fault))),
    }
}

/// A fault that several callers are told about.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.source)]
struct Shared(Arc<Fault>);
