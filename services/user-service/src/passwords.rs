//! Hashes of passwords: argon2id, a few at a time.
//!
//! One hash takes tens of milliseconds of a core and 19 MiB on purpose, so that guessing is dear. The same makes log-in the
//! cheapest way to bring a shop down; therefore few run at once, some wait, and the rest are told to come back.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::{Output, ParamsString, PasswordHash, PasswordHasher, PasswordVerifier, Salt, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use madrigal_core::{Fault, Host, Secret, tasks};
use serde::Deserialize;
use tokio::sync::Semaphore;

/// What one hash costs.
///
/// # Source
/// OWASP Password Storage Cheat Sheet: argon2id with at least m=19 MiB, t=2, p=1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordCost {
    /// Memory of one hash, in KiB. Default 19,456; lower is for tests only.
    pub memory_kib: u32,
    /// Passes over the memory. Default 2.
    pub passes: u32,
    /// Lanes. Default 1.
    pub lanes: u32,
    /// How many hashes run at once. Default 2: two cores, 38 MiB.
    pub at_once: usize,
    /// How many may wait for their turn. Default 64: a second or two of patience.
    pub queue: usize,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1, at_once: 2, queue: 64 }
    }
}

impl PasswordCost {
    /// As cheap as argon2 allows: for tests, never for people.
    pub fn for_tests() -> Self {
        Self { memory_kib: 8, passes: 1, ..Self::default() }
    }
}

/// The hash of a password, in PHC form (`$argon2id$…`). Neither shows nor serialises; it goes to its column and nowhere else.
#[derive(Clone)]
pub(crate) struct HashedPassword(Secret<String>);

impl HashedPassword {
    /// The hash as its column keeps it.
    pub(crate) const fn stored(phc: String) -> Self {
        Self(Secret::new(phc))
    }

    /// The text for the column.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Why a password was not hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are waiting; nothing was done.
    #[error("too many passwords are waiting to be checked")]
    Busy,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Hashes and checks passwords, at most so many at once and so many waiting.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    host: Host,
    /// One for each that runs or waits.
    seats: Arc<Semaphore>,
    /// One for each that runs.
    turns: Arc<Semaphore>,
    /// A hash of this cost that no password has.
    decoy: HashedPassword,
}

impl Passwords {
    /// Passwords at this cost.
    ///
    /// # Errors
    /// A permanent [`Fault`] if argon2 does not allow the cost.
    pub(crate) fn new(cost: PasswordCost, host: Host) -> Result<Self, Fault> {
        let refused = |error: argon2::password_hash::Error| Fault::permanent("argon2", "configure", error);
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(|error| Fault::permanent("argon2", "configure", error))?;
        let decoy = decoy(&params, &host).map_err(refused)?;
        let at_once = cost.at_once.max(1);
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            host,
            seats: Arc::new(Semaphore::new(at_once.saturating_add(cost.queue).min(Semaphore::MAX_PERMITS))),
            turns: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            decoy,
        })
    }

    /// The hash of a new password, with a salt of its own.
    pub(crate) async fn hash(&self, password: Secret<String>) -> Result<HashedPassword, PasswordError> {
        let mut salt = [0u8; Salt::RECOMMENDED_LENGTH];
        self.host.fill(&mut salt);
        let argon2 = self.argon2.clone();
        self.in_turn(move || {
            let salt = SaltString::encode_b64(&salt)?;
            let hash = argon2.hash_password(password.expose().as_bytes(), &salt)?;
            Ok(HashedPassword::stored(hash.to_string()))
        })
        .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash (no such user) it takes as long and says no.
    pub(crate) async fn check(
        &self,
        password: Secret<String>,
        hash: Option<HashedPassword>,
    ) -> Result<bool, PasswordError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let argon2 = self.argon2.clone();
        self.in_turn(move || {
            let hash = PasswordHash::new(hash.expose())?;
            // The cost is the hash's own: passwords from before a change of the cost keep working.
            match argon2.verify_password(password.expose().as_bytes(), &hash) {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Runs `work` when it is its turn. The turn belongs to the work: a caller that goes away does not make room while the
    /// work it started still runs.
    async fn in_turn<T, W>(&self, work: W) -> Result<T, PasswordError>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    {
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let done = tasks::blocking(move || {
            let _held = (seat, turn);
            work()
        });
        let result = done.await.map_err(|error| Fault::not_applied("argon2", "run", error))?;
        Ok(result.map_err(|error| Fault::permanent("argon2", "hash", error))?)
    }
}

/// A hash that costs as much to check as any other, of random bytes: no password is known for it, and making it costs
/// nothing. Hashing one at the start would take memory that an idle shop has no use for.
fn decoy(params: &Params, host: &Host) -> Result<HashedPassword, argon2::password_hash::Error> {
    let (mut salt, mut output) = ([0u8; Salt::RECOMMENDED_LENGTH], [0u8; Params::DEFAULT_OUTPUT_LEN]);
    host.fill(&mut salt);
    host.fill(&mut output);
    let salt = SaltString::encode_b64(&salt)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params)?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&output)?),
    };
    Ok(HashedPassword::stored(hash.to_string()))
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_opens_its_hash_and_no_hash_opens_to_nothing() {
        let passwords = Passwords::new(PasswordCost::for_tests(), Host::system()).unwrap();
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{}", hash.expose());
        assert!(passwords.check(secret("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.check(secret("wrong horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.check(secret("correct horse"), None).await.unwrap());
        assert_ne!(hash.expose(), passwords.hash(secret("correct horse")).await.unwrap().expose());
    }

    #[tokio::test]
    async fn nobody_s_hash_is_of_the_configured_cost_and_checked_like_any_other() {
        let passwords = Passwords::new(PasswordCost::for_tests(), Host::system()).unwrap();
        let (decoy, real) = (passwords.decoy.clone(), passwords.hash(secret("correct horse")).await.unwrap());
        let form = |hash: &HashedPassword| hash.expose().rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(form(&decoy), form(&real));
        assert_eq!(decoy.expose().len(), real.expose().len());
        // As the hash of somebody it is compared to the end: the answer is no, not that it cannot be read.
        assert!(!passwords.check(secret("correct horse"), Some(decoy)).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_finished_hash_makes_room() {
        let cost = PasswordCost { at_once: 1, queue: 1, ..PasswordCost::for_tests() };
        let passwords = Passwords::new(cost, Host::system()).unwrap();
        let turn = Arc::clone(&passwords.turns).acquire_owned().await.unwrap();
        let mut waiting = [Box::pin(passwords.hash(secret("one"))), Box::pin(passwords.hash(secret("two")))];
        for waits in &mut waiting {
            assert!(futures_poll_once(waits.as_mut()).await.is_none());
        }
        assert!(matches!(passwords.hash(secret("three")).await, Err(PasswordError::Busy)));
        drop(turn);
        for waits in waiting {
            waits.await.unwrap();
        }
        passwords.hash(secret("three")).await.unwrap();
    }

    #[tokio::test]
    async fn the_default_cost_is_the_one_that_owasp_asks_for() {
        let passwords = Passwords::new(PasswordCost::default(), Host::system()).unwrap();
        assert!(passwords.decoy.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
