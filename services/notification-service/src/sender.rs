//! The port to whoever delivers mails, and the one that only shows them.

use async_trait::async_trait;
use madrigal_core::Fault;

use crate::domain::{MailKey, MailRequested};

/// A mail that is to be delivered.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Which.
    pub key: MailKey,
    /// What was asked for; the content is sealed, and a sender that needs it asks for the person's key.
    pub requested: MailRequested,
}

/// What the sender did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It took the mail.
    Sent,
    /// It never will: the mail is given up.
    Refused {
        /// Why, without personal data.
        reason: String,
    },
}

/// Delivers mails, at least once each.
///
/// # Contract
/// The Message-ID of a mail is [`MailKey::message_id`] every time, so that a receiver can tell a repeat.
#[async_trait]
pub trait MailSender: Send + Sync + 'static {
    /// Delivers one mail.
    ///
    /// # Errors
    /// A [`Fault`] where it may be tried again; the mail stays in the outbox.
    ///
    /// # Cancellation
    /// The mail may or may not have been delivered; it is delivered again.
    async fn send(&self, letter: &Letter) -> Result<Delivery, Fault>;
}

/// The sender of the embedded shop: mails stay here, to be shown and exported on demand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Showcase;

#[async_trait]
impl MailSender for Showcase {
    async fn send(&self, _letter: &Letter) -> Result<Delivery, Fault> {
        Ok(Delivery::Sent)
    }
}
