//! Who looks at the pages: the session's cookie, and the guest's before there is one.

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use madrigal_core::{Host, Timestamp};
use madrigal_http::auth::{Claims, Role, TokenError, TokenVerifier};

/// The longest value of a cookie of ours that is looked at, in bytes; a token has at most 2 KiB.
const MAX_COOKIE_BYTES: usize = 2_048;
/// The bytes of a guest's secret before they are written in hexadecimal digits.
const GUEST_BYTES: usize = 16;

/// Which of our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jar {
    /// The bearer token of who is logged in.
    Session,
    /// A secret of who is not, so that their forms can be told from forged ones.
    Guest,
    /// What is in the basket; no secret, but nobody's business either.
    Basket,
}

impl Jar {
    /// The cookie's name. `__Host-` binds it to this host alone, and browsers take it over TLS only.
    pub(crate) fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, false) => "madrigal_session",
            (Self::Session, true) => "__Host-madrigal_session",
            (Self::Guest, false) => "madrigal_guest",
            (Self::Guest, true) => "__Host-madrigal_guest",
            (Self::Basket, false) => "madrigal_basket",
            (Self::Basket, true) => "__Host-madrigal_basket",
        }
    }

    /// The value that the browser sent; the first, where there are several.
    pub(crate) fn read(self, headers: &HeaderMap, secure: bool) -> Option<&str> {
        let name = self.name(secure);
        let pairs =
            headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
        let mut named = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
        named.next().map(|(_, value)| value).filter(|value| !value.is_empty() && value.len() <= MAX_COOKIE_BYTES)
    }

    /// The header that sets it until the browser closes. `value` is of our own making: token, digits, ids and numbers.
    pub(crate) fn set(self, value: &str, secure: bool) -> Option<HeaderValue> {
        let name = self.name(secure);
        let only_tls = if secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/{only_tls}")).ok()
    }

    /// The header that makes the browser forget it.
    pub(crate) fn clear(self, secure: bool) -> Option<HeaderValue> {
        let name = self.name(secure);
        let only_tls = if secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{name}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0{only_tls}")).ok()
    }
}

/// Somebody who is logged in. The token is the session: it is signed, it says until when, and the key that checks it is kept
/// in the data directory, so sessions outlive the process.
#[derive(Clone)]
pub(crate) struct Session {
    /// The bearer token.
    pub(crate) token: Arc<str>,
    /// What it says.
    pub(crate) claims: Arc<Claims>,
}

impl Session {
    /// Whether an operator is logged in.
    pub(crate) fn is_operator(&self) -> bool {
        self.claims.role == Role::Operator
    }

    /// The customer's user id.
    pub(crate) fn user_id(&self) -> Option<i64> {
        self.claims.user_id().map(|person| person.0)
    }

    /// The moment at which it ends.
    pub(crate) fn ends_at(&self) -> Timestamp {
        Timestamp::from_micros(self.claims.exp.saturating_mul(1_000_000))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// Why nobody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// No cookie.
    Never,
    /// A token whose time is over.
    Ended,
    /// A token that does not count: of another shop, or broken.
    Unknown,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Somebody with a token that counts.
    Known(Session),
    /// Nobody, why, and the secret of the guest's cookie.
    Guest(Absent, GuestSecret),
}

/// What a guest's forms are bound to.
#[derive(Clone)]
pub(crate) struct GuestSecret {
    /// Hexadecimal digits.
    pub(crate) text: Arc<str>,
    /// Whether the browser does not have it yet.
    pub(crate) fresh: bool,
}

impl std::fmt::Debug for GuestSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestSecret").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

impl Who {
    /// Who sent these headers.
    pub(crate) fn of(headers: &HeaderMap, secure: bool, verifier: &TokenVerifier, host: &Host) -> Self {
        let absent = match Jar::Session.read(headers, secure) {
            None => Absent::Never,
            Some(token) => match known(token, verifier, host.now()) {
                Ok(session) => return Self::Known(session),
                Err(absent) => absent,
            },
        };
        let sent = Jar::Guest.read(headers, secure).filter(|text| is_guest_secret(text));
        let secret = match sent {
            Some(text) => GuestSecret { text: text.into(), fresh: false },
            None => GuestSecret { text: new_guest_secret(host).into(), fresh: true },
        };
        Self::Guest(absent, secret)
    }

    /// The session, if there is one.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Known(session) => Some(session),
            Self::Guest(..) => None,
        }
    }

    /// What the tokens of their forms are made from: a secret that only they and we know.
    pub(crate) fn secret(&self) -> &str {
        match self {
            Self::Known(session) => &session.token,
            Self::Guest(_, secret) => &secret.text,
        }
    }
}

/// The session of a token of a customer or an operator. Services have no use for pages.
pub(crate) fn known(token: &str, verifier: &TokenVerifier, now: Timestamp) -> Result<Session, Absent> {
    match verifier.verify(token, now) {
        Ok(claims) if claims.role == Role::Service => Err(Absent::Unknown),
        Ok(claims) => Ok(Session { token: token.into(), claims }),
        Err(TokenError::Expired) => Err(Absent::Ended),
        Err(_) => Err(Absent::Unknown),
    }
}

fn is_guest_secret(text: &str) -> bool {
    text.len() == 2 * GUEST_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn new_guest_secret(host: &Host) -> String {
    let mut bytes = [0; GUEST_BYTES];
    host.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
