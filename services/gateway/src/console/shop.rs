//! `/shop`: search with facets, the basket, placing an order; `/shop/products/{id}`: one product.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use maud::{Markup, html};

use super::Console;
use super::frame::see_other;
use super::pages::SHOP;
use super::visit::{Leaf, Visit};

mod answer;
mod basket;
mod hits;
mod place;
mod product;
mod search;

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/shop", get(show))
        .route("/shop/basket", get(async || see_other("/shop#basket")).post(basket::change))
        .route("/shop/order", get(async || see_other("/shop#basket")).post(place::order))
        .route("/shop/products/{id}", get(product::show))
}

async fn show(visit: Visit) -> Response {
    let said = answer::of_query(&visit).await;
    page(&visit, StatusCode::OK, said.as_ref(), None).await
}

/// The page with an answer to what was just done. `kept` is a form that was refused: it is shown as it was sent.
async fn page(visit: &Visit, status: StatusCode, said: Option<&Markup>, kept: Option<&place::Form>) -> Response {
    let wanted = search::Wanted::of(&visit.query);
    let (found, basket) = futures::join!(hits::ask(visit, &wanted), basket::Basket::read(visit));
    let main = html! {
        header {
            div {
                h1 { "Search and order" }
                p { "What you see here is a copy; what you order is decided by its owner." }
            }
        }
        (search::form(&wanted))
        div.cols.left {
            (search::filters(&wanted, found.as_ref().ok()))
            (hits::list(visit, &wanted, &found))
            (place::panel(visit, &basket, said, kept).await)
        }
    };
    visit.page_as(status, Leaf { title: "Search and order", current: SHOP, live: None }, &main)
}
