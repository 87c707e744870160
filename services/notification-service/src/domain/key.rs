//! Which mail: one per order and kind.

use std::fmt;
use std::str::FromStr;

use madrigal_contracts::notification::MailKind;
use madrigal_core::{EventId, StreamName, StreamNameError};

/// The longest id of an order that a mail can be about, in bytes: the stream's name and the Message-ID stay short.
pub const MAX_ORDER_ID_BYTES: usize = 64;

/// The domain of Message-IDs. `.local` names nothing outside (RFC 6762), so that no other sender's ids can be met.
const DOMAIN: &str = "madrigal.local";

/// Every kind of mail.
pub const KINDS: [MailKind; 2] = [MailKind::OrderConfirmation, MailKind::OrderCancellation];

/// The key of a mail: `{orderId}.{kind}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MailKey {
    order_id: String,
    kind: MailKind,
}

/// A text that is not the key of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a mail's key is an order's id (at most {MAX_ORDER_ID_BYTES} letters, digits, hyphens and underscores), a dot and a \
     kind"
)]
pub struct MailKeyError;

impl MailKey {
    /// The key of the mail of this kind about this order.
    ///
    /// # Errors
    /// [`MailKeyError`] where the order's id could not stand in a path or a header.
    pub fn new(order_id: &str, kind: MailKind) -> Result<Self, MailKeyError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if order_id.is_empty() || order_id.len() > MAX_ORDER_ID_BYTES || !order_id.bytes().all(allowed) {
            return Err(MailKeyError);
        }
        Ok(Self { order_id: order_id.to_owned(), kind })
    }

    /// The order.
    pub fn order_id(&self) -> &str {
        &self.order_id
    }

    /// What it is about.
    pub const fn kind(&self) -> MailKind {
        self.kind
    }

    /// The mail's stream.
    ///
    /// # Errors
    /// Never for keys that exist; kept as a result for the caller to pass on.
    pub fn stream(&self) -> Result<StreamName, StreamNameError> {
        StreamName::new("mail", self)
    }

    /// The stable Message-ID, with its angle brackets: sending again repeats it, so that receivers can tell.
    pub fn message_id(&self) -> String {
        format!("<{self}@{DOMAIN}>")
    }

    /// The id of the event of this name in the mail's stream: always the same, so that a repeated append is recognised.
    pub fn event_id(&self, event: &str) -> EventId {
        EventId::derived(&format!("mail {self} {event}"))
    }
}

impl fmt::Display for MailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.order_id, self.kind.as_str())
    }
}

impl FromStr for MailKey {
    type Err = MailKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (order_id, kind) = text.split_once('.').ok_or(MailKeyError)?;
        let kind = KINDS.into_iter().find(|known| known.as_str() == kind).ok_or(MailKeyError)?;
        Self::new(order_id, kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_refuses_others() {
        let key = MailKey::new("0198-7f_A", MailKind::OrderConfirmation).unwrap();
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        assert_eq!(key.message_id(), "<0198-7f_A.order-confirmation@madrigal.local>");
        for odd in ["", ".order-confirmation", "a.b", "a", "a\r\nBcc: x.order-confirmation", "a>.order-confirmation"] {
            assert_eq!(odd.parse::<MailKey>(), Err(MailKeyError), "{odd:?}");
        }
        assert_eq!(MailKey::new(&"a".repeat(65), MailKind::OrderConfirmation), Err(MailKeyError));
    }
}
