//! The contract of [`Sink`](madrigal_cdc::Sink): one function for each rule, run on an empty sink.
//!
//! [`sink_suite!`](crate::sink_suite) makes a test of each for an implementation.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use madrigal_cdc::{Applied, ApplyError, CopyRow, DynSink, Repaired, Row, SinkBatch, Value, Write};
use madrigal_core::{FaultOutcome, FaultRetry, Host, LogEpoch, LogName, Position, RowVersion};
use madrigal_projection::Checkpoint;

/// Makes one test for each case. `$make` is an async function that returns a sink and whatever keeps it alive.
#[macro_export]
macro_rules! sink_suite {
    ($make:path) => {
        $crate::sink_suite!(@cases $make:
            an_older_row_never_replaces_a_newer
            a_tombstone_refuses_everything_older_for_ever
            an_equal_version_changes_nothing
            a_later_epoch_beats_every_count_before_it
            a_row_that_tells_some_columns_is_applied_on_the_version_before_it_only
            writers_at_the_same_time_leave_the_newest
            how_far_it_is_never_goes_back_and_is_kept_per_log
            another_epoch_of_the_log_is_refused_until_it_is_adopted
            a_repair_writes_where_the_copy_is_what_was_seen
            a_repair_of_something_else_is_refused_and_says_what_is_there
            copies_are_listed_in_order_with_tombstones
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (sink, _alive) = $make().await;
                $crate::sink::$case(sink).await;
            }
        )+
    };
}

fn version(count: u64) -> RowVersion {
    RowVersion::new(1, count).unwrap()
}

fn row(name: &str) -> Row {
    Row::new().with("name", name).with("note", "it's \"žluť\"").with("age", 7)
}

fn put(key: &str, count: u64, name: &str) -> Write {
    Write { key: key.to_owned(), version: version(count), row: Some(row(name)) }
}

fn tombstone(key: &str, count: u64) -> Write {
    Write { key: key.to_owned(), version: version(count), row: None }
}

fn copy(count: u64, name: &str) -> Option<CopyRow> {
    Some(CopyRow { version: version(count), row: Some(row(name)) })
}

fn log(name: &str) -> LogName {
    LogName::parse(name).unwrap()
}

fn epoch(seed: u64) -> LogEpoch {
    LogEpoch::new(&Host::seeded(seed))
}

fn at(epoch: LogEpoch, position: u64) -> Checkpoint {
    Checkpoint { epoch, position: Position(position) }
}

async fn apply(sink: &DynSink, writes: Vec<Write>) -> Vec<Applied> {
    sink.apply(SinkBatch { log: log("users"), writes, through: None }).await.unwrap()
}

/// In one batch or in several.
pub async fn an_older_row_never_replaces_a_newer(sink: DynSink) {
    let became = apply(&sink, vec![put("a", 2, "two"), put("a", 1, "one"), put("a", 3, "three")]).await;
    assert_eq!(became, [Applied::Applied, Applied::Older, Applied::Applied]);
    assert_eq!(apply(&sink, vec![put("a", 2, "two"), put("b", 1, "b")]).await, [Applied::Older, Applied::Applied]);
    assert_eq!(sink.get("a").await.unwrap(), copy(3, "three"));
    assert_eq!(sink.get("c").await.unwrap(), None);
}

/// Whether there was a row or not.
pub async fn a_tombstone_refuses_everything_older_for_ever(sink: DynSink) {
    let became = apply(&sink, vec![tombstone("never", 5), put("a", 1, "one"), tombstone("a", 4)]).await;
    assert_eq!(became, [Applied::Applied, Applied::Applied, Applied::Applied]);
    let became = apply(&sink, vec![put("never", 4, "x"), put("a", 3, "x"), put("a", 4, "x"), tombstone("a", 3)]).await;
    assert_eq!(became, [Applied::Older, Applied::Older, Applied::Repeated, Applied::Older]);
    for (key, count) in [("never", 5), ("a", 4)] {
        assert_eq!(sink.get(key).await.unwrap(), Some(CopyRow { version: version(count), row: None }));
    }
    assert_eq!(apply(&sink, vec![put("a", 5, "back")]).await, [Applied::Applied], "a newer row is a row");
}

/// Whatever it tells: comparing contents is the monitor's.
pub async fn an_equal_version_changes_nothing(sink: DynSink) {
    let became = apply(&sink, vec![put("a", 1, "one"), put("a", 1, "other"), tombstone("a", 1)]).await;
    assert_eq!(became, [Applied::Applied, Applied::Repeated, Applied::Repeated]);
    assert_eq!(sink.get("a").await.unwrap(), copy(1, "one"));
}

/// What is written after a restore is newer than what any copy has.
pub async fn a_later_epoch_beats_every_count_before_it(sink: DynSink) {
    let last = Write { version: RowVersion::new(1, RowVersion::MAX_COUNT).unwrap(), ..put("a", 1, "old") };
    let restored = Write { version: RowVersion::new(2, 1).unwrap(), ..put("a", 1, "restored") };
    assert_eq!(
        apply(&sink, vec![last.clone(), restored, last]).await,
        [Applied::Applied, Applied::Applied, Applied::Older]
    );
}

/// Never NULL, never a guess.
pub async fn a_row_that_tells_some_columns_is_applied_on_the_version_before_it_only(sink: DynSink) {
    let partial = |count: u64, name: &str| {
        let row = row(name).with("note", Value::Unchanged).with("age", Value::Null);
        Write { row: Some(row), ..put("a", count, name) }
    };
    assert_eq!(apply(&sink, vec![partial(1, "one")]).await, [Applied::Incomplete]);
    assert_eq!(sink.get("a").await.unwrap(), None);
    apply(&sink, vec![put("a", 1, "one")]).await;
    assert_eq!(apply(&sink, vec![partial(3, "three")]).await, [Applied::Incomplete], "version 2 may have changed it");
    assert_eq!(sink.get("a").await.unwrap(), copy(1, "one"));
    assert_eq!(apply(&sink, vec![partial(2, "two"), partial(1, "one")]).await, [Applied::Applied, Applied::Older]);
    let kept = sink.get("a").await.unwrap().unwrap().row.unwrap();
    assert_eq!(kept, row("two").with("age", Value::Null));
    apply(&sink, vec![tombstone("a", 3)]).await;
    assert_eq!(apply(&sink, vec![partial(4, "four")]).await, [Applied::Incomplete]);
}

/// Whoever comes first.
pub async fn writers_at_the_same_time_leave_the_newest(sink: DynSink) {
    let writer = |first: u64| {
        let sink = sink.clone();
        async move {
            for count in (first..=60).step_by(3) {
                apply(&sink, vec![put("a", count, &format!("v{count}")), put(&format!("k{first}"), count, "x")]).await;
            }
        }
    };
    tokio::join!(writer(1), writer(2), writer(3));
    assert_eq!(sink.get("a").await.unwrap(), copy(60, "v60"));
}

/// Rows that come late are refused by their versions, not by the place.
pub async fn how_far_it_is_never_goes_back_and_is_kept_per_log(sink: DynSink) {
    let epoch = epoch(1);
    let batch = |name: &str, through: Option<u64>, writes| SinkBatch {
        log: log(name),
        writes,
        through: through.map(|position| at(epoch, position)),
    };
    assert_eq!(sink.applied_through(&log("users")).await.unwrap(), None);
    sink.apply(batch("users", Some(7), vec![put("a", 1, "one")])).await.unwrap();
    sink.apply(batch("users", None, vec![put("a", 2, "two")])).await.unwrap();
    sink.apply(batch("users", Some(3), vec![put("b", 1, "late")])).await.unwrap();
    assert_eq!(sink.applied_through(&log("users")).await.unwrap(), Some(at(epoch, 7)));
    assert_eq!(sink.get("b").await.unwrap(), copy(1, "late"));
    sink.apply(batch("users", Some(9), Vec::new())).await.unwrap();
    sink.apply(batch("orders", Some(2), Vec::new())).await.unwrap();
    assert_eq!(sink.applied_through(&log("users")).await.unwrap(), Some(at(epoch, 9)), "a quiet table advances too");
    assert_eq!(sink.applied_through(&log("orders")).await.unwrap(), Some(at(epoch, 2)));
}

/// And nothing of the batch is applied.
pub async fn another_epoch_of_the_log_is_refused_until_it_is_adopted(sink: DynSink) {
    let (before, after) = (epoch(1), epoch(2));
    let batch =
        |through, name| SinkBatch { log: log("users"), writes: vec![put(name, 1, name)], through: Some(through) };
    sink.apply(batch(at(before, 7), "a")).await.unwrap();
    let refused = sink.apply(batch(at(after, 9), "b")).await;
    assert!(
        matches!(refused, Err(ApplyError::OtherEpoch { copy, batch }) if copy == before && batch == after),
        "{refused:?}"
    );
    assert_eq!(sink.get("b").await.unwrap(), None);
    assert_eq!(sink.applied_through(&log("users")).await.unwrap(), Some(at(before, 7)));
    sink.adopt(&log("users"), at(after, 2)).await.unwrap();
    assert_eq!(sink.applied_through(&log("users")).await.unwrap(), Some(at(after, 2)));
    sink.apply(batch(at(after, 9), "b")).await.unwrap();
    assert!(sink.apply(batch(at(before, 20), "c")).await.is_err());
}

/// Also an equal or an older version: the owner's word counts.
pub async fn a_repair_writes_where_the_copy_is_what_was_seen(sink: DynSink) {
    assert_eq!(sink.repair(None, put("a", 3, "made")).await.unwrap(), Repaired::Repaired);
    assert_eq!(sink.repair(copy(3, "made"), put("a", 3, "right")).await.unwrap(), Repaired::Repaired);
    assert_eq!(sink.get("a").await.unwrap(), copy(3, "right"));
    assert_eq!(sink.repair(copy(3, "right"), put("a", 2, "older")).await.unwrap(), Repaired::Repaired);
    assert_eq!(sink.get("a").await.unwrap(), copy(2, "older"));
    assert_eq!(sink.repair(copy(2, "older"), tombstone("a", 4)).await.unwrap(), Repaired::Repaired);
    assert_eq!(sink.get("a").await.unwrap(), Some(CopyRow { version: version(4), row: None }));
}

/// Another version, other content, a tombstone, nothing.
pub async fn a_repair_of_something_else_is_refused_and_says_what_is_there(sink: DynSink) {
    apply(&sink, vec![put("a", 3, "there"), tombstone("gone", 2)]).await;
    let gone = Some(CopyRow { version: version(2), row: None });
    for (key, seen, there) in [
        ("a", None, copy(3, "there")),
        ("a", copy(2, "there"), copy(3, "there")),
        ("a", copy(3, "other"), copy(3, "there")),
        ("gone", None, gone.clone()),
        ("gone", copy(2, "was"), gone),
        ("nobody", copy(1, "was"), None),
    ] {
        let answer = sink.repair(seen, put(key, 9, "repaired")).await.unwrap();
        assert_eq!(answer, Repaired::SeenOther(there.clone()), "{key}");
        assert_eq!(sink.get(key).await.unwrap(), there);
    }
    let partial = Write { row: Some(row("x").with("note", Value::Unchanged)), ..put("a", 4, "x") };
    let refused = sink.repair(copy(3, "there"), partial).await.unwrap_err();
    assert_eq!((refused.retry, refused.outcome), (FaultRetry::Never, FaultOutcome::NotApplied));
}

/// In parts of any size.
pub async fn copies_are_listed_in_order_with_tombstones(sink: DynSink) {
    apply(&sink, vec![put("b", 1, "b"), put("a", 1, "a"), tombstone("c", 1), put("a/b", 1, "x")]).await;
    for limit in [1, 3, 9] {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let some = sink.scan(keys.last().map(String::as_str), limit).await.unwrap();
            assert!(some.len() <= limit);
            if some.is_empty() {
                break;
            }
            keys.extend(some.into_iter().map(|(key, _)| key));
        }
        assert_eq!(keys, ["a", "a/b", "b", "c"], "{limit} at once");
    }
}
