//! The kinds of pages that can be listened to.

use super::forms::Sent;
use super::live::{Asker, Change, Changed};
use super::{Console, overview};

/// A kind of page, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// The overview.
    Overview,
}

impl Topic {
    /// The topic of `page=…`; `None` where there is none such.
    pub(crate) fn parse(query: &Sent) -> Option<Self> {
        match query.get("page") {
            "overview" => Some(Self::Overview),
            _ => None,
        }
    }

    /// Whether only operators may listen.
    pub(crate) fn for_operators(&self) -> bool {
        match self {
            Self::Overview => false,
        }
    }

    /// Whether one must be logged in to listen.
    pub(crate) fn for_known(&self) -> bool {
        self.for_operators()
    }

    /// Reads the page again.
    pub(crate) async fn change(&self, console: &Console, asker: &Asker) -> Changed {
        match self {
            Self::Overview => Ok::<Change, _>(overview::change(console, asker).await),
        }
    }
}
