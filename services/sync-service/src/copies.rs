//! Copies, as this service reaches them: by calls to the services that keep them.

use std::collections::BTreeMap;
use std::sync::Arc;

use madrigal_contracts::copies::{
    AppliedThrough, ApplyRows, CopyRow, ListCopyKeys, ReadAppliedThrough, ReadCopyRow, RowOutcome,
};
use madrigal_core::{CallContext, Fault, Host};
use madrigal_http::calls::Neighbour;

/// The copies of users, by who keeps them. The first part of a keeper's rows is the same for all.
#[derive(Debug, Clone)]
pub struct Copies {
    keepers: BTreeMap<&'static str, Neighbour>,
    host: Host,
}

impl Copies {
    /// No copies.
    pub const fn none(host: Host) -> Self {
        Self { keepers: BTreeMap::new(), host }
    }

    /// With a copy that this service keeps.
    #[must_use]
    pub fn kept_by(mut self, copy: &'static str, neighbour: Neighbour) -> Self {
        self.keepers.insert(copy, neighbour);
        self
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keepers.keys().copied()
    }

    /// The copy of this name, and who keeps it.
    pub fn find(&self, copy: &str) -> Option<(&'static str, &Neighbour)> {
        self.keepers.get_key_value(copy).map(|(name, neighbour)| (*name, neighbour))
    }

    /// Applies rows to a copy, in as many calls as they need; the last one says `through`. What became of each, in order. The
    /// calls are part of the trace of `traceparent`.
    ///
    /// # Errors
    /// A [`Fault`]; then some may be applied. Safe to repeat.
    ///
    /// # Cancellation
    /// Some may be applied; safe to repeat.
    pub async fn apply(
        &self,
        copy: &'static str,
        rows: Vec<CopyRow>,
        through: Option<AppliedThrough>,
        traceparent: Option<Arc<str>>,
    ) -> Result<Vec<RowOutcome>, Fault> {
        let neighbour = self.neighbour(copy)?;
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut left = rows.into_iter().peekable();
        loop {
            let rows: Vec<CopyRow> = left.by_ref().take(ROWS_AT_ONCE).collect();
            let through = if left.peek().is_none() { through.clone() } else { None };
            let asked = rows.len();
            let last = left.peek().is_none();
            if asked > 0 || through.is_some() {
                let call = ApplyRows { copy: copy.to_owned(), rows, through };
                let context = CallContext { traceparent: traceparent.clone(), ..CallContext::new(&self.host) };
                let applied = neighbour.call(&context, call).await?;
                if applied.outcomes.len() != asked {
                    let why = format!("{copy} answered for {} of {asked} rows", applied.outcomes.len());
                    return Err(Fault::permanent("sync-service", "apply-rows", why));
                }
                outcomes.extend(applied.outcomes);
            }
            if last {
                return Ok(outcomes);
            }
        }
    }

    /// How far a copy is.
    ///
    /// # Errors
    /// A [`Fault`] where its keeper does not answer.
    pub async fn applied_through(&self, copy: &'static str) -> Result<Vec<AppliedThrough>, Fault> {
        let call = ReadAppliedThrough { copy: copy.to_owned() };
        self.neighbour(copy)?.call(&CallContext::new(&self.host), call).await
    }

    /// A row of a copy.
    ///
    /// # Errors
    /// A [`Fault`] where its keeper does not answer.
    pub async fn row(&self, copy: &'static str, key: &str) -> Result<Option<CopyRow>, Fault> {
        let call = ReadCopyRow { copy: copy.to_owned(), key: key.to_owned() };
        self.neighbour(copy)?.call(&CallContext::new(&self.host), call).await
    }

    /// Keys of a copy's rows that are not deleted, behind `after`.
    ///
    /// # Errors
    /// A [`Fault`] where its keeper does not answer.
    pub async fn keys(&self, copy: &'static str, after: Option<&str>) -> Result<Vec<String>, Fault> {
        let call =
            ListCopyKeys { copy: copy.to_owned(), after: after.map(ToOwned::to_owned), limit: ListCopyKeys::MAX };
        self.neighbour(copy)?.call(&CallContext::new(&self.host), call).await
    }

    fn neighbour(&self, copy: &str) -> Result<&Neighbour, Fault> {
        let unknown = || Fault::permanent("sync-service", "find-copy", format!("there is no copy {copy}"));
        self.keepers.get(copy).ok_or_else(unknown)
    }
}

/// Rows of one call: small enough that a copy's writer is free again soon.
const ROWS_AT_ONCE: usize = 500;
