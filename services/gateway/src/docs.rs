//! `/openapi.json`, its reading room at `/docs`, and the pages that problems point to.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use madrigal_http::problem;
use utoipa_swagger_ui::Config;

use crate::security::{DOCUMENTATION, Fixed, STRICT};

mod problem_pages;

pub use problem_pages::problem_codes;

const OPENAPI_PATH: &str = "/openapi.json";

/// The routes.
pub(crate) fn router(openapi: &'static str) -> Router {
    // Without "none" the page would ask a validator somewhere on the internet.
    let config = Config::from(OPENAPI_PATH).try_it_out_enabled(true).validator_url("none");
    let described = Router::new().route(OPENAPI_PATH, get(description)).with_state(openapi);
    let shown = Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async |State(ui): State<Arc<Config<'static>>>, asked: HeaderMap| file("", ui, &asked)))
        .route("/docs/{*file}", get(named_file))
        .with_state(Arc::new(config));
    described.merge(shown).merge(problem_pages::router())
}

/// Its tag is computed when it is asked for, so that a shop that nobody asks does not read half a megabyte.
async fn description(State(document): State<&'static str>, asked: HeaderMap) -> Response {
    Fixed::new("application/json", STRICT, document).answer(&asked)
}

async fn named_file(State(ui): State<Arc<Config<'static>>>, Path(name): Path<String>, asked: HeaderMap) -> Response {
    file(&name, ui, &asked)
}

fn file(name: &str, ui: Arc<Config<'static>>, asked: &HeaderMap) -> Response {
    match utoipa_swagger_ui::serve(name, ui) {
        Ok(Some(file)) => {
            let kind = HeaderValue::try_from(file.content_type).unwrap_or(HeaderValue::from_static("text/plain"));
            Fixed::of(kind, DOCUMENTATION, Bytes::from(file.bytes.into_owned())).answer(asked)
        }
        Ok(None) => problem::unknown_path().into_response(),
        Err(error) => {
            tracing::error!(%error, name, "a file of the API's documentation cannot be served");
            problem::internal().into_response()
        }
    }
}
