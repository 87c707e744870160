//! Snapshots, under whatever writes happen meanwhile.

use std::collections::BTreeMap;

use madrigal_cdc::snapshot::{ChunkAsk, SnapshotProgress, Snapshots};
use madrigal_cdc::{Change, Changes, Chunk, Key, Op, PlacedChange, Row, SnapshotMark, SourceInfo};
use madrigal_core::{Host, LogEpoch, Position, Timestamp};
use proptest::prelude::*;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A writer sets a row; its value is the log's position, so that later values are newer.
    Put(i64),
    /// A writer deletes a row.
    Delete(i64),
    /// A writer empties the table.
    Truncate,
    /// The reader reads at most so many changes.
    Read(usize),
    /// The reader takes the low watermark of the chunk that it asks for next.
    Low,
    /// It reads the rows; the high watermark comes with its next read.
    Rows,
    /// Somebody wants these rows again.
    Want(Vec<i64>),
    /// The reader dies and goes on from what it kept.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0i64..8).prop_map(Step::Put),
        2 => (0i64..8).prop_map(Step::Delete),
        1 => Just(Step::Truncate),
        5 => (1usize..4).prop_map(Step::Read),
        4 => Just(Step::Low),
        4 => Just(Step::Rows),
        1 => proptest::collection::vec(0i64..8, 1..4).prop_map(Step::Want),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..60)
}

/// An owner's table and log, and a reader of both with a copy that believes everything it is told, in order.
struct World {
    table: BTreeMap<i64, u64>,
    log: Vec<Change>,
    epoch: LogEpoch,
    snapshots: Snapshots,
    read_through: usize,
    /// A chunk under way: its low watermark, and its rows once they are read.
    under_way: Option<UnderWay>,
    copy: BTreeMap<i64, u64>,
    kept: (usize, SnapshotProgress),
}

type UnderWay = (usize, ChunkAsk, Option<Vec<(i64, u64)>>);

const CHUNK: usize = 3;

fn key(id: i64) -> Key {
    Key::of("id", id).unwrap()
}

fn id(key: &Key) -> i64 {
    key.only().unwrap().as_i64().unwrap()
}

impl World {
    fn new(chunk_of: &[i64]) -> Self {
        let mut snapshots = Snapshots::new(SnapshotProgress::default(), CHUNK);
        snapshots.want_table("t");
        let table = chunk_of.iter().map(|id| (*id, 0)).collect();
        let kept = (0, snapshots.progress().clone());
        Self {
            table,
            log: Vec::new(),
            epoch: LogEpoch::new(&Host::seeded(1)),
            snapshots,
            read_through: 0,
            under_way: None,
            copy: BTreeMap::new(),
            kept,
        }
    }

    fn change(op: Op, of: Option<i64>, value: Option<u64>) -> Change {
        let row = |value: u64| Row::new().with("id", of.unwrap()).with("value", i64::try_from(value).unwrap());
        Change {
            key: of.map(key),
            before: None,
            after: value.map(row),
            source: SourceInfo { table: "t".to_owned(), ..SourceInfo::default() },
            op,
            captured_at: Timestamp::default(),
            transaction: None,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put(id) => {
                let value = self.log.len() as u64 + 1;
                let op = if self.table.insert(id, value).is_some() { Op::Update } else { Op::Create };
                self.log.push(Self::change(op, Some(id), Some(value)));
            }
            Step::Delete(id) => {
                if self.table.remove(&id).is_some() {
                    self.log.push(Self::change(Op::Delete, Some(id), None));
                }
            }
            Step::Truncate => {
                self.table.clear();
                self.log.push(Self::change(Op::Truncate, None, None));
            }
            Step::Low => {
                if let (None, Some(ask)) = (&self.under_way, self.snapshots.ask()) {
                    self.under_way = Some((self.log.len(), ask, None));
                }
            }
            Step::Rows => self.rows(),
            Step::Read(limit) => self.read(limit),
            Step::Want(ids) => self.snapshots.want_keys("t", ids.into_iter().map(key).collect()),
            Step::Crash => {
                let (through, progress) = self.kept.clone();
                self.read_through = through;
                self.under_way = None;
                self.snapshots = Snapshots::new(progress, CHUNK);
            }
        }
    }

    fn rows(&mut self) {
        if let Some((_, ask, rows @ None)) = &mut self.under_way {
            let found: Vec<(i64, u64)> = match ask {
                ChunkAsk::Table { after, limit, .. } => {
                    let from = after.as_ref().map_or(i64::MIN, |after| id(after) + 1);
                    self.table.range(from..).take(*limit).map(|(id, value)| (*id, *value)).collect()
                }
                ChunkAsk::Keys { keys, .. } => {
                    keys.iter().filter_map(|key| Some((id(key), *self.table.get(&id(key))?))).collect()
                }
            };
            *rows = Some(found);
        }
    }

    fn read(&mut self, limit: usize) {
        // Between low watermark, rows and high watermark the writers went on; the reader did not read.
        if let Some((low, ask, rows)) = self.under_way.take() {
            let Some(rows) = rows else {
                self.under_way = Some((low, ask, rows));
                return;
            };
            let full = matches!(&ask, ChunkAsk::Table { limit, .. } if rows.len() == *limit);
            let next = if full { rows.last().map(|(id, _)| key(*id)) } else { None };
            let read = |(id, value): (i64, u64)| Change {
                source: SourceInfo { table: "t".into(), snapshot: SnapshotMark::Incremental, ..SourceInfo::default() },
                ..Self::change(Op::Read, Some(id), Some(value))
            };
            let rows = rows.into_iter().map(read).collect();
            let position = |at: usize| Position(at as u64);
            let (low, high) = (position(low), position(self.log.len()));
            self.snapshots.open(Chunk { rows, low, high, epoch: self.epoch, next });
        }
        let end = self.log.len().min(self.read_through + limit);
        let read = self.log[self.read_through..end].iter().enumerate();
        let changes = read.map(|(at, change)| PlacedChange {
            position: Position((self.read_through + at + 1) as u64),
            change: change.clone(),
        });
        let changes = Changes {
            changes: changes.collect(),
            scanned_through: Position(end as u64),
            epoch: self.epoch,
            end: Position(self.log.len() as u64),
        };
        self.read_through = end;
        for placed in self.snapshots.pass(changes) {
            self.apply(&placed.change);
        }
        self.kept = (end, self.snapshots.progress().clone());
    }

    fn apply(&mut self, change: &Change) {
        let value = |row: &Row| u64::try_from(row.get("value").unwrap().as_i64().unwrap()).unwrap();
        match (change.op, change.key(), &change.after) {
            (Op::Truncate, ..) => self.copy.clear(),
            (Op::Delete, Some(key), _) => {
                self.copy.remove(&id(key));
            }
            (_, Some(key), Some(row)) => {
                let (id, value) = (id(key), value(row));
                // Applying and keeping the place are one step here, so nothing comes twice.
                let there = self.copy.insert(id, value);
                assert!(there.is_none_or(|there| there <= value), "an older row came after a newer one");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Lets the reader come to an end without further writes.
    fn finish(&mut self) {
        for _ in 0..1_000 {
            if self.snapshots.progress().wanted.is_empty() && self.read_through == self.log.len() {
                return;
            }
            for step in [Step::Low, Step::Rows, Step::Read(5)] {
                self.step(step);
            }
        }
        panic!("the snapshot does not end: {:?}", self.snapshots);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_meanwhile_the_copy_is_the_table_and_no_older_row_comes_after_a_newer(
        there in proptest::collection::btree_set(0i64..8, 0..8),
        steps in steps(),
    ) {
        let mut world = World::new(&there.into_iter().collect::<Vec<_>>());
        for step in steps {
            world.step(step);
        }
        world.finish();
        prop_assert_eq!(&world.copy, &world.table);
    }
}

#[test]
fn a_row_that_the_log_told_between_the_watermarks_wins_over_the_chunk() {
    let mut world = World::new(&[1, 2]);
    for step in [Step::Low, Step::Rows, Step::Put(1)] {
        world.step(step);
    }
    let passed_before = world.copy.clone();
    world.step(Step::Read(10));
    assert_eq!(passed_before, BTreeMap::new());
    assert_eq!(world.copy, BTreeMap::from([(1, 1), (2, 0)]));
}

#[test]
fn a_chunk_is_told_before_what_happens_after_its_high_watermark() {
    let mut snapshots = Snapshots::new(SnapshotProgress::default(), 10);
    snapshots.want_keys("t", vec![key(1)]);
    let epoch = LogEpoch::new(&Host::seeded(1));
    let row = World::change(Op::Read, Some(1), Some(0));
    snapshots.open(Chunk { rows: vec![row], low: Position(4), high: Position(5), epoch, next: None });
    assert_eq!((snapshots.ask(), snapshots.waits_for()), (None, Some(Position(5))));
    let placed = |position: u64, of: i64| PlacedChange {
        position: Position(position),
        change: World::change(Op::Update, Some(of), Some(position)),
    };
    let changes = |from: u64, to: u64| Changes {
        changes: (from..=to).map(|position| placed(position, if position == 6 { 1 } else { 2 })).collect(),
        scanned_through: Position(to),
        epoch,
        end: Position(9),
    };
    assert_eq!(snapshots.pass(changes(4, 4)).len(), 1, "the chunk waits");
    let told: Vec<(Op, u64)> =
        snapshots.pass(changes(5, 6)).iter().map(|placed| (placed.change.op, placed.position.0)).collect();
    assert_eq!(told, [(Op::Update, 5), (Op::Read, 5), (Op::Update, 6)]);
    assert!(snapshots.progress().wanted.is_empty());
}

#[test]
fn of_many_keys_each_is_read_once() {
    let mut snapshots = Snapshots::new(SnapshotProgress::default(), 3);
    snapshots.want_keys("t", (0..8).map(key).collect());
    let epoch = LogEpoch::new(&Host::seeded(1));
    let mut asked = Vec::new();
    while let Some(ChunkAsk::Keys { keys, .. }) = snapshots.ask() {
        asked.extend(keys.iter().map(id));
        let at = Position(4);
        snapshots.open(Chunk { rows: Vec::new(), low: at, high: at, epoch, next: None });
        snapshots.pass(Changes { changes: Vec::new(), scanned_through: at, epoch, end: at });
    }
    assert_eq!(asked, (0..8).collect::<Vec<_>>());
}

#[test]
fn progress_survives_as_json_and_goes_on_behind_the_last_chunk() {
    let mut world = World::new(&[1, 2, 3, 4, 5]);
    for step in [Step::Low, Step::Rows, Step::Read(1), Step::Want(vec![7])] {
        world.step(step);
    }
    let kept = serde_json::to_string(world.snapshots.progress()).unwrap();
    assert_eq!(
        kept,
        r#"{"wanted":[{"rows":"table","table":"t","after":{"id":3}},{"rows":"keys","table":"t","keys":[{"id":7}]}]}"#
    );
    let snapshots = Snapshots::new(serde_json::from_str(&kept).unwrap(), CHUNK);
    let ask = ChunkAsk::Table { table: "t".to_owned(), after: Some(key(3)), limit: CHUNK };
    assert_eq!(snapshots.ask(), Some(ask));
}
