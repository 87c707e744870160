//! A copy in memory, which can be broken, and which fails the test where a row goes back.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use madrigal_contracts::copies::{
    AppliedThrough, ApplyRows, CopyKeeper, CopyRow, ReplaceRow, Replaced, RowOutcome, RowsApplied,
};
use madrigal_core::Fault;
use serde_json::Value;

/// Something that happens, and the row that it leaves in the copy.
type Between = Box<dyn FnOnce() -> CopyRow + Send>;

/// A copy in memory. Clones are the same copy.
#[derive(Clone)]
pub(crate) struct Kept {
    name: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<i64, CopyRow>,
    through: Option<AppliedThrough>,
    down: bool,
    refuses: HashSet<String>,
    calls: usize,
    /// Comes just before the next replacement.
    between: Option<Between>,
}

impl Kept {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, state: Arc::default() }
    }

    /// Every call fails, or none.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// Rows of this key are refused from now on.
    pub(crate) fn refuse(&self, key: &str) {
        self.state.lock().unwrap().refuses.insert(key.to_owned());
    }

    /// Nothing is refused any more.
    pub(crate) fn refuse_nothing(&self) {
        self.state.lock().unwrap().refuses.clear();
    }

    /// Loses everything.
    pub(crate) fn lose(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    /// Puts a row behind everybody's back.
    pub(crate) fn plant(&self, row: CopyRow) {
        self.state.lock().unwrap().rows.insert(row.key.parse().unwrap(), row);
    }

    /// Lets this happen just before the next replacement.
    pub(crate) fn between(&self, happens: impl FnOnce() -> CopyRow + Send + 'static) {
        self.state.lock().unwrap().between = Some(Box::new(happens));
    }

    /// Takes a row away behind everybody's back.
    pub(crate) fn forget(&self, key: i64) {
        self.state.lock().unwrap().rows.remove(&key);
    }

    /// The version of a row.
    pub(crate) fn version(&self, key: i64) -> Option<u64> {
        self.state.lock().unwrap().rows.get(&key).map(|row| row.version.count())
    }

    /// The row of a key: `None` where there never was one, `Some(None)` where it was deleted.
    pub(crate) fn row(&self, key: i64) -> Option<Option<Value>> {
        self.state.lock().unwrap().rows.get(&key).map(|row| row.row.clone())
    }

    /// All rows that are not deleted.
    pub(crate) fn live(&self) -> BTreeMap<i64, Value> {
        let state = self.state.lock().unwrap();
        state.rows.iter().filter_map(|(key, row)| Some((*key, row.row.clone()?))).collect()
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }
}

#[async_trait]
impl CopyKeeper for Kept {
    fn copy(&self) -> &'static str {
        self.name
    }

    async fn apply(&self, call: ApplyRows) -> Result<RowsApplied, Fault> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        if state.down {
            return Err(Fault::not_applied("kept", "apply", "it is down"));
        }
        let mut outcomes = Vec::new();
        for row in call.rows {
            if state.refuses.contains(&row.key) {
                outcomes.push(RowOutcome::Refused { cause: "told to refuse it".to_owned() });
                continue;
            }
            let key: i64 = row.key.parse().unwrap();
            let there = state.rows.get(&key).map(|there| there.version);
            outcomes.push(match there.map(|there| row.version.cmp(&there)) {
                Some(std::cmp::Ordering::Less) => RowOutcome::Older,
                Some(std::cmp::Ordering::Equal) => RowOutcome::Repeated,
                _ => {
                    state.rows.insert(key, row);
                    RowOutcome::Applied
                }
            });
        }
        if let Some(through) = call.through {
            let before = state.through.as_ref().filter(|before| before.epoch == through.epoch);
            assert!(before.is_none_or(|before| before.position <= through.position), "the place goes back");
            state.through = Some(through);
        }
        Ok(RowsApplied { outcomes })
    }

    async fn read(&self, key: &str) -> Result<Option<CopyRow>, Fault> {
        Ok(self.state.lock().unwrap().rows.get(&key.parse().unwrap()).cloned())
    }

    async fn applied_through(&self) -> Result<Vec<AppliedThrough>, Fault> {
        Ok(self.state.lock().unwrap().through.clone().into_iter().collect())
    }

    async fn keys(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, Fault> {
        let after: i64 = after.map_or(0, |after| after.parse().unwrap());
        let live = self.live();
        Ok(live.keys().filter(|key| **key > after).take(limit).map(ToString::to_string).collect())
    }

    async fn page(&self, after: i64, limit: usize) -> Result<Vec<CopyRow>, Fault> {
        let state = self.state.lock().unwrap();
        if state.down {
            return Err(Fault::not_applied("kept", "page", "it is down"));
        }
        Ok(state.rows.range(after + 1..).take(limit).map(|(_, row)| row.clone()).collect())
    }

    async fn replace(&self, rows: Vec<ReplaceRow>) -> Result<Vec<Replaced>, Fault> {
        let mut state = self.state.lock().unwrap();
        if let Some(between) = state.between.take() {
            let row = between();
            state.rows.insert(row.key.parse().unwrap(), row);
        }
        let mut replaced = Vec::new();
        for row in rows {
            let key: i64 = row.key.parse().unwrap();
            if state.rows.get(&key) != row.seen.as_ref() {
                replaced.push(Replaced::Changed);
                continue;
            }
            match row.with {
                Some(with) => drop(state.rows.insert(key, with)),
                None => drop(state.rows.remove(&key)),
            }
            replaced.push(Replaced::Done);
        }
        Ok(replaced)
    }
}
