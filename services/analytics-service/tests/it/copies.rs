//! The two copies: what sync-service writes of users, and what the monitor sees, damages and repairs.

use std::sync::Arc;

use madrigal_analytics_service::row_sets::{OrderFactRows, UserRows};
use madrigal_analytics_service::users::Users;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Content, Damage, Detail, KeyRange, Planted, RepairRow, Repaired, Row, RowSet, Seen, number_key,
};
use madrigal_contracts::copies::{AppliedThrough, ApplyRows, CopyKeeper, CopyRow, ReplaceRow, Replaced, RowOutcome};
use madrigal_core::{Host, LogEpoch, LogName, Position, RowVersion};
use serde_json::{Value, json};

use crate::support::{Desk, at, item, moved, placed};

fn version(count: u64) -> RowVersion {
    RowVersion::new(1, count).unwrap()
}

fn user(id: i64, count: u64, created_at: Option<&str>) -> CopyRow {
    let row =
        created_at.map(|text| json!({ "id": id, "username": "anna", "email": "anna@example.org", "createdAt": text }));
    CopyRow { key: id.to_string(), version: version(count), row }
}

#[tokio::test]
async fn users_refuse_what_is_older_and_keep_nothing_personal() {
    let desk = Desk::open().await;
    let users = Users::new(desk.service.database().clone());
    let through = AppliedThrough {
        log: LogName::parse("users").unwrap(),
        epoch: LogEpoch::new(&Host::seeded(3)),
        position: Position(9),
    };
    let since = Some("2026-01-01T00:00:00.000000Z");
    let rows = vec![user(7, 2, since), user(7, 1, since), user(7, 2, None), user(8, 1, Some("soon")), user(9, 4, None)];
    let call = ApplyRows { copy: "users.analytics".to_owned(), rows, through: Some(through.clone()) };
    let outcomes = users.apply(call).await.unwrap().outcomes;
    assert_eq!(outcomes[..3], [RowOutcome::Applied, RowOutcome::Older, RowOutcome::Repeated]);
    assert!(matches!(&outcomes[3], RowOutcome::Refused { cause } if !cause.contains("anna")), "{:?}", outcomes[3]);
    assert_eq!(users.applied_through().await.unwrap(), [through]);
    let kept = users.read("7").await.unwrap().unwrap();
    assert_eq!(kept.row, Some(json!({ "id": 7, "createdAt": "2026-01-01T00:00:00Z" })));
    let late = ApplyRows { copy: String::new(), rows: vec![user(9, 3, since), user(7, 3, None)], through: None };
    assert_eq!(users.apply(late).await.unwrap().outcomes, [RowOutcome::Older, RowOutcome::Applied], "deletes stay");
    assert_eq!(users.keys(None, 10).await.unwrap(), Vec::<String>::new());
    desk.service.database().checkpoint().await.unwrap();
    let file = std::fs::read(desk.dir.path().join("analytics.sqlite")).unwrap();
    assert!(!file.windows(4).any(|bytes| bytes == b"anna"), "no name reaches the file");
}

#[tokio::test]
async fn a_repair_replaces_exactly_the_user_that_was_seen() {
    let desk = Desk::open().await;
    let users = Users::new(desk.service.database().clone());
    let since = Some("2026-01-01T00:00:00.000000Z");
    let apply = async |row: CopyRow| {
        users.apply(ApplyRows { copy: String::new(), rows: vec![row], through: None }).await.unwrap()
    };
    let replaced = async |seen: Option<CopyRow>, with: Option<CopyRow>| {
        users.replace(vec![ReplaceRow { key: "7".to_owned(), seen, with }]).await.unwrap().remove(0)
    };
    apply(user(7, 9, since)).await;
    let seen = users.read("7").await.unwrap();
    apply(user(7, 10, since)).await;
    assert_eq!(replaced(seen, Some(user(7, 3, since))).await, Replaced::Changed);
    let seen = users.read("7").await.unwrap();
    assert_eq!(
        replaced(seen.clone(), Some(user(7, 3, Some("soon")))).await,
        Replaced::Refused { cause: "createdAt is no time".to_owned() }
    );
    assert_eq!(replaced(seen, Some(user(7, 3, since))).await, Replaced::Done);
    assert_eq!(users.page(0, 10).await.unwrap()[0].version, version(3));
    let seen = users.read("7").await.unwrap();
    assert_eq!(replaced(seen, None).await, Replaced::Done);
    assert_eq!(users.page(0, 10).await.unwrap(), Vec::new());
}

/// What order-service's streams say of such an order, as its row set tells it.
fn owned(order: &str, count: u64, amount: i64, status: &str) -> Row {
    let time = "2026-11-23T10:15:00Z";
    let content = Content::new()
        .with("userId", 1)
        .with("currency", "EUR")
        .with("status", status)
        .with("imported", false)
        .with("createdAt", time)
        .with("itemCount", 1)
        .with("totalAmount", amount)
        .with("discountAmount", 0)
        .with("taxAmount", 0)
        .with("finalAmount", amount)
        .with("productIds", vec![Value::from("tea")])
        .with("items", vec![item("tea", amount, 1, "EUR")])
        .with("timeline", json!([{ "status": "created", "at": time }, { "status": "confirmed", "at": time }]));
    Row::new(order, Some(version(count))).with_content(content)
}

async fn all(set: &dyn RowSet) -> Vec<Row> {
    set.page(PageRead { range: KeyRange::ALL, limit: 100, detail: Detail::Content }).await.unwrap()
}

#[tokio::test]
async fn every_damage_to_an_order_is_seen_and_repaired_with_its_rollups() {
    let desk = Desk::open().await;
    let time = at("2026-11-23T10:15:00Z");
    desk.orders.tell_all(placed("o-1", 1, time, "EUR", &[("tea", 300, 1)]));
    desk.orders.tell_all(placed("o-2", 1, time, "EUR", &[("tea", 500, 1)]));
    desk.catch_up().await;
    let set: Arc<dyn RowSet> =
        Arc::new(OrderFactRows::new(desk.service.database().clone(), desk.service.orders().following()));
    let fields = set.description().fields;
    let (rows, rollups) = (all(&*set).await, desk.rollups().await);
    let right = [owned("o-1", 3, 300, "confirmed"), owned("o-2", 3, 500, "confirmed")];
    let hashes =
        |rows: &[Row]| -> Vec<_> { rows.iter().map(|row| (row.version, Seen::of(row, &fields).content)).collect() };
    assert_eq!(hashes(&rows), hashes(&right), "owner and copy tell the same");

    for (key, damage) in [
        ("o-1", Damage::Change),
        ("o-1", Damage::Delete),
        ("o-2", Damage::Older),
        ("o-2", Damage::Newer),
        ("o-3", Damage::Add),
    ] {
        assert_eq!(set.plant(key, damage).await.unwrap(), Planted::Done, "{damage:?}");
        let damaged = all(&*set).await;
        assert_ne!(hashes(&damaged), hashes(&right), "{damage:?}");
        let seen = damaged.iter().find(|row| row.key == key).map(|row| Seen::of(row, &fields));
        let row = right.iter().find(|row| row.key == key).cloned();
        let repair = RepairRow { key: key.to_owned(), seen, fields: fields.clone(), row };
        let other = RepairRow { seen: Some(Seen { version: None, content: Some(1) }), ..repair.clone() };
        assert_eq!(set.repair(other).await.unwrap(), Repaired::Changed, "{damage:?}: not what was seen");
        assert_eq!(set.repair(repair).await.unwrap(), Repaired::Done, "{damage:?}");
        assert_eq!((all(&*set).await, desk.rollups().await), (rows.clone(), rollups.clone()), "{damage:?}");
    }
    assert_eq!(desk.service.refresh().once().await.unwrap().mended, 0);
    // What is repaired goes on with its stream.
    desk.orders.tell(moved("o-1", 4, time, "shipped"));
    desk.catch_up().await;
    assert_eq!(all(&*set).await[0].version, Some(version(4)));
    let versions =
        PageRead { range: KeyRange { after: Some("o-1".into()), through: None }, limit: 1, detail: Detail::Versions };
    assert_eq!(set.page(versions).await.unwrap(), [Row::new("o-2", Some(version(3)))]);
}

#[tokio::test]
async fn every_damage_to_a_user_is_seen_and_repaired() {
    let desk = Desk::open().await;
    let users = Users::new(desk.service.database().clone());
    let rows =
        vec![user(7, 2, Some("2026-01-01T00:00:00Z")), user(8, 2, Some("2026-01-02T00:00:00Z")), user(9, 5, None)];
    users.apply(ApplyRows { copy: String::new(), rows, through: None }).await.unwrap();
    let set = UserRows::new(desk.service.database().clone());
    let fields = set.description().fields;
    let right = all(&set).await;
    assert_eq!((right.len(), right[2].deleted), (3, true));
    for (id, damage) in
        [(7, Damage::Change), (8, Damage::Delete), (7, Damage::Older), (8, Damage::Newer), (11, Damage::Add)]
    {
        let key = number_key(id);
        assert_eq!(set.plant(&key, damage).await.unwrap(), Planted::Done, "{damage:?}");
        let damaged = all(&set).await;
        assert_ne!(damaged, right, "{damage:?}");
        let seen = damaged.iter().find(|row| row.key == key).map(|row| Seen::of(row, &fields));
        let row = right.iter().find(|row| row.key == key).cloned();
        let repair = RepairRow { key, seen, fields: fields.clone(), row };
        assert_eq!(set.repair(repair).await.unwrap(), Repaired::Done, "{damage:?}");
        assert_eq!(all(&set).await, right, "{damage:?}");
    }
}
