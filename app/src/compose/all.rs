//! The whole shop in one process: neighbours are called by hand-over, the gateway's routes are the services' own.

use std::sync::Arc;
use std::time::Duration;

use madrigal_catalog_service::{CatalogConfig, CatalogNeighbours, CatalogService};
use madrigal_contracts::rows::Planting;
use madrigal_core::{Fault, Host};
use madrigal_gateway::{GatewayParts, Storytellers, Target, Upstream};
use madrigal_http::{Edge, Neighbour, TokenSigner};
use madrigal_notification_service::{NotificationConfig, NotificationNeighbours, NotificationService};
use madrigal_order_service::{OrderConfig, OrderNeighbours, OrderService};
use madrigal_payment_service::{PaymentConfig, PaymentService};
use madrigal_sync_service::monitor::Watched;
use madrigal_sync_service::monitor::books::BookKeepers;
use madrigal_user_service::{MasterKeySource, UserConfig, UserService};

use super::health::{CRITICAL, OPTIONAL, Topics, watch};
use super::wiring::Wiring;
use super::{Composed, Demo, analytics, monitor, runs, sync};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::{compose, logs};

/// The services that have a room of their own.
const ROOMS: [&str; 7] = [
    "user-service",
    "catalog-service",
    "order-service",
    "payment-service",
    "notification-service",
    "analytics-service",
    "sync-service",
];

/// Opens every service on the data directory.
///
/// # Errors
/// Where another process has a room, or a service cannot be opened.
pub async fn compose_all(
    config: &Config,
    data: &DataDir,
    host: &Host,
    demo: Option<Demo>,
    wiring: &Wiring,
) -> anyhow::Result<Composed> {
    // Before anything is opened: what was prepared to measure before measures nothing.
    let metrics = madrigal_telemetry::metrics::metrics()?;
    let damage = if demo.is_some() { Planting::Allowed } else { monitor::planting(config) };
    let locks = ROOMS.iter().map(|room| data.lock(room)).collect::<anyhow::Result<Vec<_>>>()?;
    let signer = signer(data, host)?;
    let (orders, orders_are) = Neighbour::later("order-service");
    let users =
        UserService::open(user_config(config, data, damage)?, signer.clone(), host.clone()).await.map_err(opened)?;
    let catalog = CatalogService::open(
        catalog_config(config, data, damage)?,
        CatalogNeighbours { orders: Some(orders) },
        host.clone(),
    )
    .await
    .map_err(opened)?;
    let payment_config = PaymentConfig::in_dir(data.room("payment-service")?);
    let payments = Arc::new(PaymentService::open(payment_config, host.clone()).await.map_err(opened)?);
    let mails = NotificationService::open(
        NotificationConfig::in_dir(data.room("notification-service")?),
        NotificationNeighbours::showcase(wiring.to("notification-service", users.calls()), host.clone()),
        host.clone(),
    )
    .await
    .map_err(opened)?;
    let mails = Arc::new(mails);
    let neighbours = OrderNeighbours {
        users: wiring.to("order-service", users.calls()),
        catalog: wiring.to("order-service", catalog.calls()),
        payments: wiring.to("order-service", payments.calls()),
        notifications: wiring.to("order-service", mails.calls()),
    };
    let orders =
        OrderService::open(order_config(config, data, damage)?, neighbours, host.clone()).await.map_err(opened)?;
    orders_are.is(wiring.to("catalog-service", orders.calls()));
    let told = analytics::beside(orders.topics(), catalog.topics())?;
    let figures = analytics::open(data, told, damage, host).await?;
    let keepers = sync::Keepers {
        users: wiring.to("sync-service", users.calls()),
        catalog: wiring.to("sync-service", catalog.calls()),
        analytics: wiring.to("sync-service", figures.calls()),
    };
    let facts = orders.topics().into_iter().chain(catalog.topics()).collect();
    let changes = Arc::new(users.changes().clone());
    let sync = sync::open(config, data, keepers, Some(changes), facts, host).await?;
    let compared = [users.calls(), catalog.calls(), orders.calls(), figures.calls()];
    let compared = compared.map(|calls| wiring.to("sync-service", calls));
    let books = BookKeepers {
        orders: wiring.to("sync-service", orders.calls()),
        catalog: wiring.to("sync-service", catalog.calls()),
        payments: wiring.to("sync-service", payments.calls()),
    };
    let watched = Watched { services: compared.into(), books: Some(books) };
    let monitor = monitor::open(config, data, watched, host).await?;
    sync.rebuilds().repair_by(monitor.clone());

    let in_process = |service, router| Upstream { service, target: Target::InProcess(router) };
    let upstreams = vec![
        in_process("user-service", users.router()),
        in_process("catalog-service", catalog.router().merge(logs::router("catalog-service", catalog.store()))),
        in_process("order-service", orders.router().merge(logs::router("order-service", orders.store()))),
        in_process("payment-service", payments.router().merge(logs::router("payment-service", payments.store()))),
        in_process("notification-service", mails.router().merge(logs::router("notification-service", mails.store()))),
        in_process("analytics-service", figures.router()),
        in_process("sync-service", sync.router().merge(monitor.router())),
    ];
    let health = super::health::health(host);
    watch!(health, "user-service", CRITICAL, users);
    watch!(health, "catalog-service", CRITICAL, catalog);
    watch!(health, "order-service", CRITICAL, orders);
    watch!(health, "payment-service", CRITICAL, payments);
    watch!(health, "notification-service", OPTIONAL, mails);
    watch!(health, "analytics-service", OPTIONAL, figures);
    watch!(health, "sync-service", OPTIONAL, sync);
    watch!(health, "monitor", OPTIONAL, monitor);
    let topics = [users.topics(), catalog.topics(), orders.topics(), payments.topics(), mails.topics()];
    health.add("bus", OPTIONAL, Topics(topics.concat()));
    let edge = Edge { limits: config.limits.of_edge(), ..Edge::new(Arc::new(signer.verifier()), host.clone()) };
    let (console, ends_streams) = super::console::console(config);
    let parts = GatewayParts {
        upstreams,
        openapi: compose::DESCRIPTION,
        operations: super::health::operations(health.clone(), metrics.clone()),
        storytellers: Storytellers {
            orders: wiring.to("gateway", orders.calls()),
            catalog: wiring.to("gateway", catalog.calls()),
            payments: wiring.to("gateway", payments.calls()),
            notifications: wiring.to("gateway", mails.calls()),
            users: wiring.to("gateway", users.calls()),
            analytics: wiring.to("gateway", figures.calls()),
        },
        demo: demo.map(|demo| super::console::hints(config, demo, &signer, host)),
        console,
        version: env!("CARGO_PKG_VERSION"),
    };
    let router = madrigal_gateway::router(parts, &edge)?;
    let background = vec![
        runs!("user-service", users),
        runs!("catalog-service", catalog),
        runs!("order-service", orders),
        runs!("payment-service", payments),
        runs!("notification-service", mails),
        runs!("analytics-service", figures),
        runs!("sync-service", sync),
        runs!("monitor", monitor),
        runs!("metrics", metrics),
        ends_streams,
    ];
    let rooms = ROOMS.iter().map(|room| Ok((*room, data.room(room)?))).collect::<anyhow::Result<_>>()?;
    Ok(Composed { router, background, locks, health, rooms })
}

/// The key that signs tokens, made at the first start.
pub(super) fn signer(data: &DataDir, host: &Host) -> anyhow::Result<Arc<TokenSigner>> {
    let signer = TokenSigner::load_or_create(&data.signing_key(), host).map_err(opened)?;
    Ok(Arc::new(signer))
}

pub(super) fn user_config(config: &Config, data: &DataDir, planting: Planting) -> anyhow::Result<UserConfig> {
    let mut user = UserConfig::new(data.room("user-service")?);
    user.passwords.memory_kib = config.user.hash_memory_kib;
    user.planting = planting;
    user.master_key = MasterKeySource::from_environment()?;
    Ok(user)
}

pub(super) fn catalog_config(config: &Config, data: &DataDir, planting: Planting) -> anyhow::Result<CatalogConfig> {
    let mut catalog = CatalogConfig::in_dir(data.room("catalog-service")?);
    catalog.planting = planting;
    if !config.catalog.synonyms.as_os_str().is_empty() {
        catalog.synonyms.clone_from(&config.catalog.synonyms);
    }
    Ok(catalog)
}

pub(super) fn order_config(config: &Config, data: &DataDir, planting: Planting) -> anyhow::Result<OrderConfig> {
    let mut order = OrderConfig::in_dir(data.room("order-service")?);
    order.planting = planting;
    order.delivery_working_days = config.order.delivery_working_days;
    order.placing_limit = Duration::from_secs(config.order.placing_limit_seconds);
    Ok(order)
}

/// A fault of opening, with its causes, by which [`crate::exit::report`] knows what to advise.
pub(super) fn opened(fault: Fault) -> anyhow::Error {
    anyhow::Error::new(fault)
}
