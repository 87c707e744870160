//! What forms send, and the token that shows that a form is ours.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use maud::{Markup, html};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

/// The field of the token.
const TOKEN_FIELD: &str = "csrf";
/// What the token is about, so that no other use of the same secret ever makes the same bytes.
const PURPOSE: &[u8] = b"madrigal console: a form of this session";
/// The most fields that are read.
const MAX_FIELDS: usize = 256;

/// The fields of a form whose token was right, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<Vec<(String, String)>>);

impl Sent {
    /// Reads `application/x-www-form-urlencoded`; `None` where it is not UTF-8 or has more than 256 fields.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return None;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            fields.push((decoded(name)?, decoded(value)?));
        }
        Some(Self(Arc::new(fields)))
    }

    /// The first value of a field, without spaces around it; empty where it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// All fields.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether the form carries the token that is made from this secret. Compared in constant time.
    pub(crate) fn is_of(&self, secret: &str) -> bool {
        let Some(sent) = from_hex(self.get(TOKEN_FIELD)) else { return false };
        mac(secret).is_some_and(|mac| mac.verify_slice(&sent).is_ok())
    }
}

/// The hidden field that a form of this secret's holder carries.
pub(crate) fn token_field(secret: &str) -> Markup {
    html! { input type="hidden" name=(TOKEN_FIELD) value=(token(secret)); }
}

/// The token: HMAC-SHA-256 keyed with the session's token or the guest's secret. Nobody who lacks that can make it, and it
/// does not tell it.
fn token(secret: &str) -> String {
    let Some(mac) = mac(secret) else { return String::new() };
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(secret: &str) -> Option<Hmac<Sha256>> {
    // A key of any length will do, so this is always there; without one no form is ours.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(PURPOSE);
    Some(mac)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).collect()
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_ours_only_with_the_token_of_its_own_secret() {
        let form = |token: &str| Sent::parse(&format!("a=1&csrf={token}")).unwrap();
        let right = token("secret");
        assert!(form(&right).is_of("secret"));
        assert!(!form(&right).is_of("another"));
        assert!(!form("").is_of("secret"));
        assert!(!form(&right[..62]).is_of("secret"));
        assert!(!form(&"0".repeat(64)).is_of("secret"));
        assert!(!form(&"é".repeat(32)).is_of("secret"));
        assert!(!Sent::parse("a=1").unwrap().is_of("secret"));
    }

    #[test]
    fn fields_are_decoded_as_browsers_write_them() {
        let sent = Sent::parse("q=gut+strings&name=%3Cb%3E&name=2&empty").unwrap();
        assert_eq!(
            (sent.get("q"), sent.get("name"), sent.get("empty"), sent.get("none")),
            ("gut strings", "<b>", "", "")
        );
        assert!(Sent::parse("q=%ff").is_none());
        assert!(Sent::parse(&"a=1&".repeat(257)).is_none());
    }
}
