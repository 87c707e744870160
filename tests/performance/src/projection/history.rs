//! What orders leave in order-service's log, made up: the same every time.

use std::sync::Arc;

use madrigal_core::money::{PricedLine, Totals};
use madrigal_core::{
    BasisPoints, CallContext, CorrelationId, Currency, EventId, EventType, ExpectedVersion, Host, JsonBytes, Metadata,
    Money, NewEvent, PersonId, PersonKey, Position, RecordedEvent, Sealed, StreamName, StreamVersion, Timestamp, tasks,
};
use madrigal_event_store::DynEventStore;
use madrigal_order_service::events::{
    Customer, OrderCreated, OrderEvent, OrderItem, OrderShipped, OrderStatus, OrderStatusChanged, PaymentProcessed,
};
use serde_json::{Map, Value, json};

use crate::orders::workload::Random;
use crate::report::{Report, check};

/// Events of an order.
pub(super) const EVENTS: u64 = 5;
/// Of them, those that the placing appends in one piece.
const PLACED: u64 = 3;
/// An order is shipped so many orders after its placing.
const SHIPPED_LATER: u64 = 1_000;
/// So many different orders are made up; then their data comes again, under other ids.
const DIFFERENT: u64 = 1_000;
/// How many append to the log at once.
const WRITERS: u64 = 32;

/// The events of orders.
pub(super) struct History {
    orders: u64,
    streams: Vec<StreamName>,
    data: Vec<[(EventType, JsonBytes); EVENTS as usize]>,
    correlation: CorrelationId,
    now: Timestamp,
}

impl History {
    pub(super) fn new(orders: u64) -> anyhow::Result<Self> {
        // Other ids each time: they sort by time, as a shop's do.
        let host = Host::system();
        let mut random = Random::seeded(1);
        let data = (0..DIFFERENT.min(orders)).map(|_| order(&host, &mut random)).collect::<Result<_, _>>()?;
        let streams = (0..orders).map(|_| StreamName::new("order", host.uuid_v7())).collect::<Result<_, _>>()?;
        Ok(Self { orders, streams, data, correlation: CorrelationId::new(&host), now: host.now() })
    }

    /// The position of the last event, where all are in a log.
    pub(super) fn end(&self) -> Position {
        Position(self.orders * EVENTS)
    }

    /// Bytes of data of an event.
    pub(super) fn average_bytes(&self) -> usize {
        let bytes: usize = self.data.iter().flatten().map(|(_, data)| data.as_bytes().len()).sum();
        bytes / (self.data.len() * EVENTS as usize).max(1)
    }

    /// Which order's which event stands at this position in a log where orders are shipped later: three events of the
    /// order whose turn it is, two of an earlier one; those of the last orders come at the end.
    fn at(&self, position: Position) -> (u64, u64) {
        let delay = SHIPPED_LATER.min(self.orders);
        let at = position.0 - 1;
        // Without anything to ship yet: three events an order.
        let alone = delay * PLACED;
        if at < alone {
            return (at / PLACED, at % PLACED);
        }
        let mixed = (self.orders - delay) * EVENTS;
        if at < alone + mixed {
            let (turn, number) = ((at - alone) / EVENTS, (at - alone) % EVENTS);
            return if number < PLACED { (delay + turn, number) } else { (turn, number) };
        }
        let (turn, number) = ((at - alone - mixed) / (EVENTS - PLACED), (at - alone - mixed) % (EVENTS - PLACED));
        (self.orders - delay + turn, PLACED + number)
    }

    fn data(&self, order: u64, number: u64) -> &(EventType, JsonBytes) {
        let different = self.data.len() as u64;
        &self.data[(order % different) as usize][number as usize]
    }

    /// The event at this position.
    pub(super) fn recorded(&self, position: Position) -> RecordedEvent {
        let (order, number) = self.at(position);
        let (event_type, event_data) = self.data(order, number);
        RecordedEvent {
            event_id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(position.0))),
            stream: self.streams[order as usize].clone(),
            event_type: event_type.clone(),
            schema_version: 1,
            event_data: event_data.clone(),
            metadata: Metadata {
                timestamp: self.now,
                version: StreamVersion(number + 1),
                causation_id: None,
                correlation_id: Some(self.correlation.clone()),
                user_id: None,
                traceparent: None,
            },
            position,
        }
    }

    async fn append(
        &self,
        log: &DynEventStore,
        host: &Host,
        order: u64,
        numbers: std::ops::Range<u64>,
    ) -> anyhow::Result<()> {
        let context = CallContext::new(host);
        let expected = ExpectedVersion::Exact(StreamVersion(numbers.start));
        let events = numbers.map(|number| {
            let (event_type, data) = self.data(order, number);
            NewEvent::new(EventId::new(host), event_type.clone(), 1, data.clone(), &context)
        });
        log.append(self.streams[order as usize].clone(), expected, events.collect()).await?;
        Ok(())
    }
}

/// Appends all of it to a log, nearly in the order of positions: several append at once.
pub(super) async fn fill(
    log: &DynEventStore,
    history: &Arc<History>,
    orders: u64,
    report: &Report,
) -> anyhow::Result<Value> {
    let began = tasks::instant();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (log, history, stop) = (log.clone(), Arc::clone(history), report.stop().clone());
            tasks::spawn("writer", async move {
                let host = Host::system();
                // Its own orders: every so many-th; an earlier one of them is shipped when a later one was placed.
                let mut waiting = std::collections::VecDeque::new();
                for order in (writer..orders).step_by(WRITERS as usize) {
                    check(&stop)?;
                    history.append(&log, &host, order, 0..PLACED).await?;
                    waiting.push_back(order);
                    if waiting.len() as u64 > SHIPPED_LATER / WRITERS
                        && let Some(earlier) = waiting.pop_front()
                    {
                        history.append(&log, &host, earlier, PLACED..EVENTS).await?;
                    }
                }
                for earlier in waiting {
                    history.append(&log, &host, earlier, PLACED..EVENTS).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    anyhow::ensure!(log.end() == history.end(), "the log ends at {}, not at {}", log.end(), history.end());
    let rate = log.end().0 as f64 / began.elapsed().as_secs_f64();
    report.line(&format!("{:<44} {rate:>11.0}", format!("(written to the journal by {WRITERS})")));
    Ok(json!({ "events": log.end().0, "eventsPerSecond": rate, "appenders": WRITERS }))
}

/// The data of one order's events.
fn order(host: &Host, random: &mut Random) -> anyhow::Result<[(EventType, JsonBytes); EVENTS as usize]> {
    let euro = Currency::parse("EUR").ok_or_else(|| anyhow::anyhow!("EUR is a currency"))?;
    let money = |amount| Money { amount, currency: euro };
    let items: Vec<OrderItem> = (0..=random.below(5))
        .map(|_| {
            let number = random.below(10_000);
            OrderItem {
                product_id: format!("P{number:05}"),
                name: format!("Product {number}"),
                price: money(100 + number as i64 % 5_000),
                discount: BasisPoints::ZERO,
                quantity: 1 + random.below(3) as u32,
            }
        })
        .collect();
    let summary = Totals::of(items.iter().map(|item| PricedLine {
        unit_amount: item.price.amount,
        quantity: item.quantity,
        discount: item.discount,
    }))?;
    let person = PersonId(1 + random.below(2_000) as i64);
    let address =
        Map::from_iter([("street".to_owned(), json!("Via dei Liutai 17")), ("city".to_owned(), json!("Cremona"))]);
    let customer = Customer {
        name: "Ottavia Quintavalle".to_owned(),
        email: format!("customer{}@customers.example", person.0),
        shipping_address: Some(address),
    };
    let customer = Sealed::seal(host, person, &PersonKey::generate(host), &customer)?;
    let status = |status: OrderStatus, note: &str| {
        OrderEvent::StatusChanged(OrderStatusChanged {
            status,
            note: note.to_owned(),
            estimated_delivery: Some(host.now()),
        })
    };
    let events = [
        OrderEvent::Created(OrderCreated {
            order_id: host.uuid_v7().to_string(),
            user_id: person,
            customer,
            items,
            currency: euro,
            summary,
            draft: false,
            saga_id: Some(host.uuid_v7().to_string()),
            fingerprint: None,
        }),
        OrderEvent::PaymentProcessed(PaymentProcessed {
            payment_id: host.uuid_v7().to_string(),
            amount: money(summary.final_amount),
            last_four: "4242".to_owned(),
        }),
        status(OrderStatus::Confirmed, "Payment received, stock reserved"),
        OrderEvent::Shipped(OrderShipped {
            carrier: "Staffetta".to_owned(),
            tracking_number: format!("IT-{}", random.below(1_000_000)),
            estimated_delivery: Some(host.now()),
        }),
        status(OrderStatus::Shipped, "Handed to Staffetta"),
    ];
    let context = CallContext::new(host);
    let mut data = Vec::with_capacity(events.len());
    for event in events {
        let encoded = event.encode(EventId::new(host), &context)?;
        data.push((encoded.event_type, encoded.event_data));
    }
    data.try_into().map_err(|_| anyhow::anyhow!("an order has {EVENTS} events"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_order_has_its_events_once_and_in_order() {
        for orders in [1, 7, 1_000, 1_003, 2_500] {
            let history = History::new(orders).unwrap();
            let mut seen: HashMap<u64, u64> = HashMap::new();
            for position in 1..=history.end().0 {
                let (order, number) = history.at(Position(position));
                let next = seen.entry(order).or_default();
                assert_eq!(number, *next, "order {order} of {orders} at {position}");
                *next += 1;
            }
            assert_eq!(seen.len() as u64, orders);
            assert!(seen.values().all(|count| *count == EVENTS));
        }
    }
}
