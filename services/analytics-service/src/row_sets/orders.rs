//! `orders.analytics`: the facts.

mod owner;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use madrigal_consistency::Detail;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Content, Damage, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription};
use madrigal_core::{Fault, PositionToken, RowVersion};
use madrigal_sqlite::Database;
use madrigal_sqlite::sql::{self, Connection, OptionalExtension, Transaction, params};

use crate::aggregators::refresh;
use crate::aggregators::share::{day_of_hour, hour_of};
use crate::collectors::Following;
use crate::facts::OrderFact;
use crate::store::{self, Dictionary, delete_order, load_order, write_order};

/// The copy's name.
const COPY: &str = "orders.analytics";
/// What is compared: everything that figures are made of but the lines' amounts, which the owner tells by products and sums.
const FIELDS: &[&str] = &[
    "userId",
    "currency",
    "status",
    "imported",
    "createdAt",
    "itemCount",
    "totalAmount",
    "discountAmount",
    "taxAmount",
    "finalAmount",
    "productIds",
];

/// The facts, as a copy of the orders' streams.
#[derive(Debug, Clone)]
pub struct OrderFactRows {
    database: Database,
    following: Following,
}

impl OrderFactRows {
    /// The facts of this file, which this collector fills.
    pub const fn new(database: Database, following: Following) -> Self {
        Self { database, following }
    }
}

#[async_trait]
impl RowSet for OrderFactRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy(COPY, FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(self.following.position())
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.database
            .read("page-orders", move |connection| {
                let (after, through) = (read.range.after.unwrap_or_default(), read.range.through);
                let columns = if read.detail == Detail::Versions { "version" } else { store::COLUMNS };
                let select = format!(
                    "SELECT order_id, {columns} FROM orders WHERE order_id > ?1 AND (?2 IS NULL OR order_id <= ?2)
                     ORDER BY order_id LIMIT ?3"
                );
                let mut select = connection.prepare_cached(&select)?;
                let limit = i64::try_from(read.limit).unwrap_or(i64::MAX);
                let mut found = select.query(params![after, through, limit])?;
                let (mut rows, mut names) = (Vec::new(), HashMap::new());
                while let Some(row) = found.next()? {
                    let (key, version): (String, i64) = (row.get(0)?, row.get(1)?);
                    let shown = Row::new(key, version_of(version));
                    rows.push(match read.detail {
                        Detail::Versions => shown,
                        // A row that does not read as a fact is told as such: it is what is looked for.
                        Detail::Content => match store::fact_of(row, 1) {
                            Ok(fact) => shown.with_content(content(connection, &fact, &mut names)?),
                            Err(error) => Row::unreadable(shown.key, shown.version, error.to_string()),
                        },
                    });
                }
                Ok(rows)
            })
            .await
    }

    async fn by_key(&self, mut keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        keys.sort_unstable();
        self.database
            .read("orders-by-key", move |connection| {
                keys.iter().filter_map(|key| row(connection, key).transpose()).collect()
            })
            .await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let RepairRow { key, seen, fields, row: wanted } = repair;
        let fact = match wanted.filter(|row| !row.deleted).map(|row| owner::fact_of(&row)).transpose() {
            Ok(fact) => fact,
            Err(why) => return Ok(Repaired::Refused { why }),
        };
        let repaired = self.database.write("repair-order", move |tx| {
            if row(tx, &key)?.map(|row| Seen::of(&row, &fields)) != seen {
                return Ok(Repaired::Changed);
            }
            let before = load_order(tx, &key).unwrap_or(None);
            let fact = match fact {
                Some(fact) => {
                    let mut dictionary = Dictionary::default();
                    let numbered = fact.lines.iter().map(|line| {
                        let product = dictionary.number(tx, &line.product.product_id, &line.product.name)?;
                        Ok(crate::facts::Line { product, quantity: line.quantity, amount: line.amount })
                    });
                    let lines = numbered.collect::<sql::Result<Vec<_>>>()?;
                    Some(fact.with_lines(lines))
                }
                None => None,
            };
            delete_order(tx, &key)?;
            if let Some(fact) = &fact {
                write_order(tx, &key, None, fact)?;
            }
            recompute(tx, before.iter().chain(&fact))?;
            Ok(Repaired::Done)
        });
        repaired.await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        let key = key.to_owned();
        let planted = self.database.write("plant-damage", move |tx| {
            let there = load_order(tx, &key)?;
            let (change, rows) = match (damage, &there) {
                (Damage::Add, Some(_)) | (Damage::Change | Damage::Delete | Damage::Older | Damage::Newer, None) => {
                    return Ok(Planted::NoSuchRow);
                }
                (Damage::Older, Some(fact)) if fact.version <= 1 => {
                    return Ok(Planted::Refused { why: "the row has no older version".to_owned() });
                }
                (Damage::Change, _) => ("UPDATE orders SET final_amount = final_amount + 1 WHERE order_id = ?1", true),
                (Damage::Delete, _) => ("DELETE FROM orders WHERE order_id = ?1", true),
                (Damage::Older, _) => ("UPDATE orders SET version = version - 1 WHERE order_id = ?1", true),
                (Damage::Newer, _) => ("UPDATE orders SET version = version + 1000 WHERE order_id = ?1", true),
                (Damage::Add, None) => (
                    "INSERT INTO orders SELECT ?1, version, user_id, currency, status, imported, created_at, placed_at,
                       item_count, total_amount, discount_amount, tax_amount, final_amount, lines
                     FROM orders LIMIT 1",
                    false,
                ),
            };
            let changed = tx.execute(change, [&key])?;
            Ok(if changed == 1 || rows { Planted::Done } else { Planted::NoSuchRow })
        });
        planted.await
    }
}

/// Makes the rollups that these facts touch what all facts come to.
fn recompute<'a>(tx: &Transaction<'_>, facts: impl Iterator<Item = &'a OrderFact<i64>>) -> sql::Result<()> {
    let (mut days, mut users) = (BTreeSet::new(), BTreeSet::new());
    for fact in facts {
        days.extend(fact.placed_at.map(|time| day_of_hour(hour_of(time))));
        users.insert(fact.user_id);
    }
    days.into_iter().try_for_each(|day| refresh::mend_day(tx, day).map(drop))?;
    users.into_iter().try_for_each(|user| refresh::mend_customer(tx, user).map(drop))
}

fn version_of(version: i64) -> Option<RowVersion> {
    u64::try_from(version).ok().and_then(|count| RowVersion::new(RowVersion::FIRST_EPOCH, count).ok())
}

/// One row with its content.
fn row(connection: &Connection, key: &str) -> sql::Result<Option<Row>> {
    let select = format!("SELECT {} FROM orders WHERE order_id = ?1", store::COLUMNS);
    let mut select = connection.prepare_cached(&select)?;
    let mut found = select.query([key])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let shown = Row::new(key, version_of(row.get(0)?));
    Ok(Some(match store::fact_of(row, 0) {
        Ok(fact) => shown.with_content(content(connection, &fact, &mut HashMap::new())?),
        Err(error) => Row::unreadable(shown.key, shown.version, error.to_string()),
    }))
}

/// A fact as the owner tells it. `names` remembers products for one page.
fn content(connection: &Connection, fact: &OrderFact<i64>, names: &mut HashMap<i64, String>) -> sql::Result<Content> {
    let mut products = BTreeSet::new();
    for line in &fact.lines {
        let name = match names.entry(line.product) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let mut select = connection.prepare_cached("SELECT product_id FROM products WHERE id = ?1")?;
                let found: Option<String> = select.query_row([line.product], |row| row.get(0)).optional()?;
                place.insert(found.unwrap_or_else(|| format!("unknown number {}", line.product)))
            }
        };
        products.insert(name.clone());
    }
    Ok(Content::new()
        .with("userId", fact.user_id)
        .with("currency", fact.currency.as_str())
        .with("status", fact.state.as_str())
        .with("imported", fact.imported)
        .with_time("createdAt", Some(fact.created_at))
        .with("itemCount", fact.totals.item_count)
        .with("totalAmount", fact.totals.total_amount)
        .with("discountAmount", fact.totals.discount_amount)
        .with("taxAmount", fact.totals.tax_amount)
        .with("finalAmount", fact.totals.final_amount)
        .with("productIds", products.into_iter().collect::<Vec<_>>()))
}
