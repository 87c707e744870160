//! An owner and a copy in memory: the reference for the port, for tests and for measuring.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use madrigal_core::{Fault, LogEpoch, LogName, Position, PositionToken, RowVersion};

use crate::canonical::Content;
use crate::row::{Detail, KeyRange, Row};
use crate::row_set::{Changed, Damage, PageRead, Planted, RepairRow, Repaired, RowSet, Seen, SetDescription, SetKind};

/// Rows by their keys.
type Rows = BTreeMap<String, Row>;

/// An owner: every write is a change in its log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryOwner {
    state: Arc<Mutex<Owned>>,
    token: PositionToken,
    fields: Arc<[&'static str]>,
    remembers: bool,
    name: Arc<str>,
}

#[derive(Debug, Default)]
struct Owned {
    rows: Rows,
    log: Vec<Row>,
}

impl MemoryOwner {
    /// An owner without rows, with these fields. If it `remembers` it can tell what a row was at a version.
    pub fn new(log: LogName, epoch: LogEpoch, fields: &[&'static str], remembers: bool) -> Self {
        let token = PositionToken::of(log, epoch, Position::START);
        Self { state: Arc::default(), token, fields: fields.into(), remembers, name: "memory.owner".into() }
    }

    /// The same, under this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Writes a row; `None` deletes it. Its version is the next one of its key.
    pub fn write(&self, key: &str, content: Option<Content>) {
        let mut state = self.state();
        let count = state.rows.get(key).and_then(|row| row.version).map_or(0, RowVersion::count);
        let version = RowVersion::new(1, count + 1).ok();
        let row = match content {
            Some(content) => Row::new(key, version).with_content(content),
            None => Row::tombstone(key, version),
        };
        state.rows.insert(key.to_owned(), row.clone());
        state.log.push(row);
    }

    /// What it has of a key.
    pub fn get(&self, key: &str) -> Option<Row> {
        self.state().rows.get(key).cloned()
    }

    fn state(&self) -> MutexGuard<'_, Owned> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, position: usize) -> PositionToken {
        let mut token = self.token.clone();
        for (log, epoch, _) in self.token.components() {
            token.raise(log.clone(), epoch, Position(position as u64));
        }
        token
    }
}

#[async_trait]
impl RowSet for MemoryOwner {
    fn description(&self) -> SetDescription {
        SetDescription::owner(&self.name, &self.fields)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(self.at(self.state().log.len()))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        Ok(page(&self.state().rows, &read))
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        Ok(by_key(&self.state().rows, keys, detail))
    }

    async fn changed(&self, after: Option<PositionToken>, limit: usize) -> Result<Option<Changed>, Fault> {
        let state = self.state();
        let end = state.log.len();
        let known =
            after.map_or(end, |after| after.components().map(|(_, _, at)| usize::try_from(at.0).unwrap_or(end)).sum());
        let keys: BTreeSet<String> =
            state.log.iter().skip(known.max(end.saturating_sub(limit))).map(|row| row.key.clone()).collect();
        Ok(Some(Changed { keys: keys.into_iter().collect(), through: self.at(end) }))
    }

    async fn history(&self, key: &str, first: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        let state = self.state();
        let within = |row: &&Row| row.key == key && row.version.is_some_and(|at| (first..=last).contains(&at));
        Ok(self.remembers.then(|| state.log.iter().filter(within).cloned().collect()))
    }
}

/// A copy of a [`MemoryOwner`], as far as it was told to follow. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryCopy {
    owner: MemoryOwner,
    state: Arc<Mutex<Copied>>,
    description: SetDescription,
}

#[derive(Debug, Default)]
struct Copied {
    rows: Rows,
    applied: usize,
}

impl MemoryCopy {
    /// A copy that has nothing yet.
    pub fn of(owner: &MemoryOwner) -> Self {
        let description = SetDescription::copy("memory.copy", &owner.fields);
        Self { owner: owner.clone(), state: Arc::default(), description }
    }

    /// The same, described otherwise: without versions, or as a part only.
    #[must_use]
    pub fn described(mut self, change: impl FnOnce(&mut SetDescription)) -> Self {
        change(&mut self.description);
        self
    }

    /// Applies up to so many more changes of the owner; what is older than what it has is refused.
    pub fn follow(&self, changes: usize) {
        let owned = self.owner.state();
        let mut state = self.state();
        let through = state.applied.saturating_add(changes).min(owned.log.len());
        for row in owned.log.get(state.applied..through).unwrap_or_default() {
            if state.rows.get(&row.key).is_none_or(|known| known.version < row.version) {
                state.rows.insert(row.key.clone(), row.clone());
            }
        }
        state.applied = through;
    }

    /// How many changes of the owner it has not applied.
    pub fn lag(&self) -> usize {
        self.owner.state().log.len() - self.state().applied
    }

    /// What it has of a key, damaged or not.
    pub fn get(&self, key: &str) -> Option<Row> {
        self.state().rows.get(key).cloned()
    }

    /// Puts a row there behind everybody's back; `None` takes it away.
    pub fn put(&self, key: &str, row: Option<Row>) {
        match row {
            Some(row) => self.state().rows.insert(key.to_owned(), row),
            None => self.state().rows.remove(key),
        };
    }

    fn state(&self) -> MutexGuard<'_, Copied> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if !self.description.versioned {
            rows.iter_mut().for_each(|row| row.version = None);
        }
        rows
    }
}

#[async_trait]
impl RowSet for MemoryCopy {
    fn description(&self) -> SetDescription {
        SetDescription { kind: SetKind::Copy, ..self.description.clone() }
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(self.owner.at(self.state().applied))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        Ok(self.shown(page(&self.state().rows, &read)))
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        Ok(self.shown(by_key(&self.state().rows, keys, detail)))
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        let mut state = self.state();
        let now = self.shown(by_key(&state.rows, vec![repair.key.clone()], Detail::Content)).pop();
        if now.map(|row| Seen::of(&row, &repair.fields)) != repair.seen {
            return Ok(Repaired::Changed);
        }
        match repair.row {
            Some(row) => state.rows.insert(repair.key, row),
            None => state.rows.remove(&repair.key),
        };
        Ok(Repaired::Done)
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        let known = self.get(key).filter(|row| !row.deleted);
        let version = |count: u64| RowVersion::new(1, count).ok();
        let broken = Content::new().with(self.owner.fields.first().unwrap_or(&"damage"), "damaged");
        let row = match (damage, known) {
            (Damage::Add, None) => Some(Row::new(key, version(1)).with_content(broken)),
            (Damage::Add, Some(_)) | (_, None) => return Ok(Planted::NoSuchRow),
            (Damage::Delete, Some(_)) => None,
            (Damage::Change, Some(row)) => Some(row.with_content(broken)),
            (Damage::Older | Damage::Newer, Some(row)) => {
                let count = row.version.map_or(0, RowVersion::count);
                let planted = if damage == Damage::Newer { count + 1_000 } else { count.saturating_sub(1) };
                Some(Row { version: version(planted), ..row })
            }
        };
        self.put(key, row);
        Ok(Planted::Done)
    }
}

fn page(rows: &Rows, read: &PageRead) -> Vec<Row> {
    let KeyRange { after, through } = &read.range;
    let bounds = (
        after.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
        through.as_deref().map_or(Bound::Unbounded, Bound::Included),
    );
    if let (Some(after), Some(through)) = (after, through)
        && after >= through
    {
        return Vec::new();
    }
    rows.range::<str, _>(bounds).take(read.limit).map(|(_, row)| shown(row, read.detail)).collect()
}

fn by_key(rows: &Rows, mut keys: Vec<String>, detail: Detail) -> Vec<Row> {
    keys.sort_unstable();
    keys.iter().filter_map(|key| rows.get(key)).map(|row| shown(row, detail)).collect()
}

fn shown(row: &Row, detail: Detail) -> Row {
    let content = if detail == Detail::Content { row.content.clone() } else { None };
    Row { key: row.key.clone(), version: row.version, deleted: row.deleted, content }
}
