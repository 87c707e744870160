//! What happened, in words that an operator would say.

use std::time::Duration;

use serde_json::Value;

use crate::console::words::{money, plural, span};

/// How many lines are named one by one.
const NAMED_LINES: usize = 3;

/// An event of an order, a reservation, a payment or a mail.
pub(super) fn of_event(kind: &str, data: &Value) -> String {
    let text = |key: &str| data[key].as_str().unwrap_or_default();
    match kind {
        "OrderCreated" if data["draft"] == true => format!("A draft was begun with {}", lines(&data["items"])),
        "OrderCreated" => format!("The order was created: {}, {}", lines(&data["items"]), total(data)),
        "OrderImported" => format!("Imported from before: {}", lines(&data["items"])),
        "OrderItemAdded" => format!("{} × {} put into the draft", data["item"]["quantity"], name(&data["item"])),
        "OrderItemRemoved" => format!("Product {} taken out of the draft", text("productId")),
        "OrderPlaced" => format!("The draft was placed: {}, {}", lines(&data["items"]), total(data)),
        "PaymentProcessed" => format!("{} paid{}", amount(&data["amount"]), card(data)),
        "OrderStatusChanged" => noted(&format!("The order is {}", text("status")), text("note")),
        "OrderShipped" => format!("Shipped with {}, number {}", text("carrier"), text("trackingNumber")),
        "OrderDelivered" => "Delivered".to_owned(),
        "OrderCancelled" => noted("Cancelled", text("reason")),
        "ReservationMade" => format!("Held in stock: {}", lines(&data["lines"])),
        "ReservationConfirmed" => "What was held is sold".to_owned(),
        "ReservationReturned" => "What was sold came back".to_owned(),
        "ReservationReleased" => format!("What was held went back: {}", released(text("cause"))),
        "ReservationTombstoned" => "Undone before it was made; a late request is refused".to_owned(),
        "ConfirmedAfterRelease" => "A confirmation came after the release".to_owned(),
        "PaymentRequested" => format!("Charging {} was begun", amount(&data["amount"])),
        "PaymentSucceeded" => format!("{} charged{}", amount(&data["amount"]), card(data)),
        "PaymentDeclined" => noted("Declined", text("reason")),
        "RefundRequested" => "Giving back was begun".to_owned(),
        "PaymentRefunded" => format!("{} given back", amount(&data["amount"])),
        "PaymentVoided" => "Not charged, and never to be".to_owned(),
        "MailRequested" => format!("Mail {} put into the outbox", text("kind")),
        "MailSent" => "The mail was sent".to_owned(),
        "MailFailed" => noted("The mail was given up", text("reason")),
        other => other.to_owned(),
    }
}

/// A saga's first record.
pub(super) fn of_start(places: bool) -> &'static str {
    if places {
        "The saga that places it was recorded: from here on a crash loses nothing"
    } else {
        "The saga that cancels it was recorded"
    }
}

/// One attempt of a step. `number` where there were several.
pub(super) fn of_attempt(
    step: &str,
    undo: bool,
    number: Option<usize>,
    outcome: &str,
    took: Duration,
    detail: &Value,
) -> String {
    let what = if undo { format!("Undo of {step}") } else { step.to_owned() };
    let what = number.map_or_else(|| what.clone(), |number| format!("{what}, try {number}"));
    let took = span(took);
    match outcome {
        "done" => format!("{what}: done in {took}"),
        "given" => format!("{what}: an operator gave its result"),
        "byHand" => format!("{what}: an operator vouched for it"),
        "nothingToUndo" => format!("{what}: there was nothing to undo"),
        "rejected" => noted(&format!("{what}: refused"), &reason(detail)),
        "failed" => noted(&format!("{what}: failed after {took}"), &reason(detail)),
        "unknown" => noted(&format!("{what}: outcome unknown after {took}, nothing is assumed"), &reason(detail)),
        "interrupted" => format!("{what}: interrupted, and tried again"),
        _ => format!("{what}: under way"),
    }
}

/// What an operator did to a saga.
pub(super) fn of_act(act: &Value) -> String {
    let text = |key: &str| act[key].as_str().unwrap_or_default();
    let step = act["step"].as_str().map(|step| format!(" {step}")).unwrap_or_default();
    format!("{}: {}{step}. {}", text("who"), text("verb"), text("why"))
}

fn reason(detail: &Value) -> String {
    match (detail, detail["detail"].as_str(), detail["code"].as_str()) {
        (Value::String(text), ..) => text.clone(),
        (_, Some(said), Some(code)) => format!("{code} ({said})"),
        (_, Some(text), None) | (_, None, Some(text)) => text.to_owned(),
        (Value::Null, None, None) => String::new(),
        (other, None, None) => other.to_string(),
    }
}

fn released(cause: &str) -> &str {
    match cause {
        "undone" => "its saga took it back",
        "cancelled" => "the order was cancelled",
        "expired" => "it was old and its saga was over",
        other => other,
    }
}

fn noted(sentence: &str, note: &str) -> String {
    if note.is_empty() { sentence.to_owned() } else { format!("{sentence}: {note}") }
}

fn amount(value: &Value) -> String {
    money(value["amount"].as_i64().unwrap_or_default(), value["currency"].as_str().unwrap_or_default())
}

fn total(data: &Value) -> String {
    let minor = data["summary"]["finalAmount"].as_i64().unwrap_or_default();
    money(
        minor,
        data["currency"].as_str().or_else(|| data["items"][0]["price"]["currency"].as_str()).unwrap_or_default(),
    )
}

fn card(data: &Value) -> String {
    let digits = data["lastFour"].as_str().unwrap_or_default();
    if digits.is_empty() { String::new() } else { format!(" with the card ending {digits}") }
}

fn name(line: &Value) -> &str {
    line["name"].as_str().or_else(|| line["productId"].as_str()).unwrap_or_default()
}

/// `2 × Tea, 1 × Milk`, or how many where there are more than [`NAMED_LINES`].
fn lines(lines: &Value) -> String {
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    if lines.is_empty() {
        return "no lines".to_owned();
    }
    if lines.len() <= NAMED_LINES {
        let named: Vec<_> = lines.iter().map(|line| format!("{} × {}", line["quantity"], name(line))).collect();
        return named.join(", ");
    }
    let units = lines.iter().filter_map(|line| line["quantity"].as_i64()).fold(0_i64, i64::saturating_add);
    format!("{} in {}", plural(units, "unit", "units"), plural(count(lines.len()), "line", "lines"))
}
