//! The API: orders, drafts, sagas.

mod bodies;
mod changes;
mod drafts;
mod import;
mod listing;
mod placing;
mod problems;
mod sagas;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use madrigal_core::Host;
use madrigal_projection::ViewReader;
use madrigal_saga::{SagaEngine, SagaSummaries};
use utoipa::OpenApi;

use crate::commands::{OrderChanges, OrderImports, Placements};
use crate::queries::OrderQueries;

/// What the handlers work with.
pub(crate) struct Api {
    pub(crate) placements: Placements,
    pub(crate) changes: OrderChanges,
    pub(crate) imports: OrderImports,
    pub(crate) queries: OrderQueries,
    pub(crate) host: Host,
    pub(crate) engine: SagaEngine,
    pub(crate) directory: ViewReader<SagaSummaries>,
}

type Shared = axum::extract::State<Arc<Api>>;

/// The routes of order-service, without the edge's layers.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/orders", post(placing::place_order).get(listing::list_orders))
        .route("/v1/orders/import", post(import::import_orders))
        .route("/v1/orders/{orderId}", get(listing::get_order))
        .route("/v1/orders/{orderId}/events", get(listing::get_order_events))
        .route("/v1/orders/{orderId}/items", post(drafts::add_item))
        .route("/v1/orders/{orderId}/items/{productId}", delete(drafts::remove_item))
        .route("/v1/orders/{orderId}/place", post(placing::place_draft))
        .route("/v1/orders/{orderId}/cancel", post(changes::cancel_order))
        .route("/v1/orders/{orderId}/ship", post(changes::ship_order))
        .route("/v1/orders/{orderId}/deliver", post(changes::deliver_order))
        .route("/v1/users/{userId}/orders", get(listing::list_orders_of_user))
        .route("/v1/sagas", get(sagas::list_sagas))
        .route("/v1/sagas/{sagaId}", get(sagas::get_saga))
        .route("/v1/sagas/{sagaId}/{verb}", post(sagas::operate_saga))
        .with_state(api)
}

/// The OpenAPI description of these routes.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        placing::place_order,
        placing::place_draft,
        import::import_orders,
        listing::list_orders,
        listing::list_orders_of_user,
        listing::get_order,
        listing::get_order_events,
        drafts::add_item,
        drafts::remove_item,
        changes::cancel_order,
        changes::ship_order,
        changes::deliver_order,
        sagas::list_sagas,
        sagas::get_saga,
        sagas::operate_saga,
    ),
    tags((name = "orders", description = "Orders and drafts"), (name = "sagas", description = "What runs across services"))
)]
pub struct OrderApi;
