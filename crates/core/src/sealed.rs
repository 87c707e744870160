//! Personal fields, encrypted with a key of the person, so that destroying the key erases them everywhere.
//!
//! A field of an event that holds personal data has the type [`Sealed<T>`]; that type *is* the declaration. Folds carry
//! the sealed value along and need no key. It is opened at the edge, where somebody who may see it reads it; where the
//! key is gone the value is [`Opened::Erased`] and everything else goes on.

use std::fmt;
use std::marker::PhantomData;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroize;

use crate::fault::Fault;
use crate::host::Host;

/// A person: the user's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub i64);

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The key of one person; never printed, wiped when dropped.
#[derive(Clone)]
pub struct PersonKey([u8; 32]);

impl PersonKey {
    /// A new key.
    pub fn generate(host: &Host) -> Self {
        let mut bytes = [0u8; 32];
        host.fill(&mut bytes);
        Self(bytes)
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key store and for the wire between services.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts bytes; the result is nonce and ciphertext.
    pub fn encrypt(&self, host: &Host, purpose: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0u8; 24];
        host.fill(&mut nonce);
        let cipher = XChaCha20Poly1305::new((&self.0).into());
        #[expect(clippy::expect_used, reason = "the cipher refuses only messages of 256 GiB and more")]
        let text = cipher
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: purpose })
            .expect("the message is far shorter than the cipher's limit");
        [&nonce[..], &text].concat()
    }

    /// Decrypts what [`PersonKey::encrypt`] made for the same purpose; `None` if it was made otherwise or changed since.
    pub fn decrypt(&self, purpose: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(24)?;
        let cipher = XChaCha20Poly1305::new((&self.0).into());
        cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: text, aad: purpose }).ok()
    }
}

impl Drop for PersonKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey(***)")
    }
}

/// Where keys of persons come from.
#[async_trait]
pub trait PersonKeys: Send + Sync + 'static {
    /// The person's key, or `None` if there is none (any more): the person was erased or never existed.
    ///
    /// # Errors
    /// A [`Fault`] where that could not be found out; never taken for "erased".
    ///
    /// # Cancellation
    /// Safe: reads only.
    async fn person_key(&self, person: PersonId) -> Result<Option<PersonKey>, Fault>;
}

/// A value of type `T` about one person, encrypted with that person's key.
///
/// In JSON: `{"$sealed": 1, "person": 42, "box": "<base64 of nonce and ciphertext>"}`.
///
/// # Source
/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a random 192-bit nonce; the person's id is authenticated with it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed<T> {
    #[serde(rename = "$sealed")]
    form: u8,
    person: PersonId,
    r#box: String,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

/// What is inside a sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<T> {
    /// The value.
    Value(T),
    /// The key was destroyed.
    Erased,
}

impl<T> Opened<T> {
    /// The value, or `None` where it was erased.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Erased => None,
        }
    }
}

/// Why a sealed value could not be opened although there is a key.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Another form than this program knows, or broken text.
    #[error("a sealed value has an unknown form")]
    Form,
    /// It was sealed with another key, or changed since.
    #[error("a sealed value does not open with the person's key")]
    Key,
    /// The content is not what was expected.
    #[error("a sealed value holds something else than expected")]
    Content(#[source] serde_json::Error),
}

const FORM: u8 = 1;

impl<T: Serialize + DeserializeOwned> Sealed<T> {
    /// Seals `value` for `person`.
    ///
    /// # Errors
    /// If `value` cannot be JSON.
    pub fn seal(host: &Host, person: PersonId, key: &PersonKey, value: &T) -> Result<Self, serde_json::Error> {
        let plain = serde_json::to_vec(value)?;
        let sealed = key.encrypt(host, &purpose(person), &plain);
        Ok(Self { form: FORM, person, r#box: STANDARD_NO_PAD.encode(sealed), of: PhantomData })
    }

    /// The value, with the person's key, or [`Opened::Erased`] without one.
    ///
    /// # Errors
    /// [`SealError`] where there is a key but the value does not open.
    pub fn open(&self, key: Option<&PersonKey>) -> Result<Opened<T>, SealError> {
        let Some(key) = key else { return Ok(Opened::Erased) };
        if self.form != FORM {
            return Err(SealError::Form);
        }
        let sealed = STANDARD_NO_PAD.decode(&self.r#box).map_err(|_| SealError::Form)?;
        let plain = key.decrypt(&purpose(self.person), &sealed).ok_or(SealError::Key)?;
        serde_json::from_slice(&plain).map(Opened::Value).map_err(SealError::Content)
    }
}

impl<T> Sealed<T> {
    /// Whose data it is.
    pub const fn person(&self) -> PersonId {
        self.person
    }
}

/// Opens every sealed value inside a JSON document; erased ones become `{"erased": true}`.
///
/// # Errors
/// A [`Fault`] where a key could not be asked for, or a value does not open.
pub async fn open_all(document: &mut Value, keys: &dyn PersonKeys) -> Result<(), Fault> {
    let mut pending = vec![document];
    while let Some(value) = pending.pop() {
        match value {
            Value::Object(fields) if fields.contains_key("$sealed") => {
                let sealed: Sealed<Value> =
                    serde_json::from_value(value.clone()).map_err(|error| Fault::permanent("sealed", "open", error))?;
                let key = keys.person_key(sealed.person()).await?;
                let opened = sealed.open(key.as_ref()).map_err(|error| Fault::permanent("sealed", "open", error))?;
                *value = opened.value().unwrap_or_else(|| serde_json::json!({"erased": true}));
            }
            Value::Object(fields) => pending.extend(fields.values_mut()),
            Value::Array(items) => pending.extend(items.iter_mut()),
            _ => {}
        }
    }
    Ok(())
}

fn purpose(person: PersonId) -> Vec<u8> {
    format!("madrigal sealed {FORM} {person}").into_bytes()
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self { form: self.form, person: self.person, r#box: self.r#box.clone(), of: PhantomData }
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.form, self.person, &self.r#box) == (other.form, other.person, &other.r#box)
    }
}

impl<T> Eq for Sealed<T> {}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(person {})", self.person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_with_its_persons_key_only() {
        let host = Host::system();
        let (key, other) = (PersonKey::generate(&host), PersonKey::generate(&host));
        let sealed = Sealed::seal(&host, PersonId(42), &key, &"Anna".to_owned()).unwrap();
        let text = serde_json::to_string(&sealed).unwrap();
        assert!(!text.contains("Anna"), "{text}");
        let read: Sealed<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read.open(Some(&key)).unwrap(), Opened::Value("Anna".to_owned()));
        assert_eq!(read.open(None).unwrap(), Opened::Erased);
        assert!(matches!(read.open(Some(&other)), Err(SealError::Key)));
    }

    #[test]
    fn a_sealed_value_cannot_be_moved_to_another_person() {
        let host = Host::system();
        let key = PersonKey::generate(&host);
        let sealed = Sealed::seal(&host, PersonId(1), &key, &7u32).unwrap();
        let moved = serde_json::to_string(&sealed).unwrap().replace("\"person\":1", "\"person\":2");
        let moved: Sealed<u32> = serde_json::from_str(&moved).unwrap();
        assert!(matches!(moved.open(Some(&key)), Err(SealError::Key)));
    }
}
