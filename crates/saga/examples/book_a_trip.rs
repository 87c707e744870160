//! Books a trip: flight and hotel at the same time, then the payment, then the tickets. Once all goes well; once the hotel is full,
//! and the flight is given back.
//!
//! `cargo run -p madrigal-saga --example book_a_trip`
#![expect(clippy::print_stdout, reason = "it shows what happens")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_core::{CallContext, Fingerprint, Host, LogName};
use madrigal_event_store::{DynEventStore, MemoryEventStore};
use madrigal_saga::{
    Action, MemoryDirectory, SagaDefinition, SagaEngine, SagaId, SagaOptions, SagaProgress, SagaState, StartSaga,
    StepContext, StepOutcome, Undo, UndoOutcome,
};
use serde_json::json;

/// One of the companies. A real one would deduplicate by `step.key()` and leave a tombstone when it undoes what it never saw.
struct Company;

#[async_trait]
impl Action for Company {
    async fn run(&self, step: &StepContext) -> StepOutcome {
        if step.input["full"] == *step.step {
            println!("  {}: sorry, we are full", step.step);
            return StepOutcome::Rejected { reason: json!({"full": *step.step}) };
        }
        println!("  {}: done", step.step);
        StepOutcome::done(json!({"booking": step.key()}))
    }
}

#[async_trait]
impl Undo for Company {
    async fn undo(&self, step: &StepContext) -> UndoOutcome {
        println!("  {}: given back", step.step);
        UndoOutcome::done()
    }
}

fn definition() -> Result<SagaDefinition, Box<dyn Error>> {
    let company = Arc::new(Company);
    let definition = SagaDefinition::new("book-a-trip", 1)
        .compensatable("flight", Arc::clone(&company) as _, Arc::clone(&company) as _)
        .compensatable("hotel", Arc::clone(&company) as _, Arc::clone(&company) as _)
        .after("hotel", &[])
        .pivot("payment", Arc::clone(&company) as _)
        .retriable("tickets", company)
        .deadline_before_pivot(Duration::from_mins(1))
        .build()?;
    Ok(definition)
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::system();
    let store: DynEventStore = Arc::new(MemoryEventStore::new(LogName::parse("trips").ok_or("a log's name")?, &host));
    let directory = Arc::new(MemoryDirectory::new(Arc::clone(&store)));
    let definition = definition()?;
    println!("{}", definition.drawing());
    let engine = SagaEngine::new(store, vec![definition], directory, host.clone(), SagaOptions::default());
    for (key, full) in [("spring", None), ("summer", Some("hotel"))] {
        println!("{key}:");
        let id = SagaId::derive("anna", "book-a-trip", key);
        let request = StartSaga {
            id,
            definition: "book-a-trip",
            input: json!({"to": "Lisbon", "full": full}),
            fingerprint: Fingerprint::of(key.as_bytes()),
            owner: None,
            call: CallContext::new(&host),
        };
        engine.start(request).await?;
        match engine.outcome(&id, Duration::from_secs(5)).await? {
            SagaProgress::Committed { outputs, .. } => {
                println!("  answer: booked, {}", outputs.get("payment").ok_or("no payment")?);
            }
            SagaProgress::Refused { step, reason } => println!("  answer: refused by {step}, {reason}"),
            other => return Err(format!("unexpected: {other:?}").into()),
        }
        let end = engine.settled(&id, Duration::from_secs(5)).await?.ok_or("the saga is lost")?;
        println!("  end: {}", end.as_str());
        let expected = if full.is_some() { SagaState::Compensated } else { SagaState::Completed };
        if end != expected {
            return Err(format!("{} was expected", expected.as_str()).into());
        }
    }
    Ok(())
}
