//! The large store: short streams, and between them, spread over the whole log, those that are loaded.

use std::path::Path;
use std::sync::Arc;

use madrigal_core::{CallContext, EventId, ExpectedVersion, Host, NewEvent, StreamName, tasks};
use madrigal_event_store::{EventStore, JournalEventStore};
use serde_json::json;

use super::{Options, singly};
use crate::report::{Report, check};

/// Events of a short stream, appended in one piece.
const PER_STREAM: u64 = 5;
/// How many append at once.
const WRITERS: u64 = 64;
/// In so many parts the streams that are loaded are appended.
const ROUNDS: u64 = 100;
/// The most events of one append.
const MOST: u64 = 1_000;

/// The stream of this length that is loaded.
pub(super) fn measured(length: u64) -> anyhow::Result<StreamName> {
    Ok(StreamName::new("stock", format!("of-{length}"))?)
}

pub(super) async fn fill(dir: &Path, options: &Options, report: &mut Report) -> anyhow::Result<Arc<JournalEventStore>> {
    let store = super::open(dir)?;
    let began = tasks::instant();
    let spread: u64 = options.streams.iter().sum();
    let others = options.events.saturating_sub(spread);
    for round in 0..ROUNDS {
        check(report.stop())?;
        let due = |total: u64| total * (round + 1) / ROUNDS - total * round / ROUNDS;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let events = due(others);
                let share = events / WRITERS + u64::from(writer < events % WRITERS);
                tasks::spawn("writer", short_streams(Arc::clone(&store), format!("{round}-{writer}"), share))
            })
            .collect();
        for &length in &options.streams {
            append(&store, measured(length)?, due(length), ExpectedVersion::Any).await?;
        }
        for writer in writers {
            writer.await??;
        }
    }
    let (events, took) = (store.end().0, began.elapsed().as_secs_f64());
    let rate = events as f64 / took;
    report.line(&format!(
        "fill        {events} events, {rate:.0} a second: {WRITERS} appenders, {PER_STREAM} events at a time"
    ));
    report.put("fill", json!({ "events": events, "eventsPerSecond": rate, "appenders": WRITERS, "batch": PER_STREAM }));
    Ok(store)
}

async fn short_streams(store: Arc<JournalEventStore>, prefix: String, mut events: u64) -> anyhow::Result<()> {
    let mut number = 0;
    while events > 0 {
        let stream = StreamName::new("order", format!("{prefix}-{number}"))?;
        let some = events.min(PER_STREAM);
        append(&store, stream, some, ExpectedVersion::NoStream).await?;
        events -= some;
        number += 1;
    }
    Ok(())
}

/// Appends so many events to a stream.
pub(super) async fn append(
    store: &JournalEventStore,
    stream: StreamName,
    mut events: u64,
    expected: ExpectedVersion,
) -> anyhow::Result<()> {
    let host = Host::system();
    let (data, event_type) = singly::small_event()?;
    let context = CallContext::new(&host);
    while events > 0 {
        let some = events.min(MOST);
        let new = || NewEvent::new(EventId::new(&host), event_type.clone(), 1, data.clone(), &context);
        store.append(stream.clone(), expected, (0..some).map(|_| new()).collect()).await?;
        events -= some;
    }
    Ok(())
}
