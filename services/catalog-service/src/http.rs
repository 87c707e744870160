//! The public routes: products, their stock, their ratings, search, completion, import.

mod edits;
mod import;
mod problems;
mod products;
mod ratings;
mod search;
mod shapes;
mod stock;
mod suggest;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::HeaderValue;
use madrigal_core::{CallContext, Fingerprint, Host, Position, PositionToken};
use madrigal_http::headers::MADRIGAL_LAG;
use madrigal_http::problem::{self, Answered};
use madrigal_http::{Caller, position_header};
use utoipa::OpenApi;

pub(crate) use users::router as users_router;

use crate::commands::{Command, EditMerger, RatingDesk, Reply, StockDesk};
use crate::domain::RequestKey;
use crate::queries::ProductQueries;

/// What the handlers work with.
pub(crate) struct Api {
    pub(crate) desk: StockDesk,
    pub(crate) queries: ProductQueries,
    pub(crate) ratings: RatingDesk,
    pub(crate) edits: EditMerger,
    pub(crate) host: Host,
}

type Shared = axum::extract::State<Arc<Api>>;

/// The routes of catalog-service, without the edge's layers.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/products", post(products::create_product))
        .route("/v1/products/search", get(search::search_products))
        .route("/v1/products/suggest", get(suggest::suggest_products))
        .route("/v1/products/synonyms/reload", post(suggest::reload_synonyms))
        .route("/v1/products/import", post(import::import_products))
        .route("/v1/products/edits", post(edits::edit_products))
        .route(
            "/v1/products/{productId}",
            get(products::get_product).patch(products::change_product).delete(products::withdraw_product),
        )
        .route("/v1/products/{productId}/stock", get(stock::get_stock).post(stock::change_stock))
        .route("/v1/products/{productId}/ratings", post(ratings::rate_product))
        .with_state(api)
}

/// The OpenAPI description of these routes.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        products::create_product,
        products::get_product,
        products::change_product,
        products::withdraw_product,
        search::search_products,
        suggest::suggest_products,
        suggest::reload_synonyms,
        import::import_products,
        edits::edit_products,
        stock::get_stock,
        stock::change_stock,
        ratings::rate_product,
        users::search_users,
    ),
    tags((name = "products", description = "Products, search, stock, ratings"))
)]
pub(crate) struct CatalogApi;

impl Api {
    /// Puts a command to the desk, on behalf of the caller.
    async fn ask(&self, caller: &Caller, mut context: CallContext, command: Command) -> Answered<Reply> {
        context.user_id = Some(caller.actor().into());
        self.desk.ask(context, command).await.map_err(|fault| problem::from_fault(&fault))
    }

    /// Puts a command to the desk, once for each key of the caller's.
    async fn ask_once(
        &self,
        caller: &Caller,
        context: CallContext,
        key: Option<(&'static str, String, Fingerprint)>,
        command: Command,
    ) -> Answered<Reply> {
        let command = match key {
            Some((operation, key, asked)) => {
                let key = RequestKey::new(&caller.actor(), operation, &key, asked);
                Command::Once { key, command: Box::new(command) }
            }
            None => command,
        };
        self.ask(caller, context, command).await
    }

    /// Waits until what the caller has seen is searchable; without a position, says how far behind the answer may be.
    async fn searchable(&self, seen: Option<&PositionToken>) -> Answered<Option<u64>> {
        match seen {
            Some(token) => {
                self.queries.wait_for_search(token).await.map_err(problems::of_not_yet)?;
                Ok(None)
            }
            None => Ok(Some(self.queries.search_lag_events())),
        }
    }

    /// Waits for what the caller has seen; without a position, says how far behind the answer may be.
    async fn fresh(&self, seen: Option<&PositionToken>) -> Answered<Option<u64>> {
        match seen {
            Some(token) => {
                self.queries.wait_for(token).await.map_err(problems::of_not_yet)?;
                Ok(None)
            }
            None => Ok(Some(self.queries.lag_events())),
        }
    }

    /// The answer to a write, with the position that it reached, if it wrote anything.
    fn reaching(&self, mut response: Response, position: Position) -> Response {
        if position > Position::START {
            let (name, value) = position_header(&self.queries.token(position));
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The answer to a read, saying how many events it may be behind.
fn with_lag(mut response: Response, lag: Option<u64>) -> Response {
    if let Some(lag) = lag {
        response.headers_mut().insert(MADRIGAL_LAG, HeaderValue::from(lag));
    }
    response
}
