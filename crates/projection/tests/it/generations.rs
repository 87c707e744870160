//! A candidate is built beside what serves, compared, and switched to in one step.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use madrigal_conformance::projection_kit::{CommitFate, FailingViews, ViewImage};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, JsonBytes, Position, PositionToken, RecordedEvent};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{
    Accepted, ApplyError, CandidateState, Checkpoint, Columns, DynManaged, DynViewStore, Interest, MemoryViews,
    OperateError, ParkedFilter, Projection, ProjectionRunner, Query, Refusal, RunnerOptions, ServingState, Verdict,
    ViewBatch, ViewId,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::shop::{Cart, Carts, append, cart, item, log};

/// Carts whose code can be of another version: prices count `factor` times, `strict` ones have other columns.
struct Versioned {
    version: u32,
    factor: Arc<AtomicI64>,
    columns: &'static [&'static str],
    mended: Arc<AtomicBool>,
}

impl Versioned {
    fn of(version: u32, factor: i64) -> Self {
        let mended = Arc::new(AtomicBool::new(false));
        Self { version, factor: Arc::new(AtomicI64::new(factor)), columns: &["owner"], mended }
    }
}

impl Projection for Versioned {
    type Row = Cart;

    fn name(&self) -> &'static str {
        "carts"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn column_names(&self) -> &'static [&'static str] {
        self.columns
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Carts.keys(event)
    }

    fn apply(&self, key: &str, row: Option<Cart>, event: &RecordedEvent) -> Result<Option<Cart>, ApplyError> {
        if self.mended.load(Ordering::SeqCst) && event.decode::<serde_json::Value>()?["price"] == -1 {
            return Ok(row);
        }
        let before = row.as_ref().map_or(0, |cart| cart.total);
        let after = Carts.apply(key, row, event)?;
        let factor = self.factor.load(Ordering::SeqCst);
        Ok(after.map(|cart| Cart { total: before + (cart.total - before) * factor, ..cart }))
    }

    fn columns(&self, row: &Cart) -> Columns {
        self.columns.iter().fold(Columns::none(), |columns, name| columns.with(name, row.owner))
    }
}

/// The same name with a row that old rows do not have the form of.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    label: String,
}

struct Renamed;

impl Projection for Renamed {
    type Row = Named;

    fn name(&self) -> &'static str {
        "carts"
    }

    fn version(&self) -> u32 {
        2
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["owner"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(Interest::own(event))
    }

    fn apply(&self, key: &str, _: Option<Named>, _: &RecordedEvent) -> Result<Option<Named>, ApplyError> {
        Ok(Some(Named { label: format!("cart {key}") }))
    }

    fn columns(&self, _: &Named) -> Columns {
        Columns::none()
    }
}

fn runner<P: Projection>(projection: P, log: &DynEventStore, views: &DynViewStore) -> ProjectionRunner<P> {
    let options = RunnerOptions { batch: 10, batch_behind: 10, ..RunnerOptions::for_service("tests") };
    ProjectionRunner::new(projection, Arc::clone(log), Arc::clone(views), Host::system(), options).unwrap()
}

fn views() -> DynViewStore {
    Arc::new(MemoryViews::new())
}

/// A log with `carts` carts of two items.
async fn filled(carts: usize) -> DynEventStore {
    let log = log();
    for n in 0..carts {
        cart(&log, &format!("{n:03}"), i64::try_from(n).unwrap()).await;
        item(&log, &format!("{n:03}"), 2).await;
        item(&log, &format!("{n:03}"), 3).await;
    }
    log
}

fn refusal<T: std::fmt::Debug>(result: Result<T, OperateError>) -> Refusal {
    match result.unwrap_err() {
        OperateError::Refused(refusal) => refusal,
        OperateError::Fault(fault) => panic!("{}", fault.chain()),
    }
}

async fn until(what: &str, managed: &DynManaged, holds: impl Fn(&madrigal_projection::ProjectionStatus) -> bool) {
    let waited = tasks::within(Duration::from_secs(60), async {
        while !holds(&managed.status().await.unwrap()) {
            tasks::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_some(), "never: {what}");
}

#[tokio::test]
async fn a_rebuild_is_compared_switched_to_confirmed_and_the_old_rows_go() {
    let (log, views) = (filled(30).await, views());
    let runner = runner(Carts, &log, &views);
    runner.catch_up().await.unwrap();
    let (managed, reader, first) = (runner.managed(), runner.reader(), runner.view());
    let begun = managed.rebuild().await.unwrap();
    assert_eq!((begun.generation, begun.candidate.unwrap().state), (1, CandidateState::Building));
    assert_eq!(refusal(managed.rebuild().await), Refusal::CandidateExists { generation: 2 });
    assert_eq!(refusal(managed.switch(None).await), Refusal::Behind { events: 90 });
    assert_eq!(refusal(managed.compare().await), Refusal::Behind { events: 90 });
    assert_eq!(reader.get("007").await.unwrap().unwrap().row.total, 5, "reads are served meanwhile");

    runner.catch_up().await.unwrap();
    assert_eq!(refusal(managed.switch(None).await), Refusal::NotCompared);
    let compared = managed.compare().await.unwrap();
    assert_eq!((compared.compared.verdict, compared.compared.rows), (Verdict::Equal, 30));
    assert_eq!(compared.compared.position, Position(90));
    assert_eq!(managed.status().await.unwrap().candidate.unwrap().compared, Some(compared.compared));
    item(&log, "007", 4).await;
    let switched = managed.switch(None).await.unwrap();
    assert_eq!((switched.generation, switched.previous.unwrap().generation), (2, 1));
    assert_eq!((runner.view().generation(), switched.candidate), (2, None));
    runner.catch_up().await.unwrap();
    assert_eq!(reader.get("007").await.unwrap().unwrap().row.total, 9, "the new one follows");

    assert!(views.get(&first, "007").await.unwrap().is_some(), "kept until it is confirmed");
    assert_eq!(refusal(managed.discard().await), Refusal::NoCandidate);
    assert_eq!(managed.confirm().await.unwrap().previous, None);
    assert_eq!(refusal(managed.confirm().await), Refusal::NoPrevious);
    let stop = StopSignal::new();
    let gone = async {
        while views.generations("carts").await.unwrap().unwrap().dropped == [1] {
            tasks::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(runner.run(stop.clone()), gone);
    ran.unwrap();
    views.get(&first, "007").await.unwrap_err();
    assert_eq!(reader.query(Query::oldest(100)).await.unwrap().len(), 30);
}

/// What does not serve any more is not missed: the same run follows the candidate from the switch on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_never_go_back_while_a_candidate_takes_over() {
    let (log, views) = (filled(40).await, views());
    let runner = runner(Carts, &log, &views);
    let (managed, reader, stop) = (runner.managed(), runner.reader(), StopSignal::new());
    let running = tasks::spawn("runner", {
        let (runner, stop) = (runner.clone(), stop.clone());
        async move { runner.run(stop).await }
    });
    let writing = tasks::spawn("writer", {
        let (log, stop) = (Arc::clone(&log), stop.clone());
        async move {
            let mut n = 0;
            while !stop.is_cancelled() {
                item(&log, &format!("{:03}", n % 40), 1).await;
                n += 1;
                // Not so fast that nothing could ever catch up.
                tasks::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let generations = Arc::new(AtomicU32::new(1));
    let reading: Vec<_> = (0..3)
        .map(|of| {
            let (log, reader, stop) = (Arc::clone(&log), reader.clone(), stop.clone());
            let generations = Arc::clone(&generations);
            tasks::spawn("reader", async move {
                let (mut seen, mut reads): (HashMap<String, (u64, i64)>, usize) = (HashMap::new(), 0);
                let mut applied = Position::START;
                while !stop.is_cancelled() {
                    let key = format!("{:03}", (reads * 7 + of) % 40);
                    if reads.is_multiple_of(5) {
                        let token = PositionToken::of(log.log().clone(), log.epoch(), log.end());
                        let end = log.end();
                        reader.wait_for(&token, Duration::from_secs(30)).await.unwrap();
                        assert!(reader.applied_through().unwrap().position >= end, "what was waited for is there");
                    }
                    if let Some(at) = reader.applied_through() {
                        assert!(at.position >= applied, "the view went back from {applied} to {}", at.position);
                        applied = at.position;
                    }
                    for row in [reader.get(&key).await.unwrap()].into_iter().flatten() {
                        let now = (row.position.0, row.row.total);
                        let before = seen.insert(row.key.clone(), now).unwrap_or_default();
                        assert!(now.0 >= before.0 && now.1 >= before.1, "{key} went back from {before:?} to {now:?}");
                    }
                    let page = reader.query(Query::oldest(1_000)).await.unwrap();
                    let newest = page.iter().map(|row| row.position).max();
                    for row in page {
                        let now = (row.position.0, row.row.total);
                        let before = seen.insert(row.key.clone(), now).unwrap_or_default();
                        assert!(now.0 >= before.0 && now.1 >= before.1, "{} went back: {before:?}, {now:?}", row.key);
                    }
                    assert!(newest <= Some(log.end()));
                    generations.fetch_max(reader.view().generation(), Ordering::SeqCst);
                    reads += 1;
                    tokio::task::yield_now().await;
                }
                reads
            })
        })
        .collect();
    for round in 2..=6 {
        managed.rebuild().await.unwrap();
        until("caught up", &managed, |status| {
            status.candidate.as_ref().is_some_and(|candidate| candidate.state == CandidateState::CaughtUp)
        })
        .await;
        let compared = managed.compare().await.unwrap();
        assert_eq!(compared.compared.verdict, Verdict::Equal, "no false differences: {:?}", compared.differences);
        assert_eq!(managed.switch(None).await.unwrap().generation, round);
    }
    until("followed", &managed, |status| status.state == ServingState::Serving).await;
    while generations.load(Ordering::SeqCst) < 6 {
        tasks::sleep(Duration::from_millis(1)).await;
    }
    stop.cancel();
    for reader in reading {
        assert!(reader.await.unwrap() > 10);
    }
    writing.await.unwrap();
    running.await.unwrap().unwrap();
}

/// The clock stands still but for sleeping: a sleep lets everything happen that can.
#[tokio::test(start_paused = true)]
async fn a_read_that_began_before_a_switch_sees_all_of_its_rows() {
    let log = filled(30).await;
    let permits = Arc::new(Semaphore::new(0));
    let views: DynViewStore = Arc::new(FailingViews::new(views(), |_| CommitFate::Works).reading(permits.clone()));
    let runner = runner(Carts, &log, &views);
    let (managed, reader, stop) = (runner.managed(), runner.reader(), StopSignal::new());
    runner.catch_up().await.unwrap();
    let running = tasks::spawn("runner", {
        let (runner, stop) = (runner.clone(), stop.clone());
        async move { runner.run(stop).await }
    });
    let reading = tasks::spawn("reader", async move { reader.query(Query::oldest(1_000)).await });
    tasks::sleep(Duration::from_secs(1)).await;
    managed.rebuild().await.unwrap();
    until("caught up", &managed, |status| {
        status.candidate.as_ref().is_some_and(|candidate| candidate.state == CandidateState::CaughtUp)
    })
    .await;
    managed.compare().await.unwrap();
    managed.switch(None).await.unwrap();
    managed.confirm().await.unwrap();
    tasks::sleep(Duration::from_secs(10)).await;
    permits.add_permits(1);
    assert_eq!(reading.await.unwrap().unwrap().len(), 30);
    tasks::sleep(Duration::from_secs(10)).await;
    permits.add_permits(1);
    let old = views.query(&ViewId::new("carts", 1).unwrap(), Query::oldest(1)).await;
    assert!(old.is_err(), "the rows of what was dropped go when nobody reads them: {old:?}");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn planted_differences_are_found_and_must_be_accepted() {
    let (log, views) = (filled(30).await, views());
    let runner = runner(Carts, &log, &views);
    runner.catch_up().await.unwrap();
    let managed = runner.managed();
    managed.rebuild().await.unwrap();
    runner.catch_up().await.unwrap();
    let second = ViewId::new("carts", 2).unwrap();
    let at = Checkpoint { epoch: log.epoch(), position: log.end() };
    let mut wrong = views.get(&second, "003").await.unwrap().unwrap();
    wrong.body = JsonBytes::of(&Cart { owner: 3, items: Vec::new(), total: 5 }).unwrap();
    wrong.columns = Columns::none().with("owner", 3);
    let mut column = views.get(&second, "004").await.unwrap().unwrap();
    column.columns = Columns::none().with("owner", 99);
    let extra = ("999".to_owned(), column.clone());
    let puts = vec![("003".to_owned(), wrong), ("004".to_owned(), column), extra];
    let deletes = vec!["005".to_owned()];
    views.commit(&second, ViewBatch { puts, deletes, ..ViewBatch::at(at) }).await.unwrap();

    let found = managed.compare().await.unwrap();
    let keys: Vec<&str> = found.differences.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!((found.compared.differing, found.compared.rows, keys), (4, 31, vec!["003", "004", "005", "999"]));
    assert_eq!(refusal(managed.switch(None).await), Refusal::Different { differing: 4 });
    let accept = |reason: &str| Some(Accepted { reason: reason.to_owned() });
    assert_eq!(refusal(managed.switch(accept("  ")).await), Refusal::NoReason);
    assert_eq!(managed.switch(accept("anna: planted")).await.unwrap().generation, 2);
    assert_eq!(runner.reader().get("003").await.unwrap().unwrap().row.items.len(), 0);
}

#[tokio::test]
async fn a_parked_key_of_the_candidate_holds_the_switch_until_it_is_settled() {
    let (log, views) = (filled(3).await, views());
    item(&log, "001", -1).await;
    item(&log, "001", 7).await;
    let projection = Versioned::of(1, 1);
    let mended = Arc::clone(&projection.mended);
    let runner = runner(projection, &log, &views);
    runner.catch_up().await.unwrap();
    let managed = runner.managed();
    let status = managed.status().await.unwrap();
    assert_eq!((status.state, status.parked_keys), (ServingState::Parked, 1));
    let why = managed.why_stalled().await.unwrap();
    assert_eq!(why.cause, "parked-keys");
    assert!(why.detail.unwrap().contains("key/001: a negative price"));
    managed.rebuild().await.unwrap();
    runner.catch_up().await.unwrap();
    assert_eq!(managed.compare().await.unwrap().compared.verdict, Verdict::Equal);
    assert_eq!(refusal(managed.switch(None).await), Refusal::Parked { keys: 1 });
    let parked = managed.parked(ParkedFilter::default()).await.unwrap();
    let shown: Vec<(u32, u64)> = parked.iter().map(|parked| (parked.generation, parked.event.position.0)).collect();
    assert_eq!(shown, [(1, 10), (2, 10), (1, 11), (2, 11)]);

    assert_eq!(refusal(managed.retry("002").await), Refusal::NothingParked { key: "002".to_owned() });
    let failed = managed.retry("001").await.unwrap();
    assert_eq!((failed.applied, failed.cause.as_deref()), (0, Some("a negative price")));
    assert_eq!(
        managed.status().await.unwrap().candidate.unwrap().compared,
        None,
        "what was compared does not count now"
    );
    mended.store(true, Ordering::SeqCst);
    assert_eq!(managed.retry("key/001").await.unwrap().applied, 4, "two in each generation");
    assert_eq!(refusal(managed.switch(None).await), Refusal::NotCompared);
    assert_eq!(managed.compare().await.unwrap().compared.verdict, Verdict::Equal);
    assert_eq!(managed.switch(None).await.unwrap().parked_keys, 0);
    assert_eq!(runner.reader().get("001").await.unwrap().unwrap().row.total, 12);
    assert_eq!(managed.why_stalled().await.unwrap().cause, "nothing");
}

#[tokio::test]
async fn a_skip_is_for_every_generation_and_needs_a_reason() {
    let (log, views) = (filled(2).await, views());
    item(&log, "001", -1).await;
    item(&log, "001", 7).await;
    let runner = runner(Carts, &log, &views);
    runner.catch_up().await.unwrap();
    let managed = runner.managed();
    managed.rebuild().await.unwrap();
    runner.catch_up().await.unwrap();
    assert_eq!(refusal(managed.skip("001", " ").await), Refusal::NoReason);
    assert_eq!(managed.skip("001", "anna: a test").await.unwrap().applied, 2);
    let listed = managed.parked(ParkedFilter::default()).await.unwrap();
    assert!(listed.iter().all(|parked| parked.event.skipped.as_deref() == Some("anna: a test")));
    managed.compare().await.unwrap();
    managed.switch(None).await.unwrap();
    assert_eq!(runner.reader().get("001").await.unwrap().unwrap().row.total, 12);
}

/// A restart after every few steps: nothing is built twice, nothing is left out.
#[tokio::test]
async fn a_candidate_is_taken_up_where_it_was() {
    let (log, views) = (filled(30).await, views());
    let first = runner(Carts, &log, &views);
    first.catch_up().await.unwrap();
    first.managed().rebuild().await.unwrap();
    let second = ViewId::new("carts", 2).unwrap();
    views.prepare(&second, &["owner"]).await.unwrap();
    for fails_at in 0..9 {
        // Two commits go through, the third is where the process ends.
        let fate = |number| if number < 2 { CommitFate::Works } else { CommitFate::Fails };
        let dying: DynViewStore = Arc::new(FailingViews::new(Arc::clone(&views), fate));
        let _ = runner(Carts, &log, &dying).catch_up().await;
        let at = views.checkpoint(&second).await.unwrap().map_or(0, |at| at.position.0);
        assert!(at <= 20 * (fails_at + 1), "it began again: {at}");
    }
    let last = runner(Carts, &log, &views);
    last.catch_up().await.unwrap();
    assert_eq!(last.managed().compare().await.unwrap().compared.verdict, Verdict::Equal);
    assert_eq!(last.managed().switch(None).await.unwrap().generation, 2);
    assert_eq!(ViewImage::of(&views, &last.view()).await, ViewImage::of(&views, &first.view()).await);
}

/// The answer to the switch is lost, or the switch is: both leave one generation serving, the same in memory and in the store.
#[tokio::test]
async fn a_switch_happens_whole_or_not_at_all() {
    for fate in [CommitFate::Fails, CommitFate::AnswerLost] {
        let (log, inner) = (filled(5).await, views());
        // First, begun, compared, switched.
        let failing = FailingViews::new(Arc::clone(&inner), |_| CommitFate::Works);
        let meets = move |revision| if revision == 4 { fate } else { CommitFate::Works };
        let views: DynViewStore = Arc::new(failing.arranging(meets));
        let runner = runner(Carts, &log, &views);
        runner.catch_up().await.unwrap();
        let managed = runner.managed();
        managed.rebuild().await.unwrap();
        runner.catch_up().await.unwrap();
        managed.compare().await.unwrap();
        let switched = managed.switch(None).await.is_ok();
        assert_eq!(switched, fate == CommitFate::AnswerLost, "{fate:?}");
        let stored = inner.generations("carts").await.unwrap().unwrap();
        assert_eq!(runner.view().generation(), stored.serving.number, "{fate:?}");
        assert_eq!(stored.serving.number, if switched { 2 } else { 1 });
        item(&log, "001", 9).await;
        runner.catch_up().await.unwrap();
        assert_eq!(runner.reader().get("001").await.unwrap().unwrap().row.total, 14);
    }
}

#[tokio::test]
async fn a_new_version_serves_the_old_rows_until_it_is_built_and_takes_over_where_it_is_equal() {
    let (log, views) = (filled(30).await, views());
    runner(Versioned::of(1, 1), &log, &views).catch_up().await.unwrap();
    let newer = runner(Versioned::of(2, 1), &log, &views);
    assert_eq!(newer.reader().get("004").await.unwrap().unwrap().row.total, 5, "old rows are served at once");
    let (managed, stop) = (newer.managed(), StopSignal::new());
    let status = managed.status().await.unwrap();
    assert_eq!((status.version, status.candidate.unwrap().version), (1, 2));
    let taken_over = async {
        until("the new version serves", &managed, |status| status.version == 2).await;
        stop.cancel();
    };
    tokio::join!(newer.run(stop.clone()), taken_over).0.unwrap();
    assert_eq!(newer.reader().get("004").await.unwrap().unwrap().row.total, 5);
}

#[tokio::test]
async fn a_new_version_that_differs_waits_for_an_operator() {
    let (log, views) = (filled(30).await, views());
    runner(Versioned::of(1, 1), &log, &views).catch_up().await.unwrap();
    let newer = runner(Versioned::of(2, 10), &log, &views);
    let (managed, reader, stop) = (newer.managed(), newer.reader(), StopSignal::new());
    let decided = async {
        until("it is compared", &managed, |status| {
            status.candidate.as_ref().is_some_and(|candidate| candidate.compared.is_some())
        })
        .await;
        assert_eq!(reader.get("004").await.unwrap().unwrap().row.total, 5);
        assert_eq!(refusal(managed.switch(None).await), Refusal::Different { differing: 30 });
        managed.switch(Some(Accepted { reason: "anna: tenfold".to_owned() })).await.unwrap();
        assert_eq!(reader.get("004").await.unwrap().unwrap().row.total, 50);
        stop.cancel();
    };
    tokio::join!(newer.run(stop.clone()), decided).0.unwrap();
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_refused_for_now_and_replaced_as_soon_as_possible() {
    let (log, views) = (filled(30).await, views());
    runner(Carts, &log, &views).catch_up().await.unwrap();
    let renamed = runner(Renamed, &log, &views);
    let (managed, reader, stop) = (renamed.managed(), renamed.reader(), StopSignal::new());
    let refused = reader.get("004").await.unwrap_err();
    assert!(matches!(refused.retry, madrigal_core::FaultRetry::After(_)), "come again: {}", refused.chain());
    assert!(refused.chain().contains("what version 1 wrote, version 2 cannot read"), "{}", refused.chain());
    let replaced = async {
        until("the new version serves", &managed, |status| status.version == 2).await;
        assert_eq!(reader.get("004").await.unwrap().unwrap().row.label, "cart 004");
        stop.cancel();
    };
    tokio::join!(renamed.run(stop.clone()), replaced).0.unwrap();
}

#[tokio::test]
async fn other_columns_make_old_rows_unreadable_and_the_new_ones_take_over() {
    let (log, views) = (filled(10).await, views());
    runner(Carts, &log, &views).catch_up().await.unwrap();
    let wider = runner(Versioned { columns: &["owner", "seller"], ..Versioned::of(2, 1) }, &log, &views);
    let (managed, reader, stop) = (wider.managed(), wider.reader(), StopSignal::new());
    assert!(reader.get("004").await.unwrap_err().chain().contains("raise its version"));
    let replaced = async {
        until("the new version serves", &managed, |status| status.version == 2).await;
        assert_eq!(reader.query(Query::oldest(9).having("seller", 4)).await.unwrap().len(), 1);
        stop.cancel();
    };
    tokio::join!(wider.run(stop.clone()), replaced).0.unwrap();
}

#[tokio::test]
async fn a_view_of_another_history_is_rebuilt_and_switched_to() {
    let (log, views) = (filled(10).await, views());
    runner(Carts, &log, &views).catch_up().await.unwrap();
    let restored = filled(4).await;
    let runner = runner(Carts, &restored, &views);
    let (managed, stop) = (runner.managed(), StopSignal::new());
    let mended = async {
        until("it stands still", &managed, |status| status.state == ServingState::Stalled).await;
        assert_eq!(managed.why_stalled().await.unwrap().cause, "other-epoch");
        managed.rebuild().await.unwrap();
        until("caught up", &managed, |status| {
            status.candidate.as_ref().is_some_and(|candidate| candidate.state == CandidateState::CaughtUp)
        })
        .await;
        assert_eq!(managed.compare().await.unwrap().compared.differing, 6, "four carts are in both histories");
        managed.switch(Some(Accepted { reason: "anna: restored".to_owned() })).await.unwrap();
        append(&restored, "cart-000", "ItemAdded", serde_json::json!({"item": "i", "price": 1})).await;
        let token = PositionToken::of(restored.log().clone(), restored.epoch(), restored.end());
        runner.reader().wait_for(&token, Duration::from_secs(30)).await.unwrap();
        assert_eq!(managed.status().await.unwrap().state, ServingState::Serving);
        stop.cancel();
    };
    tokio::join!(runner.run(stop.clone()), mended).0.unwrap();
    assert_eq!(runner.reader().query(Query::oldest(100)).await.unwrap().len(), 4);
}
