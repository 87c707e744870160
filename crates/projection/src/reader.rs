//! Reading a view, at least as fresh as a position token asks for.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks;
use madrigal_core::{Fault, LogEpoch, LogName, Position, PositionToken, StreamVersion};
use madrigal_event_store::ReadError;

use crate::progress::{Lag, Status};
use crate::projection::Projection;
use crate::runner::Shared;
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
pub struct ViewReader<P: Projection> {
    shared: Arc<Shared<P>>,
}

impl<P: Projection> Clone for ViewReader<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P: Projection> ViewReader<P> {
    pub(crate) const fn new(shared: Arc<Shared<P>>) -> Self {
        Self { shared }
    }

    /// The view's id.
    pub fn view(&self) -> &ViewId {
        &self.shared.view
    }

    /// One row.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn get(&self, key: &str) -> Result<Option<Viewed<P::Row>>, Fault> {
        self.shared.prepared().await?;
        let found = self.shared.views.get(&self.shared.view, key).await?;
        found.map(|row| viewed(key.to_owned(), &row)).transpose()
    }

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// As [`ViewReader::get`]; a permanent fault where a filter names an unknown column.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn query(&self, query: Query) -> Result<Vec<Viewed<P::Row>>, Fault> {
        self.shared.prepared().await?;
        let found = self.shared.views.query(&self.shared.view, query).await?;
        found.into_iter().map(|(key, row)| viewed(key, &row)).collect()
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
        let log = self.shared.log.log();
        let Some((epoch, position)) = token.component(log) else {
            return Ok(());
        };
        let current = self.shared.log.epoch();
        if epoch != current {
            return Err(NotYet::OtherEpoch { log: log.clone(), token: epoch, current });
        }
        if position > self.shared.log.end() {
            return Err(NotYet::BeyondEnd { log: log.clone() });
        }
        let mut progress = self.shared.progress.subscribe();
        // The guard of the watched value must not live across another await: handlers' futures move between threads.
        let reached = {
            let settled = progress.wait_for(|progress| {
                let applied = progress.checkpoint.is_some_and(|at| at.epoch == epoch && at.position >= position);
                applied || matches!(progress.status, Status::Stalled { .. })
            });
            let settled = tasks::within(limit, settled).await;
            matches!(settled, Some(Ok(progress)) if progress.checkpoint.is_some_and(|at| at.position >= position))
        };
        if reached {
            return Ok(());
        }
        Err(NotYet::Behind {
            view: self.shared.view.clone(),
            lag: self.lag().await.unwrap_or_else(|_| self.shared.counted(self.shared.applied())),
        })
    }

    /// How far the view has come; `None` before the runner has looked.
    pub fn applied_through(&self) -> Option<Checkpoint> {
        self.shared.progress.borrow().checkpoint
    }

    /// The token of what the view has applied, for answers that are read from it.
    pub fn position(&self) -> Option<PositionToken> {
        let at = self.applied_through()?;
        Some(PositionToken::of(self.shared.log.log().clone(), at.epoch, at.position))
    }

    /// How far the view is behind its log. Reads at most one event.
    ///
    /// # Errors
    /// A [`Fault`] where the log cannot be read.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn lag(&self) -> Result<Lag, Fault> {
        self.shared.lag().await
    }

    /// Whether events of this key are parked, so that its row is older than the view's position says.
    pub fn is_parked(&self, key: &str) -> bool {
        self.shared.progress.borrow().lanes.contains(&format!("key/{key}"))
    }
}

impl<P: Projection> Shared<P> {
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

    fn applied(&self) -> Position {
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
}

fn viewed<R: serde::de::DeserializeOwned>(key: String, row: &StoredRow) -> Result<Viewed<R>, Fault> {
    let decoded = row.body.decode().map_err(|error| Fault::permanent("projection", "decode-row", error))?;
    Ok(Viewed { key, row: decoded, version: row.version, position: row.position })
}
