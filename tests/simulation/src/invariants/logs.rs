//! Logs, the view over one, and the topic out of one.

use std::collections::{BTreeMap, BTreeSet};

use madrigal_core::{EventId, StreamVersion};

use crate::books::{Books, data};
use crate::shop::Role;

/// Positions of a log and versions of a stream count from 1 without gaps.
pub(super) fn positions_dense(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (role, log) in &books.logs {
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        for (event, expected) in log.iter().zip(1..) {
            if event.position.0 != expected {
                found.push(format!("{}: position {} where {expected} should be", role.log(), event.position));
                break;
            }
            let version = versions.entry(event.stream.as_str()).or_default();
            *version += 1;
            if event.version().0 != *version {
                found.push(format!(
                    "{}: {} has version {} after {}",
                    role.log(),
                    event.stream,
                    event.version(),
                    *version - 1
                ));
                break;
            }
        }
    }
    found
}

/// Every event that a store acknowledged is in its log, at its place.
pub(super) fn nothing_durable_lost(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for role in Role::SERVICES {
        let places: BTreeSet<(&str, StreamVersion, EventId)> =
            books.log(role).iter().map(|event| (event.stream.as_str(), event.version(), event.event_id)).collect();
        let told = books.acknowledged.iter().filter(|told| told.log.as_str() == role.log());
        let lost = told.filter(|told| !places.contains(&(told.stream.as_str(), told.version, told.event_id)));
        found.extend(
            lost.map(|lost| format!("{}: {} version {} was acknowledged", role.log(), lost.stream, lost.version)),
        );
    }
    found
}

/// The order view is what the log folds to.
pub(super) fn view_equals_fold(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &books.orders {
        match books.view.get(id) {
            None => found.push(format!("order {id} is not in the view")),
            Some(row) if *row != order.json => {
                found.push(format!("order {id}: the view has {row}, the log {}", order.json))
            }
            Some(_) => {}
        }
    }
    let unknown = books.view.keys().filter(|id| !books.orders.contains_key(*id));
    found.extend(unknown.map(|id| format!("order {id} is in the view and not in the log")));
    found
}

/// The subscriber heard every message of the topic once.
pub(super) fn heard_once(books: &Books) -> Vec<String> {
    let contract = madrigal_order_service::topics::contract();
    let told = books.log(Role::Order).iter().filter_map(|event| contract.message(event));
    let told: Vec<String> = told.map(|message| message.id).collect();
    let mut heard: BTreeMap<String, u32> = BTreeMap::new();
    for event in books.log(Role::Reports) {
        *heard.entry(data(event)["message"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut found = Vec::new();
    for message in &told {
        match heard.get(message).copied().unwrap_or_default() {
            1 => {}
            times => found.push(format!("message {message} was heard {times} times")),
        }
    }
    let told: BTreeSet<&String> = told.iter().collect();
    found.extend(heard.keys().filter(|id| !told.contains(id)).map(|id| format!("message {id} was never told")));
    found
}
