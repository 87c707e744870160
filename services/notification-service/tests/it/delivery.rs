//! From the outbox to the sender: every mail, at least once, whatever breaks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use madrigal_bus::{PollFrom, Start};
use madrigal_contracts::notification::MailKind;
use madrigal_core::{Fault, Host, LogEpoch, Position, tasks};
use madrigal_notification_service::{Delivery, Letter, MailSender};
use madrigal_projection::{Checkpoint, RunError};

use crate::desk::{Desk, mail};
use crate::flaky_store::FlakyStore;

/// Fails some mails some times, refuses others, and hangs on demand.
#[derive(Default)]
struct Moody {
    attempts: Mutex<HashMap<String, u32>>,
    /// The mail that it never comes back from, after having taken it.
    hangs_at: Option<&'static str>,
    /// The mail that always fails.
    fails_at: Option<&'static str>,
}

impl Moody {
    fn attempts(&self, key: &str) -> u32 {
        self.attempts.lock().unwrap().get(key).copied().unwrap_or(0)
    }
}

#[async_trait]
impl MailSender for Moody {
    async fn send(&self, letter: &Letter) -> Result<Delivery, Fault> {
        let key = letter.key.to_string();
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(key.clone()).or_default();
            *attempt += 1;
            *attempt
        };
        if self.hangs_at.is_some_and(|hangs_at| key.starts_with(hangs_at)) {
            std::future::pending::<()>().await;
        }
        match letter.key.order_id() {
            order if self.fails_at == Some(order) => Err(Fault::not_applied("smtp", "send", "away")),
            "flaky" if attempt < 3 => Err(Fault::unknown("smtp", "send", "no answer")),
            "refused" => Ok(Delivery::Refused { reason: "mailbox unknown".to_owned() }),
            _ => Ok(Delivery::Sent),
        }
    }
}

#[tokio::test]
async fn a_mail_in_trouble_is_tried_again_and_stands_in_nobody_s_way() {
    let sender = Arc::new(Moody::default());
    let desk = Desk::with(sender.clone()).await;
    for order in ["flaky", "refused", "fine"] {
        desk.request(order, MailKind::OrderConfirmation, &mail()).await;
    }
    assert_eq!(desk.settled("fine.order-confirmation").await["state"], "sent");
    let refused = desk.settled("refused.order-confirmation").await;
    assert_eq!((&refused["state"], &refused["failure"]), (&"failed".into(), &"mailbox unknown".into()));
    assert_eq!(desk.settled("flaky.order-confirmation").await["state"], "sent");
    assert_eq!(sender.attempts("flaky.order-confirmation"), 3);
    assert_eq!(sender.attempts("fine.order-confirmation"), 1);
}

#[tokio::test]
async fn the_topic_tells_what_became_of_mails_and_not_what_they_say() {
    let desk = Desk::with(Arc::new(Moody::default())).await;
    desk.request("refused", MailKind::OrderConfirmation, &mail()).await;
    desk.settled("refused.order-confirmation").await;
    let topics = desk.service.topics();
    let polled = topics[0].poll(PollFrom::Start(Start::Earliest), 100, Duration::ZERO).await.unwrap();
    let told: Vec<&str> = polled.items.iter().map(|message| message.kind.as_str()).collect();
    assert_eq!((topics[0].topic(), told), ("mails", vec!["mail.requested", "mail.failed"]));
    assert!(polled.items.iter().all(|message| !format!("{message:?}").contains("$sealed")));
    assert!(desk.service.health().await.iter().all(|check| check.status == madrigal_telemetry::Status::Healthy));
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_after_a_restart() {
    let sender = Arc::new(Moody::default());
    let desk = Desk::with(sender.clone()).await;
    desk.request("o-1", MailKind::OrderConfirmation, &mail()).await;
    desk.settled("o-1.order-confirmation").await;
    let desk = desk.reopen().await;
    desk.request("o-2", MailKind::OrderConfirmation, &mail()).await;
    desk.settled("o-2.order-confirmation").await;
    assert_eq!(sender.attempts("o-1.order-confirmation"), 1);
}

#[tokio::test]
async fn what_was_cut_off_is_sent_after_a_restart_and_what_has_an_outcome_is_not() {
    let hanging = Arc::new(Moody { hangs_at: Some("stuck"), ..Moody::default() });
    let desk = Desk::with(hanging.clone()).await;
    desk.request("o-1", MailKind::OrderConfirmation, &mail()).await;
    desk.settled("o-1.order-confirmation").await;
    desk.request("stuck", MailKind::OrderConfirmation, &mail()).await;
    while hanging.attempts("stuck.order-confirmation") == 0 {
        tokio::task::yield_now().await;
    }
    // The log grows while the sender hangs; the checkpoint must not pass the mail under way.
    desk.request("o-2", MailKind::OrderConfirmation, &mail()).await;
    let fine = Arc::new(Moody::default());
    let desk = desk.kill_and_reopen_with(fine.clone()).await;
    assert_eq!(desk.settled("stuck.order-confirmation").await["state"], "sent");
    assert_eq!(desk.settled("o-2.order-confirmation").await["state"], "sent");
    assert_eq!(fine.attempts("stuck.order-confirmation"), 1);
    assert_eq!(fine.attempts("o-1.order-confirmation"), 0);
}

#[tokio::test]
async fn a_mail_that_waits_for_another_attempt_is_not_forgotten_by_a_restart() {
    let sender = Arc::new(Moody { fails_at: Some("away"), ..Moody::default() });
    let desk = Desk::with(sender.clone()).await;
    desk.request("away", MailKind::OrderConfirmation, &mail()).await;
    // Others pass it, and the delivery comes to rest (and stores its checkpoint) in between.
    for order in 0..20 {
        desk.request(&format!("o-{order}"), MailKind::OrderConfirmation, &mail()).await;
        desk.settled(&format!("o-{order}.order-confirmation")).await;
    }
    assert!(sender.attempts("away.order-confirmation") > 0);
    let fine = Arc::new(Moody::default());
    let desk = desk.reopen_with(fine.clone()).await;
    assert_eq!(desk.settled("away.order-confirmation").await["state"], "sent");
    assert_eq!(fine.attempts("o-0.order-confirmation"), 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_sender_that_hangs() {
    let hanging = Arc::new(Moody { hangs_at: Some("stuck"), ..Moody::default() });
    let desk = Desk::with(hanging.clone()).await;
    desk.request("stuck", MailKind::OrderConfirmation, &mail()).await;
    while hanging.attempts("stuck.order-confirmation") == 0 {
        tokio::task::yield_now().await;
    }
    let desk = desk.reopen_with(Arc::new(Moody::default())).await;
    assert_eq!(desk.settled("stuck.order-confirmation").await["state"], "sent");
}

#[tokio::test(start_paused = true)]
async fn delivery_goes_on_when_a_store_that_said_never_is_mended() {
    let store = Arc::new(FlakyStore::new());
    let running = store.deliver(Arc::new(Moody::default())).await;
    store.request("o-1").await;
    store.delivered("o-1").await;
    store.breaks(true);
    // Whatever it tries meanwhile is refused as hopeless: somebody must intervene, and does, after an hour.
    tasks::sleep(Duration::from_hours(1)).await;
    assert!(!running.task.is_finished());
    assert!(running.status.is_held_up());
    store.breaks(false);
    store.request("o-2").await;
    store.delivered("o-2").await;
    assert!(!running.status.is_held_up());
}

#[tokio::test(start_paused = true)]
async fn a_mail_whose_outcome_cannot_be_read_stands_in_nobody_s_way() {
    let store = Arc::new(FlakyStore::new());
    store.request("odd").await;
    store.append_unknown_outcome("odd").await;
    store.request("fine").await;
    let sender = Arc::new(Moody::default());
    let _running = store.deliver(sender.clone()).await;
    store.delivered("fine").await;
    assert_eq!(sender.attempts("odd.order-confirmation"), 0);
}

#[tokio::test(start_paused = true)]
async fn delivery_ends_where_its_checkpoint_is_of_another_history() {
    let store = Arc::new(FlakyStore::new());
    let elsewhere = Checkpoint { epoch: LogEpoch::new(&Host::seeded(2)), position: Position(1) };
    let running = store.deliver_after(Arc::new(Moody::default()), Some(elsewhere)).await;
    let ended = running.task.await.unwrap();
    assert!(matches!(ended, Err(RunError::OtherEpoch { .. })), "{ended:?}");
}
