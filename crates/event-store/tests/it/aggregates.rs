//! Aggregates, snapshots, upcasters and subscriptions.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Fault, Host, JsonBytes, LogEpoch, LogName, Metadata, NewEvent,
    Position, RecordedEvent, StreamName, StreamVersion, Timestamp,
};
use madrigal_event_store::{
    Aggregate, Aggregates, Checkpoint, DynEventStore, EventData, ExecuteError, MemoryEventStore, MemorySnapshots,
    ReadError, Snapshot, SnapshotStore, UpcastError, Upcasters, subscribe,
};
use serde_json::{Value, json};

struct Tally;

struct Added(u64);

impl EventData for Added {
    fn event_type(&self) -> EventType {
        EventType::parse("Added").unwrap()
    }

    fn schema_version(&self) -> u16 {
        1
    }

    fn to_json(&self) -> Result<JsonBytes, serde_json::Error> {
        JsonBytes::of(&self.0)
    }

    fn from_json(_: &EventType, data: &JsonBytes) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(data.decode()?))
    }
}

impl Aggregate for Tally {
    type State = u64;
    type Command = u64;
    type Event = Added;
    type Rejection = &'static str;

    const STATE_FORM: u64 = 7;

    fn decide(state: &u64, command: &u64) -> Result<Vec<Added>, &'static str> {
        match command {
            0 => Ok(Vec::new()),
            add if state + add > 1_000 => Err("too much"),
            add => Ok(vec![Added(*add)]),
        }
    }

    fn evolve(state: u64, event: &Added) -> u64 {
        state + event.0
    }
}

fn store() -> (DynEventStore, Host) {
    let host = Host::system();
    (Arc::new(MemoryEventStore::new(LogName::parse("tally").unwrap(), &host)), host)
}

fn tally() -> StreamName {
    StreamName::new("tally", 1).unwrap()
}

#[tokio::test]
async fn a_command_is_decided_on_the_current_state_and_a_rejection_writes_nothing() {
    let (store, host) = store();
    let (tallies, context) = (Aggregates::new(Arc::clone(&store), &host), CallContext::new(&host));
    let done = tallies.execute::<Tally>(&tally(), &600, &context).await.unwrap();
    assert_eq!((done.state, done.version, done.position), (600, StreamVersion(1), Some(Position(1))));
    let refused = tallies.execute::<Tally>(&tally(), &500, &context).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected("too much"))));
    let nothing = tallies.execute::<Tally>(&tally(), &0, &context).await.unwrap();
    assert_eq!((nothing.position, store.end()), (None, Position(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_at_once_are_decided_again_until_each_has_its_turn() {
    let (store, host) = store();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (tallies, context) = (Aggregates::new(Arc::clone(&store), &host), CallContext::new(&host));
            madrigal_core::tasks::spawn("command", async move {
                tallies.execute::<Tally>(&tally(), &10, &context).await.map(|done| done.state).map_err(|_| "failed")
            })
        })
        .collect();
    let mut states = Vec::new();
    for call in calls {
        states.push(call.await.unwrap().unwrap());
    }
    states.sort_unstable();
    assert_eq!(states, (1..=8).map(|n| n * 10).collect::<Vec<_>>());
}

#[tokio::test]
async fn deleting_all_snapshots_changes_no_answer_and_other_forms_are_ignored() {
    let (store, host) = store();
    let snapshots = Arc::new(MemorySnapshots::new());
    let tallies = Aggregates::new(Arc::clone(&store), &host).with_snapshots(snapshots.clone(), 5);
    let context = CallContext::new(&host);
    for _ in 0..23 {
        tallies.execute::<Tally>(&tally(), &2, &context).await.unwrap();
    }
    let with = tallies.load::<Tally>(&tally()).await.unwrap();
    assert_eq!((with.state, with.version), (46, StreamVersion(23)));
    assert!(with.events_read < 6 && snapshots.count() == 1, "{with:?}");
    snapshots.clear().await.unwrap();
    let without = tallies.load::<Tally>(&tally()).await.unwrap();
    assert_eq!((without.state, without.version, without.events_read), (46, with.version, 23));
    let other = Snapshot { version: StreamVersion(23), schema_hash: 8, state: JsonBytes::of(&999).unwrap() };
    snapshots.clear().await.unwrap();
    snapshots.save(&tally(), other).await.unwrap();
    assert_eq!(tallies.load::<Tally>(&tally()).await.unwrap().state, 46);
}

#[tokio::test]
async fn a_snapshot_of_a_history_that_the_log_lost_is_forgotten() {
    let (store, host) = store();
    let snapshots = Arc::new(MemorySnapshots::new());
    let tallies = Aggregates::new(Arc::clone(&store), &host).with_snapshots(snapshots.clone(), 5);
    let context = CallContext::new(&host);
    tallies.execute::<Tally>(&tally(), &2, &context).await.unwrap();
    let beyond =
        Snapshot { version: StreamVersion(9), schema_hash: Tally::STATE_FORM, state: JsonBytes::of(&99).unwrap() };
    snapshots.save(&tally(), beyond).await.unwrap();
    let loaded = tallies.load::<Tally>(&tally()).await.unwrap();
    assert_eq!((loaded.state, loaded.version, snapshots.count()), (2, StreamVersion(1), 0));
    assert_eq!(tallies.execute::<Tally>(&tally(), &3, &context).await.unwrap().version, StreamVersion(2));
}

struct BrokenSnapshots;

#[async_trait::async_trait]
impl SnapshotStore for BrokenSnapshots {
    async fn load(&self, _: &StreamName) -> Result<Option<Snapshot>, Fault> {
        Err(Fault::not_applied("test", "load", "broken"))
    }

    async fn save(&self, _: &StreamName, _: Snapshot) -> Result<(), Fault> {
        Err(Fault::not_applied("test", "save", "broken"))
    }

    async fn clear(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[tokio::test]
async fn a_broken_snapshot_store_changes_no_answer() {
    let (store, host) = store();
    let tallies = Aggregates::new(store, &host).with_snapshots(Arc::new(BrokenSnapshots), 1);
    for _ in 0..3 {
        tallies.execute::<Tally>(&tally(), &2, &CallContext::new(&host)).await.unwrap();
    }
    assert_eq!(tallies.load::<Tally>(&tally()).await.unwrap().state, 6);
}

fn upcasters() -> Upcasters {
    let created = EventType::parse("OrderCreated").unwrap();
    Upcasters::new()
        .then(created.clone(), |old| json!({"orderId": old["orderId"], "totals": {"total": old["total"]}}))
        .then(created, |mut old| {
            old["currency"] = json!("USD");
            old
        })
}

fn stored(schema_version: u16, data: &str) -> RecordedEvent {
    RecordedEvent {
        event_id: EventId::derived("1"),
        stream: StreamName::new("order", 1).unwrap(),
        event_type: EventType::parse("OrderCreated").unwrap(),
        schema_version,
        event_data: JsonBytes::parse(bytes::Bytes::copy_from_slice(data.as_bytes())).unwrap(),
        metadata: Metadata {
            timestamp: Timestamp::default(),
            version: StreamVersion(1),
            causation_id: None,
            correlation_id: None,
            user_id: None,
            traceparent: None,
        },
        position: Position(1),
    }
}

#[test]
fn every_version_ever_written_reads_as_the_current_one() {
    let golden = [
        include_str!("../golden/order-created-v1.json"),
        include_str!("../golden/order-created-v2.json"),
        include_str!("../golden/order-created-v3.json"),
    ];
    let current: Value = serde_json::from_str(golden[2]).unwrap();
    for (version, text) in (1..).zip(golden) {
        let event = upcasters().upcast(stored(version, text)).unwrap();
        assert_eq!((event.schema_version, event.decode::<Value>().unwrap()), (3, current.clone()));
    }
    let newer = upcasters().upcast(stored(4, golden[2]));
    assert!(matches!(newer, Err(UpcastError::Newer { found: 4, known: 3, .. })));
}

#[tokio::test]
async fn a_subscription_goes_on_from_its_checkpoint_and_refuses_one_of_another_history() {
    let (store, host) = store();
    let context = CallContext::new(&host);
    let append = async |id: u64| {
        let event_type = EventType::parse("Added").unwrap();
        let event = NewEvent::fresh(&host, event_type, 1, JsonBytes::of(&id).unwrap(), &context);
        store.append(tally(), ExpectedVersion::Any, vec![event]).await.unwrap();
    };
    for id in 0..5 {
        append(id).await;
    }
    let mut first = subscribe(Arc::clone(&store), Checkpoint::start_of(&store), 3).unwrap();
    assert_eq!(first.next(Duration::ZERO).await.unwrap().unwrap().events.len(), 3);
    let mut second = subscribe(Arc::clone(&store), first.checkpoint(), 3).unwrap();
    let read = second.next(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(read.events.iter().map(|event| event.position.0).collect::<Vec<_>>(), [4, 5]);
    assert!(second.next(Duration::ZERO).await.unwrap().is_none());

    let ahead = Checkpoint { position: Position(6), ..first.checkpoint() };
    assert!(matches!(subscribe(Arc::clone(&store), ahead, 3), Err(ReadError::BeyondEnd { .. })));
    let other = Checkpoint { epoch: LogEpoch::new(&host), ..first.checkpoint() };
    assert!(matches!(subscribe(Arc::clone(&store), other, 3), Err(ReadError::OtherEpoch { .. })));
}
