//! `/orders`: one's own orders; for operators everybody's.

use axum::Router;
use axum::routing::get;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::marks::{Tone, empty, mark};
use super::pages::STORY;
use super::refusal;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::{id, money, number, segment, told_moment};
use crate::inside::Told;

/// The statuses of orders.
const STATUSES: [&str; 5] = ["draft", "confirmed", "shipped", "delivered", "cancelled"];

pub(super) fn router() -> Router<Console> {
    Router::new().route("/orders", get(async |visit: Visit| either(list(&visit).await)))
}

async fn list(visit: &Visit) -> Paged {
    let operator = visit.require_login()?.is_operator();
    let mut query = vec![("limit", "50".to_owned())];
    for name in ["status", "userId", "cursor"] {
        let value = visit.query.get(name);
        if !value.is_empty() && (operator || name != "userId") {
            query.push((name, value.to_owned()));
        }
    }
    let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
    let asked = visit.get(format!("/v1/orders?{}", query.join("&"))).send().await;
    let leaf = Leaf { title: "Orders", current: STORY, live: None };
    Ok(match asked {
        Ok(told) => visit.page(leaf, &content(visit, operator, &told)),
        Err(refused) => visit.page_as(
            refused.status,
            leaf,
            &refusal::content("Orders cannot be shown", &refused, "Nothing was done."),
        ),
    })
}

fn content(visit: &Visit, operator: bool, told: &Told) -> Markup {
    let orders = told.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (status, user) = (visit.query.get("status"), visit.query.get("userId"));
    html! {
        header { div {
            h1 { @if operator { "Orders" } @else { "Your orders" } }
            p { "Latest first. Each leads to its story: what every service did about it." }
        } }
        form.filters method="get" action="/orders" {
            label.field { "Status"
                select name="status" {
                    option value="" { "any" }
                    @for name in STATUSES { option value=(name) selected[name == status] { (name) } }
                }
            }
            @if operator {
                label.field { "Customer’s id" input name="userId" inputmode="numeric" maxlength="20" size="8" value=(user); }
            }
            button.btn type="submit" { "Show" }
        }
        section.panel aria-labelledby="h-orders" {
            header { h2 #h-orders { "Orders" } small { (number(i64::try_from(orders.len()).unwrap_or(0))) " shown" } }
            @if orders.is_empty() { (none(status, user)) } @else { (table(orders, operator)) }
            @if let Some(next) = told.body["next"].as_str() {
                footer { a.btn.small href={ "/orders?status=" (segment(status)) "&userId=" (segment(user)) "&cursor=" (segment(next)) } {
                    "Next 50"
                } }
            }
        }
    }
}

fn none(status: &str, user: &str) -> Markup {
    if status.is_empty() && user.is_empty() {
        return html! { p.empty { "No order yet. " a href="/shop" { "Place the first one" } "." } };
    }
    empty("No order matches. Loosen the status or the customer.")
}

fn table(orders: &[Value], operator: bool) -> Markup {
    html! {
        table.data.tidy.fold {
            thead { tr {
                th scope="col" { "Order" }
                th scope="col" { "Status" }
                @if operator { th scope="col" { "Customer" } }
                th.num scope="col" { "Pieces" }
                th.num scope="col" { "Paid" }
                th scope="col" { "Last changed, UTC" }
            } }
            tbody {
                @for order in orders {
                    @let order_id = order["orderId"].as_str().unwrap_or_default();
                    tr {
                        th scope="row" { a href={ "/orders/" (segment(order_id)) } { (id(order_id)) } }
                        td data-l="Status" { (status(order["currentStatus"].as_str().unwrap_or_default())) }
                        @if operator {
                            td data-l="Customer" { (order["customerInfo"]["name"].as_str().unwrap_or("erased"))
                                small { (order["userId"].as_i64().unwrap_or_default()) } }
                        }
                        td.num data-l="Pieces" { (number(order["summary"]["itemCount"].as_i64().unwrap_or(0))) }
                        td.num data-l="Paid" {
                            (money(order["summary"]["finalAmount"].as_i64().unwrap_or(0), order["currency"].as_str().unwrap_or("EUR")))
                        }
                        td data-l="Changed" { (told_moment(order["lastUpdated"].as_str().unwrap_or_default())) }
                    }
                }
            }
        }
    }
}

/// An order's status.
pub(crate) fn status(status: &str) -> Markup {
    match status {
        "confirmed" => mark(Tone::Ok, "done", "confirmed"),
        "shipped" => mark(Tone::Ok, "run", "shipped"),
        "delivered" => mark(Tone::Ok, "done", "delivered"),
        "cancelled" => mark(Tone::Calm, "undo", "cancelled"),
        other => mark(Tone::Calm, "clock", other),
    }
}
