//! Code of another version, other columns, another history.

use std::time::Duration;

use madrigal_core::tasks::StopSignal;
use madrigal_core::{FaultRetry, PositionToken, RecordedEvent};
use madrigal_projection::{
    Accepted, ApplyError, CandidateState, Columns, Interest, Projection, Query, Refusal, ServingState,
};
use serde::{Deserialize, Serialize};

use super::{Versioned, filled, refusal, runner, until, views};
use crate::shop::{Carts, append};

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
    assert!(matches!(refused.retry, FaultRetry::After(_)), "come again: {}", refused.chain());
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
