//! How the monitor reads the rows of whichever service holds them: the same calls everywhere.
//!
//! A service implements [`madrigal_consistency::RowSet`] for each set that it holds and passes them to [`answering`]; the
//! monitor has a [`RemoteRowSet`] for each, which is a `RowSet` again. Nothing personal crosses: contents carry what is
//! compared, and what is sealed stays sealed.

pub mod kept;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_consistency::row_set::{PageRead, RowsRead};
use madrigal_consistency::{
    Changed, Damage, Detail, DigestAsk, Digests, DynRowSet, Planted, Reached, RepairRow, Repaired, Row, RowSet,
    SetDescription,
};
use madrigal_core::{CallContext, Fault, Host, PositionToken, RowVersion};
use madrigal_http::calls::{Answer, Call, Calls, Neighbour};
use serde::{Deserialize, Serialize};

/// The longest that a copy is waited for in one call.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Asks for all row sets of a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescribeRowSets {}

impl Call for DescribeRowSets {
    type Answer = Vec<SetDescription>;
    const NAME: &'static str = "rows.describe";
}

/// Asks how far a set is; see [`RowSet::position`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowSetPosition {
    /// The set.
    pub set: String,
}

impl Call for RowSetPosition {
    type Answer = PositionToken;
    const NAME: &'static str = "rows.position";
}

/// Asks an owner which rows were changed lately; see [`RowSet::changed`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangedRows {
    /// The set.
    pub set: String,
    /// After this; without it only how far the owner is.
    pub after: Option<PositionToken>,
    /// At most so many entries of the owner's log, and no more than [`ChangedRows::MAX`].
    pub limit: usize,
}

impl ChangedRows {
    /// The most entries.
    pub const MAX: usize = 1_000;
}

impl Call for ChangedRows {
    /// `None` where the owner cannot tell.
    type Answer = Option<Changed>;
    const NAME: &'static str = "rows.changed";
}

/// Waits until a copy has applied everything up to a position.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitApplied {
    /// The copy.
    pub set: String,
    /// How far it should be.
    pub token: PositionToken,
    /// At most so long, and no longer than [`LONGEST_WAIT`].
    pub limit_millis: u64,
}

impl Call for WaitApplied {
    type Answer = Reached;
    const NAME: &'static str = "rows.wait";
    const LIMIT: Duration = Duration::from_secs(15);
}

/// Asks for digests of ranges of keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DigestRows {
    /// The set.
    pub set: String,
    /// Which, and how.
    pub ask: DigestAsk,
}

impl Call for DigestRows {
    type Answer = Digests;
    const NAME: &'static str = "rows.digest";
    const LIMIT: Duration = Duration::from_secs(60);
}

/// Asks for rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadRows {
    /// The set.
    pub set: String,
    /// Which rows.
    pub which: Which,
}

/// Which rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Which {
    /// Of a range.
    Page(PageRead),
    /// Of these keys.
    Keys {
        /// At most [`madrigal_consistency::row_set::MAX_KEYS`].
        keys: Vec<String>,
        /// What of them.
        detail: Detail,
    },
}

impl Call for ReadRows {
    type Answer = RowsRead;
    const NAME: &'static str = "rows.read";
    const LIMIT: Duration = Duration::from_secs(30);
}

/// Asks an owner what a row was at each of some versions; see [`RowSet::history`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RowHistory {
    /// The owner.
    pub set: String,
    /// The row.
    pub key: String,
    /// From this version.
    pub first: RowVersion,
    /// To this one.
    pub last: RowVersion,
}

impl Call for RowHistory {
    type Answer = Option<Vec<Row>>;
    const NAME: &'static str = "rows.history";
    const LIMIT: Duration = Duration::from_secs(30);
}

/// Repairs a row of a copy; see [`RowSet::repair`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepairCopy {
    /// The copy.
    pub set: String,
    /// What, and how it must look for that.
    pub repair: RepairRow,
}

impl Call for RepairCopy {
    type Answer = Repaired;
    const NAME: &'static str = "rows.repair";
    const LIMIT: Duration = Duration::from_secs(15);
}

/// Damages a row of a copy: refused unless the service was told to allow it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlantDamage {
    /// The copy.
    pub set: String,
    /// The row.
    pub key: String,
    /// How.
    pub damage: Damage,
}

impl Call for PlantDamage {
    type Answer = Planted;
    const NAME: &'static str = "rows.plant";
}

/// Whether damage may be planted in a service's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planting {
    /// It may not.
    #[default]
    Refused,
    /// It may: a test, or a demonstration.
    Allowed,
}

/// The calls of a service, with those about its row sets.
pub fn answering(calls: Calls, sets: Vec<DynRowSet>, planting: Planting) -> Calls {
    let kept = Arc::new(Kept { sets, planting });
    calls
        .on::<DescribeRowSets>(Arc::clone(&kept))
        .on::<RowSetPosition>(Arc::clone(&kept))
        .on::<ChangedRows>(Arc::clone(&kept))
        .on::<WaitApplied>(Arc::clone(&kept))
        .on::<DigestRows>(Arc::clone(&kept))
        .on::<ReadRows>(Arc::clone(&kept))
        .on::<RowHistory>(Arc::clone(&kept))
        .on::<RepairCopy>(Arc::clone(&kept))
        .on::<PlantDamage>(kept)
}

struct Kept {
    sets: Vec<DynRowSet>,
    planting: Planting,
}

impl Kept {
    fn set(&self, name: &str) -> Result<&DynRowSet, Fault> {
        let unknown = || Fault::permanent("rows", "find", format!("there is no row set {name:?} here"));
        self.sets.iter().find(|set| set.description().name == name).ok_or_else(unknown)
    }
}

#[async_trait]
impl Answer<DescribeRowSets> for Kept {
    async fn answer(&self, _: CallContext, _: DescribeRowSets) -> Result<Vec<SetDescription>, Fault> {
        Ok(self.sets.iter().map(|set| set.description()).collect())
    }
}

#[async_trait]
impl Answer<RowSetPosition> for Kept {
    async fn answer(&self, _: CallContext, call: RowSetPosition) -> Result<PositionToken, Fault> {
        self.set(&call.set)?.position().await
    }
}

#[async_trait]
impl Answer<ChangedRows> for Kept {
    async fn answer(&self, _: CallContext, call: ChangedRows) -> Result<Option<Changed>, Fault> {
        self.set(&call.set)?.changed(call.after, call.limit.min(ChangedRows::MAX)).await
    }
}

#[async_trait]
impl Answer<WaitApplied> for Kept {
    async fn answer(&self, _: CallContext, call: WaitApplied) -> Result<Reached, Fault> {
        let limit = Duration::from_millis(call.limit_millis).min(LONGEST_WAIT);
        self.set(&call.set)?.wait_for(&call.token, limit).await
    }
}

#[async_trait]
impl Answer<DigestRows> for Kept {
    async fn answer(&self, _: CallContext, call: DigestRows) -> Result<Digests, Fault> {
        self.set(&call.set)?.digests(call.ask).await
    }
}

#[async_trait]
impl Answer<ReadRows> for Kept {
    async fn answer(&self, _: CallContext, call: ReadRows) -> Result<RowsRead, Fault> {
        let set = self.set(&call.set)?;
        match call.which {
            Which::Page(read) => set.read_page(read).await,
            Which::Keys { keys, detail } => set.read_keys(keys, detail).await,
        }
    }
}

#[async_trait]
impl Answer<RowHistory> for Kept {
    async fn answer(&self, _: CallContext, call: RowHistory) -> Result<Option<Vec<Row>>, Fault> {
        self.set(&call.set)?.history(&call.key, call.first, call.last).await
    }
}

#[async_trait]
impl Answer<RepairCopy> for Kept {
    async fn answer(&self, _: CallContext, call: RepairCopy) -> Result<Repaired, Fault> {
        self.set(&call.set)?.repair(call.repair).await
    }
}

#[async_trait]
impl Answer<PlantDamage> for Kept {
    async fn answer(&self, _: CallContext, call: PlantDamage) -> Result<Planted, Fault> {
        let set = self.set(&call.set)?;
        if self.planting == Planting::Refused {
            return Ok(Planted::Refused { why: "this shop was not started to be damaged".to_owned() });
        }
        tracing::warn!(set = call.set, damage = ?call.damage, "damage is planted");
        set.plant(&call.key, call.damage).await
    }
}

/// A row set of another service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RemoteRowSet {
    neighbour: Neighbour,
    host: Host,
    description: SetDescription,
}

impl RemoteRowSet {
    /// All row sets of a service.
    ///
    /// # Errors
    /// A [`Fault`] where it does not answer.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn all_of(neighbour: &Neighbour, host: &Host) -> Result<Vec<Self>, Fault> {
        let described = neighbour.call(&CallContext::new(host), DescribeRowSets {}).await?;
        let set = |description| Self { neighbour: neighbour.clone(), host: host.clone(), description };
        Ok(described.into_iter().map(set).collect())
    }

    fn set(&self) -> String {
        self.description.name.clone()
    }

    async fn call<C: Call>(&self, call: C) -> Result<C::Answer, Fault> {
        self.neighbour.call(&CallContext::new(&self.host), call).await
    }
}

#[async_trait]
impl RowSet for RemoteRowSet {
    fn description(&self) -> SetDescription {
        self.description.clone()
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.call(RowSetPosition { set: self.set() }).await
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        Ok(self.read_page(read).await?.rows)
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        Ok(self.read_keys(keys, detail).await?.rows)
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        self.call(ChangedRows { set: self.set(), after, limit }).await
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        self.call(RowHistory { set: self.set(), key: key.to_owned(), first, last }).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        self.call(RepairCopy { set: self.set(), repair }).await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        self.call(PlantDamage { set: self.set(), key: key.to_owned(), damage }).await
    }

    async fn read_page(&self, read: PageRead) -> Result<RowsRead, Fault> {
        self.call(ReadRows { set: self.set(), which: Which::Page(read) }).await
    }

    async fn read_keys(&self, keys: Vec<String>, detail: Detail) -> Result<RowsRead, Fault> {
        self.call(ReadRows { set: self.set(), which: Which::Keys { keys, detail } }).await
    }

    async fn digests(&self, ask: DigestAsk) -> Result<Digests, Fault> {
        self.call(DigestRows { set: self.set(), ask }).await
    }

    async fn wait_for(&self, token: &PositionToken, limit: Duration) -> Result<Reached, Fault> {
        let limit_millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.call(WaitApplied { set: self.set(), token: token.clone(), limit_millis }).await
    }
}
