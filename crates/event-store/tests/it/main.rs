//! The event stores' tests: the contract suite on both implementations, and what is particular to the journal's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aggregates;
mod disk;
mod index;
#[path = "../../examples/orders.rs"]
mod orders;
mod reads;

#[test]
fn the_example_runs() {
    orders::main().unwrap();
}

mod journal_suite {
    use std::sync::Arc;

    use madrigal_core::{Host, LogName};
    use madrigal_event_store::{DynEventStore, EventStoreOptions, JournalEventStore};

    fn make() -> (DynEventStore, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let log = LogName::parse("test").unwrap();
        let store = JournalEventStore::open(dir.path(), log, EventStoreOptions::default(), &Host::system()).unwrap();
        (Arc::new(store), dir)
    }

    madrigal_conformance::event_store_suite!(make);
}

mod memory_suite {
    use std::sync::Arc;

    use madrigal_core::{Host, LogName};
    use madrigal_event_store::{DynEventStore, MemoryEventStore};

    fn make() -> (DynEventStore, ()) {
        (Arc::new(MemoryEventStore::new(LogName::parse("test").unwrap(), &Host::system())), ())
    }

    madrigal_conformance::event_store_suite!(make);
}

/// Tables of a few events and no event kept in memory, so that every case runs through files, runs and merges too.
mod small_tables_suite {
    use std::sync::Arc;

    use madrigal_core::{Host, LogName};
    use madrigal_event_store::{DynEventStore, EventStoreOptions, IndexOptions, JournalEventStore};

    fn make() -> (DynEventStore, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let log = LogName::parse("test").unwrap();
        let options = EventStoreOptions {
            index: IndexOptions { table_events: 3 },
            newest_events: 0,
            ..EventStoreOptions::default()
        };
        let store = JournalEventStore::open(dir.path(), log, options, &Host::system()).unwrap();
        (Arc::new(store), dir)
    }

    madrigal_conformance::event_store_suite!(make);
}
