//! The fields of a user, each with the rules that make it one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Where in the body, as a JSON pointer.
    pub pointer: String,
    /// Which rule; never the value.
    pub detail: String,
}

impl InvalidField {
    fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// An e-mail address, trimmed and in lower case: two spellings of one address are one address. At most 255 characters.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The longest address, in characters.
    pub const MAX_CHARS: usize = 255;

    /// The address, if it looks like one: whether mail arrives only a mail can tell.
    ///
    /// # Errors
    /// The rule that it breaks.
    ///
    /// # Source
    /// RFC 5321, 4.5.3.1.1 (64 bytes before the @) and RFC 5322, 3.2.3 (dot-atom; quoted forms are refused), letters of
    /// other scripts as in RFC 6531.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let refuse = |detail: &str| Err(InvalidField::new("/email", detail));
        let email = text.trim().to_lowercase();
        if email.chars().count() > Self::MAX_CHARS {
            return refuse("an e-mail address has at most 255 characters");
        }
        let Some((local, domain)) = email.rsplit_once('@') else {
            return refuse("an e-mail address has an @");
        };
        let atom = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        };
        if local.len() > 64 || !local.split('.').all(atom) {
            return refuse("what stands before the @ is not the name of a mailbox");
        }
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && part.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        if !domain.contains('.') || !domain.split('.').all(label) {
            return refuse("what stands after the @ is not a domain such as example.org");
        }
        Ok(Self(email))
    }

    /// Text from the users table, which was parsed when it was written.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name to log in with: 3 to 100 ASCII letters, digits, dots, underscores and hyphens. Unique regardless of case.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// The name, if it follows the rule.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (3..=100).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidField::new(
            "/username",
            "a user name has 3 to 100 ASCII letters, digits, dots, underscores and hyphens",
        ))
    }

    /// Text from the users table, which was parsed when it was written.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value in a profile: a text, true or false, or a whole number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum ProfileValue {
    /// A text.
    Text(String),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
}

impl ProfileValue {
    /// The value, if it is a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Number(_) => None,
        }
    }
}

impl From<&str> for ProfileValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// What a user says about herself: values by name. `firstName`, `lastName` and `avatar` are texts.
///
/// At most [`Profile::MAX_FIELDS`] fields, each named by 1 to 64 ASCII letters, digits and underscores, each text at most
/// [`Profile::MAX_CHARS`] characters without control characters.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profile(BTreeMap<String, ProfileValue>);

/// A change of a profile, as in a JSON merge patch (RFC 7396): a value sets a field, null removes it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProfilePatch(pub BTreeMap<String, Option<ProfileValue>>);

impl Profile {
    /// The most fields.
    pub const MAX_FIELDS: usize = 32;
    /// The fields that are texts.
    pub const TEXTS: [&str; 3] = ["firstName", "lastName", "avatar"];
    /// The longest text, in characters.
    pub const MAX_CHARS: usize = 1_000;

    /// The profile with these fields.
    ///
    /// # Errors
    /// Every rule that is broken, with its place.
    pub fn parse(fields: BTreeMap<String, ProfileValue>) -> Result<Self, Vec<InvalidField>> {
        let mut broken = Vec::new();
        if fields.len() > Self::MAX_FIELDS {
            broken.push(InvalidField::new("/profile", "a profile has at most 32 fields"));
        }
        for (name, value) in fields.iter().take(Self::MAX_FIELDS) {
            let pointer = || format!("/profile/{}", name.replace('~', "~0").replace('/', "~1"));
            let name_fits =
                (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !name_fits {
                let rule = "a field of a profile is named by 1 to 64 ASCII letters, digits and underscores";
                broken.push(InvalidField::new(pointer(), rule));
            }
            let Some(value) = value.as_text() else {
                if Self::TEXTS.contains(&name.as_str()) {
                    broken.push(InvalidField::new(pointer(), "a text"));
                }
                continue;
            };
            if value.chars().count() > Self::MAX_CHARS {
                broken.push(InvalidField::new(pointer(), "at most 1000 characters"));
            }
            if value.chars().any(char::is_control) {
                broken.push(InvalidField::new(pointer(), "no control characters"));
            }
        }
        if broken.is_empty() { Ok(Self(fields)) } else { Err(broken) }
    }

    /// Whether this profile follows its rules: one that was put together from two of them may not.
    ///
    /// # Errors
    /// Every rule that is broken, with its place.
    pub fn checked(&self) -> Result<(), Vec<InvalidField>> {
        Self::parse(self.0.clone()).map(|_| ())
    }

    /// This profile with the changes of `patch`.
    ///
    /// # Errors
    /// Every rule that the result breaks, with its place.
    pub fn patched(&self, patch: &ProfilePatch) -> Result<Self, Vec<InvalidField>> {
        let mut fields = self.0.clone();
        for (name, value) in &patch.0 {
            match value {
                Some(value) => fields.insert(name.clone(), value.clone()),
                None => fields.remove(name),
            };
        }
        Self::parse(fields)
    }

    /// The field's text.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(ProfileValue::as_text)
    }
}

macro_rules! debug_without_its_value {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            /// Without the value, which is personal.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(***)"))
            }
        }
    )*};
}
debug_without_its_value!(Email, Username, Profile, ProfilePatch, ProfileValue);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_an_address_are_one_address() {
        assert_eq!(Email::parse("  Anna.Rossi@Example.ORG ").unwrap().as_str(), "anna.rossi@example.org");
        assert_eq!(Email::parse("jörg+shop@bücher.example").unwrap().as_str(), "jörg+shop@bücher.example");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@{}.example", "a".repeat(60), "b.".repeat(120));
        for text in [
            "",
            "@",
            "anna",
            "anna@",
            "@example.org",
            "anna@example",
            "a b@example.org",
            "a@b@example.org",
            ".a@example.org",
            "a..b@example.org",
            "a@-example.org",
            "a@example..org",
            "a@example.org.",
            "\"a\"@example.org",
            "a@exa mple.org",
            "a\r\nBcc: x@example.org",
            "a\0@example.org",
            "<a@example.org>",
            "a,b@example.org",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn user_names_have_a_length_and_an_alphabet() {
        for text in ["abc", "anna.rossi", "A-1_b", &"x".repeat(100)] {
            assert!(Username::parse(text).is_ok(), "{text:?}");
        }
        for text in ["", "ab", "anna rossi", "ännä", "a@b", "a\0b", "'; DROP TABLE users; --", &"x".repeat(101)] {
            assert!(Username::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_patch_sets_and_removes_and_the_result_follows_the_rules() {
        let profile = Profile::parse([("firstName", "Anna"), ("city", "Roma")].map(owned).into()).unwrap();
        let patch = ProfilePatch([("city".to_owned(), None), ("lastName".to_owned(), Some("Rossi".into()))].into());
        let patched = profile.patched(&patch).unwrap();
        assert_eq!(patched, Profile([("firstName", "Anna"), ("lastName", "Rossi")].map(owned).into()));
        let many = (0..32).map(|i| (format!("f{i}"), Some("".into()))).collect();
        assert_eq!(profile.patched(&ProfilePatch(many)).unwrap_err()[0].pointer, "/profile");
        let bell = ProfilePatch([("a/b".to_owned(), Some("\u{7}".into()))].into());
        let broken: Vec<String> = profile.patched(&bell).unwrap_err().into_iter().map(|field| field.pointer).collect();
        assert_eq!(broken, ["/profile/a~1b", "/profile/a~1b"]);
    }

    #[test]
    fn a_profile_takes_flags_and_whole_numbers_but_names_are_texts() {
        let profile: BTreeMap<String, ProfileValue> =
            serde_json::from_str(r#"{"synthetic":true,"counter":-7,"firstName":"Anna"}"#).unwrap();
        let profile = Profile::parse(profile).unwrap();
        assert_eq!(serde_json::to_string(&profile).unwrap(), r#"{"counter":-7,"firstName":"Anna","synthetic":true}"#);
        let wrong = serde_json::from_str(r#"{"firstName":7}"#).unwrap();
        assert_eq!(Profile::parse(wrong).unwrap_err()[0].pointer, "/profile/firstName");
        assert!(serde_json::from_str::<ProfileValue>("1.5").is_err(), "fractions differ between engines");
    }

    #[test]
    fn personal_values_do_not_show_in_debug() {
        let email = Email::parse("anna@example.org").unwrap();
        assert_eq!(format!("{email:?}"), "Email(***)");
    }

    fn owned((name, value): (&str, &str)) -> (String, ProfileValue) {
        (name.to_owned(), value.into())
    }
}
