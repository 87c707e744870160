//! The monitor over a pair in memory, asked by calls that go through their JSON.

use std::sync::Arc;
use std::time::Duration;

use madrigal_consistency::memory::{MemoryCopy, MemoryOwner};
use madrigal_consistency::{Content, Damage, Divergence, Issue, Outcome, RowSet};
use madrigal_contracts::rows::{Planting, answering};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Host, LogEpoch, LogName};
use madrigal_http::{Calls, Neighbour};
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_sync_service::monitor::pairs::PAIRS;
use madrigal_sync_service::monitor::sweeps::CheckAsked;
use madrigal_sync_service::monitor::{Monitor, MonitorConfig};
use serde_json::json;

struct World {
    owner: MemoryOwner,
    copy: MemoryCopy,
    monitor: Monitor,
    _dir: tempfile::TempDir,
}

async fn world(planting: Planting, config: MonitorConfig) -> World {
    let (host, dir) = (Host::seeded(1), tempfile::tempdir().unwrap());
    let log = LogName::parse("order").unwrap();
    let owner = MemoryOwner::new(log, LogEpoch::new(&host), &["status"], true).named("orders.events");
    for number in 0..50 {
        owner.write(&format!("order-{number:02}"), Some(Content::new().with("status", "draft")));
        owner.write(&format!("order-{number:02}"), Some(Content::new().with("status", "confirmed")));
    }
    let copy = MemoryCopy::of(&owner).described(|described| described.name = "orders.view".to_owned());
    copy.follow(usize::MAX);
    let sets = vec![Arc::new(owner.clone()) as Arc<dyn RowSet>, Arc::new(copy.clone())];
    let calls = answering(Calls::new("order-service"), sets, planting);
    let database = Database::open(dir.path().join("monitor.sqlite"), DatabaseOptions::SYNCED).await.unwrap();
    let services = vec![Neighbour::round_trip(Arc::new(calls))];
    let monitor = Monitor::open(config, services, database, host).await.unwrap();
    World { owner, copy, monitor, _dir: dir }
}

impl World {
    async fn check(&self, deep: bool) -> serde_json::Value {
        let report = self.monitor.check(&CheckAsked { deep, ..CheckAsked::default() }).await;
        serde_json::to_value(report).unwrap()
    }
}

#[tokio::test]
async fn what_a_content_sweep_found_stays_in_the_report_until_it_is_cured() {
    let world = world(Planting::Allowed, MonitorConfig::default()).await;
    assert_eq!(world.check(true).await["overallStatus"], "consistent");
    world.monitor.plant("orders.view", "order-07", Damage::Change).await.unwrap();
    assert_eq!(world.check(false).await["overallStatus"], "consistent", "its version is the same");
    let deep = world.check(true).await;
    let row = deep["checks"][0]["inconsistencies"][0].clone();
    assert_eq!((&row["key"], &row["issue"]), (&"order-07".into(), &"different".into()));
    assert_eq!(row["owner"]["content"]["status"], "confirmed");
    assert_eq!(row["copy"]["content"]["status"], "damaged");
    let light = world.check(false).await;
    assert_eq!(light["checks"][0]["inconsistencies"][0]["id"], row["id"]);
    assert_eq!(light["checks"][0]["inconsistencies"][0]["foundAt"], row["foundAt"]);
    assert_eq!(light["metrics"]["totalEntities"], 50);
    world.owner.write("order-07", Some(Content::new().with("status", "shipped")));
    world.copy.follow(usize::MAX);
    assert_eq!(world.check(false).await["overallStatus"], "consistent", "the next write healed it");
}

#[tokio::test]
async fn a_check_that_repairs_ends_clean_and_its_record_holds_no_contents() {
    let world = world(Planting::Allowed, MonitorConfig::default()).await;
    for (key, damage) in [("order-01", Damage::Delete), ("order-02", Damage::Newer), ("order-99", Damage::Add)] {
        world.monitor.plant("orders.view", key, damage).await.unwrap();
    }
    let asked = CheckAsked { deep: true, repair_as: Some("operator:anna".to_owned()), ..CheckAsked::default() };
    let report = serde_json::to_value(world.monitor.check(&asked).await).unwrap();
    assert_eq!(report["overallStatus"], "consistent");
    let record = world.monitor.repairs(10).await.unwrap();
    let told: Vec<_> =
        record.iter().rev().map(|it| (it.entry.divergence.key.as_str(), it.entry.divergence.issue)).collect();
    assert_eq!(told, [("order-01", Issue::Missing), ("order-02", Issue::Different), ("order-99", Issue::Extra)]);
    assert!(record.iter().all(|it| it.entry.outcome == Outcome::Repaired && it.entry.by == "operator:anna"));
    assert!(!serde_json::to_string(&record).unwrap().contains("confirmed"), "{record:?}");
}

#[tokio::test]
async fn by_itself_it_repairs_what_is_missing_and_asks_a_person_for_what_is_different() {
    let config = MonitorConfig { versions_every: Duration::from_millis(20), share: 100, ..MonitorConfig::default() };
    let world = world(Planting::Allowed, config).await;
    world.monitor.plant("orders.view", "order-01", Damage::Delete).await.unwrap();
    world.monitor.plant("orders.view", "order-02", Damage::Newer).await.unwrap();
    let (monitor, stop) = (world.monitor.clone(), StopSignal::new());
    let running = tasks::spawn("monitor", {
        let stop = stop.clone();
        async move { monitor.run(stop).await }
    });
    let cured = tasks::within(Duration::from_secs(30), async {
        while world.copy.get("order-01").is_none() {
            tasks::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(cured.await.is_some());
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.check(false).await["metrics"]["inconsistentEntities"], 1);
    let record = world.monitor.repairs(10).await.unwrap();
    assert_eq!(
        record.iter().map(|it| (it.entry.divergence.key.as_str(), it.entry.by.as_str())).collect::<Vec<_>>(),
        [("order-01", "policy")]
    );
}

#[tokio::test]
async fn a_shop_that_was_not_told_so_takes_no_damage() {
    let world = world(Planting::Refused, MonitorConfig::default()).await;
    let planted = world.monitor.plant("orders.view", "order-07", Damage::Delete).await.unwrap();
    assert!(matches!(planted, Some(madrigal_consistency::Planted::Refused { .. })));
    assert!(world.copy.get("order-07").is_some());
}

#[tokio::test]
async fn a_copy_that_stands_still_is_unverified_with_how_far_and_since_when() {
    let world = world(Planting::Refused, MonitorConfig::default()).await;
    world.owner.write("order-07", Some(Content::new().with("status", "shipped")));
    let report = world.check(true).await;
    let check = &report["checks"][0];
    assert_eq!((&report["overallStatus"], &check["verdict"]), (&"unverified".into(), &"unverified".into()));
    assert_eq!((&check["unverifiedEntities"], &check["behindBy"]), (&1.into(), &1.into()));
    assert!(check["behindSince"].is_string());
    assert!(check["verifiedThrough"].is_null(), "there was no moment up to which every row was verified");
    world.copy.follow(1);
    let verified = world.check(true).await;
    assert_eq!(verified["overallStatus"], "consistent");
    let through = verified["checks"][0]["verifiedThrough"].clone();
    assert!(through.is_string());
    world.owner.write("order-07", Some(Content::new().with("status", "delivered")));
    assert_eq!(world.check(true).await["checks"][0]["verifiedThrough"], through, "it stays while the copy is behind");
}

#[tokio::test]
async fn a_projection_that_folds_wrongly_is_found_with_the_first_row_that_it_touches() {
    let day = Duration::from_secs(86_400);
    let config = MonitorConfig { versions_every: day, content_every: day, ..MonitorConfig::default() };
    let world = world(Planting::Refused, config).await;
    let (monitor, stop) = (world.monitor.clone(), StopSignal::new());
    let running = tasks::spawn("monitor", {
        let stop = stop.clone();
        async move { monitor.run(stop).await }
    });
    let report = || serde_json::to_value(world.monitor.report()).unwrap()["checks"][0].clone();
    let found = tasks::within(Duration::from_secs(60), async {
        let mut number = 0;
        while report()["inconsistentEntities"] != 1 {
            number += 1;
            world.owner.write("order-08", Some(Content::new().with("status", format!("step {number}"))));
            world.copy.follow(usize::MAX);
            // The mutant: the right version, and never the right content.
            let wrong = world.copy.get("order-08").unwrap().with_content(Content::new().with("status", "wrong"));
            world.copy.put("order-08", Some(wrong));
            world.owner.write("order-09", Some(Content::new().with("status", format!("step {number}"))));
            world.copy.follow(usize::MAX);
            tasks::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(found.await.is_some(), "{:#}", report());
    stop.cancel();
    running.await.unwrap();
    let told = report();
    assert_eq!((&told["sweep"], &told["verdict"]), (&"versions".into(), &"divergent".into()), "no sweep has found it");
    assert_eq!(told["inconsistencies"][0]["key"], "order-08");
    assert_eq!(told["sampled"]["divergent"], 1);
    assert!(told["sampled"]["lastAt"].is_string());
}

#[tokio::test]
async fn what_was_cured_by_hand_or_told_once_more_is_out_of_the_report_at_once() {
    let world = world(Planting::Allowed, MonitorConfig::default()).await;
    let declared = *PAIRS.iter().find(|pair| pair.name == "orders.view").unwrap();
    let counted = || {
        let report = serde_json::to_value(world.monitor.report()).unwrap();
        (report["metrics"]["inconsistentEntities"].clone(), report["metrics"]["totalEntities"].clone())
    };
    for by_hand in [true, false] {
        world.monitor.plant("orders.view", "order-07", Damage::Change).await.unwrap();
        world.check(true).await;
        assert_eq!(counted(), (json!(1), json!(50)));
        if by_hand {
            let (owner, copy) = (world.owner.get("order-07"), world.copy.get("order-07"));
            let row = Divergence { key: "order-07".to_owned(), issue: Issue::Different, owner, copy };
            let entry = world.monitor.repair(declared, row, true, "operator:anna").await.unwrap();
            assert_eq!(entry.outcome, Outcome::Repaired);
        } else {
            let (retold, _) = world.monitor.retell(declared, None, "operator:anna").await.unwrap();
            assert_eq!(retold.written, 1);
        }
        assert_eq!(counted(), (json!(0), json!(50)), "by hand: {by_hand}; no check was made since");
    }
}

/// The clock stands still but for sleeping: there are two looks, the first of which says how far the owner is.
#[tokio::test]
async fn as_many_changes_are_looked_at_as_the_configuration_allows_and_none_where_none_are_wanted() {
    for (sampled_share, sampled_per_second, expected) in [(100, 20, 20), (100, 0, 0), (0, 20, 0)] {
        let config = MonitorConfig { sampled_share, sampled_per_second, ..MonitorConfig::default() };
        let world = world(Planting::Refused, config).await;
        world.check(false).await;
        tokio::time::pause();
        let stop = StopSignal::new();
        let changed = async {
            tasks::sleep(Duration::from_millis(1_500)).await;
            for number in 0..50 {
                world.owner.write(&format!("order-{number:02}"), Some(Content::new().with("status", "shipped")));
            }
            world.copy.follow(usize::MAX);
            tasks::sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        tokio::join!(world.monitor.run(stop.clone()), changed);
        tokio::time::resume();
        let report = serde_json::to_value(world.monitor.report()).unwrap();
        let sampled = report["checks"][0]["sampled"]["consistent"].as_u64().unwrap_or(0);
        assert_eq!(sampled, expected, "{sampled_share} percent, {sampled_per_second} a second");
    }
}
