//! A view that counts the events of each stream, kept in step with a log in memory, and read as fresh as a write's token
//! asks for.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, PositionToken, RecordedEvent,
};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_projection::{ApplyError, Columns, Interest, MemoryViews, Projection, ProjectionRunner, RunnerOptions};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    events: u64,
}

struct Counts;

impl Projection for Counts {
    type Row = Count;

    fn name(&self) -> &'static str {
        "counts"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &["events"]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        Ok(Interest::own(event))
    }

    fn apply(&self, _: &str, row: Option<Count>, _: &RecordedEvent) -> Result<Option<Count>, ApplyError> {
        Ok(Some(Count { events: row.map_or(0, |row| row.events) + 1 }))
    }

    fn columns(&self, row: &Count) -> Columns {
        Columns::none().with("events", i64::try_from(row.events).unwrap_or(i64::MAX))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::system();
    let name = LogName::parse("things").ok_or("not a name")?;
    let log: DynEventStore = Arc::new(MemoryEventStore::new(name.clone(), &host));
    let views = Arc::new(MemoryViews::new());
    let runner = ProjectionRunner::new(Counts, Arc::clone(&log), views, host.clone(), RunnerOptions::default())?;
    let (reader, stop) = (runner.reader(), StopSignal::new());
    let running = {
        let stop = stop.clone();
        tasks::spawn("counts", async move { runner.run(stop).await })
    };

    let happened = EventType::parse("ThingHappened").ok_or("not a type")?;
    let event = || {
        Ok::<_, Box<dyn Error>>(NewEvent::fresh(
            &host,
            happened.clone(),
            1,
            JsonBytes::of("x")?,
            &CallContext::new(&host),
        ))
    };
    log.append("thing-a".parse()?, ExpectedVersion::NoStream, vec![event()?, event()?]).await?;
    let last = log.append("thing-b".parse()?, ExpectedVersion::NoStream, vec![event()?]).await?;

    let token = PositionToken::of(name, log.epoch(), last.position);
    reader.wait_for(&token, Duration::from_secs(5)).await?;
    for key in ["a", "b"] {
        let counted = reader.get(key).await?.ok_or("no row")?;
        println!("{key}: {} events, version {}", counted.row.events, counted.version);
    }
    stop.cancel();
    running.await??;
    Ok(())
}
