//! Mails about orders, from both sagas: opened, written, sealed, handed over.

use madrigal_contracts::notification::{MailContent, MailKind, RequestMail};
use madrigal_contracts::person_keys::RemotePersonKeys;
use madrigal_core::{Host, Opened, PersonKeys, Sealed};
use madrigal_http::Neighbour;
use madrigal_saga::{StepContext, StepOutcome};
use serde_json::json;

use crate::events::Customer;
use crate::neighbours::OrderNeighbours;
use crate::sagas::step;

/// Opens the customer, has the mail written, seals it and hands it to notification-service.
pub(super) struct Mailer {
    notifications: Neighbour,
    keys: RemotePersonKeys,
    host: Host,
}

impl Mailer {
    pub(super) fn new(neighbours: &OrderNeighbours, keys: RemotePersonKeys, host: Host) -> Self {
        Self { notifications: neighbours.notifications.clone(), keys, host }
    }

    /// Done when notification-service has stored it, or the person was erased: then there is nobody to write to.
    pub(super) async fn send(
        &self,
        step: &StepContext,
        order_id: &str,
        kind: MailKind,
        customer: &Sealed<Customer>,
        write: impl FnOnce(&Customer) -> MailContent,
    ) -> StepOutcome {
        let person = customer.person();
        let key = match self.keys.person_key(person).await {
            Ok(Some(key)) => key,
            Ok(None) => return erased(),
            Err(fault) => return StepOutcome::of_fault(&fault),
        };
        let opened = match customer.open(Some(&key)) {
            Ok(Opened::Value(opened)) => opened,
            Ok(Opened::Erased) => return erased(),
            Err(error) => return step::unreadable(error.to_string()),
        };
        let content = match Sealed::seal(&self.host, person, &key, &write(&opened)) {
            Ok(content) => content,
            Err(error) => return step::unreadable(error.to_string()),
        };
        let call = RequestMail { order_id: order_id.to_owned(), kind, person, content };
        match self.notifications.call(&step.call, call).await {
            Ok(stored) => StepOutcome::Done { output: json!({ "stored": true }), position: Some(stored.position) },
            Err(fault) => StepOutcome::of_fault(&fault),
        }
    }
}

fn erased() -> StepOutcome {
    StepOutcome::done(json!({ "erased": true }))
}
