//! The kinds of pages that can be listened to.

use super::forms::Sent;
use super::live::{Asker, Change, Changed};
use super::{Console, consistency, overview, projections, sagas, story, sync};

/// The longest id that a page may be about.
const MAX_ID_BYTES: usize = 64;

/// A kind of page, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// The overview.
    Overview,
    /// The list of sagas, with these filters.
    Sagas(sagas::list::Filter),
    /// One saga.
    Saga(String),
    /// One order's story.
    Story(String),
    /// All pairs of owners and copies.
    Consistency,
    /// Connectors, lag and parked keys.
    Sync,
    /// All projections.
    Projections,
    /// One projection.
    Projection(String),
}

impl Topic {
    /// The topic of `page=…`; `None` where there is none such.
    pub(crate) fn parse(query: &Sent) -> Option<Self> {
        let id = || Some(query.get("id")).filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES).map(str::to_owned);
        match query.get("page") {
            "overview" => Some(Self::Overview),
            "sagas" => Some(Self::Sagas(sagas::list::Filter::of(query))),
            "saga" => id().map(Self::Saga),
            "story" => id().map(Self::Story),
            "consistency" => Some(Self::Consistency),
            "sync" => Some(Self::Sync),
            "projections" => Some(Self::Projections),
            "projection" => id().map(Self::Projection),
            _ => None,
        }
    }

    /// Whether only operators may listen.
    pub(crate) fn for_operators(&self) -> bool {
        matches!(self, Self::Consistency | Self::Sync | Self::Projections | Self::Projection(_))
    }

    /// Whether one must be logged in to listen.
    pub(crate) fn for_known(&self) -> bool {
        !matches!(self, Self::Overview)
    }

    /// Reads the page again.
    pub(crate) async fn change(&self, console: &Console, asker: &Asker) -> Changed {
        match self {
            Self::Overview => Ok::<Change, _>(overview::change(console, asker).await),
            Self::Sagas(filter) => sagas::list::change(asker, filter).await,
            Self::Saga(id) => sagas::one::change(asker, id).await,
            Self::Story(id) => story::change(asker, id).await,
            Self::Consistency => Ok(consistency::change(console, asker).await),
            Self::Sync => Ok(sync::change(console, asker).await),
            Self::Projections => projections::list::change(asker).await,
            Self::Projection(name) => projections::one::change(asker, name).await,
        }
    }
}
