//! The engine's rules: on the in-memory event store, and its suite on both event stores.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attaching;
mod definitions;
mod directory;
mod every_node;
mod examples;
mod shop;
mod troubles;
mod way_of_a_saga;

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

    madrigal_conformance::saga_suite!(make);
}

mod memory_suite {
    use std::sync::Arc;

    use madrigal_core::{Host, LogName};
    use madrigal_event_store::{DynEventStore, MemoryEventStore};

    fn make() -> (DynEventStore, ()) {
        (Arc::new(MemoryEventStore::new(LogName::parse("test").unwrap(), &Host::system())), ())
    }

    madrigal_conformance::saga_suite!(make);
}
