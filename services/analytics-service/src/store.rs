//! The one file of this service: facts, rollups, the copy of users, and how far each of them is.

mod dictionary;
mod orders;

use std::path::Path;

use madrigal_core::Fault;
use madrigal_sqlite::{Database, DatabaseOptions, Migration, applied};

pub use dictionary::Dictionary;
pub(crate) use orders::{COLUMNS, fact_of, insert_order, number};
pub use orders::{delete_order, load_order, write_order};

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "facts and rollups",
    sql: include_str!("../migrations/0001_facts_and_rollups.sql"),
}];

/// Opens the file, or makes it, with its tables. Its directory is made where it is not there.
///
/// # Errors
/// A [`Fault`] where it cannot be opened or is of a newer version.
///
/// # Cancellation
/// Safe to repeat.
pub async fn open(dir: &Path) -> Result<Database, Fault> {
    std::fs::create_dir_all(dir).map_err(|error| Fault::permanent("analytics-service", "open", error))?;
    // Everything in it can be built again from the topics; three readers: figures are asked for by few.
    let options = DatabaseOptions { readers: 3, ..DatabaseOptions::REBUILDABLE };
    let database = Database::open(dir.join("analytics.sqlite"), options).await?;
    database.migrate("analytics", STEPS).await?;
    applied::prepare(&database).await?;
    Ok(database)
}
