//! What became of an order, in words: placed, on its way, declined, out of stock.

use madrigal_http::headers::MADRIGAL_POSITION;
use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::{Tone, message};
use super::super::refusal;
use super::super::visit::Visit;
use super::super::words::{id, money, number, segment};
use crate::inside::Refused;

/// The answer that the page's address speaks of: `?placed=ORDER`, `?placing=SAGA`. It is asked for again, so an address that
/// somebody made up says nothing.
pub(super) async fn of_query(visit: &Visit) -> Option<Markup> {
    let (placed, placing) = (visit.query.get("placed"), visit.query.get("placing"));
    if !placed.is_empty() {
        let mut ask = visit.get(format!("/v1/orders/{}", segment(placed)));
        if !visit.query.get("at").is_empty() {
            ask = ask.header(MADRIGAL_POSITION, visit.query.get("at"));
        }
        return Some(match ask.send().await {
            Ok(told) => confirmed(&told.body),
            Err(refused) => refusal::told(&refused, "The order cannot be shown."),
        });
    }
    if placing.is_empty() {
        return None;
    }
    let told = visit.get(format!("/v1/sagas/{}", segment(placing))).send().await;
    Some(match told {
        Ok(told) => on_its_way(&told.body),
        Err(refused) => refusal::told(&refused, "The order’s saga cannot be shown."),
    })
}

fn confirmed(order: &Value) -> Markup {
    let order_id = order["orderId"].as_str().unwrap_or_default();
    let paid = order["summary"]["finalAmount"].as_i64().unwrap_or(0);
    let currency = order["currency"].as_str().unwrap_or("EUR");
    message(
        Tone::Ok,
        "done",
        &html! {
            p { b { "Order confirmed." } " " (money(paid, currency)) " charged once. "
                a href={ "/orders/" (segment(order_id)) } { "See its story" } "." }
            p.tiny { "Order " (id(order_id)) }
        },
    )
}

fn on_its_way(saga: &Value) -> Markup {
    let saga_id = saga["sagaId"].as_str().unwrap_or_default();
    let link = html! { a href={ "/sagas/" (segment(saga_id)) } { "Watch it" } "." };
    match saga["state"].as_str().unwrap_or_default() {
        "completed" => {
            message(Tone::Ok, "done", &html! { p { b { "Order confirmed" } " after a while. Charged once. " (link) } })
        }
        "compensated" | "compensatedByHand" => message(
            Tone::Bad,
            "undo",
            &html! {
                p { b { "The order was not placed." } " Whatever was reserved or charged is given back. " (link) }
            },
        ),
        _ => message(
            Tone::Wait,
            "clock",
            &html! {
                p { b { "Still being placed." } " A step has not answered yet. The shop goes on by itself; nothing is charged twice. "
                    (link) }
            },
        ),
    }
}

/// A refusal of an order.
pub(super) fn of_refusal(refused: &Refused) -> Markup {
    let count = short_lines(refused).len();
    match refused.code() {
        "out-of-stock" => message(
            Tone::Bad,
            "fail",
            &html! {
                p { b { (number(i64::try_from(count).unwrap_or(0))) @if count == 1 { " line is" } @else { " lines are" } " out of stock." }
                    " Nothing was reserved or charged." }
                ul.dots { @for (product, said) in short_lines(refused) { li { code { (product) } ": " (said) } } }
                (trace(refused))
            },
        ),
        "payment-declined" => message(
            Tone::Bad,
            "fail",
            &html! {
                p { b { "The payment was declined." } " Nothing was charged, and nothing stays reserved. Choose another way to pay." }
                @if let Some(reason) = refused.problem["reason"].as_str() { p { "The bank says: " (reason) "." } }
                (trace(refused))
            },
        ),
        _ => refusal::told(refused, "No order was placed."),
    }
}

fn trace(refused: &Refused) -> Markup {
    html! { @if !refused.trace_id().is_empty() { p.tiny { "trace " code { (refused.trace_id()) } } } }
}

/// The lines that cannot be served, each with what is wrong with it.
pub(super) fn short_lines(refused: &Refused) -> Vec<(String, String)> {
    let lines = refused.problem["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(|line| Some((line["productId"].as_str()?.to_owned(), too_few(line)))).collect()
}

fn too_few(line: &Value) -> String {
    let named = |names: &[&str]| names.iter().find_map(|name| line[*name].as_i64());
    let wanted = named(&["requested", "wanted", "quantity"]);
    match (named(&["available", "left"]), wanted) {
        (Some(..=0), _) => "None is left. Take it out.".to_owned(),
        (Some(left), Some(wanted)) => {
            format!("{} wanted, only {} left. Lower it or take it out.", number(wanted), number(left))
        }
        (Some(left), None) => format!("Only {} left. Lower it or take it out.", number(left)),
        (None, _) => "There are not enough of it.".to_owned(),
    }
}
