//! The pages at `/`: server-rendered, live by server-sent events, usable without JavaScript.
//!
//! The console is a client of the public API ([`crate::inside`]) with the rights of whoever is logged in.
//!
//! * `session`, `forms`, `guard`: who asks, the token of their forms, and what every request must pass; `visit`: all of that
//!   about one request; `login`;
//! * `frame`, `pages`, `marks`, `words`, `diff`, `refusal`, `heard`: what pages are made of;
//! * `live`, `topics`: what keeps them true; `standing`: the counts of the bar and the rail;
//! * a module per page: `overview`, `shop`, `analytics`, `sync`, `users` and the others.

use std::sync::Arc;

use axum::routing::get;
use axum::{Router, middleware};
use http::HeaderMap;
use madrigal_http::Edge;

use crate::inside::Inside;
use crate::parts::{ConsoleParts, DemoHints};
use crate::security::{Fixed, STRICT};
use axum::extract::State;

pub(crate) mod confirm;
pub(crate) mod diff;
pub(crate) mod frame;
pub(crate) mod heard;
pub(crate) mod marks;
pub(crate) mod pages;
pub(crate) mod refusal;
pub(crate) mod visit;
pub(crate) mod words;

mod analytics;
mod consistency;
pub(crate) mod forms;
mod guard;
mod jump;
pub(crate) mod live;
mod login;
pub(crate) mod orders;
mod overview;
mod projections;
mod sagas;
pub(crate) mod session;
mod shop;
pub(crate) mod standing;
mod story;
mod streams;
pub(crate) mod sync;
pub(crate) mod topics;
mod users;

/// The style, in the order in which it overrules.
const STYLE: &str = concat!(
    include_str!("../assets/css/tokens.css"),
    include_str!("../assets/css/base.css"),
    include_str!("../assets/css/frame.css"),
    include_str!("../assets/css/marks.css"),
    include_str!("../assets/css/tables.css"),
    include_str!("../assets/css/charts.css"),
    include_str!("../assets/css/controls.css"),
    include_str!("../assets/css/shop.css"),
    include_str!("../assets/css/prose.css"),
    include_str!("../assets/css/narrow.css"),
);
/// The script; its first part sets the colours before the first paint.
const SCRIPT: &str = concat!(
    include_str!("../assets/js/theme.js"),
    include_str!("../assets/js/charts.js"),
    include_str!("../assets/js/live.js"),
    include_str!("../assets/js/confirm.js"),
    include_str!("../assets/js/shop.js"),
    include_str!("../assets/js/start.js"),
);

/// A service, and where it runs.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) service: &'static str,
    pub(crate) place: String,
}

/// What all pages stand on. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Console(Arc<Ground>);

/// See [`Console`].
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) inside: Inside,
    pub(crate) edge: Edge,
    pub(crate) hosts: guard::Hosts,
    pub(crate) secure: bool,
    pub(crate) demo: Option<DemoHints>,
    pub(crate) version: &'static str,
    pub(crate) services: Vec<Place>,
    pub(crate) live: live::Hub,
    pub(crate) history: overview::history::History,
    pub(crate) standing: standing::Board,
    pub(crate) trends: sync::trends::Trends,
}

impl std::ops::Deref for Console {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.0
    }
}

/// The pages and their files.
pub(crate) fn router(
    services: Vec<Place>,
    demo: Option<DemoHints>,
    parts: ConsoleParts,
    version: &'static str,
    inside: Inside,
    edge: &Edge,
) -> Router {
    let console = Console(Arc::new(Ground {
        inside,
        edge: edge.clone(),
        hosts: guard::Hosts::new(&parts.hosts),
        secure: parts.secure,
        demo,
        version,
        services,
        live: live::Hub::new(parts.closing),
        history: overview::history::History::default(),
        standing: standing::Board::default(),
        trends: sync::trends::Trends::default(),
    }));
    let pages = Router::new()
        .merge(overview::router())
        .merge(login::router())
        .merge(jump::router())
        .merge(shop::router())
        .merge(orders::router())
        .merge(story::router())
        .merge(streams::router())
        .merge(sagas::router())
        .merge(projections::router())
        .merge(consistency::router())
        .merge(sync::router())
        .merge(analytics::router())
        .merge(users::router())
        .route("/console/live", get(live::stream));
    let guarded = pages.layer(middleware::from_fn_with_state(console.clone(), guard::guard)).with_state(console);
    guarded.merge(files())
}

/// What does not change while the process runs.
fn files() -> Router {
    let fixed = |path: &'static str, kind: &'static str, text: &'static str| {
        let serve = async |State(file): State<Fixed>, asked: HeaderMap| file.answer(&asked);
        Router::new().route(path, get(serve)).with_state(Fixed::new(kind, STRICT, text))
    };
    fixed("/assets/console.css", "text/css; charset=utf-8", STYLE)
        .merge(fixed("/assets/console.js", "text/javascript; charset=utf-8", SCRIPT))
        .merge(fixed("/favicon.svg", "image/svg+xml", include_str!("../assets/favicon.svg")))
}
