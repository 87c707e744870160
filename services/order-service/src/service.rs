//! The service: its store, its view, its sagas, put together.

use std::sync::Arc;

use axum::Router;
use futures::future::join_all;
use madrigal_bus::TopicSource;
use madrigal_contracts::books::{ListMovedSagas, ReadSagaOrders};
use madrigal_contracts::order::{GetSagaStanding, HasReceived, ListCustomerOrders};
use madrigal_contracts::story::TellOrder;
use madrigal_contracts::{projections, rows};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host};
use madrigal_event_store::{DynEventStore, open_log};
use madrigal_http::Calls;
use madrigal_projection::{DynViewStore, ProjectionRunner, RunnerOptions};
use madrigal_saga::{SagaEngine, SagaOptions, SagaSummaries, ViewDirectory};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteViews, StreamIndex};
use madrigal_telemetry::Check;
use utoipa::OpenApi;

use crate::books::SagaOrders;
use crate::commands::{OrderChanges, OrderImports, Placements};
use crate::config::OrderConfig;
use crate::http::{Api, OrderApi};
use crate::neighbours::OrderNeighbours;
use crate::projections::order_sagas::OrderSagasProjection;
use crate::projections::order_view::OrderViewProjection;
use crate::queries::{CustomersOrders, OrderQueries, OrderStories, ReceivedProducts};
use crate::row_sets::{OrderEvents, OrderViewRows};
use crate::sagas::standing::Standing;
use crate::sagas::{cancel_order, place_order};

/// The name of this service and of its log.
pub const SERVICE: &str = "order-service";
const LOG: &str = "order";

/// order-service, open.
#[derive(Clone)]
pub struct OrderService {
    parts: Arc<Parts>,
}

struct Parts {
    store: DynEventStore,
    engine: SagaEngine,
    orders: ProjectionRunner<OrderViewProjection>,
    sagas: ProjectionRunner<SagaSummaries>,
    order_sagas: ProjectionRunner<OrderSagasProjection>,
    api: Arc<Api>,
    calls: Arc<Calls>,
}

impl OrderService {
    /// Opens the service's own directory.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be opened, is damaged, or is in use.
    pub async fn open(config: OrderConfig, neighbours: OrderNeighbours, host: Host) -> Result<Self, Fault> {
        let invalid = |error: String| Fault::permanent(SERVICE, "open", error);
        let store = open_log(config.dir.join("journal"), LOG, &host).await?;
        let database = Database::open(config.dir.join("views.sqlite"), DatabaseOptions::REBUILDABLE).await?;
        let sqlite = SqliteViews::open(database).await?;
        let views: DynViewStore = Arc::new(sqlite.clone());
        let options = || RunnerOptions::for_service(SERVICE);
        let orders = ProjectionRunner::new(OrderViewProjection, store.clone(), views.clone(), host.clone(), options())?;
        let sagas = ProjectionRunner::new(SagaSummaries, store.clone(), views.clone(), host.clone(), options())?;
        let order_sagas = ProjectionRunner::new(OrderSagasProjection, store.clone(), views, host.clone(), options())?;
        let keys = neighbours.person_keys(&host);
        let placing = place_order::definition(
            store.clone(),
            &neighbours,
            keys.clone(),
            host.clone(),
            config.delivery_working_days,
            config.placing_limit,
        );
        let cancelling = cancel_order::definition(store.clone(), &neighbours, keys.clone(), host.clone());
        let definitions = vec![
            placing.map_err(|error| invalid(error.to_string()))?,
            cancelling.map_err(|error| invalid(error.to_string()))?,
        ];
        let directory = Arc::new(ViewDirectory::new(store.clone(), sagas.reader()));
        let options = SagaOptions { service: "order-service", ..SagaOptions::default() };
        let engine = SagaEngine::new(store.clone(), definitions, directory, host.clone(), options);
        let queries = OrderQueries::new(store.clone(), orders.reader(), keys);
        let stories = OrderStories::new(store.clone(), queries.clone(), order_sagas.reader(), engine.clone());
        let api = Arc::new(Api {
            imports: OrderImports::new(store.clone(), neighbours.clone(), host.clone()),
            placements: Placements::new(store.clone(), engine.clone(), neighbours, host.clone()),
            changes: OrderChanges::new(store.clone(), engine.clone(), host.clone()),
            queries,
            host,
            engine: engine.clone(),
            directory: sagas.reader(),
        });
        let books = Arc::new(SagaOrders::new(store.clone()));
        let calls = Calls::new(SERVICE)
            .on::<ListMovedSagas>(Arc::clone(&books))
            .on::<ReadSagaOrders>(books)
            .on::<GetSagaStanding>(Arc::new(Standing(engine.clone())))
            .on::<HasReceived>(Arc::new(ReceivedProducts::new(orders.reader())))
            .on::<ListCustomerOrders>(Arc::new(CustomersOrders::new(orders.reader())))
            .on::<TellOrder>(Arc::new(stories));
        let calls = projections::answering(calls, vec![orders.managed(), sagas.managed(), order_sagas.managed()]);
        let index = StreamIndex::open(config.dir.join("row-sets.sqlite"), store.clone(), &["order"]).await?;
        let events = OrderEvents::new(index);
        let view = OrderViewRows::new(orders.clone(), sqlite, events.clone(), store.clone());
        let calls = rows::answering(calls, vec![Arc::new(events), Arc::new(view)], config.planting);
        let parts = Parts { store, engine, orders, sagas, order_sagas, api, calls: Arc::new(calls) };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// What other services may ask.
    pub fn calls(&self) -> Arc<Calls> {
        self.parts.calls.clone()
    }

    /// The public routes, without the edge's layers.
    pub fn router(&self) -> Router {
        crate::http::router(self.parts.api.clone())
    }

    /// The description of the public routes.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        OrderApi::openapi()
    }

    /// The store, for operators' reads of the log.
    pub fn store(&self) -> DynEventStore {
        self.parts.store.clone()
    }

    /// The topics that this service owns: `orders`.
    pub fn topics(&self) -> Vec<Arc<dyn TopicSource>> {
        vec![Arc::new(crate::topics::orders(self.parts.store.clone()))]
    }

    /// How the service fares.
    pub async fn health(&self) -> Vec<Check> {
        let trouble = self.parts.store.trouble().map(|trouble| (trouble.is_lasting(), trouble.words()));
        let mut checks = vec![Check::log(self.parts.store.end(), trouble)];
        let views = [
            ("orderView", self.parts.orders.reader().lag().await),
            ("sagaDirectory", self.parts.sagas.reader().lag().await),
            ("orderSagas", self.parts.order_sagas.reader().lag().await),
        ];
        for (name, lag) in views {
            checks.push(match lag {
                Ok(lag) => Check::view(name, lag.events, lag.stalled_since.is_some(), lag.parked_lanes),
                Err(fault) => Check::unhealthy(name, fault.to_string()),
            });
        }
        checks
    }

    /// Runs the views and the sagas until `stop`, then drains.
    pub async fn run(&self, stop: StopSignal) {
        // The views stop after the sagas: the last records should still be seen.
        let views_stop = StopSignal::new();
        let (orders, sagas) = (self.parts.orders.clone(), self.parts.sagas.clone());
        let (orders_stop, sagas_stop) = (views_stop.clone(), views_stop.clone());
        let (order_sagas, order_sagas_stop) = (self.parts.order_sagas.clone(), views_stop.clone());
        let views = [
            tasks::spawn("order-view", async move { log_end("order-view", orders.run(orders_stop).await) }),
            tasks::spawn("saga-summaries", async move { log_end("saga-summaries", sagas.run(sagas_stop).await) }),
            tasks::spawn("order-sagas", async move { log_end("order-sagas", order_sagas.run(order_sagas_stop).await) }),
        ];
        self.parts.engine.run(stop).await;
        views_stop.cancel();
        join_all(views).await;
    }
}

impl std::fmt::Debug for OrderService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderService").finish_non_exhaustive()
    }
}

fn log_end(view: &str, result: Result<(), madrigal_projection::RunError>) {
    if let Err(error) = result {
        tracing::error!(view, cause = error.chain(), "the view has stopped");
    }
}
