//! Services that do not answer: what cannot be compared is unverified, and nobody waits for them twice.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use madrigal_consistency::memory::{MemoryCopy, MemoryOwner};
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Content, Detail, DynRowSet, Row, RowSet, SetDescription};
use madrigal_contracts::copies::{CopyKeeper, answering as keeping};
use madrigal_contracts::rows::{Planting, answering};
use madrigal_core::tasks;
use madrigal_core::{Fault, Host, LogEpoch, LogName, PositionToken};
use madrigal_http::auth::Role;
use madrigal_http::calls::Switch;
use madrigal_http::testing::{bearer, edge, send};
use madrigal_http::{Calls, Neighbour};
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_sync_service::monitor::sweeps::CheckAsked;
use madrigal_sync_service::monitor::{Monitor, MonitorConfig};
use madrigal_sync_service::{SyncConfig, SyncNeighbours, SyncService};
use madrigal_telemetry::health::Status;
use serde_json::{Value, json};

use crate::kept::Kept;
use crate::shop::{Shop, caught_up};

const HOUR: Duration = Duration::from_secs(3_600);

/// Two owners of 30 rows, and one service that has a copy of each.
struct World {
    table: MemoryOwner,
    users: Switch,
    analytics: Switch,
    monitor: Monitor,
    _dir: tempfile::TempDir,
}

/// An owner that tells somebody whenever its rows are read.
struct Told(MemoryOwner, Arc<dyn Fn() + Send + Sync>);

#[async_trait]
impl RowSet for Told {
    fn description(&self) -> SetDescription {
        self.0.description()
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.0.position().await
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        (self.1)();
        self.0.page(read).await
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        self.0.by_key(keys, detail).await
    }
}

fn pair(log: &str, names: [&str; 2], partial: bool) -> (MemoryOwner, DynRowSet) {
    let owner = MemoryOwner::new(LogName::parse(log).unwrap(), LogEpoch::new(&Host::seeded(1)), &["c"], true);
    let owner = owner.named(names[0]);
    for number in 0..30 {
        owner.write(&format!("row-{number:02}"), Some(Content::new().with("c", number)));
    }
    let copy = MemoryCopy::of(&owner).described(|described| {
        described.name = names[1].to_owned();
        described.partial = partial;
    });
    copy.follow(usize::MAX);
    (owner, Arc::new(copy))
}

fn holding(service: &'static str, sets: Vec<DynRowSet>) -> (Neighbour, Switch) {
    Neighbour::round_trip(Arc::new(answering(Calls::new(service), sets, Planting::Refused))).switchable()
}

/// `stops` says whether analytics-service stops as soon as rows of users are read.
async fn world(config: MonitorConfig, stops: bool) -> World {
    world_with(config, stops, false).await
}

/// `partial` says whether the copy of users is to have some of them only.
async fn world_with(config: MonitorConfig, stops: bool, partial: bool) -> World {
    let dir = tempfile::tempdir().unwrap();
    let (owner, of_users) = pair("users", ["users.table", "users.analytics"], partial);
    let (events, of_orders) = pair("order", ["orders.events", "orders.analytics"], false);
    let (at_analytics, analytics) = holding("analytics-service", vec![of_users, of_orders]);
    let stopped = analytics.clone();
    let table: DynRowSet = match stops {
        true => Arc::new(Told(owner.clone(), Arc::new(move || stopped.slow(HOUR)))),
        false => Arc::new(owner.clone()),
    };
    let (at_users, users) = holding("user-service", vec![table]);
    let (at_orders, _) = holding("order-service", vec![Arc::new(events)]);
    let database = Database::open(dir.path().join("monitor.sqlite"), DatabaseOptions::SYNCED).await.unwrap();
    let services = vec![at_users, at_orders, at_analytics];
    let monitor = Monitor::open(config, services, database, Host::seeded(1)).await.unwrap();
    World { table: owner, users, analytics, monitor, _dir: dir }
}

impl World {
    async fn check(&self) -> Value {
        serde_json::to_value(self.monitor.check(&CheckAsked::default()).await).unwrap()
    }
}

fn of<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

#[tokio::test]
async fn a_pair_whose_copy_does_not_answer_is_unverified_with_all_rows_of_its_owner() {
    let world = world(MonitorConfig::default(), false).await;
    for known_before in [false, true] {
        world.analytics.down();
        let report = world.check().await;
        assert_eq!(report["overallStatus"], "unverified");
        assert_eq!(report["metrics"]["unverifiedEntities"], 60, "{report:#}");
        for name in ["users.analytics", "orders.analytics"] {
            let check = of(&report, name);
            assert_eq!((&check["totalEntities"], &check["unverifiedEntities"]), (&json!(30), &json!(30)), "{check}");
            assert!(
                check["unverifiedSince"].is_string() && check["verdict"] == "unverified",
                "{known_before}: {check}"
            );
            assert!(check["trouble"].as_str().unwrap().contains("analytics-service"), "{check}");
        }
        let again = world.check().await;
        let since = |report: &Value| of(report, "users.analytics")["unverifiedSince"].clone();
        assert_eq!(since(&again), since(&report), "since the first time");
        let health = world.monitor.health().await;
        assert_eq!(health[0].status, Status::Degraded);
        assert!(health[0].detail.contains("orders.analytics"), "{}", health[0].detail);
        world.analytics.up();
        let report = world.check().await;
        assert_eq!((&report["overallStatus"], &since(&report)), (&json!("consistent"), &Value::Null));
        assert_eq!(world.monitor.health().await[0].status, Status::Healthy);
    }
}

#[tokio::test]
async fn where_the_owner_cannot_be_asked_the_last_known_number_counts_else_one() {
    let world = world(MonitorConfig::default(), false).await;
    world.users.down();
    let unverified = |report: &Value| of(report, "users.analytics")["unverifiedEntities"].clone();
    assert_eq!(unverified(&world.check().await), 1);
    world.users.up();
    assert_eq!(unverified(&world.check().await), 0);
    world.users.down();
    let report = world.check().await;
    assert_eq!(unverified(&report), 30);
    assert_eq!(of(&report, "orders.analytics")["verdict"], "consistent", "the others are checked");
}

#[tokio::test]
async fn rows_that_the_owner_has_now_count_unless_the_copy_is_to_have_some_only() {
    for (partial, expected) in [(false, 31), (true, 30)] {
        let world = world_with(MonitorConfig::default(), false, partial).await;
        world.check().await;
        world.analytics.down();
        world.table.write("row-30", Some(Content::new().with("c", 30)));
        let report = world.check().await;
        assert_eq!(of(&report, "users.analytics")["unverifiedEntities"], expected, "partial: {partial}");
    }
}

#[tokio::test]
async fn a_check_of_one_pair_waits_once_for_a_service_that_is_stopped() {
    let world = world(MonitorConfig::default(), false).await;
    world.check().await;
    tokio::time::pause();
    world.analytics.slow(HOUR);
    let began = tasks::instant();
    let asked = CheckAsked { pair: Some("users.analytics".to_owned()), ..CheckAsked::default() };
    let report = serde_json::to_value(world.monitor.check(&asked).await).unwrap();
    assert_eq!((began.elapsed().as_secs(), &report["metrics"]["unverifiedEntities"]), (5, &json!(30)), "{report:#}");
}

#[tokio::test]
async fn a_check_waits_once_for_a_service_that_is_stopped() {
    let world = world(MonitorConfig::default(), false).await;
    world.check().await;
    tokio::time::pause();
    world.analytics.slow(HOUR);
    let began = tasks::instant();
    let report = world.check().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(report["metrics"]["unverifiedEntities"], 60);
}

#[tokio::test]
async fn a_check_waits_once_for_a_service_that_is_stopped_meanwhile() {
    let world = world(MonitorConfig::default(), true).await;
    tokio::time::pause();
    let began = tasks::instant();
    let report = world.check().await;
    assert_eq!(began.elapsed().as_secs(), 10, "{report:#}");
    assert_eq!(report["metrics"]["unverifiedEntities"], 60);
}

#[tokio::test]
async fn a_verdict_that_three_sweeps_should_have_renewed_is_unverified_since_then() {
    let config = MonitorConfig { versions_every: Duration::from_millis(200), ..MonitorConfig::default() };
    let world = world(config, false).await;
    let checked = world.check().await;
    assert_eq!(checked["overallStatus"], "consistent");
    let told = tasks::within(Duration::from_secs(30), async {
        loop {
            let report = serde_json::to_value(world.monitor.report()).unwrap();
            if report["overallStatus"] == "unverified" {
                return report;
            }
            tasks::sleep(Duration::from_millis(20)).await;
        }
    });
    let told = told.await.unwrap();
    let check = of(&told, "users.analytics");
    assert_eq!((&check["unverifiedEntities"], &check["unverifiedSince"]), (&json!(30), &check["checkedAt"]), "{check}");
    assert_eq!(world.monitor.health().await[0].status, Status::Degraded);
    assert_eq!(world.check().await["overallStatus"], "consistent");
}

#[tokio::test]
async fn a_copy_whose_keeper_does_not_answer_is_silent_and_the_lag_of_the_others_is_told() {
    let shop = Shop::open().await;
    shop.put(1, "one@example.com").await;
    let keeper = |service, copies: &[&Kept]| {
        let copies = copies.iter().map(|copy| Arc::new((*copy).clone()) as Arc<dyn CopyKeeper>).collect();
        Neighbour::round_trip(Arc::new(keeping(Calls::new(service), copies))).switchable()
    };
    let (users, _) = keeper("user-service", &[&shop.key_value, &shop.activity]);
    let (catalog, _) = keeper("catalog-service", &[&shop.index]);
    let (analytics, stopped) = keeper("analytics-service", &[&shop.analytics]);
    let neighbours = SyncNeighbours {
        changes: Arc::new(shop.changes.clone()),
        users,
        catalog,
        analytics: Some(analytics),
        topics: Vec::new(),
    };
    let dir = tempfile::tempdir().unwrap();
    let sync = SyncService::open(SyncConfig::in_dir(dir.path()), neighbours, shop.host.clone()).await.unwrap();
    caught_up(&sync).await;
    let (edge, signer) = edge(&shop.host);
    let router = edge.wrap_service("sync-service", sync.router());
    let token = bearer(&signer, &shop.host, "1", Role::Operator);
    for stop in [Switch::down as fn(&Switch), |switch| switch.slow(HOUR)] {
        stop(&stopped);
        let (status, _, lag) = send(&router, Method::GET, "/v1/sync/lag", &[("authorization", &token)], ()).await;
        assert_eq!(status, StatusCode::OK, "{lag}");
        let of = |copy: &str| lag["items"].as_array().unwrap().iter().find(|item| item["copy"] == copy).unwrap();
        let silent = of("users.analytics");
        assert_eq!((&silent["state"], &silent["behind"]), (&json!("silent"), &Value::Null), "{silent}");
        assert!(silent["detail"].as_str().unwrap().contains("analytics-service"), "{silent}");
        assert_eq!((&of("users.index")["behind"], &of("users.index")["appliedThrough"]), (&json!(0), &json!(1)));
    }
}
