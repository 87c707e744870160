//! From the outbox to the sender: every mail at least once, a mail in trouble never in another's way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use madrigal_core::spans::{Doing, Span};
use madrigal_core::tasks::{self, Instant, StopSignal};
use madrigal_core::{CallContext, Fault, Host, Position, RecordedEvent, Timestamp};
use madrigal_event_store::{ReadError, WaitError};
use madrigal_projection::{Checkpoint, DynOffsets, GroupBatch, GroupId, RunError};
use madrigal_telemetry::names;

use crate::domain::event::{MailFailed, MailSent};
use crate::domain::{MailEvent, MailKey};
use crate::sender::{Delivery, Letter, MailSender};
use crate::store::MailStore;

/// The service in measures.
const SERVICE: &str = "notification-service";
/// Events read at a time.
const BATCH: usize = 1_000;
/// Mails under way at the sender at once: a server that takes 100 ms a mail still takes 160 a second.
const AT_ONCE: usize = 16;
/// How long the sender may take for one mail.
///
/// # Source
/// RFC 5321, 4.5.3.2 asks for minutes; a mail that was taken late is sent again under the same Message-ID.
const SEND_LIMIT: Duration = Duration::from_secs(30);
/// Mails that wait for another attempt; while there are so many, no further ones are begun.
const MOST_WAITING: usize = 10_000;
/// The first pause after a fault; it doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between attempts: a mail server that was away for a night is found again within a minute.
const LAST_PAUSE: Duration = Duration::from_mins(1);
/// How long an idle reactor waits at most before it looks again.
const IDLE: Duration = Duration::from_secs(1);

/// How the delivery fares.
#[derive(Debug, Default)]
pub struct DeliveryStatus {
    waiting: AtomicU64,
    held_up: AtomicBool,
    stalled: AtomicBool,
}

impl DeliveryStatus {
    /// How many mails wait for another attempt.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the outbox itself broke, so that no mail is delivered until a later attempt goes through.
    pub fn is_held_up(&self) -> bool {
        self.held_up.load(Ordering::Relaxed)
    }

    /// Whether the delivery ended for a reason that somebody must mend.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    pub(crate) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }
}

/// Hands mails to the sender and records what became of them.
///
/// Its checkpoint is the position below which every mail has an outcome. After a crash the mails above it are looked at
/// again, and those without an outcome are sent (again): at least once, each with its one Message-ID.
pub struct DeliveryReactor {
    store: MailStore,
    sender: Arc<dyn MailSender>,
    offsets: DynOffsets,
    host: Host,
    status: Arc<DeliveryStatus>,
}

/// A mail that waits for another attempt.
struct Waiting {
    letter: Letter,
    context: CallContext,
    asked_at: Timestamp,
    pause: Duration,
    due: Instant,
}

/// Where one run stands.
struct Progress {
    /// Through here the log has been looked at.
    scanned: Position,
    /// Through here mails may have outcomes of an earlier run.
    replayed: Position,
    /// What is stored.
    saved: Position,
    waiting: BTreeMap<Position, Waiting>,
}

/// What one batch came to.
struct Step {
    /// Whether there was anything to do.
    moved: bool,
    /// Whether everything that has an outcome is behind what is stored.
    saved: bool,
}

impl DeliveryReactor {
    /// A reactor on this store. One at a time.
    pub fn new(store: MailStore, sender: Arc<dyn MailSender>, offsets: DynOffsets, host: Host) -> Self {
        Self { store, sender, offsets, host, status: Arc::default() }
    }

    /// How it fares.
    pub fn status(&self) -> Arc<DeliveryStatus> {
        Arc::clone(&self.status)
    }

    /// Delivers until `stop`. Faults are retried for ever, with pauses from 100 ms to a minute: also such as say that
    /// somebody must intervene, who need not start this service again afterwards.
    ///
    /// # Errors
    /// [`RunError`] where going on would be wrong: the checkpoint is of another history of the log. Never a fault.
    ///
    /// # Cancellation
    /// Safe: mails under way may be delivered again.
    pub async fn run(&self, stop: StopSignal) -> Result<(), RunError> {
        let mut pause = FIRST_PAUSE;
        let mut progress = None;
        while !stop.is_cancelled() {
            let step = tokio::select! {
                // A sender that does not answer must not hold up a stop: its mails are sent again.
                () = stop.cancelled() => return Ok(()),
                step = self.step(&mut progress) => step,
            };
            match step {
                Ok(Step { moved, saved }) => {
                    // What is only sent and not saved may be held up where it was held up before.
                    if saved {
                        pause = FIRST_PAUSE;
                        self.status.held_up.store(false, Ordering::Relaxed);
                    }
                    if !moved && let Some(progress) = &progress {
                        self.idle(progress, &stop).await;
                    }
                }
                Err(RunError::Fault(fault)) => {
                    // Once, however often it is tried.
                    if !self.status.held_up.swap(true, Ordering::Relaxed) {
                        tracing::warn!(cause = %fault.chain(), "mails are held up, trying again");
                    }
                    // What is not recorded is found again from the checkpoint.
                    progress = None;
                    tasks::sleep_or_stopped(pause, &stop).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(wrong) => return Err(wrong),
            }
        }
        Ok(())
    }

    /// One batch.
    async fn step(&self, progress: &mut Option<Progress>) -> Result<Step, RunError> {
        let progress = match progress {
            Some(progress) => progress,
            empty => empty.insert(self.resume().await?),
        };
        let mut letters = self.due(progress);
        let retried = !letters.is_empty();
        let before = progress.scanned;
        if progress.waiting.len() + letters.len() < MOST_WAITING {
            let (read, scanned) = self.read(progress).await?;
            letters.extend(read);
            progress.scanned = scanned;
        }
        self.measure(letters.iter().map(|(_, waiting)| waiting).chain(progress.waiting.values()));
        self.deliver(letters, progress).await?;
        self.measure(progress.waiting.values());
        let moved = retried || progress.scanned > before;
        let saved = self.save(progress, !moved).await?;
        Ok(Step { moved, saved })
    }

    /// `outbox_pending` and `outbox_oldest_age_seconds`.
    #[expect(clippy::cast_precision_loss, reason = "a gauge of at most some ten thousand")]
    fn measure<'a>(&self, pending: impl Iterator<Item = &'a Waiting>) {
        let now = self.host.now();
        let (mut count, mut oldest) = (0_usize, Duration::ZERO);
        for waiting in pending {
            count += 1;
            oldest = oldest.max(now.since(waiting.asked_at));
        }
        metrics::gauge!(names::OUTBOX_PENDING, "service" => SERVICE).set(count as f64);
        metrics::gauge!(names::OUTBOX_OLDEST_AGE, "service" => SERVICE).set(oldest.as_secs_f64());
    }

    async fn resume(&self) -> Result<Progress, RunError> {
        let events = self.store.events();
        let saved = match self.offsets.checkpoint(&group()).await? {
            Some(at) if at.epoch != events.epoch() => {
                return Err(RunError::OtherEpoch { checkpoint: at.epoch, log: events.epoch() });
            }
            Some(at) => at.position,
            None => Position::START,
        };
        Ok(Progress { scanned: saved, replayed: events.end(), saved, waiting: BTreeMap::new() })
    }

    /// The waiting mails whose time has come.
    fn due(&self, progress: &mut Progress) -> Vec<(Position, Waiting)> {
        let now = tasks::instant();
        let due: Vec<Position> =
            progress.waiting.iter().filter(|(_, waiting)| waiting.due <= now).map(|(at, _)| *at).take(BATCH).collect();
        due.into_iter().filter_map(|at| progress.waiting.remove(&at).map(|waiting| (at, waiting))).collect()
    }

    /// The next mails of the log that have no outcome, and through where that is.
    async fn read(&self, progress: &Progress) -> Result<(Vec<(Position, Waiting)>, Position), RunError> {
        let read = self.store.events().read_log(progress.scanned, BATCH).await.map_err(read_error)?;
        let mut letters = Vec::new();
        for event in read.events.iter().filter(|event| event.event_type == *MailEvent::REQUESTED) {
            let Some((key, waiting)) = self.letter(event) else { continue };
            // Beyond what the log had when this run began nothing can have an outcome but by this run.
            let replayed = event.position <= progress.replayed;
            if replayed && self.store.has_outcome(&key).await? {
                continue;
            }
            letters.push((event.position, waiting));
        }
        Ok((letters, read.scanned_through))
    }

    fn letter(&self, event: &RecordedEvent) -> Option<(MailKey, Waiting)> {
        let key: MailKey = event.stream.id().parse().ok()?;
        let requested = match MailEvent::decode(event) {
            Ok(MailEvent::Requested(requested)) => requested,
            Ok(_) => return None,
            Err(error) => {
                // The list parks it and shows it; the others go on.
                tracing::error!(stream = %event.stream, %error, "a mail cannot be read and is not delivered");
                return None;
            }
        };
        let mut context = CallContext::new(&self.host).caused_by(event.event_id);
        if let Some(correlation) = &event.metadata.correlation_id {
            context.correlation_id = correlation.clone();
        }
        context.traceparent = event.metadata.traceparent.clone();
        let letter = Letter { key: key.clone(), requested };
        let asked_at = event.metadata.timestamp;
        Some((key, Waiting { letter, context, asked_at, pause: FIRST_PAUSE, due: tasks::instant() }))
    }

    /// Hands mails to the sender; records outcomes in one append, keeps the others waiting.
    async fn deliver(&self, letters: Vec<(Position, Waiting)>, progress: &mut Progress) -> Result<(), Fault> {
        let sending = futures::stream::iter(letters).map(|(at, waiting)| async move {
            let mut span = Span::begin(SERVICE, Doing::Handle, "mail", waiting.context.traceparent.as_deref());
            let outcome = tasks::within(SEND_LIMIT, self.sender.send(&waiting.letter)).await;
            if !matches!(outcome, Some(Ok(_))) {
                span.fail("not sent");
            }
            drop(span);
            let too_late = || Fault::unknown("mail-sender", "send", "no answer in time");
            (at, waiting, outcome.unwrap_or_else(|| Err(too_late())))
        });
        let sent: Vec<_> = sending.buffer_unordered(AT_ONCE).collect().await;
        let mut outcomes = Vec::with_capacity(sent.len());
        for (at, mut waiting, outcome) in sent {
            let event = match outcome {
                Ok(Delivery::Sent) => MailEvent::Sent(MailSent { message_id: waiting.letter.key.message_id() }),
                Ok(Delivery::Refused { reason }) => MailEvent::Failed(MailFailed { reason }),
                Err(fault) => {
                    tracing::warn!(mail = %waiting.letter.key, cause = %fault.chain(), "a mail waits for another attempt");
                    waiting.due = tasks::instant() + waiting.pause;
                    waiting.pause = (waiting.pause * 2).min(LAST_PAUSE);
                    progress.waiting.insert(at, waiting);
                    continue;
                }
            };
            outcomes.push((waiting.letter.key, event, waiting.context));
        }
        self.status.waiting.store(progress.waiting.len() as u64, Ordering::Relaxed);
        self.store.settle(outcomes).await
    }

    /// Stores the position below which every mail has an outcome: now and then, and before idling. False where that was put
    /// off.
    async fn save(&self, progress: &mut Progress, idle: bool) -> Result<bool, Fault> {
        let oldest = progress.waiting.keys().next();
        let settled = oldest.map_or(progress.scanned, |oldest| Position(oldest.0.saturating_sub(1)));
        let ahead = settled.0.saturating_sub(progress.saved.0);
        if ahead == 0 || (!idle && ahead < BATCH as u64) {
            return Ok(ahead == 0);
        }
        let checkpoint = Checkpoint { epoch: self.store.events().epoch(), position: settled };
        self.offsets.commit(&group(), GroupBatch::at(checkpoint, self.host.now())).await?;
        progress.saved = settled;
        Ok(true)
    }

    /// Waits for the log, for a waiting mail's time, or for the stop.
    async fn idle(&self, progress: &Progress, stop: &StopSignal) {
        let now = tasks::instant();
        let due = progress.waiting.values().map(|waiting| waiting.due.saturating_duration_since(now)).min();
        let limit = due.unwrap_or(IDLE).min(IDLE);
        let woken = tokio::select! {
            () = stop.cancelled() => return,
            woken = self.store.events().wait_beyond(progress.scanned, limit) => woken,
        };
        if let Err(WaitError::Fault(fault)) = woken {
            tracing::warn!(cause = %fault.chain(), "the outbox cannot be followed, trying again");
            tasks::sleep_or_stopped(FIRST_PAUSE, stop).await;
        }
    }
}

impl fmt::Debug for DeliveryReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryReactor").field("store", &self.store).finish_non_exhaustive()
    }
}

fn read_error(error: ReadError) -> RunError {
    match error {
        ReadError::OtherEpoch { reader, log } => RunError::OtherEpoch { checkpoint: reader, log },
        ReadError::BeyondEnd { reader, end } => RunError::BeyondEnd { checkpoint: reader, end },
        ReadError::Fault(fault) => RunError::Fault(fault),
    }
}

fn group() -> GroupId {
    GroupId::new("mail-delivery", "notification")
}
