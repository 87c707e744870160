//! Whether two generations are equal: row by row in the order of their keys, a page of each in memory.

use std::cmp::Ordering;
use std::collections::VecDeque;

use madrigal_core::{Fault, JsonBytes, Position};
use serde_json::{Value, json};

use crate::managed::{Compared, Comparison, Difference, Verdict};
use crate::store::DynViewSnapshot;
use crate::view::{Columns, StoredRow, ViewId};

/// Rows of each side that are held in memory.
const PAGE: usize = 500;

/// Compares all rows: bodies as JSON, versions, columns. Not their positions: where one of two folds did nothing at an
/// event, nobody can see that.
pub(super) async fn compare(
    snapshot: &DynViewSnapshot,
    serving: &ViewId,
    candidate: &ViewId,
    position: Position,
) -> Result<Comparison, Fault> {
    let (mut left, mut right) = (Side::new(snapshot, serving), Side::new(snapshot, candidate));
    let (mut rows, mut differing, mut differences) = (0, 0, Vec::new());
    loop {
        left.fill().await?;
        right.fill().await?;
        let (one, other) = match (left.key(), right.key()) {
            (None, None) => break,
            (Some(_), None) => (left.pop(), None),
            (None, Some(_)) => (None, right.pop()),
            (Some(one), Some(other)) => match one.cmp(other) {
                Ordering::Less => (left.pop(), None),
                Ordering::Greater => (None, right.pop()),
                Ordering::Equal => (left.pop(), right.pop()),
            },
        };
        rows += 1;
        if let (Some((_, one)), Some((_, other))) = (&one, &other)
            && same(one, other)
        {
            continue;
        }
        differing += 1;
        if differences.len() < Comparison::SHOWN
            && let Some((key, _)) = one.as_ref().or(other.as_ref())
        {
            let shown = |row: &Option<(String, StoredRow)>| row.as_ref().map(|(_, row)| shown(row));
            differences.push(Difference { key: key.clone(), serving: shown(&one), candidate: shown(&other) });
        }
    }
    let verdict = if differing == 0 { Verdict::Equal } else { Verdict::Different };
    Ok(Comparison { compared: Compared { verdict, position, rows, differing }, differences })
}

struct Side<'a> {
    snapshot: &'a DynViewSnapshot,
    view: &'a ViewId,
    page: VecDeque<(String, StoredRow)>,
    last: Option<String>,
    ended: bool,
}

impl<'a> Side<'a> {
    fn new(snapshot: &'a DynViewSnapshot, view: &'a ViewId) -> Self {
        Self { snapshot, view, page: VecDeque::new(), last: None, ended: false }
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        if !self.page.is_empty() || self.ended {
            return Ok(());
        }
        self.page = self.snapshot.rows(self.view, self.last.take(), PAGE).await?.into();
        match self.page.back() {
            Some((key, _)) => self.last = Some(key.clone()),
            None => self.ended = true,
        }
        Ok(())
    }

    fn key(&self) -> Option<&str> {
        self.page.front().map(|(key, _)| key.as_str())
    }

    fn pop(&mut self) -> Option<(String, StoredRow)> {
        self.page.pop_front()
    }
}

fn same(one: &StoredRow, other: &StoredRow) -> bool {
    one.version == other.version && same_columns(&one.columns, &other.columns) && same_body(&one.body, &other.body)
}

fn same_columns(one: &Columns, other: &Columns) -> bool {
    one.iter().count() == other.iter().count() && one.iter().all(|(name, value)| other.get(name) == Some(value))
}

/// Equal bytes are the rule; the same JSON written in another order of its fields is equal too.
fn same_body(one: &JsonBytes, other: &JsonBytes) -> bool {
    if one.as_bytes() == other.as_bytes() {
        return true;
    }
    match (one.decode::<Value>(), other.decode::<Value>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn shown(row: &StoredRow) -> Value {
    let columns: serde_json::Map<String, Value> =
        row.columns.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({ "version": row.version.0, "row": row.body.decode::<Value>().unwrap_or(Value::Null), "columns": columns })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use madrigal_core::{Host, LogEpoch, StreamVersion};

    use super::*;
    use crate::memory::MemoryViews;
    use crate::store::ViewStore;
    use crate::view::{Checkpoint, ViewBatch};

    fn row(body: &Value, version: u64, owner: i64) -> StoredRow {
        StoredRow {
            version: StreamVersion(version),
            position: Position(version),
            body: JsonBytes::of(body).unwrap(),
            columns: Columns::none().with("owner", owner),
        }
    }

    async fn compared(change: impl Fn(&mut Vec<(String, StoredRow)>)) -> Comparison {
        let views = MemoryViews::new();
        let rows: Vec<_> = (0..1_203).map(|n| (format!("{n:05}"), row(&json!({"n": n, "m": 1}), 1, n))).collect();
        let mut changed = rows.clone();
        change(&mut changed);
        let at = Checkpoint { epoch: LogEpoch::new(&Host::seeded(1)), position: Position(9) };
        let ids = [ViewId::new("v", 1).unwrap(), ViewId::new("v", 2).unwrap()];
        for (id, puts) in ids.iter().zip([rows, changed]) {
            views.prepare(id, &["owner"]).await.unwrap();
            views.commit(id, ViewBatch { puts, ..ViewBatch::at(at) }).await.unwrap();
        }
        compare(&views.snapshot().await.unwrap(), &ids[0], &ids[1], Position(9)).await.unwrap()
    }

    #[tokio::test]
    async fn equal_rows_are_equal_however_their_json_is_written() {
        let same = compared(|rows| {
            let text = Arc::<[u8]>::from(&br#"{ "m": 1, "n": 700 }"#[..]);
            rows[700].1.body = JsonBytes::trusted(String::from_utf8(text.to_vec()).unwrap().into());
        });
        let same = same.await;
        assert_eq!((same.compared.verdict, same.compared.rows, same.compared.differing), (Verdict::Equal, 1_203, 0));
        assert_eq!(same.compared.position, Position(9));
    }

    #[tokio::test]
    async fn a_wrong_a_missing_an_extra_row_a_wrong_column_and_a_wrong_version_are_found() {
        let found = compared(|rows| {
            rows[3].1 = row(&json!({"n": 4, "m": 1}), 1, 3);
            rows[5].1 = row(&json!({"n": 5, "m": 1}), 1, 6);
            rows[7].1 = row(&json!({"n": 7, "m": 1}), 2, 7);
            rows[9].1.columns = Columns::none();
            rows.push(("9".to_owned(), row(&json!({}), 1, 1)));
            rows.remove(11);
        });
        let found = found.await;
        let keys: Vec<&str> = found.differences.iter().map(|difference| difference.key.as_str()).collect();
        assert_eq!(keys, ["00003", "00005", "00007", "00009", "00011", "9"]);
        assert_eq!((found.compared.rows, found.compared.differing), (1_204, 6));
        assert_eq!(found.compared.verdict, Verdict::Different);
        let (missing, extra) = (&found.differences[4], &found.differences[5]);
        assert!(missing.serving.is_some() && missing.candidate.is_none());
        assert!(extra.serving.is_none() && extra.candidate.is_some());
        let column = found.differences[1].candidate.as_ref().unwrap();
        assert_eq!(column["columns"], json!({"owner": 6}));
    }

    #[tokio::test]
    async fn twenty_differences_are_shown_and_all_are_counted() {
        let all = compared(|rows| rows.iter_mut().for_each(|(_, stored)| *stored = row(&json!(0), 1, 1))).await;
        assert_eq!((all.differences.len(), all.compared.differing, all.compared.rows), (20, 1_203, 1_203));
        let none = compared(Vec::clear).await;
        assert_eq!((none.compared.differing, none.compared.rows), (1_203, 1_203));
    }
}
