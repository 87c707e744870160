//! The first page, and what it is drawn with.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::HeaderMap;

use crate::inside::Inside;
use crate::parts::DemoHints;
use crate::security::{Fixed, STRICT};

pub(crate) mod frame;
mod page;

pub(crate) use page::Place;

/// The page and its files. All of them are fixed while the process runs.
pub(crate) fn router(services: &[Place], demo: Option<&DemoHints>, version: &'static str, _inside: &Inside) -> Router {
    let page = page::first_page(services, demo, version).into_string();
    let fixed = |path: &'static str, kind: &'static str, bytes: String| {
        let serve = async |State(file): State<Fixed>, asked: HeaderMap| file.answer(&asked);
        Router::new().route(path, get(serve)).with_state(Fixed::new(kind, STRICT, bytes))
    };
    fixed("/", "text/html; charset=utf-8", page)
        .merge(fixed(
            "/assets/console.css",
            "text/css; charset=utf-8",
            include_str!("../assets/console.css").to_owned(),
        ))
        .merge(fixed(
            "/assets/console.js",
            "text/javascript; charset=utf-8",
            include_str!("../assets/console.js").to_owned(),
        ))
        .merge(fixed("/favicon.svg", "image/svg+xml", include_str!("../assets/favicon.svg").to_owned()))
}
