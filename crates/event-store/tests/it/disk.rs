//! A store on a disk that is full, read-only or loses its power; and stores of each format version.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, FaultOutcome, FaultRetry, Host, JsonBytes, LogName, NewEvent,
    Position, StreamName, StreamVersion, tasks,
};
use madrigal_event_store::{
    AppendError, EventStore, EventStoreOptions, IndexOptions, JournalEventStore, StreamAppend, StreamRead,
};
use madrigal_journal::{JournalOptions, MemoryDisk, Workers};

const DIR: &str = "/store";

fn options(disk: &MemoryDisk) -> EventStoreOptions {
    let journal = JournalOptions {
        first_segment_bytes: 16 << 10,
        segment_bytes: 64 << 10,
        disk: Arc::new(disk.clone()),
        workers: Workers::Tasks,
        ..JournalOptions::default()
    };
    EventStoreOptions { journal, index: IndexOptions { table_events: 8 }, ..EventStoreOptions::default() }
}

fn open(disk: &MemoryDisk) -> JournalEventStore {
    open_in(Path::new(DIR), options(disk))
}

fn open_in(dir: &Path, options: EventStoreOptions) -> JournalEventStore {
    JournalEventStore::open(dir, LogName::parse("test").unwrap(), options, &Host::seeded(1)).unwrap()
}

fn stream(n: u64) -> StreamName {
    StreamName::new("test", n % 5).unwrap()
}

fn event(n: u64) -> NewEvent {
    let context = CallContext::new(&Host::seeded(1));
    let event_type = EventType::parse("TestHappened").unwrap();
    let data = JsonBytes::of(&format!("{n}: {}", "x".repeat(300))).unwrap();
    NewEvent::new(EventId::derived(&n.to_string()), event_type, 1, data, &context)
}

async fn append(store: &JournalEventStore, n: u64) -> Result<Position, AppendError> {
    Ok(store.append(stream(n), ExpectedVersion::Any, vec![event(n)]).await?.position)
}

/// The room that a disk's files have taken, so that it can be called full.
fn used(disk: &MemoryDisk) -> u64 {
    let dirs = [DIR.to_owned(), format!("{DIR}/index")];
    let files = dirs.iter().flat_map(|dir| {
        let names = madrigal_journal::Disk::list(disk, Path::new(dir)).unwrap_or_default();
        names.into_iter().map(move |name| Path::new(dir).join(name))
    });
    files.filter_map(|file| disk.contents(&file)).map(|bytes| bytes.len() as u64).sum()
}

#[tokio::test(start_paused = true)]
async fn a_full_or_read_only_disk_refuses_appends_and_the_store_goes_on_by_itself() {
    for read_only in [false, true] {
        let disk = MemoryDisk::new(1);
        let store = open(&disk);
        let mut n = 0;
        while n < 20 {
            append(&store, n).await.unwrap();
            n += 1;
        }
        let room = used(&disk);
        disk.set(|faults| (faults.read_only, faults.room) = (read_only, Some(room)));
        let fault = loop {
            // With a read-only disk one append is accepted and waits; from then on others are refused.
            let limit = Duration::from_secs(60);
            let appended = match tasks::within(limit, append(&store, n)).await {
                None if read_only => tasks::within(limit, append(&store, 1_000_000)).await.unwrap(),
                appended => appended.unwrap(),
            };
            match appended {
                Ok(_) => n += 1,
                Err(AppendError::Fault(fault)) => break fault,
                Err(other) => panic!("{other}"),
            }
            assert!(n < 10_000, "never refused");
        };
        assert_eq!(fault.outcome, FaultOutcome::NotApplied);
        assert!(matches!(fault.retry, FaultRetry::After(_)), "{fault:?}");
        let readable = store.read_log(Position::START, 10_000).await.unwrap().events.len() as u64;
        assert_eq!(readable, n, "all that was acknowledged, and nothing else");
        let slice =
            store.read_stream(&stream(3), StreamRead { after: StreamVersion::NONE, limit: 10_000 }).await.unwrap();
        assert_eq!(slice.events.len() as u64, slice.version.0);

        disk.set(|faults| (faults.read_only, faults.room) = (false, None));
        let resumed = tasks::within(Duration::from_secs(60), async {
            // The same event: where it was accepted after all, this returns where it is.
            while append(&store, n).await.is_err() {
                tasks::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(resumed.await.is_some(), "it goes on without being opened again");
        for more in n + 1..n + 40 {
            append(&store, more).await.unwrap();
        }
        let events = store.read_log(Position::START, 10_000).await.unwrap().events;
        let mut ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((events.len() as u64, ids.len() as u64), (n + 40, n + 40), "each once, none lost");
    }
}

#[test]
fn after_a_power_cut_at_any_moment_streams_versions_and_ids_agree_with_the_log() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for seed in 0..150u64 {
        runtime.block_on(async {
            let disk = MemoryDisk::new(seed);
            disk.set(|faults| faults.power_off_after = Some(1 + seed * 3 % 400));
            let mut acknowledged = 0;
            if let Ok(store) = JournalEventStore::open(
                Path::new(DIR),
                LogName::parse("test").unwrap(),
                options(&disk),
                &Host::seeded(1),
            ) {
                while append(&store, acknowledged).await.is_ok() {
                    acknowledged += 1;
                    assert!(acknowledged < 5_000, "the power never went");
                }
            }
            disk.power_on();
            let store = open(&disk);
            let events = store.read_log(Position::START, 10_000).await.unwrap().events;
            let there = events.len() as u64;
            assert!(there == acknowledged || there == acknowledged + 1, "seed {seed}: {there} of {acknowledged}");
            for n in 0..there {
                let append = StreamAppend { stream: stream(n), expected: ExpectedVersion::Any, events: vec![event(n)] };
                let again = store.append_many(vec![append]).await.unwrap();
                assert!(again[0].repeated && again[0].position == Position(n + 1), "seed {seed}: event {n}");
            }
            for n in 0..5 {
                let read = StreamRead { after: StreamVersion::NONE, limit: 10_000 };
                let slice = store.read_stream(&stream(n), read).await.unwrap();
                let own = events.iter().filter(|event| event.stream == stream(n));
                assert!(slice.events.iter().eq(own), "seed {seed}: stream {n}");
            }
        });
    }
}

#[tokio::test]
async fn a_store_of_version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1");
    for file in std::fs::read_dir(fixture).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let store = open_in(dir.path(), EventStoreOptions::default());
    let events = store.read_log(Position::START, 100).await.unwrap().events;
    assert_eq!(events.len(), 25);
    for (n, read) in (0u64..).zip(&events) {
        let written = event(n);
        assert_eq!(
            (read.event_id, &read.stream, read.version()),
            (written.event_id, &stream(n), StreamVersion(n / 5 + 1))
        );
        assert_eq!((&read.event_type, read.schema_version), (&written.event_type, 1));
        assert_eq!(read.event_data, written.event_data);
        assert!(append(&store, n).await.unwrap() == Position(n + 1), "and its id is known");
    }
}

#[tokio::test]
#[ignore = "writes the fixture of the current version, once"]
async fn write_the_fixture_of_the_current_version() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1");
    assert!(!dir.exists(), "fixtures are never written again");
    std::fs::create_dir_all(&dir).unwrap();
    let journal =
        JournalOptions { first_segment_bytes: 16 << 10, segment_bytes: 64 << 10, ..JournalOptions::default() };
    let store = open_in(&dir, EventStoreOptions { journal, ..EventStoreOptions::default() });
    for n in 0..25 {
        append(&store, n).await.unwrap();
    }
    drop(store);
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    for file in std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "lock" || name.starts_with("spare") {
            std::fs::remove_file(file).unwrap();
        }
    }
}
