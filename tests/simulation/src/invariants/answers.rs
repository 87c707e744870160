//! What customers were told, and what they were written.

use std::collections::{BTreeMap, BTreeSet};

use madrigal_order_service::events::OrderStatus;
use madrigal_saga::SagaId;

use crate::books::{Books, data};
use crate::customers::{Fact, PlacedBy};
use crate::shop::Role;

/// What customers were told stays true.
pub(super) fn answers_stay_true(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let mut of_key: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let saga_of = |place: &PlacedBy| SagaId::derive(&place.user.to_string(), "place-order", &place.key).to_string();
    let status = |id: &str| books.orders.get(id).map(|order| order.row.current_status);
    for fact in &books.facts {
        match fact {
            Fact::Placed { place, order_id } => {
                of_key.entry(&place.key).or_default().insert(order_id);
                match books.orders.get(order_id) {
                    None => found.push(format!("order {order_id} was acknowledged and is not there")),
                    Some(order) => {
                        let mut items: Vec<(String, u32)> =
                            order.row.items.iter().map(|item| (item.product_id.clone(), item.quantity)).collect();
                        let mut asked = place.lines.clone();
                        items.sort();
                        asked.sort();
                        if items != asked || order.row.user_id.0 != place.user || order.saga() != saga_of(place) {
                            found.push(format!("order {order_id} is not what {} asked for", place.key));
                        }
                    }
                }
            }
            Fact::NotPlaced { place } => {
                let saga = saga_of(place);
                if let Some((id, _)) = books.orders.iter().find(|(_, order)| order.saga() == saga) {
                    found.push(format!("{} was refused, and order {id} is there", place.key));
                }
            }
            Fact::Cancelled { order_id } if status(order_id) != Some(OrderStatus::Cancelled) => {
                found.push(format!("order {order_id} was said to be cancelled"));
            }
            Fact::Shipped { order_id } if status(order_id) != Some(OrderStatus::Shipped) => {
                found.push(format!("order {order_id} was said to be shipped"));
            }
            Fact::Unanswered { wish } => found.push(format!("nobody ever answered: {wish}")),
            Fact::Cancelled { .. } | Fact::Shipped { .. } => {}
        }
    }
    let twice = of_key.into_iter().filter(|(_, orders)| orders.len() > 1);
    found.extend(twice.map(|(key, orders)| format!("{key} became {} orders", orders.len())));
    let mut sagas: BTreeMap<&str, u32> = BTreeMap::new();
    books.orders.values().for_each(|order| *sagas.entry(order.saga()).or_default() += 1);
    found.extend(
        sagas.into_iter().filter(|(_, orders)| *orders > 1).map(|(saga, _)| format!("saga {saga} made several orders")),
    );
    found
}

/// One confirmation for every placed order, one cancellation for every cancelled one, each delivered.
pub(super) fn one_mail_each(books: &Books) -> Vec<String> {
    let mut mails: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut found = Vec::new();
    for (stream, events) in books.streams(Role::Mail, "mail") {
        let requested = events.iter().filter(|event| event.event_type.as_str() == "MailRequested");
        for event in requested {
            let data = data(event);
            let part = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
            *mails.entry((part("orderId"), part("kind"))).or_default() += 1;
        }
        if !events.iter().any(|event| event.event_type.as_str() == "MailSent") {
            found.push(format!("{stream} was not delivered"));
        }
    }
    for (id, order) in &books.orders {
        let cancelled = u32::from(order.row.current_status == OrderStatus::Cancelled);
        for (kind, wanted) in [("order-confirmation", 1), ("order-cancellation", cancelled)] {
            let there = mails.remove(&(id.clone(), kind.to_owned())).unwrap_or_default();
            if there != wanted {
                found.push(format!("order {id}: {there} mails of kind {kind}, expected {wanted}"));
            }
        }
    }
    found.extend(
        mails.into_keys().map(|(order, kind)| format!("a mail of kind {kind} about order {order}, which is not there")),
    );
    found
}
