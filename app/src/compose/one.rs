//! One service alone: its neighbours are reached over HTTP, its calls answered for services only.

use std::sync::Arc;

use axum::Router;
use madrigal_bus::{DynTopicSource, HttpTopic, long_poll};
use madrigal_catalog_service::{CatalogNeighbours, CatalogService};
use madrigal_core::Host;
use madrigal_gateway::{GatewayParts, Storytellers, Target, Upstream};
use madrigal_http::auth::MintedToken;
use madrigal_http::{Edge, Neighbour, ServiceToken, TokenSigner};
use madrigal_notification_service::{NotificationConfig, NotificationNeighbours, NotificationService};
use madrigal_order_service::{OrderNeighbours, OrderService};
use madrigal_payment_service::{PaymentConfig, PaymentService};
use madrigal_sync_service::monitor::Watched;
use madrigal_sync_service::monitor::books::BookKeepers;
use madrigal_telemetry::{Check, Health};
use madrigal_user_service::UserService;

use super::all::{catalog_config, opened, order_config, signer, user_config};
use super::health::{CRITICAL, OPTIONAL, asked, health, operations, operations_of, watch};
use super::{Background, Composed, analytics, monitor, runs, sync};
use crate::cli::Service;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::{compose, logs};

/// Opens one service on its room of the data directory.
///
/// # Errors
/// Where another process has the room, or the service cannot be opened.
pub async fn compose_one(service: Service, config: &Config, data: &DataDir, host: &Host) -> anyhow::Result<Composed> {
    // Before anything is opened: what was prepared to measure before measures nothing.
    let metrics = madrigal_telemetry::metrics::metrics()?;
    let lock = data.lock(service.name())?;
    let signer = signer(data, host)?;
    let edge = Edge { limits: config.limits.of_edge(), ..Edge::new(Arc::new(signer.verifier()), host.clone()) };
    let health = health(host);
    let far = Far { config, signer: &signer, host, caller: service.name() };
    let open = Open { config, data, host, far: &far, health: &health };
    let (router, work) = match service {
        Service::Gateway => {
            let (router, ends_streams) = gateway(&far, &edge, health.clone())?;
            (router, Some(ends_streams))
        }
        Service::UserService => open.user(signer.clone()).await?,
        Service::CatalogService => open.catalog().await?,
        Service::OrderService => open.order().await?,
        Service::PaymentService => open.payment().await?,
        Service::NotificationService => open.notification().await?,
        Service::AnalyticsService => open.analytics().await?,
        Service::SyncService => open.sync().await?,
    };
    let router = if service == Service::Gateway {
        router
    } else {
        edge.wrap_service(service.name(), router.merge(operations(health.clone(), metrics.clone())))
    };
    let background = work.into_iter().chain([runs!("metrics", metrics)]).collect();
    let rooms = vec![(service.name(), data.room(service.name())?)];
    Ok(Composed { router, background, locks: vec![lock], health, rooms })
}

type Opened = (Router, Option<(&'static str, Background)>);

struct Open<'a> {
    config: &'a Config,
    data: &'a DataDir,
    host: &'a Host,
    far: &'a Far<'a>,
    health: &'a Health,
}

impl Open<'_> {
    async fn user(&self, signer: Arc<TokenSigner>) -> anyhow::Result<Opened> {
        let users = UserService::open(
            user_config(self.config, self.data, monitor::planting(self.config))?,
            signer,
            self.host.clone(),
        )
        .await
        .map_err(opened)?;
        watch!(self.health, "user-service", CRITICAL, users);
        let router = users.router().merge(users.calls().router()).merge(long_poll::router(users.topics()));
        Ok((router, Some(runs!("user-service", users))))
    }

    async fn catalog(&self) -> anyhow::Result<Opened> {
        let catalog_config = catalog_config(self.config, self.data, monitor::planting(self.config))?;
        let neighbours = CatalogNeighbours { orders: Some(self.far.to(Service::OrderService)) };
        let catalog = CatalogService::open(catalog_config, neighbours, self.host.clone()).await.map_err(opened)?;
        watch!(self.health, "catalog-service", CRITICAL, catalog);
        let router = catalog.router().merge(catalog.calls().router());
        let router = router.merge(logs::router("catalog-service", catalog.store()));
        let router = router.merge(long_poll::router(catalog.topics()));
        Ok((router, Some(runs!("catalog-service", catalog))))
    }

    async fn order(&self) -> anyhow::Result<Opened> {
        let neighbours = OrderNeighbours {
            users: self.far.to(Service::UserService),
            catalog: self.far.to(Service::CatalogService),
            payments: self.far.to(Service::PaymentService),
            notifications: self.far.to(Service::NotificationService),
        };
        let orders = OrderService::open(
            order_config(self.config, self.data, monitor::planting(self.config))?,
            neighbours,
            self.host.clone(),
        )
        .await
        .map_err(opened)?;
        watch!(self.health, "order-service", CRITICAL, orders);
        let router = orders.router().merge(orders.calls().router());
        let router = router.merge(logs::router("order-service", orders.store()));
        let router = router.merge(long_poll::router(orders.topics()));
        Ok((router, Some(runs!("order-service", orders))))
    }

    async fn payment(&self) -> anyhow::Result<Opened> {
        let payment_config = PaymentConfig::in_dir(self.data.room("payment-service")?);
        let payments = Arc::new(PaymentService::open(payment_config, self.host.clone()).await.map_err(opened)?);
        watch!(self.health, "payment-service", CRITICAL, payments);
        let router = payments.router().merge(payments.calls().router());
        let router = router.merge(logs::router("payment-service", payments.store()));
        Ok((router, Some(runs!("payment-service", payments))))
    }

    async fn notification(&self) -> anyhow::Result<Opened> {
        let mail_config = NotificationConfig::in_dir(self.data.room("notification-service")?);
        let neighbours = NotificationNeighbours::showcase(self.far.to(Service::UserService), self.host.clone());
        let mails = NotificationService::open(mail_config, neighbours, self.host.clone()).await.map_err(opened)?;
        let mails = Arc::new(mails);
        watch!(self.health, "notification-service", CRITICAL, mails);
        let router = mails.router().merge(mails.calls().router());
        let router = router.merge(logs::router("notification-service", mails.store()));
        Ok((router, Some(runs!("notification-service", mails))))
    }

    async fn analytics(&self) -> anyhow::Result<Opened> {
        let told = analytics::far(self.config, &self.far.token());
        let figures = analytics::open(self.data, told, monitor::planting(self.config), self.host).await?;
        watch!(self.health, "analytics-service", CRITICAL, figures);
        Ok((figures.router().merge(figures.calls().router()), Some(runs!("analytics-service", figures))))
    }

    async fn sync(&self) -> anyhow::Result<Opened> {
        let keepers = sync::Keepers {
            users: self.far.to(Service::UserService),
            catalog: self.far.to(Service::CatalogService),
            analytics: self.far.to(Service::AnalyticsService),
        };
        let topic = |name, owner: Service| -> DynTopicSource {
            Arc::new(HttpTopic::new(name, owner.name(), url(self.config, owner), self.far.token()))
        };
        let facts = vec![topic("orders", Service::OrderService), topic("products", Service::CatalogService)];
        let sync = sync::open(self.config, self.data, keepers, None, facts, self.host).await?;
        let compared =
            [Service::UserService, Service::CatalogService, Service::OrderService, Service::AnalyticsService];
        let books = BookKeepers {
            orders: self.far.to(Service::OrderService),
            catalog: self.far.to(Service::CatalogService),
            payments: self.far.to(Service::PaymentService),
        };
        let watched = Watched { services: compared.map(|service| self.far.to(service)).into(), books: Some(books) };
        let monitor = monitor::open(self.config, self.data, watched, self.host).await?;
        sync.rebuilds().repair_by(monitor.clone());
        watch!(self.health, "sync-service", CRITICAL, sync);
        watch!(self.health, "monitor", OPTIONAL, monitor);
        let router = sync.router().merge(monitor.router());
        let work: Background = Box::new(move |stop| {
            Box::pin(async move {
                futures::join!(sync.run(stop.clone()), monitor.run(stop));
            })
        });
        Ok((router, Some(("sync-service", work))))
    }
}

/// Neighbours in processes of their own.
struct Far<'a> {
    config: &'a Config,
    signer: &'a Arc<TokenSigner>,
    host: &'a Host,
    caller: &'static str,
}

impl Far<'_> {
    fn to(&self, service: Service) -> Neighbour {
        let neighbour = Neighbour::http(service.name(), url(self.config, service).to_owned(), self.token());
        neighbour.called_by(self.caller)
    }

    fn token(&self) -> Arc<dyn ServiceToken> {
        Arc::new(MintedToken::new(self.signer.clone(), self.host.clone(), self.caller))
    }
}

fn url(config: &Config, service: Service) -> &str {
    match service {
        Service::Gateway => &config.url,
        Service::UserService => &config.user.url,
        Service::CatalogService => &config.catalog.url,
        Service::OrderService => &config.order.url,
        Service::PaymentService => &config.payment.url,
        Service::NotificationService => &config.notification.url,
        Service::AnalyticsService => &config.analytics.url,
        Service::SyncService => &config.sync.url,
    }
}

/// The gateway alone: everything is proxied.
fn gateway(far: &Far<'_>, edge: &Edge, health: Health) -> anyhow::Result<(Router, (&'static str, Background))> {
    let routing = || vec![Check::healthy("routing", "requests are passed on")];
    health.add("gateway", CRITICAL, routing);
    let services = [
        Service::UserService,
        Service::CatalogService,
        Service::OrderService,
        Service::PaymentService,
        Service::NotificationService,
        Service::AnalyticsService,
        Service::SyncService,
    ];
    let upstream = |service: Service| Upstream {
        service: service.name(),
        target: Target::Http { base_url: url(far.config, service).to_owned() },
    };
    // The shop's document; not what this process waits for: pages and the services that are there go on.
    let shop = super::health::health(far.host);
    shop.add("gateway", CRITICAL, routing);
    asked::ask_all(&shop, services.map(|service| (service, url(far.config, service))))?;
    let (console, ends_streams) = super::console::console(far.config);
    let parts = GatewayParts {
        upstreams: services.map(upstream).into(),
        openapi: compose::DESCRIPTION,
        operations: operations_of(health, shop, madrigal_telemetry::metrics::metrics()?),
        storytellers: Storytellers {
            orders: far.to(Service::OrderService),
            catalog: far.to(Service::CatalogService),
            payments: far.to(Service::PaymentService),
            notifications: far.to(Service::NotificationService),
            users: far.to(Service::UserService),
            analytics: far.to(Service::AnalyticsService),
        },
        demo: None,
        console,
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok((madrigal_gateway::router(parts, edge)?, ends_streams))
}
