//! The monitor over copies that transformers stand before.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_cdc::ChangeSource;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Detail, DynRowSet, Row, RowSet, SetDescription, number_key, row::key_number};
use madrigal_contracts::copies::CopyRow;
use madrigal_contracts::rows::kept::{KeptRows, USER_FIELDS, user_content};
use madrigal_contracts::rows::{Planting, answering};
use madrigal_core::{Fault, PositionToken, RowVersion};
use madrigal_http::{Calls, Neighbour};
use madrigal_projection::consumer::{PollFrom, Start};
use madrigal_sqlite::{Database, DatabaseOptions};
use madrigal_sync_service::SyncService;
use madrigal_sync_service::monitor::sweeps::CheckAsked;
use madrigal_sync_service::monitor::{Monitor, MonitorConfig};
use serde_json::{Value, json};

use crate::kept::Kept;
use crate::shop::{Shop, caught_up};

/// The owner's table, as user-service shows it.
struct Table {
    owner: Database,
    changes: madrigal_sqlite::changes::SqliteChanges,
}

#[async_trait]
impl RowSet for Table {
    fn description(&self) -> SetDescription {
        SetDescription::owner("users.table", USER_FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        let read = self.changes.read(PollFrom::Start(Start::Latest), 1, Duration::ZERO).await.unwrap();
        Ok(PositionToken::of(self.changes.log().clone(), read.epoch, read.end))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        let rows = self.owner.read("page", |connection| {
            let mut select =
                connection.prepare("SELECT id, email, username, profile, version FROM users ORDER BY id")?;
            let rows = select.query_map([], |row| {
                let profile: String = row.get(3)?;
                let time = "2026-01-01T00:00:00.000000Z";
                let fields = json!({"email": row.get::<_, String>(1)?, "username": row.get::<_, String>(2)?,
                    "profile": serde_json::from_str::<Value>(&profile).unwrap(), "createdAt": time, "updatedAt": time});
                let version = RowVersion::new(1, row.get::<_, i64>(4)?.try_into().unwrap()).ok();
                Ok(Row::new(number_key(row.get::<_, i64>(0)?.try_into().unwrap()), version)
                    .with_content(user_content(&fields)))
            })?;
            rows.collect::<Result<Vec<Row>, _>>()
        });
        let rows = rows.await?.into_iter().filter(|row| read.range.contains(&row.key)).take(read.limit);
        Ok(rows.map(|row| if read.detail == Detail::Content { row } else { Row { content: None, ..row } }).collect())
    }

    async fn by_key(&self, keys: Vec<String>, detail: Detail) -> Result<Vec<Row>, Fault> {
        let all = self.page(PageRead { range: Default::default(), limit: 1_000, detail }).await?;
        Ok(all.into_iter().filter(|row| keys.contains(&row.key)).collect())
    }

    async fn history(&self, key: &str, _: RowVersion, last: RowVersion) -> Result<Option<Vec<Row>>, Fault> {
        Ok(key_number(key).map(|_| vec![Row::tombstone(key, Some(last))]))
    }
}

struct World {
    shop: Shop,
    sync: SyncService,
    monitor: Monitor,
}

/// A shop of three users, told, with a monitor as the program puts it together.
async fn world(transformers: Value) -> World {
    let shop = Shop::open().await;
    for id in 1..=3 {
        shop.put(id, &format!("person-{id}@example.org")).await;
    }
    let sync = shop.sync_with(transformers.as_array().unwrap().clone()).await.unwrap();
    caught_up(&sync).await;
    let table: DynRowSet = Arc::new(Table { owner: shop.owner.clone(), changes: shop.changes.clone() });
    let kept = |copy: &Kept| Arc::new(KeptRows::new(Arc::new(copy.clone()), USER_FIELDS)) as DynRowSet;
    let sets = shop.copies_of_users().map(kept).into_iter().chain([table]).collect();
    let calls = answering(Calls::new("user-service"), sets, Planting::Refused);
    let file = shop.sync_file().with_file_name("monitor.sqlite");
    let database = Database::open(file, DatabaseOptions::SYNCED).await.unwrap();
    let services = vec![Neighbour::round_trip(Arc::new(calls))];
    let monitor = Monitor::open(MonitorConfig::default(), services, database, shop.host.clone()).await.unwrap();
    sync.rebuilds().repair_by(monitor.clone());
    World { shop, sync, monitor }
}

impl World {
    /// What is wrong, as `pair issue key`, and the whole report.
    async fn check(&self, deep: bool, repair: bool) -> (Vec<String>, Value) {
        let repair_as = repair.then(|| "operator:anna".to_owned());
        let asked = CheckAsked { deep, repair_as, ..CheckAsked::default() };
        let report = serde_json::to_value(self.monitor.check(&asked).await).unwrap();
        let of = |check: &Value| -> Vec<String> {
            let rows = check["inconsistencies"].as_array().unwrap().iter();
            let name = check["name"].as_str().or(check["pair"].as_str()).unwrap_or_default();
            rows.map(|row| {
                format!(
                    "{name} {} {}",
                    row["issue"].as_str().unwrap(),
                    key_number(row["key"].as_str().unwrap()).unwrap()
                )
            })
            .collect()
        };
        let mut wrong: Vec<String> = report["checks"].as_array().unwrap().iter().flat_map(of).collect();
        wrong.sort();
        (wrong, report)
    }

    async fn agrees(&self) {
        for deep in [false, true] {
            let (wrong, report) = self.check(deep, false).await;
            assert_eq!((&wrong[..], &report["overallStatus"]), (&[][..], &json!("consistent")), "{report:#}");
        }
    }
}

fn row(id: i64, version: u64, row: Option<Value>) -> CopyRow {
    CopyRow { key: id.to_string(), version: RowVersion::new(1, version).unwrap(), row }
}

#[tokio::test]
async fn what_a_filter_leaves_out_is_not_missing_and_no_repair_brings_it_back() {
    let filter = json!([{"kind": "filter", "topic": "users", "field": "username", "is_not": "user2",
        "copy": "users.analytics"}]);
    let world = world(filter).await;
    let analytics = &world.shop.analytics;
    assert_eq!(analytics.row(2), Some(None), "it is left out");
    world.agrees().await;
    let (_, report) = world.check(true, true).await;
    assert_eq!(report["overallStatus"], "consistent");
    assert!(world.monitor.repairs(10).await.unwrap().is_empty() && analytics.row(2) == Some(None));
    // Real damage: one is lost, one that was left out is there.
    let told = analytics.row(2).unwrap();
    let first = analytics.row(1).unwrap();
    analytics.forget(1);
    analytics.plant(row(2, 1, world.shop.index.row(2).unwrap()));
    for deep in [false, true] {
        let (wrong, report) = world.check(deep, false).await;
        assert_eq!(wrong, ["users.analytics extra 2", "users.analytics missing 1"], "{report:#}");
    }
    let (_, report) = world.check(true, true).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    assert_eq!((analytics.row(2), analytics.version(2)), (Some(told), Some(1)));
    assert_eq!(analytics.row(1).unwrap().unwrap()["email"], first.unwrap()["email"]);
    world.shop.put(2, "changed@example.org").await;
    caught_up(&world.sync).await;
    world.agrees().await;
}

#[tokio::test]
async fn what_is_masked_is_not_different_and_is_repaired_masked() {
    let declared = json!([
        {"kind": "mask", "topic": "users", "field": "email", "keep_last": 4, "copy": "users.key-value"},
        {"kind": "flatten", "topic": "users", "field": "profile", "fields": ["firstName"], "copy": "users.key-value"},
        {"kind": "mask", "topic": "users", "field": "profile_firstName", "copy": "users.key-value"},
        {"kind": "enrich", "topic": "users", "field": "shop", "value": "here", "copy": "users.key-value"},
        {"kind": "rename", "topic": "users", "field": "updatedAt", "to": "seenAt", "copy": "users.key-value"},
    ]);
    let world = world(declared).await;
    let copy = &world.shop.key_value;
    let told = copy.live();
    assert_eq!((&told[&1]["email"], &told[&1]["profile_firstName"]), (&json!("****************.org"), &json!("****")));
    world.agrees().await;
    copy.forget(1);
    copy.plant(row(2, 1, world.shop.index.row(2).unwrap()));
    let mut lacking = told[&3].clone();
    lacking["email"] = json!("*");
    copy.plant(row(3, 1, Some(lacking)));
    assert_eq!(world.check(false, false).await.0, ["users.key-value missing 1"]);
    let expected = ["users.key-value different 2", "users.key-value different 3", "users.key-value missing 1"];
    let (wrong, report) = world.check(true, false).await;
    assert_eq!(wrong, expected);
    let shown: Vec<&Value> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|check| check["inconsistencies"].as_array().unwrap().iter().map(|row| &row["owner"]))
        .collect();
    assert!(!json!(shown).to_string().contains("person-"), "operators are shown what the copy should have: {shown:?}");
    let (_, report) = world.check(true, true).await;
    assert_eq!(report["overallStatus"], "consistent", "{report:#}");
    for (id, mut told) in told {
        let mut repaired = copy.row(id).unwrap().unwrap();
        assert!(!repaired.to_string().contains("person-") && !repaired.to_string().contains("Anna"), "{repaired}");
        // A moment is written in its shortest form by repairs.
        for row in [&mut told, &mut repaired] {
            row["createdAt"] = json!(row["createdAt"].as_str().unwrap().replace(".000000", ""));
        }
        assert_eq!(repaired, told, "as it was told");
    }
}

#[tokio::test]
async fn a_row_that_transformers_cannot_take_is_found_and_never_repaired() {
    let declared = json!([
        {"kind": "flatten", "topic": "users", "field": "profile", "fields": ["phone"], "copy": "users.key-value"},
        {"kind": "mask", "topic": "users", "field": "profile_phone", "copy": "users.key-value"},
    ]);
    let world = world(declared).await;
    world.shop.put_profile(2, "person-2@example.org", r#"{"phone":5550199}"#).await;
    caught_up(&world.sync).await;
    let before = world.shop.key_value.live();
    let (wrong, report) = world.check(true, true).await;
    assert_eq!(wrong, ["users.key-value stale 2"], "{report:#}");
    assert_eq!(world.shop.key_value.live(), before);
}
