//! What a batch of the topic `products` does: names and categories. Categories are those of today: a product that moves takes
//! its past with it, so that it does not matter which topic is ahead.

use std::borrow::Cow;
use std::time::Duration;

use madrigal_sqlite::sql::{self, Transaction, params};
use serde::Deserialize;

use super::follow::{Effect, Lane, Stuck};

/// Names and categories seldom change; under load the catalogue's log is mostly about stock.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Keeps the names and categories of products.
#[derive(Debug, Default)]
pub struct ProductsEffect {}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    category: Vec<Category<'a>>,
}

#[derive(Deserialize)]
struct Category<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl Effect for ProductsEffect {
    fn apply(&self, tx: &Transaction<'_>, lanes: &[Lane]) -> sql::Result<Vec<Stuck>> {
        let mut stuck = Vec::new();
        for (place, lane) in lanes.iter().enumerate() {
            for (at, message) in lane.messages.iter().enumerate() {
                // Prices and stocks are in no figure.
                if !matches!(message.kind.as_str(), "ProductCreated" | "ProductChanged") {
                    continue;
                }
                let details: Details<'_> = match serde_json::from_slice(message.data.as_bytes()) {
                    Ok(details) => details,
                    Err(error) => {
                        let cause = format!("the data of {} cannot be read: {error}", message.kind);
                        stuck.push(Stuck { lane: place, message: at, cause });
                        break;
                    }
                };
                let version = message.version.map_or(message.position.0, |version| version.0);
                write(tx, &lane.key, version, &details)?;
            }
        }
        Ok(stuck)
    }

    fn undone(&self) {}

    fn longest_rest(&self) -> Duration {
        LONGEST_REST
    }
}

/// Writes a product unless what is there is as new or newer. The first category is the one that revenue goes to.
fn write(tx: &Transaction<'_>, product_id: &str, version: u64, details: &Details<'_>) -> sql::Result<()> {
    let category = details.category.first();
    tx.prepare_cached(
        "INSERT INTO products (product_id, version, name, category_id, category_name) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (product_id) DO UPDATE SET version = excluded.version, name = excluded.name,
           category_id = excluded.category_id, category_name = excluded.category_name
         WHERE products.version < excluded.version",
    )?
    .execute(params![
        product_id,
        crate::store::number(version),
        details.name,
        category.map(|category| &category.id),
        category.map(|category| &category.name),
    ])
    .map(|_| ())
}
