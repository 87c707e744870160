//! What notification-service answers.

use madrigal_core::{PersonId, PositionToken, Sealed};
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailKind {
    /// An order is confirmed.
    OrderConfirmation,
    /// An order was cancelled.
    OrderCancellation,
}

impl MailKind {
    /// As in keys and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderConfirmation => "order-confirmation",
            Self::OrderCancellation => "order-cancellation",
        }
    }
}

/// A mail's content: all of it personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailContent {
    /// The recipient's name.
    pub to_name: String,
    /// The recipient's address.
    pub to_email: String,
    /// The subject line.
    pub subject: String,
    /// The text, in plain UTF-8.
    pub text: String,
}

/// Puts a mail into the outbox: one entry per order and kind, however often it is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestMail {
    /// The order that it is about.
    pub order_id: String,
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub person: PersonId,
    /// The mail.
    pub content: Sealed<MailContent>,
}

/// The answer to [`RequestMail`]: it is in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailStored {
    /// Whether it was there already.
    pub repeated: bool,
    /// The position that has it.
    pub position: PositionToken,
}

impl Call for RequestMail {
    type Answer = MailStored;
    const NAME: &'static str = "notification.request-mail";
}
