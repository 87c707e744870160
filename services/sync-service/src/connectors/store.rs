//! The connectors that were declared.

use madrigal_core::{Fault, Timestamp};
use madrigal_sqlite::{Database, Migration, sql};
use serde_json::Value;

use super::definition::{ConnectorDefinition, Misfit};

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "declared connectors",
    sql: "CREATE TABLE connectors (
        name TEXT PRIMARY KEY, declared TEXT NOT NULL, declared_at INTEGER NOT NULL) WITHOUT ROWID, STRICT;",
}];

/// The most connectors.
pub const MAX_CONNECTORS: u8 = 100;

/// A connector that is kept.
#[derive(Debug, Clone)]
pub struct Known {
    /// What was declared.
    pub definition: ConnectorDefinition,
    /// When.
    pub declared_at: Timestamp,
}

/// Why a connector was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// One of this name is there, and says something else.
    #[error("there is a connector {0} already")]
    Exists(String),
    /// There are [`MAX_CONNECTORS`].
    #[error("at most {MAX_CONNECTORS} connectors")]
    TooMany,
    /// The engine broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The connectors in the service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConnectorStore {
    database: Database,
}

impl ConnectorStore {
    /// The connectors of this file.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    pub async fn open(database: Database) -> Result<Self, Fault> {
        database.migrate("connectors", STEPS).await?;
        Ok(Self { database })
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke, or a declaration is kept that this program refuses.
    pub async fn list(&self) -> Result<Vec<Known>, Fault> {
        let rows: Vec<(String, i64)> = self
            .database
            .read("list-connectors", |connection| {
                let mut select = connection.prepare("SELECT declared, declared_at FROM connectors ORDER BY name")?;
                select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .await?;
        rows.into_iter().map(|(declared, at)| known(&declared, at)).collect()
    }

    /// Takes a connector in; true where it is new, false where the same one is there.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(&self, definition: &ConnectorDefinition, now: Timestamp) -> Result<bool, RegisterError> {
        let (name, declared) = (definition.name.clone(), definition.declared().to_string());
        self.database
            .decide("register-connector", move |tx| {
                use sql::OptionalExtension;
                let there: Option<String> = tx
                    .query_row("SELECT declared FROM connectors WHERE name = ?1", [&name], |row| row.get(0))
                    .optional()?;
                if let Some(there) = there {
                    return Ok(if there == declared { Ok(false) } else { Err(RegisterError::Exists(name)) });
                }
                let count: i64 = tx.query_row("SELECT count(*) FROM connectors", [], |row| row.get(0))?;
                if count >= i64::from(MAX_CONNECTORS) {
                    return Ok(Err(RegisterError::TooMany));
                }
                tx.execute(
                    "INSERT INTO connectors (name, declared, declared_at) VALUES (?1, ?2, ?3)",
                    sql::params![name, declared, now.as_micros()],
                )?;
                Ok(Ok(true))
            })
            .await?
    }
}

fn known(declared: &str, at: i64) -> Result<Known, Fault> {
    let unreadable = |why: String| Fault::permanent("sync-service", "list-connectors", why);
    let declared: Value = serde_json::from_str(declared).map_err(|error| unreadable(error.to_string()))?;
    let words = |misfits: Vec<Misfit>| {
        let words: Vec<String> = misfits.iter().map(|misfit| format!("{} {}", misfit.pointer, misfit.detail)).collect();
        unreadable(words.join("; "))
    };
    let definition = ConnectorDefinition::read(&declared).map_err(words)?;
    Ok(Known { definition, declared_at: Timestamp::from_micros(at) })
}
