//! What commands and queries work on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use madrigal_cdc::ChangeSource;
use madrigal_conflict::Rules;
use madrigal_core::{Fault, Host, PersonId, PositionToken};
use madrigal_http::TokenSigner;
use madrigal_sqlite::{Database, SqliteChanges};

use crate::keys::KeyStore;
use crate::passwords::Passwords;
use crate::queries::BuyerCache;

/// The opened stores and what stands beside them.
pub(crate) struct ServiceState {
    /// `users.sqlite`.
    pub(crate) users: Database,
    /// What changes in it.
    pub(crate) changes: SqliteChanges,
    /// The keys of persons.
    pub(crate) keys: KeyStore,
    /// Hashes passwords.
    pub(crate) passwords: Passwords,
    /// What orders ask for, kept in memory.
    pub(crate) buyers: BuyerCache,
    /// Gives out ids.
    pub(crate) ids: PersonIds,
    /// Signs tokens of log-ins.
    pub(crate) signer: Arc<TokenSigner>,
    /// How long such a token is good.
    pub(crate) session_lifetime: Duration,
    /// How changes are merged that come too late.
    pub(crate) merge_rules: Rules,
    /// Clock and randomness.
    pub(crate) host: Host,
}

impl ServiceState {
    /// How far the log of changes is: everything that was committed before is not beyond it.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub(crate) async fn position(&self) -> Result<PositionToken, Fault> {
        let end = self.changes.end().await?;
        Ok(PositionToken::of(self.changes.log().clone(), self.changes.epoch(), end))
    }
}

/// Gives out ids of persons, each once.
///
/// The id is needed before the row is there, because the person's key comes first. Only this service writes its stores, so
/// counting in memory is enough; it goes on above everything that either store ever knew, so that an id does not return
/// even if the users were restored to an earlier moment.
#[derive(Debug)]
pub(crate) struct PersonIds(AtomicI64);

impl PersonIds {
    /// Ids above this one.
    pub(crate) const fn above(highest: i64) -> Self {
        Self(AtomicI64::new(highest))
    }

    /// The next id.
    pub(crate) fn next(&self) -> PersonId {
        PersonId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A task of ours that ended without a result: it panicked, or the process is going down.
pub(crate) fn ended(error: tokio::task::JoinError) -> Fault {
    Fault::unknown("user-service", "run", error)
}
