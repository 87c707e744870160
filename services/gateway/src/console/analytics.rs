//! `/analytics`: figures about orders in a period: by day or by hour, how far orders came, what is on top.
//!
//! Drawn by the server, so that nothing of it needs a script; every chart's numbers stand in a table too.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use madrigal_http::headers::MADRIGAL_LAG;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::heard::Heard;
use super::marks::{empty, figure, headline};
use super::pages::ANALYTICS;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::{day_and_clock, money, number, plural};
use crate::inside::Told;
use asked::{Asked, By};
use series::Row;

mod asked;
mod panels;
mod recomputed;
mod series;

const LEAF: Leaf<'static> = Leaf { title: "Analytics", current: ANALYTICS, live: None };
/// What cannot be known without it.
const LOST: &str = "Orders go on; figures about them cannot be told.";

pub(super) fn router() -> Router<Console> {
    Router::new().route("/analytics", get(async |visit: Visit| either(show(&visit).await)))
}

/// What was read: the series first, since it says which days it is about.
struct Read {
    from: String,
    to: String,
    rows: Vec<Row>,
    board: Value,
    /// Events that the figures lack; `None` where it is not told.
    lag: Option<i64>,
    /// What recomputing the sums found.
    recomputed: Heard<Value>,
}

async fn read(visit: &Visit, asked: &Asked) -> Heard<Read> {
    let series = match Heard::of(visit.get(asked.series()).send().await, |told| told) {
        Heard::Said(told) => told,
        Heard::Absent => return Heard::Absent,
        Heard::Silent(refused) => return Heard::Silent(refused),
    };
    let text = |field: &str| series.body[field].as_str().unwrap_or_default().to_owned();
    let (from, to) = (text("from"), text("to"));
    let board = visit.get(format!("/v1/analytics/dashboard?from={from}&to={to}")).send().await;
    let recomputed = Heard::of(visit.get("/v1/analytics/recomputation").send().await, |told| told.body);
    let (rows, lag) = (series::rows(&series.body), lag(&series));
    Heard::of(board, |told| Read { from, to, rows, lag, recomputed, board: told.body })
}

fn lag(told: &Told) -> Option<i64> {
    told.header(&MADRIGAL_LAG)?.parse().ok()
}

async fn show(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let asked = Asked::of(&visit.query);
    let read = read(visit, &asked).await;
    let now = visit.now();
    let Heard::Said(read) = &read else {
        let title =
            if matches!(read, Heard::Absent) { "This shop reckons no figures" } else { "Figures cannot be shown" };
        return Ok(refusal(visit, &asked, title, &read));
    };
    let currencies = panels::currencies(&read.board);
    let currency = asked.currency_of(&currencies);
    let rows: Vec<&Row> = read.rows.iter().filter(|row| row.currency == currency).collect();
    let (answer, meaning) = sentences(read, &currency);
    let main = html! {
        (headline(&answer, &html! { (meaning) }, Some(&day_and_clock(now))))
        (asked.form(&read.from, &read.to, &currencies, &currency, now))
        @if currencies.is_empty() {
            section.panel aria-labelledby="h-none" {
                header { h2 #h-none { "No order in this period" } }
                (empty("Nothing was placed from the first to the last of these days. Choose others, or place an order in the shop."))
            }
            (panels::funnel(&read.board))
        } @else {
            (figures(&read.board, &currency))
            (series::panel(&rows, &asked, &read.from, &read.to, &currency))
            div.cols.even {
                (panels::funnel(&read.board))
                (panels::categories(&read.board, &currency))
                (panels::products(&read.board, &currency))
                (panels::customers(&read.board, &currency))
            }
            @if asked.shifted() {
                p.small.dim { "Days and hours are those of " (asked.zone_words()) ". How far orders came, categories and what is on top are \
                    kept by days of UTC." }
            }
        }
        (recomputed::panel(&read.recomputed))
    };
    Ok(visit.page(LEAF, &main))
}

/// The form with what was asked for, and why there is no answer. What is wrong about a period is said field by field.
fn refusal(visit: &Visit, asked: &Asked, title: &str, read: &Heard<Read>) -> Response {
    let main = html! {
        header { div { h1 { (title) } } }
        (read.instead_of("Analytics", "analytics-service", LOST))
        @if matches!(read, Heard::Silent(_)) { (asked.form(&asked.from, &asked.to, &[], "", visit.now())) }
    };
    match read {
        Heard::Silent(refused) if refused.status.is_client_error() => visit.page_as(refused.status, LEAF, &main),
        _ => visit.page(LEAF, &main),
    }
}

fn sentences(read: &Read, currency: &str) -> (String, String) {
    let totals = panels::totals(&read.board, currency);
    let count = |field: &str| totals[field].as_i64().unwrap_or(0);
    let days =
        if read.from == read.to { format!("on {}", read.from) } else { format!("from {} to {}", read.from, read.to) };
    let answer = match count("totalOrders") {
        0 => format!("No orders {days}"),
        orders => {
            format!("{} for {} {days}", plural(orders, "order", "orders"), money(count("totalRevenue"), currency))
        }
    };
    let lag = match read.lag {
        Some(0) => "Everything that happened until now is in it.".to_owned(),
        Some(lag) => format!("{} not in it yet.", plural(lag, "event is", "events are")),
        None => String::new(),
    };
    let cancelled = match count("cancelledOrders") {
        0 => String::new(),
        orders => format!("{} cancelled, {} of it. ", number(orders), money(count("cancelledRevenue"), currency)),
    };
    (answer, format!("{cancelled}{lag}"))
}

fn figures(board: &Value, currency: &str) -> Markup {
    let totals = panels::totals(board, currency);
    let count = |field: &str| totals[field].as_i64().unwrap_or(0);
    let (orders, kept) = (count("totalOrders"), count("totalRevenue") - count("cancelledRevenue"));
    html! {
        section.figures aria-label="Key figures" {
            (figure("#series", "Orders", &html! { (number(orders)) }, &html! { (number(count("cancelledOrders"))) " of them cancelled" }))
            (figure("#series", "Revenue kept", &html! { (money(kept, currency)) }, &html! { "of " (money(count("totalRevenue"), currency)) " ordered" }))
            (figure("#series", "Average order", &html! { (money(count("avgOrderValue"), currency)) }, &html! { "cancelled ones included" }))
            (figure("#customers", "Customers", &html! { (number(count("uniqueCustomers"))) }, &html! {
                "of " (number(board["registeredUsers"].as_i64().unwrap_or(0))) " registered"
            }))
            (figure("#funnel", "Delivered", &html! { (panels::share(count("completedOrders"), orders)) }, &html! { (number(count("completedOrders"))) " of " (number(orders)) }))
        }
    }
}

/// The words of a day or an hour, as in "by day".
const fn words(by: By) -> (&'static str, &'static str) {
    match by {
        By::Day => ("day", "days"),
        By::Hour => ("hour", "hours"),
    }
}
