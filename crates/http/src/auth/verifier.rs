//! The verification of tokens.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::Signature;
use madrigal_core::Timestamp;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::signer::PublicKey;
use super::token::{Claims, MAX_TOKEN_BYTES, TokenError, cut};

/// The most verified tokens that are remembered.
const REMEMBERED_TOKENS: u64 = 20_000;

/// Verifies tokens against the keys that are accepted: the signer's, and while keys are rotated its former one.
///
/// A signature costs about 50 µs, so verified tokens are remembered by their SHA-256, at most 20,000; what they say about time
/// is judged at every use.
pub struct TokenVerifier {
    keys: Vec<PublicKey>,
    verified: Cache<[u8; 32], Arc<Claims>>,
}

impl TokenVerifier {
    /// A verifier that accepts these keys; with none it accepts nothing.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().collect(), verified: Cache::new(REMEMBERED_TOKENS) }
    }

    /// A verifier that accepts the keys with these texts; `None` if one is not a key.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        texts.into_iter().map(PublicKey::from_text).collect::<Option<Vec<_>>>().map(Self::new)
    }

    /// What the token says, if it counts now.
    ///
    /// # Errors
    /// Why it does not count; see [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(claims) = self.verified.get(&digest) {
            let judged = claims.check(now.as_seconds());
            if judged.is_err() {
                self.verified.invalidate(&digest);
            }
            return judged.map(|()| claims);
        }
        let parts = cut(token)?;
        let key = self.keys.iter().find(|key| key.kid == parts.header.kid).ok_or(TokenError::UnknownKey)?;
        key.key
            .verify_strict(parts.signed.as_bytes(), &Signature::from_bytes(&parts.signature))
            .map_err(|_| TokenError::Signature)?;
        let claims: Claims = serde_json::from_slice(&parts.payload).map_err(|_| TokenError::Malformed)?;
        claims.check(now.as_seconds())?;
        let claims = Arc::new(claims);
        self.verified.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("keys", &self.keys).finish_non_exhaustive()
    }
}
