//! What the routes take and give.

use madrigal_contracts::notification::MailContent;
use madrigal_core::Timestamp;
use madrigal_projection::Viewed;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{MailKey, MailState};
use crate::projections::MailRow;
use crate::store::StoredMail;

/// What to list.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MailsQuery {
    /// Only mails about this order.
    #[param(max_length = 64)]
    pub order_id: Option<String>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// How many, 1 to 200; 50 by default.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// A mail in the list: everything but its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedMail {
    /// Its key, `{orderId}.{kind}`.
    pub key: String,
    /// The order that it is about.
    pub order_id: String,
    /// What it is about.
    #[schema(example = "order-confirmation")]
    pub kind: &'static str,
    /// To whom.
    pub user_id: i64,
    /// Where it stands.
    pub state: MailState,
    /// When it was put into the outbox.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When it was sent or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
}

impl From<Viewed<MailRow>> for ListedMail {
    fn from(viewed: Viewed<MailRow>) -> Self {
        let row = viewed.row;
        Self {
            key: viewed.key,
            order_id: row.order_id,
            kind: row.kind.as_str(),
            user_id: row.person.0,
            state: row.state,
            requested_at: row.requested_at,
            settled_at: row.settled_at,
        }
    }
}

/// A mail with its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownMail {
    /// The mail as it is listed.
    #[serde(flatten)]
    pub listed: ListedMail,
    /// Its Message-ID.
    pub message_id: String,
    /// Why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it says.
    pub content: ShownContent,
    /// How many events it has.
    pub version: u64,
}

/// A mail's content, as far as it is readable.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", untagged)]
pub enum ShownContent {
    /// Readable.
    Readable {
        /// The recipient's name.
        #[schema(rename = "toName")]
        to_name: String,
        /// The recipient's address.
        #[schema(rename = "toEmail")]
        to_email: String,
        /// The subject line.
        subject: String,
        /// The text.
        text: String,
    },
    /// The recipient was erased.
    Erased {
        /// Always true.
        erased: bool,
    },
}

impl ShownMail {
    /// The mail, with its content where it could be opened.
    pub fn new(key: &MailKey, mail: StoredMail, content: Option<MailContent>) -> Self {
        let content = content.map_or(ShownContent::Erased { erased: true }, |content| ShownContent::Readable {
            to_name: content.to_name,
            to_email: content.to_email,
            subject: content.subject,
            text: content.text,
        });
        Self {
            listed: ListedMail {
                key: key.to_string(),
                order_id: mail.requested.order_id,
                kind: mail.requested.kind.as_str(),
                user_id: mail.requested.person.0,
                state: mail.state,
                requested_at: mail.requested_at,
                settled_at: mail.settled_at,
            },
            message_id: key.message_id(),
            failure: mail.failure,
            content,
            version: mail.version.0,
        }
    }
}
