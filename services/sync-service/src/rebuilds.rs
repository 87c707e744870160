//! Rebuilding a copy while it serves: every row of its owner once more, and what the owner does not have taken away.
//!
//! A copy that a connector tells is told by that ([`Capture::retell`]); any other that is compared is repaired row by row,
//! as the monitor does it ([`Monitor::retell`]). Nothing is emptied first: readers are served the whole time, by what is
//! there. How far a rebuild is stands in this service's file after every step, so that one that was interrupted goes on.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, Host, Timestamp};
use madrigal_sqlite::sql::OptionalExtension as _;
use madrigal_sqlite::{Database, Migration};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::capture::{Capture, Retold};
use crate::monitor::Monitor;
use crate::monitor::pairs::{DeclaredPair, PAIRS};
use crate::monitor::transformed::Telling;
use crate::transformers::Transformers;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "rebuilds of copies",
    sql: "CREATE TABLE rebuilds (copy TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID, STRICT;",
}];

/// How often all rows are gone through where some are left each time: they change, or their copy is behind.
const PASSES: u32 = 5;
/// The pause after a fault, and before rows that were left are gone through again.
const PAUSE: Duration = Duration::from_secs(1);

/// Where a rebuild stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RebuildState {
    /// It goes on, also after a restart.
    Running,
    /// All rows were told.
    Done,
    /// It cannot go on.
    Failed,
}

/// A rebuild of one copy: the last one that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// The copy.
    pub copy: String,
    /// Where it stands.
    pub state: RebuildState,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Behind which key it goes on.
    pub after: Option<String>,
    /// Which time it goes through all rows, from 1.
    pub pass: u32,
    /// What became of the rows; `rows` and `left` of this pass.
    pub retold: Retold,
    /// What holds it up, or ended it.
    pub cause: Option<String>,
}

/// The rebuilds of this service. Cheap to clone.
#[derive(Clone)]
pub struct Rebuilds {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    captures: Vec<Capture>,
    transformers: Arc<Transformers>,
    monitor: OnceLock<Monitor>,
    host: Host,
    came: Notify,
}

/// Who makes a copy's rows anew.
enum Way {
    Told(Capture),
    Repaired(Monitor, DeclaredPair),
}

impl Rebuilds {
    /// The rebuilds that are kept in this file, of copies that these captures tell, through these transformers.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke or the file is of a newer version.
    pub(crate) async fn open(
        database: Database,
        captures: Vec<Capture>,
        transformers: Arc<Transformers>,
        host: Host,
    ) -> Result<Self, Fault> {
        database.migrate("rebuilds", STEPS).await?;
        let inner = Inner { database, captures, transformers, monitor: OnceLock::new(), host, came: Notify::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Lets this monitor rebuild the copies that no connector tells, and says to it which transformers stand before the
    /// others: it compares those with what the transformers leave of rows, and repairs them so. Only the first one counts.
    pub fn repair_by(&self, monitor: Monitor) {
        let Inner { captures, transformers, .. } = self.inner.as_ref();
        let telling = Telling { captures: captures.clone(), transformers: Arc::clone(transformers) };
        monitor.parts.pairs.pass(telling);
        let _ = self.inner.monitor.set(monitor);
        self.inner.came.notify_one();
    }

    /// Asks for a rebuild; one that runs goes on. `None` where there is no such copy.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// It may or may not be asked for; safe to repeat.
    pub async fn begin(&self, copy: &str, by: &str) -> Result<Option<Rebuild>, Fault> {
        if self.way(copy).is_none() {
            return Ok(None);
        }
        if let Some(running) = self.of(copy).await?.filter(|known| known.state == RebuildState::Running) {
            return Ok(Some(running));
        }
        let rebuild = Rebuild {
            copy: copy.to_owned(),
            state: RebuildState::Running,
            by: by.to_owned(),
            began_at: self.inner.host.now(),
            ended_at: None,
            after: None,
            pass: 1,
            retold: Retold::default(),
            cause: None,
        };
        self.keep(&rebuild).await?;
        tracing::info!(copy, by, "a copy is rebuilt");
        self.inner.came.notify_one();
        Ok(Some(rebuild))
    }

    /// The last rebuild of a copy that was asked for.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn of(&self, copy: &str) -> Result<Option<Rebuild>, Fault> {
        let copy = copy.to_owned();
        let read = self.inner.database.read("read-rebuild", move |connection| {
            let mut select = connection.prepare_cached("SELECT entry FROM rebuilds WHERE copy = ?1")?;
            select.query_row([copy], |row| row.get::<_, String>(0)).optional()
        });
        Ok(read.await?.and_then(|entry| serde_json::from_str(&entry).ok()))
    }

    /// Rebuilds what was asked for, one copy at a time, until `stop`. Faults are tried again for ever.
    ///
    /// # Cancellation
    /// Safe: a rebuild goes on with the next run.
    pub(crate) async fn run(&self, stop: StopSignal) {
        loop {
            let came = self.inner.came.notified();
            let running = self.running().await.unwrap_or_default();
            let mut waits = running.is_empty();
            for mut rebuild in running {
                match self.way(&rebuild.copy) {
                    Some(way) => self.finish(&way, &mut rebuild, &stop).await,
                    // The monitor comes with the rest of the program.
                    None => waits = true,
                }
            }
            if stop.is_cancelled() {
                return;
            }
            if waits {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = came => {}
                }
            }
        }
    }

    /// Goes through all rows until the end, or `stop`.
    async fn finish(&self, way: &Way, rebuild: &mut Rebuild, stop: &StopSignal) {
        while rebuild.state == RebuildState::Running && !stop.is_cancelled() {
            let stepped = match way.step(rebuild).await {
                Ok((retold, next)) => {
                    rebuild.retold = rebuild.retold.and(retold);
                    rebuild.cause = None;
                    self.went(rebuild, next);
                    self.keep(rebuild).await.map(|()| rebuild.after.is_none())
                }
                Err(fault) => Err(fault),
            };
            let rests = match stepped {
                Ok(through) => through && rebuild.state == RebuildState::Running,
                Err(fault) => {
                    let cause = fault.chain();
                    tracing::warn!(copy = rebuild.copy, cause, "a rebuild is held up, trying again");
                    rebuild.cause = Some(cause);
                    // Where even that cannot be kept, the log says it.
                    let _ = self.keep(rebuild).await;
                    true
                }
            };
            if rests {
                tasks::sleep_or_stopped(PAUSE, stop).await;
            }
        }
    }

    /// Takes in where the next step goes on.
    fn went(&self, rebuild: &mut Rebuild, next: Option<String>) {
        rebuild.after = next;
        if rebuild.after.is_some() {
            return;
        }
        let Retold { rows, written, removed, left } = rebuild.retold;
        if left > 0 && rebuild.pass < PASSES {
            rebuild.pass += 1;
            rebuild.retold = Retold { written, removed, ..Retold::default() };
            return;
        }
        rebuild.state = if left == 0 { RebuildState::Done } else { RebuildState::Failed };
        rebuild.cause = (left > 0).then(|| {
            format!("{left} rows changed each time, are behind or cannot be told: the next check says which diverge")
        });
        rebuild.ended_at = Some(self.inner.host.now());
        tracing::info!(copy = rebuild.copy, rows, written, removed, left, "a copy was rebuilt");
    }

    fn way(&self, copy: &str) -> Option<Way> {
        if let Some(capture) = self.inner.captures.iter().find(|capture| capture.copies().contains(&copy)) {
            return Some(Way::Told(capture.clone()));
        }
        let declared = PAIRS.iter().find(|pair| pair.name == copy)?;
        Some(Way::Repaired(self.inner.monitor.get()?.clone(), *declared))
    }

    async fn running(&self) -> Result<Vec<Rebuild>, Fault> {
        let read = self.inner.database.read("list-rebuilds", |connection| {
            let mut select = connection.prepare_cached("SELECT entry FROM rebuilds ORDER BY copy")?;
            select.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        });
        let known = read.await?.into_iter().filter_map(|entry| serde_json::from_str::<Rebuild>(&entry).ok());
        Ok(known.filter(|rebuild| rebuild.state == RebuildState::Running).collect())
    }

    async fn keep(&self, rebuild: &Rebuild) -> Result<(), Fault> {
        let entry =
            serde_json::to_string(rebuild).map_err(|error| Fault::permanent("sync-service", "keep-rebuild", error))?;
        let copy = rebuild.copy.clone();
        let kept = self.inner.database.write("keep-rebuild", move |tx| {
            let mut put = tx.prepare_cached(
                "INSERT INTO rebuilds (copy, entry) VALUES (?1, ?2) ON CONFLICT (copy) DO UPDATE SET entry = excluded.entry",
            )?;
            put.execute([copy, entry]).map(drop)
        });
        kept.await
    }
}

impl Way {
    async fn step(&self, rebuild: &Rebuild) -> Result<(Retold, Option<String>), Fault> {
        match self {
            Self::Told(capture) => {
                let after = rebuild.after.as_deref().and_then(|key| key.parse().ok()).unwrap_or(0);
                let (retold, next) = capture.retell(&rebuild.copy, after).await?;
                Ok((retold, next.map(|next| next.to_string())))
            }
            Self::Repaired(monitor, declared) => monitor.retell(*declared, rebuild.after.clone(), &rebuild.by).await,
        }
    }
}

impl std::fmt::Debug for Rebuilds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rebuilds").field("captures", &self.inner.captures).finish_non_exhaustive()
    }
}
