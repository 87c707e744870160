//! notification-service: the outbox, and the reactor that delivers.

use std::sync::Arc;

use async_trait::async_trait;
use madrigal_contracts::notification::RequestMail;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_core::{Fault, FaultRetry};
use madrigal_event_store::DynEventStore;
use madrigal_http::calls::Calls;
use madrigal_notification_service::commands::Outbox;
use madrigal_notification_service::reactors::DeliveryReactor;
use madrigal_notification_service::store::MailStore;
use madrigal_notification_service::{Delivery, Letter, MailSender};
use madrigal_sim::{Fate, Network, Server, SlowOffsets};

use super::{Role, Shop};

pub(super) fn start(shop: &Arc<Shop>, store: DynEventStore, server: &Server) -> Arc<Calls> {
    let mails = MailStore::new(store);
    let offsets = SlowOffsets::new(shop.kept(Role::Mail).offsets, shop.world.dice(&format!("mail {}", server.life)));
    let sender = Arc::new(Postman(shop.network.clone()));
    let delivery = DeliveryReactor::new(mails.clone(), sender, Arc::new(offsets), server.host.clone());
    tasks::spawn("mail-delivery", async move { delivery.run(StopSignal::new()).await });
    Arc::new(Calls::new(Role::Mail.service()).on::<RequestMail>(Arc::new(Outbox::new(mails))))
}

/// A mail server over the same network.
struct Postman(Network);

#[async_trait]
impl MailSender for Postman {
    async fn send(&self, letter: &Letter) -> Result<Delivery, Fault> {
        let fate = self.0.fate("postman", "mail");
        tasks::sleep(self.0.delay()).await;
        match fate {
            Fate::Arrives | Fate::Doubled(_) => Ok(Delivery::Sent),
            Fate::LateAnswer(after) => {
                tasks::sleep(after).await;
                Ok(Delivery::Sent)
            }
            Fate::LostRequest | Fate::LostAnswer | Fate::Late(_) => {
                let _ = letter;
                Err(Fault::unknown("mail-sender", "send", "no answer").with_retry(FaultRetry::Now))
            }
        }
    }
}
