//! What the sandbox remembers: one stream per key, for ever.

use std::time::Duration;

use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Fault, FaultOutcome, Host, JsonBytes, Money, NewEvent, Position,
    RecordedEvent, StreamName, StreamVersion,
};
use madrigal_event_store::{AppendError, DynEventStore, ReadError, StreamRead};
use serde::{Deserialize, Serialize};

use crate::provider::{LedgerEntry, LedgerKind};

const ENGINE: &str = "sandbox-provider";
/// How long a writer that lost a race waits for the winner to become readable.
const RACE_WAIT: Duration = Duration::from_millis(100);

/// What can happen under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase", tag = "kind", rename_all = "kebab-case")]
pub enum SandboxEvent {
    /// Money was taken.
    Charged {
        /// The id of the charge.
        charge_id: String,
        /// How much.
        amount: Money,
        /// Of the card.
        last_four: String,
    },
    /// A charge was declined.
    Declined {
        /// How much was asked for.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// A call failed on purpose.
    Failed {
        /// Which, from 1.
        attempt: u32,
    },
    /// Money was given back.
    Refunded {
        /// The id of the charge.
        charge_id: String,
        /// How much.
        amount: Money,
    },
    /// The key without a charge was made void.
    Voided {},
}

/// A charge under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingCharge {
    /// Its id.
    pub charge_id: String,
    /// How much.
    pub amount: Money,
    /// Of the card.
    pub last_four: String,
}

/// What is known under one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The stream's version when it was read.
    pub version: StreamVersion,
    /// The amount that the key belongs to.
    pub amount: Option<Money>,
    /// The charge, also where it was given back since.
    pub charged: Option<StandingCharge>,
    /// Why a charge was declined.
    pub declined: Option<String>,
    /// How many calls failed on purpose.
    pub failures: u32,
    /// Whether the key is closed, and then whether there was a charge.
    pub closed: Option<bool>,
}

impl Account {
    fn evolve(mut self, event: SandboxEvent) -> Self {
        match event {
            SandboxEvent::Charged { charge_id, amount, last_four } => {
                self.amount = Some(amount);
                self.charged = Some(StandingCharge { charge_id, amount, last_four });
            }
            SandboxEvent::Declined { amount, reason } => {
                self.amount = Some(amount);
                self.declined = Some(reason);
            }
            SandboxEvent::Failed { attempt } => self.failures = attempt,
            SandboxEvent::Refunded { .. } => self.closed = Some(true),
            SandboxEvent::Voided {} => self.closed = Some(false),
        }
        self
    }
}

/// The sandbox's store.
pub struct Ledger {
    store: DynEventStore,
    host: Host,
}

impl Ledger {
    /// A ledger in this store.
    pub fn new(store: DynEventStore, host: Host) -> Self {
        Self { store, host }
    }

    /// What is known under `key`.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke or the key cannot name a stream.
    pub async fn account(&self, key: &str) -> Result<Account, Fault> {
        let slice = self.store.read_stream(&stream(key)?, StreamRead::START).await?;
        let mut account = Account::default();
        for event in &slice.events {
            account = account.evolve(decode(event)?);
        }
        account.version = slice.version;
        Ok(account)
    }

    /// Records what happened next under `key`; false where somebody else was first (look again then).
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    pub async fn record(&self, key: &str, account: &Account, event: &SandboxEvent) -> Result<bool, Fault> {
        let next = account.version.plus(1);
        let data = JsonBytes::of(event).map_err(|error| Fault::permanent(ENGINE, "encode", error))?;
        let event_type = event_type(event)?;
        // The id belongs to the place in the stream: a repeated append is recognised, another event there is refused.
        let id = EventId::derived(&format!("sandbox {key} {next} {event_type}"));
        let new = NewEvent::new(id, event_type, 1, data, &CallContext::new(&self.host));
        let end = self.store.end();
        match self.store.append(stream(key)?, ExpectedVersion::Exact(account.version), vec![new]).await {
            Ok(appended) => Ok(!appended.repeated),
            Err(AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. }) => {
                // What was first may not be durable yet, and until then nobody can read it.
                let _ = self.store.wait_beyond(end, RACE_WAIT).await;
                Ok(false)
            }
            Err(AppendError::Fault(fault)) => Err(fault),
            Err(other) => Err(Fault::permanent(ENGINE, "append", other)),
        }
    }

    /// Entries after a position, and where to continue.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    pub async fn entries(&self, after: u64, limit: usize) -> Result<(Vec<LedgerEntry>, Option<u64>), Fault> {
        // A cursor beyond the end (of another ledger, say) has nothing after it.
        let (events, through, end) = self.scan(Position(after.min(self.store.end().0)), limit).await?;
        let mut entries = Vec::with_capacity(events.len());
        for event in &events {
            entries.extend(entry(event)?);
        }
        Ok((entries, (through < end).then_some(through.0)))
    }

    /// Entries under `key`.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    pub async fn entries_of(&self, key: &str) -> Result<Vec<LedgerEntry>, Fault> {
        // A key that cannot name a stream has nothing under it.
        let Ok(stream) = stream(key) else { return Ok(Vec::new()) };
        // Under a key nothing happens any more once it is closed: one read is all of it.
        let slice = self.store.read_stream(&stream, StreamRead::START).await?;
        let mut entries = Vec::with_capacity(slice.events.len());
        for event in &slice.events {
            entries.extend(entry(event)?);
        }
        Ok(entries)
    }

    /// Recorded events after a position, through which position they go, and the ledger's end.
    ///
    /// # Errors
    /// A [`Fault`] if the store broke.
    pub(super) async fn scan(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<RecordedEvent>, Position, Position), Fault> {
        match self.store.read_log(after, limit).await {
            Ok(read) => Ok((read.events, read.scanned_through, read.end)),
            Err(ReadError::Fault(fault)) => Err(fault),
            Err(other) => Err(Fault::permanent(ENGINE, "read-log", other)),
        }
    }
}

/// The event as it was recorded.
pub(super) fn decode(event: &RecordedEvent) -> Result<SandboxEvent, Fault> {
    event.decode().map_err(|error| Fault::permanent(ENGINE, "decode", error))
}

fn entry(event: &RecordedEvent) -> Result<Option<LedgerEntry>, Fault> {
    let (kind, amount, charge_id) = match decode(event)? {
        SandboxEvent::Charged { charge_id, amount, .. } => (LedgerKind::Charged, Some(amount), Some(charge_id)),
        SandboxEvent::Refunded { charge_id, amount } => (LedgerKind::Refunded, Some(amount), Some(charge_id)),
        SandboxEvent::Declined { .. } => (LedgerKind::Declined, None, None),
        SandboxEvent::Voided {} => (LedgerKind::Voided, None, None),
        SandboxEvent::Failed { .. } => return Ok(None),
    };
    Ok(Some(LedgerEntry {
        position: event.position.0,
        timestamp: event.metadata.timestamp,
        key: event.stream.id().to_owned(),
        kind,
        amount,
        charge_id,
    }))
}

fn event_type(event: &SandboxEvent) -> Result<EventType, Fault> {
    let name = match event {
        SandboxEvent::Charged { .. } => "Charged",
        SandboxEvent::Declined { .. } => "Declined",
        SandboxEvent::Failed { .. } => "Failed",
        SandboxEvent::Refunded { .. } => "Refunded",
        SandboxEvent::Voided {} => "Voided",
    };
    EventType::parse(name).ok_or_else(|| Fault::permanent(ENGINE, "encode", "an event type is letters and digits"))
}

fn stream(key: &str) -> Result<StreamName, Fault> {
    StreamName::new("charge", key)
        .map_err(|error| Fault::permanent(ENGINE, "key", error).with_outcome(FaultOutcome::NotApplied))
}
