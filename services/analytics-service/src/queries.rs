//! Figures for whoever asks, as fresh as a position asks for.

mod customer;

use std::sync::Arc;
use std::time::Duration;

use madrigal_contracts::copies::CopyKeeper;
use madrigal_core::{Fault, Host, PositionToken};
use madrigal_sqlite::Database;

use crate::collectors::{Following, NotYet};
use crate::dashboards::series::{self, AnalyticsRow};
use crate::dashboards::tops;
use crate::dashboards::{Board, Period, ProductRank, TopCustomer, TopProduct};
use crate::users::Users;

pub use customer::CustomersFigures;

/// How long a read waits for the position that it names.
const POSITION_WAIT: Duration = Duration::from_secs(5);

/// Reads figures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Figures {
    database: Database,
    orders: Following,
    products: Following,
    host: Host,
}

impl Figures {
    /// Figures of this file, which these collectors fill.
    pub const fn new(database: Database, orders: Following, products: Following, host: Host) -> Self {
        Self { database, orders, products, host }
    }

    /// The clock that periods without an end go by.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Waits until the figures have what the token names, of the logs that they are made of.
    ///
    /// # Errors
    /// [`NotYet`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for(&self, token: &PositionToken) -> Result<(), NotYet> {
        self.orders.wait_for(token, POSITION_WAIT).await?;
        self.products.wait_for(token, POSITION_WAIT).await
    }

    /// The copy of users that the dashboard counts.
    pub(crate) fn users(&self) -> Arc<dyn CopyKeeper> {
        Arc::new(Users::new(self.database.clone()))
    }

    /// How many events the figures are behind: of the order's log and of the catalogue's.
    pub async fn lag_events(&self) -> u64 {
        let (orders, products) = tokio::join!(self.orders.lag_events(), self.products.lag_events());
        orders.saturating_add(products)
    }

    /// Up to where everything is in the figures.
    pub fn position(&self) -> PositionToken {
        let mut position = self.orders.position();
        position.merge(&self.products.position());
        position
    }

    /// The brief's `order_analytics` by day.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only. So are all of these.
    pub async fn daily(&self, period: Period) -> Result<Vec<AnalyticsRow>, Fault> {
        self.database.read("daily", move |connection| series::daily(connection, period)).await
    }

    /// The same by hour.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn hourly(&self, period: Period) -> Result<Vec<AnalyticsRow>, Fault> {
        self.database.read("hourly", move |connection| series::hourly(connection, period)).await
    }

    /// Products on top.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn top_products(
        &self,
        period: Period,
        by: ProductRank,
        currency: Option<String>,
        limit: usize,
    ) -> Result<Vec<TopProduct>, Fault> {
        self.database
            .read("top-products", move |connection| tops::products(connection, period, by, currency.as_deref(), limit))
            .await
    }

    /// Customers on top.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn top_customers(
        &self,
        period: Period,
        currency: Option<String>,
        limit: usize,
    ) -> Result<Vec<TopCustomer>, Fault> {
        self.database
            .read("top-customers", move |connection| tops::customers(connection, period, currency.as_deref(), limit))
            .await
    }

    /// The dashboard.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn board(&self, period: Period) -> Result<Board, Fault> {
        self.database.read("board", move |connection| Board::read(connection, period)).await
    }
}
