//! What other services ask: the buyer of an order, the key of a person.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use madrigal_contracts::person_keys::WireKey;
use madrigal_contracts::user::{Buyer, FindBuyer, FoundBuyer, GetBuyer, GetPersonKey};
use madrigal_core::{CallContext, Fault, PersonId, PersonKey, PersonKeys, StreamVersion};
use madrigal_http::Answer;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::models::User;
use crate::repositories::users;
use crate::state::ServiceState;

/// How many buyers are kept in memory.
const BUYERS_KEPT: u64 = 100_000;
/// How long at most: what another program changed in the users' file is seen after this.
const BUYER_LIFETIME: Duration = Duration::from_secs(60);

/// Buyers in memory: every order asks for one.
///
/// A later version is never replaced by an earlier one, whatever order reads and changes end in.
pub(crate) struct BuyerCache(Cache<PersonId, Kept>);

#[derive(Clone)]
enum Kept {
    Buyer(StreamVersion, Arc<Buyer>),
    /// The person's key was destroyed.
    Gone,
}

impl BuyerCache {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(BUYERS_KEPT).time_to_live(BUYER_LIFETIME).build())
    }

    /// Keeps the user as it is at its version, unless something later is known.
    pub(crate) fn remember(&self, user: &User, key: PersonKey) -> Arc<Buyer> {
        let buyer = Buyer { name: user.display_name(), email: user.email.as_str().to_owned(), key: WireKey(key) };
        let (version, buyer) = (user.version, Arc::new(buyer));
        let kept = Kept::Buyer(version, Arc::clone(&buyer));
        self.0.entry(user.id).and_compute_with(|known| match known.map(moka::Entry::into_value) {
            Some(Kept::Gone) => Op::Nop,
            Some(Kept::Buyer(known, _)) if known > version => Op::Nop,
            _ => Op::Put(kept),
        });
        buyer
    }

    /// Forgets a person whose key was destroyed; what was read before that does not come back.
    pub(crate) fn forget(&self, person: PersonId) {
        self.0.insert(person, Kept::Gone);
    }
}

/// Answers [`GetBuyer`].
pub(crate) struct BuyerOf(pub(crate) Arc<ServiceState>);

#[async_trait]
impl Answer<GetBuyer> for BuyerOf {
    async fn answer(&self, _context: CallContext, call: GetBuyer) -> Result<Option<Buyer>, Fault> {
        let state = &self.0;
        match state.buyers.0.get(&call.user_id) {
            Some(Kept::Buyer(_, buyer)) => return Ok(Some((*buyer).clone())),
            Some(Kept::Gone) => return Ok(None),
            None => {}
        }
        let user = state.users.read("find-buyer", move |connection| users::find(connection, call.user_id)).await?;
        let Some(user) = user else { return Ok(None) };
        let Some(key) = state.keys.person_key(call.user_id).await? else { return Ok(None) };
        Ok(Some((*state.buyers.remember(&user, key)).clone()))
    }
}

/// Answers [`FindBuyer`].
pub(crate) struct BuyerNamed(pub(crate) Arc<ServiceState>);

#[async_trait]
impl Answer<FindBuyer> for BuyerNamed {
    async fn answer(&self, _context: CallContext, call: FindBuyer) -> Result<Option<FoundBuyer>, Fault> {
        let state = &self.0;
        let find = move |connection: &_| users::list(connection, Some(&call.username), PersonId(0), 1);
        let Some(user) = state.users.read("find-buyer-by-name", find).await?.pop() else { return Ok(None) };
        let Some(key) = state.keys.person_key(user.id).await? else { return Ok(None) };
        let buyer = (*state.buyers.remember(&user, key)).clone();
        Ok(Some(FoundBuyer { user_id: user.id, buyer }))
    }
}

/// Answers [`GetPersonKey`].
pub(crate) struct KeyOf(pub(crate) Arc<ServiceState>);

#[async_trait]
impl Answer<GetPersonKey> for KeyOf {
    async fn answer(&self, _context: CallContext, call: GetPersonKey) -> Result<Option<WireKey>, Fault> {
        Ok(self.0.keys.person_key(call.person).await?.map(WireKey))
    }
}

#[cfg(test)]
mod tests {
    use madrigal_core::{Host, Timestamp};

    use super::*;
    use crate::models::{Email, Profile, Username};

    fn user(version: u64) -> User {
        User {
            id: PersonId(1),
            email: Email::parse(&format!("v{version}@example.org")).unwrap(),
            username: Username::parse("quinta").unwrap(),
            profile: Profile::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            version: StreamVersion(version),
        }
    }

    fn kept(cache: &BuyerCache) -> Option<String> {
        match cache.0.get(&PersonId(1)) {
            Some(Kept::Buyer(_, buyer)) => Some(buyer.email.clone()),
            Some(Kept::Gone) | None => None,
        }
    }

    #[test]
    fn what_was_read_before_a_change_does_not_replace_the_change() {
        let (cache, key) = (BuyerCache::new(), PersonKey::generate(&Host::system()));
        cache.remember(&user(2), key.clone());
        cache.remember(&user(1), key.clone());
        assert_eq!(kept(&cache).as_deref(), Some("v2@example.org"));
        cache.remember(&user(3), key);
        assert_eq!(kept(&cache).as_deref(), Some("v3@example.org"));
    }

    #[test]
    fn what_was_read_before_a_key_was_destroyed_does_not_come_back() {
        let (cache, key) = (BuyerCache::new(), PersonKey::generate(&Host::system()));
        cache.remember(&user(1), key.clone());
        cache.forget(PersonId(1));
        cache.remember(&user(2), key);
        assert_eq!(kept(&cache), None);
    }
}
