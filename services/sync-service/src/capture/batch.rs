//! One batch: what its changes mean, told to every copy, and then made durable that it was.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::try_join_all;
use madrigal_cdc::{Change, Changes, PlacedChange};
use madrigal_contracts::copies::{AppliedThrough, CopyRow, RowOutcome};
use madrigal_core::Fault;
use madrigal_core::spans::{self, BatchSpans, Doing, Span};
use madrigal_projection::{Checkpoint, GroupBatch, ParkedEvent, ParkedPayload};
use serde_json::{Value, json};

use super::{Loaded, MAX_PARKED, Shared};
use crate::measures;
use crate::processors::{Meaning, MeantRow, Processor, SeenEvent};

/// What became of changes.
#[derive(Default)]
pub(super) struct Told {
    /// The lanes that could not be told, with the place of the change and why.
    pub(super) refused: BTreeMap<String, (usize, String)>,
}

/// A row on its way, and the change that it came with.
struct Sent {
    change: usize,
    lane: String,
    row: CopyRow,
}

impl Shared {
    /// Takes in a batch: tells the copies, parks what cannot be told, commits.
    pub(super) async fn take_in(&self, loaded: &mut Loaded, changes: Changes) -> Result<(), Fault> {
        let Changes { changes, scanned_through, epoch, .. } = changes;
        if changes.is_empty() && loaded.checkpoint.is_some_and(|at| at.position >= scanned_through) {
            return Ok(());
        }
        let checkpoint = Checkpoint { epoch, position: scanned_through };
        let now = self.parts.host.now();
        let mut batch = GroupBatch::at(checkpoint, now);
        // What a lane that is held gets waits behind it; the rest is told.
        let mut telling: Vec<(String, PlacedChange)> = Vec::with_capacity(changes.len());
        for placed in changes {
            let Some((processor, lane)) = self.lane(&placed.change) else { continue };
            if loaded.held.contains(&lane) {
                batch.parked.push(parked(processor, &lane, &placed, "stands behind a parked change", 0, now));
            } else {
                telling.push((lane, placed));
            }
        }
        let spans = self.spans(&telling);
        let told = self.tell(&telling, Some(checkpoint), spans.traceparent()).await?;
        for (index, (lane, placed)) in telling.iter().enumerate() {
            let Some((first, cause)) = told.refused.get(lane).filter(|(first, _)| index >= *first) else { continue };
            let Some((processor, _)) = self.lane(&placed.change) else { continue };
            let (cause, attempts) = match index == *first {
                true => (cause.as_str(), 1),
                false => ("stands behind a parked change", 0),
            };
            if attempts == 1 {
                tracing::warn!(connector = self.parts.connector.name, lane, position = %placed.position, cause, "parked a key");
            }
            batch.parked.push(parked(processor, lane, placed, cause, attempts, now));
        }
        if loaded.held.len() + told.refused.len() > MAX_PARKED {
            let why = format!("{MAX_PARKED} keys are parked: mend the cause, then retry them");
            return Err(Fault::not_applied("sync-service", "take-in", why));
        }
        self.parts.offsets.commit(&self.group(checkpoint.epoch), batch).await?;
        loaded.held.extend(told.refused.into_keys());
        loaded.checkpoint = Some(checkpoint);
        // A source that forgets too late only keeps more.
        if let Err(fault) = self.parts.source.acknowledge(super::CONSUMER, checkpoint).await {
            tracing::warn!(connector = self.parts.connector.name, cause = %fault.chain(), "the source was not told what is done with");
        }
        Ok(())
    }

    /// The spans of a batch. A row of users says nothing about who changed it; the event that was written with it does.
    fn spans(&self, telling: &[(String, PlacedChange)]) -> BatchSpans {
        if !spans::are_kept() {
            return BatchSpans::default();
        }
        let traced: Vec<String> = telling.iter().filter_map(|(_, placed)| traceparent(&placed.change)).collect();
        let traced = traced.iter().map(|text| Some(text.as_str()));
        let mut spans = BatchSpans::begin("sync-service", Doing::Capture, self.parts.source.log().as_str(), traced);
        spans.note("madrigal.changes", telling.len());
        spans
    }

    /// The processor of a change, and its lane: topic and key.
    pub(super) fn lane(&self, change: &Change) -> Option<(&dyn Processor, String)> {
        let processor = self.processors.get(&change.source.table)?.as_ref();
        let key = processor.lane(change).unwrap_or_else(|| "-".to_owned());
        Some((processor, format!("{}:{key}", processor.topic())))
    }

    /// Tells every copy what these changes mean, each lane up to its first change that cannot be told.
    pub(super) async fn tell(
        &self,
        changes: &[(String, PlacedChange)],
        through: Option<Checkpoint>,
        traceparent: Option<Arc<str>>,
    ) -> Result<Told, Fault> {
        let mut told = Told::default();
        let mut rows: Vec<(usize, &dyn Processor, MeantRow)> = Vec::new();
        let mut events: Vec<SeenEvent> = Vec::new();
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for (index, (lane, placed)) in changes.iter().enumerate() {
            if told.refused.contains_key(lane) {
                continue;
            }
            let Some((processor, _)) = self.lane(&placed.change) else { continue };
            measures::processed(processor.topic(), self.parts.host.now().since(placed.change.source.at));
            match self.meaning(processor, &placed.change).await? {
                Ok(Meaning::Nothing) => {}
                Ok(Meaning::Row(row)) => rows.push((index, processor, row)),
                Ok(Meaning::Event(event)) => {
                    counted.insert(event.user_id.to_string(), index);
                    events.push(event);
                }
                Err(cause) => drop(told.refused.insert(lane.clone(), (index, cause))),
            }
        }
        for row in self.parts.activity.count(events).await? {
            if let Some(index) = counted.get(&row.key)
                && let Some((_, placed)) = changes.get(*index)
                && let Some((processor, _)) = self.lane(&placed.change)
            {
                rows.push((*index, processor, row));
            }
        }
        let copies = self.copies();
        let telling =
            copies.iter().map(|copy| self.tell_copy(copy, changes, &rows, &told, (through, traceparent.as_deref())));
        for refused in try_join_all(telling).await? {
            for (lane, first) in refused {
                let known = told.refused.entry(lane).or_insert_with(|| first.clone());
                if first.0 < known.0 {
                    *known = first;
                }
            }
        }
        Ok(told)
    }

    /// What a change means; the inner error parks. A row that does not tell all its columns is read again.
    pub(super) async fn meaning(
        &self,
        processor: &dyn Processor,
        change: &Change,
    ) -> Result<Result<Meaning, String>, Fault> {
        let mut change = std::borrow::Cow::Borrowed(change);
        if change.after.as_ref().is_some_and(|row| !row.is_complete()) {
            match self.read_again(&change).await? {
                Some(whole) => change = std::borrow::Cow::Owned(whole),
                None => return Ok(Err("it does not tell all columns, and has no key to read it by".to_owned())),
            }
        }
        let understood = std::panic::catch_unwind(AssertUnwindSafe(|| processor.meaning(&change)));
        Ok(understood.unwrap_or_else(|_| Err("the processor panicked".to_owned())))
    }

    /// Tells one copy its rows; the lanes that it refused.
    async fn tell_copy(
        &self,
        copy: &'static str,
        changes: &[(String, PlacedChange)],
        rows: &[(usize, &dyn Processor, MeantRow)],
        told: &Told,
        (through, traceparent): (Option<Checkpoint>, Option<&str>),
    ) -> Result<Vec<(String, (usize, String))>, Fault> {
        let mut refused: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let mut sending: Vec<Sent> = Vec::new();
        for (index, processor, meant) in rows.iter().filter(|(_, processor, _)| processor.copies().contains(&copy)) {
            let Some((lane, _)) = changes.get(*index) else { continue };
            if refused.contains_key(lane) || told.refused.get(lane).is_some_and(|(first, _)| first <= index) {
                continue;
            }
            match self.row_for(processor.topic(), copy, meant) {
                Ok(row) => sending.push(Sent { change: *index, lane: lane.clone(), row }),
                Err(cause) => drop(refused.insert(lane.clone(), (*index, format!("for {copy}: {cause}")))),
            }
        }
        let through = through.map(|at| AppliedThrough {
            log: self.parts.source.log().clone(),
            epoch: at.epoch,
            position: at.position,
        });
        let rows = sending.iter().map(|sent| sent.row.clone()).collect();
        let mut span = Span::begin("sync-service", Doing::Tell, copy, traceparent);
        span.note("madrigal.rows", || sending.len());
        let applying = self.parts.copies.apply(copy, rows, through, span.traceparent());
        let applying = AssertUnwindSafe(applying).catch_unwind().await;
        if !matches!(applying, Ok(Ok(_))) {
            span.fail("the copy was not told");
        }
        drop(span);
        let panicked = |_| Err(Fault::unknown("sync-service", "apply-rows", "the copy's keeper panicked"));
        let outcomes = applying.unwrap_or_else(panicked)?;
        let now = self.parts.host.now();
        for (sent, outcome) in sending.iter().zip(outcomes) {
            match outcome {
                RowOutcome::Refused { cause } => {
                    refused.entry(sent.lane.clone()).or_insert((sent.change, format!("{copy} refused it: {cause}")));
                }
                RowOutcome::Applied => {
                    if let Some((_, placed)) = changes.get(sent.change).filter(|(_, placed)| !is_snapshot(placed)) {
                        let source = &placed.change.source;
                        measures::synced(&source.connector, copy, &source.table, now.since(source.at));
                    }
                }
                RowOutcome::Older | RowOutcome::Repeated => {}
            }
        }
        Ok(refused.into_iter().collect())
    }

    /// The row as a copy gets it. One that is filtered out is deleted there: it may have fitted before.
    pub(super) fn row_for(&self, topic: &str, copy: &str, meant: &MeantRow) -> Result<CopyRow, String> {
        let row = match &meant.row {
            None => None,
            Some(row) if self.parts.transformers.leaves(topic, copy) => Some(row.clone()),
            Some(row) => self.parts.transformers.row(topic, copy, row.clone())?,
        };
        Ok(CopyRow { key: meant.key.clone(), version: meant.version, row: row.map(Value::Object) })
    }

    /// The row of a change as its table has it now; a deleted one as a delete.
    pub(super) async fn read_again(&self, change: &Change) -> Result<Option<Change>, Fault> {
        let Some(key) = change.key() else { return Ok(None) };
        self.read_key(&change.source.table, key).await.map(Some)
    }
}

/// The trace of whoever made a change, as far as its row says it: in the metadata of an event.
fn traceparent(change: &Change) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        traceparent: Option<String>,
    }
    let metadata = change.after.as_ref()?.get("metadata")?.as_str()?;
    serde_json::from_str::<Metadata>(metadata).ok()?.traceparent
}

fn is_snapshot(placed: &PlacedChange) -> bool {
    placed.change.source.snapshot.is_snapshot()
}

/// A change as it is parked: where it stands and by which key its row is found, without the row's values, so that a person
/// who is erased is not kept here.
pub(super) fn parked(
    processor: &dyn Processor,
    lane: &str,
    placed: &PlacedChange,
    cause: &str,
    attempts: u32,
    now: madrigal_core::Timestamp,
) -> ParkedEvent {
    let key = placed.change.key().and_then(|key| serde_json::from_str::<Value>(key.as_str()).ok());
    let payload = json!({ "table": placed.change.source.table, "key": key });
    ParkedEvent {
        lane: lane.to_owned(),
        position: placed.position,
        id: format!("{}@{}", lane, placed.position),
        kind: format!("{}.{}", processor.topic(), placed.change.op.letter()),
        payload: Some(ParkedPayload(payload.to_string())),
        cause: cause.chars().take(1_000).collect(),
        attempts,
        first_at: now,
        last_at: now,
        skipped: None,
    }
}
