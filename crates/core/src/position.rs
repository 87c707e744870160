//! Positions in logs, and the token by which a reader proves what it has seen.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::host::Host;

/// A place in one log: dense, from 1; 0 stands before the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// The next place.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a log's history. A restore, or a tail lost without need, starts a new one: positions of different
/// epochs must not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogEpoch(Uuid);

impl LogEpoch {
    /// A new epoch.
    pub fn new(host: &Host) -> Self {
        Self(host.uuid_v7())
    }

    /// The epoch with this UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The epoch as a UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for LogEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// The name of a log in this installation, as in `order` or `catalog`: lower-case letters, digits, hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogName(Arc<str>);

impl LogName {
    /// The name, or `None` if it is empty, longer than 64 bytes or has other characters.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far into which logs a write reached, handed to clients as an opaque text (`Madrigal-Position`).
///
/// A read that presents it waits until its view has seen every component that the view consumes.
/// At most [`PositionToken::MAX_LOGS`] components.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PositionToken(BTreeMap<LogName, (LogEpoch, Position)>);

/// A text that is not a position token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position token; send back the text of a Madrigal-Position header unchanged")]
pub struct PositionTokenError;

impl PositionToken {
    /// The most components that a token may have.
    pub const MAX_LOGS: usize = 16;

    /// A token of one log.
    pub fn of(log: LogName, epoch: LogEpoch, position: Position) -> Self {
        Self(BTreeMap::from([(log, (epoch, position))]))
    }

    /// Raises one component; a component of another epoch is replaced.
    pub fn raise(&mut self, log: LogName, epoch: LogEpoch, position: Position) {
        let entry = self.0.entry(log).or_insert((epoch, position));
        if entry.0 != epoch {
            *entry = (epoch, position);
        } else if entry.1 < position {
            entry.1 = position;
        }
    }

    /// Raises this token by every component of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (log, epoch, position) in other.components() {
            self.raise(log.clone(), epoch, position);
        }
    }

    /// The component of one log.
    pub fn component(&self, log: &LogName) -> Option<(LogEpoch, Position)> {
        self.0.get(log).copied()
    }

    /// All components, by name.
    pub fn components(&self) -> impl Iterator<Item = (&LogName, LogEpoch, Position)> {
        self.0.iter().map(|(log, (epoch, position))| (log, *epoch, *position))
    }
}

impl fmt::Display for PositionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain = String::from("1");
        for (log, epoch, position) in self.components() {
            plain.push_str(&format!(" {log} {epoch} {position}"));
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

impl FromStr for PositionToken {
    type Err = PositionTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 4_096 {
            return Err(PositionTokenError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PositionTokenError)?;
        let plain = String::from_utf8(bytes).map_err(|_| PositionTokenError)?;
        let mut words = plain.split(' ');
        if words.next() != Some("1") {
            return Err(PositionTokenError);
        }
        let mut token = Self::default();
        while let Some(log) = words.next() {
            let log = LogName::parse(log).ok_or(PositionTokenError)?;
            let epoch = words.next().and_then(|word| Uuid::parse_str(word).ok()).ok_or(PositionTokenError)?;
            let position = words.next().and_then(|word| word.parse().ok()).ok_or(PositionTokenError)?;
            token.0.insert(log, (LogEpoch(epoch), Position(position)));
        }
        if token.0.len() > Self::MAX_LOGS { Err(PositionTokenError) } else { Ok(token) }
    }
}

impl Serialize for PositionToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PositionToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_refuses_others() {
        let host = Host::seeded(1);
        let mut token = PositionToken::of(LogName::parse("order").unwrap(), LogEpoch::new(&host), Position(7));
        token.raise(LogName::parse("catalog").unwrap(), LogEpoch::new(&host), Position(9));
        assert_eq!(token.to_string().parse::<PositionToken>().unwrap(), token);
        for odd in ["", "x", "MQ==", "AAAA", &"A".repeat(5_000)] {
            assert!(odd.parse::<PositionToken>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_component_only_rises_within_its_epoch() {
        let host = Host::seeded(1);
        let (log, first, second) = (LogName::parse("order").unwrap(), LogEpoch::new(&host), LogEpoch::new(&host));
        let mut token = PositionToken::of(log.clone(), first, Position(7));
        token.raise(log.clone(), first, Position(3));
        assert_eq!(token.component(&log), Some((first, Position(7))));
        token.raise(log.clone(), second, Position(1));
        assert_eq!(token.component(&log), Some((second, Position(1))));
    }
}
