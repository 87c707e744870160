//! The two database files, opened and brought to their current form. The statements stand in `migrations/`.

use std::path::{Path, PathBuf};

use madrigal_core::{Fault, tasks};
use madrigal_sqlite::{Database, DatabaseOptions, Migration};

const USERS: &[Migration] = &[Migration {
    version: 1,
    name: "users and their events",
    sql: include_str!("../migrations/users/0001_users_and_events.sql"),
}];

const CONFLICTS: &[Migration] = &[Migration {
    version: 1,
    name: "what merges did not take",
    sql: include_str!("../migrations/conflicts/0001_user_conflicts.sql"),
}];

const KEYS: &[Migration] =
    &[Migration { version: 1, name: "keys of persons", sql: include_str!("../migrations/keys/0001_person_keys.sql") }];

/// Opens `users.sqlite` in `dir`.
pub(crate) async fn open_users(dir: &Path) -> Result<Database, Fault> {
    make_directory(dir.to_path_buf()).await?;
    let users = Database::open(dir.join("users.sqlite"), DatabaseOptions::SYNCED).await?;
    users.migrate("users", USERS).await?;
    users.migrate("user-conflicts", CONFLICTS).await?;
    overwrite_what_is_deleted(&users).await?;
    Ok(users)
}

/// Opens `keys.sqlite` in `dir`.
pub(crate) async fn open_keys(dir: &Path) -> Result<Database, Fault> {
    make_directory(dir.to_path_buf()).await?;
    let keys = Database::open(dir.join("keys.sqlite"), DatabaseOptions::SYNCED).await?;
    keys.migrate("keys", KEYS).await?;
    overwrite_what_is_deleted(&keys).await?;
    Ok(keys)
}

/// What is deleted is overwritten with zeros: keys, and the rows of erased persons. The setting belongs to the connection,
/// and there is one writer.
async fn overwrite_what_is_deleted(database: &Database) -> Result<(), Fault> {
    database.write("secure-delete", |tx| tx.pragma_update(None, "secure_delete", true)).await
}

/// The directory, for nobody else's eyes where it is made here.
async fn make_directory(dir: PathBuf) -> Result<(), Fault> {
    let making = tasks::blocking(move || {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)
    });
    let made = making.await.map_err(|error| Fault::not_applied("user-service", "make-directory", error))?;
    made.map_err(|error| Fault::permanent("user-service", "make-directory", error))
}
