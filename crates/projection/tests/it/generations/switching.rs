//! A rebuild is compared, switched to, confirmed; reads meanwhile see one generation.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use madrigal_conformance::projection_kit::{CommitFate, FailingViews};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{JsonBytes, Position, PositionToken};
use madrigal_projection::{
    Accepted, CandidateState, Checkpoint, Columns, DynViewStore, Query, Refusal, ServingState, Verdict, ViewBatch,
    ViewId,
};
use tokio::sync::Semaphore;

use super::{filled, refusal, runner, until, views};
use crate::shop::{Cart, Carts, item};

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
