use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::{
    ConsumerOptions, Delivery, DynTopicSource, HandleError, Handler, MemoryOffsets, Message, ParkedFilter, PollError,
    PollFrom, Start, Subscriber,
};
use madrigal_cdc::{Change, MemorySink, Op, Retelling, RowVersions, Sink, SinkBatch, Value, Write, change_of};
use madrigal_core::{LogName, Position, RowVersion};
use madrigal_projection::Checkpoint;
use madrigal_telemetry::Status;
use serde_json::{Value as Json, json};

use crate::shop::{PASSWORD, Shop};

fn topic(shop: &Shop, name: &str) -> DynTopicSource {
    shop.service.topics().into_iter().find(|topic| topic.topic() == name).unwrap()
}

async fn messages(shop: &Shop, name: &str) -> Vec<Message> {
    topic(shop, name).poll(PollFrom::Start(Start::Earliest), 1_000, Duration::ZERO).await.unwrap().items
}

async fn changes(shop: &Shop, name: &str) -> Vec<Change> {
    messages(shop, name).await.iter().map(|message| change_of(message).unwrap()).collect()
}

fn text(message: &Message) -> String {
    message.to_json().unwrap().get().to_owned()
}

fn plain_sql(shop: &Shop, sql: &str) {
    let other = rusqlite::Connection::open(shop.dir().join("users.sqlite")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    other.execute_batch(sql).unwrap();
}

/// Registers, changes, changes the password, logs in.
async fn busy(shop: &Shop) -> i64 {
    let id = shop.register("quinta").await;
    let path = format!("/v1/users/{id}");
    let patch = json!({"profile": {"lastName": "Bianchi-Sforza"}});
    assert_eq!(shop.patch(&path, &shop.customer(id), 1, &patch).await.status, 200);
    let passwords = json!({"current": PASSWORD, "new": "another long horse"});
    let changed = shop.post_as(&format!("{path}/password"), &shop.customer(id), &passwords).await;
    assert!(changed.status < 300, "{}", changed.body);
    let log_in = json!({"login": "quinta", "password": "another long horse"});
    assert_eq!(shop.post("/v1/sessions", &log_in).await.status, 201);
    id
}

#[tokio::test]
async fn every_change_of_a_user_is_told_with_the_stores_version() {
    let shop = Shop::open().await;
    let id = busy(&shop).await;
    plain_sql(&shop, &format!("UPDATE users SET email = 'sesta@example.net' WHERE id = {id}"));
    let told = changes(&shop, "users").await;
    let versions = RowVersions::column("version");
    let outline: Vec<_> =
        told.iter().map(|change| (change.op, versions.of(change).unwrap(), change.key().unwrap().as_str())).collect();
    let count = |n| RowVersion::new(1, n).unwrap();
    let key = format!("{{\"id\":{id}}}");
    let expected = [(Op::Create, 1), (Op::Update, 2), (Op::Update, 3), (Op::Update, 4)];
    assert_eq!(outline, expected.map(|(op, version)| (op, count(version), key.as_str())));
    let last = told.last().unwrap();
    let email =
        |row: &Option<madrigal_cdc::Row>| row.as_ref().unwrap().get("email").unwrap().as_str().unwrap().to_owned();
    assert_eq!((email(&last.before), email(&last.after)), ("quinta@example.org".into(), "sesta@example.net".into()));
    assert_eq!((last.source.table.as_str(), last.source.connector.as_str()), ("users", "sqlite"));
}

#[tokio::test]
async fn what_happens_to_users_is_told_as_rows_of_their_events() {
    let shop = Shop::open().await;
    let id = busy(&shop).await;
    let told = changes(&shop, "user_events").await;
    let column = |change: &Change, name: &str| change.after.as_ref().unwrap().get(name).unwrap().to_json();
    let types: Vec<_> = told.iter().map(|change| column(change, "event_type")).collect();
    assert_eq!(types, ["UserRegistered", "UserChanged", "UserPasswordChanged", "UserLoggedIn"].map(|text| json!(text)));
    assert!(told.iter().all(|change| change.op == Op::Create && column(change, "user_id") == json!(id)));
    for change in &told {
        assert_eq!(RowVersions::immutable().of(change).unwrap(), RowVersion::new(1, 1).unwrap());
    }
}

#[tokio::test]
async fn the_hash_of_a_password_is_in_no_message_and_events_tell_nothing_personal() {
    let shop = Shop::open().await;
    let id = busy(&shop).await;
    plain_sql(&shop, &format!("UPDATE users SET password_hash = '$argon2id$other' WHERE id = {id}"));
    plain_sql(&shop, "INSERT INTO users (email, username, password_hash) VALUES ('x@y.z', 'xyz', '$argon2id$third')");
    plain_sql(&shop, "DELETE FROM users WHERE username = 'xyz'");
    let users = messages(&shop, "users").await;
    assert_eq!(users.len(), 6);
    let events = messages(&shop, "user_events").await;
    for message in users.iter().chain(&events) {
        let text = text(message);
        assert!(!text.contains("$argon2") && !text.contains("password_hash") && !text.contains(PASSWORD), "{text}");
    }
    for message in &events {
        let text = text(message);
        assert!(
            ["quinta", "Quintilla", "Sforza", "example.org"].iter().all(|personal| !text.contains(personal)),
            "{text}"
        );
    }
}

#[tokio::test]
async fn of_an_erased_person_the_topic_tells_that_there_was_somebody_and_no_more() {
    let shop = Shop::open().await;
    let (id, other) = (busy(&shop).await, shop.register("orlando").await);
    let headers = [("authorization", &*format!("Bearer {}", shop.operator())), ("if-match", "\"3\"")];
    let path = format!("/v1/users/{id}");
    let erased = shop.send(axum::http::Method::DELETE, &path, &headers, Vec::new()).await;
    assert_eq!(erased.status, 204, "{}", erased.body);
    let told = changes(&shop, "users").await;
    let outline: Vec<_> =
        told.iter().map(|change| (change.op, change.key().unwrap().only().unwrap().as_i64())).collect();
    assert_eq!(outline, [(Op::Create, Some(other)), (Op::Delete, Some(id))]);
    let gone = told.last().unwrap();
    assert_eq!(serde_json::to_value(&gone.before).unwrap(), json!({"id": id, "version": 3}));
    assert_eq!(RowVersions::column("version").of(gone).unwrap(), RowVersion::new(1, 4).unwrap());
}

#[tokio::test]
async fn topics_go_on_where_they_were_after_a_restart() {
    let shop = Shop::open().await;
    let id = busy(&shop).await;
    let before = topic(&shop, "users").poll(PollFrom::Start(Start::Earliest), 1_000, Duration::ZERO).await.unwrap();
    let shop = shop.restart().await;
    plain_sql(&shop, &format!("UPDATE users SET profile = '{{}}' WHERE id = {id}"));
    let at = Checkpoint { epoch: before.epoch, position: before.scanned_through };
    let after = topic(&shop, "users").poll(PollFrom::After(at), 1_000, Duration::ZERO).await.unwrap();
    let versions: Vec<_> = after.items.iter().map(|message| message.version.unwrap().0).collect();
    assert_eq!(versions, [4], "and nothing is told again");
}

#[tokio::test]
async fn a_group_that_begins_late_hears_of_everybody() {
    let shop = Shop::open().await;
    let id = busy(&shop).await;
    let changes = shop.service.changes();
    // As if there had been more changes than are kept: only a minute of pruning would bring them away.
    plain_sql(
        &shop,
        "DELETE FROM changes; UPDATE changes_log SET pruned_through = (SELECT max(seq) FROM sqlite_sequence)",
    );
    let gone = Checkpoint { epoch: changes.epoch(), position: Position(1) };
    let topic = topic(&shop, "users");
    let refused = topic.poll(PollFrom::After(gone), 1_000, Duration::ZERO).await;
    let Err(PollError::Fault(fault)) = refused else { panic!("{refused:?}") };
    assert!(fault.chain().contains("take a snapshot again"), "{}", fault.chain());
    let first = topic.poll(PollFrom::Start(Start::Earliest), 1_000, Duration::ZERO).await.unwrap();
    let at = Checkpoint { epoch: first.epoch, position: first.scanned_through };
    let next = topic.poll(PollFrom::After(at), 1_000, Duration::ZERO).await.unwrap();
    let told: Vec<_> = first.items.iter().chain(&next.items).map(|message| change_of(message).unwrap()).collect();
    let outline: Vec<_> =
        told.iter().map(|change| (change.op, change.key().unwrap().only().unwrap().as_i64())).collect();
    assert_eq!(outline, [(Op::Read, Some(id))]);
}

#[tokio::test]
async fn health_says_what_is_kept_and_who_lost_changes() {
    let shop = Shop::open().await;
    busy(&shop).await;
    let check = async || shop.service.health().await.into_iter().find(|check| check.name == "changeCapture").unwrap();
    let before = check().await;
    let detail = "7 of at most 200000 changes kept, the slowest reader is 0 behind";
    assert_eq!((before.status, before.detail.as_str()), (Status::Healthy, detail));
    plain_sql(&shop, "INSERT INTO changes_consumers (name, position) VALUES ('sync-service', 2)");
    assert!(check().await.detail.ends_with("the slowest reader is 5 behind"));
    plain_sql(&shop, "UPDATE changes_log SET pruned_through = 3");
    let lost = check().await;
    assert_eq!(lost.status, Status::Degraded);
    assert!(lost.detail.ends_with("must take a snapshot: sync-service"), "{}", lost.detail);
}

/// The topics are contracts: keys and envelopes of each operation, with times and ids in their places.
#[tokio::test]
async fn messages_are_what_the_golden_file_says() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    plain_sql(&shop, &format!("UPDATE users SET email = 'sesta@example.net' WHERE id = {id}"));
    shop.service.changes().retell("users", None).await.unwrap();
    plain_sql(&shop, "DELETE FROM users");
    let mut told = String::new();
    for topic in ["users", "user_events"] {
        for message in messages(&shop, topic).await {
            let mut value: Json = message.decode().unwrap();
            blank(&mut value);
            let key: Json = serde_json::from_str(&message.key).unwrap();
            let line = json!({"topic": topic, "type": message.kind, "key": key, "value": value});
            told.push_str(&format!("{line}\n"));
        }
    }
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/topics.jsonl");
    if madrigal_core::environment::variable("UPDATE").is_some() {
        std::fs::write(golden, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(golden).unwrap());
}

/// Puts a word for what is another at every run.
fn blank(value: &mut Json) {
    match value {
        Json::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "ts_ms" | "ts_us" => *field = json!(0),
                    "created_at" | "updated_at" if field.is_string() => *field = json!("<time>"),
                    "version" if field.is_string() => *field = json!("<version>"),
                    "event_data" | "metadata" => *field = json!("<json as text>"),
                    "id" if field.is_string() => *field = json!("<uuid>"),
                    _ => blank(field),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// Applies to a copy what a message tells; one user is poison to it.
struct IntoCopy {
    copy: MemorySink,
    poison: i64,
}

#[async_trait]
impl Handler for IntoCopy {
    async fn handle(&self, message: &Message, _: &Delivery) -> Result<(), HandleError> {
        let change = change_of(message).map_err(HandleError::poison)?;
        if change.key().and_then(|key| key.only()).and_then(Value::as_i64) == Some(self.poison) {
            return Err(HandleError::poison("a user that nobody understands"));
        }
        let version = RowVersions::column("version").of(&change).map_err(HandleError::poison)?;
        let write = Write { key: message.key.clone(), version, row: change.after };
        let batch = SinkBatch { log: LogName::parse("users").unwrap(), writes: vec![write], through: None };
        self.copy.apply(batch).await.map(|_| ()).map_err(HandleError::retry)
    }
}

#[tokio::test]
async fn a_user_that_cannot_be_copied_parks_alone_and_the_others_stay_in_order() {
    let shop = Shop::open().await;
    let ids = [shop.register("quinta").await, shop.register("orlando").await, shop.register("sesto").await];
    for (round, id) in [1, 2, 3].into_iter().zip(ids).cycle().take(9) {
        plain_sql(&shop, &format!("UPDATE users SET profile = '{{\"firstName\":\"{round}\"}}' WHERE id = {id}"));
    }
    let handler = Arc::new(IntoCopy { copy: MemorySink::new(), poison: ids[1] });
    let (offsets, options) =
        (Arc::new(MemoryOffsets::new()), ConsumerOptions { lanes_at_once: 3, ..Default::default() });
    let group = Subscriber::new(
        "copier",
        topic(&shop, "users"),
        Start::Earliest,
        Arc::clone(&handler) as _,
        offsets,
        shop.host.clone(),
        options,
    );
    group.catch_up().await.unwrap();
    let copies = handler.copy.scan(None, 100).await.unwrap();
    let copied: Vec<(String, u64)> = copies.iter().map(|(key, copy)| (key.clone(), copy.version.count())).collect();
    assert_eq!(copied, [(format!("{{\"id\":{}}}", ids[0]), 4), (format!("{{\"id\":{}}}", ids[2]), 4)]);
    let parked = group.control().parked(ParkedFilter::default()).await.unwrap();
    assert_eq!(parked.iter().map(|parked| parked.lane.clone()).collect::<HashSet<_>>().len(), 1);
    assert_eq!(parked.len(), 4, "everything of that key, in order, and nothing else");
}

#[tokio::test]
async fn a_change_is_the_same_after_a_long_poll_between_processes() {
    let shop = Shop::open().await;
    busy(&shop).await;
    for message in messages(&shop, "users").await {
        let received = Message::from_json(message.to_json().unwrap().get()).unwrap();
        assert_eq!(received, message);
        assert_eq!(change_of(&received).unwrap(), change_of(&message).unwrap());
    }
}
