//! All that happened, in the order of time.

use std::time::Duration;

use madrigal_contracts::story::SagaTold;
use madrigal_core::Timestamp;
use serde_json::Value;

use super::gather::Told;
use super::sentences;
use super::shapes::Moment;

/// The most moments of a story; the latest are kept.
pub(super) const MAX_MOMENTS: usize = 2_000;

/// Everything that was told, in the order of time; what happened at the same microsecond in the order of cause.
pub(super) fn of(told: &Told, sees_all: bool) -> Vec<Moment> {
    let mut moments = Vec::new();
    if let Some(order) = &told.order {
        for saga in &order.sagas {
            of_saga(saga, sees_all, &mut moments);
        }
    }
    for reservation in &told.reservations {
        moments.extend(reservation.events.iter().filter_map(|event| of_event("catalog", event)));
    }
    for payment in &told.payments {
        moments.extend(payment.events.iter().filter_map(|event| of_event("payment", event)));
    }
    if let Some(order) = &told.order {
        moments.extend(order.events.iter().filter_map(|event| of_event("order", event)));
    }
    for mail in &told.mails {
        moments.extend(mail.events.iter().filter_map(|event| of_event("notification", event)));
    }
    // Stable: saga, stock, money, order, mail.
    moments.sort_by_key(|moment| moment.at);
    let surplus = moments.len().saturating_sub(MAX_MOMENTS);
    moments.drain(..surplus);
    moments
}

fn of_event(voice: &str, event: &Value) -> Option<Moment> {
    let kind = event["eventType"].as_str()?;
    let (category, id) = (event["aggregateType"].as_str()?, event["aggregateId"].as_str()?);
    Some(Moment {
        at: at(&event["metadata"]["timestamp"])?,
        until: None,
        voice: voice.to_owned(),
        kind: kind.to_owned(),
        text: sentences::of_event(kind, &event["eventData"]),
        id: event["eventId"].as_str()?.to_owned(),
        step: None,
        outcome: None,
        saga_id: None,
        // `aggregateType` is the stream's category with its first letter raised.
        stream: Some(format!("{}-{id}", category.to_ascii_lowercase())),
    })
}

fn of_saga(told: &SagaTold, sees_all: bool, moments: &mut Vec<Moment>) {
    let saga = &told.saga;
    let moment = |at: Timestamp, kind: &str, id: String, text: String| Moment {
        at,
        until: None,
        voice: "order".to_owned(),
        kind: kind.to_owned(),
        text,
        id,
        step: None,
        outcome: None,
        saga_id: Some(told.saga_id.clone()),
        stream: Some(format!("saga-{}", told.saga_id)),
    };
    let id = &told.saga_id;
    if let Some(started) = at(&saga["startedAt"]) {
        let text = sentences::of_start(told.places);
        moments.push(moment(started, "saga", format!("{id}/started"), text.to_owned()));
    }
    for step in saga["steps"].as_array().into_iter().flatten() {
        let Some(name) = step["name"].as_str() else { continue };
        for (kind, direction) in [("step", "attempts"), ("undo", "undo")] {
            let attempts = step[direction].as_array().map(Vec::as_slice).unwrap_or_default();
            for (index, attempt) in attempts.iter().enumerate() {
                let Some(began) = at(&attempt["startedAt"]) else { continue };
                let until = at(&attempt["endedAt"]);
                let took = until.map_or(Duration::ZERO, |until| until.since(began));
                let last = index + 1 == attempts.len();
                // An attempt without an outcome runs, unless another came after it: then a crash came between.
                let outcome = attempt["outcome"].as_str().unwrap_or(if last { "running" } else { "interrupted" });
                let number = (attempts.len() > 1).then_some(index + 1);
                let text = sentences::of_attempt(name, kind == "undo", number, outcome, took, &attempt["detail"]);
                let id = format!("{id}/{name}/{}{}", if kind == "undo" { "undo-" } else { "" }, index + 1);
                moments.push(Moment {
                    until: until.filter(|until| *until > began),
                    voice: voice_of(name).to_owned(),
                    step: Some(name.to_owned()),
                    outcome: Some(outcome.to_owned()),
                    ..moment(began, kind, id, text)
                });
            }
        }
    }
    let acts = saga["operator"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, act) in acts.iter().enumerate().filter(|_| sees_all) {
        if let Some(when) = at(&act["at"]) {
            moments.push(moment(when, "operator", format!("{id}/operator/{}", index + 1), sentences::of_act(act)));
        }
    }
}

/// Which service a step asks.
fn voice_of(step: &str) -> &'static str {
    match step {
        "reserve-inventory" | "confirm-reservation" | "return-stock" => "catalog",
        "process-payment" | "refund-payment" => "payment",
        "send-confirmation" | "send-cancellation" => "notification",
        _ => "order",
    }
}

fn at(text: &Value) -> Option<Timestamp> {
    text.as_str()?.parse().ok()
}
