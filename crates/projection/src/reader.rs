//! Reading a view, at least as fresh as a position token asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks;
use madrigal_core::{Fault, FaultRetry, LogEpoch, LogName, Position, PositionToken, StreamVersion};
use madrigal_event_store::ReadError;

use crate::progress::{Lag, Status};
use crate::projection::Projection;
use crate::runner::{Engine, Managed};
use crate::view::{Checkpoint, Query, StoredRow, ViewId};

/// A row with what the view knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewed<R> {
    /// The row's key.
    pub key: String,
    /// The row.
    pub row: R,
    /// The stream version of the last event applied: the aggregate's version where a key is one stream (its ETag).
    pub version: StreamVersion,
    /// The position of the last event applied.
    pub position: Position,
}

/// Why a view is not as fresh as the token asks.
#[derive(Debug, thiserror::Error)]
pub enum NotYet {
    /// The time is over, or the projection is stalled; [`Lag`] says how far it is behind.
    #[error("the view {view} is {} events behind", lag.events)]
    Behind {
        /// The view.
        view: ViewId,
        /// How far.
        lag: Lag,
    },
    /// The token is of another history of the log: what it stands for may not exist here (412).
    #[error("the token is of another history of the log {log}")]
    OtherEpoch {
        /// The log.
        log: LogName,
        /// The token's epoch.
        token: LogEpoch,
        /// The log's epoch.
        current: LogEpoch,
    },
    /// The token is of a position that the log does not have (412).
    #[error("the token stands beyond the end of the log {log}")]
    BeyondEnd {
        /// The log.
        log: LogName,
    },
}

/// Reads a view. Cheap to clone.
///
/// Each read is served by one generation from its beginning to its end; after a switch none sees less than one before it.
pub struct ViewReader<P: Projection> {
    managed: Arc<Managed<P>>,
}

impl<P: Projection> Clone for ViewReader<P> {
    fn clone(&self) -> Self {
        Self { managed: Arc::clone(&self.managed) }
    }
}

impl<P: Projection> ViewReader<P> {
    pub(crate) const fn new(managed: Arc<Managed<P>>) -> Self {
        Self { managed }
    }

    /// The id of the view that serves.
    pub fn view(&self) -> ViewId {
        self.managed.view()
    }

    /// One row.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke, or the rows are of an older version that this code cannot read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn get(&self, key: &str) -> Result<Option<Viewed<P::Row>>, Fault> {
        let engine = self.ready().await?;
        let found = engine.views.get(&engine.view, key).await?;
        found.map(|row| engine.viewed(key.to_owned(), &row)).transpose()
    }

    /// The rows of these keys (at most 10,000), those that exist.
    ///
    /// # Errors
    /// As [`ViewReader::get`].
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn load(&self, keys: Vec<String>) -> Result<HashMap<String, Viewed<P::Row>>, Fault> {
        let engine = self.ready().await?;
        let found = engine.views.load(&engine.view, keys).await?;
        found.into_iter().map(|(key, row)| Ok((key.clone(), engine.viewed(key, &row)?))).collect()
    }

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// As [`ViewReader::get`]; a permanent fault where a filter names an unknown column.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn query(&self, query: Query) -> Result<Vec<Viewed<P::Row>>, Fault> {
        let engine = self.ready().await?;
        let found = engine.views.query(&engine.view, query).await?;
        found.into_iter().map(|(key, row)| engine.viewed(key, &row)).collect()
    }

    async fn ready(&self) -> Result<Arc<Engine<P>>, Fault> {
        let engine = self.managed.serving().await?;
        if let Some(why) = engine.unreadable.get() {
            return Err(old_form(why));
        }
        engine.prepared().await?;
        Ok(engine)
    }

    /// Waits until the view has applied the token's component of its own log, at most `limit`. Other components are
    /// not this view's to wait for.
    ///
    /// # Errors
    /// [`NotYet`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for(&self, token: &PositionToken, limit: Duration) -> Result<(), NotYet> {
        let log = &self.managed.log();
        let Some((epoch, position)) = token.component(log.log()) else {
            return Ok(());
        };
        let current = log.epoch();
        if epoch != current {
            return Err(NotYet::OtherEpoch { log: log.log().clone(), token: epoch, current });
        }
        if position > log.end() {
            return Err(NotYet::BeyondEnd { log: log.log().clone() });
        }
        if self.has_applied(epoch, position) || tasks::within(limit, self.applied(epoch, position)).await == Some(true)
        {
            return Ok(());
        }
        let lag = match self.lag().await {
            Ok(lag) => lag,
            Err(_) => self.counted(),
        };
        Err(NotYet::Behind { view: self.view(), lag })
    }

    fn has_applied(&self, epoch: LogEpoch, position: Position) -> bool {
        self.applied_through().is_some_and(|at| at.epoch == epoch && at.position >= position)
    }

    /// Waits until what serves has come so far, whichever that is by then; false where it stands still.
    async fn applied(&self, epoch: LogEpoch, position: Position) -> bool {
        let mut arranged = self.managed.arrangements();
        loop {
            let Ok(engine) = self.managed.serving().await else { return false };
            let mut progress = engine.progress.subscribe();
            let _awaited = engine.gathering.awaited();
            let settled = async {
                let settled = progress.wait_for(|progress| {
                    let applied = progress.checkpoint.is_some_and(|at| at.epoch == epoch && at.position >= position);
                    applied || matches!(progress.status, Status::Stalled { .. })
                });
                // The guard of the watched value must not live across another await: handlers' futures move between threads.
                settled.await.is_ok_and(|progress| progress.checkpoint.is_some_and(|at| at.position >= position))
            };
            let another = async {
                let _ = arranged.wait_for(|_| self.managed.view() != engine.view).await;
            };
            tokio::select! {
                biased;
                settled = settled => {
                    // It may have stalled, and another one serve since.
                    if settled || self.managed.view() == engine.view {
                        return settled;
                    }
                }
                () = another => {}
            }
        }
    }

    /// How far the view has come; `None` before the runner has looked.
    pub fn applied_through(&self) -> Option<Checkpoint> {
        self.managed.serving_now()?.progress.borrow().checkpoint
    }

    /// The token of what the view has applied, for answers that are read from it.
    pub fn position(&self) -> Option<PositionToken> {
        let at = self.applied_through()?;
        Some(PositionToken::of(self.managed.log().log().clone(), at.epoch, at.position))
    }

    /// How far the view is behind its log. Reads at most one event.
    ///
    /// # Errors
    /// A [`Fault`] where the log cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn lag(&self) -> Result<Lag, Fault> {
        self.managed.serving().await?.lag().await
    }

    fn counted(&self) -> Lag {
        let events = self.managed.log().end().0;
        self.managed
            .serving_now()
            .map_or(Lag { events, seconds: 0.0, stalled_since: None, parked_lanes: 0 }, |serving| {
                serving.counted(serving.applied())
            })
    }

    /// Whether events of this key are parked, so that its row is older than the view's position says.
    pub fn is_parked(&self, key: &str) -> bool {
        let lane = format!("key/{key}");
        self.managed.serving_now().is_some_and(|serving| serving.progress.borrow().lanes.contains(&lane))
    }
}

impl<P: Projection> Engine<P> {
    pub(crate) async fn lag(&self) -> Result<Lag, Fault> {
        let applied = self.applied();
        let mut lag = self.counted(applied);
        if lag.events > 0 {
            lag.seconds = match self.log.read_log(applied, 1).await {
                Ok(read) => {
                    let oldest = read.events.first().map(|event| event.metadata.timestamp);
                    oldest.map_or(0.0, |oldest| self.host.now().since(oldest).as_secs_f64())
                }
                Err(ReadError::Fault(fault)) => return Err(fault),
                Err(ReadError::OtherEpoch { .. } | ReadError::BeyondEnd { .. }) => 0.0,
            };
        }
        Ok(lag)
    }

    pub(crate) fn applied(&self) -> Position {
        self.progress.borrow().checkpoint.map_or(Position::START, |at| at.position)
    }

    fn counted(&self, applied: Position) -> Lag {
        let progress = self.progress.borrow();
        Lag {
            events: self.log.end().0.saturating_sub(applied.0),
            seconds: 0.0,
            stalled_since: progress.status.trouble().map(|(_, since)| since),
            parked_lanes: progress.lanes.len(),
        }
    }

    fn viewed(&self, key: String, row: &StoredRow) -> Result<Viewed<P::Row>, Fault> {
        let decoded = row.body.decode().map_err(|error| {
            if self.version == self.projection.version() {
                Fault::permanent("projection", "decode-row", error)
            } else {
                old_form(&format!("{key}: {error}"))
            }
        })?;
        Ok(Viewed { key, row: decoded, version: row.version, position: row.position })
    }
}

/// Rows of an older version that this code cannot read: a candidate is being built, so it passes.
fn old_form(why: &str) -> Fault {
    let retry = FaultRetry::After(Duration::from_secs(5));
    Fault::not_applied("projection", "read-old-rows", why.to_owned()).with_retry(retry)
}
