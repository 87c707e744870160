//! `/`: how the shop is. Guests see the services' health; operators also rates, lag, sagas and what needs a person.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::Console;
use super::live::{Asker, Change};
use super::marks::{figure, headline, spark};
use super::pages::OVERVIEW;
use super::visit::{Leaf, Visit};
use super::words::{clock, day_and_clock, number, rate, seconds, span};
use reading::Reading;

mod copies;
pub(crate) mod history;
mod panels;
mod reading;

pub(super) fn router() -> Router<Console> {
    Router::new().route("/", get(show))
}

async fn show(visit: Visit) -> Response {
    let asker = Asker::of(&visit);
    let reading = Reading::take(&visit.console, &asker).await;
    let (answer, meaning) = panels::sentences(&reading);
    let main = html! {
        (headline(&answer, &html! { span data-live="meaning" { (meaning) } }, Some(&day_and_clock(asker.now))))
        @if asker.operator {
            (figures(&visit.console, &reading))
            (panels::voices(&visit.console, &reading))
        }
        (panels::services(&visit.console, &reading))
        @if asker.operator {
            div.cols {
                div.stack { (copies::panel(visit.standing(), asker.now)) (panels::projections(&reading)) }
                div.stack { (panels::problems(&reading)) (panels::sagas(&reading)) }
            }
        } @else {
            (invitation(&visit))
        }
    };
    visit.page(Leaf { title: "Overview", current: OVERVIEW, live: Some("page=overview") }, &main)
}

/// What has changed; an operator's reading is also remembered for the trends.
pub(super) async fn change(console: &Console, asker: &Asker) -> Change {
    let reading = Reading::take(console, asker).await;
    let (answer, meaning) = panels::sentences(&reading);
    let mut change = Change::default();
    change.text("headline", answer);
    change.text("meaning", meaning);
    change.text("asof", day_and_clock(asker.now));
    change.html("services", panels::services(console, &reading));
    if !asker.operator {
        return change;
    }
    console.history.add(reading.sample(asker.now));
    let rates = console.history.rates();
    let now = |points: &[f64]| points.last().copied().unwrap_or(0.0);
    for (voice, points) in &rates.voices {
        change.text(format!("e-{voice}"), panels::end(&reading, voice));
        change.text(format!("r-{voice}"), rate(now(points)));
        change.point.insert(format!("r-{voice}"), now(points));
    }
    change.text("orders", rate(now(&rates.orders)));
    change.point.insert("orders".to_owned(), now(&rates.orders));
    change.text("lag", seconds(reading.furthest_lag()));
    change.point.insert("lag".to_owned(), reading.furthest_lag());
    change.text("since", console.history.since().map(clock).unwrap_or_default());
    change.html("answered", answered(console));
    change.html("inflight", in_flight(&reading));
    change.html("needing", needing(&reading));
    change.html("copies", copies::panel(console.standing.glance(console, asker).await.as_deref(), asker.now));
    change.html("projections", panels::projections(&reading));
    change.html("problems", panels::problems(&reading));
    change.html("sagas", panels::sagas(&reading));
    change
}

fn figures(console: &Console, reading: &Reading) -> Markup {
    let rates = console.history.rates();
    html! {
        section.figures aria-label="Key figures" {
            a href="/orders" {
                span.k { "Orders accepted" }
                span.n { span data-live="orders" { (rate(rates.orders.last().copied().unwrap_or(0.0))) } small { "/s" } }
                (spark("order", "orders", "orders per second", &rates.orders))
            }
            (answered(console))
            (in_flight(reading))
            (needing(reading))
            a href="/projections" {
                span.k { "Furthest view behind" }
                span.n { span data-live="lag" { (seconds(reading.furthest_lag())) } }
                (spark("analytics", "lag", "seconds behind of the furthest view", &rates.lag))
            }
        }
    }
}

/// How fast orders were answered while the trends are kept.
fn answered(console: &Console) -> Markup {
    let answered = console.history.answered();
    html! {
        a #answered href="/orders" {
            span.k { "Half of orders within" }
            @if let Some((median, most, count)) = answered {
                span.n { (span(median)) }
                span.d { "99 of 100 within " (span(most)) ", of " (number(count)) }
            } @else {
                span.n { "none yet" }
                span.d { "no order since this page is watched" }
            }
        }
    }
}

fn in_flight(reading: &Reading) -> Markup {
    let count = reading.sagas_in(&["running", "compensating"]);
    let below = match reading.stillest(&["running", "compensating"]) {
        Some(still) => format!("oldest without progress: {}", span(still)),
        None => "none moving now".to_owned(),
    };
    with_id("inflight", &figure("/sagas", "Sagas in flight", &html! { (count) }, &html! { (below) }))
}

fn needing(reading: &Reading) -> Markup {
    let stuck = reading.sagas_in(&["stuck", "parked"]);
    let paused = reading.sagas_in(&["paused"]);
    let value = html! { (stuck) small { " stuck" } };
    let below = if paused == "0" { "none is paused".to_owned() } else { format!("{paused} more paused") };
    with_id(
        "needing",
        &figure("/sagas?state=stuck&state=parked&state=paused", "Sagas that need a person", &value, &html! { (below) }),
    )
}

/// A figure that is replaced as a whole.
fn with_id(id: &str, figure: &Markup) -> Markup {
    html! { div.whole #(id) { (figure) } }
}

fn invitation(visit: &Visit) -> Markup {
    html! {
        section.panel aria-labelledby="h-more" {
            header { h2 #h-more { "Look closer" } }
            div.pad {
                @if visit.session().is_none() {
                    p { "Anybody may search " a href="/shop" { "the shop" } ". Customers who " a href="/login" { "log in" } " order and see their \
                         orders’ stories; operators see rates, lag, sagas and events, and can act on them." }
                } @else {
                    p { "Place an order in " a href="/shop" { "the shop" } ", then read " a href="/orders" { "its story" }
                        ": what every service did about it." }
                }
            }
        }
    }
}
