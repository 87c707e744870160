//! `/sync`: what carries changes to the copies, how far each copy is behind, and what is parked.

use axum::Router;
use axum::routing::get;
use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::confirm;
use super::heard::Heard;
use super::live::{Asker, Change};
use super::marks::headline;
use super::pages::SYNC;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::day_and_clock;
use lag::Lag;
use parked::{Parked, Parker};

mod connectors;
mod declare;
pub(crate) mod lag;
mod parked;
pub(crate) mod trends;
mod verbs;

/// What cannot be known without it.
const LOST: &str = "How far copies are behind, and what is parked, cannot be told.";

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/sync", get(async |visit: Visit| either(show(&visit).await)))
        .route("/sync/connectors", get(declare::ask).post(declare::act))
        .route("/sync/parked/{verb}", get(verbs::ask).post(verbs::act))
}

/// What was read for the page.
struct Read {
    lag: Heard<Vec<Lag>>,
    parked: Heard<Parked>,
    connectors: Heard<Vec<Value>>,
}

async fn read(asker: &Asker) -> Read {
    let (lag, parked, connectors) =
        futures::join!(asker.get("/v1/sync/lag").send(), read_parked(asker), asker.get("/v1/sync/connectors").send(),);
    let items = |body: &Value| body["items"].as_array().or(body.as_array()).cloned().unwrap_or_default();
    Read {
        lag: Heard::of(lag, |told| lag::of(&told.body)),
        parked,
        connectors: Heard::of(connectors, |told| items(&told.body)),
    }
}

/// What is parked: [`parked::MOST`] items of each service at most. A service that this shop does not have parks nothing.
async fn read_parked(asker: &Asker) -> Heard<Parked> {
    let ask = |of: Parker| asker.get(format!("/v1/{}/parked?limit={}", of.name(), parked::MOST)).send();
    let (sync, analytics) = futures::join!(ask(Parker::Sync), ask(Parker::Analytics));
    let sync = Heard::of(sync, |told| parked::of(&told.body, Parker::Sync));
    let analytics = Heard::of(analytics, |told| parked::of(&told.body, Parker::Analytics));
    parked::together(sync, analytics)
}

async fn show(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let asker = Asker::of(visit);
    let read = read(&asker).await;
    let leaf = Leaf { title: "Sync", current: SYNC, live: Some("page=sync") };
    let (answer, meaning) = sentences(&read);
    let main = html! {
        (headline(&answer, &html! { span data-live="meaning" { (meaning) } }, Some(&day_and_clock(asker.now))))
        @if let Some(said) = verbs::done(visit).or_else(|| declare::done(visit)) { (said) }
        @if let (Heard::Absent, Heard::Absent, Heard::Absent) = (&read.lag, &read.parked, &read.connectors) {
            (read.lag.instead("Sync", LOST))
        } @else {
            @for (_, panel) in panels(&visit.console, &read, asker.now, true) { (panel) }
        }
        (confirm::dialog(visit))
    };
    Ok(visit.page(leaf, &main))
}

/// What has changed.
pub(crate) async fn change(console: &Console, asker: &Asker) -> Change {
    let read = read(asker).await;
    let mut change = Change::default();
    let Some(lags) = read.lag.said() else {
        // The page keeps what it says, and its time.
        return change;
    };
    console.trends.add(lags);
    for lag in lags {
        if let Some(seconds) = lag.seconds() {
            change.point.insert(lag::feed(lag), seconds);
        }
    }
    let (answer, meaning) = sentences(&read);
    change.text("headline", answer);
    change.text("meaning", meaning);
    change.text("asof", day_and_clock(asker.now));
    for (id, panel) in panels(console, &read, asker.now, false) {
        change.html(id, panel);
    }
    change
}

fn panels(console: &Console, read: &Read, now: Timestamp, drawn: bool) -> [(&'static str, Markup); 3] {
    [
        ("lag", lag::panel(&read.lag, &console.trends, drawn)),
        ("parked", parked::panel(&read.parked, now)),
        ("connectors", connectors::panel(&read.connectors, read.lag.said())),
    ]
}

fn sentences(read: &Read) -> (String, String) {
    match &read.lag {
        Heard::Said(lags) => lag::sentences(lags),
        Heard::Absent => ("Nothing carries changes to copies in this shop".to_owned(), LOST.to_owned()),
        Heard::Silent(_) => {
            ("How far copies are behind cannot be shown".to_owned(), "The page tries again by itself.".to_owned())
        }
    }
}
