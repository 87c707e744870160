use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, RecordedEvent, StreamName,
};
use madrigal_event_store::{DynEventStore, MemoryEventStore};

use super::*;
use crate::memory::MemoryViews;
use crate::projection::{ApplyError, Interest};
use crate::runner::{ProjectionRunner, RunnerOptions};
use crate::view::Columns;

struct Counts;

impl Projection for Counts {
    type Row = u64;

    fn name(&self) -> &'static str {
        "counts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(Interest::own(event))
    }

    fn apply(&self, _: &str, row: Option<u64>, _: &RecordedEvent) -> Result<Option<u64>, ApplyError> {
        Ok(Some(row.unwrap_or_default() + 1))
    }

    fn columns(&self, _: &u64) -> Columns {
        Columns::none()
    }
}

async fn count(log: &DynEventStore) {
    let host = Host::system();
    let event_type = EventType::parse("Counted").unwrap();
    let event = NewEvent::fresh(&host, event_type, 1, JsonBytes::of(&1).unwrap(), &CallContext::new(&host));
    log.append(StreamName::new("count", "a").unwrap(), ExpectedVersion::Any, vec![event]).await.unwrap();
}

/// A runner whose candidate has caught up.
async fn with_candidate() -> (DynEventStore, ProjectionRunner<Counts>) {
    let host = Host::system();
    let log: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("counts").unwrap(), &host));
    let options = RunnerOptions { batch: 3, ..RunnerOptions::default() };
    let runner = ProjectionRunner::new(Counts, Arc::clone(&log), Arc::new(MemoryViews::new()), host, options).unwrap();
    count(&log).await;
    runner.catch_up().await.unwrap();
    runner.managed().rebuild().await.unwrap();
    runner.catch_up().await.unwrap();
    (log, runner)
}

#[tokio::test]
async fn a_candidate_comes_to_where_reads_have_been_before_it_serves() {
    let (log, runner) = with_candidate().await;
    let (managed, reader) = (runner.managed(), runner.reader());
    managed.compare().await.unwrap();
    for _ in 0..8 {
        count(&log).await;
    }
    let old = runner.managed.serving().await.unwrap();
    old.catch_up(Position(7)).await.unwrap();
    let seen = (reader.applied_through().unwrap().position, reader.get("a").await.unwrap().unwrap().row);
    assert_eq!(seen, (Position(7), 7));
    managed.switch(None).await.unwrap();
    let now = (reader.applied_through().unwrap().position, reader.get("a").await.unwrap().unwrap().row);
    assert_eq!((now, runner.view().generation()), (seen, 2), "no more either: it stands where the other one stood");
    let new = runner.managed.serving().await.unwrap();
    assert!(!new.pace.is_building(), "from here on it is measured, and keeps its rows, as what serves does");
    assert_eq!(runner.catch_up().await.unwrap(), Position(9));
    assert_eq!(old.applied(), Position(7), "what does not serve is not followed");
}

#[tokio::test]
async fn both_are_compared_at_one_position_whichever_is_ahead() {
    for candidate_ahead in [false, true] {
        let (log, runner) = with_candidate().await;
        for _ in 0..8 {
            count(&log).await;
        }
        let Active { serving, candidate, .. } = runner.managed.active().await.unwrap();
        let ahead = if candidate_ahead { candidate.unwrap() } else { serving };
        let at = ahead.catch_up(Position(7)).await.unwrap();
        let compared = runner.managed().compare().await.unwrap().compared;
        assert_eq!((compared.position, compared.differing, compared.rows), (at, 0, 1), "{candidate_ahead}");
    }
}

#[tokio::test]
async fn what_is_too_far_behind_is_not_waited_for_while_reads_are_held() {
    let (log, runner) = with_candidate().await;
    for _ in 0..=ALIGNED_AT_MOST {
        count(&log).await;
    }
    runner.managed.serving().await.unwrap().catch_up(log.end()).await.unwrap();
    let refused = runner.managed().compare().await.unwrap_err();
    let expected = Refusal::Behind { events: ALIGNED_AT_MOST + 1 };
    assert!(matches!(&refused, OperateError::Refused(refusal) if *refusal == expected), "{refused}");
}
