//! The contract of [`ViewStore`](madrigal_projection::ViewStore): one function for each rule, run on an empty store.
//!
//! [`view_store_suite!`](crate::view_store_suite) makes a test of each for an implementation.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::BTreeSet;

use madrigal_core::{FaultOutcome, FaultRetry, Host, JsonBytes, LogEpoch, Position, StreamVersion, Timestamp};
use madrigal_projection::{
    Checkpoint, Columns, DynViewStore, Generations, ParkedEvent, ParkedFilter, Query, Skipped, StoredRow, ViewBatch,
    ViewId,
};

/// Makes one test for each case. `$make` is an async function that returns a store and whatever keeps it alive.
#[macro_export]
macro_rules! view_store_suite {
    ($make:path) => {
        $crate::view_store_suite!(@cases $make:
            a_batch_is_seen_with_its_checkpoint
            what_is_stored_is_what_was_given
            a_checkpoint_never_goes_back_and_nothing_of_such_a_batch_stays
            a_batch_of_another_epoch_is_refused
            rows_come_in_the_order_of_their_keys
            pages_join_without_gaps_in_both_directions
            rows_are_found_by_all_of_their_columns
            a_replaced_row_is_found_by_its_new_columns_only
            an_absent_column_is_never_found
            an_unknown_column_is_refused
            a_deleted_row_is_gone_everywhere
            views_and_generations_do_not_see_each_other
            preparing_again_is_harmless
            other_columns_under_a_known_id_are_refused
            odd_columns_are_refused
            many_rows_are_loaded_at_once
            parked_events_come_in_order_and_hold_their_lanes
            a_skipped_event_stays_listed_and_frees_its_lane
            a_parked_event_is_replaced_by_its_later_self
            generations_are_taken_one_revision_after_the_other
            a_snapshot_shows_all_views_as_of_one_moment
            snapshot_pages_join_without_gaps
            a_cleared_view_is_gone_and_no_other
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _alive) = $make().await;
                $crate::view_store::$case(store).await;
            }
        )+
    };
}

const COLUMNS: &[&str] = &["owner", "status"];

fn view() -> ViewId {
    ViewId::new("test-view", 1).unwrap()
}

/// One epoch for a whole case: epochs hold the time at which they were made.
struct Case {
    store: DynViewStore,
    epoch: LogEpoch,
}

impl Case {
    async fn of(store: DynViewStore) -> Self {
        store.prepare(&view(), COLUMNS).await.unwrap();
        Self { store, epoch: LogEpoch::new(&Host::seeded(1)) }
    }

    fn batch(&self, position: u64) -> ViewBatch {
        ViewBatch::at(Checkpoint { epoch: self.epoch, position: Position(position) })
    }

    async fn put(&self, position: u64, rows: &[(&str, StoredRow)]) {
        let puts = rows.iter().map(|(key, row)| ((*key).to_owned(), row.clone())).collect();
        self.store.commit(&view(), ViewBatch { puts, ..self.batch(position) }).await.unwrap();
    }

    async fn keys(&self, query: Query) -> Vec<String> {
        self.store.query(&view(), query).await.unwrap().into_iter().map(|(key, _)| key).collect()
    }

    async fn body(&self, key: &str) -> Option<String> {
        let row = self.store.get(&view(), key).await.unwrap();
        row.map(|row| row.body.decode().unwrap())
    }
}

fn row(body: &str) -> StoredRow {
    StoredRow {
        version: StreamVersion(1),
        position: Position(1),
        body: JsonBytes::of(body).unwrap(),
        columns: Columns::none(),
    }
}

fn owned(body: &str, owner: i64, status: &str) -> StoredRow {
    StoredRow { columns: Columns::none().with("owner", owner).with("status", status), ..row(body) }
}

fn parked(lane: &str, position: u64, attempts: u32) -> ParkedEvent {
    ParkedEvent {
        lane: lane.to_owned(),
        position: Position(position),
        id: format!("id-{position}"),
        kind: "OddHappened".to_owned(),
        payload: None,
        cause: "it is odd".to_owned(),
        attempts,
        first_at: Timestamp::from_micros(5),
        last_at: Timestamp::from_micros(7),
        skipped: None,
    }
}

/// Rule 1.
pub async fn a_batch_is_seen_with_its_checkpoint(store: DynViewStore) {
    let case = Case::of(store).await;
    assert_eq!(case.store.checkpoint(&view()).await.unwrap(), None);
    let batch = ViewBatch {
        puts: vec![("a".to_owned(), row("1")), ("b".to_owned(), row("2"))],
        parked: vec![parked("key/c", 6, 1)],
        ..case.batch(7)
    };
    case.store.commit(&view(), batch).await.unwrap();
    let checkpoint = case.store.checkpoint(&view()).await.unwrap().unwrap();
    assert_eq!((checkpoint.epoch, checkpoint.position), (case.epoch, Position(7)));
    assert_eq!(case.body("b").await.as_deref(), Some("2"));
    assert_eq!(case.store.parked_lanes(&view(), 10).await.unwrap(), ["key/c"]);
    case.put(8, &[("b", row("3"))]).await;
    assert_eq!((case.body("a").await.as_deref(), case.body("b").await.as_deref()), (Some("1"), Some("3")));
}

/// Rule 1: texts, numbers and versions come back unchanged.
pub async fn what_is_stored_is_what_was_given(store: DynViewStore) {
    let case = Case::of(store).await;
    let body =
        JsonBytes::of(&serde_json::json!({"text": "Žluťoučký 🐴 \"quoted\" ' ; --", "n": 1.5, "none": null})).unwrap();
    let given = StoredRow {
        version: StreamVersion(1 << 40),
        position: Position(1 << 41),
        body,
        columns: Columns::none().with("owner", i64::MIN).with("status", "it's"),
    };
    case.put(1 << 41, &[("a'b\"; DROP", given.clone())]).await;
    let read = case.store.get(&view(), "a'b\"; DROP").await.unwrap().unwrap();
    assert_eq!((read.version, read.position, &read.body), (given.version, given.position, &given.body));
    let found = Query::newest(1).having("owner", i64::MIN).having("status", "it's");
    assert_eq!(case.keys(found).await, ["a'b\"; DROP"]);
}

/// Rule 2.
pub async fn a_checkpoint_never_goes_back_and_nothing_of_such_a_batch_stays(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(7, &[("a", row("1"))]).await;
    let batch = ViewBatch {
        puts: vec![("a".to_owned(), row("2")), ("b".to_owned(), row("2"))],
        parked: vec![parked("key/c", 6, 1)],
        ..case.batch(6)
    };
    let refused = case.store.commit(&view(), batch).await.unwrap_err();
    assert_eq!((refused.outcome, refused.retry), (FaultOutcome::NotApplied, FaultRetry::Never));
    assert_eq!((case.body("a").await.as_deref(), case.body("b").await), (Some("1"), None));
    assert!(case.store.parked_lanes(&view(), 10).await.unwrap().is_empty());
    // The same position again is what an operator's verb commits.
    case.put(7, &[("a", row("3"))]).await;
}

/// Rule 2.
pub async fn a_batch_of_another_epoch_is_refused(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(7, &[("a", row("1"))]).await;
    let other = Checkpoint { epoch: LogEpoch::new(&Host::seeded(2)), position: Position(8) };
    let batch = ViewBatch { puts: vec![("a".to_owned(), row("2"))], ..ViewBatch::at(other) };
    let refused = case.store.commit(&view(), batch).await.unwrap_err();
    assert_eq!(refused.outcome, FaultOutcome::NotApplied);
    assert_eq!(case.body("a").await.as_deref(), Some("1"));
}

/// Rule 3.
pub async fn rows_come_in_the_order_of_their_keys(store: DynViewStore) {
    let case = Case::of(store).await;
    let given = ["b", "a", "ä", "Z", "10", "9", "c-1"];
    let rows: Vec<(&str, StoredRow)> = given.iter().map(|key| (*key, row("x"))).collect();
    case.put(1, &rows).await;
    let sorted: Vec<String> = given.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(case.keys(Query::oldest(100)).await, sorted);
    let backwards: Vec<String> = sorted.into_iter().rev().collect();
    assert_eq!(case.keys(Query::newest(100)).await, backwards);
}

/// Rule 3.
pub async fn pages_join_without_gaps_in_both_directions(store: DynViewStore) {
    let case = Case::of(store).await;
    let rows: Vec<(String, StoredRow)> = (0..25).map(|key| (format!("k{key:02}"), owned("x", key % 2, "on"))).collect();
    case.store.commit(&view(), ViewBatch { puts: rows, ..case.batch(1) }).await.unwrap();
    for newest_first in [false, true] {
        for filtered in [false, true] {
            let (mut seen, mut after) = (Vec::new(), None::<String>);
            loop {
                let query = Query { newest_first, ..Query::oldest(4) }.after(after.take());
                let page = case.keys(if filtered { query.having("owner", 1) } else { query }).await;
                assert!(page.len() <= 4);
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                seen.extend(page);
                // What is added before the cursor is not seen, and moves nothing.
                let before = if newest_first { format!("z{}", seen.len()) } else { format!("a{}", seen.len()) };
                case.put(1, &[(before.as_str(), owned("x", 1, "on"))]).await;
            }
            let expected = if filtered { 12 } else { 25 };
            let own: Vec<&String> = seen.iter().filter(|key| key.starts_with('k')).collect();
            assert_eq!(own.len(), expected, "newest first: {newest_first}, filtered: {filtered}");
            assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), expected);
        }
    }
}

/// Rule 3: several filters hold together.
pub async fn rows_are_found_by_all_of_their_columns(store: DynViewStore) {
    let case = Case::of(store).await;
    let rows = [("a", owned("x", 42, "on")), ("b", owned("x", 42, "off")), ("c", owned("x", 7, "on"))];
    case.put(1, &rows).await;
    assert_eq!(case.keys(Query::newest(9).having("owner", 42)).await, ["b", "a"]);
    assert_eq!(case.keys(Query::newest(9).having("owner", 42).having("status", "on")).await, ["a"]);
    assert_eq!(case.keys(Query::newest(9).having("owner", "42")).await, Vec::<String>::new());
}

/// Rule 1: a row's columns go with it.
pub async fn a_replaced_row_is_found_by_its_new_columns_only(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(1, &[("a", owned("x", 1, "on"))]).await;
    case.put(2, &[("a", owned("x", 1, "off"))]).await;
    assert_eq!(case.keys(Query::newest(9).having("status", "off")).await, ["a"]);
    assert!(case.keys(Query::newest(9).having("status", "on")).await.is_empty());
}

/// A column that a row does not set does not find it.
pub async fn an_absent_column_is_never_found(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(1, &[("a", row("x"))]).await;
    assert!(case.keys(Query::newest(9).having("status", "")).await.is_empty());
    assert!(case.keys(Query::newest(9).having("owner", 0)).await.is_empty());
    assert_eq!(case.keys(Query::newest(9)).await, ["a"]);
}

/// A mistake in a filter is told, not answered with nothing.
pub async fn an_unknown_column_is_refused(store: DynViewStore) {
    let case = Case::of(store).await;
    for odd in ["colour", "key", "owner = 1 OR 1", ""] {
        let refused = case.store.query(&view(), Query::newest(9).having(odd, 1)).await.unwrap_err();
        assert_eq!(refused.retry, FaultRetry::Never, "{odd}");
    }
}

/// Rule 1.
pub async fn a_deleted_row_is_gone_everywhere(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(1, &[("a", owned("x", 1, "on")), ("b", owned("x", 1, "on"))]).await;
    let deletes = vec!["a".to_owned(), "never-there".to_owned()];
    case.store.commit(&view(), ViewBatch { deletes, ..case.batch(2) }).await.unwrap();
    assert_eq!(case.body("a").await, None);
    assert_eq!(case.keys(Query::newest(9).having("owner", 1)).await, ["b"]);
    assert!(!case.store.load(&view(), vec!["a".to_owned()]).await.unwrap().contains_key("a"));
}

/// Rule 4.
pub async fn views_and_generations_do_not_see_each_other(store: DynViewStore) {
    let case = Case::of(store).await;
    let others = [ViewId::new("test-view", 2).unwrap(), ViewId::new("test-view-1", 1).unwrap()];
    for other in &others {
        case.store.prepare(other, COLUMNS).await.unwrap();
    }
    let batch = ViewBatch {
        puts: vec![("a".to_owned(), owned("x", 1, "on"))],
        parked: vec![parked("key/c", 3, 1)],
        ..case.batch(3)
    };
    case.store.commit(&view(), batch).await.unwrap();
    for other in &others {
        assert_eq!(case.store.checkpoint(other).await.unwrap(), None);
        assert!(case.store.get(other, "a").await.unwrap().is_none());
        assert!(case.store.query(other, Query::newest(9).having("owner", 1)).await.unwrap().is_empty());
        assert!(case.store.parked(other, ParkedFilter::default()).await.unwrap().is_empty());
    }
}

/// Rule 5.
pub async fn preparing_again_is_harmless(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(3, &[("a", row("1"))]).await;
    case.store.prepare(&view(), COLUMNS).await.unwrap();
    assert_eq!(case.body("a").await.as_deref(), Some("1"));
    assert_eq!(case.store.checkpoint(&view()).await.unwrap().unwrap().position, Position(3));
}

/// Rule 5.
pub async fn other_columns_under_a_known_id_are_refused(store: DynViewStore) {
    let case = Case::of(store).await;
    case.put(3, &[("a", owned("x", 1, "on"))]).await;
    let refused = case.store.prepare(&view(), &["owner"]).await.unwrap_err();
    assert_eq!(refused.retry, FaultRetry::Never);
    assert_eq!(case.keys(Query::newest(9).having("status", "on")).await, ["a"]);
}

/// Rule 5: names that an engine could take for something else.
pub async fn odd_columns_are_refused(store: DynViewStore) {
    let odd: [&'static [&'static str]; 5] = [&["a", "b", "c", "d", "e"], &["a", "a"], &["A"], &["a;b"], &[""]];
    for columns in odd {
        assert!(store.prepare(&view(), columns).await.is_err(), "{columns:?}");
    }
}

/// A whole batch's rows in one call.
pub async fn many_rows_are_loaded_at_once(store: DynViewStore) {
    let case = Case::of(store).await;
    let key = |index: usize| format!("key-{index:05}");
    let puts = (0..5_000).map(|index| (key(index), row(&index.to_string()))).collect();
    case.store.commit(&view(), ViewBatch { puts, ..case.batch(1) }).await.unwrap();
    let loaded = case.store.load(&view(), (0..10_000).map(key).collect()).await.unwrap();
    assert_eq!(loaded.len(), 5_000);
    assert_eq!(loaded[&key(4_321)].body, JsonBytes::of("4321").unwrap());
}

/// Parked events come in the order of the log; a lane is held while one waits.
pub async fn parked_events_come_in_order_and_hold_their_lanes(store: DynViewStore) {
    let case = Case::of(store).await;
    let events = vec![parked("key/b", 9, 0), parked("key/a", 3, 1), parked("key/b", 4, 1), parked("key/a", 9, 0)];
    case.store.commit(&view(), ViewBatch { parked: events, ..case.batch(9) }).await.unwrap();
    let positions = |events: Vec<ParkedEvent>| events.into_iter().map(|event| event.position.0).collect::<Vec<_>>();
    let all = case.store.parked(&view(), ParkedFilter::default()).await.unwrap();
    assert_eq!(all[0], parked("key/a", 3, 1));
    assert_eq!(positions(all), [3, 4, 9, 9]);
    let lane = case.store.parked(&view(), ParkedFilter::waiting_in("key/b")).await.unwrap();
    assert_eq!(positions(lane), [4, 9]);
    let later = ParkedFilter { after: Position(4), limit: 1, ..ParkedFilter::default() };
    assert_eq!(positions(case.store.parked(&view(), later).await.unwrap()), [9]);
    assert_eq!(case.store.parked_lanes(&view(), 10).await.unwrap(), ["key/a", "key/b"]);
    assert_eq!(case.store.parked_lanes(&view(), 1).await.unwrap().len(), 1);
    let unparked = vec![("key/b".to_owned(), Position(4)), ("key/b".to_owned(), Position(9))];
    case.store.commit(&view(), ViewBatch { unparked, ..case.batch(9) }).await.unwrap();
    assert_eq!(case.store.parked_lanes(&view(), 10).await.unwrap(), ["key/a"]);
}

/// A skip is on record for ever.
pub async fn a_skipped_event_stays_listed_and_frees_its_lane(store: DynViewStore) {
    let case = Case::of(store).await;
    case.store.commit(&view(), ViewBatch { parked: vec![parked("key/a", 3, 1)], ..case.batch(3) }).await.unwrap();
    let at = Timestamp::from_micros(99);
    let skip = Skipped { lane: "key/a".to_owned(), position: Position(3), reason: "anna: a test".to_owned(), at };
    case.store.commit(&view(), ViewBatch { skipped: vec![skip], ..case.batch(3) }).await.unwrap();
    assert!(case.store.parked_lanes(&view(), 10).await.unwrap().is_empty());
    assert!(case.store.parked(&view(), ParkedFilter::waiting_in("key/a")).await.unwrap().is_empty());
    let listed = case.store.parked(&view(), ParkedFilter::default()).await.unwrap();
    assert_eq!((listed[0].skipped.as_deref(), listed[0].last_at), (Some("anna: a test"), at));
}

/// A retry that failed updates the event's count and cause.
pub async fn a_parked_event_is_replaced_by_its_later_self(store: DynViewStore) {
    let case = Case::of(store).await;
    case.store.commit(&view(), ViewBatch { parked: vec![parked("key/a", 3, 1)], ..case.batch(3) }).await.unwrap();
    case.store.commit(&view(), ViewBatch { parked: vec![parked("key/a", 3, 2)], ..case.batch(3) }).await.unwrap();
    let listed = case.store.parked(&view(), ParkedFilter::default()).await.unwrap();
    assert_eq!(listed, [parked("key/a", 3, 2)]);
}

/// Rule 6.
pub async fn generations_are_taken_one_revision_after_the_other(store: DynViewStore) {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    assert_eq!(store.generations("test-view").await.unwrap(), None);
    let first = Generations::first(3, now);
    let begun = first.begun(4, true, now).unwrap();
    let refused = store.arrange("test-view", &begun).await.unwrap_err();
    assert_eq!((refused.retry, refused.outcome), (FaultRetry::Never, FaultOutcome::NotApplied));
    store.arrange("test-view", &first).await.unwrap();
    store.arrange("test-view", &begun).await.unwrap();
    for stale in [&first, &begun] {
        store.arrange("test-view", stale).await.unwrap_err();
    }
    assert_eq!(store.generations("test-view").await.unwrap(), Some(begun));
    assert_eq!(store.generations("other-view").await.unwrap(), None);
    store.arrange("other-view", &first).await.unwrap();
}

/// Rule 7.
pub async fn a_snapshot_shows_all_views_as_of_one_moment(store: DynViewStore) {
    let case = Case::of(store).await;
    let second = ViewId::new("test-view", 2).unwrap();
    case.store.prepare(&second, COLUMNS).await.unwrap();
    case.put(1, &[("a", owned("1", 7, "new")), ("b", row("1"))]).await;
    let puts = vec![("a".to_owned(), owned("2", 8, "old"))];
    case.store.commit(&second, ViewBatch { puts, ..case.batch(5) }).await.unwrap();
    let snapshot = case.store.snapshot().await.unwrap();
    case.put(2, &[("a", row("3")), ("c", row("3"))]).await;
    case.store.commit(&second, ViewBatch { deletes: vec!["a".to_owned()], ..case.batch(6) }).await.unwrap();
    let at = |checkpoint: Option<Checkpoint>| checkpoint.unwrap().position;
    assert_eq!(at(snapshot.checkpoint(&view()).await.unwrap()), Position(1));
    assert_eq!(at(snapshot.checkpoint(&second).await.unwrap()), Position(5));
    assert_eq!(snapshot.checkpoint(&ViewId::new("test-view", 3).unwrap()).await.unwrap(), None);
    let rows = snapshot.rows(&view(), None, 10).await.unwrap();
    assert_eq!(rows, vec![("a".to_owned(), owned("1", 7, "new")), ("b".to_owned(), row("1"))]);
    let rows = snapshot.rows(&second, None, 10).await.unwrap();
    assert_eq!(rows, vec![("a".to_owned(), owned("2", 8, "old"))]);
    assert_eq!(at(case.store.checkpoint(&view()).await.unwrap()), Position(2));
}

/// Rules 3 and 7.
pub async fn snapshot_pages_join_without_gaps(store: DynViewStore) {
    let case = Case::of(store).await;
    let keys: Vec<String> = (0..25).map(|n| format!("key-{n:02}")).collect();
    let rows: Vec<(&str, StoredRow)> = keys.iter().map(|key| (key.as_str(), row(key))).collect();
    case.put(1, &rows).await;
    let snapshot = case.store.snapshot().await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = snapshot.rows(&view(), after, 7).await.unwrap();
        assert!(page.len() <= 7);
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        seen.extend(page.into_iter().map(|(key, _)| key));
    }
    assert_eq!(seen, keys);
}

/// Rule 8.
pub async fn a_cleared_view_is_gone_and_no_other(store: DynViewStore) {
    let case = Case::of(store).await;
    let second = ViewId::new("test-view", 2).unwrap();
    case.store.prepare(&second, COLUMNS).await.unwrap();
    let puts = || (0..30).map(|n| (format!("key-{n:02}"), owned("1", n, "new"))).collect::<Vec<_>>();
    let parked = || vec![parked("key/a", 1, 1)];
    for id in [&view(), &second] {
        let batch = ViewBatch { puts: puts(), parked: parked(), ..case.batch(5) };
        case.store.commit(id, batch).await.unwrap();
    }
    let mut turns = 0;
    while !case.store.clear(&second, 7).await.unwrap() {
        turns += 1;
        assert!(turns < 20, "clearing does not come to its end");
    }
    assert!(turns >= 4, "a few rows at a time, not {turns} turns");
    assert!(case.store.clear(&second, 7).await.unwrap(), "it is cleared already");
    assert_eq!(case.keys(Query::oldest(100)).await.len(), 30);
    assert_eq!(case.store.parked(&view(), ParkedFilter::default()).await.unwrap().len(), 1);
    case.store.prepare(&second, COLUMNS).await.unwrap();
    assert_eq!(case.store.checkpoint(&second).await.unwrap(), None);
    assert!(case.store.query(&second, Query::oldest(100)).await.unwrap().is_empty());
    assert!(case.store.parked(&second, ParkedFilter::default()).await.unwrap().is_empty());
}
