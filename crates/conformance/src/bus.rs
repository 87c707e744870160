//! The contract of [`TopicSource`](madrigal_bus::TopicSource), and what a group may rely on over any source.
//!
//! [`topic_source_suite!`](crate::topic_source_suite) makes a test of each for an implementation, which is made over a
//! given log and contract: in process and over HTTP must give the same.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::{
    Checkpoint, ConsumerOptions, Delivery, DynOffsets, DynTopicSource, HandleError, Handler, MapError, MemoryOffsets,
    Message, Outgoing, ParkedFilter, PollError, PollFrom, Start, Subscriber, TopicContract,
};
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogEpoch, LogName, NewEvent, Position, StreamName,
};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_projection::{ParkingError, RunError};
use serde_json::json;

/// Makes one test for each case. `$make` is an async function from an event store and a contract to a source and
/// whatever keeps it alive.
#[macro_export]
macro_rules! topic_source_suite {
    ($make:path) => {
        $crate::topic_source_suite!(@cases $make:
            messages_come_in_order_and_once
            what_the_contract_leaves_out_never_leaves
            a_quiet_topic_still_advances
            a_waiting_reader_hears_soon_of_what_is_left_out
            a_message_carries_its_envelope
            a_group_starts_where_it_is_told
            another_epoch_is_refused
            a_checkpoint_beyond_the_end_is_refused
            a_waiting_poll_ends_with_a_message_or_in_time
            an_event_that_cannot_be_mapped_is_told_as_such
            a_group_handles_every_message_once_and_in_order_per_key
            a_restarted_group_goes_on_where_it_was
            a_bad_message_parks_its_key_only
            a_retry_and_a_skip_free_the_key_in_order
            a_broken_neighbour_is_waited_for
            a_redelivered_message_is_recognised
            a_group_of_another_history_refuses_to_run
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let log = $crate::bus::log();
                let (source, _alive) = $make(log.clone(), $crate::bus::contract()).await;
                $crate::bus::$case(log, source).await;
            }
        )+
    };
}

/// An empty log.
pub fn log() -> DynEventStore {
    Arc::new(MemoryEventStore::new(LogName::parse("orders-log").unwrap(), &Host::system()))
}

/// A contract that tells `ThingHappened` as `thing.happened`, leaves out those marked secret, and cannot map those marked
/// broken.
pub fn contract() -> TopicContract {
    TopicContract::new("things", "/test", &["ThingHappened"], |event| {
        let data: serde_json::Value = event.decode()?;
        if data["broken"] == json!(true) {
            return Err(MapError::new("it is broken"));
        }
        if data["secret"] == json!(true) {
            return Ok(None);
        }
        Outgoing::about(event, "thing.happened", &json!({"n": data["n"]})).map(Some)
    })
}

async fn happen(log: &DynEventStore, id: &str, event_type: &str, data: serde_json::Value) -> Position {
    let host = Host::system();
    let event_type = EventType::parse(event_type).unwrap();
    let event = NewEvent::fresh(&host, event_type, 1, JsonBytes::of(&data).unwrap(), &CallContext::new(&host));
    let stream = StreamName::new("thing", id).unwrap();
    log.append(stream, ExpectedVersion::Any, vec![event]).await.unwrap().position
}

async fn thing(log: &DynEventStore, id: &str, n: u64) -> Position {
    happen(log, id, "ThingHappened", json!({"n": n})).await
}

const EARLIEST: PollFrom = PollFrom::Start(Start::Earliest);

async fn poll_all(source: &DynTopicSource, limit: usize) -> Vec<Message> {
    let (mut all, mut from) = (Vec::new(), EARLIEST);
    loop {
        let polled = source.poll(from, limit, Duration::ZERO).await.unwrap();
        all.extend(polled.items);
        from = PollFrom::After(Checkpoint { epoch: polled.epoch, position: polled.scanned_through });
        if polled.scanned_through >= polled.end {
            return all;
        }
    }
}

fn number(message: &Message) -> u64 {
    message.decode::<serde_json::Value>().unwrap()["n"].as_u64().unwrap()
}

/// Rule 1.
pub async fn messages_come_in_order_and_once(log: DynEventStore, source: DynTopicSource) {
    for n in 0..50 {
        thing(&log, &format!("{}", n % 3), n).await;
    }
    for limit in [1, 7, 1_000] {
        let numbers: Vec<u64> = poll_all(&source, limit).await.iter().map(number).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>(), "{limit} at a time");
    }
}

/// The filter holds whatever the mapping does, and the mapping may leave out more.
pub async fn what_the_contract_leaves_out_never_leaves(log: DynEventStore, source: DynTopicSource) {
    happen(&log, "1", "SecretHappened", json!({"n": 1, "password": "x"})).await;
    happen(&log, "1", "ThingHappened", json!({"n": 2, "secret": true})).await;
    happen(&log, "1", "ThingHappened", json!({"n": 3, "password": "x"})).await;
    let all = poll_all(&source, 100).await;
    assert_eq!(all.iter().map(number).collect::<Vec<_>>(), [3]);
    assert!(!all[0].to_json().unwrap().get().contains("password"));
}

/// How far it looked is told within a second or so, although the poll would wait for a message much longer: whoever compares
/// positions must not think that the reader is behind.
pub async fn a_waiting_reader_hears_soon_of_what_is_left_out(log: DynEventStore, source: DynTopicSource) {
    let end = happen(&log, "1", "OtherHappened", json!({})).await;
    let polling = source.poll(EARLIEST, 100, Duration::from_secs(30));
    let polled = madrigal_core::tasks::within(Duration::from_secs(20), polling).await;
    let Some(polled) = polled else { panic!("it waits for a message") };
    let polled = polled.unwrap();
    assert_eq!((polled.items.len(), polled.scanned_through), (0, end));
}

/// Rule 2.
pub async fn a_quiet_topic_still_advances(log: DynEventStore, source: DynTopicSource) {
    for _ in 0..20 {
        happen(&log, "1", "OtherHappened", json!({})).await;
    }
    let polled = source.poll(EARLIEST, 100, Duration::ZERO).await.unwrap();
    assert_eq!((polled.items.len(), polled.scanned_through, polled.end), (0, Position(20), Position(20)));
    assert_eq!(polled.epoch, log.epoch());
}

/// CloudEvents 1.0: id, source, type, subject, time, key and position survive the way.
pub async fn a_message_carries_its_envelope(log: DynEventStore, source: DynTopicSource) {
    let position = thing(&log, "7", 1).await;
    let event = log.read_log(Position::START, 1).await.unwrap().events.remove(0);
    let message = poll_all(&source, 10).await.remove(0);
    assert_eq!((message.id.as_str(), message.position), (event.event_id.to_string().as_str(), position));
    assert_eq!((message.source.as_str(), message.kind.as_str()), ("/test", "thing.happened"));
    assert_eq!((message.subject.as_deref(), message.key.as_str()), (Some("thing-7"), "7"));
    assert_eq!(message.time, event.metadata.timestamp);
    assert_eq!(message.correlation_id, event.metadata.correlation_id.map(|id| id.to_string()));
    let json = message.to_json().unwrap();
    assert_eq!(Message::from_json(json.get()).unwrap(), message);
}

/// Earliest, latest, or after a position.
pub async fn a_group_starts_where_it_is_told(log: DynEventStore, source: DynTopicSource) {
    for n in 1..=5 {
        thing(&log, "1", n).await;
    }
    let from = |start| source.poll(PollFrom::Start(start), 100, Duration::ZERO);
    assert_eq!(from(Start::Earliest).await.unwrap().items.len(), 5);
    assert_eq!(from(Start::At(Position(3))).await.unwrap().items.iter().map(number).collect::<Vec<_>>(), [4, 5]);
    let latest = from(Start::Latest).await.unwrap();
    assert_eq!((latest.items.len(), latest.scanned_through), (0, Position(5)));
}

/// Rule 3.
pub async fn another_epoch_is_refused(log: DynEventStore, source: DynTopicSource) {
    thing(&log, "1", 1).await;
    let other = LogEpoch::new(&Host::system());
    let from = PollFrom::After(Checkpoint { epoch: other, position: Position(1) });
    match source.poll(from, 10, Duration::ZERO).await.unwrap_err() {
        PollError::OtherEpoch { reader, log: own } => assert_eq!((reader, own), (other, log.epoch())),
        odd => panic!("{odd}"),
    }
}

/// Rule 3.
pub async fn a_checkpoint_beyond_the_end_is_refused(log: DynEventStore, source: DynTopicSource) {
    thing(&log, "1", 1).await;
    let from = PollFrom::After(Checkpoint { epoch: log.epoch(), position: Position(9) });
    match source.poll(from, 10, Duration::ZERO).await.unwrap_err() {
        PollError::BeyondEnd { reader, end } => assert_eq!((reader, end), (Position(9), Position(1))),
        odd => panic!("{odd}"),
    }
}

/// Rule 4.
pub async fn a_waiting_poll_ends_with_a_message_or_in_time(log: DynEventStore, source: DynTopicSource) {
    let nothing = source.poll(EARLIEST, 10, Duration::from_millis(20)).await.unwrap();
    assert!(nothing.items.is_empty());
    let waiting = {
        let source = Arc::clone(&source);
        tasks::spawn("waiting poll", async move { source.poll(EARLIEST, 10, Duration::from_secs(30)).await })
    };
    // An event that the topic leaves out does not end the wait; the next one does.
    happen(&log, "1", "OtherHappened", json!({})).await;
    thing(&log, "1", 7).await;
    let polled = waiting.await.unwrap().unwrap();
    assert_eq!(polled.items.iter().map(number).collect::<Vec<_>>(), [7]);
}

/// It is told as such, in its place, so that nobody passes it over.
pub async fn an_event_that_cannot_be_mapped_is_told_as_such(log: DynEventStore, source: DynTopicSource) {
    happen(&log, "1", "ThingHappened", json!({"n": 1, "broken": true, "password": "x"})).await;
    let all = poll_all(&source, 10).await;
    assert_eq!((all[0].kind.as_str(), all[0].key.as_str()), (madrigal_bus::message::UNMAPPABLE, "1"));
    assert!(!all[0].to_json().unwrap().get().contains("password"));
}

/// Writes down what it handles; refuses what it is told to.
#[derive(Default)]
struct Notebook {
    handled: Mutex<Vec<(String, u64)>>,
    poison: Mutex<Vec<u64>>,
    /// How many more attempts at anything fail because something around is broken.
    broken: Mutex<u32>,
}

impl Notebook {
    fn numbers(&self) -> Vec<u64> {
        self.handled.lock().unwrap().iter().map(|(_, n)| *n).collect()
    }
}

#[async_trait]
impl Handler for Notebook {
    async fn handle(&self, message: &Message, _delivery: &Delivery) -> Result<(), HandleError> {
        let n = number(message);
        {
            let mut broken = self.broken.lock().unwrap();
            if *broken > 0 {
                *broken -= 1;
                return Err(HandleError::retry("the neighbour is down"));
            }
        }
        if self.poison.lock().unwrap().contains(&n) {
            return Err(HandleError::poison("this number again"));
        }
        self.handled.lock().unwrap().push((message.key.clone(), n));
        Ok(())
    }
}

struct Group {
    notebook: Arc<Notebook>,
    offsets: DynOffsets,
    source: DynTopicSource,
}

impl Group {
    fn new(source: DynTopicSource) -> Self {
        Self { notebook: Arc::default(), offsets: Arc::new(MemoryOffsets::new()), source }
    }

    fn subscriber(&self, options: ConsumerOptions) -> Subscriber {
        let (source, offsets) = (Arc::clone(&self.source), Arc::clone(&self.offsets));
        let handler = Arc::clone(&self.notebook) as Arc<dyn Handler>;
        Subscriber::new("notes", source, Start::Earliest, handler, offsets, Host::system(), options)
    }
}

/// With many lanes at once too.
pub async fn a_group_handles_every_message_once_and_in_order_per_key(log: DynEventStore, source: DynTopicSource) {
    for n in 0..60 {
        thing(&log, &format!("{}", n % 5), n).await;
    }
    for lanes_at_once in [1, 8] {
        let group = Group::new(Arc::clone(&source));
        let options = ConsumerOptions { batch: 7, lanes_at_once, ..ConsumerOptions::default() };
        group.subscriber(options).catch_up().await.unwrap();
        let mut by_key: HashMap<String, Vec<u64>> = HashMap::new();
        for (key, n) in group.notebook.handled.lock().unwrap().iter() {
            by_key.entry(key.clone()).or_default().push(*n);
        }
        assert_eq!(by_key.len(), 5);
        for numbers in by_key.values() {
            assert_eq!(numbers.len(), 12);
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
    }
}

/// Nothing is lost or repeated at a clean border.
pub async fn a_restarted_group_goes_on_where_it_was(log: DynEventStore, source: DynTopicSource) {
    let group = Group::new(source);
    for n in 0..10 {
        thing(&log, "1", n).await;
        group.subscriber(ConsumerOptions::default()).catch_up().await.unwrap();
    }
    assert_eq!(group.notebook.numbers(), (0..10).collect::<Vec<_>>());
}

/// Later ones of the key wait behind it, with cause and count; others go on.
pub async fn a_bad_message_parks_its_key_only(log: DynEventStore, source: DynTopicSource) {
    let group = Group::new(source);
    group.notebook.poison.lock().unwrap().push(1);
    for (id, n) in [("a", 0), ("a", 1), ("b", 2), ("a", 3), ("b", 4)] {
        thing(&log, id, n).await;
    }
    let subscriber = group.subscriber(ConsumerOptions { batch: 2, ..ConsumerOptions::default() });
    subscriber.catch_up().await.unwrap();
    assert_eq!(group.notebook.numbers(), [0, 2, 4]);
    let parked = subscriber.control().parked(ParkedFilter::default()).await.unwrap();
    let shown: Vec<(u64, u32)> = parked.iter().map(|event| (event.position.0, event.attempts)).collect();
    assert_eq!(shown, [(2, 1), (4, 0)]);
    assert!(parked[0].cause.contains("this number again") && parked[0].payload.is_some());
    // Also after a restart, when the lane is known from the offsets only.
    thing(&log, "a", 5).await;
    thing(&log, "b", 6).await;
    group.subscriber(ConsumerOptions::default()).catch_up().await.unwrap();
    assert_eq!(group.notebook.numbers(), [0, 2, 4, 6]);
}

/// In order, and counted; a skip needs a reason.
pub async fn a_retry_and_a_skip_free_the_key_in_order(log: DynEventStore, source: DynTopicSource) {
    let group = Group::new(source);
    group.notebook.poison.lock().unwrap().extend([1, 3]);
    for n in 0..5 {
        thing(&log, "a", n).await;
    }
    let subscriber = group.subscriber(ConsumerOptions::default());
    subscriber.catch_up().await.unwrap();
    let control = subscriber.control();
    let still = control.retry("a").await.unwrap();
    assert_eq!((still.applied, still.waiting), (0, 4));
    assert_eq!(control.parked(ParkedFilter::default()).await.unwrap()[0].attempts, 2);
    assert!(matches!(control.skip("a", "  ").await, Err(ParkingError::NoReason)));
    let skipped = control.skip("a", "anna: known to be wrong").await.unwrap();
    assert_eq!((skipped.applied, skipped.waiting), (1, 2));
    group.notebook.poison.lock().unwrap().clear();
    let freed = control.retry("a").await.unwrap();
    assert_eq!((freed.applied, freed.waiting), (2, 0));
    assert_eq!(group.notebook.numbers(), [0, 2, 3, 4]);
    assert!(matches!(control.retry("a").await, Err(ParkingError::UnknownLane(_))));
    thing(&log, "a", 5).await;
    subscriber.catch_up().await.unwrap();
    assert_eq!(group.notebook.numbers(), [0, 2, 3, 4, 5]);
}

/// Nothing is parked and nothing is passed over while a neighbour is down.
pub async fn a_broken_neighbour_is_waited_for(log: DynEventStore, source: DynTopicSource) {
    let group = Group::new(source);
    *group.notebook.broken.lock().unwrap() = 2;
    for n in 0..3 {
        thing(&log, "a", n).await;
    }
    group.subscriber(ConsumerOptions::default()).catch_up().await.unwrap();
    assert_eq!(group.notebook.numbers(), [0, 1, 2]);
}

/// By its id, whatever its position: the inbox.
pub async fn a_redelivered_message_is_recognised(log: DynEventStore, source: DynTopicSource) {
    let group = Group::new(source);
    for n in 0..3 {
        thing(&log, "a", n).await;
    }
    group.subscriber(ConsumerOptions::default()).catch_up().await.unwrap();
    // The group's checkpoint is lost, its inbox is not: as after a source that was built anew.
    let other = Group { offsets: Arc::new(Forgetful(Arc::clone(&group.offsets))), ..group };
    thing(&log, "a", 3).await;
    other.subscriber(ConsumerOptions::default()).catch_up().await.unwrap();
    assert_eq!(other.notebook.numbers(), [0, 1, 2, 3]);
}

/// Stalled, with the cause shown.
pub async fn a_group_of_another_history_refuses_to_run(log: DynEventStore, source: DynTopicSource) {
    let group = Group::new(source);
    thing(&log, "a", 1).await;
    let subscriber = group.subscriber(ConsumerOptions::default());
    let id = subscriber.control().group().clone();
    let other = Checkpoint { epoch: LogEpoch::new(&Host::system()), position: Position(1) };
    let batch = madrigal_projection::GroupBatch::at(other, Host::system().now());
    group.offsets.commit(&id, batch).await.unwrap();
    let refused = subscriber.run(StopSignal::new()).await.unwrap_err();
    assert!(matches!(refused, RunError::OtherEpoch { .. }), "{refused}");
    assert!(subscriber.control().why_stalled().unwrap().contains("epoch"));
    assert!(group.notebook.numbers().is_empty());
}

/// Offsets that have lost their checkpoints.
struct Forgetful(DynOffsets);

#[async_trait]
impl madrigal_bus::Offsets for Forgetful {
    async fn checkpoint(&self, _group: &madrigal_bus::GroupId) -> Result<Option<Checkpoint>, madrigal_core::Fault> {
        Ok(None)
    }

    async fn commit(
        &self,
        group: &madrigal_bus::GroupId,
        batch: madrigal_projection::GroupBatch,
    ) -> Result<(), madrigal_core::Fault> {
        self.0.commit(group, batch).await
    }

    async fn handled(
        &self,
        group: &madrigal_bus::GroupId,
        ids: Vec<String>,
    ) -> Result<std::collections::HashSet<String>, madrigal_core::Fault> {
        self.0.handled(group, ids).await
    }

    async fn forget_handled(&self, before: madrigal_core::Timestamp) -> Result<u64, madrigal_core::Fault> {
        self.0.forget_handled(before).await
    }

    async fn parked(
        &self,
        group: &madrigal_bus::GroupId,
        filter: ParkedFilter,
    ) -> Result<Vec<madrigal_bus::ParkedEvent>, madrigal_core::Fault> {
        self.0.parked(group, filter).await
    }

    async fn parked_lanes(
        &self,
        group: &madrigal_bus::GroupId,
        limit: usize,
    ) -> Result<Vec<String>, madrigal_core::Fault> {
        self.0.parked_lanes(group, limit).await
    }
}
