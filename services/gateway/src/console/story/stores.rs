//! What each store says now, the basket, and the order in short.

use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::{Tone, empty, mark, voice};
use super::super::orders;
use super::super::words::{money, number, plural, segment, told_moment};
use crate::story::OrderStory;

fn items(story: &OrderStory) -> &[Value] {
    let items = story.order.as_ref().and_then(|order| order["items"].as_array());
    items.map(Vec::as_slice).unwrap_or_default()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Three or four numbers that decide whether to read on.
pub(super) fn figures(story: &OrderStory) -> Markup {
    let order = story.order.as_ref();
    let units = items(story).iter().filter_map(|item| item["quantity"].as_i64()).fold(0_i64, i64::saturating_add);
    let saga = story.saga.as_ref();
    let steps = saga.and_then(|saga| saga["steps"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let tries: usize = steps.iter().filter_map(|step| step["attempts"].as_array()).map(Vec::len).sum();
    html! {
        section.figures aria-label="The order in short" {
            div {
                span.k { "Order" }
                span.n { (order.map_or_else(|| "none".to_owned(), |order| total(order, "finalAmount"))) }
                span.d { (plural(units, "unit", "units")) " in " (plural(count(items(story).len()), "line", "lines")) }
            }
            div {
                span.k { "Saga" }
                span.n { (saga.and_then(|saga| saga["state"].as_str()).unwrap_or("none")) }
                span.d {
                    @if saga.is_some() { (plural(count(steps.len()), "step", "steps")) ", " (plural(count(tries), "try", "tries")) }
                    @else { "nothing ran across services" }
                }
            }
            div {
                span.k { "Money" }
                span.n { (story.payment.as_ref().map_or("none", |payment| payment.state.as_str())) }
                span.d { (story.payment.as_ref().and_then(|payment| payment.reason.as_deref()).unwrap_or("as payment-service has it")) }
            }
            div {
                span.k { "Mails" }
                span.n { (number(count(story.mails.len()))) }
                span.d { (plural(count(story.mails.iter().filter(|mail| mail.state == "sent").count()), "is sent", "are sent")) }
            }
        }
    }
}

/// A total of the order's; where no price is known yet, says so.
fn total(order: &Value, name: &str) -> String {
    match order["summary"][name].as_i64() {
        Some(minor) => money(minor, order["currency"].as_str().unwrap_or("EUR")),
        None => "not priced yet".to_owned(),
    }
}

/// What each store says now.
pub(super) fn table(story: &OrderStory) -> Markup {
    html! {
        section.panel aria-labelledby="h-stores" {
            header { h2 #h-stores { "What each store says now" } small { "owners only" } }
            div.scroll { table.data.compact.fold {
                thead { tr { th scope="col" { "What" } th scope="col" { "State" } th scope="col" { "Detail" } } }
                tbody.group { tr { th scope="rowgroup" colspan="3" { (voice("order")) } } (order(story)) }
                tbody.group { tr { th scope="rowgroup" colspan="3" { (voice("payment")) } } (payment(story)) }
                tbody.group { tr { th scope="rowgroup" colspan="3" { (voice("catalog")) } } (stock(story)) }
                tbody.group { tr { th scope="rowgroup" colspan="3" { (voice("notification")) } } (mails(story)) }
            } }
        }
    }
}

fn nothing(what: &str, why: &str) -> Markup {
    html! { tr { th scope="row" { (what) } td data-l="State" { (mark(Tone::Calm, "no", "none")) } td.dim data-l="Detail" { (why) } } }
}

/// Why a part is empty: it is missing, or there is nothing.
fn none(story: &OrderStory, part: &str, what: &str, otherwise: &str) -> Markup {
    let missing = story.missing.iter().find(|missing| missing.part == part);
    match missing {
        Some(missing) => html! {
            tr { th scope="row" { (what) } td data-l="State" { (mark(Tone::Wait, "unk", "not known now")) }
                td.dim data-l="Detail" { (missing.detail) } }
        },
        None => nothing(what, otherwise),
    }
}

fn order(story: &OrderStory) -> Markup {
    let Some(order) = &story.order else {
        return none(story, "order", "Order", "It never came to be: nothing is in its stream");
    };
    html! {
        tr {
            th scope="row" { "Status" }
            td data-l="State" { (orders::status(order["currentStatus"].as_str().unwrap_or_default())) }
            td.dim data-l="Detail" {
                "version " (order["version"].as_i64().unwrap_or(0)) ", " (plural(count(story.events.len()), "event", "events"))
                @if story.more_events { ", and more" }
            }
        }
    }
}

fn payment(story: &OrderStory) -> Markup {
    let Some(payment) = &story.payment else {
        return none(story, "payment", "Payment", "Nothing was ever asked for");
    };
    let (tone, glyph) = match payment.state.as_str() {
        "paid" => (Tone::Ok, "done"),
        "refunded" | "voided" => (Tone::Calm, "undo"),
        "declined" => (Tone::Bad, "no"),
        _ => (Tone::Wait, "clock"),
    };
    html! {
        tr {
            th scope="row" { "Payment" }
            td data-l="State" { (mark(tone, glyph, &payment.state)) }
            td.dim data-l="Detail" {
                @if let Some(amount) = payment.amount { (money(amount.amount, amount.currency.as_str())) }
                @if let Some(digits) = &payment.last_four { ", card ending " (digits) }
                @if let Some(reason) = &payment.reason { ", " (reason) }
            }
        }
    }
}

fn stock(story: &OrderStory) -> Markup {
    if story.stock.is_empty() {
        return none(story, "stock", "Stock", "Nothing was reserved");
    }
    html! {
        @for line in &story.stock {
            tr {
                th scope="row" { (line.name) small { (line.product_id) } }
                td data-l="State" { (match line.state.as_str() {
                    "sold" => mark(Tone::Ok, "done", "sold"),
                    "reserved" => mark(Tone::Wait, "clock", "reserved"),
                    other => mark(Tone::Calm, "undo", other),
                }) }
                td.dim data-l="Detail" { (plural(i64::from(line.quantity), "unit", "units")) }
            }
        }
    }
}

fn mails(story: &OrderStory) -> Markup {
    if story.mails.is_empty() {
        return none(story, "mails", "Mail", "No mail was asked for");
    }
    html! {
        @for mail in &story.mails {
            tr {
                th scope="row" { (mail.kind) }
                td data-l="State" { (match mail.state.as_str() {
                    "sent" => mark(Tone::Ok, "done", "sent"),
                    "failed" => mark(Tone::Bad, "fail", "given up"),
                    _ => mark(Tone::Wait, "clock", "in the outbox"),
                }) }
                td.dim data-l="Detail" {
                    (told_moment(&mail.settled_at.unwrap_or(mail.requested_at).to_string()))
                    @if let Some(failure) = &mail.failure { ", " (failure) }
                }
            }
        }
    }
}

/// What is in it, what it comes to, where it goes.
pub(super) fn basket(story: &OrderStory) -> Markup {
    let order = story.order.as_ref();
    html! {
        section.panel aria-labelledby="h-basket" {
            header { h2 #h-basket { "The basket" } small { "prices at the moment of reservation" } }
            @if items(story).is_empty() { (empty("No order, so no basket. What was reserved for it stands under catalog.")) }
            @else { table.data.compact {
                tbody {
                    @for item in items(story) {
                        tr {
                            th scope="row" { (item["name"].as_str().or_else(|| item["productId"].as_str()).unwrap_or_default()) }
                            td.num { (item["quantity"].as_i64().unwrap_or(0)) " ×" }
                            td.num { (price(item)) }
                        }
                    }
                    @if let Some(order) = order.filter(|order| !order["summary"].is_null()) {
                        @for (name, words) in [("totalAmount", "Total"), ("discountAmount", "Discount"), ("taxAmount", "Tax")] {
                            tr { th.dim scope="row" colspan="2" { (words) } td.num { (total(order, name)) } }
                        }
                        tr { th scope="row" colspan="2" { "To pay" } td.num { b { (total(order, "finalAmount")) } } }
                    }
                }
            } }
            @if let Some(order) = order { div.pad { (about(order)) } }
        }
    }
}

fn price(item: &Value) -> String {
    let of = |money_value: &Value| {
        let minor = money_value["amount"].as_i64()?;
        Some(money(minor, money_value["currency"].as_str().unwrap_or("EUR")))
    };
    of(&item["price"]).or_else(|| of(&item["lineTotal"]).map(|sum| format!("{sum} in all"))).unwrap_or_default()
}

fn about(order: &Value) -> Markup {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let address = order["shippingAddress"].as_object();
    html! {
        dl.kv {
            @if let Some(user) = order["userId"].as_i64() {
                dt { "Customer" }
                dd {
                    (text(&order["customerInfo"]["name"]).unwrap_or_else(|| "erased or not told".to_owned())) ", "
                    a href={ "/orders?userId=" (segment(&user.to_string())) } { (user) }
                }
            }
            @if let Some(address) = address {
                dt { "Ships to" }
                dd { (address.values().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")) }
            }
            dt { "Carrier" }
            dd {
                @if let Some(carrier) = text(&order["carrier"]) { (carrier) ", " (text(&order["trackingNumber"]).unwrap_or_default()) }
                @else { "Not shipped yet" }
            }
            @if let Some(at) = text(&order["estimatedDelivery"]) { dt { "Expected" } dd { (told_moment(&at)) } }
        }
    }
}
