//! order-service: its sagas, its view, its answers, put together as the service does.

use std::sync::Arc;
use std::time::Duration;

use madrigal_contracts::order::GetSagaStanding;
use madrigal_core::Fault;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_event_store::DynEventStore;
use madrigal_http::calls::Calls;
use madrigal_order_service::OrderNeighbours;
use madrigal_order_service::commands::{OrderChanges, Placements};
use madrigal_order_service::projections::order_view::OrderViewProjection;
use madrigal_order_service::sagas::standing::Standing;
use madrigal_order_service::sagas::{cancel_order, place_order};
use madrigal_order_service::topics;
use madrigal_projection::{DynViewStore, ProjectionRunner, RunnerOptions};
use madrigal_saga::{SagaEngine, SagaOptions, SagaSummaries, ViewDirectory};
use madrigal_sim::Server;

use super::api::{Api, Cancel, GiveUp, Place, Poll, SharedApi, Ship, Tend};
use super::{Role, Shop};
use crate::mutants::slow_views;

const CALLER: &str = "order";

pub(super) fn start(shop: &Arc<Shop>, store: DynEventStore, server: &Server) -> Result<Arc<Calls>, Fault> {
    let host = server.host.clone();
    let neighbours = OrderNeighbours {
        users: shop.to_users(CALLER),
        catalog: shop.to_catalog(CALLER),
        payments: shop.to_payments(CALLER),
        notifications: shop.to_mail(CALLER),
    };
    let views: DynViewStore = slow_views(shop, Role::Order, server);
    let options = || RunnerOptions::for_service("order-service");
    let orders = ProjectionRunner::new(OrderViewProjection, store.clone(), views.clone(), host.clone(), options())?;
    let sagas = ProjectionRunner::new(SagaSummaries, store.clone(), views, host.clone(), options())?;
    let keys = neighbours.person_keys(&host);
    let (limit, working_days) = (Duration::from_secs(30), 3);
    let placing = place_order::definition(store.clone(), &neighbours, keys.clone(), host.clone(), working_days, limit);
    let cancelling = cancel_order::definition(store.clone(), &neighbours, keys, host.clone());
    let wrong = |error: madrigal_saga::DefinitionError| Fault::permanent("order-service", "open", error);
    let definitions = vec![placing.map_err(wrong)?, cancelling.map_err(wrong)?];
    let directory = Arc::new(ViewDirectory::new(store.clone(), sagas.reader()));
    let options = SagaOptions { recover_every: Duration::from_secs(5), ..SagaOptions::default() };
    let engine = SagaEngine::new(store.clone(), definitions, directory, host.clone(), options);
    let api: SharedApi = Arc::new(Api {
        placements: Placements::new(store.clone(), engine.clone(), neighbours, host.clone()),
        changes: OrderChanges::new(store.clone(), engine.clone(), host),
        engine: engine.clone(),
        topic: Arc::new(topics::orders(store)),
    });
    let standing = Arc::new(Standing(engine.clone()));
    tasks::spawn("order-view", async move { orders.run(StopSignal::new()).await });
    tasks::spawn("saga-summaries", async move { sagas.run(StopSignal::new()).await });
    tasks::spawn("sagas", async move { engine.run(StopSignal::new()).await });
    let calls = Calls::new(Role::Order.service())
        .on::<GetSagaStanding>(standing)
        .on::<Place>(Arc::clone(&api))
        .on::<Cancel>(Arc::clone(&api))
        .on::<GiveUp>(Arc::clone(&api))
        .on::<Ship>(Arc::clone(&api))
        .on::<Tend>(Arc::clone(&api))
        .on::<Poll>(api);
    Ok(Arc::new(calls))
}
