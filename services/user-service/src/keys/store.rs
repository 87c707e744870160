//! The key store: `keys.sqlite` and `master.key` in a directory of their own.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_core::{Fault, Host, PersonId, PersonKey, PersonKeys, tasks};
use madrigal_sqlite::Database;
use madrigal_sqlite::sql::{self, Connection, OptionalExtension};

use super::master::MasterKey;
use crate::config::MasterKeySource;
use crate::migrations;
use crate::models::stored_time;

/// The keys of persons; cheap to clone.
///
/// A key is kept nowhere in memory by this type: destroying it takes effect with the next question.
#[derive(Clone)]
pub(crate) struct KeyStore {
    database: Database,
    master: Arc<MasterKey>,
    host: Host,
}

impl KeyStore {
    /// Opens the store in `dir`, making it if it is not there.
    ///
    /// # Errors
    /// A permanent [`Fault`] where the master key is missing, malformed or another than the one that the keys were wrapped
    /// with; a key that cannot be unwrapped is never taken for an erased person.
    pub(crate) async fn open(dir: &Path, source: MasterKeySource, host: Host) -> Result<Self, Fault> {
        let database = migrations::open_keys(dir).await?;
        let known = database.read("read-check-value", check_value).await?;
        let own_file = dir.join("master.key");
        let (may_make, maker) = (known.is_none(), host.clone());
        let loading = tasks::blocking(move || MasterKey::load(&source, &own_file, may_make, &maker)).await;
        let master = loading.map_err(|error| Fault::not_applied("person-keys", "open", error))??;
        match known {
            Some(value) => master.check(&value)?,
            None => {
                let value = master.check_value(&host);
                database.write("keep-check-value", move |transaction| keep_check_value(transaction, &value)).await?;
            }
        }
        Ok(Self { database, master: Arc::new(master), host })
    }

    /// Makes the person's key. Repeating gives the key that is there.
    ///
    /// # Errors
    /// A [`Fault`], also for a person whose key was destroyed.
    ///
    /// # Cancellation
    /// The key may be there or not; asking again gives it.
    pub(crate) async fn make(&self, person: PersonId) -> Result<PersonKey, Fault> {
        let wrapped = self.master.wrap(&self.host, person, &PersonKey::generate(&self.host));
        let now = stored_time(self.host.now());
        let wrapped =
            self.database.write("make-key", move |transaction| insert(transaction, person, &wrapped, &now)).await?;
        Ok(self.master.unwrap(person, &wrapped)?)
    }

    /// Takes back a key that nothing was sealed with: the registration that it was made for was refused.
    ///
    /// # Errors
    /// A [`Fault`] from the store.
    pub(crate) async fn take_back(&self, person: PersonId) -> Result<(), Fault> {
        self.database.write("take-back-key", move |transaction| delete(transaction, person)).await
    }

    /// Destroys the person's key for ever: whatever is sealed for the person is erased from now on, and the person never
    /// gets another key. Durable when this returns, and gone from the file, not only from the table. Repeating is harmless.
    ///
    /// # Errors
    /// A [`Fault`]; then the key may still be there, and destroying is to be repeated.
    ///
    /// # Cancellation
    /// The key may be destroyed or not; repeat.
    pub(crate) async fn destroy(&self, person: PersonId) -> Result<(), Fault> {
        let now = stored_time(self.host.now());
        self.database
            .write("destroy-key", move |transaction| {
                delete(transaction, person)?;
                remember_destroyed(transaction, person, &now)
            })
            .await?;
        self.database.checkpoint().await
    }

    /// Whether the person has a key.
    ///
    /// # Errors
    /// A [`Fault`] from the store.
    pub(crate) async fn has(&self, person: PersonId) -> Result<bool, Fault> {
        Ok(self.database.read("find-key", move |connection| find(connection, person)).await?.is_some())
    }

    /// The highest person that ever had a key; 0 before the first.
    pub(crate) async fn highest_person(&self) -> Result<i64, Fault> {
        self.database.read("highest-person", highest_person).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// A [`Fault`] where it does not.
    pub(crate) async fn probe(&self) -> Result<(), Fault> {
        self.highest_person().await.map(|_| ())
    }
}

#[async_trait]
impl PersonKeys for KeyStore {
    async fn person_key(&self, person: PersonId) -> Result<Option<PersonKey>, Fault> {
        let wrapped = self.database.read("find-key", move |connection| find(connection, person)).await?;
        Ok(wrapped.map(|wrapped| self.master.unwrap(person, &wrapped)).transpose()?)
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").finish_non_exhaustive()
    }
}

fn check_value(connection: &Connection) -> sql::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT sealed FROM master_check WHERE id = 1", [], |row| row.get(0)).optional()
}

fn keep_check_value(transaction: &Connection, value: &[u8]) -> sql::Result<()> {
    transaction.execute("INSERT INTO master_check (id, sealed) VALUES (1, ?1)", [value]).map(|_| ())
}

fn find(connection: &Connection, person: PersonId) -> sql::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT wrapped FROM person_keys WHERE person = ?1")?
        .query_row([person.0], |row| row.get(0))
        .optional()
}

/// The wrapped key that is there afterwards: the given one, or an earlier one.
fn insert(transaction: &Connection, person: PersonId, wrapped: &[u8], now: &str) -> sql::Result<Vec<u8>> {
    if let Some(earlier) = find(transaction, person)? {
        return Ok(earlier);
    }
    transaction
        .prepare_cached("INSERT INTO person_keys (person, wrapped, created_at) VALUES (?1, ?2, ?3)")?
        .execute((person.0, wrapped, now))?;
    Ok(wrapped.to_vec())
}

fn delete(transaction: &Connection, person: PersonId) -> sql::Result<()> {
    transaction.execute("DELETE FROM person_keys WHERE person = ?1", [person.0]).map(|_| ())
}

fn remember_destroyed(transaction: &Connection, person: PersonId, now: &str) -> sql::Result<()> {
    transaction
        .execute(
            "INSERT INTO destroyed_keys (person, destroyed_at) VALUES (?1, ?2) ON CONFLICT (person) DO NOTHING",
            (person.0, now),
        )
        .map(|_| ())
}

fn highest_person(connection: &Connection) -> sql::Result<i64> {
    connection.query_row(
        "SELECT max(coalesce((SELECT max(person) FROM person_keys), 0),
                    coalesce((SELECT max(person) FROM destroyed_keys), 0))",
        [],
        |row| row.get(0),
    )
}
