//! `/`: how the shop is.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::html;

use super::Console;
use super::live::{Asker, Change};
use super::marks::headline;
use super::pages::OVERVIEW;
use super::visit::{Leaf, Visit};
use super::words::day_and_clock;

pub(super) fn router() -> Router<Console> {
    Router::new().route("/", get(show))
}

async fn show(visit: Visit) -> Response {
    let main = html! {
        (headline("The shop", &html! { (visit.console.services.len()) " services" }, Some(&day_and_clock(visit.now()))))
    };
    visit.page(Leaf { title: "Overview", current: OVERVIEW, live: Some("page=overview") }, &main)
}

/// What has changed.
pub(super) async fn change(_console: &Console, asker: &Asker) -> Change {
    let mut change = Change::default();
    change.text("asof", day_and_clock(asker.now));
    change
}
