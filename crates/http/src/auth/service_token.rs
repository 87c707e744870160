//! The tokens by which services call each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madrigal_core::{Host, Timestamp};

use super::signer::TokenSigner;
use super::token::Role;

/// Provides the bearer token of a service's own calls.
pub trait ServiceToken: Send + Sync + 'static {
    /// A token that counts for at least some seconds more.
    fn bearer(&self) -> Arc<str>;
}

/// How long minted tokens count.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long before its end a token is replaced.
const MARGIN: Duration = Duration::from_secs(120);

/// Tokens signed by this process itself, each used for some minutes.
#[derive(Debug)]
pub struct MintedToken {
    signer: Arc<TokenSigner>,
    host: Host,
    service: &'static str,
    current: Mutex<Option<(Arc<str>, Timestamp)>>,
}

impl MintedToken {
    /// Tokens for `service`.
    pub fn new(signer: Arc<TokenSigner>, host: Host, service: &'static str) -> Self {
        Self { signer, host, service, current: Mutex::default() }
    }
}

impl ServiceToken for MintedToken {
    fn bearer(&self) -> Arc<str> {
        let now = self.host.now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((token, exp)) if now.plus(MARGIN) < *exp => Arc::clone(token),
            _ => {
                let (token, exp) = self.signer.issue(&self.host, self.service, Role::Service, LIFETIME);
                let token: Arc<str> = token.into();
                *current = Some((Arc::clone(&token), exp));
                token
            }
        }
    }
}

/// A token that somebody else issued, for as long as the process lives.
pub struct FixedToken(Arc<str>);

impl FixedToken {
    /// This token.
    pub fn new(token: &str) -> Self {
        Self(token.into())
    }
}

impl std::fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FixedToken(***)")
    }
}

impl ServiceToken for FixedToken {
    fn bearer(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}
