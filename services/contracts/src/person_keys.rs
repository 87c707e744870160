//! Keys of persons, as other services get them: asked of user-service, kept in memory for minutes at most.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use madrigal_core::{CallContext, Fault, Host, PersonId, PersonKey, PersonKeys};
use madrigal_http::calls::Neighbour;
use moka::future::Cache;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::user::GetPersonKey;

/// A person's key between services; never printed.
#[derive(Clone)]
pub struct WireKey(pub PersonKey);

impl fmt::Debug for WireKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WireKey(***)")
    }
}

impl Serialize for WireKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD_NO_PAD.encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for WireKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?);
        let bytes: [u8; 32] =
            bytes.as_slice().try_into().map_err(|_| serde::de::Error::custom("a person's key has 32 bytes"))?;
        Ok(Self(PersonKey::from_bytes(bytes)))
    }
}

/// How long a key is kept in memory: an erased person's data becomes unreadable elsewhere after this at the latest.
pub const KEY_LIFETIME: Duration = Duration::from_secs(120);
/// How many keys are kept in memory.
pub const KEYS_KEPT: u64 = 100_000;

/// Keys asked of user-service, with a short memory.
#[derive(Clone)]
pub struct RemotePersonKeys {
    user_service: Neighbour,
    host: Host,
    known: Cache<PersonId, PersonKey>,
}

impl RemotePersonKeys {
    /// Keys from this user-service.
    pub fn new(user_service: Neighbour, host: Host) -> Self {
        let known = Cache::builder().max_capacity(KEYS_KEPT).time_to_live(KEY_LIFETIME).build();
        Self { user_service, host, known }
    }
}

impl fmt::Debug for RemotePersonKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemotePersonKeys").finish_non_exhaustive()
    }
}

#[async_trait]
impl PersonKeys for RemotePersonKeys {
    async fn person_key(&self, person: PersonId) -> Result<Option<PersonKey>, Fault> {
        if let Some(key) = self.known.get(&person).await {
            return Ok(Some(key));
        }
        let answer = self.user_service.call(&CallContext::new(&self.host), GetPersonKey { person }).await?;
        let Some(WireKey(key)) = answer else { return Ok(None) };
        self.known.insert(person, key.clone()).await;
        Ok(Some(key))
    }
}
