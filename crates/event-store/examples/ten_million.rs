//! Fills a store and measures what a large history costs: appending, opening, reading a stream, scanning the log.
//!
//! `cargo run --release -p madrigal-event-store --example ten_million [EVENTS] [DIRECTORY]`
#![expect(clippy::print_stdout, reason = "prints its measurements")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Host, JsonBytes, LogName, NewEvent, Position, StreamName, tasks,
};
use madrigal_event_store::{EventStore, EventStoreOptions, JournalEventStore, StreamRead};

const PER_STREAM: u64 = 5;
const WRITERS: u64 = 64;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let events: u64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let dir = PathBuf::from(arguments.next().unwrap_or_else(|| "target/ten-million".to_owned()));
    let host = Host::system();
    let log = LogName::parse("test").ok_or("a log's name has letters")?;
    let open = || JournalEventStore::open(&dir, log.clone(), EventStoreOptions::default(), &host);

    let store = Arc::new(open()?);
    let began = tasks::instant();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tasks::spawn("writer", write(Arc::clone(&store), host.clone(), writer, events / WRITERS)))
        .collect();
    for writer in writers {
        writer.await??;
    }
    let took = began.elapsed().as_secs_f64();
    println!("appended {} events in {took:.1} s, {:.0}/s; {}", store.end(), store.end().0 as f64 / took, memory());
    drop(store);

    let began = tasks::instant();
    let store = open()?;
    println!("opened in {:.2} s; {}", began.elapsed().as_secs_f64(), memory());

    let began = tasks::instant();
    let mut read = 0;
    for n in 0..1_000 {
        let stream = StreamName::new("order", format!("{}-{}", n % WRITERS, n / 16))?;
        read += store.read_stream(&stream, StreamRead::START).await?.events.len();
    }
    println!("read 1,000 old streams ({read} events): {:.1} µs each", began.elapsed().as_secs_f64() * 1e3);

    let (began, mut after) = (tasks::instant(), Position::START);
    while after < store.end() {
        after = store.read_log(after, 10_000).await?.scanned_through;
    }
    println!("scanned the log: {:.0} events/s; {}", after.0 as f64 / began.elapsed().as_secs_f64(), memory());
    drop(store);
    Ok(std::fs::remove_dir_all(&dir)?)
}

async fn write(
    store: Arc<JournalEventStore>,
    host: Host,
    writer: u64,
    events: u64,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let context = CallContext::new(&host);
    let event_type = EventType::parse("OrderChanged").ok_or("letters")?;
    let data = JsonBytes::of(&"x".repeat(100))?;
    for n in 0..events / PER_STREAM {
        let stream = StreamName::new("order", format!("{writer}-{n}"))?;
        let event = || NewEvent::new(EventId::new(&host), event_type.clone(), 1, data.clone(), &context);
        let events = (0..PER_STREAM).map(|_| event()).collect();
        store.append(stream, ExpectedVersion::NoStream, events).await?;
    }
    Ok(())
}

/// The resident memory of this process, now and at its peak.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?");
        line.trim_start_matches(':').trim().to_owned()
    };
    format!("resident {} (peak {})", of("VmRSS"), of("VmHWM"))
}
