//! The service as the application sees it.

use std::sync::Arc;

use axum::Router;
use madrigal_bus::DynTopicSource;
use madrigal_consistency::DynRowSet;
use madrigal_contracts::analytics::GetCustomerFigures;
use madrigal_contracts::{copies, rows};
use madrigal_core::tasks::StopSignal;
use madrigal_core::{Fault, Host, LogName};
use madrigal_http::calls::Calls;
use madrigal_projection::Status;
use madrigal_sqlite::{Database, SqliteOffsets};
use madrigal_telemetry::Check;
use utoipa::OpenApi;

use crate::aggregators::Refresh;
use crate::collectors::{Collector, OrdersEffect, ProductsEffect};
use crate::config::AnalyticsConfig;
use crate::http::{self, AnalyticsApi};
use crate::queries::{CustomersFigures, Figures};
use crate::row_sets::{OrderFactRows, UserRows};
use crate::store;
use crate::users::Users;

/// The name of this service.
pub const SERVICE: &str = "analytics-service";

/// Whom analytics-service listens to.
#[derive(Clone)]
pub struct AnalyticsNeighbours {
    /// The topic `orders` of order-service.
    pub orders: DynTopicSource,
    /// The topic `products` of catalog-service.
    pub products: DynTopicSource,
}

impl std::fmt::Debug for AnalyticsNeighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnalyticsNeighbours").finish_non_exhaustive()
    }
}

/// analytics-service, open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AnalyticsService {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    database: Database,
    orders: Collector,
    products: Collector,
    refresh: Refresh,
    figures: Figures,
    calls: Arc<Calls>,
}

impl AnalyticsService {
    /// Opens the service in its directory.
    ///
    /// # Errors
    /// A [`Fault`] where the directory cannot be opened or is of a newer version.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(config: AnalyticsConfig, neighbours: AnalyticsNeighbours, host: Host) -> Result<Self, Fault> {
        let database = store::open(&config.dir).await?;
        let offsets = SqliteOffsets::open(database.clone()).await?;
        let effect = Arc::new(OrdersEffect::new());
        let orders = Collector::new(neighbours.orders, log("order")?, effect, offsets.clone(), host.clone());
        let effect = Arc::new(ProductsEffect::default());
        let products = Collector::new(neighbours.products, log("catalog")?, effect, offsets, host.clone());
        let figures = Figures::new(database.clone(), orders.following(), products.following(), host.clone());
        let customers = Arc::new(CustomersFigures::new(figures.clone()));
        let calls = Calls::new(SERVICE).on::<GetCustomerFigures>(customers);
        let kept = copies::answering(calls, vec![Arc::new(Users::new(database.clone()))]);
        let facts = OrderFactRows::new(database.clone(), orders.following());
        let sets: Vec<DynRowSet> = vec![Arc::new(facts), Arc::new(UserRows::new(database.clone()))];
        let calls = Arc::new(rows::answering(kept, sets, config.planting));
        let refresh = Refresh::new(database.clone(), config.refresh_every, host);
        Ok(Self { parts: Arc::new(Parts { database, orders, products, refresh, figures, calls }) })
    }

    /// What neighbours may ask.
    pub fn calls(&self) -> Arc<Calls> {
        Arc::clone(&self.parts.calls)
    }

    /// The figures, as [`AnalyticsService::router`] answers them.
    pub fn figures(&self) -> &Figures {
        &self.parts.figures
    }

    /// The collector of orders, for what it parked.
    pub fn orders(&self) -> &Collector {
        &self.parts.orders
    }

    /// The collector of products, for what it parked.
    pub fn products(&self) -> &Collector {
        &self.parts.products
    }

    /// The recomputing of rollups.
    pub fn refresh(&self) -> &Refresh {
        &self.parts.refresh
    }

    /// The file, for measuring and for tests that damage it.
    pub fn database(&self) -> &Database {
        &self.parts.database
    }

    /// The public routes, without the edge's layers.
    pub fn router(&self) -> Router {
        let parking = http::Parking::of(vec![self.parts.orders.clone(), self.parts.products.clone()]);
        http::router(self.parts.figures.clone(), parking, self.parts.refresh.clone())
    }

    /// The public routes' documentation.
    pub fn openapi() -> utoipa::openapi::OpenApi {
        AnalyticsApi::openapi()
    }

    /// How the collectors are. Without them orders are still taken.
    pub async fn health(&self) -> Vec<Check> {
        let mut checks = Vec::with_capacity(3);
        for (name, collector) in [("orderFacts", &self.parts.orders), ("productNames", &self.parts.products)] {
            let following = collector.following();
            checks.push(match (following.status(), following.parked_keys()) {
                (Status::Stalled { cause, .. }, _) => Check::unhealthy(name, cause),
                (Status::Retrying { .. }, _) => Check::degraded(name, "held up, trying again"),
                (_, 0) => Check::healthy(name, format!("{} events behind", following.lag_events().await)),
                (_, parked) => Check::degraded(name, format!("{parked} keys are parked")),
            });
        }
        checks.push(self.rollups());
        checks
    }

    /// Degraded from a time that found sums to mend, or broke off, until one that found none.
    fn rollups(&self) -> Check {
        const NAME: &str = "rollups";
        let standing = self.parts.refresh.standing();
        match standing.last {
            _ if standing.failed_at.is_some() => Check::degraded(NAME, "could not be recomputed, trying again later"),
            Some((at, report)) if !standing.is_calm() => Check::degraded(
                NAME,
                format!("{} rows differed from the orders and were mended by {at}", report.mended),
            ),
            Some((at, _)) => Check::healthy(NAME, format!("recomputed at {at}, nothing differed")),
            None => Check::healthy(NAME, "not recomputed yet"),
        }
    }

    /// Collects and recomputes until `stop`. What cannot go on is logged and shown by [`AnalyticsService::health`].
    pub async fn run(&self, stop: StopSignal) {
        let collect = async |collector: &Collector| {
            if let Err(error) = collector.run(stop.clone()).await {
                tracing::error!(cause = %error.chain(), "figures stand still");
            }
        };
        let refresh = self.parts.refresh.run(stop.clone());
        tokio::join!(collect(&self.parts.orders), collect(&self.parts.products), refresh);
    }
}

fn log(name: &str) -> Result<LogName, Fault> {
    LogName::parse(name).ok_or_else(|| Fault::permanent(SERVICE, "open", "not the name of a log"))
}
