//! Reads that are made of several.

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, Position, StreamName,
    StreamVersion,
};
use madrigal_event_store::{EventStore, MemoryEventStore, ReadError, changed_streams, whole_stream};

fn store(seed: u64) -> MemoryEventStore {
    MemoryEventStore::new(LogName::parse("test").unwrap(), &Host::seeded(seed))
}

async fn append(store: &MemoryEventStore, category: &str, id: &str, events: u64) {
    let context = CallContext::new(&Host::seeded(1));
    let event_type = || EventType::parse("TestHappened").unwrap();
    let base = store.end().0;
    let event = |n: u64| {
        NewEvent::new(EventId::derived(&(base + n).to_string()), event_type(), 1, JsonBytes::of(&n).unwrap(), &context)
    };
    let stream = StreamName::new(category, id).unwrap();
    store.append(stream, ExpectedVersion::Any, (0..events).map(event).collect()).await.unwrap();
}

#[tokio::test]
async fn a_stream_longer_than_one_read_is_whole() {
    let store = store(1);
    for _ in 0..3 {
        append(&store, "order", "a", 400).await;
    }
    let stream = StreamName::new("order", "a").unwrap();
    let whole = whole_stream(&store, &stream, StreamVersion::NONE).await.unwrap();
    assert!(whole.iter().map(|event| event.version().0).eq(1..=1_200));
    let rest = whole_stream(&store, &stream, StreamVersion(1_199)).await.unwrap();
    assert_eq!(rest.len(), 1);
    let nobody = StreamName::new("order", "nobody").unwrap();
    assert!(whole_stream(&store, &nobody, StreamVersion::NONE).await.unwrap().is_empty());
}

#[tokio::test]
async fn changed_streams_are_those_of_the_category_behind_the_token_within_the_limit() {
    let store = store(1);
    append(&store, "order", "a", 1).await;
    append(&store, "saga", "s", 1).await;
    append(&store, "order", "b", 2).await;
    let changed = async |after: Option<Position>, limit| {
        let after = after.map(|after| store.token(after));
        let (ids, through) = changed_streams(&store, "order", after.as_ref(), limit).await.unwrap();
        assert_eq!(through, store.token(store.end()));
        ids.into_iter().collect::<Vec<_>>().join(",")
    };
    assert_eq!(changed(Some(Position::START), 100).await, "a,b");
    assert_eq!(changed(Some(Position(1)), 100).await, "b");
    // The older ones are passed over.
    assert_eq!(changed(Some(Position::START), 2).await, "b");
    assert_eq!(changed(Some(store.end()), 100).await, "");
    assert_eq!(changed(None, 100).await, "");
}

#[tokio::test]
async fn a_token_of_another_history_says_nothing_of_what_changed() {
    let (store, other) = (store(1), store(2));
    append(&store, "order", "a", 1).await;
    let token = other.token(Position::START);
    let (ids, through) = changed_streams(&store, "order", Some(&token), 100).await.unwrap();
    assert!(ids.is_empty());
    assert_eq!(through, store.token(store.end()));
}

#[tokio::test]
async fn a_reader_that_stands_elsewhere_has_certainly_read_nothing() {
    let store = store(1);
    let error = store.read_log(Position(9), 10).await.unwrap_err();
    assert!(matches!(error, ReadError::BeyondEnd { .. }));
    let fault = error.into_fault("test", "read");
    assert_eq!(fault.operation, "read");
    assert!(fault.chain().contains("beyond the log's end"), "{}", fault.chain());
}
