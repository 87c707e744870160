//! The orders' streams and the order view, compared and damaged.

use std::sync::Arc;

use madrigal_consistency::{CheckOptions, Damage, Detail, Issue, Outcome, Pair, PairReport, RowSet, Verdict};
use madrigal_core::{CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, RecordedEvent};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_order_service::projections::order_view::{OrderView, OrderViewProjection};
use madrigal_order_service::row_sets::{OrderEvents, OrderViewRows};
use madrigal_projection::{ApplyError, Columns, Interest, Projection, ProjectionRunner, RunnerOptions};
use madrigal_sqlite::{Database, DatabaseOptions, SqliteViews, StreamIndex};

use crate::order_view::events;

struct Shop {
    host: Host,
    runner: ProjectionRunner<OrderViewProjection>,
    view: OrderViewRows,
    pair: Pair,
    store: DynEventStore,
    views: SqliteViews,
    _dir: tempfile::TempDir,
}

/// The order view with a bug: the tax of an order comes on top once more.
struct Mutant;

impl Projection for Mutant {
    type Row = OrderView;

    fn name(&self) -> &'static str {
        OrderViewProjection.name()
    }

    fn version(&self) -> u32 {
        OrderViewProjection.version()
    }

    fn column_names(&self) -> &'static [&'static str] {
        OrderViewProjection.column_names()
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        OrderViewProjection.keys(event)
    }

    fn apply(&self, key: &str, row: Option<OrderView>, event: &RecordedEvent) -> Result<Option<OrderView>, ApplyError> {
        let folded = OrderViewProjection.apply(key, row, event)?;
        Ok(folded.map(|mut row| {
            if event.event_type.as_str() == "PaymentProcessed" {
                row.summary.final_amount += row.summary.tax_amount.max(1);
            }
            row
        }))
    }

    fn columns(&self, row: &OrderView) -> Columns {
        OrderViewProjection.columns(row)
    }
}

async fn shop() -> Shop {
    let (host, dir) = (Host::seeded(3), tempfile::tempdir().unwrap());
    // The last two are an event that nobody knows and one behind it.
    let mut events = events();
    events.truncate(events.len() - 2);
    let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("order").unwrap(), &host));
    for (stream, event_type, data) in events {
        let (event_type, data) = (EventType::parse(event_type).unwrap(), JsonBytes::of(&data).unwrap());
        let event = NewEvent::fresh(&host, event_type, 1, data, &CallContext::new(&host));
        store.append(stream.parse().unwrap(), ExpectedVersion::Any, vec![event]).await.unwrap();
    }
    let database = Database::open(dir.path().join("views.sqlite"), DatabaseOptions::REBUILDABLE).await.unwrap();
    let views = SqliteViews::open(database).await.unwrap();
    let options = RunnerOptions::for_service("order-service");
    let runner =
        ProjectionRunner::new(OrderViewProjection, store.clone(), Arc::new(views.clone()), host.clone(), options)
            .unwrap();
    let index = StreamIndex::open(dir.path().join("row-sets.sqlite"), store.clone(), &["order"]).await.unwrap();
    let owner = OrderEvents::new(index);
    let view = OrderViewRows::new(runner.clone(), views.clone(), owner.clone(), store.clone());
    let pair = Pair::new("orders.view", Arc::new(owner), Arc::new(view.clone())).unwrap();
    Shop { host, runner, view, pair, store, views, _dir: dir }
}

fn found(report: &PairReport) -> Vec<(&str, Issue)> {
    report.divergences.iter().map(|divergence| (divergence.key.as_str(), divergence.issue)).collect()
}

impl Shop {
    async fn check(&self, options: CheckOptions) -> PairReport {
        let patient = CheckOptions { patience: std::time::Duration::from_millis(20), ..options };
        self.pair.check(&patient, &self.host).await
    }
}

#[tokio::test]
async fn a_view_that_has_not_begun_is_behind_and_one_that_has_caught_up_says_what_its_events_say() {
    let shop = shop().await;
    let behind = shop.check(CheckOptions::CONTENT).await;
    assert_eq!((behind.verdict(), behind.unverified, behind.divergent), (Verdict::Unverified, 4, 0));
    assert!(behind.behind.unwrap().by.unwrap() > 0);
    shop.runner.catch_up().await.unwrap();
    for options in [CheckOptions::VERSIONS, CheckOptions::CONTENT] {
        let report = shop.check(options).await;
        assert_eq!((report.verdict(), report.consistent), (Verdict::Consistent, 4), "{:?}", report.divergences);
    }
}

#[tokio::test]
async fn damage_behind_the_view_s_back_is_found_and_cured() {
    let shop = shop().await;
    shop.runner.catch_up().await.unwrap();
    for (key, damage) in
        [("a", Damage::Older), ("b", Damage::Change), ("c", Damage::Delete), ("d", Damage::Newer), ("e", Damage::Add)]
    {
        shop.view.plant(key, damage).await.unwrap();
    }
    let versions = shop.check(CheckOptions::VERSIONS).await;
    let (stale, missing) = (("a", Issue::Stale), ("c", Issue::Missing));
    let (newer, extra) = (("d", Issue::Different), ("e", Issue::Extra));
    assert_eq!(found(&versions), [stale, missing, newer, extra]);
    let content = shop.check(CheckOptions::CONTENT).await;
    assert_eq!(found(&content), [stale, ("b", Issue::Different), missing, newer, extra]);
    for divergence in content.divergences {
        let entry = shop.pair.repair(divergence, true, "test", &shop.host).await.unwrap();
        assert_eq!(entry.outcome, Outcome::Repaired, "{entry:?}");
    }
    let clean = shop.check(CheckOptions::CONTENT).await;
    assert_eq!((clean.verdict(), clean.consistent), (Verdict::Consistent, 4));
}

#[tokio::test]
async fn a_bug_in_the_projection_is_found_since_the_owner_s_side_does_not_use_it() {
    let shop = shop().await;
    let options = RunnerOptions::for_service("order-service");
    let views = Arc::new(shop.views.clone());
    let mutant = ProjectionRunner::new(Mutant, shop.store.clone(), views, shop.host.clone(), options).unwrap();
    mutant.catch_up().await.unwrap();
    // It finds everything applied, and serves what the mutant has made of it.
    shop.runner.catch_up().await.unwrap();
    let mut paid = Vec::new();
    for event in shop.store.read_log(madrigal_core::Position::START, 1_000).await.unwrap().events {
        if event.event_type.as_str() == "PaymentProcessed" {
            paid.push((event.stream.id().to_owned(), Issue::Different));
        }
    }
    paid.sort_unstable();
    assert!(!paid.is_empty());
    let report = shop.check(CheckOptions::CONTENT).await;
    let paid: Vec<(&str, Issue)> = paid.iter().map(|(key, issue)| (key.as_str(), *issue)).collect();
    assert_eq!(found(&report), paid);
    let versions = shop.check(CheckOptions::VERSIONS).await;
    assert_eq!(versions.verdict(), Verdict::Consistent, "versions cannot tell");
}

#[tokio::test]
async fn an_order_that_the_service_itself_cannot_read_any_more_diverges_nowhere() {
    let shop = shop().await;
    shop.runner.catch_up().await.unwrap();
    let kind = EventType::parse("OrderStatusChanged").unwrap();
    let data = JsonBytes::of(&serde_json::json!({})).unwrap();
    let of_a_newer_program = NewEvent::fresh(&shop.host, kind, 9, data, &CallContext::new(&shop.host));
    shop.store.append("order-a".parse().unwrap(), ExpectedVersion::Any, vec![of_a_newer_program]).await.unwrap();
    // The view parks its key, and is through.
    shop.runner.catch_up().await.unwrap();
    for options in [CheckOptions::VERSIONS, CheckOptions::CONTENT] {
        let report = shop.check(options).await;
        assert_eq!((report.consistent, report.unverified, report.divergent), (3, 1, 0), "{:?}", report.divergences);
    }
}

#[tokio::test]
async fn the_row_of_an_order_is_the_last_of_its_history_and_one_that_cannot_be_read_says_so() {
    let shop = shop().await;
    let malformed = JsonBytes::of(&serde_json::json!({ "status": 7 })).unwrap();
    let kind = EventType::parse("OrderStatusChanged").unwrap();
    let event = NewEvent::fresh(&shop.host, kind, 1, malformed, &CallContext::new(&shop.host));
    shop.store.append("order-a".parse().unwrap(), ExpectedVersion::Any, vec![event]).await.unwrap();
    let owner = shop.pair.owner();
    for (key, readable) in [("a", false), ("b", true), ("c", true), ("d", true)] {
        let row = owner.by_key(vec![key.to_owned()], Detail::Content).await.unwrap().remove(0);
        let last = row.version.unwrap();
        let content = row.content.as_ref().unwrap();
        assert_eq!(
            (content.get("unreadable").is_none(), content.get("status").is_some()),
            (readable, readable),
            "{key}"
        );
        assert_eq!(owner.history(key, last, last).await.unwrap(), Some(vec![row]), "{key}");
    }
}
