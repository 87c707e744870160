//! How many sagas of five steps the engine runs per second: its own cost, without waits.
//!
//! `cargo run --release -p madrigal-saga --example saga_rate -- [memory|journal] [sagas] [at once]`
//!
//! `memory` is an indexed store in memory that keeps everything (the reference store reads in proportion to its log and would be
//! measured instead of the engine); `journal` is the embedded store, synced.
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{
    CallContext, EventType, ExpectedVersion, Fault, Fingerprint, Host, JsonBytes, LogEpoch, LogName, Metadata,
    NewEvent, PersonId, Position, RecordedEvent, StreamName, StreamVersion, tasks,
};
use madrigal_event_store::{
    AppendError, Appended, DynEventStore, EventStore, EventStoreOptions, JournalEventStore, LogRead, ReadError,
    StreamAppend, StreamRead, StreamSlice, WaitError,
};
use madrigal_saga::{
    Action, LocalAction, LocalDecision, MemoryDirectory, SagaDefinition, SagaEngine, SagaId, SagaOptions, SagaProgress,
    StartSaga, StepContext, StepOutcome, Undo, UndoOutcome,
};
use serde_json::json;

struct Participant;

#[async_trait]
impl Action for Participant {
    async fn run(&self, _step: &StepContext) -> StepOutcome {
        StepOutcome::done(json!({"reference": "4711"}))
    }
}

#[async_trait]
impl Undo for Participant {
    async fn undo(&self, _step: &StepContext) -> UndoOutcome {
        UndoOutcome::done()
    }
}

struct CreateOrder(EventType);

#[async_trait]
impl LocalAction for CreateOrder {
    async fn decide(&self, step: &StepContext) -> LocalDecision {
        let Ok(stream) = StreamName::new("order", step.saga_id) else {
            return LocalDecision::Unknown { detail: "no stream".to_owned() };
        };
        let Ok(data) = JsonBytes::of(&*step.input) else {
            return LocalDecision::Unknown { detail: "no data".to_owned() };
        };
        let events = vec![NewEvent::new(step.event_id(1), self.0.clone(), 1, data, &step.call)];
        let append = StreamAppend { stream, expected: ExpectedVersion::NoStream, events };
        LocalDecision::Commit { appends: vec![append], output: json!({"orderId": step.saga_id}) }
    }
}

/// A store in memory with an index by stream.
struct IndexedStore {
    log: LogName,
    epoch: LogEpoch,
    host: Host,
    end: AtomicU64,
    streams: Mutex<HashMap<StreamName, Vec<RecordedEvent>>>,
}

#[async_trait]
impl EventStore for IndexedStore {
    fn log(&self) -> &LogName {
        &self.log
    }

    fn epoch(&self) -> LogEpoch {
        self.epoch
    }

    fn end(&self) -> Position {
        Position(self.end.load(Ordering::Relaxed))
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        let timestamp = self.host.now();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for append in &appends {
            let actual = StreamVersion(streams.get(&append.stream).map_or(0, Vec::len) as u64);
            if !append.expected.is_met_by(actual) {
                let (stream, expected) = (append.stream.clone(), append.expected);
                return Err(AppendError::WrongVersion { stream, expected, actual });
            }
        }
        let mut results = Vec::with_capacity(appends.len());
        for append in appends {
            let stream = streams.entry(append.stream.clone()).or_default();
            for event in append.events {
                let metadata = Metadata {
                    timestamp,
                    version: StreamVersion(stream.len() as u64 + 1),
                    causation_id: event.causation_id,
                    correlation_id: event.correlation_id,
                    user_id: event.user_id,
                    traceparent: event.traceparent,
                };
                stream.push(RecordedEvent {
                    event_id: event.event_id,
                    stream: append.stream.clone(),
                    event_type: event.event_type,
                    schema_version: event.schema_version,
                    event_data: event.event_data,
                    metadata,
                    position: Position(self.end.fetch_add(1, Ordering::Relaxed) + 1),
                });
            }
            let version = StreamVersion(stream.len() as u64);
            results.push(Appended { version, position: self.end(), repeated: false });
        }
        Ok(results)
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let all = streams.get(stream).map_or(&[][..], Vec::as_slice);
        let after = usize::try_from(read.after.0).unwrap_or(usize::MAX).min(all.len());
        Ok(StreamSlice { events: all[after..].to_vec(), version: StreamVersion(all.len() as u64) })
    }

    async fn read_log(&self, _after: Position, _limit: usize) -> Result<LogRead, ReadError> {
        Ok(LogRead { events: Vec::new(), scanned_through: self.end(), end: self.end() })
    }

    async fn wait_beyond(&self, _position: Position, limit: Duration) -> Result<Position, WaitError> {
        tasks::sleep(limit).await;
        Err(WaitError::TimedOut { end: self.end() })
    }
}

fn definition() -> Result<SagaDefinition, Box<dyn Error>> {
    let participant = Arc::new(Participant);
    let order = EventType::parse("OrderCreated").ok_or("not an event type")?;
    let definition = SagaDefinition::new("place-order", 1)
        .compensatable("reserve-inventory", Arc::clone(&participant) as _, Arc::clone(&participant) as _)
        .compensatable("process-payment", Arc::clone(&participant) as _, Arc::clone(&participant) as _)
        .local_pivot("create-order", Arc::new(CreateOrder(order)))
        .retriable("confirm-reservation", Arc::clone(&participant) as _)
        .retriable("send-confirmation", participant)
        .after("send-confirmation", &["create-order"])
        .deadline_before_pivot(Duration::from_mins(1))
        .build()?;
    Ok(definition)
}

async fn client(engine: SagaEngine, host: Host, name: usize, sagas: usize) -> Result<usize, String> {
    let mut committed = 0;
    for number in 0..sagas {
        let id = SagaId::derive("42", "place-order", &format!("{name} {number}"));
        let request = StartSaga {
            id,
            definition: "place-order",
            input: json!({"userId": 42, "items": [{"productId": "p-1", "quantity": 2, "price": 1999}], "token": "tok_visa"}),
            fingerprint: Fingerprint::of(id.as_uuid().as_bytes()),
            owner: Some(PersonId(42)),
            call: CallContext::new(&host),
        };
        engine.start(request).await.map_err(|error| error.to_string())?;
        let outcome = engine.outcome(&id, Duration::from_secs(30)).await.map_err(|error| error.to_string())?;
        committed += usize::from(matches!(outcome, SagaProgress::Committed { .. }));
    }
    Ok(committed)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let kind = words.first().map_or("memory", String::as_str);
    let sagas: usize = words.get(1).map_or(Ok(100_000), |word| word.parse())?;
    let at_once: usize = words.get(2).map_or(Ok(128), |word| word.parse())?;
    let host = Host::system();
    let log = LogName::parse("order").ok_or("not a log's name")?;
    let directory = std::env::temp_dir().join(format!("saga-rate-{}", std::process::id()));
    let store: DynEventStore = if kind == "journal" {
        std::fs::create_dir_all(&directory)?;
        Arc::new(JournalEventStore::open(&directory, log, EventStoreOptions::default(), &host)?)
    } else {
        let (epoch, streams, end) = (LogEpoch::new(&host), Mutex::default(), AtomicU64::new(0));
        Arc::new(IndexedStore { log, epoch, host: host.clone(), end, streams })
    };
    let sagas_directory = Arc::new(MemoryDirectory::new(Arc::clone(&store)));
    let options = SagaOptions::default();
    let engine = SagaEngine::new(store, vec![definition()?], sagas_directory, host.clone(), options);
    let begun = tasks::instant();
    let clients: Vec<_> = (0..at_once)
        .map(|name| tasks::spawn("client", client(engine.clone(), host.clone(), name, sagas / at_once)))
        .collect();
    let mut committed = 0;
    for client in clients {
        committed += client.await??;
    }
    let left = engine.drain(Duration::from_secs(30)).await;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{kind}: {committed} of {sagas} sagas of 5 steps committed by {at_once} clients in {seconds:.2} s: \
         {:.0} sagas/s, {left} left",
        committed as f64 / seconds
    );
    std::fs::remove_dir_all(&directory).or_else(|error| if kind == "journal" { Err(error) } else { Ok(()) })?;
    Ok(())
}
