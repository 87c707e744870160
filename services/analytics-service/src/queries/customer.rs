//! What one customer's page shows, in one call.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::analytics::{CustomerFigures, GetCustomerFigures, RecentProduct, Spending};
use madrigal_core::tasks::{self, Instant};
use madrigal_core::{CallContext, Currency, Fault, Timestamp};
use madrigal_http::calls::Answer;
use madrigal_sqlite::sql::{self, Connection, params};

use super::Figures;
use crate::aggregators::share::{day_of_hour, hour_of};
use crate::facts::{OrderState, read_lines};

/// Orders of a customer that are looked at in each currency, the newest first.
const ORDERS: i64 = 20;
/// Currencies of a customer that are looked at.
const CURRENCIES: usize = 5;
/// How long what sells best is remembered: it is summed over all products.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Days that what sells best is summed over.
const DAYS: i64 = 30;
/// The best of each category that are remembered.
const BEST: i64 = 20;
/// The most categories that are remembered.
const MOST_BEST: i64 = 10_000;

/// What sells best by category: its id, then products by units, the best first.
type Best = BTreeMap<String, Vec<String>>;

/// Answers [`GetCustomerFigures`].
#[derive(Debug)]
pub struct CustomersFigures {
    figures: Figures,
    best: Mutex<Option<(Instant, Arc<Best>)>>,
}

impl CustomersFigures {
    /// Of these figures.
    pub const fn new(figures: Figures) -> Self {
        Self { figures, best: Mutex::new(None) }
    }

    async fn best(&self) -> Result<Arc<Best>, Fault> {
        let known = self.best.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, best)) = known
            && at.elapsed() < REMEMBERED
        {
            return Ok(best);
        }
        let last = day_of_hour(hour_of(self.figures.host.now()));
        let best =
            Arc::new(self.figures.database.read("best-sellers", move |connection| best(connection, last)).await?);
        *self.best.lock().unwrap_or_else(PoisonError::into_inner) = Some((tasks::instant(), Arc::clone(&best)));
        Ok(best)
    }
}

#[async_trait]
impl Answer<GetCustomerFigures> for CustomersFigures {
    async fn answer(&self, _: CallContext, call: GetCustomerFigures) -> Result<CustomerFigures, Fault> {
        if let Some(seen) = &call.seen {
            // What it has not reached in time, the answer's own position tells.
            let _ = tasks::within(Duration::from_secs(1), self.figures.wait_for(seen)).await;
        }
        let position = self.figures.position();
        let user_id = call.user_id.0;
        let read = self.figures.database.read("customer", move |connection| {
            let spending = spending(connection, user_id)?;
            let bought = bought(connection, user_id, &spending)?;
            Ok((spending, bought))
        });
        let (spending, bought) = read.await?;
        let candidates =
            if bought.categories.is_empty() { Vec::new() } else { bought.candidates(&*self.best().await?) };
        let mut recent = bought.products;
        recent.truncate(CustomerFigures::RECENT);
        Ok(CustomerFigures { spending, recent, candidates, position })
    }
}

fn spending(connection: &Connection, user_id: i64) -> sql::Result<Vec<Spending>> {
    let mut select = connection
        .prepare_cached("SELECT currency, orders, kept, revenue FROM customers WHERE user_id = ?1 ORDER BY currency")?;
    let mut rows = select.query([user_id])?;
    let mut spending = Vec::new();
    while let Some(row) = rows.next()? {
        let whole = |column| -> sql::Result<u64> { Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0)) };
        let Some(currency) = Currency::parse(row.get_ref(0)?.as_str()?) else { continue };
        spending.push(Spending { currency, orders: whole(1)?, kept_orders: whole(2)?, amount: row.get(3)? });
    }
    Ok(spending)
}

/// What a customer bought lately, and in which categories, the latest first.
#[derive(Debug, Default)]
struct Bought {
    products: Vec<RecentProduct>,
    categories: Vec<String>,
}

impl Bought {
    /// The best of each category in turn, until there are enough.
    fn candidates(&self, best: &Best) -> Vec<String> {
        let has: HashSet<&str> = self.products.iter().map(|product| product.product_id.as_str()).collect();
        let lists: Vec<_> = self.categories.iter().filter_map(|category| best.get(category)).collect();
        let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
        let in_turn = (0..longest).flat_map(|place| lists.iter().filter_map(move |list| list.get(place)));
        let new = in_turn.filter(|product| !has.contains(product.as_str()));
        new.take(CustomerFigures::CANDIDATES).cloned().collect()
    }
}

fn bought(connection: &Connection, user_id: i64, spending: &[Spending]) -> sql::Result<Bought> {
    let mut orders = connection.prepare_cached(
        "SELECT placed_at, lines FROM orders WHERE user_id = ?1 AND currency = ?2 AND placed_at IS NOT NULL
           AND status <> ?3 ORDER BY placed_at DESC LIMIT ?4",
    )?;
    let mut latest: BTreeMap<i64, i64> = BTreeMap::new();
    for Spending { currency, .. } in spending.iter().take(CURRENCIES) {
        let cancelled = OrderState::Cancelled.number();
        let mut rows = orders.query(params![user_id, currency.as_str(), cancelled, ORDERS])?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            for line in read_lines(row.get_ref(1)?.as_blob()?).unwrap_or_default() {
                let there = latest.entry(line.product).or_insert(at);
                *there = at.max(*there);
            }
        }
    }
    let mut latest: Vec<(i64, i64)> = latest.into_iter().collect();
    latest.sort_by_key(|(product, at)| (std::cmp::Reverse(*at), *product));
    let mut bought = Bought::default();
    let mut select = connection.prepare_cached("SELECT product_id, name, category_id FROM products WHERE id = ?1")?;
    for (product, at) in latest {
        let mut rows = select.query([product])?;
        let Some(row) = rows.next()? else { continue };
        let ordered_at = Timestamp::from_micros(at);
        bought.products.push(RecentProduct { product_id: row.get(0)?, name: row.get(1)?, ordered_at });
        if let Some(category) = row.get::<_, Option<String>>(2)?
            && !bought.categories.contains(&category)
        {
            bought.categories.push(category);
        }
    }
    Ok(bought)
}

/// What sold best in the days up to `last`.
fn best(connection: &Connection, last: i64) -> sql::Result<Best> {
    let mut select = connection.prepare_cached(
        "WITH sums AS (SELECT product, sum(units) AS units FROM product_days WHERE day BETWEEN ?1 AND ?2 GROUP BY product),
         ranked AS (SELECT p.category_id, p.product_id,
             row_number() OVER (PARTITION BY p.category_id ORDER BY s.units DESC, p.id) AS place
           FROM sums AS s JOIN products AS p ON p.id = s.product WHERE p.category_id IS NOT NULL)
         SELECT category_id, product_id FROM ranked WHERE place <= ?3 ORDER BY category_id, place LIMIT ?4",
    )?;
    let mut rows = select.query([last - DAYS + 1, last, BEST, MOST_BEST])?;
    let mut best = Best::new();
    while let Some(row) = rows.next()? {
        best.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(best)
}
