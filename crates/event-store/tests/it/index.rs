//! The index on disk: it may be lost, late or damaged, and changes no answer.

use std::path::Path;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, Position, RecordedEvent,
    StreamName, StreamVersion,
};
use madrigal_event_store::{Appended, EventStore, EventStoreOptions, IndexOptions, JournalEventStore, StreamRead};

fn open(dir: &Path) -> JournalEventStore {
    let index = IndexOptions { table_events: 40 };
    let options = EventStoreOptions { index, newest_events: 0, ..EventStoreOptions::default() };
    JournalEventStore::open(dir, LogName::parse("test").unwrap(), options, &Host::system()).unwrap()
}

fn stream(n: u64) -> StreamName {
    StreamName::new("test", n).unwrap()
}

fn event(id: &str) -> NewEvent {
    let context = CallContext::new(&Host::seeded(1));
    let event_type = EventType::parse("TestHappened").unwrap();
    NewEvent::new(EventId::derived(id), event_type, 1, JsonBytes::of(id).unwrap(), &context)
}

const STREAMS: u64 = 23;

/// Event `n` goes to the stream with number `n * n % 23`: some streams get many events, some few, some none.
async fn fill(store: &JournalEventStore, numbers: std::ops::Range<u64>) {
    for n in numbers {
        store.append(stream(n * n % STREAMS), ExpectedVersion::Any, vec![event(&n.to_string())]).await.unwrap();
    }
}

async fn streams(store: &JournalEventStore) -> Vec<Vec<RecordedEvent>> {
    let mut streams = Vec::new();
    for n in 0..STREAMS {
        let (mut events, mut after) = (Vec::new(), StreamVersion::NONE);
        loop {
            let slice = store.read_stream(&stream(n), StreamRead { after, limit: 7 }).await.unwrap();
            assert!(slice.events.len() <= 7);
            let more = slice.has_more();
            after = slice.events.last().map_or(after, RecordedEvent::version);
            assert!(slice.version >= after);
            events.extend(slice.events);
            if !more {
                assert_eq!(slice.version, after);
                break;
            }
        }
        streams.push(events);
    }
    streams
}

/// What the log says the streams are.
async fn from_log(store: &JournalEventStore) -> Vec<Vec<RecordedEvent>> {
    let mut streams = vec![Vec::new(); STREAMS as usize];
    for event in store.read_log(Position::START, 10_000).await.unwrap().events {
        streams[event.stream.id().parse::<usize>().unwrap()].push(event);
    }
    streams
}

fn runs(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir.join("index")).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".streams")).count()
}

#[tokio::test]
async fn streams_read_the_same_from_memory_from_runs_and_after_losing_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = 0;
    for next in [30, 100, 500, 1_500] {
        let store = open(dir.path());
        assert_eq!(streams(&store).await, from_log(&store).await);
        fill(&store, written..next).await;
        written = next;
        assert_eq!(streams(&store).await, from_log(&store).await);
    }
    assert!((1..30).contains(&runs(dir.path())), "written and merged: {}", runs(dir.path()));
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(dir.path());
    assert_eq!(streams(&store).await, from_log(&store).await);
    assert!(runs(dir.path()) > 0);
}

#[tokio::test]
async fn versions_and_repeated_appends_are_known_from_runs_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut originals = Vec::new();
    {
        let store = open(dir.path());
        for n in 0..600 {
            let done = store.append(stream(n % 100), ExpectedVersion::Any, vec![event(&n.to_string())]).await.unwrap();
            originals.push(done);
        }
    }
    let store = open(dir.path());
    for (n, original) in (0..).zip(&originals).step_by(7) {
        let again =
            store.append(stream(n % 100), ExpectedVersion::NoStream, vec![event(&n.to_string())]).await.unwrap();
        assert_eq!(again, Appended { repeated: true, ..*original });
    }
    assert_eq!(store.end(), Position(600));
    for n in 0..100 {
        let expected = ExpectedVersion::Exact(StreamVersion(6));
        let next = store.append(stream(n), expected, vec![event(&format!("next {n}"))]).await.unwrap();
        assert_eq!(next.version, StreamVersion(7));
    }
}

#[tokio::test]
async fn a_damaged_or_foreign_index_is_built_again_when_the_store_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    fill(&open(dir.path()), 0..300).await;
    for name in ["manifest", ".ids", ".streams"] {
        let files = std::fs::read_dir(dir.path().join("index")).unwrap().map(|file| file.unwrap().path());
        let file = files.into_iter().find(|file| file.to_string_lossy().ends_with(name)).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let last = bytes.len() - 12;
        bytes[last] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let store = open(dir.path());
        assert_eq!(streams(&store).await, from_log(&store).await, "{name}");
    }
    std::fs::remove_file(dir.path().join("epoch")).unwrap();
    let store = open(dir.path());
    assert_eq!(streams(&store).await, from_log(&store).await, "another epoch");
}

#[tokio::test]
async fn what_is_kept_in_memory_is_what_the_files_say() {
    let dir = tempfile::tempdir().unwrap();
    let log = LogName::parse("test").unwrap();
    let store = JournalEventStore::open(dir.path(), log, EventStoreOptions::default(), &Host::system()).unwrap();
    fill(&store, 0..200).await;
    let batch: Vec<_> = (200..230).map(|n| event(&n.to_string())).collect();
    store.append(stream(0), ExpectedVersion::Any, batch).await.unwrap();
    let (kept, in_order) = (streams(&store).await, from_log(&store).await);
    assert_eq!(kept, in_order);
    drop(store);
    assert_eq!(streams(&open(dir.path())).await, kept);
}
