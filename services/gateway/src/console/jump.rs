//! `/jump?id=…`: from an id that somebody has to the page that shows it.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::html;

use super::Console;
use super::frame::see_other;
use super::marks::{Tone, message};
use super::visit::{Leaf, Paged, Visit, either};
use super::words::segment;

/// The categories of streams, as their names begin.
const STREAMS: [&str; 8] = ["order", "saga", "product", "stock", "reservation", "payment", "mail", "note"];

pub(super) fn router() -> Router<Console> {
    Router::new().route("/jump", get(async |visit: Visit| either(jump(&visit).await)))
}

async fn jump(visit: &Visit) -> Paged {
    visit.require_login()?;
    let id = visit.query.get("id");
    if id.is_empty() {
        return Ok(see_other("/"));
    }
    let part = segment(id);
    let places = [
        (format!("/v1/orders/{part}"), format!("/orders/{part}")),
        (format!("/v1/sagas/{part}"), format!("/sagas/{part}")),
        // An order that is still being placed, or never came to be, has a story all the same.
        (format!("/v1/orders/{part}/story"), format!("/orders/{part}")),
        (format!("/v1/products/{part}"), format!("/shop/products/{part}")),
        (format!("/v1/users/{part}"), format!("/users/{part}")),
    ];
    for (ask, to) in places {
        if visit.get(ask).send().await.is_ok() {
            return Ok(see_other(&to));
        }
    }
    if visit.is_operator() {
        // A stream's name, else what may be a correlation: both are looked for among the events.
        let stream = id.split_once('-').is_some_and(|(category, _)| STREAMS.contains(&category));
        let what = if stream { "stream" } else { "correlation" };
        return Ok(see_other(&format!("/streams?{what}={part}")));
    }
    Ok(unknown(visit, id))
}

fn unknown(visit: &Visit, id: &str) -> Response {
    let main = html! {
        header { div { h1 { "Nothing has this id" } p { code { (id) } } } }
        (message(Tone::Calm, "unk", &html! {
            p { "No order, saga, product or user that you may see is called that. Ids are written whole, as they stand in links \
                 and answers; the shortened form with … does not lead back." }
        }))
    };
    visit.page_as(http::StatusCode::NOT_FOUND, Leaf { title: "Nothing has this id", current: "", live: None }, &main)
}
