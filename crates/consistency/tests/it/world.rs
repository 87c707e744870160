//! An owner that is written, a copy that follows when it likes, and a check that looks on: every look of the check lets the
//! world go on a little.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_consistency::memory::{MemoryCopy, MemoryOwner};
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Content, Detail, Pair, Reached, RepairRow, Repaired, Row, RowSet, SetDescription, number_key, reach,
};
use madrigal_core::{Fault, Host, LogEpoch, LogName, PositionToken, RowVersion};

pub(crate) const FIELDS: &[&str] = &["n", "name"];

/// What goes on at each look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    /// At most so many writes of the owner.
    pub(crate) writes: u64,
    /// At most so many changes that the copy applies; 0 is a copy that stands still.
    pub(crate) follows: u64,
    /// A row that is written at every look.
    pub(crate) hot: Option<u64>,
}

pub(crate) struct World {
    pub(crate) owner: MemoryOwner,
    pub(crate) copy: MemoryCopy,
    pub(crate) host: Host,
    state: Mutex<State>,
}

struct State {
    pace: Pace,
    /// How many numbers were given out as keys.
    keys: u64,
    deleted: BTreeSet<u64>,
    /// Rows that are never written again.
    quiet: BTreeSet<u64>,
    /// Rows that the copy folds wrongly, whatever is written.
    bent: BTreeSet<String>,
    /// Rows of which the copy drops every change.
    stuck: BTreeMap<String, Row>,
    writes: i64,
}

pub(crate) fn content(n: i64) -> Content {
    Content::new().with("n", n).with("name", format!("row {n}"))
}

impl World {
    pub(crate) fn new(seed: u64, rows: u64, remembers: bool) -> Arc<Self> {
        Self::with(seed, rows, remembers, |_| {})
    }

    pub(crate) fn with(
        seed: u64,
        rows: u64,
        remembers: bool,
        described: impl FnOnce(&mut SetDescription),
    ) -> Arc<Self> {
        let host = Host::seeded(seed);
        let owner = MemoryOwner::new(LogName::parse("log").unwrap(), LogEpoch::new(&host), FIELDS, remembers);
        for number in 0..rows {
            owner.write(&number_key(number), Some(content(i64::try_from(number).unwrap())));
        }
        let copy = MemoryCopy::of(&owner).described(described);
        copy.follow(usize::MAX);
        let state = State {
            pace: Pace::default(),
            keys: rows,
            deleted: BTreeSet::new(),
            quiet: BTreeSet::new(),
            bent: BTreeSet::new(),
            stuck: BTreeMap::new(),
            writes: 1_000_000,
        };
        Arc::new(Self { owner, copy, host, state: Mutex::new(state) })
    }

    pub(crate) fn pair(self: &Arc<Self>) -> Pair {
        let owner = Arc::new(Restless { world: Arc::clone(self), of_copy: false });
        Pair::new("pair", owner, Arc::new(Restless { world: Arc::clone(self), of_copy: true })).unwrap()
    }

    pub(crate) fn pace(&self, pace: Pace) {
        self.state.lock().unwrap().pace = pace;
    }

    /// Never written again.
    pub(crate) fn quiet(&self, number: u64) {
        self.state.lock().unwrap().quiet.insert(number);
    }

    pub(crate) fn bend(&self, number: u64) {
        self.state.lock().unwrap().bent.insert(number_key(number));
    }

    pub(crate) fn stick(&self, number: u64) {
        let key = number_key(number);
        let row = self.copy.get(&key).unwrap();
        self.state.lock().unwrap().stuck.insert(key, row);
    }

    pub(crate) fn live(&self) -> u64 {
        let state = self.state.lock().unwrap();
        (0..state.keys).filter(|number| self.owner.get(&number_key(*number)).is_some_and(|row| !row.deleted)).count()
            as u64
    }

    /// Lets the world go on: the owner writes, the copy follows, each or not.
    pub(crate) fn stir(&self) {
        let mut state = self.state.lock().unwrap();
        let upto = |most: u64| if most == 0 { 0 } else { self.host.random_u64() % (most + 1) };
        for _ in 0..upto(state.pace.writes) {
            self.write(&mut state);
        }
        if let Some(hot) = state.pace.hot {
            state.writes += 1;
            self.owner.write(&number_key(hot), Some(content(state.writes)));
        }
        self.copy.follow(usize::try_from(upto(state.pace.follows)).unwrap());
    }

    fn write(&self, state: &mut State) {
        state.writes += 1;
        let dice = self.host.random_u64();
        let number = (dice >> 8) % (state.keys + 1);
        if state.deleted.contains(&number) || state.quiet.contains(&number) {
            return;
        }
        if number == state.keys {
            state.keys += 1;
        } else if dice.is_multiple_of(7) {
            state.deleted.insert(number);
            self.owner.write(&number_key(number), None);
            return;
        }
        self.owner.write(&number_key(number), Some(content(state.writes)));
    }

    /// The copy's rows as it shows them.
    fn seen(&self, rows: Vec<Row>) -> Vec<Row> {
        let state = self.state.lock().unwrap();
        let wrong = |row: Row| match state.stuck.get(&row.key) {
            Some(stuck) => Row { content: row.content.and(stuck.content.clone()), ..stuck.clone() },
            None if state.bent.contains(&row.key) => {
                let content = row.content.map(|content| content.with("n", -1));
                Row { content, ..row }
            }
            None => row,
        };
        rows.into_iter().map(wrong).collect()
    }
}

/// A set of the world, that goes on whenever it is looked at.
struct Restless {
    world: Arc<World>,
    of_copy: bool,
}

impl Restless {
    fn inner(&self) -> &dyn RowSet {
        if self.of_copy { &self.world.copy } else { &self.world.owner }
    }

    fn seen(&self, rows: Vec<Row>) -> Vec<Row> {
        if self.of_copy { self.world.seen(rows) } else { rows }
    }
}

#[async_trait]
impl RowSet for Restless {
    fn description(&self) -> SetDescription {
        self.inner().description()
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.world.stir();
        let position = self.inner().position().await;
        self.world.stir();
        position
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.world.stir();
        let rows = self.inner().page(read).await?;
        self.world.stir();
        Ok(self.seen(rows))
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        self.world.stir();
        let rows = self.inner().by_key(keys, detail).await?;
        self.world.stir();
        Ok(self.seen(rows))
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        self.world.stir();
        self.inner().history(key, first, last).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        self.world.stir();
        self.inner().repair(repair).await
    }

    /// Time here is how often the world goes on.
    async fn wait_for(&self, token: &PositionToken, _: Duration) -> Result<Reached, Fault> {
        let mut reached = Reached::Yes;
        for _ in 0..200 {
            reached = reach(&self.inner().position().await?, token);
            if reached == Reached::Yes {
                break;
            }
            self.world.stir();
        }
        Ok(reached)
    }
}
