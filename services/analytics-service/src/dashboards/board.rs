//! The dashboard: one answer for one page.

use madrigal_sqlite::sql::{self, Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::bounded;
use super::period::{Period, day_text};
use super::series::{self, AnalyticsRow, Sums, average};
use super::tops::{self, ProductRank, TopCustomer, TopProduct};

/// How many products and customers a dashboard shows in each currency.
const SHOWN: usize = 10;
/// How many categories.
const CATEGORIES: i64 = 50;

/// Figures of a period of days of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Board {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// Sums, by currency.
    pub totals: Vec<CurrencyTotals>,
    /// How far orders came, whatever their currency.
    pub funnel: Funnel,
    /// By day.
    pub days: Vec<AnalyticsRow>,
    /// Revenue by category, the highest first, at most 50.
    pub categories: Vec<CategoryRevenue>,
    /// Products on top by revenue, at most 10 in each currency.
    pub products: Vec<TopProduct>,
    /// Customers on top, at most 10 in each currency.
    pub customers: Vec<TopCustomer>,
    /// Users that there are, as the copy of users says.
    pub registered_users: i64,
}

/// The sums of a period in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrencyTotals {
    /// Of all amounts.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Orders placed, cancelled ones included.
    pub total_orders: i64,
    /// Their final amounts.
    pub total_revenue: i64,
    /// `totalRevenue` / `totalOrders`, rounded half up.
    pub avg_order_value: i64,
    /// Distinct customers of the whole period.
    pub unique_customers: i64,
    /// Orders delivered.
    pub completed_orders: i64,
    /// Orders cancelled.
    pub cancelled_orders: i64,
    /// What of `totalRevenue` was cancelled.
    pub cancelled_revenue: i64,
}

/// How many orders came how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Funnel {
    /// Drafts that wait now, whenever they were begun.
    pub drafts_now: i64,
    /// Placed in the period.
    pub placed: i64,
    /// Of those: handed to the carrier, or further.
    pub shipped: i64,
    /// Of those: delivered.
    pub delivered: i64,
    /// Of those placed: cancelled.
    pub cancelled: i64,
}

/// What a category was sold for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryRevenue {
    /// The category that is the first of its products today; none for products that the catalogue does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of the amount.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Pieces sold.
    pub units: i64,
    /// Lines after their discount, before tax, in minor units.
    pub revenue: i64,
}

impl Board {
    /// The figures of these days.
    ///
    /// # Errors
    /// An SQL error if the engine broke.
    pub fn read(connection: &Connection, period: Period) -> sql::Result<Self> {
        let totals = totals(connection, period)?;
        let drafts = "SELECT count(*) FROM orders WHERE status = 0 AND placed_at IS NULL";
        let mut funnel = Funnel { drafts_now: count(connection, drafts)?, ..Funnel::default() };
        for (_, sums) in &totals {
            funnel.placed += sums.orders;
            funnel.shipped += sums.shipped + sums.completed;
            funnel.delivered += sums.completed;
            funnel.cancelled += sums.cancelled;
        }
        Ok(Self {
            from: day_text(period.first),
            to: day_text(period.last),
            totals: totals.into_iter().map(|(currency, sums)| CurrencyTotals::of(currency, &sums)).collect(),
            funnel,
            days: series::daily(connection, period)?,
            categories: categories(connection, period)?,
            products: tops::products(connection, period, ProductRank::Revenue, None, SHOWN)?,
            customers: tops::customers(connection, period, None, SHOWN)?,
            registered_users: count(connection, "SELECT count(*) FROM users WHERE deleted = 0")?,
        })
    }
}

impl CurrencyTotals {
    fn of(currency: String, sums: &Sums) -> Self {
        Self {
            currency,
            total_orders: sums.orders,
            total_revenue: sums.revenue,
            avg_order_value: average(sums.revenue, sums.orders),
            unique_customers: sums.customers,
            completed_orders: sums.completed,
            cancelled_orders: sums.cancelled,
            cancelled_revenue: sums.cancelled_revenue,
        }
    }
}

fn totals(connection: &Connection, period: Period) -> sql::Result<Vec<(String, Sums)>> {
    let select = format!("SELECT currency, {} FROM daily WHERE day BETWEEN ?1 AND ?2 ORDER BY currency", Sums::COLUMNS);
    let mut select = connection.prepare_cached(&select)?;
    let mut totals: Vec<(String, Sums)> = Vec::new();
    let rows =
        select.query_map([period.first, period.last], |row| Ok((row.get::<_, String>(0)?, Sums::of(row, 1)?)))?;
    for row in rows {
        let (currency, sums) = row?;
        match totals.last_mut() {
            Some((last, there)) if *last == currency => there.add(&sums),
            _ => totals.push((currency, Sums { customers: 0, ..sums })),
        }
    }
    let mut distinct = connection.prepare_cached(
        "SELECT count(DISTINCT user_id) FROM customer_days WHERE day BETWEEN ?1 AND ?2 AND currency = ?3",
    )?;
    for (currency, sums) in &mut totals {
        sums.customers = distinct.query_row(params![period.first, period.last, &*currency], |row| row.get(0))?;
    }
    Ok(totals)
}

fn categories(connection: &Connection, period: Period) -> sql::Result<Vec<CategoryRevenue>> {
    // Summed by product first: then each product's category is looked up once.
    let (of_days, of_products) = (bounded::sum("revenue"), bounded::sum("s.revenue"));
    let select = format!(
        "WITH sums AS (SELECT product, currency, sum(units) AS units, {of_days} AS revenue
           FROM product_days WHERE day BETWEEN ?1 AND ?2 GROUP BY product, currency)
         SELECT p.category_id, max(p.category_name), s.currency, sum(s.units), {of_products} AS revenue
         FROM sums AS s JOIN products AS p ON p.id = s.product
         GROUP BY p.category_id, s.currency ORDER BY revenue DESC, p.category_id LIMIT ?3"
    );
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map([period.first, period.last, CATEGORIES], |row| {
        Ok(CategoryRevenue {
            category_id: row.get(0)?,
            name: row.get(1)?,
            currency: row.get(2)?,
            units: row.get(3)?,
            revenue: row.get(4)?,
        })
    })?;
    rows.collect()
}

fn count(connection: &Connection, select: &str) -> sql::Result<i64> {
    connection.prepare_cached(select)?.query_row([], |row| row.get(0))
}
