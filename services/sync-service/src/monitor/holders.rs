//! The services that hold row sets, and which of them do not answer.
//!
//! A service that is stopped does not refuse a call: each call would wait for its own time limit, one pair after the other. So
//! all services are asked at the same time before a sweep, one that falls silent during it is found out once for all of its
//! sets, and until it has answered again nothing is asked of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{Either, select};
use madrigal_consistency::row_set::{PageRead, RowsRead};
use madrigal_consistency::{
    Changed, Damage, Detail, DigestAsk, Digests, DynRowSet, Planted, Reached, RepairRow, Repaired, Row, RowSet,
    SetDescription,
};
use madrigal_contracts::rows::RemoteRowSet;
use madrigal_core::{Fault, Host, PositionToken, RowVersion, tasks};
use madrigal_http::Neighbour;

/// After waiting so long for an answer, the service is asked whether it answers at all: that call has a limit of 5 s. So a
/// service that falls silent is waited for 10 s, and one that is slow as long as the call allows.
const DOUBT: Duration = Duration::from_secs(5);

/// A service that holds row sets.
pub(super) struct Holder {
    neighbour: Neighbour,
    host: Host,
    /// Why it did not answer, until it has.
    silence: Mutex<Option<String>>,
}

impl Holder {
    pub(super) const fn new(neighbour: Neighbour, host: Host) -> Self {
        Self { neighbour, host, silence: Mutex::new(None) }
    }

    pub(super) fn service(&self) -> &'static str {
        self.neighbour.service()
    }

    /// Why it did not answer when it was last asked; `None` where it did, or was not asked yet.
    pub(super) fn silence(&self) -> Option<String> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for its row sets, for at most 5 s, and notes whether it answers.
    pub(super) async fn ask(self: &Arc<Self>) -> Result<Vec<DynRowSet>, Fault> {
        let answer = RemoteRowSet::all_of(&self.neighbour, &self.host).await;
        let silence = answer.as_ref().err().map(Fault::chain);
        *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = silence;
        let held = |set| Arc::new(Held { set, holder: Arc::clone(self) }) as DynRowSet;
        Ok(answer?.into_iter().map(held).collect())
    }

    /// The answer of a call to it, for as long as it answers at all.
    async fn heard<T>(self: &Arc<Self>, call: impl Future<Output = Result<T, Fault>> + Send) -> Result<T, Fault> {
        if let Some(silence) = self.silence() {
            return Err(self.is_silent(silence));
        }
        let mut call = Box::pin(call);
        loop {
            if let Some(answer) = tasks::within(DOUBT, &mut call).await {
                return answer;
            }
            let asked = self.ask().map(|asked| asked.err()).boxed();
            match select(call, asked).await {
                Either::Left((answer, _)) => return answer,
                Either::Right((None, still)) => call = still,
                Either::Right((Some(fault), _)) => return Err(self.is_silent(fault.chain())),
            }
        }
    }

    fn is_silent(&self, silence: String) -> Fault {
        Fault::not_applied(self.service(), "read-rows", silence)
    }
}

/// A row set of a service.
struct Held {
    set: RemoteRowSet,
    holder: Arc<Holder>,
}

#[async_trait]
impl RowSet for Held {
    fn description(&self) -> SetDescription {
        self.set.description()
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.holder.heard(self.set.position()).await
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.holder.heard(self.set.page(read)).await
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        self.holder.heard(self.set.by_key(keys, detail)).await
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        self.holder.heard(self.set.changed(after, limit)).await
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        self.holder.heard(self.set.history(key, first, last)).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        // Not given up before its own limit: nobody would know whether it was done.
        self.set.repair(repair).await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        self.set.plant(key, damage).await
    }

    async fn read_page(&self, read: PageRead) -> Result<RowsRead, Fault> {
        self.holder.heard(self.set.read_page(read)).await
    }

    async fn read_keys(&self, keys: Vec<String>, detail: Detail) -> Result<RowsRead, Fault> {
        self.holder.heard(self.set.read_keys(keys, detail)).await
    }

    async fn digests(&self, ask: DigestAsk) -> Result<Digests, Fault> {
        self.holder.heard(self.set.digests(ask)).await
    }

    async fn wait_for(&self, token: &PositionToken, limit: Duration) -> Result<Reached, Fault> {
        self.holder.heard(self.set.wait_for(token, limit)).await
    }
}
