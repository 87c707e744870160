//! One database file: a single writer and a few readers, used by closures that run off the async threads.

mod measure;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::{Fault, tasks};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::{Notify, Semaphore};

use self::measure::Measured;
use crate::fault::{self, COMMIT, ENGINE};
use crate::migrations::{self, Migration};
use crate::sql;

/// When a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When it is on disk: for what cannot be built again.
    #[default]
    Synced,
    /// When the file system has it. Power loss may undo the latest commits, always whole ones from the end, so that a
    /// view's rows still agree with its checkpoint: for what can be built again.
    Rebuildable,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseOptions {
    /// When a commit returns.
    pub durability: Durability,
    /// Connections that read at the same time, 1 to 64.
    pub readers: usize,
    /// How long a statement waits for another process's lock.
    pub busy_timeout: Duration,
    /// Page cache per connection, in KiB.
    pub cache_kib: u32,
}

impl DatabaseOptions {
    /// For what cannot be built again.
    pub const SYNCED: Self =
        Self { durability: Durability::Synced, readers: 4, busy_timeout: Duration::from_secs(5), cache_kib: 8_192 };

    /// For views.
    pub const REBUILDABLE: Self = Self { durability: Durability::Rebuildable, ..Self::SYNCED };
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self::SYNCED
    }
}

/// One SQLite file in WAL mode. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
    /// What measures call the table that the next operation is about.
    table: Arc<str>,
}

struct Inner {
    path: PathBuf,
    /// What measures call it: directory and file, as in `user-service/users`.
    label: Arc<str>,
    options: DatabaseOptions,
    writer: Arc<tokio::sync::Mutex<Connection>>,
    /// Idle readers; a permit of `reading` is the right to one.
    readers: Mutex<Vec<Connection>>,
    reading: Arc<Semaphore>,
    /// Told of every commit of this process.
    committed: Arc<Notify>,
}

impl Database {
    /// Opens the file, or makes it. Its directory must exist.
    ///
    /// # Errors
    /// A [`Fault`] where the file cannot be opened or is not a database.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn open(path: impl AsRef<Path>, options: DatabaseOptions) -> Result<Self, Fault> {
        let options = DatabaseOptions { readers: options.readers.clamp(1, 64), ..options };
        let path = path.as_ref().to_path_buf();
        let opened = path.clone();
        let writer =
            off_thread("open", move || open_writer(&opened, options).map_err(|error| fault::of_open(&opened, error)));
        let writer = Arc::new(tokio::sync::Mutex::new(writer.await?));
        let reading = Arc::new(Semaphore::new(options.readers));
        let committed = Arc::new(Notify::new());
        let name = |name: Option<&OsStr>| name.map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
        let (directory, table) = (name(path.parent().and_then(Path::file_name)), name(path.file_stem()));
        let label = format!("{directory}/{table}").into();
        let inner = Inner { path, label, options, writer, readers: Mutex::default(), reading, committed };
        Ok(Self { inner: Arc::new(inner), table: table.into() })
    }

    /// The same database, for operations on this table: what `db_operation_duration_seconds` calls it. Elsewhere that is
    /// the name of the file.
    #[must_use]
    pub fn on_table(&self, table: &str) -> Self {
        Self { inner: Arc::clone(&self.inner), table: table.into() }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Brings a component's tables to its latest version: the steps that are missing, in one transaction.
    ///
    /// # Errors
    /// A permanent [`Fault`] where the file is of a newer version, or an old step has changed; a fault if the engine
    /// broke. Nothing was changed then.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn migrate(&self, component: &'static str, steps: &'static [Migration]) -> Result<(), Fault> {
        let refused = self.decide("migrate", move |tx| migrations::run(tx, component, steps)).await?;
        refused.map_err(|why| fault::permanent("migrate", why))
    }

    /// Reads. The closure sees one snapshot of what is committed, from its first statement on.
    ///
    /// # Errors
    /// A [`Fault`] where the closure returned an error.
    ///
    /// # Cancellation
    /// Safe: reads only (the closure runs to its end in the background).
    pub async fn read<T, W>(&self, operation: &'static str, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> sql::Result<T> + Send + 'static,
    {
        let closed = |error| Fault::permanent(ENGINE, operation, error);
        let permit = Arc::clone(&self.inner.reading).acquire_owned().await.map_err(closed)?;
        let (inner, table) = (Arc::clone(&self.inner), Arc::clone(&self.table));
        off_thread(operation, move || {
            let _measured = Measured::new(&inner.label, operation, table);
            let result = inner.read(work).map_err(|error| fault::of(operation, error));
            drop(permit);
            result
        })
        .await
    }

    /// Writes in one transaction: committed where the closure returns `Ok`, else undone. Writers take turns.
    ///
    /// # Errors
    /// A [`Fault`] where the closure returned an error or the commit failed; only a failed commit may be of unknown
    /// outcome.
    ///
    /// # Cancellation
    /// The transaction may still happen, as a whole.
    pub async fn write<T, W>(&self, operation: &'static str, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce(&sql::Transaction<'_>) -> sql::Result<T> + Send + 'static,
    {
        let decided = self.decide(operation, |tx| work(tx).map(Ok::<T, std::convert::Infallible>)).await?;
        match decided {
            Ok(value) => Ok(value),
            Err(never) => match never {},
        }
    }

    /// Writes in one transaction that may be refused: committed where the closure returns `Ok(Ok(_))`, undone where it
    /// returns `Ok(Err(refusal))` or an SQL error.
    ///
    /// # Errors
    /// As [`Database::write`]; the refusal is the inner error.
    ///
    /// # Cancellation
    /// As [`Database::write`].
    pub async fn decide<T, R, W>(&self, operation: &'static str, work: W) -> Result<Result<T, R>, Fault>
    where
        T: Send + 'static,
        R: Send + 'static,
        W: FnOnce(&sql::Transaction<'_>) -> sql::Result<Result<T, R>> + Send + 'static,
    {
        let mut writer = Arc::clone(&self.inner.writer).lock_owned().await;
        let committed = Arc::clone(&self.inner.committed);
        let (label, table) = (Arc::clone(&self.inner.label), Arc::clone(&self.table));
        off_thread(operation, move || {
            let _measured = Measured::new(&label, operation, table);
            let broken = |error| fault::of(operation, error);
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(broken)?;
            let decided = work(&tx).map_err(broken)?;
            match decided {
                Ok(_) => {
                    tx.commit().map_err(|error| fault::of(COMMIT, error))?;
                    committed.notify_waiters();
                }
                Err(_) => tx.rollback().map_err(broken)?,
            }
            Ok(decided)
        })
        .await
    }

    /// Told of every commit of this process; other processes' are not.
    pub(crate) fn committed(&self) -> &Notify {
        &self.inner.committed
    }

    /// Everything as it is now, for reads that take their time; on a connection of its own, apart from the readers. While it
    /// lives the write-ahead log cannot be emptied.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn snapshot(&self) -> Result<DatabaseSnapshot, Fault> {
        let inner = Arc::clone(&self.inner);
        let opened = off_thread("snapshot", move || {
            let open = || {
                let reader = open_reader(&inner.path, inner.options)?;
                // A transaction begins to see one moment with its first read.
                reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
                Ok(reader)
            };
            open().map_err(|error| fault::of("snapshot", error))
        });
        Ok(DatabaseSnapshot { connection: Arc::new(Mutex::new(opened.await?)) })
    }

    /// Writes all pages of the log into the file and empties the log: before a copy of the file, or a clean stop.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe to repeat.
    pub async fn checkpoint(&self) -> Result<(), Fault> {
        let writer = Arc::clone(&self.inner.writer).lock_owned().await;
        off_thread("checkpoint", move || {
            let done = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            done.map_err(|error| fault::of("checkpoint", error))
        })
        .await
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

/// A database as of one moment. Cheap to clone; reads take turns. Ends with the last clone.
#[derive(Clone)]
pub struct DatabaseSnapshot {
    connection: Arc<Mutex<Connection>>,
}

impl DatabaseSnapshot {
    /// Reads.
    ///
    /// # Errors
    /// A [`Fault`] where the closure returned an error.
    ///
    /// # Cancellation
    /// Safe: reads only (the closure runs to its end in the background).
    pub async fn read<T, W>(&self, operation: &'static str, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> sql::Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.connection);
        off_thread(operation, move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection).map_err(|error| fault::of(operation, error))
        })
        .await
    }
}

impl std::fmt::Debug for DatabaseSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSnapshot").finish_non_exhaustive()
    }
}

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> sql::Result<T>) -> sql::Result<T> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => open_reader(&self.path, self.options)?,
        };
        // One transaction, so that several statements see the same rows. A reader that failed is closed, not kept.
        let tx = reader.transaction()?;
        let value = work(&tx)?;
        tx.finish()?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(value)
    }
}

async fn off_thread<T, W>(operation: &'static str, work: W) -> Result<T, Fault>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, Fault> + Send + 'static,
{
    match tasks::blocking(work).await {
        Ok(result) => result,
        // A panic inside the closure: the transaction was dropped, which undoes it.
        Err(error) => Err(Fault::permanent(ENGINE, operation, error)),
    }
}

fn open_writer(path: &Path, options: DatabaseOptions) -> sql::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection, options)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match options.durability {
        Durability::Synced => "FULL",
        Durability::Rebuildable => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Pages that many commits change are copied into the database once for all of them: 32 MiB of log between two copies.
    connection.pragma_update(None, "wal_autocheckpoint", 8_192)?;
    // The log file shrinks back to this after a large transaction.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

fn open_reader(path: &Path, options: DatabaseOptions) -> sql::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection, options)?;
    Ok(connection)
}

fn common(connection: &Connection, options: DatabaseOptions) -> sql::Result<()> {
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))
}
