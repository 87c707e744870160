//! What a token says, and why one does not count.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madrigal_core::PersonId;
use serde::{Deserialize, Serialize};

/// The longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 2_048;
/// How far the issuer's clock may be ahead, in seconds.
pub(super) const ISSUED_LEEWAY_SECONDS: i64 = 60;

/// What a caller may do, roughly; the rest is decided per resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Their own data only.
    Customer,
    /// Everything that people do to the shop.
    Operator,
    /// What services ask of each other.
    Service,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Customer => "customer",
            Self::Operator => "operator",
            Self::Service => "service",
        })
    }
}

/// What a token says: who, in which role, from when until when (seconds since 1970), and the token's own id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// A customer's user id in digits, or the name of an operator or a service.
    pub sub: String,
    /// The role.
    pub role: Role,
    /// When it was issued.
    pub iat: i64,
    /// When it stops counting.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
}

impl Claims {
    /// The user that a customer's token belongs to; `None` for other roles.
    pub fn user_id(&self) -> Option<PersonId> {
        match self.role {
            Role::Customer => self.sub.parse().ok().map(PersonId),
            Role::Operator | Role::Service => None,
        }
    }

    /// On whose behalf this caller acts, for metadata: `42`, `operator:anna`, `service:order-service`.
    pub fn actor(&self) -> String {
        match self.role {
            Role::Customer => self.sub.clone(),
            role => format!("{role}:{}", self.sub),
        }
    }

    /// Whether the subject is a user's id as it is always written: keys of requests are scoped by the text.
    fn names_a_user(&self) -> bool {
        self.sub.parse::<i64>().is_ok_and(|id| id.to_string() == self.sub)
    }

    pub(super) fn check(&self, now_seconds: i64) -> Result<(), TokenError> {
        if self.role == Role::Customer && !self.names_a_user() {
            // Who is no user would be taken for somebody whose reach no user id limits.
            Err(TokenError::Malformed)
        } else if self.exp <= now_seconds {
            Err(TokenError::Expired)
        } else if self.iat > now_seconds.saturating_add(ISSUED_LEEWAY_SECONDS) || self.exp <= self.iat {
            Err(TokenError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours by its form: not three parts of base64url, or other contents.
    #[error("the token is malformed")]
    Malformed,
    /// Its header names another algorithm than EdDSA.
    #[error("the token is not signed with EdDSA")]
    Algorithm,
    /// Its header names a key that is not accepted (any more).
    #[error("the token is signed with a key that is not known here")]
    UnknownKey,
    /// Its signature was not made by the key it names.
    #[error("the token's signature is not valid")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It says it was issued in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) typ: Option<String>,
    pub(super) kid: String,
}

/// A token cut into its parts.
pub(super) struct Parts<'a> {
    pub(super) signed: &'a str,
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
    pub(super) signature: [u8; 64],
}

pub(super) fn cut(token: &str) -> Result<Parts<'_>, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    if payload.contains('.') {
        return Err(TokenError::Malformed);
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let header = decode(header)?;
    // The algorithm is judged before anything else of the header, so that `none` and HS256 are told by their name.
    let algorithm: serde_json::Value = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    match algorithm.get("alg").and_then(serde_json::Value::as_str) {
        Some("EdDSA") => {}
        Some(_) => return Err(TokenError::Algorithm),
        None => return Err(TokenError::Malformed),
    }
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(TokenError::Malformed);
    }
    let payload = decode(payload)?;
    let signature = decode(signature)?.try_into().map_err(|_| TokenError::Signature)?;
    Ok(Parts { signed, header, payload, signature })
}
