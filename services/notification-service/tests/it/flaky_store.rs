//! A store that refuses everything as hopeless for a while, and a delivery over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::notification::MailKind;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{
    CallContext, EventId, EventType, ExpectedVersion, Fault, Host, JsonBytes, LogEpoch, LogName, NewEvent, PersonId,
    PersonKey, Position, Sealed, StreamName,
};
use madrigal_event_store::{
    AppendError, Appended, EventStore, LogRead, MemoryEventStore, ReadError, StreamAppend, StreamRead, StreamSlice,
    WaitError,
};
use madrigal_notification_service::MailSender;
use madrigal_notification_service::domain::{MailKey, MailRequested, MailState};
use madrigal_notification_service::reactors::{DeliveryReactor, DeliveryStatus};
use madrigal_notification_service::store::MailStore;
use madrigal_projection::{Checkpoint, GroupBatch, GroupId, MemoryOffsets, Offsets, RunError};
use tokio::task::JoinHandle;

use crate::desk::mail;

/// An event store in memory that can be broken.
pub(crate) struct FlakyStore {
    inner: MemoryEventStore,
    host: Host,
    broken: AtomicBool,
}

/// A delivery that runs.
pub(crate) struct Running {
    pub(crate) task: JoinHandle<Result<(), RunError>>,
    pub(crate) status: Arc<DeliveryStatus>,
}

impl FlakyStore {
    pub(crate) fn new() -> Self {
        let host = Host::seeded(1);
        let inner = MemoryEventStore::new(LogName::parse("notification").unwrap(), &host);
        Self { inner, host, broken: AtomicBool::new(false) }
    }

    /// From now on everything is refused as something that only somebody can mend, or nothing is.
    pub(crate) fn breaks(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    pub(crate) async fn deliver(self: &Arc<Self>, sender: Arc<dyn MailSender>) -> Running {
        self.deliver_after(sender, None).await
    }

    /// A delivery that finds this checkpoint.
    pub(crate) async fn deliver_after(
        self: &Arc<Self>,
        sender: Arc<dyn MailSender>,
        checkpoint: Option<Checkpoint>,
    ) -> Running {
        let offsets = Arc::new(MemoryOffsets::new());
        if let Some(checkpoint) = checkpoint {
            let batch = GroupBatch::at(checkpoint, self.host.now());
            offsets.commit(&GroupId::new("mail-delivery", "notification"), batch).await.unwrap();
        }
        let delivery = DeliveryReactor::new(self.mails(), sender, offsets, self.host.clone());
        let status = delivery.status();
        let task = tasks::spawn("delivery", async move { delivery.run(StopSignal::new()).await });
        Running { task, status }
    }

    pub(crate) async fn request(self: &Arc<Self>, order: &str) {
        let (key, person) = (key(order), PersonId(42));
        let content = Sealed::seal(&self.host, person, &PersonKey::generate(&self.host), &mail()).unwrap();
        let requested = MailRequested { order_id: order.to_owned(), kind: key.kind(), person, content };
        self.mails().request(&key, &requested, &CallContext::new(&self.host)).await.unwrap();
    }

    /// Puts an event after a mail's request that this version of the service does not know.
    pub(crate) async fn append_unknown_outcome(&self, order: &str) {
        let (kind, data) = (EventType::parse("MailBounced").unwrap(), JsonBytes::of(&true).unwrap());
        let event = NewEvent::new(EventId::new(&self.host), kind, 1, data, &CallContext::new(&self.host));
        self.inner.append(key(order).stream().unwrap(), ExpectedVersion::Exists, vec![event]).await.unwrap();
    }

    /// Looks until the mail about this order is delivered.
    pub(crate) async fn delivered(self: &Arc<Self>, order: &str) {
        let looking = async {
            while self.mails().load(&key(order)).await.unwrap().is_none_or(|mail| mail.state != MailState::Sent) {
                tasks::sleep(Duration::from_millis(10)).await;
            }
        };
        // Simulated time: far beyond the longest pause between two attempts.
        tasks::within(Duration::from_hours(1), looking).await.unwrap();
    }

    fn mails(self: &Arc<Self>) -> MailStore {
        MailStore::new(Arc::clone(self) as Arc<dyn EventStore>)
    }

    fn check(&self, operation: &'static str) -> Result<(), Fault> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(Fault::permanent("store", operation, "it cannot be written any more")),
            false => Ok(()),
        }
    }
}

fn key(order: &str) -> MailKey {
    MailKey::new(order, MailKind::OrderConfirmation).unwrap()
}

#[async_trait]
impl EventStore for FlakyStore {
    fn log(&self) -> &LogName {
        self.inner.log()
    }

    fn epoch(&self) -> LogEpoch {
        self.inner.epoch()
    }

    fn end(&self) -> Position {
        self.inner.end()
    }

    async fn append_many(&self, appends: Vec<StreamAppend>) -> Result<Vec<Appended>, AppendError> {
        self.check("append")?;
        self.inner.append_many(appends).await
    }

    async fn read_stream(&self, stream: &StreamName, read: StreamRead) -> Result<StreamSlice, Fault> {
        self.check("read")?;
        self.inner.read_stream(stream, read).await
    }

    async fn read_log(&self, after: Position, limit: usize) -> Result<LogRead, ReadError> {
        self.check("read")?;
        self.inner.read_log(after, limit).await
    }

    async fn wait_beyond(&self, position: Position, limit: Duration) -> Result<Position, WaitError> {
        self.check("wait")?;
        self.inner.wait_beyond(position, limit).await
    }
}
