//! Who and what is on top, by what was kept (cancelled orders are not in it). Days of UTC; each currency has a list of its own.

use madrigal_core::PersonId;
use madrigal_sqlite::sql::{self, Connection, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bounded;
use super::period::Period;
use super::series::average;

/// By what products are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProductRank {
    /// What they were sold for.
    #[default]
    Revenue,
    /// How many pieces.
    Units,
    /// In how many orders.
    Orders,
}

/// A product, as it was sold in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopProduct {
    /// The product.
    pub product_id: String,
    /// Its name in the catalogue, or when it was first ordered.
    pub name: String,
    /// The name of its (first) category, where the catalogue has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Of the amount.
    #[schema(example = "EUR")]
    pub currency: String,
    /// In how many orders.
    pub orders: i64,
    /// How many pieces.
    pub units: i64,
    /// For how much: lines after their discount, before tax, in minor units.
    pub revenue: i64,
}

/// A customer, as they ordered in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopCustomer {
    /// The user. Who that is, user-service says to who may know.
    #[schema(value_type = i64)]
    pub user_id: PersonId,
    /// Of the amounts.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Orders, cancelled ones included.
    pub orders: i64,
    /// Orders that were not cancelled.
    pub kept_orders: i64,
    /// The final amounts of those, in minor units.
    pub revenue: i64,
    /// `revenue` / `keptOrders`, rounded half up.
    pub avg_order_value: i64,
}

/// Products on top, at most `limit` in each currency.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn products(
    connection: &Connection,
    period: Period,
    by: ProductRank,
    currency: Option<&str>,
    limit: usize,
) -> sql::Result<Vec<TopProduct>> {
    let rank = match by {
        ProductRank::Revenue => "revenue",
        ProductRank::Units => "units",
        ProductRank::Orders => "orders",
    };
    let revenue = bounded::sum("revenue");
    let select = format!(
        "WITH sums AS (SELECT product, currency, sum(orders) AS orders, sum(units) AS units, {revenue} AS revenue
           FROM product_days WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR currency = ?3) GROUP BY product, currency),
         ranked AS (SELECT *, row_number() OVER (PARTITION BY currency ORDER BY {rank} DESC, product) AS place FROM sums)
         SELECT p.product_id, p.name, p.category_name, r.currency, r.orders, r.units, r.revenue
         FROM ranked AS r JOIN products AS p ON p.id = r.product WHERE r.place <= ?4 ORDER BY r.currency, r.place"
    );
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map(params![period.first, period.last, currency, limit_of(limit)], |row| {
        Ok(TopProduct {
            product_id: row.get(0)?,
            name: row.get(1)?,
            category: row.get(2)?,
            currency: row.get(3)?,
            orders: row.get(4)?,
            units: row.get(5)?,
            revenue: row.get(6)?,
        })
    })?;
    rows.collect()
}

/// Customers on top, at most `limit` in each currency.
///
/// # Errors
/// An SQL error if the engine broke.
pub fn customers(
    connection: &Connection,
    period: Period,
    currency: Option<&str>,
    limit: usize,
) -> sql::Result<Vec<TopCustomer>> {
    let revenue = bounded::sum("revenue");
    let select = format!(
        "WITH sums AS (SELECT user_id, currency, sum(orders) AS orders, sum(kept) AS kept, {revenue} AS revenue
           FROM customer_days WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR currency = ?3) GROUP BY user_id, currency),
         ranked AS (SELECT *, row_number() OVER (PARTITION BY currency ORDER BY revenue DESC, user_id) AS place FROM sums)
         SELECT user_id, currency, orders, kept, revenue FROM ranked WHERE place <= ?4 ORDER BY currency, place"
    );
    let mut select = connection.prepare_cached(&select)?;
    select.query_map(params![period.first, period.last, currency, limit_of(limit)], customer)?.collect()
}

fn customer(row: &Row<'_>) -> sql::Result<TopCustomer> {
    let (kept, revenue) = (row.get(3)?, row.get(4)?);
    Ok(TopCustomer {
        user_id: PersonId(row.get(0)?),
        currency: row.get(1)?,
        orders: row.get(2)?,
        kept_orders: kept,
        revenue,
        avg_order_value: average(revenue, kept),
    })
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
