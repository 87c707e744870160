//! The connectors that were declared.

use madrigal_core::{Fault, Timestamp};
use madrigal_sqlite::{Database, Migration, sql};
use serde_json::{Map, Value};

use super::definition::{self, ConnectorDefinition, Misfit};

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
    /// Its name.
    pub name: String,
    /// What was declared.
    pub declared: Declared,
    /// When.
    pub declared_at: Timestamp,
}

/// A declaration as it is kept.
#[derive(Debug, Clone)]
pub enum Declared {
    /// One that this program reads.
    Read(ConnectorDefinition),
    /// One that another program took in, and this one would refuse.
    Refused {
        /// The configuration, as far as it is there; a password is hidden.
        config: Map<String, Value>,
        /// Everything that is wrong with it.
        misfits: Vec<Misfit>,
    },
}

impl Known {
    /// The definition, of one that this program reads.
    pub const fn definition(&self) -> Option<&ConnectorDefinition> {
        match &self.declared {
            Declared::Read(definition) => Some(definition),
            Declared::Refused { .. } => None,
        }
    }
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

    /// All of them, by name, those too that this program would refuse.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn list(&self) -> Result<Vec<Known>, Fault> {
        let rows: Vec<(String, String, i64)> = self
            .database
            .read("list-connectors", |connection| {
                let mut select =
                    connection.prepare("SELECT name, declared, declared_at FROM connectors ORDER BY name")?;
                select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .await?;
        let known = |(name, text, at): (String, String, i64)| {
            let declared_at = Timestamp::from_micros(at);
            Known { name, declared: declared(&text), declared_at }
        };
        Ok(rows.into_iter().map(known).collect())
    }

    /// Takes a connector out; false where there is none of this name.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    pub async fn remove(&self, name: &str) -> Result<bool, Fault> {
        let name = name.to_owned();
        let removed = self
            .database
            .write("remove-connector", move |tx| tx.execute("DELETE FROM connectors WHERE name = ?1", [name]));
        Ok(removed.await? > 0)
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

fn declared(text: &str) -> Declared {
    let declared: Value = serde_json::from_str(text).unwrap_or_default();
    ConnectorDefinition::read(&declared).map_or_else(
        |misfits| {
            let config = declared["config"].as_object().map(definition::shown).unwrap_or_default();
            Declared::Refused { config, misfits }
        },
        Declared::Read,
    )
}
