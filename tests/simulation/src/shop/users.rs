//! A stand-in for user-service: three customers who are always there.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use madrigal_contracts::person_keys::WireKey;
use madrigal_contracts::user::{Buyer, GetBuyer, GetPersonKey};
use madrigal_core::{CallContext, Fault, Host, PersonId, PersonKey};
use madrigal_http::calls::{Answer, Calls};

/// How many customers the service knows.
const CUSTOMERS: i64 = 8;

struct Customers(BTreeMap<i64, PersonKey>);

pub(crate) fn calls(host: &Host) -> Arc<Calls> {
    let keys = (1..=CUSTOMERS).map(|user| (user, PersonKey::generate(host))).collect();
    let customers = Arc::new(Customers(keys));
    Arc::new(Calls::new("user-service").on::<GetBuyer>(Arc::clone(&customers)).on::<GetPersonKey>(customers))
}

impl Customers {
    fn key(&self, person: PersonId) -> Option<WireKey> {
        self.0.get(&person.0).cloned().map(WireKey)
    }
}

#[async_trait]
impl Answer<GetBuyer> for Customers {
    async fn answer(&self, _context: CallContext, call: GetBuyer) -> Result<Option<Buyer>, Fault> {
        Ok(self.key(call.user_id).map(|key| Buyer {
            name: format!("Customer {}", call.user_id),
            email: format!("customer-{}@example.com", call.user_id),
            key,
        }))
    }
}

#[async_trait]
impl Answer<GetPersonKey> for Customers {
    async fn answer(&self, _context: CallContext, call: GetPersonKey) -> Result<Option<WireKey>, Fault> {
        Ok(self.key(call.person))
    }
}
