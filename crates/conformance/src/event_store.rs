//! The contract of [`EventStore`](madrigal_event_store::EventStore): one function for each rule, run on an empty store.
//!
//! [`event_store_suite!`](crate::event_store_suite) makes a test of each for an implementation.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Host, JsonBytes, NewEvent, Position, RecordedEvent, StreamName,
    StreamVersion, tasks,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, ReadError, StreamAppend, StreamRead, WaitError, limits,
};

/// Makes one test for each case. `$make` is a function that returns a store and whatever keeps it alive.
#[macro_export]
macro_rules! event_store_suite {
    ($make:path) => {
        $crate::event_store_suite!(@cases $make:
            versions_count_from_one_without_gaps
            a_failed_expectation_writes_nothing_and_says_where_the_stream_is
            every_expectation_is_checked
            a_repeated_append_returns_the_original_result_in_every_mode
            a_repeated_append_is_recognised_after_later_events
            the_same_id_with_other_content_is_refused
            a_partly_known_batch_is_refused
            an_id_is_known_only_within_its_stream
            several_streams_are_appended_together_or_not_at_all
            a_call_over_several_streams_is_repeated_as_a_whole
            a_malformed_call_is_refused
            limits_hold_before_anything_is_written
            what_is_stored_is_what_was_given
            a_stream_is_read_in_pages
            the_log_is_read_in_pages
            a_reader_ahead_of_the_log_is_refused
            waiting_ends_with_an_event_or_in_time
            concurrent_writers_make_one_winner_per_version
            a_reader_sees_every_event_once_and_in_order_while_writers_write
            the_same_append_at_once_from_many_is_stored_once
        );
    };
    (@cases $make:path: $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _alive) = $make();
                $crate::event_store::$case(store).await;
            }
        )+
    };
}

fn stream(id: impl std::fmt::Display) -> StreamName {
    StreamName::new("test", id).unwrap()
}

fn event(id: &str) -> NewEvent {
    event_with(id, id)
}

fn event_with(id: &str, data: &str) -> NewEvent {
    let context = CallContext::new(&Host::seeded(1));
    let event_type = EventType::parse("TestHappened").unwrap();
    NewEvent::new(EventId::derived(id), event_type, 1, JsonBytes::of(data).unwrap(), &context)
}

fn events(ids: &[&str]) -> Vec<NewEvent> {
    ids.iter().map(|id| event(id)).collect()
}

async fn everything(store: &DynEventStore) -> Vec<RecordedEvent> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let read = store.read_log(after, 1_000).await.unwrap();
        assert!(read.scanned_through >= after && read.scanned_through <= read.end);
        if read.scanned_through == after {
            return all;
        }
        after = read.scanned_through;
        all.extend(read.events);
    }
}

async fn version(store: &DynEventStore, stream: &StreamName) -> u64 {
    store.read_stream(stream, StreamRead::START).await.unwrap().version.0
}

/// Rule 1.
pub async fn versions_count_from_one_without_gaps(store: DynEventStore) {
    let name = stream("a");
    let first = store.append(name.clone(), ExpectedVersion::NoStream, events(&["1", "2"])).await.unwrap();
    assert_eq!((first.version, first.repeated), (StreamVersion(2), false));
    let second = store.append(name.clone(), ExpectedVersion::Exact(first.version), events(&["3"])).await.unwrap();
    assert_eq!(second.version, StreamVersion(3));
    assert!(second.position > first.position);
    let slice = store.read_stream(&name, StreamRead::START).await.unwrap();
    let versions: Vec<u64> = slice.events.iter().map(|event| event.version().0).collect();
    assert_eq!((versions, slice.version), (vec![1, 2, 3], StreamVersion(3)));
    assert_eq!(slice.events[2].position, second.position);
}

/// Rule 1.
pub async fn a_failed_expectation_writes_nothing_and_says_where_the_stream_is(store: DynEventStore) {
    let name = stream("a");
    store.append(name.clone(), ExpectedVersion::Any, events(&["1", "2"])).await.unwrap();
    let end = store.end();
    let wrong = store.append(name.clone(), ExpectedVersion::Exact(StreamVersion(1)), events(&["3"])).await;
    match wrong {
        Err(AppendError::WrongVersion { stream, expected, actual }) => {
            assert_eq!((stream, actual), (name.clone(), StreamVersion(2)));
            assert_eq!(expected, ExpectedVersion::Exact(StreamVersion(1)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((version(&store, &name).await, store.end()), (2, end));
    let after = store.append(name, ExpectedVersion::Exact(StreamVersion(2)), events(&["3"])).await.unwrap();
    assert_eq!(after.version, StreamVersion(3));
}

/// Rule 1.
pub async fn every_expectation_is_checked(store: DynEventStore) {
    use ExpectedVersion::{Any, Exact, Exists, NoStream};
    let exact = |version| Exact(StreamVersion(version));
    let (new, old) = (stream("new"), stream("old"));
    store.append(old.clone(), Any, events(&["1", "2"])).await.unwrap();
    for (at, (name, expected)) in
        [(&new, Exists), (&new, exact(1)), (&old, NoStream), (&old, exact(0)), (&old, exact(3))].into_iter().enumerate()
    {
        let refused = store.append(name.clone(), expected, events(&[&format!("refused {at}")])).await;
        assert!(matches!(refused, Err(AppendError::WrongVersion { .. })), "{name} {expected}: {refused:?}");
    }
    for (at, (name, expected)) in
        [(&new, exact(0)), (&new, Exists), (&old, exact(2)), (&old, Exists), (&old, Any)].into_iter().enumerate()
    {
        let accepted = store.append(name.clone(), expected, events(&[&format!("accepted {at}")])).await;
        assert!(accepted.is_ok(), "{name} {expected}: {accepted:?}");
    }
    assert_eq!((version(&store, &new).await, version(&store, &old).await), (2, 5));
}

/// Rule 4.
pub async fn a_repeated_append_returns_the_original_result_in_every_mode(store: DynEventStore) {
    use ExpectedVersion::{Any, Exact, Exists, NoStream};
    let name = stream("a");
    let original = store.append(name.clone(), NoStream, events(&["1", "2"])).await.unwrap();
    for expected in [Any, NoStream, Exists, Exact(StreamVersion(0)), Exact(StreamVersion(2)), Exact(StreamVersion(9))] {
        let again = store.append(name.clone(), expected, events(&["1", "2"])).await.unwrap();
        assert_eq!(again, Appended { repeated: true, ..original }, "{expected}");
    }
    assert_eq!(everything(&store).await.len(), 2);
}

/// Rule 4: metadata is not content, and later events change nothing.
pub async fn a_repeated_append_is_recognised_after_later_events(store: DynEventStore) {
    let name = stream("a");
    let original = store.append(name.clone(), ExpectedVersion::Any, events(&["1", "2"])).await.unwrap();
    for later in 0..50 {
        store.append(name.clone(), ExpectedVersion::Any, events(&[&format!("later {later}")])).await.unwrap();
    }
    let mut retry = events(&["1", "2"]);
    retry[0].user_id = Some("another".into());
    let again = store.append(name, ExpectedVersion::NoStream, retry).await.unwrap();
    assert_eq!(again, Appended { repeated: true, ..original });
}

/// Rule 4.
pub async fn the_same_id_with_other_content_is_refused(store: DynEventStore) {
    let name = stream("a");
    store.append(name.clone(), ExpectedVersion::Any, vec![event("1")]).await.unwrap();
    let mut other_type = event("1");
    other_type.event_type = EventType::parse("OtherHappened").unwrap();
    let mut other_schema = event("1");
    other_schema.schema_version = 2;
    for other in [event_with("1", "other"), other_type, other_schema] {
        let refused = store.append(name.clone(), ExpectedVersion::Any, vec![other]).await;
        match refused {
            Err(AppendError::EventIdReused { event_id, .. }) => assert_eq!(event_id, EventId::derived("1")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(version(&store, &name).await, 1);
}

/// Rule 4.
pub async fn a_partly_known_batch_is_refused(store: DynEventStore) {
    let name = stream("a");
    store.append(name.clone(), ExpectedVersion::Any, events(&["1", "2"])).await.unwrap();
    for overlap in [&["2", "3"][..], &["0", "1", "2"], &["1", "2", "3"], &["2", "1"], &["4", "4"]] {
        let refused = store.append(name.clone(), ExpectedVersion::Any, events(overlap)).await;
        assert!(matches!(refused, Err(AppendError::EventIdReused { .. })), "{overlap:?}: {refused:?}");
    }
    assert_eq!(everything(&store).await.len(), 2);
}

/// Rule 4.
pub async fn an_id_is_known_only_within_its_stream(store: DynEventStore) {
    store.append(stream("a"), ExpectedVersion::Any, events(&["1"])).await.unwrap();
    let other = store.append(stream("b"), ExpectedVersion::NoStream, vec![event_with("1", "other")]).await.unwrap();
    assert_eq!((other.version, other.repeated), (StreamVersion(1), false));
}

/// `append_many`: all or nothing, in neighbouring positions.
pub async fn several_streams_are_appended_together_or_not_at_all(store: DynEventStore) {
    let (a, b) = (stream("a"), stream("b"));
    let call = |expected_b, ids: [&str; 2]| {
        vec![
            StreamAppend { stream: a.clone(), expected: ExpectedVersion::Any, events: events(&[ids[0], ids[1]]) },
            StreamAppend { stream: b.clone(), expected: expected_b, events: events(&[ids[0]]) },
        ]
    };
    let done = store.append_many(call(ExpectedVersion::NoStream, ["1", "2"])).await.unwrap();
    assert_eq!((done[0].version.0, done[1].version.0), (2, 1));
    let positions: Vec<u64> = everything(&store).await.iter().map(|event| event.position.0).collect();
    assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{positions:?}");
    assert_eq!((done[0].position.0, done[1].position.0), (positions[1], positions[2]));
    let refused = store.append_many(call(ExpectedVersion::NoStream, ["3", "4"])).await;
    match refused {
        Err(AppendError::WrongVersion { stream, actual, .. }) => assert_eq!((stream, actual.0), (b.clone(), 1)),
        other => panic!("{other:?}"),
    }
    assert_eq!((version(&store, &a).await, version(&store, &b).await), (2, 1));
}

/// Rule 4, over several streams.
pub async fn a_call_over_several_streams_is_repeated_as_a_whole(store: DynEventStore) {
    let part = |name: &str, ids: &[&str]| StreamAppend {
        stream: stream(name),
        expected: ExpectedVersion::NoStream,
        events: events(ids),
    };
    let call = vec![part("a", &["1"]), part("b", &["2", "3"])];
    let original = store.append_many(call.clone()).await.unwrap();
    let again = store.append_many(call).await.unwrap();
    let expected: Vec<_> = original.iter().map(|result| Appended { repeated: true, ..*result }).collect();
    assert_eq!(again, expected);
    let refused = store.append_many(vec![part("a", &["1"]), part("c", &["4"])]).await;
    match refused {
        Err(AppendError::EventIdReused { stream: named, event_id }) => {
            assert_eq!((named, event_id), (stream("a"), EventId::derived("1")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(version(&store, &stream("c")).await, 0);
}

/// A stream twice in a call, or without events.
pub async fn a_malformed_call_is_refused(store: DynEventStore) {
    let part = |events| StreamAppend { stream: stream("a"), expected: ExpectedVersion::Any, events };
    for call in [vec![part(events(&["1"])), part(events(&["2"]))], vec![part(Vec::new())]] {
        let refused = store.append_many(call).await;
        assert!(matches!(refused, Err(AppendError::Malformed { .. })), "{refused:?}");
    }
    assert_eq!(store.append_many(Vec::new()).await.unwrap(), []);
    assert_eq!(store.end(), Position::START);
}

/// Rule 6.
pub async fn limits_hold_before_anything_is_written(store: DynEventStore) {
    let big = |id: &str, bytes: usize| event_with(id, &"x".repeat(bytes - 2));
    let too_large = [
        vec![event("ok"), big("1", limits::MAX_EVENT_BYTES + 1)],
        (0..=limits::MAX_EVENTS).map(|id| event(&id.to_string())).collect(),
        (0..9).map(|id| big(&id.to_string(), limits::MAX_EVENT_BYTES)).collect(),
    ];
    for call in too_large {
        let refused = store.append(stream("a"), ExpectedVersion::Any, call).await;
        assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(store.end(), Position::START);
    let largest: Vec<_> = (0..8).map(|id| big(&id.to_string(), limits::MAX_EVENT_BYTES)).collect();
    assert_eq!(store.append(stream("a"), ExpectedVersion::Any, largest).await.unwrap().version.0, 8);
    let most = (0..limits::MAX_EVENTS).map(|id| event(&format!("many {id}"))).collect();
    assert_eq!(store.append(stream("b"), ExpectedVersion::Any, most).await.unwrap().version.0, 1_000);
    assert_eq!(everything(&store).await.len(), 1_008);
}

/// Every field comes back.
pub async fn what_is_stored_is_what_was_given(store: DynEventStore) {
    let mut given = event_with("1", "Grüße \u{0} \"quoted\"");
    given.causation_id = Some(EventId::derived("cause"));
    given.user_id = Some("operator:anna".into());
    given.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    given.schema_version = 7;
    let before = Host::system().now();
    let done = store.append(stream("a"), ExpectedVersion::Any, vec![given.clone()]).await.unwrap();
    let slice = store.read_stream(&stream("a"), StreamRead::START).await.unwrap();
    assert_eq!(slice.events, everything(&store).await);
    let read = &slice.events[0];
    assert_eq!((&read.stream, read.position, read.version()), (&stream("a"), done.position, done.version));
    assert_eq!((read.event_id, &read.event_type), (given.event_id, &given.event_type));
    assert_eq!((read.schema_version, &read.event_data), (7, &given.event_data));
    assert_eq!(
        (read.metadata.causation_id, &read.metadata.correlation_id),
        (given.causation_id, &given.correlation_id)
    );
    assert_eq!((&read.metadata.user_id, &read.metadata.traceparent), (&given.user_id, &given.traceparent));
    let since = read.metadata.timestamp.since(before);
    assert!(read.metadata.timestamp >= before && since < Duration::from_secs(600), "{since:?}");
}

/// Pages of a stream follow each other.
pub async fn a_stream_is_read_in_pages(store: DynEventStore) {
    let name = stream("paged");
    for at in 0..25 {
        store.append(name.clone(), ExpectedVersion::Any, events(&[&at.to_string()])).await.unwrap();
        store.append(stream(at), ExpectedVersion::NoStream, events(&["other"])).await.unwrap();
    }
    let (mut read, mut after) = (Vec::new(), StreamVersion::NONE);
    loop {
        let slice = store.read_stream(&name, StreamRead { after, limit: 10 }).await.unwrap();
        assert!(slice.events.len() <= 10 && slice.version == StreamVersion(25));
        read.extend(slice.events.iter().map(|event| event.version().0));
        after = StreamVersion(read.len() as u64);
        if !slice.has_more() {
            break;
        }
    }
    assert_eq!(read, (1..=25).collect::<Vec<_>>());
    let beyond = store.read_stream(&name, StreamRead::after(StreamVersion(99))).await.unwrap();
    assert_eq!((beyond.events.len(), beyond.version), (0, StreamVersion(25)));
    let none = store.read_stream(&stream("none"), StreamRead::START).await.unwrap();
    assert_eq!((none.events.len(), none.version), (0, StreamVersion::NONE));
}

/// Pages of the log follow each other, and tell where to continue.
pub async fn the_log_is_read_in_pages(store: DynEventStore) {
    for at in 0..25 {
        store.append(stream(at % 3), ExpectedVersion::Any, events(&[&at.to_string()])).await.unwrap();
    }
    let (mut ids, mut after) = (Vec::new(), Position::START);
    while after < store.end() {
        let read = store.read_log(after, 10).await.unwrap();
        assert!(!read.events.is_empty() && read.events.len() <= 10 && read.end == store.end());
        assert_eq!(read.events.last().unwrap().position, read.scanned_through);
        ids.extend(read.events.into_iter().map(|event| event.event_id));
        after = read.scanned_through;
    }
    let written: Vec<_> = (0..25).map(|at| EventId::derived(&at.to_string())).collect();
    assert_eq!(ids, written);
}

/// A checkpoint that this log cannot have given out.
pub async fn a_reader_ahead_of_the_log_is_refused(store: DynEventStore) {
    store.append(stream("a"), ExpectedVersion::Any, events(&["1"])).await.unwrap();
    let end = store.end();
    assert!(store.read_log(end, 10).await.unwrap().events.is_empty());
    match store.read_log(end.next(), 10).await {
        Err(ReadError::BeyondEnd { reader, end: said }) => assert_eq!((reader, said), (end.next(), end)),
        other => panic!("{other:?}"),
    }
}

/// `wait_beyond` wakes up, and gives up.
pub async fn waiting_ends_with_an_event_or_in_time(store: DynEventStore) {
    let nothing = store.wait_beyond(Position::START, Duration::from_millis(1)).await;
    assert!(matches!(nothing, Err(WaitError::TimedOut { end: Position::START })), "{nothing:?}");
    let waiting = Arc::clone(&store);
    let waiter =
        tasks::spawn("waiter", async move { waiting.wait_beyond(Position::START, Duration::from_secs(60)).await });
    let done = store.append(stream("a"), ExpectedVersion::Any, events(&["1"])).await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap(), done.position);
    assert_eq!(store.wait_beyond(Position::START, Duration::ZERO).await.unwrap(), done.position);
}

/// Rule 1, among 16 writers.
pub async fn concurrent_writers_make_one_winner_per_version(store: DynEventStore) {
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = Arc::clone(&store);
            tasks::spawn("writer", async move {
                let mut won = 0;
                for version in 0..20 {
                    let expected = ExpectedVersion::Exact(StreamVersion(version));
                    match store.append(stream("a"), expected, events(&[&format!("{writer} {version}")])).await {
                        Ok(appended) => {
                            assert_eq!(appended.version.0, version + 1);
                            won += 1;
                        }
                        Err(AppendError::WrongVersion { actual, .. }) => assert!(actual.0 > version),
                        Err(error) => panic!("{error}"),
                    }
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        won += writer.await.unwrap();
    }
    assert_eq!((won, version(&store, &stream("a")).await), (20, 20));
}

/// Rules 2, 3 and 7: 8 writers, one reader that follows, every answer readable at once.
pub async fn a_reader_sees_every_event_once_and_in_order_while_writers_write(store: DynEventStore) {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    let following = Arc::clone(&store);
    let reader = tasks::spawn("reader", async move {
        let (mut seen, mut after) = (Vec::new(), Position::START);
        while seen.len() < WRITERS * EACH * 2 {
            following.wait_beyond(after, Duration::from_secs(60)).await.unwrap();
            let read = following.read_log(after, 100).await.unwrap();
            assert!(read.events.iter().all(|event| event.position > after && event.position <= read.scanned_through));
            after = read.scanned_through;
            seen.extend(read.events);
        }
        seen
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tasks::spawn("writer", async move {
                for at in 0..EACH {
                    let ids = [format!("{writer} {at} a"), format!("{writer} {at} b")];
                    let name = stream(at % 5);
                    let done =
                        store.append(name.clone(), ExpectedVersion::Any, events(&[&ids[0], &ids[1]])).await.unwrap();
                    assert!(store.end() >= done.position);
                    let after = StreamVersion(done.version.0 - 1);
                    let own = store.read_stream(&name, StreamRead { after, limit: 1 }).await.unwrap();
                    assert_eq!(own.events[0].event_id, EventId::derived(&ids[1]));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let seen = reader.await.unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position));
    let mut versions: HashMap<StreamName, u64> = HashMap::new();
    for event in &seen {
        let version = versions.entry(event.stream.clone()).or_default();
        *version += 1;
        assert_eq!(event.version().0, *version, "order by position and by version agree");
    }
    assert_eq!(seen, everything(&store).await);
}

/// Rule 4, at once.
pub async fn the_same_append_at_once_from_many_is_stored_once(store: DynEventStore) {
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&store);
            tasks::spawn("caller", async move {
                let done = store.append(stream("a"), ExpectedVersion::NoStream, events(&["1", "2"])).await.unwrap();
                assert!(store.end() >= done.position, "an answer means durable, a repeated one too");
                done
            })
        })
        .collect();
    let mut first = 0;
    for call in calls {
        let done = call.await.unwrap();
        assert_eq!(done.version, StreamVersion(2));
        first += usize::from(!done.repeated);
    }
    assert_eq!((first, everything(&store).await.len()), (1, 2));
}
