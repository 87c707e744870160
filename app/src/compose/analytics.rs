//! analytics-service and the topics that it listens to.

use std::sync::Arc;

use anyhow::Context;
use madrigal_analytics_service::{AnalyticsConfig, AnalyticsNeighbours, AnalyticsService};
use madrigal_bus::{DynTopicSource, HttpTopic};
use madrigal_contracts::rows::Planting;
use madrigal_core::Host;
use madrigal_http::ServiceToken;

use super::all::opened;
use crate::config::Config;
use crate::data_dir::DataDir;

/// Opens the service on its room, listening to these topics.
pub(super) async fn open(
    data: &DataDir,
    neighbours: AnalyticsNeighbours,
    planting: Planting,
    host: &Host,
) -> anyhow::Result<AnalyticsService> {
    let config = AnalyticsConfig { planting, ..AnalyticsConfig::in_dir(data.room("analytics-service")?) };
    AnalyticsService::open(config, neighbours, host.clone()).await.map_err(opened)
}

/// The topics of services in this process.
pub(super) fn beside(
    orders: Vec<DynTopicSource>,
    products: Vec<DynTopicSource>,
) -> anyhow::Result<AnalyticsNeighbours> {
    let named = |topics: Vec<DynTopicSource>, name: &str| {
        let found = topics.into_iter().find(|topic| topic.topic() == name);
        found.with_context(|| format!("no service tells the topic {name}"))
    };
    Ok(AnalyticsNeighbours { orders: named(orders, "orders")?, products: named(products, "products")? })
}

/// The topics of services in processes of their own.
pub(super) fn far(config: &Config, token: &Arc<dyn ServiceToken>) -> AnalyticsNeighbours {
    let topic = |name, owner, url: &str| Arc::new(HttpTopic::new(name, owner, url, Arc::clone(token)));
    AnalyticsNeighbours {
        orders: topic("orders", "order-service", &config.order.url),
        products: topic("products", "catalog-service", &config.catalog.url),
    }
}
