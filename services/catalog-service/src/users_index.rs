//! The index `users`: finding users by name or address, for operators.
//!
//! A table of terms in a SQLite file of its own, not an index of the search engine: an engine keeps what is deleted in its
//! segments until they are merged, and a person who is erased must be gone at once; and an idle writer of it costs more
//! memory than all users' terms. Words are found by their beginnings, regardless of case and accents.

mod keeper;
mod search;
mod terms;

use std::path::Path;
use std::sync::Arc;

use madrigal_contracts::copies::CopyKeeper;
use madrigal_core::{Fault, Host};
use madrigal_sqlite::{Database, DatabaseOptions, Migration, applied};

/// The copy's name.
pub(crate) const COPY: &str = "users.index";

const STEPS: &[Migration] = &[
    Migration {
        version: 1,
        name: "users and the terms that find them",
        sql: "CREATE TABLE users (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, row TEXT) STRICT;
          CREATE INDEX users_live ON users (id, version) WHERE row IS NOT NULL;
          CREATE TABLE terms (term TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (term, id)) WITHOUT ROWID, STRICT;",
    },
    Migration { version: 2, name: "the terms of a user", sql: "CREATE INDEX terms_of ON terms (id);" },
];

/// The index. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct UsersIndex {
    database: Database,
    host: Host,
}

impl UsersIndex {
    /// Opens `users-index.sqlite` in `dir`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    pub(crate) async fn open(dir: &Path, host: Host) -> Result<Self, Fault> {
        // Operators search now and then: a small cache is enough.
        let options = DatabaseOptions { readers: 2, cache_kib: 1_024, ..DatabaseOptions::REBUILDABLE };
        let database = Database::open(dir.join("users-index.sqlite"), options).await?;
        database.migrate("users-index", STEPS).await?;
        applied::prepare(&database).await?;
        // Terms and rows of a person who is erased are overwritten.
        database.write("secure-delete", |tx| tx.pragma_update(None, "secure_delete", true)).await?;
        Ok(Self { database, host })
    }

    /// The copy, for the calls of sync-service.
    pub(crate) fn keeper(&self) -> Arc<dyn CopyKeeper> {
        Arc::new(self.clone())
    }
}
