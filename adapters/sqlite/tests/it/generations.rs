//! Generations after a kill at any moment of a rebuild, a switch or a removal; and files from before there were any.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use madrigal_conformance::projection_kit::ViewImage;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, RecordedEvent};
use madrigal_projection::{CandidateState, DynViewStore, ProjectionRunner, Verdict, ViewStore};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteViews};

use crate::crash::{events, folded, runner};
use crate::ports::Sums;

const DIRECTORY: &str = "MADRIGAL_TEST_GENERATIONS_DIRECTORY";
const COLUMNS: &[&str] = &["sum", "label"];

/// The other process: rebuilds, compares, switches and confirms without end, telling what it has done. Does nothing in an
/// ordinary run.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(directory) = madrigal_core::environment::variable(DIRECTORY) else { return };
    let (runner, views) = runner(directory.as_ref(), events().await).await;
    runner.catch_up().await.unwrap();
    loop {
        rebuilt(&runner, &views, || println!("\nserves {}", runner.view().generation())).await;
    }
}

async fn rebuilt(runner: &ProjectionRunner<Sums>, views: &DynViewStore, told: impl Fn()) {
    let managed = runner.managed();
    managed.rebuild().await.unwrap();
    told();
    runner.catch_up().await.unwrap();
    told();
    assert_eq!(managed.compare().await.unwrap().compared.verdict, Verdict::Equal);
    told();
    managed.switch(None).await.unwrap();
    told();
    managed.confirm().await.unwrap();
    told();
    cleared(runner, views).await;
    told();
}

/// Runs until nothing is left of what was dropped.
async fn cleared(runner: &ProjectionRunner<Sums>, views: &DynViewStore) {
    let stop = StopSignal::new();
    let gone = async {
        while !views.generations("sums").await.unwrap().unwrap().dropped.is_empty() {
            tasks::sleep(std::time::Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    tokio::join!(runner.run(stop.clone()), gone).0.unwrap();
}

#[tokio::test]
async fn a_kill_leaves_one_generation_serving_and_a_candidate_that_goes_on() {
    let events = events().await;
    let whole = folded(&events).await;
    let mut candidates_half_way = 0;
    for kill_after in [1, 2, 3, 4, 5, 6, 7, 10, 13] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "generations::the_process_that_is_killed", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("serves ").map(str::to_owned));
        let last: u32 = told.take(kill_after).last().unwrap().parse().unwrap();
        if kill_after == 1 {
            // Into the middle of the building.
            tasks::sleep(std::time::Duration::from_millis(30)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        candidates_half_way += usize::from(goes_on(&directory, &events, last, &whole).await);
    }
    assert!(candidates_half_way > 0, "no kill met a candidate half-way");
}

/// Checks what is left, and goes on with it; whether a candidate was half-way.
async fn goes_on(directory: &tempfile::TempDir, events: &[RecordedEvent], last: u32, whole: &ViewImage) -> bool {
    let (survivor, views) = runner(directory.path(), events.to_vec()).await;
    let managed = survivor.managed();
    let status = managed.status().await.unwrap();
    assert!(status.generation >= last, "it was told that {last} serves, and {} does", status.generation);
    views.prepare(&survivor.view(), COLUMNS).await.unwrap();
    assert_eq!(ViewImage::of(&views, &survivor.view()).await, *whole, "what serves is whole");
    let mut half_way = false;
    if let Some(candidate) = &status.candidate {
        let id = survivor.view().sibling(candidate.generation);
        views.prepare(&id, COLUMNS).await.unwrap();
        let at = views.checkpoint(&id).await.unwrap().map_or(0, |at| at.position.0);
        half_way = at > 0 && at < events.len() as u64;
        let rows = folded(&events[..usize::try_from(at).unwrap()]).await;
        assert_eq!(ViewImage::of(&views, &id).await, rows, "rows of another moment than {at}");
        survivor.catch_up().await.unwrap();
        let caught_up = managed.status().await.unwrap().candidate.unwrap();
        assert_eq!(caught_up.state, CandidateState::CaughtUp);
        managed.compare().await.unwrap();
        managed.switch(None).await.unwrap();
        assert_eq!(ViewImage::of(&views, &survivor.view()).await, *whole);
    }
    if managed.status().await.unwrap().previous.is_some() {
        managed.confirm().await.unwrap();
    }
    cleared(&survivor, &views).await;
    assert_eq!(tables(directory, "view_sums_%").await, 1, "rows were left behind");
    half_way
}

async fn tables(directory: &tempfile::TempDir, like: &'static str) -> i64 {
    let database = Database::open(directory.path().join("views.sqlite"), DatabaseOptions::REBUILDABLE).await.unwrap();
    let count = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE ?1";
    database.read("tables", move |connection| connection.query_row(count, [like], |row| row.get(0))).await.unwrap()
}

#[tokio::test]
async fn a_file_from_before_generations_goes_on_with_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let events = events().await;
    {
        let (old, _views) = runner(directory.path(), events[..500].to_vec()).await;
        old.catch_up().await.unwrap();
    }
    let file = directory.path().join("views.sqlite");
    let database = Database::open(&file, DatabaseOptions::REBUILDABLE).await.unwrap();
    // As the first version of the tables was.
    database
        .write("undo", |tx| {
            tx.execute_batch(
                "DROP TABLE view_generations; DELETE FROM schema_migrations WHERE component = 'views' AND version = 2;
                 INSERT INTO views (name, generation, columns) VALUES ('other', 4, '');",
            )
        })
        .await
        .unwrap();
    let views = SqliteViews::open(database).await.unwrap();
    let other = views.generations("other").await.unwrap().unwrap();
    assert_eq!((other.serving.number, other.serving.version, other.last, other.revision), (4, 4, 4, 1));
    assert!(other.serving.since <= Host::system().now());
    drop(views);
    let (upgraded, views) = runner(directory.path(), events.clone()).await;
    assert_eq!(upgraded.managed().status().await.unwrap().generation, 1);
    views.prepare(&upgraded.view(), COLUMNS).await.unwrap();
    assert_eq!(ViewImage::of(&views, &upgraded.view()).await, folded(&events[..500]).await);
    upgraded.catch_up().await.unwrap();
    assert_eq!(ViewImage::of(&views, &upgraded.view()).await, folded(&events).await);
}
