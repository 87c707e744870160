//! A view after a kill: rows and checkpoint of the same moment, whatever the moment.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use madrigal_conformance::projection_kit::{ReplayLog, ViewImage, history};
use madrigal_core::{Host, LogEpoch, Position, RecordedEvent};
use madrigal_event_store::DynEventStore;
use madrigal_projection::{DynViewStore, ProjectionRunner, RunnerOptions};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteViews};
use serde_json::json;

use crate::ports::Sums;

const DIRECTORY: &str = "MADRIGAL_TEST_CRASH_DIRECTORY";
const EVENTS: usize = 3_000;

pub(crate) async fn events() -> Vec<RecordedEvent> {
    let streams: Vec<String> = (0..EVENTS).map(|n| format!("sum-{}", n % 17)).collect();
    let events: Vec<_> =
        streams.iter().enumerate().map(|(n, stream)| (stream.as_str(), "Counted", json!({"n": n}))).collect();
    history(&Host::seeded(7), &events).await
}

fn epoch() -> LogEpoch {
    LogEpoch::from_uuid("0198c5a0-0000-7000-8000-000000000001".parse().unwrap())
}

pub(crate) async fn runner(
    directory: &std::path::Path,
    events: Vec<RecordedEvent>,
) -> (ProjectionRunner<Sums>, DynViewStore) {
    let database = Database::open(directory.join("views.sqlite"), DatabaseOptions::REBUILDABLE).await.unwrap();
    let views: DynViewStore = Arc::new(SqliteViews::open(database).await.unwrap());
    let log: DynEventStore = Arc::new(ReplayLog::new(epoch(), events));
    let options = RunnerOptions { batch: 5, batch_behind: 5, ..RunnerOptions::default() };
    (ProjectionRunner::new(Sums, log, Arc::clone(&views), Host::system(), options).unwrap(), views)
}

/// The other process: folds until it is killed, telling how far it is. Does nothing in an ordinary run.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Some(directory) = madrigal_core::environment::variable(DIRECTORY) else { return };
    let events = events().await;
    for end in (5..=EVENTS).step_by(5) {
        let (runner, _views) = runner(directory.as_ref(), events[..end].to_vec()).await;
        println!("\napplied {}", runner.catch_up().await.unwrap());
    }
}

#[tokio::test]
async fn rows_and_checkpoint_survive_a_kill_together() {
    let events = events().await;
    for kill_after in [1, 7, 23] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::the_process_that_is_killed", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("applied ").map(str::to_owned));
        let last: u64 = told.take(kill_after).last().unwrap().parse().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let (survivor, views) = runner(directory.path(), events.clone()).await;
        views.prepare(&survivor.view(), &["sum", "label"]).await.unwrap();
        let at = views.checkpoint(&survivor.view()).await.unwrap().unwrap().position;
        assert!(at >= Position(last), "what was told as applied is there: {at} of {last}");
        let image = ViewImage::of(&views, &survivor.view()).await;
        assert_eq!(image, folded(&events[..usize::try_from(at.0).unwrap()]).await, "rows of another moment than {at}");
        survivor.catch_up().await.unwrap();
        assert_eq!(ViewImage::of(&views, &survivor.view()).await, folded(&events).await);
    }
}

pub(crate) async fn folded(events: &[RecordedEvent]) -> ViewImage {
    let directory = tempfile::tempdir().unwrap();
    let (runner, views) = runner(directory.path(), events.to_vec()).await;
    runner.catch_up().await.unwrap();
    ViewImage::of(&views, &runner.view()).await
}
